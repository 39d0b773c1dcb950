//! Every network namespace of the machine: which there are, and a visit to each of them.
//!
//! A namespace is known by a process that lives in it or by a file in /run/netns. One that is held by
//! a descriptor or a socket alone has neither, and is not found.

use std::collections::{BTreeMap, BTreeSet};
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustix::io::Errno;

use crate::error::Error;
use crate::sys::Kernel;
use crate::sys::netns::{self, NetworkNamespace};
use crate::sys::process::Proc;

/// One network namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Namespace {
    /// The kernel's number for it, as `readlink /proc/PID/ns/net` shows it.
    pub inode: u64,
    /// Its name in /run/netns, the first of several.
    pub name: Option<Vec<u8>>,
    /// The lowest of the processes that live there and may be looked at: `PID/NAME`. The name is
    /// of the process's own choice.
    pub resident: Option<Vec<u8>>,
    /// All of these processes, the lowest first: any of them opens the way.
    residents: Vec<u32>,
}

impl Namespace {
    /// What it is called: its name, else its inode.
    pub fn label(&self) -> Vec<u8> {
        self.name.clone().unwrap_or_else(|| self.inode.to_string().into_bytes())
    }

    /// Takes one of its names: the first in order stays.
    fn take_name(&mut self, name: &[u8]) {
        if self.name.as_deref().is_none_or(|other| name < other) {
            self.name = Some(name.to_vec());
        }
    }

    /// The ways in, each opened when it is tried, so that few descriptors are open at once.
    fn ways(&self) -> impl Iterator<Item = Result<NetworkNamespace, Errno>> {
        let name = self.name.iter().map(|name| NetworkNamespace::named(name));
        name.chain(self.residents.iter().map(|pid| NetworkNamespace::of_process(*pid)))
    }
}

/// The network namespaces of the machine, as they were when they were listed.
#[derive(Debug)]
pub struct Namespaces {
    own: NetworkNamespace,
    /// The device and the inode of our own.
    own_identity: (u64, u64),
    list: Vec<Namespace>,
    hidden: Hidden,
}

/// Namespaces of processes that may not be looked at, by the inode of their files.
type Hidden = BTreeSet<u64>;

/// The namespaces that could not be visited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Missing {
    /// How many may not be entered.
    pub refused: usize,
    /// How many are known only by processes that may not be looked at.
    pub hidden: usize,
}

impl Missing {
    /// What is to be said about it, and which rights would help; `None` if nothing is missing.
    pub fn text(self) -> Option<String> {
        let namespaces = |count| match count {
            1 => "1 network namespace".to_owned(),
            count => format!("{count} network namespaces"),
        };
        let subject = match self {
            Missing { refused: 0, hidden: 0 } => return None,
            Missing { refused, hidden: 0 } => {
                format!("{} may not be entered (needs CAP_SYS_ADMIN)", namespaces(refused))
            }
            Missing { refused: 0, hidden } => format!(
                "{} of other users' processes may not be entered \
                 (needs CAP_SYS_ADMIN and CAP_SYS_PTRACE)",
                namespaces(hidden)
            ),
            Missing { refused, hidden } => format!(
                "{} may not be entered, nor {hidden} of other users' processes \
                 (needs CAP_SYS_ADMIN and CAP_SYS_PTRACE)",
                namespaces(refused)
            ),
        };
        Some(format!("{subject}: their sockets are missing here"))
    }
}

/// Lists the network namespaces: our own, those of all processes and those of /run/netns, each once.
/// Those with a name come first, sorted by it; then the others, by inode.
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
            found.entry(inode).or_default().take_name(name);
        }
    })?;
    let mut hidden = Hidden::new();
    let proc = Proc::open(&Kernel::default())?;
    // This process is not one that lives there.
    let others = proc.pids()?.into_iter().filter(|pid| *pid != std::process::id());
    for pid in others {
        match proc.network_namespace(pid) {
            Ok(inode) => found.entry(inode).or_default().residents.push(pid),
            Err(error) if is_refusal(error) => match netns::inode_of_files(Some(pid)) {
                Ok(inode) => drop(hidden.insert(inode)),
                // /proc is mounted with hidepid: all that is known is that there is something.
                Err(error) if is_refusal(error) => drop(hidden.insert(0)),
                Err(_) => {}
            },
            // The process has gone.
            Err(_) => {}
        }
    }
    let mut list: Vec<Namespace> = found.into_iter().map(|one| describe(&proc, one)).collect();
    list.sort_unstable_by(|a, b| {
        let (a, b) = ((a.name.is_none(), &a.name, a.inode), (b.name.is_none(), &b.name, b.inode));
        a.cmp(&b)
    });
    Ok(Namespaces { own, own_identity, list, hidden })
}

