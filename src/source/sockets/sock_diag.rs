//! Dumps of the kernel's TCP and UDP sockets by netlink (net/ipv4/inet_diag.c).

use rustix::io::Errno;

pub use crate::source::netlink::{Dumped, Exchange, Refusal};

use crate::error::Error;
use crate::model::{Family, Proto, StateSet};
use crate::source::netlink;
use crate::wire::inet_diag::{self, InetDiag};
use crate::wire::netlink::Message;

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        refusal.error("sock_diag", "")
    }
}

/// Which sockets to dump.
#[derive(Clone, Copy, Debug)]
pub struct Query<'a> {
    /// Of which protocol.
    pub proto: Proto,
    /// Of which family; both for `None`, which TCP gives in one walk of the kernel's table.
    pub family: Option<Family>,
    /// In which states.
    pub states: StateSet,
    /// Attributes to answer with, beside those that always come.
    pub extensions: u8,
    /// The program that picks among them; empty for all. Old kernels may ignore it.
    pub bytecode: &'a [u8],
}

impl Query<'static> {
    /// The TCP sockets of both families in `states`.
    #[must_use]
    pub fn tcp(states: StateSet) -> Query<'static> {
        Query { proto: Proto::Tcp, family: None, states, extensions: 0, bytecode: &[] }
    }
}

/// Calls `each` with every socket that `query` asks for.
///
/// # Errors
/// [`Refusal`] if the kernel refuses or the dump is cut short.
pub fn dump(
    kernel: &mut impl Exchange,
    query: &Query<'_>,
    mut each: impl FnMut(InetDiag<'_>),
) -> Result<Dumped, Refusal> {
    let mut is_partial = false;
    let mut dumped = Dumped::default();
    let families: &[Option<Family>] = match (query.proto, query.family) {
        (Proto::Udp, None) => &[Some(Family::Inet), Some(Family::Inet6)],
        (_, family) => &[family],
    };
    for (sequence, family) in (1..).zip(families) {
        let take = |message: &Message<'_>| {
            let socket = inet_diag::answer(message.payload).ok_or(Errno::BADMSG)?;
            is_partial = true;
            each(socket);
            Ok(())
        };
        let done = kernel
            .send(&request(query, *family, sequence))
            .map_err(Refusal::from)
            .and_then(|()| netlink::receive(kernel, sequence, take))
            .map_err(|refusal| Refusal { is_partial, ..refusal })?;
        dumped.is_interrupted |= done.is_interrupted;
    }
    Ok(dumped)
}

fn request(query: &Query<'_>, family: Option<Family>, sequence: u32) -> Vec<u8> {
    let (states, extensions) = (query.states.mask(), query.extensions);
    match family {
        None => inet_diag::tcpdiag_request(states, extensions, sequence, query.bytecode),
        Some(family) => {
            let (family, proto) = (family.number(), query.proto.number());
            let bytecode = query.bytecode;
            inet_diag::sock_diag_request(family, proto, states, extensions, sequence, bytecode)
        }
    }
}
