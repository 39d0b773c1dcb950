//! Every network namespace of the machine: which there are, and a visit to each of them.
//!
//! A namespace is known by a thread that lives in it or by a mount of its file, as in /run/netns. One that is held
//! by a descriptor or a socket alone has neither, and is not found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;

use super::homes::Home;
use super::mounts::{self, Mounted};
use super::processes::sight::{KTHREADD, Sight};
use super::threads::share;
use crate::error::{Error, needs};
use crate::sys::Kernel;
use crate::sys::netns::{self, NetworkNamespace};
use crate::sys::process::{Proc, is_gone, is_refusal, readable};

/// What the machine's first namespace is called.
const HOST: &[u8] = b"host";

/// Its inode on Linux 6.18: below 0xF0000000, where those of all namespaces that are made later begin.
const FIRST: u64 = 0xEFFF_FFF9;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// The kernel's number for it, as `readlink /proc/PID/ns/net` shows it.
    pub inode: u64,
    /// Its name in /run/netns, the first of several.
    pub name: Option<Vec<u8>>,
    /// Whether it is the machine's first one.
    pub is_first: bool,
    /// The lowest of the processes, or threads of those of other namespaces, that live there and may be looked at:
    /// `PID/NAME`. The name is of its own choice.
    pub resident: Option<Vec<u8>>,
    /// All of these, the lowest first: any of them opens the way.
    residents: Vec<u32>,
    /// Where its file is mounted; `None` where another mount covers it.
    mounts: Vec<Option<Vec<u8>>>,
}

impl Namespace {
    /// What it is called: `host` for the machine's first one; else its name, unless that is `host`, too; else its
    /// inode.
    pub fn label(&self) -> Vec<u8> {
        if self.is_first {
            return HOST.to_vec();
        }
        let name = self.name.clone().filter(|name| name != HOST);
        name.unwrap_or_else(|| self.inode.to_string().into_bytes())
    }

    /// Adds one of its names: the first in order stays.
    fn add_name(&mut self, name: &[u8]) {
        if self.name.as_deref().is_none_or(|other| name < other) {
            self.name = Some(name.to_vec());
        }
    }

    /// The ways in, each opened when it is tried, so that few descriptors are open at once.
    fn ways(&self, proc: &Proc) -> impl Iterator<Item = Result<NetworkNamespace, Errno>> {
        let name = self.name.iter().map(|name| NetworkNamespace::named(name));
        let residents = self.residents.iter();
        let residents = residents.map(|pid| NetworkNamespace::of_process(proc, *pid));
        let mounts = self.mounts.iter().flatten();
        name.chain(residents).chain(mounts.map(|path| NetworkNamespace::mounted(path)))
    }
}

/// The network namespaces of the machine, as they were when they were listed.
#[derive(Debug)]
pub struct Namespaces {
    proc: Proc,
    own: NetworkNamespace,
    /// The device and the inode of our own.
    own_identity: (u64, u64),
    list: Vec<Namespace>,
    hidden: Hidden,
    sight: Sight,
}

/// Namespaces of processes that may not be looked at, by the inode of their files.
type Hidden = BTreeSet<u64>;

/// The namespaces that could not be visited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// How many may not be entered.
    pub refused: usize,
    /// How many are known only by processes that may not be looked at.
    pub hidden: usize,
    /// How many are mounted where another mount covers them.
    pub covered: usize,
    /// What may keep others from being known at all.
    pub sight: Sight,
}

