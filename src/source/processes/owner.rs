//! Who holds a socket: one pass over /proc/*/fd.
//!
//! The kernel keeps no way from a socket to its processes, so every descriptor of every process has
//! to be looked at, which costs the kernel some 3 us each (100 000 descriptors: 0.16 s on two
//! processors, 0.26 s on one). Nothing else is done for a descriptor: no path is put together, no
//! memory taken but that of the result. Threads that have closed their table of
//! descriptors to the rest of their process (unshare(CLONE_FILES), rare) are not looked at.

use std::cell::{Cell, OnceCell};
use std::collections::HashMap;

use rustix::io::Errno;

use crate::error::Error;
use crate::sys::Kernel;
use crate::sys::helper::{self, Helper, Places};
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
    /// descriptors that vanish meanwhile are passed over. Helper processes ask `wanted`, too: what it
    /// changes may be lost.
    ///
    /// # Errors
    /// If /proc cannot be read.
    pub fn read(proc: &Proc, wanted: impl Fn(&Process) -> bool) -> Result<Descriptors, Error> {
        Ok(Pass::new(proc, &wanted, &proc.pids()?).run()?.sorted())
    }

    fn sorted(mut self) -> Descriptors {
        self.processes.sort_unstable_by_key(|process| process.pid);
        self.held.sort_unstable_by_key(|held| (held.inode, held.pid, held.fd));
        self
    }

    /// Forgets all but the memory taken.
    fn clear(&mut self) {
        self.processes.clear();
        self.held.clear();
        self.unreadable = 0;
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
    pub fn read(kernel: &Kernel, wanted: impl Fn(&Process) -> bool) -> Result<Owners, Error> {
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

/// From how many descriptors and processes on helpers are worth their start, which costs as much as
/// some hundred of them.
const WORTH_HELP: usize = 1000;
/// More would only take the machine from others.
const MOST_HELPERS: usize = 3;

/// A pass over processes, which helpers share once there turns out to be much to do: each takes the
/// next process. The kernel's work for different descriptors does not contend, so that two processors
/// need half the time of one.
struct Pass<'a> {
    proc: &'a Proc,
    wanted: &'a dyn Fn(&Process) -> bool,
    pids: &'a [u32],
    /// How many helpers there may be, and from how much work on.
    most_helpers: usize,
    worth_help: usize,
    /// How many processes were taken before there were helpers.
    taken: Cell<usize>,
    /// How many descriptors and processes were looked at here.
    seen: Cell<usize>,
    /// The places of the others, and who takes of them beside us.
    others: OnceCell<Places>,
    helpers: Cell<Vec<Helper>>,
}

impl<'a> Pass<'a> {
    fn new(proc: &'a Proc, wanted: &'a dyn Fn(&Process) -> bool, pids: &'a [u32]) -> Pass<'a> {
        Pass {
            proc,
            wanted,
            pids,
            most_helpers: MOST_HELPERS.min(helper::processors() - 1),
            worth_help: WORTH_HELP,
            taken: Cell::default(),
            seen: Cell::default(),
            others: OnceCell::new(),
            helpers: Cell::default(),
        }
    }

    /// Looks at all processes. What helpers have not done, for whatever reason, is done here, so that
    /// it shows here, too, if it cannot be done.
    fn run(&self) -> Result<Descriptors, Error> {
        let mut found = Descriptors::default();
        let mut left: Vec<_> = self.pids.iter().copied().map(Some).collect();
        let mut entries = process::entries();
        while let Some(place) = self.take() {
            if let Some(pid) = left.get_mut(place).and_then(Option::take) {
                self.look(pid, &mut found, &mut entries)?;
            }
        }
        for helper in self.helpers.take() {
            records::add(&helper.join(), &mut left, &mut found);
        }
        for pid in left.into_iter().flatten() {
            self.look(pid, &mut found, &mut entries)?;
        }
        Ok(found)
    }

    /// The place of the next process that nobody has taken.
    fn take(&self) -> Option<usize> {
        match self.others.get() {
            Some(others) => others.next(),
            None => Some(self.taken.replace(self.taken.get() + 1))
                .filter(|place| *place < self.pids.len()),
        }
    }

    /// Counts a process or descriptor that is looked at, and calls for help at the right one.
    fn count(&self) {
        self.seen.set(self.seen.get() + 1);
        if self.seen.get() == self.worth_help {
            self.call_helpers();
        }
    }

    /// Where there cannot be helpers, the work is done without.
    #[cold]
    fn call_helpers(&self) {
        let others = self.taken.get()..self.pids.len();
        let most = self.most_helpers.min(others.len());
        if most > 0
            && let Ok(others) = Places::new(others)
            && self.others.set(others).is_ok()
        {
            let parent = std::process::id();
            let start = |_| Helper::start(|| self.help(parent)).ok();
            self.helpers.set((0..most).map_while(start).collect());
        }
    }

    /// Looks at one process after the other until none is left, or one cannot be looked at.
    fn help(&self, parent: u32) -> Vec<u8> {
        let mut records = Vec::new();
        let mut found = Descriptors::default();
        let mut entries = process::entries();
        while let Some(place) = self.take() {
            // The parent may look at itself, even if nobody else may (PR_SET_DUMPABLE).
            let Some(pid) = self.pids.get(place).filter(|pid| **pid != parent) else { continue };
            if self.look(*pid, &mut found, &mut entries).is_err() {
                break;
            }
            records::write(place, &found, &mut records);
            found.clear();
        }
        records
    }

    /// Looks at all descriptors of one process.
    fn look(&self, pid: u32, found: &mut Descriptors, entries: &mut Entries) -> Result<(), Error> {
        let mut process = Process { pid, name: Vec::new() };
        self.count();
        let result = self.proc.descriptors(pid).and_then(|descriptors| {
            let held = &mut found.held;
            let begun = held.len();
            // Kernel threads have no descriptors: their names are not even read.
            let begin = || {
                process.name = descriptors.process_name();
                (self.wanted)(&process)
            };
            let result = descriptors.links(entries, begin, |fd, link| {
                self.count();
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

/// What helpers hand over: for each process that they have looked at a head and its sockets, in the
/// machine's own order of bytes. A record that is not complete does not count.
mod records {
    use super::{Descriptors, Held, Process};

    /// Appends a record: what was found of the process at `place`, and of no other.
    pub fn write(place: usize, found: &Descriptors, records: &mut Vec<u8>) {
        let name = found.processes.first().map_or(&[][..], |process| &process.name);
        records.extend((place as u64).to_ne_bytes());
        records.extend(found.unreadable.to_ne_bytes());
        records.extend((name.len() as u64).to_ne_bytes());
        records.extend((found.held.len() as u64).to_ne_bytes());
        records.extend(name);
        for held in &found.held {
            records.extend(held.inode.to_ne_bytes());
            records.extend(u64::from(held.fd).to_ne_bytes());
        }
    }

    /// Adds to `found` what `records` have of the processes that are `left`, and takes those away.
    pub fn add(mut records: &[u8], left: &mut [Option<u32>], found: &mut Descriptors) {
        while add_one(&mut records, left, found).is_some() {}
    }

    fn add_one(
        records: &mut &[u8],
        left: &mut [Option<u32>],
        found: &mut Descriptors,
    ) -> Option<()> {
        let [place, unreadable, name, sockets] = [(); 4].map(|()| word(records));
        let (name, rest) = records.split_at_checked(size(name?)?)?;
        let (sockets, rest) = rest.split_at_checked(size(sockets?)?.checked_mul(16)?)?;
        *records = rest;
        let pid = left.get_mut(size(place?)?)?.take()?;
        found.unreadable += unreadable?;
        if !sockets.is_empty() {
            found.processes.push(Process { pid, name: name.to_vec() });
        }
        found.held.extend(sockets.chunks_exact(16).filter_map(|mut socket| {
            let inode = word(&mut socket)?;
            Some(Held { inode, pid, fd: u32::try_from(word(&mut socket)?).ok()? })
        }));
        Some(())
    }

    fn word(bytes: &mut &[u8]) -> Option<u64> {
        let (word, rest) = bytes.split_first_chunk()?;
        *bytes = rest;
        Some(u64::from_ne_bytes(*word))
    }

    fn size(word: u64) -> Option<usize> {
        usize::try_from(word).ok()
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
    fn every_socket_of_ours_is_found_once() {
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

    fn pass(
        proc: &Proc,
        most_helpers: usize,
        worth_help: usize,
        wanted: &dyn Fn(&Process) -> bool,
    ) -> Result<Descriptors, Error> {
        let pids = proc.pids()?;
        let pass = Pass { most_helpers, worth_help, ..Pass::new(proc, wanted, &pids) };
        pass.run().map(Descriptors::sorted)
    }

    #[test]
    fn helpers_find_what_is_found_without_them() {
        let root = crowd("helpers");
        let proc = Proc::open(&Kernel::new(Some(root.clone())).unwrap()).unwrap();
        let wanted = |process: &Process| process.pid != 7;
        let alone = pass(&proc, 0, 1, &wanted).unwrap();
        assert_eq!((alone.processes.len(), alone.held.len()), (39, 136));
        for (helpers, worth_help) in [(1, 1), (2, 50), (3, 7), (9, 1), (3, 100_000)] {
            let found = pass(&proc, helpers, worth_help, &wanted).unwrap();
            assert_eq!(found.processes, alone.processes, "{helpers} helpers");
            assert_eq!(found.held, alone.held, "{helpers} helpers");
        }
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn what_a_dead_helper_had_taken_is_not_lost() {
        let root = crowd("dead-helper");
        let proc = Proc::open(&Kernel::new(Some(root.clone())).unwrap()).unwrap();
        let alone = pass(&proc, 0, 1, &|_| true).unwrap();
        let own = std::process::id();
        // Without the panic hook, which would want locks that another thread may have held.
        let panics: fn() = || std::panic::resume_unwind(Box::new(()));
        let is_killed: fn() = || {
            let own = rustix::process::getpid();
            rustix::process::kill_process(own, rustix::process::Signal::KILL).unwrap();
        };
        for die in [panics, is_killed] {
            let (told, tell) = std::io::pipe().unwrap();
            let is_first = Cell::new(true);
            let found = pass(&proc, 2, 1, &|_| {
                if std::process::id() != own {
                    rustix::io::write(&tell, b"x").unwrap();
                    die();
                } else if is_first.replace(false) {
                    // Until a helper has taken a process.
                    let patience = Some(std::time::Duration::from_secs(60));
                    let waits = [(std::os::fd::AsFd::as_fd(&told), crate::sys::For::Reading)];
                    assert_eq!(crate::sys::wait(waits, patience), Ok([true]));
                }
                true
            });
            let found = found.unwrap();
            assert_eq!((found.processes, &found.held), (alone.processes.clone(), &alone.held));
        }
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_record_counts_if_it_is_complete_and_once() {
        let process = |pid| Process { pid, name: b"name".to_vec() };
        let held = |pid, fd| Held { inode: 7, pid, fd };
        let one = Descriptors {
            processes: vec![process(20)],
            held: vec![held(20, 3), held(20, 4)],
            unreadable: 0,
        };
        let mut bytes = Vec::new();
        records::write(1, &one, &mut bytes);
        let whole = bytes.len();
        records::write(0, &Descriptors { unreadable: 1, ..Descriptors::default() }, &mut bytes);
        records::write(9, &one, &mut bytes);
        for length in 0..bytes.len() {
            let mut left = [Some(10), Some(20)];
            let mut found = Descriptors::default();
            records::add(&bytes[..length], &mut left, &mut found);
            records::add(&bytes[..length], &mut left, &mut found);
            assert_eq!(left[1].is_none(), length >= whole);
            assert_eq!(left[0].is_none(), found.unreadable == 1);
            assert_eq!(found.held, if length < whole { &[][..] } else { &one.held });
            assert_eq!(found.processes, if length < whole { &[][..] } else { &one.processes });
        }
    }
}
