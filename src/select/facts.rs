//! What is known of a socket beside its row: who holds it, which service it is of, which way it goes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::error::Error;
use crate::frame::Report;
use crate::model::{Needs, Proto, Query, Socket, StateSet, TcpState};
use crate::source::files::names::{Services, Users};
use crate::source::processes::cgroup::{self, Cgroups};
use crate::source::processes::owner::{Owners, Process, Reading};
use crate::source::sockets::sock_diag::Dumped;
use crate::source::{self, Collector, Method, Source, TcpInfo};
use crate::sys::process::Proc;
use crate::sys::{self, Kernel};

/// The facts that are the same in every network namespace, read before the sockets are, but for owners:
/// they may be read beside them.
#[derive(Debug)]
pub struct Shared {
    /// Who holds sockets, if that is asked for; else read only when a control group cannot be known
    /// otherwise; `None` where there are no processes to be read.
    owners: OnceLock<Option<Owners>>,
    /// Until there are `owners`, if they are asked for.
    reading: Mutex<Option<Reading>>,
    cgroups: Option<Cgroups>,
    /// The control groups of processes, for sockets whose own is not known.
    cgroups_of: Names,
    services: Option<Services>,
    users: Option<Users>,
    /// Whether a socket that some process holds was found with none.
    has_gaps: AtomicBool,
}

/// Names that were looked up already, by number: threads share them.
type Names = Mutex<Vec<(u32, Option<Vec<u8>>)>>;

/// The facts of one network namespace.
#[derive(Debug)]
pub struct Facts<'a> {
    kernel: &'a Kernel,
    shared: &'a Shared,
    listeners: Option<Box<[PortSet; 2]>>,
    interfaces: Names,
    /// The name of the namespace, where it is a key.
    pub netns: Vec<u8>,
}

/// The warning when the descriptors of other users' processes cannot be read; see `owner::CAPABILITIES`.
pub const UNREADABLE: &str = "the descriptors of some processes cannot be read (needs \
    CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE): their sockets are shown as '-' (no owner found)";

/// Sockets by way: as `direction` says them, in the order of groups.
pub const DIRECTIONS: [&str; 3] = ["in", "listen", "out"];

impl Shared {
    /// Reads what `query` asks for.
    ///
    /// # Errors
    /// If the processes cannot be read at all, or if there are none: in saved files.
    pub fn read(source: &Source, query: &Query) -> Result<Shared, Error> {
        let (kernel, needs) = (&source.kernel, query.needs);
        let looks_at_holders = needs.has(Needs::HOLDERS) || query.looks_at_holders();
        if looks_at_holders && !source.saved.is_empty() {
            return Err(Error::usage("--from", "saved files do not say who holds a socket"));
        }
        let owners = OnceLock::new();
        let mut reading = None;
        if looks_at_holders {
            let names = query.processes.clone();
            let wanted = move |process: &Process| is_meant(&names, process);
            let begun = Reading::begin(Proc::open(kernel)?, source.threads(), wanted)?;
            if begun.is_going_on() {
                reading = Some(begun);
            } else {
                let _ = owners.set(Some(begun.owners()?));
            }
        } else if !source.saved.is_empty() {
            let _ = owners.set(None);
        }
        Ok(Shared {
            owners,
            reading: Mutex::new(reading),
            cgroups: (needs.has(Needs::CGROUPS) || !query.cgroups.is_empty())
                .then(|| Cgroups::read(kernel)),
            cgroups_of: Names::default(),
            services: needs.has(Needs::SERVICES).then(|| Services::read(kernel)).transpose()?,
            users: needs.has(Needs::USERS).then(|| Users::read(kernel)).transpose()?,
            has_gaps: AtomicBool::new(false),
        })
    }

    /// The same with owners, for threads that read several namespaces at once.
    pub fn read_whole(source: &Source, query: &Query) -> Result<Shared, Error> {
        let shared = Shared::read(source, query)?;
        shared.finish_owners()?;
        Ok(shared)
    }

    /// Whether owners are asked for that are not known yet.
    fn is_reading_owners(&self) -> bool {
        self.lock_reading().is_some()
    }

    /// Waits until the owners are known that are asked for.
    ///
    /// # Errors
    /// If the processes cannot be read.
    pub fn finish_owners(&self) -> Result<(), Error> {
        // The lock is held meanwhile, so that no other thread goes on without them.
        let mut reading = self.lock_reading();
        if let Some(reading) = reading.take() {
            let _ = self.owners.set(Some(reading.owners()?));
        }
        Ok(())
    }

