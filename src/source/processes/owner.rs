//! Who holds a socket: one pass over /proc/*/fd.
//!
//! The kernel keeps no way from a socket to its processes, so every descriptor of every process has
//! to be looked at, which costs the kernel some 3 us each (100 000 descriptors: 0.16 s on two
//! processors, 0.26 s on one). Threads share the processes, if there is much to do. Nothing else is done
//! for a descriptor: no path is put together, no memory taken but that of the result.
//!
//! A thread may have a table of descriptors of its own (unshare(CLONE_FILES), rare). Passes that look for sockets
//! which another pass has not found, for certain processes, or for all sockets that are in no other table, ask the
//! kernel (kcmp(2)) which threads have one, some 2 us for each process and 0.5 us for each thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rustix::io::Errno;

use super::sight::{self, Unreadable};
use crate::error::Error;
use crate::sys::process::{self, Entries, Files, Proc, is_refusal, unless_gone};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number; that of another thread if its first one has ended, or does not have the sockets.
    pub pid: u32,
    /// Its name: /proc/PID/comm without the line end; any bytes, at most 15 for a program.
    pub name: Vec<u8>,
}

/// A process that a pass meets.
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a> {
    pub pid: u32,
    pub files: Files<'a>,
}

/// Whether a process is one of those that a pass looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Matching {
    No,
    /// The names that would tell cannot be read.
    Maybe,
    Yes,
}

/// Whether a pass looks at a process.
type Wanted = dyn Fn(&Candidate<'_>) -> Result<Matching, Errno> + Send + Sync;

/// A descriptor that is a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// The socket's inode in sockfs.
    pub inode: u64,
    /// The process that holds it.
    pub pid: u32,
    /// The descriptor's number there.
    pub fd: u32,
}

/// What one pass over the descriptors found.
#[derive(Debug, Default)]
pub struct Descriptors {
    /// The processes that hold a socket, by number.
    pub processes: Vec<Process>,
    /// Their sockets, by inode, the lowest number of a process first.
    pub held: Vec<Held>,
    /// The processes that cannot be read, and match or may match.
    pub unreadable: Unreadable,
    /// Whether one of them uses io_uring: a socket that is registered there needs no descriptor.
    pub has_rings: bool,
}

/// Sorts processes by their numbers.
#[inline(never)]
pub(super) fn by_pid(processes: &mut [Process]) {
    processes.sort_unstable_by_key(|process| process.pid);
}

