//! The kernel's own counters of every TCP connection, by sock_diag.

use super::sock_diag::{Dumped, Exchange, Refusal};
use super::sockets::{answers, of_answer};
use crate::model::{Filter, Proto, Socket};
use crate::wire::inet_diag::INFO_EXTENSION;
use crate::wire::tcp_info::{TcpInfo, tcp_info};

/// Calls `each` with every TCP socket that `filter` means and, for full sockets, what the kernel
/// counts for it.
///
/// # Errors
/// [`Refusal`] if the kernel refuses or the dump is cut short.
pub fn dump(
    kernel: &mut impl Exchange,
    filter: &Filter,
    each: &mut dyn FnMut(&Socket, Option<&TcpInfo>),
) -> Result<Dumped, Refusal> {
    answers(kernel, Proto::Tcp, filter, INFO_EXTENSION, &mut |answer| {
        let Some(socket) = of_answer(Proto::Tcp, &answer) else { return };
        if filter.has(&socket) {
            let info = answer.info().map(|info| tcp_info(info, socket.state));
            each(&socket, info.as_ref());
        }
    })
}
