//! Who holds a socket: one pass over /proc/*/fd.
//!
//! The kernel keeps no way from a socket to its processes, so every descriptor of every process has
//! to be looked at, which costs the kernel some 3 us each (100 000 descriptors: 0.16 s on two
//! processors, 0.26 s on one). Threads share the processes, if there is much to do. Nothing else is done
//! for a descriptor: no path is put together, no memory taken but that of the result. Threads that have
//! closed their table of descriptors to the rest of their process (unshare(CLONE_FILES), rare) are not
//! looked at.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use rustix::io::Errno;

use crate::error::Error;
use crate::sys::Kernel;
use crate::sys::process::{self, Entries, Proc};

/// What it takes to look into the processes of others, for a note: the first capability opens their
/// directory of descriptors, the second reads what stands in it (tried on Linux 6.18: one without
/// the other is refused). fs/proc/fd.c, fs/proc/base.c: `proc_fd_access_allowed`.
pub const CAPABILITIES: &str = "CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE";

/// A process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// Its name: /proc/PID/comm without the line end; any bytes, at most 15 for a program.
    pub name: Vec<u8>,
}

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
    /// How many processes' descriptors may not be read.
    pub unreadable: u64,
}

impl Descriptors {
    /// One pass over the descriptors of all processes for which `wanted` is true. Processes and
    /// descriptors that vanish meanwhile are skipped.
    pub fn read(
        proc: Proc,
        threads: usize,
        wanted: impl Fn(&Process) -> bool + Send + Sync + 'static,
    ) -> Result<Descriptors, Error> {
        Reading::begin(proc, threads, wanted)?.finish()
    }

    fn add(&mut self, mut other: Descriptors) {
        self.processes.append(&mut other.processes);
        self.held.append(&mut other.held);
        self.unreadable += other.unreadable;
    }

    fn sorted(mut self) -> Descriptors {
        self.processes.sort_unstable_by_key(|process| process.pid);
        self.held.sort_unstable_by_key(|held| (held.inode, held.pid, held.fd));
        self
    }

    /// The process of that number, if it holds a socket.
    pub fn process(&self, pid: u32) -> Option<&Process> {
        process(&self.processes, pid)
    }
}

/// The process of that number, of those that are sorted by number.
fn process(processes: &[Process], pid: u32) -> Option<&Process> {
    let place = processes.binary_search_by_key(&pid, |process| process.pid).ok()?;
    processes.get(place)
}

/// Whose the sockets are.
#[derive(Debug, Default)]
pub struct Owners {
    /// By number.
    processes: Vec<Process>,
    /// The lowest process by the inode of its sockets.
    pids: HashMap<u64, u32, BuildHasherDefault<InodeHasher>>,
    unreadable: u64,
}

/// Spreads inodes, which the kernel counts up for all processes together: nobody can choose many that
/// collide.
#[derive(Debug, Default)]
struct InodeHasher(u64);

impl Hasher for InodeHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, number: u64) {
        // The bits that tell inodes apart go up, and the mixed ones come down: tables look at both ends.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Owners {
    /// One pass over the descriptors of all processes for which `wanted` is true.
    pub fn read(
        kernel: &Kernel,
        threads: usize,
        wanted: impl Fn(&Process) -> bool + Send + Sync + 'static,
    ) -> Result<Owners, Error> {
        Reading::begin(Proc::open(kernel)?, threads, wanted)?.owners()
    }

    fn new(parts: Vec<Descriptors>) -> Owners {
        let mut owners = Owners::default();
        owners.pids.reserve(parts.iter().map(|part| part.held.len()).sum());
        for mut part in parts {
            owners.unreadable += part.unreadable;
            owners.processes.append(&mut part.processes);
            for Held { inode, pid, .. } in part.held {
                let lowest = owners.pids.entry(inode).or_insert(pid);
                *lowest = pid.min(*lowest);
            }
        }
        owners.processes.sort_unstable_by_key(|process| process.pid);
        owners
    }

    /// The process that holds the socket; the lowest number of several.
    pub fn of(&self, inode: u64) -> Option<&Process> {
        process(&self.processes, *self.pids.get(&inode)?)
    }

