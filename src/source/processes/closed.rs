//! Who holds TCP sockets that are neither connected nor listening: never bound or connected, bound and
//! left at that, or closed by the peer and forgotten. lsof says of them "can't identify protocol".
//!
//! No table of the kernel has them, but for those that are bound (Linux 6.8). So they are what is left
//! of the sockets behind all descriptors when those in a table are taken away, and those that are no
//! TCP sockets. The latter is asked of each that is left, by its extended attribute: some 2.5 us, which is
//! no more than any descriptor costs, so that dumps of UNIX and UDP sockets beforehand would save
//! little. No descriptor is duplicated: the last close of a socket would be ours then.

use std::collections::HashMap;

use rustix::io::Errno;

use super::owner::{Candidate, Descriptors, Held, Matching, Process};
use super::owners::Owners;
use super::sight::{Sight, Unreadable};
use crate::error::Error;
use crate::model::{Family, Protocol, StateSet};
use crate::source::Source;
use crate::source::files::counts;
use crate::source::netns::{self, Missing};
use crate::source::sockets::sock_diag::{self, DumpRequest};
use crate::sys;
use crate::sys::process::{Proc, SocketFile, is_refusal, unless_gone};
use crate::wire::inet_diag::InetDiag;

/// A TCP socket that is neither connected nor listening.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closed {
    /// The process that holds it, the lowest number of several; `None` if none does that we may look
    /// at.
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
    sight: Sight,
}

/// What was found in one namespace.
#[derive(Debug)]
pub struct Found {
    pub sockets: Vec<Closed>,
    /// The processes that live in other namespaces and hold some of the sockets.
    others: Vec<Process>,
    /// The processes whose sockets could not be asked for their protocol any more.
    refused: Unreadable,
    /// Whether some of the sockets may be connections of namespaces that cannot be entered.
    pub lacks_namespaces: bool,
}