    fn lock_reading(&self) -> MutexGuard<'_, Option<Reading>> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says what may be wrong with a count: sockets whose holders may not be looked at, a table that
    /// changed during the dump.
    pub fn note_gaps(&self, query: &Query, dumped: Dumped, report: &mut Report) {
        let owners = self.owners.get().and_then(Option::as_ref);
        let is_blind = owners.is_some_and(|owners| owners.unreadable() > 0);
        if is_blind && (self.has_gaps.load(Ordering::Relaxed) || !query.processes.is_empty()) {
            report.note(UNREADABLE);
        }
        note_interrupted(dumped, report);
    }
}

/// Whether `names`, those of `--process`, mean this one; all are meant without them.
fn is_meant(names: &[Vec<u8>], process: &Process) -> bool {
    let pid = process.pid.to_string();
    let is_it = |wanted: &Vec<u8>| *wanted == process.name || wanted == pid.as_bytes();
    names.is_empty() || names.iter().any(is_it)
}

impl<'a> Facts<'a> {
    /// Reads what `query` asks for of the namespace that the process is in.
    ///
    /// # Errors
    /// If the table of sockets cannot be read.
    pub fn read(source: &'a Source, shared: &'a Shared, query: &Query) -> Result<Facts<'a>, Error> {
        let has_listeners = query.needs.has(Needs::LISTENERS);
        let listeners = has_listeners.then(|| listeners(source, query)).transpose()?;
        let (kernel, interfaces) = (&source.kernel, Names::default());
        Ok(Facts { kernel, shared, listeners, interfaces, netns: Vec::new() })
    }

    /// The process that holds the socket.
    pub fn process(&self, socket: &Socket) -> Option<&Process> {
        self.holder(self.shared.owners.get()?.as_ref()?, socket)
    }

    fn holder<'o>(&self, owners: &'o Owners, socket: &Socket) -> Option<&'o Process> {
        let process = owners.of(socket.inode);
        if process.is_none() && socket.inode != 0 {
            self.shared.has_gaps.store(true, Ordering::Relaxed);
        }
        process
    }

    /// The process that holds the socket, for which processes are read now if they were not before.
    fn late_process(&self, socket: &Socket) -> Option<&Process> {
        if socket.inode == 0 {
            return None;
        }
        let owners = self
            .shared
            .owners
            .get_or_init(|| Owners::read(self.kernel, sys::processors(), |_| true).ok());
        self.holder(owners.as_ref()?, socket)
    }

    /// Calls `each` with the control group in which the socket was made.
    pub fn with_cgroup<T>(&self, socket: &Socket, each: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let own =
            self.shared.cgroups.as_ref().zip(socket.cgroup).and_then(|(all, id)| all.path(id));
        if own.is_some() {
            return each(own);
        }
        // Before Linux 5.9, and in /proc/net, sockets do not say where they were made.
        let Some(process) = self.late_process(socket) else { return each(None) };
        with_name(&self.shared.cgroups_of, process.pid, each, |pid| {
            cgroup::of_process(self.kernel, pid)
        })
    }

    /// Whether the options that look at holders let the socket pass.
    pub fn lets_pass(&self, query: &Query, socket: &Socket) -> bool {
        if !query.looks_at_holders() {
            return true;
        }
        let is_below = |path: &[u8], wanted: &[u8]| {
            path.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
        };
        (query.processes.is_empty() || self.process(socket).is_some())
            && (query.cgroups.is_empty()
                || self.with_cgroup(socket, |path| {
                    path.is_some_and(|path| {
                        query.cgroups.iter().any(|wanted| is_below(path, wanted))
                    })
                }))
    }

    /// `listen`; `in` if something listens on the local port; else `out`.
    pub fn direction(&self, socket: &Socket) -> &'static str {
        let [inward, listen, outward] = DIRECTIONS;
        let listeners = self.listeners.as_deref();
        if socket.is_listening() {
            listen
        } else if listeners.is_some_and(|all| all[socket.proto as usize].has(socket.local.port)) {
            inward
        } else {
            outward
        }
    }

    /// The port of the service that the socket serves or uses, and its name in /etc/services.
    pub fn service(&self, socket: &Socket) -> (u16, Option<&[u8]>) {
        let port = match self.direction(socket) {
            "out" => socket.remote.port,
            _ => socket.local.port,
        };
        let services = self.shared.services.as_ref();
        (port, services.and_then(|services| services.name(port, socket.proto.name())))
    }

    /// The name of a user in /etc/passwd.
    pub fn user(&self, uid: u32) -> Option<&[u8]> {
        self.shared.users.as_ref()?.name(uid)
    }

    /// Calls `each` with the name of an interface; 0 is none.
    pub fn with_interface<T>(&self, index: u32, each: impl FnOnce(Option<&[u8]>) -> T) -> T {
        if index == 0 {
            return each(None);
        }
        with_name(&self.interfaces, index, each, sys::interface_name)
    }
}

