//! What is known of a socket beside its row: who holds it, which service it is of, which way it goes.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use super::holders::Holders;
use super::interfaces::MissingInterfaces;
use super::keys::{self, push_text};
use super::listeners::{DIRECTIONS, Listening};
use super::names::{Names, with_name};
use crate::error::{Error, Status, visible};
use crate::model::{Choice, Needs, Query, Socket};
use crate::source::files::names::{Services, Users};
use crate::source::files::saved::words::Words;
use crate::source::processes::cgroup::{self, Cgroups};
use crate::source::processes::owner::Process;
use crate::source::processes::owners::{Owners, leave_used};
use crate::source::processes::pods::{self, Pods, Which};
use crate::source::{self, Method, Source};
use crate::sys::{self, Kernel};

/// The facts that are the same in every network namespace, read before the sockets are, but for owners:
/// they may be read beside them.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(super) holders: Holders,
    /// The holders of sockets that must not match.
    pub(super) avoided: Option<Holders>,
    /// `None` where there are no groups that have numbers.
    pub(super) cgroups: Option<Cgroups>,
    /// The same a moment later, if a socket is in a group that was not there before.
    later_cgroups: OnceLock<Option<Cgroups>>,
    /// Whether the group of a socket could not be found.
    pub(super) has_unreachable: AtomicBool,
    pub(crate) interfaces: MissingInterfaces,
    /// Whether a socket has a group that netlink alone would show: no process holds it.
    pub(super) has_untold: AtomicBool,
    /// The control groups of processes, for sockets whose own is not known.
    cgroups_of: Names,
    /// The same where they are groups of pods.
    pods_of: Names,
    /// The names of pods, if they are asked for.
    pub(super) pods: Option<Pods>,
    services: Option<Services>,
    users: Option<Users>,
    /// The words of saved text, if that is what is read.
    pub(super) words: Option<Arc<Words>>,
}

/// The facts of one network namespace.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    kernel: &'a Kernel,
    words: Option<&'a Words>,
    pub(super) shared: &'a Shared,
    listeners: Option<Listening>,
    interfaces: Names,
    /// The holders of sockets that the pass over the processes did not find.
    later_owners: OnceLock<Owners>,
    later_avoided: OnceLock<Owners>,
    /// The name of the namespace, where it is a key.
    pub netns: Vec<u8>,
}

impl Shared {
    /// Reads what `query` asks for.
    ///
    /// # Errors
    /// If the processes cannot be read at all, or if there are none: in saved files.
    pub(crate) fn read(source: &Source, query: &Query) -> Result<Shared, Error> {
        let (kernel, needs) = (&source.kernel, query.needs);
        let pods_file = query.pods_file.as_deref();
        let has_cgroups = needs.has(Needs::CGROUPS) || query.looks_at_cgroups();
        let cgroups =
            if has_cgroups && source.saved.is_empty() { Cgroups::read(kernel)? } else { None };
        let is_saved = !source.saved.is_empty();
        let pods = needs.has(Needs::PODS).then(|| Pods::read(kernel, pods_file)).transpose()?;
        if let Some(pods) = pods.as_ref().filter(|_| is_saved) {
            refuse_names(query, pods)?;
        }
        Ok(Shared {
            holders: Holders::read(source, query)?,
            avoided: Holders::avoided(source, query)?,
            cgroups,
            later_cgroups: OnceLock::new(),
            has_unreachable: AtomicBool::new(false),
            interfaces: MissingInterfaces::default(),
            has_untold: AtomicBool::new(false),
            cgroups_of: Names::default(),
            pods_of: Names::default(),
            pods,
            services: needs.has(Needs::SERVICES).then(|| Services::read(kernel)).transpose()?,
            users: needs.has(Needs::USERS).then(|| Users::read(kernel)).transpose()?,
            words: is_saved.then(|| source.words.clone()),
        })
    }

    /// The same with owners, for threads that read several namespaces at once.
    pub(crate) fn read_whole(source: &Source, query: &Query) -> Result<Shared, Error> {
        let shared = Shared::read(source, query)?;
        shared.finish()?;
        Ok(shared)
    }