impl Round {
    /// Reads the processes of which a thread lives in our network namespace.
    ///
    /// # Errors
    /// If /proc cannot be read, or sock_diag is refused.
    pub fn of_own_namespace(source: &Source) -> Result<Round, Error> {
        let proc = Proc::open(&source.kernel)?;
        let own = proc.own_network_namespace()?;
        let mut before = Vec::new();
        walk(StateSet::BOUND, &mut |socket| before.push(socket.inode()))?;
        before.sort_unstable();
        let (of_pass, sight) = (Proc::open(&source.kernel)?, Sight::of(&proc)?);
        let is_wanted = move |process: &Candidate<'_>| match lives_in(&proc, process.pid, own) {
            Ok(false) => Ok(Matching::No),
            // One that does not show its namespace does not show its descriptors, and is counted.
            Err(error) if !is_refusal(error) => Err(error),
            _ => Ok(Matching::Yes),
        };
        let descriptors = Descriptors::read(of_pass, source.threads(), is_wanted)?;
        Ok(Round { descriptors, namespaces: Vec::new(), before, sight })
    }

    /// Reads all processes.
    ///
    /// # Errors
    /// As [`Round::of_own_namespace`].
    pub fn of_all_namespaces(source: &Source) -> Result<Round, Error> {
        let proc = Proc::open(&source.kernel)?;
        let (before, sight) = (in_all_tables(source)?.0, Sight::of(&proc)?);
        let of_pass = Proc::open(&source.kernel)?;
        let mut descriptors =
            Descriptors::read(of_pass, source.threads(), |_: &Candidate<'_>| Ok(Matching::Yes))?;
        let mut known = HashMap::with_capacity(descriptors.processes.len());
        for Process { pid, .. } in &descriptors.processes {
            let namespace = proc.network_namespace(*pid);
            if namespace.is_err_and(is_refusal) {
                descriptors.unreadable.add(Unreadable::one(*pid));
            }
            match unless_gone(namespace) {
                Err(error) if !is_refusal(error) => {
                    return Err(proc.error(&format!("{pid}/ns/net"), error));
                }
                namespace => known.insert(*pid, namespace.ok().flatten().unwrap_or_default()),
            };
        }
        let of = |held: &Held| known.get(&held.pid).copied().unwrap_or_default();
        let namespaces = descriptors.held.iter().map(of).collect();
        Ok(Round { descriptors, namespaces, before, sight })
    }

    fn is_of_all(&self) -> bool {
        !self.namespaces.is_empty()
    }

    /// The process of that number, if it holds a socket.
    pub fn process<'a>(&'a self, found: &'a Found, pid: u32) -> Option<&'a Process> {
        let other = || found.others.iter().find(|process| process.pid == pid);
        self.descriptors.process(pid).or_else(other)
    }

    /// What keeps holders from being seen.
    pub fn sight(&self, found: &Found) -> Sight {
        let mut unreadable = self.descriptors.unreadable;
        unreadable.add(found.refused);
        self.sight.with_unreadable(unreadable)
    }

    /// The TCP sockets that are neither connected nor listening of the processes that live in our
    /// network namespace, each once.
    ///
    /// # Errors
    /// If sock_diag is refused or a dump cut short, or the system lacks memory or descriptors.
    pub fn closed(&self, source: &Source) -> Result<Found, Error> {
        let proc = Proc::open(&source.kernel)?;
        let mut left = Left::new(self, proc.own_network_namespace()?);
        let mut nobodys = Vec::new();
        let states = if self.is_of_all() { held_here(source) } else { HELD };
        // Where nobody holds a socket, those that are bound are all that there may be to find.
        let first = if left.sockets.is_empty() { states.without(StateSet::ALL) } else { states };
        walk(first, &mut |socket| {
            // What was bound before the pass and is bound now was so during the pass.
            if !left.found(&socket) && self.before.binary_search(&socket.inode()).is_ok() {
                let one = Closed { pid: None, uid: socket.uid(), is_bound: Some(true) };
                nobodys.push((u64::from(socket.inode()), one));
            }
        })?;
        let refused = left.ask(&proc)?;
        if left.is_any_unknown() {
            // A socket may have come into a table behind the walk's back: it has to be missed twice.
            walk(states, &mut |socket| {
                left.found(&socket);
            })?;
        }
        // A process that lives in our namespace may hold connections of another one.
        let mut lacks_namespaces = false;
        if self.is_of_all() {
            left.drop_those_of(&self.before);
        } else if left.is_any_unknown() {
            let (tables, missing) = in_all_tables(source)?;
            left.drop_those_of(&tables);
            lacks_namespaces = left.is_any_unknown() && missing.refused + missing.hidden > 0;
        }
        let others = find(source, proc, &mut nobodys)?;
        let mut sockets = left.closed();
        sockets.extend(nobodys.into_iter().map(|(_, socket)| socket));
        Ok(Found { sockets, others, refused, lacks_namespaces })
    }
}

