//! What keeps processes from being seen, and what helps.
//!
//! A number that depends on processes is right only if all of them can be read. Capabilities may be missing, /proc may
//! be mounted with hidepid= (systemd's ProtectProc=), or it may be the /proc of another PID namespace than the
//! machine's first, as in a container that uses the host's network.

use rustix::fs::{major, minor};
use rustix::io::Errno;

use crate::error::{self, Error};
use crate::sys::process::{Files, Proc, is_gone, is_refusal, readable};

/// What keeps processes from being seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sight {
    /// The processes that cannot be read.
    unreadable: Unreadable,
    /// The names of programs that are looked for, and may be among those that cannot be seen.
    hidden_programs: Vec<Vec<u8>>,
    /// Why /proc may show only some of the processes; empty if it shows all.
    obstacles: Vec<Obstacle>,
}

/// Processes that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unreadable {
    pub count: u64,
    /// The lowest of their numbers that is known.
    pub first: Option<u32>,
}

impl Unreadable {
    /// Adds others.
    pub fn add(&mut self, other: Unreadable) {
        self.count += other.count;
        self.first = self.first.into_iter().chain(other.first).min();
    }

    /// One process.
    pub fn one(pid: u32) -> Unreadable {
        Unreadable { count: 1, first: Some(pid) }
    }

    fn text(self) -> String {
        let processes = if self.count == 1 { "process" } else { "processes" };
        let first = match (self.first, self.count) {
            (None, _) => String::new(),
            (Some(pid), 1) => format!(" (PID {pid})"),
            (Some(pid), _) => format!(" (PID {pid} and others)"),
        };
        format!("the descriptors of {} {processes}{first} cannot be read", self.count)
    }
}

/// Why /proc may show only some of the processes.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Obstacle {
    /// It is mounted with this value of hidepid=.
    Mount(String),
    /// It is that of another PID namespace than the machine's first.
    Namespace,
    /// It lacks what every machine has, and nothing else tells why; its path, and whether it is the running kernel's.
    Partial { path: String, is_live: bool },
}

impl Obstacle {
    /// The reason, and what helps.
    fn text(&self) -> String {
        match self {
            // A group that the mount exempts (gid=) sees names, and no descriptors.
            Obstacle::Mount(option) => format!(
                "/proc, mounted with hidepid={option}, hides processes {}",
                error::needs(CAPABILITIES)
            ),
            Obstacle::Namespace => {
                "processes outside this PID namespace cannot be seen (needs the machine's first \
                PID namespace: hostPID in Kubernetes, --pid=host in Docker)"
                    .to_owned()
            }
            Obstacle::Partial { path, is_live } => {
                let copied = " (a copied tree cannot tell who holds a socket)";
                let cure = if *is_live { error::cure_of_proc(path.as_bytes()) } else { copied };
                [path, " shows only some of the machine's processes", cure].concat()
            }
        }
    }
}

/// What it takes to read the processes of other users: the first capability opens their directory of descriptors,
/// the second reads its entries (tried on Linux 6.18: one without the other is refused). fs/proc/fd.c,
/// fs/proc/base.c: `proc_fd_access_allowed`.
pub const CAPABILITIES: &str = "CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE";

/// The ID of the machine's first process.
const INIT: u32 = 1;
/// The ID of kthreadd, which starts all other kernel threads.
pub const KTHREADD: u32 = 2;
/// The name of the machine's first PID namespace (include/linux/proc_ns.h: PROC_PID_INIT_INO).
const FIRST_NAMESPACE: &[u8] = b"pid:[4026531836]";

impl Sight {
    /// Whether `proc` shows all processes: the first PID namespace alone has kernel threads, and the first process and
    /// kthreadd have all capabilities, so that whoever may see these two may see every process.
    ///
    /// # Errors
    /// If the system lacks memory or descriptors.
    pub fn of(proc: &Proc) -> Result<Sight, Error> {
        let failed = |error| proc.error("self", error);
        let first = readable(proc.files(INIT).name()).map_err(failed)?;
        let kthreadd = readable(Stat::read(proc.files(KTHREADD))).map_err(failed)?;
        if first.is_some() && kthreadd.is_some_and(|stat| stat.is_kernel_thread) {
            return Ok(Sight::default());
        }
        obstacles(proc, first.is_some()).map_err(failed)
    }