/// Calls `each` with the name of a number, which `find` finds the first time.
fn with_name<T>(
    names: &Names,
    number: u32,
    each: impl FnOnce(Option<&[u8]>) -> T,
    find: impl FnOnce(u32) -> Option<Vec<u8>>,
) -> T {
    let mut known = names.lock().unwrap_or_else(PoisonError::into_inner);
    let place = known.iter().position(|(other, _)| *other == number).unwrap_or_else(|| {
        known.push((number, find(number)));
        known.len() - 1
    });
    each(known.get(place).and_then(|(_, name)| name.as_deref()))
}

/// How many sockets a thread keeps at most until their owners are known: 30 MB.
const MOST_KEPT: usize = 1 << 18;

/// Has collectors that `new` makes take the sockets that are meant.
///
/// # Errors
/// As [`source::collect`], and if the processes cannot be read that hold them.
pub fn collect<C: Collector>(
    source: &Source,
    method: Method,
    query: &Query,
    facts: &Facts<'_>,
    new: impl Fn() -> C + Sync,
) -> Result<(C, Dumped), Error> {
    let is_reading = facts.shared.is_reading_owners();
    let new = || Passing { query, facts, is_reading, kept: Vec::new(), collector: new() };
    let (mut passing, dumped) = source::collect(source, method, query, new)?;
    facts.shared.finish_owners()?;
    let kept = std::mem::take(&mut passing.kept);
    kept.iter().try_for_each(|socket| passing.pass(socket))?;
    Ok((passing.collector, dumped))
}

/// A collector of the sockets that pass the options which look at holders.
struct Passing<'a, C> {
    query: &'a Query,
    facts: &'a Facts<'a>,
    /// Whether owners are asked for that may not be known yet.
    is_reading: bool,
    /// Sockets whose owners may not be known yet.
    kept: Vec<Socket>,
    collector: C,
}

impl<C: Collector> Passing<'_, C> {
    #[inline]
    fn pass(&mut self, socket: &Socket) -> Result<(), Error> {
        match self.facts.lets_pass(self.query, socket) {
            true => self.collector.take(socket, None),
            false => Ok(()),
        }
    }
}

impl<C: Collector> Collector for Passing<'_, C> {
    #[inline]
    fn take(&mut self, socket: &Socket, _: Option<&TcpInfo>) -> Result<(), Error> {
        // The dump goes on while threads find out who holds what; without an inode nobody does.
        if self.is_reading && socket.inode != 0 {
            if self.kept.len() < MOST_KEPT {
                self.kept.push(*socket);
                return Ok(());
            }
            self.facts.shared.finish_owners()?;
            self.is_reading = false;
        }
        self.pass(socket)
    }

    fn merge(&mut self, other: Self) {
        self.kept.extend(other.kept);
        self.collector.merge(other.collector);
    }
}

/// Says that the kernel noticed a change during a dump.
pub fn note_interrupted(dumped: Dumped, report: &mut Report) {
    if dumped.is_interrupted {
        report
            .note("the sockets changed during the dump: the count may be off; --strict repeats it");
    }
}

/// A set of ports.
#[derive(Clone, Debug)]
struct PortSet([u64; 1024]);

impl PortSet {
    fn add(&mut self, port: u16) {
        self.0[usize::from(port / 64)] |= 1 << (port % 64);
    }

    fn has(&self, port: u16) -> bool {
        self.0[usize::from(port / 64)] & 1 << (port % 64) != 0
    }
}

/// The ports on which something listens, by protocol.
fn listeners(source: &Source, query: &Query) -> Result<Box<[PortSet; 2]>, Error> {
    if source.saved.iter().any(|path| path.as_os_str() == "-") {
        let reason = "standard input cannot be read twice, as direction and service want";
        return Err(Error::usage("--from", reason));
    }
    let mut sets = Box::new([PortSet([0; 1024]), PortSet([0; 1024])]);
    for proto in Proto::ALL.into_iter().filter(|proto| query.protos().contains(proto)) {
        // A mask of LISTEN alone spares the kernel the walk of all connections.
        let state = match proto {
            Proto::Tcp => TcpState::LISTEN,
            Proto::Udp => TcpState::CLOSE,
        };
        let states = Some(StateSet::only(state));
        let all = Query { protos: vec![proto], states, ..Query::default() };
        source::sockets(source, Method::Auto, &all, |socket| {
            if socket.is_listening() {
                sets[proto as usize].add(socket.local.port);
            }
            Ok(())
        })?;
    }
    Ok(sets)
}