/// Whether a thread of a process lives in a network namespace: not all need to live in the same.
fn lives_in(proc: &Proc, pid: u32, namespace: u64) -> Result<bool, Errno> {
    if proc.network_namespace(pid)? == namespace {
        return Ok(true);
    }
    for thread in proc.other_threads(pid)? {
        let other = unless_gone(proc.network_namespace_of_thread(thread))?;
        if other == Some(namespace) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Finds who holds bound sockets of our namespace: processes that live in other namespaces, or were born during the
/// pass.
fn find(
    source: &Source,
    proc: Proc,
    nobodys: &mut Vec<(u64, Closed)>,
) -> Result<Vec<Process>, Error> {
    if nobodys.is_empty() {
        return Ok(Vec::new());
    }
    let mut left = nobodys.iter().map(|(inode, _)| *inode).collect();
    let owners = Owners::again(proc, source.threads(), &mut left, |used| {
        walk(StateSet::BOUND, &mut |socket| used(socket.inode().into()))
    })?;
    // What was closed meanwhile has no holder to be found.
    nobodys.retain_mut(|(inode, socket)| {
        socket.pid = owners.of(*inode).map(|process| process.pid);
        socket.pid.is_some() || left.binary_search(inode).is_ok()
    });
    Ok(owners.into_processes())
}

/// The inodes of the sockets in the tables of all network namespaces that may be entered, sorted.
fn in_all_tables(source: &Source) -> Result<(Vec<u32>, Missing), Error> {
    let all = netns::list()?;
    let (seen, missing) = all.read(source.threads(), |_| {
        let mut inodes = Vec::new();
        walk(held_here(source), &mut |socket| inodes.push(socket.inode()))?;
        Ok(inodes)
    })?;
    let mut inodes: Vec<u32> = seen.into_iter().flat_map(|(_, inodes)| inodes).collect();
    inodes.sort_unstable();
    Ok((inodes, missing))
}

/// All that a table shows and a process may hold: in TIME_WAIT sockets have no inode.
const HELD: StateSet = StateSet::ALL.without(StateSet::TIME_WAIT).with(StateSet::BOUND);

/// Those of [`HELD`] in which this namespace may have sockets. A walk goes over the tables of the whole
/// machine, and a namespace, of many, has few sockets if any.
fn held_here(source: &Source) -> StateSet {
    let Ok(sockstat) = counts::sockstat(source) else { return HELD };
    let in_use =
        |protocol| Family::ALL.iter().map(|family| sockstat.inuse(protocol, *family)).sum();
    let (tcp, udp, raw): (i128, i128, i128) =
        (in_use(Protocol::Tcp), in_use(Protocol::Udp), in_use(Protocol::Raw));
    // All that are in use are more than bound.
    let may_be_bound = sockstat.used.is_none_or(|used| used > tcp + udp + raw);
    let states = if tcp == 0 { StateSet::BOUND } else { HELD };
    if may_be_bound { states } else { states.without(StateSet::BOUND) }
}

/// Walks the tables of the network namespace in which we are.
fn walk(states: StateSet, each: &mut dyn FnMut(InetDiag<'_>)) -> Result<(), Error> {
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

    /// Asks of each unknown socket whether it is a TCP socket, and still the same. Returns those that refuse that.
    fn ask(&mut self, proc: &Proc) -> Result<Unreadable, Error> {
        let mut refused = Unreadable::default();
        for (held, seen, uid) in &mut self.sockets {
            if *seen != Whereabouts::Unknown {
                continue;
            }
            let is_tcp = proc.is_protocol(held.pid, held.fd, &[b"TCP", b"TCPv6"]);
            let file = is_tcp.and_then(|is_tcp| match is_tcp {
                true => proc.socket(held.pid, held.fd),
                false => Ok(None),
            });
            match file {
                Ok(Some(SocketFile { inode, uid: owner })) if inode == held.inode => *uid = owner,
                Err(error) if !is_refusal(error) => {
                    return Err(proc.error(&format!("{}/fd/{}", held.pid, held.fd), error));
                }
                file => {
                    if file.is_err() {
                        refused.add(Unreadable::one(held.pid));
                    }
                    *seen = Whereabouts::Elsewhere;
                }
            }
        }
        Ok(refused)
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsRawFd;

    use rustix::io::Errno;

    use crate::sys::process::{faults, is_gone};

    #[test]
    fn a_socket_that_cannot_be_asked_is_closed_refused_or_an_error() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (proc, pid) = (Proc::open(&crate::sys::Kernel::default()).unwrap(), std::process::id());
        let fd = u32::try_from(listener.as_raw_fd()).unwrap();
        let inode = proc.socket(pid, fd).unwrap().unwrap().inode;
        let ask = || {
            let sockets = vec![(Held { inode, pid, fd }, Whereabouts::Unknown, 0)];
            let mut left = Left { sockets, has_bound: false };
            left.ask(&proc).map(|refused| (refused.count, left.is_any_unknown()))
        };
        assert_eq!(ask().unwrap(), (0, true));
        faults::everywhere(faults::ALL, 2, ask, |errno, result, place| match (errno, result) {
            (Errno::INTR, result) => assert_eq!(result.unwrap(), (0, true), "{place}"),
            // Files of other kinds have no such attribute.
            (Errno::OPNOTSUPP | Errno::NODATA, Ok(asked)) => {
                assert_eq!(asked, (0, false), "{place}")
            }
            (errno, Ok(asked)) if is_gone(errno) => assert_eq!(asked, (0, false), "{place}"),
            (errno, Ok(asked)) if is_refusal(errno) => assert_eq!(asked, (1, false), "{place}"),
            (errno, result) => assert!(result.is_err() && !is_refusal(errno), "{place}"),
        });
    }
}
