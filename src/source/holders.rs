//! Who holds TCP sockets that are neither connected nor listening: never bound or connected, bound and
//! left at that, or closed by the peer and forgotten. lsof says of them "can't identify protocol".
//!
//! No table of the kernel has them, but for those that are bound (Linux 6.8). So they are what is left
//! of the sockets behind all descriptors when those in a table are taken away, and those that are no
//! TCP sockets. The latter is asked of each that is left, by its extended attribute, which costs some
//! 2.5 us; to dump the tables of all other kinds of sockets first would cost as much. No descriptor is
//! duplicated: the last close of a socket would be ours then.

use super::owner::{Descriptors, Held, Process};
use super::sock_diag::{self, Query, Refusal};
use crate::error::Error;
use crate::model::StateSet;
use crate::sys::process::{Proc, SocketFile};
use crate::sys::{self, Kernel, SockDiag};
use crate::wire::inet_diag::InetDiag;

/// A TCP socket that is neither connected nor listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The process that holds it, the lowest number of several; `None` if nobody does whom one may
    /// look at.
    pub pid: Option<u32>,
    /// Who made it.
    pub uid: u32,
    /// Whether it has a port; `None` where the kernel cannot tell (before Linux 6.8).
    pub is_bound: Option<bool>,
}

/// The TCP sockets that are neither connected nor listening.
#[derive(Debug)]
pub struct Holders {
    /// The sockets, each once.
    pub sockets: Vec<Closed>,
    descriptors: Descriptors,
}

/// Walks the tables of TCP sockets, those of one network namespace or of several, and calls the other
/// function with every socket in one of these states.
pub trait Walk: FnMut(StateSet, &mut dyn FnMut(InetDiag<'_>)) -> Result<(), Error> {}
impl<W: FnMut(StateSet, &mut dyn FnMut(InetDiag<'_>)) -> Result<(), Error>> Walk for W {}

/// Walks the tables of the network namespace in which we are.
///
/// # Errors
/// If sock_diag is refused or the dump is cut short.
pub fn walk(states: StateSet, each: &mut dyn FnMut(InetDiag<'_>)) -> Result<(), Error> {
    let mut kernel = SockDiag::open().map_err(Refusal::from)?;
    sock_diag::dump(&mut kernel, &Query::tcp(states), each)?;
    Ok(())
}

impl Holders {
    /// Finds them in the processes that live in our network namespace.
    ///
    /// # Errors
    /// If /proc cannot be read, or sock_diag is refused.
    pub fn read(kernel: &Kernel) -> Result<Holders, Error> {
        let own = Proc::open(kernel)?.own_network_namespace()?;
        Holders::read_in(kernel, |namespace| namespace == own, walk)
    }

    /// Finds them in the processes whose network namespace (its inode) is one that `is_meant`, where
    /// `walk` gives the sockets of all of those.
    ///
    /// # Errors
    /// If /proc cannot be read, or `walk` fails.
    pub fn read_in(
        kernel: &Kernel,
        is_meant: impl Fn(u64) -> bool + Sync,
        mut walk: impl Walk,
    ) -> Result<Holders, Error> {
        let proc = Proc::open(kernel)?;
        // What is bound now and after the pass, and then found with nobody, was so all the time.
        let mut bound_before = Vec::new();
        walk(StateSet::BOUND, &mut |socket| bound_before.push(socket.inode()))?;
        bound_before.sort_unstable();
        let descriptors = Descriptors::read(&proc, |process| {
            // One who does not show his namespace does not show his descriptors, and is counted.
            proc.network_namespace(process.pid).map_or(true, &is_meant)
        })?;
        let mut left = Left::new(&descriptors);
        let mut nobodys = Vec::new();
        // Sockets in TIME_WAIT have no inode.
        let all = StateSet::ALL.without(StateSet::TIME_WAIT).with(StateSet::BOUND);
        walk(all, &mut |socket| {
            if !left.take(&socket) && bound_before.binary_search(&socket.inode()).is_ok() {
                nobodys.push(Closed { pid: None, uid: socket.uid(), is_bound: Some(true) });
            }
        })?;
        left.ask(&proc);
        if left.is_any_unknown() {
            // A socket may have come into a table behind the walk's back: it has to be missed twice.
            walk(all, &mut |socket| {
                left.take(&socket);
            })?;
        }
        let mut sockets = left.closed();
        sockets.extend(nobodys);
        Ok(Holders { sockets, descriptors })
    }

    /// The process of that number, if it holds a socket.
    #[must_use]
    pub fn process(&self, pid: u32) -> Option<&Process> {
        self.descriptors.process(pid)
    }

    /// How many processes' descriptors may not be read.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.descriptors.unreadable
    }
}

/// What is known of a socket that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    /// Nothing yet.
    Unknown,
    /// A table has it, or it is no TCP socket, or it has gone.
    Elsewhere,
    /// It is bound, and no more.
    Bound,
}

/// The sockets that are held, by inode, each once, with what is known so far.
struct Left {
    sockets: Vec<(Held, Seen, u32)>,
    has_bound: bool,
}

impl Left {
    fn new(descriptors: &Descriptors) -> Left {
        let mut sockets: Vec<_> =
            descriptors.held.iter().map(|held| (*held, Seen::Unknown, 0)).collect();
        sockets.dedup_by_key(|(held, ..)| held.inode);
        Left { sockets, has_bound: false }
    }

    /// Notes that a table has a socket; false if it is a bound one that nobody holds.
    fn take(&mut self, socket: &InetDiag<'_>) -> bool {
        /// What comes of the table of bound sockets is in TCP_CLOSE.
        const CLOSE: u8 = 7;
        let inode = socket.inode();
        let is_bound = socket.state == CLOSE;
        self.has_bound |= is_bound;
        let place =
            self.sockets.binary_search_by_key(&u64::from(inode), |(held, ..)| held.inode).ok();
        if let Some((_, seen, uid)) = place.and_then(|place| self.sockets.get_mut(place)) {
            *seen = if is_bound { Seen::Bound } else { Seen::Elsewhere };
            *uid = socket.uid();
            return true;
        }
        !is_bound || inode == 0
    }

    /// Asks of each unknown socket whether it is a TCP socket, and still the same.
    fn ask(&mut self, proc: &Proc) {
        for (held, seen, uid) in &mut self.sockets {
            if *seen != Seen::Unknown {
                continue;
            }
            let is_tcp = proc.is_protocol(held.pid, held.fd, &[b"TCP", b"TCPv6"]);
            match is_tcp.then(|| proc.socket(held.pid, held.fd)).flatten() {
                Some(SocketFile { inode, uid: owner }) if inode == held.inode => *uid = owner,
                _ => *seen = Seen::Elsewhere,
            }
        }
    }

    fn is_any_unknown(&self) -> bool {
        self.sockets.iter().any(|(_, seen, _)| *seen == Seen::Unknown)
    }

    /// Those that are in no table, and those that are bound.
    fn closed(&self) -> Vec<Closed> {
        let unbound = (self.has_bound || sys::kernel_version() >= (6, 8)).then_some(false);
        let closed = |(held, seen, uid): &(Held, Seen, u32)| {
            let is_bound = match seen {
                Seen::Elsewhere => return None,
                Seen::Bound => Some(true),
                Seen::Unknown => unbound,
            };
            Some(Closed { pid: Some(held.pid), uid: *uid, is_bound })
        };
        self.sockets.iter().filter_map(closed).collect()
    }
}
