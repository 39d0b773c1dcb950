//! Who holds TCP sockets that are neither connected nor listening: never bound or connected, bound and
//! left at that, or closed by the peer and forgotten. lsof says of them "can't identify protocol".
//!
//! No table of the kernel has them, but for those that are bound (Linux 6.8). So they are what is left
//! of the sockets behind all descriptors when those in a table are taken away, and those that are no
//! TCP sockets. The latter is asked of each that is left, by its extended attribute: some 2.5 us, which is
//! no more than any descriptor costs, so that dumps of UNIX and UDP sockets beforehand would save
//! little. No descriptor is duplicated: the last close of a socket would be ours then.

use std::collections::HashMap;

use super::owner::{Descriptors, Held, Process};
use crate::error::Error;
use crate::model::{Family, Protocol, StateSet};
use crate::source::files::procfs;
use crate::source::sockets::sock_diag::{self, DumpRequest};
use crate::source::{Source, netns};
use crate::sys;
use crate::sys::process::{Proc, SocketFile};
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

/// What is read once, however many namespaces are asked for holders then: the sockets behind the
/// descriptors of processes, and before them what tables hold.
#[derive(Debug)]
pub struct Round {
    descriptors: Descriptors,
    /// The namespace of the process, for each of the sockets; empty if all are of ours.
    namespaces: Vec<u64>,
    /// The inodes that were in a table before: of our namespace those that were bound, or of all
    /// namespaces all.
    before: Vec<u32>,
}

impl Round {
    /// Reads the processes that live in our network namespace.
    ///
    /// # Errors
    /// If /proc cannot be read, or sock_diag is refused.
    pub fn of_own_namespace(source: &Source) -> Result<Round, Error> {
        let proc = Proc::open(&source.kernel)?;
        let own = proc.own_network_namespace()?;
        let mut before = Vec::new();
        walk(StateSet::BOUND, |socket| before.push(socket.inode()))?;
        before.sort_unstable();
        let descriptors =
            Descriptors::read(Proc::open(&source.kernel)?, source.threads(), move |process| {
                // One who does not show his namespace does not show his descriptors, and is counted.
                proc.network_namespace(process.pid).map_or(true, |namespace| namespace == own)
            })?;
        Ok(Round { descriptors, namespaces: Vec::new(), before })
    }

    /// Reads all processes.
    ///
    /// # Errors
    /// As [`Round::of_own_namespace`].
    pub fn of_all_namespaces(source: &Source) -> Result<Round, Error> {
        let proc = Proc::open(&source.kernel)?;
        let before = in_all_tables(source)?;
        let descriptors =
            Descriptors::read(Proc::open(&source.kernel)?, source.threads(), |_| true)?;
        let of = |process: &Process| {
            (process.pid, proc.network_namespace(process.pid).unwrap_or_default())
        };
        let known: HashMap<u32, u64> = descriptors.processes.iter().map(of).collect();
        let of = |held: &Held| known.get(&held.pid).copied().unwrap_or_default();
        let namespaces = descriptors.held.iter().map(of).collect();
        Ok(Round { descriptors, namespaces, before })
    }

    fn is_of_all(&self) -> bool {
        !self.namespaces.is_empty()
    }

    /// The process of that number, if it holds a socket.
    pub fn process(&self, pid: u32) -> Option<&Process> {
        self.descriptors.process(pid)
    }

    /// How many processes' descriptors may not be read.
    pub fn unreadable(&self) -> u64 {
        self.descriptors.unreadable
    }

    /// The TCP sockets that are neither connected nor listening of the processes that live in our
    /// network namespace, each once.
    ///
    /// # Errors
    /// If sock_diag is refused or a dump cut short.
    pub fn closed(&self, source: &Source) -> Result<Vec<Closed>, Error> {
        let proc = Proc::open(&source.kernel)?;
        let mut left = Left::new(self, proc.own_network_namespace()?);
        let mut nobodys = Vec::new();
        let states = if self.is_of_all() { held_here(source) } else { HELD };
        // Where nobody holds a socket, those that are bound are all that there may be to find.
        let first = if left.sockets.is_empty() { states.without(StateSet::ALL) } else { states };
        walk(first, |socket| {
            // What was bound before the pass and is bound now was so during the pass.
            if !left.found(&socket) && self.before.binary_search(&socket.inode()).is_ok() {
                nobodys.push(Closed { pid: None, uid: socket.uid(), is_bound: Some(true) });
            }
        })?;
        left.ask(&proc);
        if left.is_any_unknown() {
            // A socket may have come into a table behind the walk's back: it has to be missed twice.
            walk(states, |socket| {
                left.found(&socket);
            })?;
        }
        // A process that lives in our namespace may hold connections of another one.
        if self.is_of_all() {
            left.drop_those_of(&self.before);
        } else if left.is_any_unknown() {
            left.drop_those_of(&in_all_tables(source)?);
        }
        let mut sockets = left.closed();
        sockets.extend(nobodys);
        Ok(sockets)
    }
}

/// The inodes of the sockets in the tables of all network namespaces that may be entered, sorted.
fn in_all_tables(source: &Source) -> Result<Vec<u32>, Error> {
    let all = netns::list()?;
    let (seen, _) = all.read(source.threads(), |_| {
        let mut inodes = Vec::new();
        walk(held_here(source), |socket| inodes.push(socket.inode()))?;
        Ok(inodes)
    })?;
    let mut inodes: Vec<u32> = seen.into_iter().flat_map(|(_, inodes)| inodes).collect();
    inodes.sort_unstable();
    Ok(inodes)
}