    /// The same if some processes cannot be read.
    pub fn with_unreadable(&self, unreadable: Unreadable) -> Sight {
        Sight { unreadable, ..self.clone() }
    }

    /// The same if programs that are looked for may be hidden.
    pub fn with_hidden_programs(self, hidden_programs: Vec<Vec<u8>>) -> Sight {
        Sight { hidden_programs, ..self }
    }

    /// Whether every process can be read.
    pub fn is_clear(&self) -> bool {
        self.unreadable.count == 0 && self.hidden_programs.is_empty() && self.obstacles.is_empty()
    }

    /// The reasons, and what helps; empty if there are none.
    pub fn reasons(&self) -> String {
        let mut reasons: Vec<_> = self.obstacles.iter().map(Obstacle::text).collect();
        // A mount that hides processes hides descriptors, too, and the same helps.
        if let [Obstacle::Mount(_), ..] = self.obstacles[..] {
            return reasons.join("; ");
        }
        let needs = error::needs(CAPABILITIES);
        if self.unreadable.count > 0 {
            reasons.insert(0, format!("{} {needs}", self.unreadable.text()));
        } else if !self.hidden_programs.is_empty() {
            let name = |name: &Vec<u8>| format!("'{}'", error::visible(name));
            let names = self.hidden_programs.iter().map(name).collect::<Vec<_>>().join(" or ");
            reasons.insert(
                0,
                format!("no process shows the name {names}, but programs that cannot be seen may have it {needs}"),
            );
        }
        reasons.join("; ")
    }
}

impl Sight {
    /// The warning about sockets whose holders were not found; `outcome` says what happens to them. If all processes
    /// can be read, such a socket is the kernel's own, or is in a message that no process has received yet, or is
    /// registered with io_uring and nowhere else.
    pub fn gap(&self, outcome: &str) -> String {
        match self.is_clear() {
            true => [
                "no process has a descriptor of some sockets in use, such as the kernel's own (NFS, \
                 WireGuard) or those that are registered with io_uring: they ",
                outcome,
                "; --quiet-gaps accepts that",
            ]
            .concat(),
            false => [&self.reasons(), ": their sockets ", outcome].concat(),
        }
    }
}

/// Why `proc` does not show all processes; `shows_first` says that it shows the first one of its PID namespace.
fn obstacles(proc: &Proc, shows_first: bool) -> Result<Sight, Errno> {
    let read = |file| Ok(readable(file)?.unwrap_or_default());
    let option = hidepid(&read(proc.own_file("mountinfo"))?, proc.device()?);
    let namespace = read(proc.own_link("ns/pid"))?;
    let is_inside = !namespace.is_empty() && namespace != FIRST_NAMESPACE;
    // The mount hides nothing from who has the capabilities over the processes of the PID namespace.
    let is_exempt = is_inside && shows_first && error::holds(CAPABILITIES);
    let mount = option.filter(|_| !is_exempt).map(Obstacle::Mount);
    let mut obstacles: Vec<_> =
        mount.into_iter().chain(is_inside.then_some(Obstacle::Namespace)).collect();
    if obstacles.is_empty() {
        let path = proc.path().to_string();
        obstacles.push(Obstacle::Partial { path, is_live: proc.is_live() });
    }
    Ok(Sight { obstacles, ..Sight::default() })
}

/// The value of the option hidepid= with which the /proc of a device is mounted, if it hides anything: the last of
/// the fields of mountinfo (proc_pid_mountinfo(5)).
fn hidepid(mounts: &[u8], device: u64) -> Option<String> {
    let device = format!("{}:{}", major(device), minor(device));
    let options = mounts.split(|byte| *byte == b'\n').find_map(|line| {
        let mut words = line.split(|byte| *byte == b' ');
        let is_it = words.nth(2)? == device.as_bytes();
        let kind = words.skip_while(|word| *word != b"-").nth(1)?;
        (is_it && kind == b"proc").then(|| line.rsplit(|byte| *byte == b' ').next()).flatten()
    })?;
    let mut options = options.split(|byte| *byte == b',');
    let value = options.find_map(|option| option.strip_prefix(b"hidepid="))?;
    let value = String::from_utf8_lossy(value).into_owned();
    (!matches!(&*value, "0" | "off")).then_some(value)
}

