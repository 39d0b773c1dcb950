//! Dumps of the kernel's TCP and UDP sockets by netlink (net/ipv4/inet_diag.c).

pub use crate::source::netlink::{Dumped, Exchange};

use crate::error::Error;
use crate::model::{Family, Proto, StateSet, TcpState};
use crate::source::netlink::{Answers, Failure, SOCK_DIAG, UNSENT};
use crate::sys::Netlink;
use crate::wire::inet_diag::{self, InetDiag};

#[derive(Clone, Copy, Debug)]
pub struct DumpRequest<'a> {
    pub proto: Proto,
    /// Of which family; both for `None`, which TCP gives in one walk of the kernel's table.
    pub family: Option<Family>,
    pub states: StateSet,
    /// Attributes to answer with, beside those that always come.
    pub extensions: u8,
    /// The program that picks among them; empty for all. Old kernels may ignore it.
    pub bytecode: &'a [u8],
}

impl DumpRequest<'static> {
    /// The TCP sockets of both families in `states`.
    pub fn tcp(states: StateSet) -> DumpRequest<'static> {
        DumpRequest { proto: Proto::Tcp, family: None, states, extensions: 0, bytecode: &[] }
    }
}

impl DumpRequest<'_> {
    /// The state of an answer: TCP sockets in CLOSE are in no table, so that those which come are bound ones.
    #[inline]
    pub fn state(&self, answer: &InetDiag<'_>) -> u8 {
        let is_bound = answer.state == TcpState::CLOSE.number()
            && self.proto == Proto::Tcp
            && self.states.has(TcpState::BOUND_INACTIVE);
        if is_bound { TcpState::BOUND_INACTIVE.number() } else { answer.state }
    }
}

/// A socket to ask for those of the network namespace of this thread.
///
/// # Errors
/// [`Failure::Refused`]; a sandbox may refuse it.
pub fn open() -> Result<Netlink, Failure> {
    Netlink::sock_diag().map_err(|errno| SOCK_DIAG.refused(errno).into())
}

/// Calls `each` with every socket that `query` asks for.
///
/// # Errors
/// [`Failure`] if the kernel refuses, the dump is cut short, or `each` fails.
pub fn dump(
    kernel: &mut impl Exchange,
    query: &DumpRequest<'_>,
    mut each: impl FnMut(InetDiag<'_>) -> Result<(), Error>,
) -> Result<Dumped, Failure> {
    let mut answers = Answers::of(SOCK_DIAG);
    let families: &[Option<Family>] = match (query.proto, query.family) {
        (Proto::Udp, None) => &[Some(Family::Inet), Some(Family::Inet6)],
        (_, family) => &[family],
    };
    for family in families {
        answers.ask(kernel, request(query, *family), |message| {
            Some(each(inet_diag::answer(message.payload)?))
        })?;
    }
    Ok(answers.dumped)
}

fn request(query: &DumpRequest<'_>, family: Option<Family>) -> Vec<u8> {
    let (states, extensions) = (query.states.mask(), query.extensions);
    match family {
        None => inet_diag::tcpdiag_request(states, extensions, UNSENT, query.bytecode),
        Some(family) => {
            let (family, proto) = (family.number(), query.proto.number());
            let bytecode = query.bytecode;
            inet_diag::sock_diag_request(family, proto, states, extensions, UNSENT, bytecode)
        }
    }
}