impl Descriptors {
    /// One pass over the descriptors of all processes that are `wanted`. Processes and descriptors that vanish
    /// meanwhile are skipped.
    pub fn read(
        proc: Proc,
        threads: usize,
        wanted: impl Fn(&Candidate<'_>) -> Result<Matching, Errno> + Send + Sync + 'static,
    ) -> Result<Descriptors, Error> {
        Reading::begin(proc, threads, true, wanted)?.finish()
    }

    /// One more pass over all processes, for sockets that an earlier pass has not found.
    pub fn of_sockets(
        proc: Proc,
        threads: usize,
        mut inodes: Vec<u64>,
    ) -> Result<Descriptors, Error> {
        inodes.sort_unstable();
        let wanted = Box::new(|_: &Candidate<'_>| Ok(Matching::Yes));
        let pass = Pass::new(proc, true, wanted, Some(inodes))?;
        let mut reading = Reading::start(pass, threads, WORTH_THREADS)?;
        let mut all = reading.all()?;
        // A process that was born during the pass may hold what its parent has closed since.
        let (pass, mut entries) = (Arc::clone(&reading.pass), process::entries());
        for pid in pass.proc.pids()? {
            if pass.pids.binary_search(&pid).is_err() {
                pass.look(pid, &mut all, &mut entries, &mut || {})?;
            }
        }
        Ok(all.sorted())
    }

    fn add(&mut self, mut other: Descriptors) {
        self.processes.append(&mut other.processes);
        self.held.append(&mut other.held);
        self.unreadable.add(other.unreadable);
        self.has_rings |= other.has_rings;
    }

    fn sorted(mut self) -> Descriptors {
        by_pid(&mut self.processes);
        self.held.sort_unstable_by_key(|held| (held.inode, held.pid, held.fd));
        self
    }

    /// The process of that number, if it holds a socket.
    pub fn process(&self, pid: u32) -> Option<&Process> {
        process(&self.processes, pid)
    }
}

/// The process of that number, of those that are sorted by number.
pub(super) fn process(processes: &[Process], pid: u32) -> Option<&Process> {
    let place = processes.binary_search_by_key(&pid, |process| process.pid).ok()?;
    processes.get(place)
}

/// From how many descriptors and processes on threads are worth their start, which costs as much as some
/// twenty of them.
const WORTH_THREADS: usize = 1000;

/// A pass that has begun: over already if there was little to do, else going on in threads.
#[derive(Debug)]
pub struct Reading {
    pass: Arc<Pass>,
    found: Descriptors,
    others: Vec<JoinHandle<Result<Descriptors, Error>>>,
}

impl Reading {
    /// Begins a pass for at most `threads` threads, this one among them; `asks_threads` as in [`Pass`].
    pub fn begin(
        proc: Proc,
        threads: usize,
        asks_threads: bool,
        wanted: impl Fn(&Candidate<'_>) -> Result<Matching, Errno> + Send + Sync + 'static,
    ) -> Result<Reading, Error> {
        let pass = Pass::new(proc, asks_threads, Box::new(wanted), None)?;
        Reading::start(pass, threads, WORTH_THREADS)
    }

    fn start(pass: Pass, threads: usize, worth_threads: usize) -> Result<Reading, Error> {
        let (pass, mut others) = (Arc::new(pass), Vec::new());
        let (mut found, mut entries) = (Descriptors::default(), process::entries());
        let mut seen = 0;
        // Once there are others, this thread may have something else to do meanwhile.
        while others.is_empty()
            && let Some(pid) = pass.take()
        {
            pass.look(pid, &mut found, &mut entries, &mut || {
                seen += 1;
                if seen == worth_threads {
                    others = start(&pass, threads);
                }
            })?;
        }
        Ok(Reading { pass, found, others })
    }

    /// Whether threads are at it still.
    pub fn is_going_on(&self) -> bool {
        !self.others.is_empty()
    }

    /// Does what is left to do, and waits for the others; gives what each has found.
    pub(super) fn parts(&mut self) -> Result<Vec<Descriptors>, Error> {
        let mut parts = vec![std::mem::take(&mut self.found), self.pass.work()?];
        for other in self.others.drain(..) {
            parts.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(parts)
    }

    /// The same in one.
    fn all(&mut self) -> Result<Descriptors, Error> {
        let mut all = Descriptors::default();
        self.parts()?.into_iter().for_each(|part| all.add(part));
        Ok(all)
    }

    /// All that is found, when it is.
    pub fn finish(mut self) -> Result<Descriptors, Error> {
        self.all().map(Descriptors::sorted)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.pass.stop();
    }
}

/// Starts threads that share a pass with this one. Where there cannot be any, the work is done without.
fn start(pass: &Arc<Pass>, threads: usize) -> Vec<JoinHandle<Result<Descriptors, Error>>> {
    let start = |_| {
        let pass = Arc::clone(pass);
        thread::Builder::new().spawn(move || pass.work()).ok()
    };
    (1..threads).map_while(start).collect()
}

/// A pass over processes, of which each thread takes the next one. The kernel's work for different
/// descriptors does not contend, so that two processors need half the time of one.
struct Pass {
    proc: Proc,
    pids: Vec<u32>,
    /// How many of them were taken.
    taken: AtomicUsize,
    /// Whether it looks at the tables that threads have for themselves.
    asks_threads: bool,
    wanted: Box<Wanted>,
    /// The sockets that are looked for, sorted; all of them for `None`.
    inodes: Option<Vec<u64>>,
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pass").field("pids", &self.pids.len()).finish_non_exhaustive()
    }
}

impl Pass {
    fn new(
        proc: Proc,
        asks_threads: bool,
        wanted: Box<Wanted>,
        inodes: Option<Vec<u64>>,
    ) -> Result<Pass, Error> {
        let pids = proc.pids()?;
        Ok(Pass { proc, pids, taken: AtomicUsize::new(0), asks_threads, wanted, inodes })
    }

    /// The next process that nobody has taken.
    fn take(&self) -> Option<u32> {
        self.pids.get(self.taken.fetch_add(1, Ordering::Relaxed)).copied()
    }

    /// Leaves nothing to be taken.
    fn stop(&self) {
        self.taken.store(self.pids.len(), Ordering::Relaxed);
    }

    /// Looks at one process after the other until none is left, or one cannot be looked at.
    fn work(&self) -> Result<Descriptors, Error> {
        let (mut found, mut entries) = (Descriptors::default(), process::entries());
        while let Some(pid) = self.take() {
            self.look(pid, &mut found, &mut entries, &mut || {})?;
        }
        Ok(found)
    }

    /// Looks at all descriptors of one process; calls `count` for it and for each of them.
    fn look(
        &self,
        pid: u32,
        found: &mut Descriptors,
        entries: &mut Entries,
        count: &mut dyn FnMut(),
    ) -> Result<(), Error> {
        count();
        let begun = (found.held.len(), found.processes.len());
        let mut looked = self.take_all(pid, found, entries, count);
        if looked.is_err() {
            found.held.truncate(begun.0);
            found.processes.truncate(begun.1);
        }
        if looked.is_err_and(is_refusal) {
            let may_hold = self.may_hold(pid);
            if may_hold == Ok(true) {
                found.unreadable.add(Unreadable::one(pid));
            }
            looked = may_hold.map(drop);
        }
        match unless_gone(looked) {
            Ok(_) => Ok(()),
            Err(error) => {
                self.stop();
                Err(self.proc.error(&pid.to_string(), error))
            }
        }
    }

    fn take_all(
        &self,
        pid: u32,
        found: &mut Descriptors,
        entries: &mut Entries,
        count: &mut dyn FnMut(),
    ) -> Result<(), Errno> {
        let begun = found.held.len();
        let first = self.take_from(pid, pid, &[], found, entries, count)?;
        let mut known = Vec::new();
        // If its first thread has ended, only the others show the descriptors.
        let threads = match first {
            None => self.proc.other_threads(pid)?,
            Some(true) if self.asks_threads => {
                known.extend(found.held.iter().skip(begun).map(|held| held.inode));
                known.sort_unstable();
                unless_gone(self.proc.threads_apart(pid))?.unwrap_or_default()
            }
            Some(_) => return Ok(()),
        };
        for thread in threads {
            let begun = found.held.len();
            let looked = self.take_from(pid, thread, &known, found, entries, count);
            if unless_gone(looked)?.is_none() {
                found.held.truncate(begun);
            }
        }
        Ok(())
    }

    /// Takes the sockets of a process as one of its threads shows them, without those that are `known`. Returns
    /// whether the process is wanted; `None` if that thread has no descriptor.
    fn take_from(
        &self,
        pid: u32,
        thread: u32,
        known: &[u64],
        found: &mut Descriptors,
        entries: &mut Entries,
        count: &mut dyn FnMut(),
    ) -> Result<Option<bool>, Errno> {
        let descriptors = self.proc.descriptors(thread)?;
        let own = descriptors.files();
        let files = if thread == pid { own } else { self.proc.files(pid) };
        let mut is_wanted = false;
        // Kernel threads have no descriptors: not even their names are read.
        let begin = || match (self.wanted)(&Candidate { pid, files })? {
            Matching::Maybe => Err(Errno::ACCESS),
            matching => {
                is_wanted = matching == Matching::Yes;
                Ok(is_wanted)
            }
        };
        let begun = found.held.len();
        let has_any = descriptors.links(entries, begin, |fd, link| {
            count();
            found.has_rings |= link == b"anon_inode:[io_uring]";
            let is_new =
                |inode: &u64| self.is_sought(*inode) && known.binary_search(inode).is_err();
            let inode = inode(link).filter(is_new);
            found.held.extend(inode.map(|inode| Held { inode, pid: thread, fd }));
        })?;
        if found.held.len() > begun {
            found.processes.push(Process { pid: thread, name: files.name()? });
        }
        Ok(has_any.then_some(is_wanted))
    }

    fn is_sought(&self, inode: u64) -> bool {
        self.inodes.as_ref().is_none_or(|inodes| inodes.binary_search(&inode).is_ok())
    }

    /// Whether a process that cannot be read may hold a socket that is looked for.
    fn may_hold(&self, pid: u32) -> Result<bool, Errno> {
        let files = self.proc.files(pid);
        let matching = (self.wanted)(&Candidate { pid, files })?;
        Ok(matching != Matching::No && !sight::holds_nothing(files)?)
    }
}

/// The inode in the text of a socket's link, `socket:[12345]`.
fn inode(link: &[u8]) -> Option<u64> {
    let digits = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(digits).ok().filter(|digits| !digits.starts_with('+'))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    use crate::source::processes::owners::Owners;
    use crate::sys::Kernel;
    use crate::sys::process::faults;

    /// A number, a name, and the descriptors with their links.
    type Made<'a> = (&'a str, &'a str, &'a [(&'a str, &'a str)]);

    /// A tree with a /proc in which these processes are.
    fn tree(test: &str, processes: &[Made<'_>]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("connbox-{test}-{}", std::process::id()));
        for (pid, name, links) in processes {
            let directory = root.join("proc").join(pid);
            std::fs::create_dir_all(directory.join("fd")).unwrap();
            std::fs::write(directory.join("comm"), name).unwrap();
            for (fd, link) in *links {
                symlink(link, directory.join("fd").join(fd)).unwrap();
            }
        }
        root
    }

    #[expect(clippy::unnecessary_wraps, reason = "what a pass asks for may fail")]
    fn only(matches: bool) -> Result<Matching, Errno> {
        Ok(if matches { Matching::Yes } else { Matching::No })
    }

    #[test]
    fn only_the_text_of_a_socket_is_one() {
        assert_eq!(inode(b"socket:[12345]"), Some(12345));
        assert_eq!(inode(b"socket:[18446744073709551615]"), Some(u64::MAX));
        for link in [
            &b""[..],
            b"socket:[]",
            b"socket:[1",
            b"socket:[+1]",
            b"socket:[-1]",
            b"socket:[18446744073709551616]",
            b"pipe:[1]",
            b"/tmp/socket:[1]",
            b"socket:[1] (deleted)",
        ] {
            assert_eq!(inode(link), None, "{}", link.escape_ascii());
        }
    }

    #[test]
    fn a_saved_proc_is_read_as_the_live_one() {
        let root = tree(
            "owners",
            &[
                ("20", "late\n", &[("3", "socket:[7]"), ("4", "socket:[8]")]),
                ("3", "early\n", &[("0", "/dev/null"), ("9", "socket:[7]"), ("x", "socket:[9]")]),
                ("30", "no line end", &[("1", "socket:[10]")]),
                ("40", "files only\n", &[("1", "/etc/passwd")]),
                ("self", "not a number\n", &[("1", "socket:[11]")]),
            ],
        );
        std::fs::write(root.join("proc/50"), "not a directory").unwrap();
        std::fs::create_dir(root.join("proc/60")).unwrap();
        std::fs::write(root.join("proc/30/fd/2"), "not a link").unwrap();
        let proc = || Proc::open(&Kernel::new(Some(root.clone())).unwrap()).unwrap();
        let owners = Owners::read(proc(), 1).unwrap();
        let is_late = |process: &Candidate<'_>| only(process.files.name()? == b"late");
        let some = Owners::when_read(Reading::begin(proc(), 1, false, is_late).unwrap()).unwrap();
        std::fs::remove_dir_all(root).unwrap();
        let of = |owners: &Owners, inode| {
            owners.of(inode).map(|process| (process.pid, process.name.clone()))
        };
        assert_eq!(of(&owners, 7), Some((3, b"early".to_vec())));
        assert_eq!(of(&owners, 8), Some((20, b"late".to_vec())));
        assert_eq!(of(&owners, 10), Some((30, b"no line end".to_vec())));
        assert_eq!((of(&owners, 9), of(&owners, 11)), (None, None));
        assert_eq!(owners.unreadable().count, 0);
        assert_eq!((of(&some, 7), of(&some, 10)), (Some((20, b"late".to_vec())), None));
    }

    #[test]
    fn every_socket_of_ours_is_found_once() {
        let sockets: Vec<_> =
            (0..100).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let again: Vec<_> = sockets.iter().map(|socket| socket.try_clone().unwrap()).collect();
        let proc = Proc::open(&Kernel::default()).unwrap();
        let own = std::process::id();
        let again_open = Proc::open(&Kernel::default()).unwrap();
        let is_own = move |process: &Candidate<'_>| only(process.pid == own);
        let found = Descriptors::read(again_open, 2, is_own).unwrap();
        let owners = Owners::read(Proc::open(&Kernel::default()).unwrap(), 2).unwrap();
        for socket in sockets.iter().chain(&again) {
            let fd = u32::try_from(std::os::fd::AsRawFd::as_raw_fd(socket)).unwrap();
            let inode = proc.socket(own, fd).unwrap().unwrap().inode;
            assert!(found.held.contains(&Held { inode, pid: own, fd }));
            assert_eq!(owners.of(inode).unwrap().pid, own);
        }
        assert!(found.held.iter().all(|held| held.pid == own));
        assert_eq!(found.process(own).unwrap().name, proc.files(own).name().unwrap());
    }

    /// A tree of 80 processes: of each four, two hold three and four sockets, one a file, one nothing.
    fn crowd(test: &str) -> PathBuf {
        let texts: Vec<_> = (0..80).map(|number| number.to_string()).collect();
        let links: Vec<_> = (0..80).map(|number| format!("socket:[{}]", number / 2)).collect();
        let links: Vec<Vec<_>> = (0..80)
            .map(|place| match place % 4 {
                most @ 2.. => (0..=most).map(|fd| (&*texts[fd], &*links[place - fd])).collect(),
                1 => vec![("0", "/dev/null")],
                _ => vec![],
            })
            .collect();
        let made: Vec<Made<'_>> =
            links.iter().zip(&texts).map(|(links, text)| (&**text, &**text, &**links)).collect();
        tree(test, &made)
    }

    #[test]
    fn threads_find_what_is_found_without_them() {
        let root = crowd("threads");
        let pass = |threads, worth_threads| {
            let kernel = Kernel::new(Some(root.clone())).unwrap();
            let wanted = Box::new(|process: &Candidate<'_>| only(process.pid != 7));
            let proc = Proc::open(&kernel).unwrap();
            let pass = Pass::new(proc, false, wanted, None).unwrap();
            Reading::start(pass, threads, worth_threads).unwrap().finish().unwrap()
        };
        let alone = pass(1, 1);
        assert_eq!((alone.processes.len(), alone.held.len()), (39, 136));
        for (threads, worth_threads) in [(2, 1), (3, 50), (4, 7), (9, 1), (4, 100_000)] {
            let found = pass(threads, worth_threads);
            assert_eq!(found.processes, alone.processes, "{threads} threads");
            assert_eq!(found.held, alone.held, "{threads} threads");
        }
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_goes_wrong_in_a_thread_comes_back() {
        let root = crowd("wrong");
        let kernel = Kernel::new(Some(root.clone())).unwrap();
        let proc = Proc::open(&kernel).unwrap();
        // The first thread waits in its first process until another one has taken one.
        let own = thread::current().id();
        let (tell, told) = std::sync::mpsc::channel();
        let told = std::sync::Mutex::new(Some(told));
        let wanted = Box::new(move |_: &Candidate<'_>| {
            if thread::current().id() == own {
                told.lock().unwrap().take().into_iter().for_each(|told| told.recv().unwrap());
                return Ok(Matching::Yes);
            }
            let _ = tell.send(());
            // Without the panic hook, which would write.
            std::panic::resume_unwind(Box::new("of a thread"))
        });
        let reading = Pass::new(proc, false, wanted, None).and_then(|it| Reading::start(it, 2, 1));
        let finish = std::panic::AssertUnwindSafe(|| reading.unwrap().finish());
        let panic = std::panic::catch_unwind(finish).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"of a thread"));
        std::fs::remove_dir_all(&root).unwrap();
    }

    #[test]
    fn only_two_errors_mean_that_a_process_has_ended_and_two_that_it_is_closed() {
        let root = tree(
            "errors",
            &[
                ("3", "early\n", &[("0", "/dev/null"), ("9", "socket:[7]")]),
                ("20", "late\n", &[("3", "socket:[8]"), ("4", "socket:[9]")]),
                ("30", "bare\n", &[]),
            ],
        );
        let kernel = Kernel::new(Some(root.clone())).unwrap();
        let read = || Owners::read(Proc::open(&kernel)?, 1);
        let all = read().unwrap();
        let of = |owners: &Owners| {
            (7..10).map(|inode| owners.of(inode).map(|process| process.pid)).collect::<Vec<_>>()
        };
        assert_eq!(of(&all), [Some(3), Some(20), Some(20)]);
        let (mut gone, mut closed) = (0, 0);
        faults::everywhere(faults::ALL, 30, read, |errno, result, place| {
            // What is wrong with /proc itself is an error in any case.
            match (errno, result) {
                (Errno::INTR, result) => assert_eq!(of(&result.unwrap()), of(&all), "{place}"),
                (Errno::NOENT | Errno::SRCH, Ok(owners)) => {
                    gone += 1;
                    assert_eq!(owners.unreadable().count, 0, "{place}");
                }
                (Errno::ACCESS | Errno::PERM, Ok(owners)) => {
                    closed += 1;
                    assert_eq!(owners.unreadable().count, 1, "{place}");
                }
                (_, Ok(owners)) => panic!("{place}: {owners:?}"),
                (_, Err(Error::Fault { text, .. })) => {
                    let text = String::from_utf8(text).unwrap();
                    assert!(text.contains("/proc"), "{place}: {text}");
                }
                (_, Err(error)) => panic!("{place}: {error:?}"),
            }
        });
        std::fs::remove_dir_all(root).unwrap();
        assert!(gone > 20 && closed > 20, "{gone} {closed}");
    }
}