    /// Whether owners are asked for that are not known yet.
    pub(super) fn is_reading(&self) -> bool {
        self.holders.is_reading() || self.avoided.as_ref().is_some_and(Holders::is_reading)
    }

    /// Waits until the owners are known that are asked for.
    pub(super) fn finish(&self) -> Result<(), Error> {
        self.holders.finish()?;
        self.avoided.as_ref().map_or(Ok(()), Holders::finish)
    }

    /// Returns the first failure that was kept.
    pub(super) fn failure(&self) -> Result<(), Error> {
        self.holders.failure()?;
        self.avoided.as_ref().map_or(Ok(()), Holders::failure)
    }
}

impl<'a> Facts<'a> {
    /// Reads what `query` asks for of the namespace that the process is in.
    ///
    /// # Errors
    /// If the table of sockets cannot be read.
    pub(crate) fn read(
        source: &'a Source,
        shared: &'a Shared,
        query: &Query,
    ) -> Result<Facts<'a>, Error> {
        let has_listeners = query.needs.has(Needs::LISTENERS);
        let listeners = has_listeners.then(|| Listening::read(source, query)).transpose()?;
        let (kernel, interfaces) = (&source.kernel, Names::default());
        let (later_owners, later_avoided) = (OnceLock::new(), OnceLock::new());
        let netns = Vec::new();
        let words = (!source.saved.is_empty()).then_some(&*source.words);
        Ok(Facts {
            kernel,
            words,
            shared,
            listeners,
            interfaces,
            later_owners,
            later_avoided,
            netns,
        })
    }

    /// The process that holds the socket.
    pub(crate) fn process(&self, socket: &Socket) -> Option<Cow<'_, Process>> {
        if let Some(words) = self.words {
            let process = words.process(socket.holder).map(|(pid, name)| Process { pid, name });
            return process.map(Cow::Owned);
        }
        let later = || self.later_owners.get()?.of(socket.inode);
        self.shared.holders.owners()?.of(socket.inode).or_else(later).map(Cow::Borrowed)
    }

    /// Calls `each` with the socket's control group: `unreachable:ID` where that is gone, as ss has it.
    pub(crate) fn with_cgroup<T>(
        &self,
        socket: &Socket,
        each: impl FnOnce(Option<&[u8]>) -> T,
    ) -> T {
        let Shared { holders, cgroups, later_cgroups, has_unreachable, .. } = self.shared;
        let note = || has_unreachable.store(true, Ordering::Relaxed);
        if let Some(words) = self.words {
            return words.with(socket.cgroup.map_or(0, |number| number as u32), |path| {
                let is_gone = path.is_some_and(|path| path.starts_with(b"unreachable:"));
                is_gone.then(note);
                each(path)
            });
        }
        // Where cgroup2 is not in use, all sockets are in its first group, and processes in others.
        let is_unused = cgroups.is_none() && socket.cgroup == Some(cgroup::TOP);
        if let Some(id) = socket.cgroup.filter(|_| !is_unused) {
            let read = || holders.or_note(Cgroups::read(self.kernel)).flatten();
            let later = || later_cgroups.get_or_init(read).as_ref()?.path(id);
            let known = cgroups.as_ref().and_then(|cgroups| cgroups.path(id));
            return match known.or_else(later) {
                None => {
                    note();
                    each(Some(format!("unreachable:{id:x}").as_bytes()))
                }
                path => each(path),
            };
        }
        // A socket of netlink has a cookie.
        if socket.cookie == 0 && socket.inode == 0 && socket.is_full() {
            self.shared.has_untold.store(true, Ordering::Relaxed);
        }
        // Before Linux 5.9, and in /proc/net, sockets do not say where they were made.
        let Some(process) = holders.late_owners().and_then(|_| self.process(socket)) else {
            return each(None);
        };
        with_name(&self.shared.cgroups_of, process.pid, each, |pid| {
            holders.or_note(cgroup::of_process(self.kernel, pid)).flatten()
        })
    }

    /// Appends the name of the pod or container in which the socket was made.
    pub(crate) fn push_pod(&self, to: &mut Vec<u8>, socket: &Socket, which: Which) {
        self.with_home(socket, |pods, path| {
            push_text(to, path.and_then(|path| pods.name(path, which)).as_deref());
        });
    }

    /// Calls `each` with the names of pods, and with the control group that tells those of the socket; gives `None` if
    /// nobody asks for pods.
    #[inline(never)]
    fn with_home<T>(
        &self,
        socket: &Socket,
        each: impl FnOnce(&Pods, Option<&[u8]>) -> T,
    ) -> Option<T> {
        let Shared { holders, pods, pods_of, .. } = self.shared;
        let pods = pods.as_ref()?;
        let each = |path: Option<&[u8]>| each(pods, path);
        let is_in_process = self.may_have_old_group(socket) && holders.late_owners().is_some();
        Some(match self.process(socket).filter(|_| is_in_process) {
            Some(process) => with_name(pods_of, process.pid, each, |pid| {
                holders.or_note(pods::group_of_process(self.kernel, pid)).flatten()
            }),
            None => self.with_cgroup(socket, each),
        })
    }

    /// Whether the socket is in a pod or container that is asked for.
    fn is_home(&self, choice: &Choice<Vec<u8>>, socket: &Socket, which: Which) -> bool {
        choice.is_empty()
            || self.with_home(socket, |pods, path| {
                choice.has(|word| path.is_some_and(|path| pods.is_named(path, which, word)))
            }) == Some(true)
    }

    /// Whether the pod of the socket, if it has one, is only in a hierarchy of cgroup v1, which tells processes alone.
    #[inline(never)]
    fn may_have_old_group(&self, socket: &Socket) -> bool {
        self.shared.pods.as_ref().is_some_and(|pods| pods.has_old_groups)
            && !self.with_cgroup(socket, |path| path.is_some_and(pods::is_home))
    }

    /// Whether the holder of the socket matters and was not found.
    pub(super) fn lacks_holder(&self, query: &Query, socket: &Socket) -> bool {
        let Shared { holders, cgroups, .. } = self.shared;
        let is_of_process = || {
            let is_asked = query.needs.has(Needs::CGROUPS) || query.looks_at_cgroups();
            is_asked
                && (socket.cgroup.is_none_or(|id| cgroups.is_none() && id == cgroup::TOP)
                    || self.may_have_old_group(socket))
        };
        let is_asked = query.needs.has(Needs::HOLDERS) || !query.processes.any.is_empty();
        let is_missed = || {
            (is_asked || is_of_process() && holders.late_owners().is_some())
                && self.process(socket).is_none()
                && holders.may_have_missed()
        };
        let may_be_avoided = || {
            let may_have_missed =
                self.shared.avoided.as_ref().is_some_and(Holders::may_have_missed);
            may_have_missed && !self.is_avoided(socket)
        };
        socket.inode != 0 && (is_missed() || may_be_avoided())
    }

    /// Whether a process holds the socket whose sockets must not match.
    fn is_avoided(&self, socket: &Socket) -> bool {
        if self.words.is_some() {
            return socket.holder == Socket::AVOIDED;
        }
        let has = |owners: Option<&Owners>| {
            owners.is_some_and(|owners| owners.of(socket.inode).is_some())
        };
        self.shared.avoided.as_ref().is_some_and(|avoided| has(avoided.owners()))
            || has(self.later_avoided.get())
    }

    /// Looks again for the holders of sockets that were missed, and notes if one is left that is still in use: a
    /// socket may have been made after its process was read, or been closed since.
    pub(super) fn look_again(
        &self,
        source: &Source,
        method: Method,
        query: &Query,
        missed: &[Socket],
    ) -> Result<(), Error> {
        let Shared { holders, avoided, .. } = self.shared;
        let avoided = avoided.iter().map(|avoided| (avoided, &self.later_avoided));
        for (holders, later) in [(holders, &self.later_owners)].into_iter().chain(avoided) {
            if !holders.may_have_missed() {
                continue;
            }
            let mut inodes: Vec<u64> = missed.iter().map(|socket| socket.inode).collect();
            inodes.sort_unstable();
            let _ = later.set(holders.look_again(&mut inodes)?);
            if source.is_live() {
                leave_used(&mut inodes, |used| {
                    source::sockets(source, method, query, |socket| {
                        used(socket.inode);
                        Ok(())
                    })
                    .map(drop)
                })?;
            }
            if !inodes.is_empty() {
                holders.note_gap();
            }
        }
        Ok(())
    }

    /// Notes that holders of sockets may have been missed.
    pub(super) fn note_gap(&self) {
        [&self.shared.holders].into_iter().chain(&self.shared.avoided).for_each(Holders::note_gap);
    }

    /// Whether the options that look at holders let the socket pass.
    pub(super) fn lets_pass(&self, query: &Query, socket: &Socket) -> bool {
        if !query.looks_at_holders() {
            return true;
        }
        (query.processes.any.is_empty() || self.process(socket).is_some())
            && !self.is_avoided(socket)
            && self.is_home(&query.pods, socket, Which::Pod)
            && self.is_home(&query.containers, socket, Which::Container)
            && (query.cgroups.is_empty()
                || self.with_cgroup(socket, |path| {
                    query
                        .cgroups
                        .has(|wanted| path.is_some_and(|path| cgroup::is_below(path, wanted)))
                }))
    }

    /// Appends the name of a host, if the number of one is given.
    #[inline]
    pub(crate) fn push_host(&self, to: &mut Vec<u8>, name: u32) -> bool {
        let Some(words) = self.words.filter(|_| name != 0) else { return false };
        words.with(name, |name| keys::push_host(to, name.unwrap_or_default()));
        true
    }

    /// Which way the connection goes; see [`Listening::direction`].
    pub(crate) fn direction(&self, socket: &Socket) -> &'static str {
        self.listeners.as_ref().map_or(DIRECTIONS[2], |all| all.direction(socket))
    }

    /// The port of the service that the socket serves or uses, and its name in /etc/services.
    pub(crate) fn service(&self, socket: &Socket) -> (u16, Option<&[u8]>) {
        let port = match self.direction(socket) {
            "out" => socket.remote.port,
            _ => socket.local.port,
        };
        let services = self.shared.services.as_ref();
        (port, services.and_then(|services| services.name(port, socket.proto.name())))
    }

    /// The name of a user in /etc/passwd.
    pub(crate) fn user(&self, uid: u32) -> Option<&[u8]> {
        self.shared.users.as_ref()?.name(uid)
    }

    /// Calls `each` with the name of an interface, `if7` for one that is gone, as ss(8) has it; 0 is none.
    pub(crate) fn with_interface<T>(&self, index: u32, each: impl FnOnce(Option<&[u8]>) -> T) -> T {
        if index == 0 {
            return each(None);
        }
        if let Some(words) = self.words {
            return words.with(index, each);
        }
        with_name(&self.interfaces, index, each, |index| {
            Some(sys::interface_name(index).unwrap_or_else(|| format!("if{index}").into_bytes()))
        })
    }
}

/// Refuses names of pods and containers where nothing names any: they would match nothing, and exclude nothing.
fn refuse_names(query: &Query, pods: &Pods) -> Result<(), Error> {
    for (option, choice, which, number) in [
        ("--pod", &query.pods, Which::Pod, "the UID of a pod"),
        (
            "--container",
            &query.containers,
            Which::Container,
            "the ID of a container, or its first 12 digits",
        ),
    ] {
        let name = choice.iter().find(|word| !pods::is_number(which, word));
        if let Some(name) = name.filter(|_| pods.is_empty()) {
            let reason = format_args!(
                "'{}' is not {number}, and nothing gives names: --pods=FILE takes them from kubectl get pods -A -o json",
                visible(name)
            );
            return Err(Error::of(Status::NotThere, option, reason));
        }
    }
    Ok(())
}