impl Missing {
    /// What is to be said about it, and which rights would help; `None` if nothing is missing.
    pub fn text(&self) -> Option<String> {
        const BOTH: &str = "CAP_SYS_ADMIN and CAP_SYS_PTRACE";
        let namespaces = |count| match count {
            1 => "1 network namespace".to_owned(),
            count => format!("{count} network namespaces"),
        };
        let Missing { refused, hidden, covered, sight } = self;
        let mut subject = match (*refused, *hidden) {
            (0, 0) => String::new(),
            (refused, 0) => {
                format!("{} may not be entered {}", namespaces(refused), needs("CAP_SYS_ADMIN"))
            }
            (0, hidden) => format!(
                "{} of other users' processes may not be entered {}",
                namespaces(hidden),
                needs(BOTH)
            ),
            (refused, hidden) => format!(
                "{} may not be entered, nor {hidden} of other users' processes {}",
                namespaces(refused),
                needs(BOTH)
            ),
        };
        if *covered > 0 {
            let end = if subject.is_empty() { "" } else { "; " };
            subject += &format!(
                "{end}{} cannot be reached (another mount covers the file, and no process lives there)",
                namespaces(*covered)
            );
        }
        let reasons = sight.reasons();
        match (subject.is_empty(), reasons.is_empty()) {
            (true, true) => None,
            (false, true) => Some(format!("{subject}: their sockets are missing here")),
            (true, false) => Some(format!("{reasons}: network namespaces may be missing here")),
            (false, false) => Some(format!(
                "{subject}; {reasons}: their sockets are missing here, and maybe others"
            )),
        }
    }
}

/// Lists the network namespaces: our own, those of all threads, and those that are mounted, each once.
/// The machine's first one comes first; then those with a name, sorted by it; then the others, by inode.
///
/// # Errors
/// If /proc or /run/netns cannot be read.
pub fn list() -> Result<Namespaces, Error> {
    let failed = |error| Error::system("/proc/thread-self/ns/net", error);
    let own = NetworkNamespace::own().map_err(failed)?;
    let own_identity = own.identity().map_err(failed)?;
    let mut found = BTreeMap::from([(own_identity.1, Namespace::default())]);
    netns::each_named(|name, (device, inode)| {
        // A file of another file system is what is left of a namespace that was unmounted.
        if device == own_identity.0 {
            found.entry(inode).or_default().add_name(name);
        }
    })?;
    let mut hidden = Hidden::new();
    let proc = Proc::open(&Kernel::default())?;
    let sight = Sight::of(&proc)?;
    for Mounted { inode, path } in mounts::list(&proc)? {
        found.entry(inode).or_default().mounts.push(path);
    }
    // This process is not one that lives there.
    let others = proc.pids()?.into_iter().filter(|pid| *pid != std::process::id());
    for pid in others {
        Home::each(&proc, pid, |thread, home| match home {
            Home::Shown(inode) => found.entry(inode).or_default().residents.push(thread),
            Home::Files(inode) => drop(hidden.insert(inode)),
            Home::Hidden => drop(hidden.insert(0)),
        })?;
    }
    found.values_mut().for_each(|namespace| namespace.residents.sort_unstable());
    // The kernel's threads live in the first network namespace.
    let is_first = |(inode, namespace): (&u64, &Namespace)| {
        is_first(*inode, *inode == own_identity.1)
            || sight.is_clear() && namespace.residents.contains(&KTHREADD)
    };
    let first = found.iter().find(|one| is_first(*one)).map(|(inode, _)| *inode);
    let list = found.into_iter().map(|one| describe(&proc, one));
    let mut list: Vec<Namespace> = list.collect::<Result<_, Error>>()?;
    list.iter_mut().for_each(|one| one.is_first = Some(one.inode) == first);
    list.sort_unstable_by(|a, b| {
        let place = |one: &Namespace| (!one.is_first, one.name.is_none());
        (place(a), &a.name, a.inode).cmp(&(place(b), &b.name, b.inode))
    });
    Ok(Namespaces { proc, own, own_identity, list, hidden, sight })
}

/// Whether the namespace with this inode, which may be our own, is known to be the machine's first one.
fn is_first(inode: u64, is_own: bool) -> bool {
    inode == FIRST || is_own && Kernel::default().is_first_namespace()
}

fn describe(proc: &Proc, (inode, mut namespace): (u64, Namespace)) -> Result<Namespace, Error> {
    namespace.inode = inode;
    for pid in &namespace.residents {
        let name = readable(proc.files(*pid).name());
        if let Some(name) = name.map_err(|error| proc.error(&pid.to_string(), error))? {
            namespace.resident = Some([format!("{pid}/").as_bytes(), &name].concat());
            break;
        }
    }
    Ok(namespace)
}

