//! The kernel's own counters of every TCP connection, by sock_diag.

use std::time::Duration;

use super::dump::{answers, of_answer};
use super::sock_diag::{Dumped, Exchange};
use crate::error::Error;
use crate::model::{Proto, Query, Socket};
use crate::source::netlink::Failure;
use crate::track::tcp::{Counters, State};
use crate::wire::inet_diag::INFO_EXTENSION;
use crate::wire::tcp_info::{TcpInfo, tcp_info};

/// Calls `each` with every TCP socket that `query` means and, for full sockets, what the kernel
/// counts for it.
///
/// # Errors
/// [`Failure`] if the kernel refuses, the dump is cut short, or `each` fails.
pub fn dump(
    kernel: &mut impl Exchange,
    query: &Query,
    mut each: impl FnMut(&Socket, Option<&TcpInfo>) -> Result<(), Error>,
) -> Result<Dumped, Failure> {
    answers(kernel, Proto::Tcp, query, INFO_EXTENSION, &mut |answer| {
        let Some(socket) = of_answer(Proto::Tcp, &answer) else { return Ok(()) };
        if !query.has(&socket) {
            return Ok(());
        }
        let info = answer.info().map(|info| tcp_info(info, socket.state));
        each(&socket, info.as_ref())
    })
}

/// What the tracker of connections takes; `None` for a socket that belongs to no connection.
#[must_use]
pub fn counters(socket: &Socket, info: Option<&TcpInfo>) -> Option<Counters> {
    let state = State::of_socket(socket.tcp_state()?).filter(|_| socket.remote.port != 0)?;
    let info = info.copied().unwrap_or_default();
    Some(Counters {
        local: socket.local,
        remote: socket.remote,
        is_client: None,
        state,
        sent_bytes_total: info.acknowledged_bytes,
        received_bytes_total: info.received_bytes,
        retransmits_total: info.retransmits_total,
        // 0 stands for none measured.
        rtt: info
            .rtt_microseconds
            .filter(|rtt| *rtt > 0)
            .map(|rtt| Duration::from_micros(rtt.into())),
        idle: info.idle_milliseconds.map(|idle| Duration::from_millis(idle.into())),
    })
}