fn describe(proc: &Proc, (inode, mut namespace): (u64, Namespace)) -> Namespace {
    let named = |pid: &u32| Some((*pid, proc.name(*pid).ok()?));
    namespace.resident = namespace.residents.iter().find_map(named).map(|(pid, name)| {
        let mut resident = format!("{pid}/").into_bytes();
        resident.extend_from_slice(&name);
        resident
    });
    Namespace { inode, ..namespace }
}

fn is_refusal(error: Errno) -> bool {
    matches!(error, Errno::PERM | Errno::ACCESS)
}

/// What one thread's visits were like.
#[derive(Default)]
struct Visits {
    /// How many namespaces may not be entered.
    refused: usize,
    /// The inodes of the files of those that need not be counted among the hidden ones.
    known: Vec<u64>,
}

/// What was read of each namespace, and what could not be.
pub type Readings<'a, T> = (Vec<(&'a Namespace, T)>, Missing);

/// How an attempt to enter a namespace ended.
enum Entry {
    Done,
    Refused,
    Gone,
}

impl Namespaces {
    /// What was listed.
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
    ) -> Result<Readings<'_, T>, Error> {
        let next = AtomicUsize::new(0);
        let work = || {
            let mut seen = Vec::new();
            let visits = self.visit_some(&next, &mut |place, namespace| {
                seen.push((place, namespace, read(namespace)?));
                Ok(())
            });
            visits.map(|visits| (visits, seen))
        };
        let parts: Vec<_> = thread::scope(|scope| {
            let start = |_| thread::Builder::new().spawn_scoped(scope, work).ok();
            let others: Vec<_> = (1..threads.min(self.list.len())).map_while(start).collect();
            let own = work();
            let joined = others
                .into_iter()
                .map(|other| other.join().unwrap_or_else(|panic| panic::resume_unwind(panic)));
            std::iter::once(own).chain(joined).collect::<Result<_, Error>>()
        })?;
        let (visits, seen): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
        let mut seen: Vec<_> = seen.into_iter().flatten().collect();
        seen.sort_unstable_by_key(|(place, ..)| *place);
        let seen = seen.into_iter().map(|(_, namespace, seen)| (namespace, seen)).collect();
        Ok((seen, self.missing(visits)))
    }

    /// Enters the next namespace until there is none, calls `each` there with its place, and comes back.
    /// Compiled once, not for each table.
    fn visit_some<'a>(
        &'a self,
        next: &AtomicUsize,
        each: &mut dyn FnMut(usize, &'a Namespace) -> Result<(), Error>,
    ) -> Result<Visits, Error> {
        // Who could not come back must not leave: inside a user namespace others may be open to us
        // that we made there, while our own belongs to the machine.
        let may_leave = self.own.enter().is_ok();
        let mut visits = Visits::default();
        let mut visit = |place, namespace: &'a Namespace| {
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
        let (mut hidden, mut refused) = (self.hidden.clone(), 0);
        for visits in visits {
            refused += visits.refused;
            hidden.retain(|inode| !visits.known.contains(inode));
        }
        Missing { refused, hidden: hidden.len() }
    }

    fn enter(&self, namespace: &Namespace, may_leave: bool) -> Result<Entry, Error> {
        if namespace.inode == self.own_identity.1 {
            let entered = if may_leave { self.own.enter() } else { Ok(()) };
            let failed = |error| Error::system("the way back", error);
            return entered.map(|()| Entry::Done).map_err(failed);
        }
        let mut entry = Entry::Gone;
        for way in namespace.ways() {
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
                Err(error @ (Errno::MFILE | Errno::NFILE | Errno::NOMEM)) => {
                    let label = [b"network namespace ", namespace.label().as_slice()].concat();
                    return Err(Error::system(label, error));
                }
                // It has gone (ENOENT, ESRCH), or was never one of networks (EINVAL).
                Err(_) => {}
            }
        }
        Ok(entry)
    }
}

/// What our own namespace is called: its name in /run/netns, else its inode; empty where /proc does not
/// tell.
pub fn own_name() -> Vec<u8> {
    let own = NetworkNamespace::own().and_then(|own| own.identity());
    let Ok(identity) = own else { return Vec::new() };
    let mut namespace = Namespace { inode: identity.1, ..Namespace::default() };
    // Without /run/netns there are no names.
    let _ = netns::each_named(|name, found| {
        if found == identity {
            namespace.take_name(name);
        }
    });
    namespace.label()
}