/// What one thread's visits were like.
#[derive(Default)]
struct Visits {
    /// How many namespaces may not be entered.
    refused: usize,
    /// How many are mounted where none of their files leads to them.
    covered: usize,
    /// The inodes of the files of those that need not be counted among the hidden ones.
    known: Vec<u64>,
}

/// What was read of each namespace, and what could not be.
pub type Gathered<'a, T> = (Vec<(&'a Namespace, T)>, Missing);

/// How an attempt to enter a namespace ended.
enum Entry {
    Done,
    Refused,
    /// It is mounted, but no path leads there.
    Covered,
    Gone,
}

impl Namespaces {
    pub fn list(&self) -> &[Namespace] {
        &self.list
    }

    /// Enters one namespace after the other, calls `each` there, and comes back. One that has gone
    /// meanwhile is skipped. Our own takes no right.
    ///
    /// # Errors
    /// If `each` fails, the system lacks memory or descriptors, or there is no way back.
    pub fn visit(
        &self,
        each: &mut dyn FnMut(&Namespace) -> Result<(), Error>,
    ) -> Result<Missing, Error> {
        let visits = self.visit_some(&AtomicUsize::new(0), &mut |_, namespace| each(namespace))?;
        Ok(self.missing([visits]))
    }

    /// The same by at most `threads` threads, each of which enters the next namespace. Gives what `read`
    /// gives there, in the order of the list.
    pub fn read<T: Send>(
        &self,
        threads: usize,
        read: impl Fn(&Namespace) -> Result<T, Error> + Sync,
    ) -> Result<Gathered<'_, T>, Error> {
        let seen: Mutex<Vec<Option<T>>> = Mutex::new(self.list.iter().map(|_| None).collect());
        let missing = self.visit_by(threads, &|place, namespace| {
            let one = read(namespace)?;
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(slot) = seen.get_mut(place) {
                *slot = Some(one);
            }
            Ok(())
        })?;
        let seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let seen =
            self.list.iter().zip(seen).filter_map(|(namespace, one)| Some((namespace, one?)));
        Ok((seen.collect(), missing))
    }

    /// Visits all namespaces by threads; compiled once, not for each table.
    fn visit_by(
        &self,
        threads: usize,
        each: &(dyn Fn(usize, &Namespace) -> Result<(), Error> + Sync),
    ) -> Result<Missing, Error> {
        let next = AtomicUsize::new(0);
        let visits = share(threads.min(self.list.len()), &|_| {
            self.visit_some(&next, &mut |place, namespace| each(place, namespace))
        });
        Ok(self.missing(visits.into_iter().collect::<Result<Vec<_>, Error>>()?))
    }

    /// Enters the next namespace until there is none, calls `each` there with its place, and comes back.
    fn visit_some(
        &self,
        next: &AtomicUsize,
        each: &mut dyn FnMut(usize, &Namespace) -> Result<(), Error>,
    ) -> Result<Visits, Error> {
        // Who could not come back must not leave: inside a user namespace others may be open to us
        // that we made there, while our own belongs to the machine.
        let may_leave = self.own.enter().is_ok();
        let mut visits = Visits::default();
        let mut visit = |place, namespace: &Namespace| {
            match self.enter(namespace, may_leave)? {
                Entry::Done => {
                    each(place, namespace)?;
                    self.note_known(&mut visits, None);
                }
                Entry::Refused => {
                    visits.refused += 1;
                    let resident = namespace.residents.first();
                    resident.into_iter().for_each(|pid| self.note_known(&mut visits, Some(*pid)));
                }
                Entry::Covered => visits.covered += 1,
                Entry::Gone => {}
            }
            Ok(())
        };
        let mut result = Ok(());
        while result.is_ok() {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(namespace) = self.list.get(place) else { break };
            result = visit(place, namespace);
        }
        if result.is_err() {
            // The other threads go no further either.
            next.store(self.list.len(), Ordering::Relaxed);
        }
        if may_leave {
            self.own.enter().map_err(|error| Error::system("the way back", error))?;
        }
        result.map(|()| visits)
    }

    /// Notes that a namespace is counted otherwise, in case it is one of the hidden ones: the one in which
    /// a process lives, for `None` the calling thread.
    fn note_known(&self, visits: &mut Visits, resident: Option<u32>) {
        if !self.hidden.is_empty() {
            visits.known.extend(netns::inode_of_files(resident));
        }
    }

    fn missing(&self, visits: impl IntoIterator<Item = Visits>) -> Missing {
        let (mut hidden, mut refused, mut covered) = (self.hidden.clone(), 0, 0);
        for visits in visits {
            refused += visits.refused;
            covered += visits.covered;
            hidden.retain(|inode| !visits.known.contains(inode));
        }
        Missing { refused, hidden: hidden.len(), covered, sight: self.sight.clone() }
    }

    fn enter(&self, namespace: &Namespace, may_leave: bool) -> Result<Entry, Error> {
        if namespace.inode == self.own_identity.1 {
            let entered = if may_leave { self.own.enter() } else { Ok(()) };
            let failed = |error| Error::system("the way back", error);
            return entered.map(|()| Entry::Done).map_err(failed);
        }
        let mut entry = Entry::Gone;
        for way in namespace.ways(&self.proc) {
            let entered = way.and_then(|way| {
                // The number of the process may be another's by now, and so may the name.
                if way.identity()? != (self.own_identity.0, namespace.inode) {
                    return Err(Errno::SRCH);
                }
                if may_leave { way.enter() } else { Err(Errno::PERM) }
            });
            match entered {
                Ok(()) => return Ok(Entry::Done),
                Err(error) if is_refusal(error) => entry = Entry::Refused,
                // It was never one of networks.
                Err(Errno::INVAL) => {}
                Err(error) if is_gone(error) => {}
                Err(error) => {
                    let label = [b"network namespace ", namespace.label().as_slice()].concat();
                    return Err(Error::system(label, error));
                }
            }
        }
        if matches!(entry, Entry::Gone) && !namespace.mounts.is_empty() {
            // It is there as long as it is mounted.
            let listed = mounts::list(&self.proc)?;
            if listed.iter().any(|one| one.inode == namespace.inode) {
                entry = Entry::Covered;
            }
        }
        Ok(entry)
    }
}