/// What /proc/PID/stat says of a process (proc_pid_stat(5)).
struct Stat {
    is_kernel_thread: bool,
    /// Whether it has ended, with all its threads, and waits for its parent.
    is_zombie: bool,
}

impl Stat {
    fn read(files: Files<'_>) -> Result<Stat, Errno> {
        Ok(Stat::parse(&files.read("stat", 1024)?))
    }

    /// Reads the text; one of unknown shape is an ordinary process's.
    fn parse(text: &[u8]) -> Stat {
        /// PF_KTHREAD of include/linux/sched.h.
        const KERNEL_THREAD: u64 = 0x0020_0000;
        // A name may contain blanks and parentheses.
        let behind_name = text.rsplit(|byte| *byte == b')').next().unwrap_or_default();
        let mut words = behind_name.split(|byte| *byte == b' ').skip(1);
        let state = words.next().unwrap_or_default();
        let mut number = |skipped| {
            let word = words.nth(skipped).and_then(|word| std::str::from_utf8(word).ok());
            word.and_then(|word| word.parse::<u64>().ok())
        };
        let (flags, threads) = (number(5).unwrap_or_default(), number(10).unwrap_or(u64::MAX));
        Stat {
            is_kernel_thread: flags & KERNEL_THREAD != 0,
            is_zombie: state == b"Z" && threads <= 1,
        }
    }
}

