//! Dumps of the kernel's TCP sockets by netlink (net/ipv4/inet_diag.c).

use rustix::io::Errno;

use crate::model::{Family, StateSet};
use crate::sys::SockDiag;
use crate::wire::netlink::{self, InetDiag};

/// Walks the kernel's table once, for both families, and calls `each` with every TCP socket in
/// one of `states`.
///
/// # Errors
/// The system's if sock_diag is refused or the dump is cut short; `BADMSG` for an answer of
/// unknown shape.
pub fn walk(
    socket: &mut SockDiag,
    states: StateSet,
    each: impl FnMut(InetDiag<'_>),
) -> Result<(), Errno> {
    const SEQUENCE: u32 = 1;
    socket.send(&netlink::tcpdiag_request(states.mask(), SEQUENCE))?;
    receive(socket, SEQUENCE, each)
}

/// The same for the sockets of one family.
///
/// # Errors
/// As [`walk`].
pub fn walk_family(
    socket: &mut SockDiag,
    family: Family,
    states: StateSet,
    each: impl FnMut(InetDiag<'_>),
) -> Result<(), Errno> {
    const SEQUENCE: u32 = 2;
    socket.send(&netlink::sock_diag_request(family.number(), states.mask(), SEQUENCE))?;
    receive(socket, SEQUENCE, each)
}

fn receive(
    socket: &mut SockDiag,
    sequence: u32,
    mut each: impl FnMut(InetDiag<'_>),
) -> Result<(), Errno> {
    loop {
        for message in netlink::messages(socket.receive()?) {
            let message = message.ok_or(Errno::BADMSG)?;
            if message.sequence != sequence {
                continue;
            }
            match message.kind {
                netlink::DONE | netlink::ERROR => return end(message.payload),
                _ => each(netlink::inet_diag(message.payload).ok_or(Errno::BADMSG)?),
            }
        }
    }
}

/// The result that the last message of a dump carries.
fn end(payload: &[u8]) -> Result<(), Errno> {
    match netlink::error_number(payload).ok_or(Errno::BADMSG)? {
        0 => Ok(()),
        number => Err(Errno::from_raw_os_error(number)),
    }
}