/// What our own namespace is called, see [`Namespace::label`].
///
/// # Errors
/// If /proc does not tell.
pub fn own_name() -> Result<Vec<u8>, Error> {
    let own = NetworkNamespace::own().and_then(|own| own.identity());
    let identity = own.map_err(|error| Error::system("/proc/thread-self/ns/net", error))?;
    let (inode, is_first) = (identity.1, is_first(identity.1, true));
    let mut namespace = Namespace { inode, is_first, ..Namespace::default() };
    // Without /run/netns there are no names.
    let _ = netns::each_named(|name, found| {
        if found == identity {
            namespace.add_name(name);
        }
    });
    Ok(namespace.label())
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::source::homes;
    use crate::sys::process::faults;

    #[test]
    fn a_process_that_cannot_be_asked_for_its_namespace_is_hidden_or_an_error() {
        let errors = [1, 2, 3, 4, 5, 12, 13, 22, 23, 24, 40];
        let mut errors_met = 0;
        faults::everywhere(errors, 10, list, |errno, result, place| match errno {
            Errno::INTR => assert!(result.is_ok(), "{place}"),
            errno if is_gone(errno) || is_refusal(errno) => {}
            _ => {
                errors_met += 1;
                assert!(result.is_err(), "{place}");
            }
        });
        assert!(errors_met > 50, "{errors_met}");
        // It ends at the first other namespace, be it one of /run/netns.
        faults::everywhere(errors, 1, homes::others, |errno, result, place| match errno {
            Errno::INTR => assert!(result.is_ok(), "{place}"),
            errno if is_gone(errno) || is_refusal(errno) => {}
            _ => assert!(result.is_err(), "{place}"),
        });
    }
}