/// Whether a process that cannot be read holds no socket anyway: a kernel thread, or a zombie.
///
/// # Errors
/// `NOENT` or `SRCH` if it has ended.
pub(super) fn holds_nothing(files: Files<'_>) -> Result<bool, Errno> {
    match Stat::read(files) {
        Err(error) if is_refusal(error) => Ok(false),
        // A copy of /proc may be without this file.
        Err(error) if is_gone(error) => files.name().map(|_| false),
        stat => stat.map(|stat| stat.is_kernel_thread || stat.is_zombie),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::sys::Kernel;
    use crate::sys::process::faults;

    #[test]
    fn hidepid_is_found_in_the_options_of_the_right_mount() {
        let mounts = b"22 27 0:21 / /proc rw,relatime shared:5 master:1 - proc proc rw,gid=4,hidepid=invisible\n\
            23 27 0:22 / /sys rw - sysfs sysfs rw,hidepid=2\n\
            24 27 0:23 / /chroot/proc rw,hidepid=2 - proc proc rw\n\
            25 27 0:24 / /a rw - proc proc rw,hidepid=0\n26 27 0:25 / /b rw - proc proc hidepid=4\n";
        let of = |minor| hidepid(mounts, rustix::fs::makedev(0, minor));
        assert_eq!(of(21).as_deref(), Some("invisible"));
        assert_eq!(of(25).as_deref(), Some("4"));
        assert_eq!([of(22), of(23), of(24), of(26)], [None, None, None, None]);
        assert_eq!(hidepid(b"", 0), None);
        assert_eq!(hidepid(b"22 27 0:21 / /proc rw proc proc hidepid=1\n22 27\n-\n", 21), None);
    }

    #[test]
    fn kernel_threads_and_zombies_hold_nothing() {
        let of = |text: &str| {
            let stat = Stat::parse(text.as_bytes());
            (stat.is_kernel_thread, stat.is_zombie)
        };
        let numbers = "0 0 0 0 20 0";
        let kthreadd = format!("2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 8 0 {numbers}");
        assert_eq!(of(&kthreadd), (true, false));
        let zombie = "9 (a) Z (b) Z 1 9 9 0 -1 4228364 1 2 3 4 5 6 7 8 20 0 1 0 77 0";
        assert_eq!(of(zombie), (false, true));
        assert_eq!(of(&zombie.replace(" 1 0 77", " 2 0 77")), (false, false), "its threads live");
        assert_eq!(of(&zombie.replace(") Z 1", ") S 1")), (false, false));
        for text in ["", ")", "1 (a) Z", "1 (a) Z x y z a b c d e f g h i j k l m n"] {
            assert_eq!(of(text), (false, false), "{text}");
        }
    }

    #[test]
    fn the_reasons_are_named_with_what_helps() {
        let clear = Sight::default();
        assert!(clear.is_clear() && clear.reasons().is_empty());
        let one = clear.with_unreadable(Unreadable::one(7));
        let needs = error::needs(CAPABILITIES);
        assert_eq!(
            one.reasons(),
            format!("the descriptors of 1 process (PID 7) cannot be read {needs}")
        );
        let words = ["web", "/usr/bin/\u{1b}"].map(|word| word.as_bytes().to_vec());
        assert_eq!(
            clear.with_hidden_programs(words.to_vec()).reasons(),
            format!(
                "no process shows the name 'web' or '/usr/bin/\\x1b', but programs that cannot be seen may have it {needs}"
            )
        );
        let of = |obstacles: &[Obstacle]| Sight {
            unreadable: Unreadable { count: 12, first: Some(3) },
            obstacles: obstacles.to_vec(),
            ..Sight::default()
        };
        let partial = Obstacle::Partial { path: "a".to_owned(), is_live: true };
        let partial = of(&[partial]);
        let reasons = format!(
            "the descriptors of 12 processes (PID 3 and others) cannot be read {needs}; a shows only some of the machine's processes"
        );
        assert_eq!(partial.reasons(), reasons);
        assert!(!partial.is_clear());
        // One obstacle is behind the other.
        let mount = Obstacle::Mount("2".to_owned());
        let both = of(&[mount.clone(), Obstacle::Namespace]);
        let mount = of(&[mount]);
        assert_eq!(
            mount.reasons(),
            format!("/proc, mounted with hidepid=2, hides processes {needs}")
        );
        let outside = "; processes outside this PID namespace cannot be seen (needs the machine's first PID \
                       namespace: hostPID in Kubernetes, --pid=host in Docker)";
        assert_eq!(both.reasons(), mount.reasons() + outside);
    }

    #[test]
    fn a_proc_without_its_first_processes_does_not_show_all() {
        let root = std::env::temp_dir().join(format!("connbox-sight-{}", std::process::id()));
        let of = || Sight::of(&Proc::open(&Kernel::new(Some(root.clone())).unwrap()).unwrap());
        for (pid, stat) in [(1, "1 (init) S 0 1 1"), (2, "2 (kthreadd) S 0 0 0 0 -1 2129984 0")] {
            let directory = root.join(format!("proc/{pid}"));
            std::fs::create_dir_all(&directory).unwrap();
            assert!(!of().unwrap().is_clear());
            std::fs::write(directory.join("stat"), stat).unwrap();
            std::fs::write(directory.join("comm"), "name\n").unwrap();
        }
        assert!(of().unwrap().is_clear());
        std::fs::remove_file(root.join("proc/1/comm")).unwrap();
        let hidden = of().unwrap().reasons();
        let wanted = format!(
            "{}/proc shows only some of the machine's processes (a copied tree cannot tell who holds a socket)",
            root.display()
        );
        assert_eq!(hidden, wanted);
        // Now the other files are looked at, too. The first call opens /proc, as `of` expects.
        for errno in faults::ALL.map(Errno::from_raw_os_error) {
            for after in 1.. {
                let (result, has_failed) = faults::during(after, errno, of);
                let is_error =
                    has_failed && errno != Errno::INTR && !is_gone(errno) && !is_refusal(errno);
                match result {
                    Ok(sight) => assert!(!is_error && !sight.is_clear(), "{errno} at call {after}"),
                    Err(_) => {
                        assert!(has_failed && errno != Errno::INTR, "{errno} at call {after}")
                    }
                }
                if !has_failed {
                    break;
                }
            }
        }
        std::fs::remove_dir_all(root).unwrap();
    }
}