    /// How many processes' descriptors may not be read.
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }
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
    /// Begins a pass for at most `threads` threads, this one among them.
    pub fn begin(
        proc: Proc,
        threads: usize,
        wanted: impl Fn(&Process) -> bool + Send + Sync + 'static,
    ) -> Result<Reading, Error> {
        Reading::begin_with(proc, threads, WORTH_THREADS, wanted)
    }

    fn begin_with(
        proc: Proc,
        threads: usize,
        worth_threads: usize,
        wanted: impl Fn(&Process) -> bool + Send + Sync + 'static,
    ) -> Result<Reading, Error> {
        let pids = proc.pids()?;
        let pass = Pass { proc, pids, taken: AtomicUsize::new(0), wanted: Box::new(wanted) };
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
    fn parts(mut self) -> Result<Vec<Descriptors>, Error> {
        let mut parts = vec![std::mem::take(&mut self.found), self.pass.work()?];
        for other in self.others.drain(..) {
            parts.push(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(parts)
    }

    /// All that is found, when it is.
    pub fn finish(self) -> Result<Descriptors, Error> {
        let mut all = Descriptors::default();
        self.parts()?.into_iter().for_each(|part| all.add(part));
        Ok(all.sorted())
    }

    /// The same, as whose the sockets are.
    pub fn owners(self) -> Result<Owners, Error> {
        self.parts().map(Owners::new)
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
    wanted: Box<dyn Fn(&Process) -> bool + Send + Sync>,
}

impl std::fmt::Debug for Pass {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Pass").field("pids", &self.pids.len()).finish_non_exhaustive()
    }
}

impl Pass {
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
        let mut process = Process { pid, name: Vec::new() };
        count();
        let result = self.proc.descriptors(pid).and_then(|descriptors| {
            let held = &mut found.held;
            let begun = held.len();
            // Kernel threads have no descriptors: their names are not even read.
            let begin = || {
                process.name = descriptors.process_name();
                (self.wanted)(&process)
            };
            let result = descriptors.links(entries, begin, |fd, link| {
                count();
                held.extend(inode(link).map(|inode| Held { inode, pid, fd }));
            });
            if result.is_err() {
                held.truncate(begun);
            }
            let has_sockets = held.len() > begun;
            result.map(|()| has_sockets)
        });
        match result {
            Ok(true) => found.processes.push(process),
            Ok(false) | Err(Errno::NOENT | Errno::SRCH | Errno::NOTDIR | Errno::LOOP) => {}
            Err(Errno::ACCESS | Errno::PERM) => {
                process.name = self.proc.name(pid).unwrap_or_default();
                found.unreadable += u64::from((self.wanted)(&process));
            }
            Err(error) => {
                self.stop();
                return Err(Error::system(format!("/proc/{pid}/fd"), error));
            }
        }
        Ok(())
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
        let kernel = Kernel::new(Some(root.clone())).unwrap();
        let owners = Owners::read(&kernel, 1, |_| true).unwrap();
        let some = Owners::read(&kernel, 1, |process| process.name == b"late").unwrap();
        std::fs::remove_dir_all(root).unwrap();
        let of = |owners: &Owners, inode| {
            owners.of(inode).map(|process| (process.pid, process.name.clone()))
        };
        assert_eq!(of(&owners, 7), Some((3, b"early".to_vec())));
        assert_eq!(of(&owners, 8), Some((20, b"late".to_vec())));
        assert_eq!(of(&owners, 10), Some((30, b"no line end".to_vec())));
        assert_eq!((of(&owners, 9), of(&owners, 11)), (None, None));
        assert_eq!((owners.unreadable(), owners.processes.len()), (0, 3));
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
        let found = Descriptors::read(again_open, 2, move |process| process.pid == own).unwrap();
        let owners = Owners::read(&Kernel::default(), 2, |_| true).unwrap();
        for socket in sockets.iter().chain(&again) {
            let fd = u32::try_from(std::os::fd::AsRawFd::as_raw_fd(socket)).unwrap();
            let inode = proc.socket(own, fd).unwrap().inode;
            assert!(found.held.contains(&Held { inode, pid: own, fd }));
            assert_eq!(owners.of(inode).unwrap().pid, own);
        }
        assert!(found.held.iter().all(|held| held.pid == own));
        assert_eq!(found.process(own).unwrap().name, proc.name(own).unwrap());
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
            let wanted = |process: &Process| process.pid != 7;
            let proc = Proc::open(&kernel).unwrap();
            Reading::begin_with(proc, threads, worth_threads, wanted).unwrap().finish().unwrap()
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
        let reading = Reading::begin_with(proc, 2, 1, move |_| {
            if thread::current().id() == own {
                told.lock().unwrap().take().into_iter().for_each(|told| told.recv().unwrap());
                return true;
            }
            let _ = tell.send(());
            // Without the panic hook, which would write.
            std::panic::resume_unwind(Box::new("of a thread"))
        });
        let finish = std::panic::AssertUnwindSafe(|| reading.unwrap().finish());
        let panic = std::panic::catch_unwind(finish).unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"of a thread"));
        std::fs::remove_dir_all(&root).unwrap();
    }
}