/// All that a table shows and a process may hold: in TIME_WAIT sockets have no inode.
const HELD: StateSet = StateSet::ALL.without(StateSet::TIME_WAIT).with(StateSet::BOUND);

/// Those of [`HELD`] in which this namespace may have sockets. A walk goes over the tables of the whole
/// machine, and a namespace, of many, has few sockets if any.
fn held_here(source: &Source) -> StateSet {
    let Ok(sockstat) = procfs::sockstat(source) else { return HELD };
    let in_use =
        |protocol| Family::ALL.iter().map(|family| sockstat.inuse(protocol, *family)).sum();
    let (tcp, udp, raw): (u64, u64, u64) =
        (in_use(Protocol::Tcp), in_use(Protocol::Udp), in_use(Protocol::Raw));
    // All that are in use are more than bound.
    let may_be_bound = sockstat.used.is_none_or(|used| used > tcp + udp + raw);
    let states = if tcp > 0 { HELD } else { StateSet::BOUND };
    if may_be_bound { states } else { states.without(StateSet::BOUND) }
}

/// Walks the tables of the network namespace in which we are.
fn walk(states: StateSet, mut each: impl FnMut(InetDiag<'_>)) -> Result<(), Error> {
    if states.is_empty() {
        return Ok(());
    }
    sock_diag::dump(&mut sock_diag::open()?, &DumpRequest::tcp(states), |socket| {
        each(socket);
        Ok(())
    })?;
    Ok(())
}

/// What is known of a socket that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whereabouts {
    /// Nothing yet.
    Unknown,
    /// A table has it, or it is no TCP socket, or it has gone.
    Elsewhere,
    /// It is bound, and no more.
    Bound,
}

/// The sockets that are held, by inode, each once, with what is known so far.
struct Left {
    sockets: Vec<(Held, Whereabouts, u32)>,
    has_bound: bool,
}

impl Left {
    /// The sockets of the processes that live in `namespace`.
    fn new(round: &Round, namespace: u64) -> Left {
        let is_here =
            |place: usize| round.namespaces.get(place).is_none_or(|other| *other == namespace);
        let held = round.descriptors.held.iter().enumerate();
        let mut sockets: Vec<_> = held
            .filter(|(place, _)| is_here(*place))
            .map(|(_, held)| (*held, Whereabouts::Unknown, 0))
            .collect();
        sockets.dedup_by_key(|(held, ..)| held.inode);
        Left { sockets, has_bound: false }
    }

    /// Notes that a table has a socket; false if it is a bound one that nobody holds.
    fn found(&mut self, socket: &InetDiag<'_>) -> bool {
        /// What comes of the table of bound sockets is in TCP_CLOSE.
        const CLOSE: u8 = 7;
        let inode = socket.inode();
        let is_bound = socket.state == CLOSE;
        self.has_bound |= is_bound;
        let place =
            self.sockets.binary_search_by_key(&u64::from(inode), |(held, ..)| held.inode).ok();
        if let Some((_, seen, uid)) = place.and_then(|place| self.sockets.get_mut(place)) {
            *seen = if is_bound { Whereabouts::Bound } else { Whereabouts::Elsewhere };
            *uid = socket.uid();
            return true;
        }
        !is_bound || inode == 0
    }

    /// Asks of each unknown socket whether it is a TCP socket, and still the same.
    fn ask(&mut self, proc: &Proc) {
        for (held, seen, uid) in &mut self.sockets {
            if *seen != Whereabouts::Unknown {
                continue;
            }
            let is_tcp = proc.is_protocol(held.pid, held.fd, &[b"TCP", b"TCPv6"]);
            match is_tcp.then(|| proc.socket(held.pid, held.fd)).flatten() {
                Some(SocketFile { inode, uid: owner }) if inode == held.inode => *uid = owner,
                _ => *seen = Whereabouts::Elsewhere,
            }
        }
    }

    /// Takes away what other namespaces have in their tables.
    fn drop_those_of(&mut self, inodes: &[u32]) {
        for (held, seen, _) in &mut self.sockets {
            let is_elsewhere = || {
                let inode = u32::try_from(held.inode);
                inode.is_ok_and(|inode| inodes.binary_search(&inode).is_ok())
            };
            if *seen == Whereabouts::Unknown && is_elsewhere() {
                *seen = Whereabouts::Elsewhere;
            }
        }
    }

    fn is_any_unknown(&self) -> bool {
        self.sockets.iter().any(|(_, seen, _)| *seen == Whereabouts::Unknown)
    }

    /// Those that are in no table, and those that are bound.
    fn closed(&self) -> Vec<Closed> {
        let unbound = (self.has_bound || sys::kernel_version() >= (6, 8)).then_some(false);
        let closed = |(held, seen, uid): &(Held, Whereabouts, u32)| {
            let is_bound = match seen {
                Whereabouts::Elsewhere => return None,
                Whereabouts::Bound => Some(true),
                Whereabouts::Unknown => unbound,
            };
            Some(Closed { pid: Some(held.pid), uid: *uid, is_bound })
        };
        self.sockets.iter().filter_map(closed).collect()
    }
}
