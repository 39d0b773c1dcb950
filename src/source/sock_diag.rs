//! Dumps of the kernel's TCP and UDP sockets by netlink (net/ipv4/inet_diag.c).

use rustix::io::Errno;

use crate::error::{self, Error};
use crate::model::{Family, Proto, StateSet};
use crate::sys::SockDiag;
use crate::wire::inet_diag::{self, InetDiag};
use crate::wire::netlink::{self, Message};

/// Something that answers requests as the kernel does; tests script it.
pub trait Exchange {
    /// Sends one request.
    ///
    /// # Errors
    /// The system's.
    fn send(&mut self, request: &[u8]) -> Result<(), Errno>;

    /// Receives one datagram of answers.
    ///
    /// # Errors
    /// The system's: `NOBUFS` if answers were lost; `INTR` to be called again.
    fn receive(&mut self) -> Result<&[u8], Errno>;
}

impl Exchange for SockDiag {
    fn send(&mut self, request: &[u8]) -> Result<(), Errno> {
        SockDiag::send(self, request)
    }

    fn receive(&mut self) -> Result<&[u8], Errno> {
        SockDiag::receive(self)
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

/// Why a dump failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The system's reason; `BADMSG` for an answer of unknown shape.
    pub errno: Errno,
    /// The kernel's own sentence, if it gave one.
    pub sentence: Vec<u8>,
    /// Whether some sockets had been given before.
    pub is_partial: bool,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Refusal {
        Refusal { errno, sentence: Vec::new(), is_partial: false }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        let reason = error::reason(refusal.errno);
        match refusal.sentence.as_slice() {
            [] => Error::failed("sock_diag", reason),
            sentence => {
                let sentence = String::from_utf8_lossy(sentence);
                Error::failed("sock_diag", format_args!("{reason}: {sentence}"))
            }
        }
    }
}

/// How a dump went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    /// The kernel says that the table changed meanwhile: sockets may be missing or double.
    pub is_interrupted: bool,
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
        let take = |socket: InetDiag<'_>| {
            is_partial = true;
            each(socket);
        };
        let done = kernel
            .send(&request(query, *family, sequence))
            .map_err(Refusal::from)
            .and_then(|()| receive(kernel, sequence, take))
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

fn receive(
    kernel: &mut impl Exchange,
    sequence: u32,
    mut each: impl FnMut(InetDiag<'_>),
) -> Result<Dumped, Refusal> {
    let mut dumped = Dumped::default();
    loop {
        let datagram = match kernel.receive() {
            Err(Errno::INTR) => continue,
            datagram => datagram?,
        };
        for message in netlink::messages(datagram) {
            let message = message.ok_or(Errno::BADMSG)?;
            if message.sequence != sequence {
                continue;
            }
            dumped.is_interrupted |= message.flags & netlink::INTERRUPTED != 0;
            match message.kind {
                netlink::DONE | netlink::ERROR => return end(&message).map(|()| dumped),
                netlink::NOOP => {}
                _ => each(inet_diag::answer(message.payload).ok_or(Errno::BADMSG)?),
            }
        }
    }
}

/// The result that the last message of a dump carries.
fn end(message: &Message<'_>) -> Result<(), Refusal> {
    match netlink::error_number(message.payload).ok_or(Errno::BADMSG)? {
        0 => Ok(()),
        number => Err(Refusal {
            sentence: netlink::error_text(message).unwrap_or_default().to_vec(),
            ..Refusal::from(Errno::from_raw_os_error(number))
        }),
    }
}
