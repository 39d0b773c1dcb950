//! Who holds a socket: one pass over /proc/*/fd.
//!
//! The kernel keeps no way from a socket to its processes, so every descriptor of every process has
//! to be looked at, which costs the kernel some 3 us each (100 000 descriptors: 0.16 s on two
//! processors, 0.26 s on one). Nothing else is done for a descriptor: no path is put together, no
//! memory taken but that of the result. Threads that have closed their table of
//! descriptors to the rest of their process (unshare(CLONE_FILES), rare) are not looked at.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

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
    /// descriptors that vanish meanwhile are passed over.
    ///
    /// # Errors
    /// If /proc cannot be read.
    pub fn read(
        proc: &Proc,
        wanted: impl Fn(&Process) -> bool + Sync,
    ) -> Result<Descriptors, Error> {
        let mut all = Descriptors::default();
        for part in (Pass { proc, wanted, pids: proc.pids()?, next: AtomicUsize::new(0) }).run()? {
            all.processes.extend(part.processes);
            all.held.extend(part.held);
            all.unreadable += part.unreadable;
        }
        all.processes.sort_unstable_by_key(|process| process.pid);
        all.held.sort_unstable_by_key(|held| (held.inode, held.pid, held.fd));
        Ok(all)
    }

    /// The process of that number, if it holds a socket.
    #[must_use]
    pub fn process(&self, pid: u32) -> Option<&Process> {
        let place = self.processes.binary_search_by_key(&pid, |process| process.pid).ok()?;
        self.processes.get(place)
    }
}

/// Whose the sockets are.
#[derive(Debug, Default)]
pub struct Owners {
    processes: Vec<Process>,
    /// The place of the process, by inode.
    places: HashMap<u64, usize>,
    unreadable: u64,
}

impl Owners {
    /// One pass over the descriptors of all processes for which `wanted` is true.
    ///
    /// # Errors
    /// If /proc cannot be read.
    pub fn read(
        kernel: &Kernel,
        wanted: impl Fn(&Process) -> bool + Sync,
    ) -> Result<Owners, Error> {
        let Descriptors { processes, held, unreadable } =
            Descriptors::read(&Proc::open(kernel)?, wanted)?;
        let mut places = HashMap::with_capacity(held.len());
        for held in held {
            if let Ok(place) = processes.binary_search_by_key(&held.pid, |process| process.pid) {
                places.entry(held.inode).or_insert(place);
            }
        }
        Ok(Owners { processes, places, unreadable })
    }

    /// The process that holds the socket; the lowest number of several.
    #[must_use]
    pub fn of(&self, inode: u64) -> Option<&Process> {
        self.processes.get(*self.places.get(&inode)?)
    }

    /// How many processes' descriptors may not be read.
    #[must_use]
    pub fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

/// A pass that threads share: each takes the next process. The kernel's work for different
/// descriptors does not contend, so that two processors need half the time of one.
struct Pass<'a, W> {
    proc: &'a Proc,
    wanted: W,
    pids: Vec<u32>,
    next: AtomicUsize,
}

/// From how many processes on helpers are worth their start.
const WORTH_HELP: usize = 32;
/// More would only take the machine from others.
const MOST_HELPERS: usize = 3;

impl<W: Fn(&Process) -> bool + Sync> Pass<'_, W> {
    /// Looks at all processes, with helpers if there are many; gives what each thread found.
    fn run(&self) -> Result<Vec<Descriptors>, Error> {
        let others = match self.pids.len() {
            WORTH_HELP.. => thread::available_parallelism().map_or(0, |all| all.get() - 1),
            _ => 0,
        };
        thread::scope(|scope| {
            let start = |_| thread::Builder::new().spawn_scoped(scope, || self.work()).ok();
            // Where no thread can be had, the work is done without.
            let helpers: Vec<_> = (0..others.min(MOST_HELPERS)).map_while(start).collect();
            let mut parts = vec![self.work()?];
            for helper in helpers {
                let part = helper.join().map_err(|_| Error::failed("/proc", "a thread failed"))?;
                parts.push(part?);
            }
            Ok(parts)
        })
    }

    /// Looks at one process after the other until none is left.
    fn work(&self) -> Result<Descriptors, Error> {
        let mut found = Descriptors::default();
        let mut entries = process::entries();
        while let Some(pid) = self.take() {
            self.look(pid, &mut found, &mut entries)?;
        }
        Ok(found)
    }

    fn take(&self) -> Option<u32> {
        self.pids.get(self.next.fetch_add(1, Ordering::Relaxed)).copied()
    }

    /// Looks at all descriptors of one process.
    fn look(&self, pid: u32, found: &mut Descriptors, entries: &mut Entries) -> Result<(), Error> {
        let mut process = Process { pid, name: Vec::new() };
        let result = self.proc.descriptors(pid).and_then(|descriptors| {
            let held = &mut found.held;
            let begun = held.len();
            // Kernel threads have no descriptors: their names are not even read.
            let begin = || {
                process.name = descriptors.process_name();
                (self.wanted)(&process)
            };
            let result = descriptors.links(entries, begin, |fd, link| {
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
            Err(error) => return Err(Error::system(format!("/proc/{pid}/fd"), error)),
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
        let owners = Owners::read(&kernel, |_| true).unwrap();
        let some = Owners::read(&kernel, |process| process.name == b"late").unwrap();
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
    fn every_socket_of_ours_is_found_once_whatever_the_number_of_threads() {
        let sockets: Vec<_> =
            (0..100).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let again: Vec<_> = sockets.iter().map(|socket| socket.try_clone().unwrap()).collect();
        let proc = Proc::open(&Kernel::default()).unwrap();
        let own = std::process::id();
        let found = Descriptors::read(&proc, |process| process.pid == own).unwrap();
        let owners = Owners::read(&Kernel::default(), |_| true).unwrap();
        for socket in sockets.iter().chain(&again) {
            let fd = u32::try_from(std::os::fd::AsRawFd::as_raw_fd(socket)).unwrap();
            let inode = proc.socket(own, fd).unwrap().inode;
            assert!(found.held.contains(&Held { inode, pid: own, fd }));
            assert_eq!(owners.of(inode).unwrap().pid, own);
        }
        assert!(found.held.iter().all(|held| held.pid == own));
        assert_eq!(found.process(own).unwrap().name, proc.name(own).unwrap());
    }
}
