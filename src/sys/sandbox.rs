//! What a process gives up once it has started: capabilities, files and system calls that it does not need, so
//! that whoever took it over could not use them either.
//!
//! Each part is left out where the kernel lacks it. All hold for the calling thread and the threads that it
//! starts.

mod landlock;

use std::os::fd::OwnedFd;
use std::path::Path;

use landlock::{MAKE_FILE, REMOVE_FILE, Ruleset, WRITE_FILE};
use rustix::fs::{Access, AtFlags, CWD};
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, remove_capability_from_bounding_set,
    set_capabilities,
};

use super::collector::Transport;
use super::place::path_of_open;

/// Which parts hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sandbox {
    pub capabilities: bool,
    /// By Landlock.
    pub files: bool,
    /// By Landlock, too: to which ports TCP can connect.
    pub ports: bool,
    /// By seccomp.
    pub calls: bool,
}

impl Sandbox {
    /// For a daemon: it may use CAP_NET_ADMIN, remove files in `directories` (its socket and its lock), write `log`,
    /// and make it anew. If it has a `collector`, it may connect to one again: over TCP only to this port, where the kernel
    /// can tell ports.
    pub fn of_daemon(
        directories: [&Path; 2],
        log: Option<(&Path, Option<&OwnedFd>)>,
        collector: Option<(Transport, u16)>,
    ) -> Sandbox {
        // Local time reads a file, once.
        super::local(0);
        let rules = Ruleset::none();
        for directory in directories {
            rules.allow_below(directory, REMOVE_FILE);
        }
        let mut needed = CapabilitySet::NET_ADMIN;
        if let Some((path, open)) = log {
            let directory = path.parent().unwrap_or(path);
            // A terminal or a pipe is no reason to write other devices.
            if !["/dev", "/proc"].iter().any(|special| directory.starts_with(special)) {
                rules.allow_below(directory, WRITE_FILE | MAKE_FILE);
            }
            if let Some(file) = open {
                rules.allow(file, WRITE_FILE);
            }
            // Where a link leads to a file, that may be renamed, too.
            let target = open.filter(|file| super::is_file(file)).and_then(path_of_open);
            if let Some(directory) = target.as_deref().and_then(Path::parent) {
                rules.allow_below(directory, WRITE_FILE | MAKE_FILE);
            }
            keep(needed);
            if !may_write(directory) || !may_write(path) {
                // It belongs to somebody else, and so may the next one.
                needed |= CapabilitySet::DAC_OVERRIDE;
            }
        }
        let calls = match collector {
            None => &[][..],
            Some((Transport::Udp, _)) => TO_UDP,
            Some((Transport::Tcp, port)) => {
                rules.allow_port(port);
                TO_TCP
            }
        };
        // Without this, and without a capability for it, the kernel takes neither of the others.
        let is_bound = rustix::thread::set_no_new_privs(true).is_ok();
        let [files, ports] = if is_bound { rules.restrict() } else { [false; 2] };
        Sandbox {
            files,
            ports,
            capabilities: is_bound && give_up(needed),
            calls: is_bound && restrict_calls(&[DAEMON, calls]),
        }
    }

    /// For what shows captured packets and the processes of their connections: it may look at all processes, if it
    /// could before, and opens files only to read them. Landlock is not for it, since that hides all processes but its
    /// own (security/landlock/task.c).
    ///
    /// Returns false if a part was refused that this kernel has.
    pub fn of_capture() -> bool {
        let needed = CapabilitySet::DAC_READ_SEARCH | CapabilitySet::SYS_PTRACE;
        rustix::thread::set_no_new_privs(true).is_ok()
            && give_up(needed)
            && (restrict_calls(&[CAPTURE]) || lacks_filters())
    }
}

/// Whether a file may be written, or files be made in a directory, with the effective capabilities.
fn may_write(path: &Path) -> bool {
    rustix::fs::accessat(CWD, path, Access::WRITE_OK, AtFlags::EACCESS).is_ok()
}

/// Makes only these capabilities effective, without giving the others up.
fn keep(needed: CapabilitySet) {
    if let Ok(now) = capabilities(None) {
        let _ = set_capabilities(None, CapabilitySets { effective: now.permitted & needed, ..now });
    }
}

/// Gives up all other capabilities.
fn give_up(needed: CapabilitySet) -> bool {
    let Ok(now) = capabilities(None) else { return false };
    bound(now, needed);
    let left = now.permitted & needed;
    let inheritable = CapabilitySet::empty();
    let sets = CapabilitySets { effective: left, permitted: left, inheritable };
    // A service manager may have done it already, and forbidden the call.
    sets == now || set_capabilities(None, sets).is_ok() || now.permitted == left
}

/// Takes all other capabilities from what a program that is run, or a file's capabilities, could ever give again, if
/// CAP_SETPCAP is there for it.
fn bound(now: CapabilitySets, needed: CapabilitySet) {
    if !now.permitted.contains(CapabilitySet::SETPCAP) {
        return;
    }
    let _ = set_capabilities(None, CapabilitySets { effective: now.permitted, ..now });
    for number in 0..u64::BITS {
        let one = CapabilitySet::from_bits_retain(1 << number);
        // The kernel has fewer, and refuses the first one that it does not know.
        if !needed.contains(one) && remove_capability_from_bounding_set(one).is_err() {
            return;
        }
    }
}

/// A system call, and how it may be used.
type Rule = (libc::c_long, Use);

#[derive(Clone, Copy)]
enum Use {
    Any,
    /// If each of these arguments has its value.
    With(&'static [(u8, u32)]),
    /// If this argument is our process ID.
    OnUs(u8),
    /// If this argument has none of these bits.
    Without(u8, u32),
}

use Use::{Any, OnUs, With, Without};

const EXECUTABLE: u32 = libc::PROT_EXEC as u32;

/// What everything here needs, and what libc does for it; the most frequent first.
static BOTH: &[Rule] = &[
    (libc::SYS_recvfrom, Any),
    (libc::SYS_ppoll, Any),
    (libc::SYS_read, Any),
    (libc::SYS_write, Any),
    // Not to an address: a connected socket, or the kernel's.
    (libc::SYS_sendto, With(&[(4, 0)])),
    (libc::SYS_close, Any),
    (libc::SYS_readlinkat, Any),
    (libc::SYS_getdents64, Any),
    (libc::SYS_newfstatat, Any),
    (libc::SYS_fstat, Any),
    (libc::SYS_statx, Any),
    (libc::SYS_fstatfs, Any),
    (libc::SYS_faccessat, Any),
    (libc::SYS_fcntl, Any),
    (libc::SYS_lseek, Any),
    (libc::SYS_writev, Any),
    (libc::SYS_recvmsg, Any),
    (libc::SYS_socket, With(&[(0, libc::AF_NETLINK as u32)])),
    (libc::SYS_getsockopt, Any),
    (libc::SYS_setsockopt, Any),
    (libc::SYS_brk, Any),
    (libc::SYS_mmap, Without(2, EXECUTABLE)),
    (libc::SYS_mprotect, Without(2, EXECUTABLE)),
    (libc::SYS_munmap, Any),
    (libc::SYS_mremap, Any),
    (libc::SYS_madvise, Any),
    (libc::SYS_futex, Any),
    (libc::SYS_sched_yield, Any),
    (libc::SYS_sched_getaffinity, Any),
    (libc::SYS_clock_gettime, Any),
    (libc::SYS_clock_nanosleep, Any),
    (libc::SYS_nanosleep, Any),
    (libc::SYS_gettimeofday, Any),
    (libc::SYS_getrandom, Any),
    (libc::SYS_geteuid, Any),
    (libc::SYS_getuid, Any),
    (libc::SYS_getpid, Any),
    (libc::SYS_capget, Any),
    (libc::SYS_gettid, Any),
    (libc::SYS_rt_sigaction, Any),
    (libc::SYS_rt_sigprocmask, Any),
    (libc::SYS_rt_sigreturn, Any),
    (libc::SYS_restart_syscall, Any),
    (libc::SYS_sigaltstack, Any),
    (libc::SYS_kill, OnUs(0)),
    (libc::SYS_tgkill, OnUs(0)),
    (libc::SYS_uname, Any),
    (libc::SYS_exit, Any),
    (libc::SYS_exit_group, Any),
];

/// Calls that newer machines do without.
#[cfg(target_arch = "x86_64")]
static OLD: &[Rule] = &[
    (libc::SYS_stat, Any),
    (libc::SYS_lstat, Any),
    (libc::SYS_poll, Any),
    (libc::SYS_readlink, Any),
    (libc::SYS_access, Any),
    (libc::SYS_time, Any),
];
#[cfg(not(target_arch = "x86_64"))]
static OLD: &[Rule] = &[];

static DAEMON: &[Rule] = &[
    (libc::SYS_accept4, Any),
    (libc::SYS_unlinkat, Any),
    (libc::SYS_openat, Any),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, Any),
];

/// To connect to a collector. A socket of MPTCP would be none of TCP for Landlock, so the protocol is told, too.
static TO_UDP: &[Rule] = &[
    (libc::SYS_socket, With(&[(0, libc::AF_INET as u32), (1, DATAGRAMS), (2, 0)])),
    (libc::SYS_socket, With(&[(0, libc::AF_INET6 as u32), (1, DATAGRAMS), (2, 0)])),
    (libc::SYS_connect, Any),
];
static TO_TCP: &[Rule] = &[
    (libc::SYS_socket, With(&[(0, libc::AF_INET as u32), (1, STREAM), (2, 0)])),
    (libc::SYS_socket, With(&[(0, libc::AF_INET6 as u32), (1, STREAM), (2, 0)])),
    (libc::SYS_connect, Any),
];
/// As `sys::collector` asks for them.
const DATAGRAMS: u32 = (libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) as u32;
const STREAM: u32 = (libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK) as u32;

/// Threads, as glibc and musl start them, and the terminal.
static CAPTURE: &[Rule] = &[
    (libc::SYS_openat, Without(2, WRITING)),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, Without(1, WRITING)),
    (libc::SYS_clone, With(&[(0, 0x3d_0f00)])),
    (libc::SYS_clone, With(&[(0, 0x7d_0f00)])),
    (libc::SYS_set_robust_list, Any),
    (libc::SYS_rseq, Any),
    // To ask for the names and numbers of interfaces.
    (libc::SYS_socket, With(&[(0, libc::AF_INET as u32)])),
    (libc::SYS_ioctl, With(&[(1, libc::SIOCGIFNAME as u32)])),
    (libc::SYS_ioctl, With(&[(1, libc::SIOCGIFINDEX as u32)])),
    (libc::SYS_ioctl, With(&[(1, libc::TIOCGWINSZ as u32)])),
    (libc::SYS_ioctl, With(&[(1, libc::TCGETS as u32)])),
    (libc::SYS_ioctl, With(&[(1, libc::TCSETS as u32)])),
    (libc::SYS_ioctl, With(&[(1, TCGETS2)])),
    (libc::SYS_ioctl, With(&[(1, TCSETS2)])),
    (libc::SYS_prctl, With(&[(0, libc::PR_SET_NAME as u32)])),
    // KCMP_FILES: whether threads share their descriptors.
    (libc::SYS_kcmp, With(&[(2, super::threads::KCMP_FILES)])),
];
const WRITING: u32 = (libc::O_WRONLY | libc::O_RDWR | libc::O_CREAT | libc::O_TRUNC) as u32;
/// include/uapi/asm-generic/ioctls.h
const TCGETS2: u32 = 0x802c_542a;
const TCSETS2: u32 = 0x402c_542b;

/// The processor, as the kernel tells a filter (include/uapi/linux/audit.h).
#[cfg(target_arch = "x86_64")]
const MACHINE: Option<u32> = Some(0xc000_003e);
#[cfg(target_arch = "aarch64")]
const MACHINE: Option<u32> = Some(0xc000_00b7);
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const MACHINE: Option<u32> = None;

/// Allows only the calls of [`BOTH`], [`OLD`] and `more`. Others fail: with EPERM or, if they are so new that a
/// library tries an older one next, with ENOSYS.
fn restrict_calls(more: &[&[Rule]]) -> bool {
    let Some(machine) = MACHINE else { return false };
    let mut program = filter(machine, [BOTH, OLD].iter().chain(more).copied().flatten());
    let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    let mode = libc::c_ulong::from(libc::SECCOMP_MODE_FILTER);
    // SAFETY: the program lives during the call, and its length is given: some 200 instructions.
    unsafe { libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const program) == 0 }
}

/// Whether that failed for want of filters: ours, or the kernel's (kernel/seccomp.c).
fn lacks_filters() -> bool {
    MACHINE.is_none() || super::last_error() == Errno::INVAL
}

/// The program of the filter, which reads a struct seccomp_data (seccomp(2)).
fn filter<'a>(machine: u32, rules: impl Iterator<Item = &'a Rule>) -> Vec<libc::sock_filter> {
    const LOAD: u16 = 0x20;
    const IF_EQUAL: u16 = 0x15;
    const IF_BITS: u16 = 0x45;
    const IF_LEAST: u16 = 0x35;
    const RETURN: u16 = 0x06;
    const NUMBER: u32 = 0;
    const ALLOW: libc::sock_filter = one((RETURN, 0, 0, libc::SECCOMP_RET_ALLOW));
    /// pidfd_send_signal: from here on, the numbers are the same on all machines.
    const NEW: u32 = 424;
    const fn one((code, jt, jf, k): super::packet::Instruction) -> libc::sock_filter {
        libc::sock_filter { code, jt, jf, k }
    }
    let fails =
        |error: libc::c_int| one((RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | error.unsigned_abs()));
    let mut program = vec![
        one((LOAD, 0, 0, 4)),
        one((IF_EQUAL, 1, 0, machine)),
        // The other calls of the same processor, under other numbers.
        one((RETURN, 0, 0, libc::SECCOMP_RET_KILL_PROCESS)),
        one((LOAD, 0, 0, NUMBER)),
    ];
    for (call, how) in rules {
        let tests = match *how {
            Any => {
                program.extend([one((IF_EQUAL, 0, 1, *call as u32)), ALLOW]);
                continue;
            }
            OnUs(argument) => {
                vec![(argument, rustix::process::getpid().as_raw_nonzero().get() as u32)]
            }
            With(all) => all.to_vec(),
            Without(argument, value) => vec![(argument, value)],
        };
        // Those of the tests that follow.
        let mut behind = 4 * tests.len() as u8;
        program.push(one((IF_EQUAL, 0, behind + 2, *call as u32)));
        for (argument, value) in tests {
            behind -= 4;
            let test = match how {
                Without(..) => one((IF_BITS, behind + 3, 0, value)),
                _ => one((IF_EQUAL, 0, behind + 3, value)),
            };
            // An argument has 64 bits, the lower half first.
            let place = 16 + 8 * u32::from(argument);
            program.extend([
                one((LOAD, 0, 0, place)),
                test,
                one((LOAD, 0, 0, place + 4)),
                one((IF_EQUAL, 0, behind + 1, 0)),
            ]);
        }
        program.extend([ALLOW, one((LOAD, 0, 0, NUMBER))]);
    }
    program.extend([one((IF_LEAST, 0, 1, NEW)), fails(libc::ENOSYS), fails(libc::EPERM)]);
    program
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, UdpSocket};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;
    use std::process::Command;

    use super::super::{AtomicFile, Written};
    use super::*;

    const NAMES: [&str; 6] = ["socket", "lock", "log", "log.1", "secret", "other"];

    /// Runs `tries` in a thread with a sandbox, in which everything that a sandbox may forbid is forbidden. If this
    /// kernel lacks a part, that is not tried.
    fn inside<T>(enter: impl FnOnce() -> T + Send, tries: impl FnOnce(T) + Send) {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| tries(enter()));
            if let Err(panic) = thread.join() {
                std::panic::resume_unwind(panic);
            }
        });
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("connbox-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("log")).unwrap();
        fs::create_dir(folder.join("run")).unwrap();
        fs::create_dir(folder.join("else")).unwrap();
        for directory in ["log", "run", "else"] {
            for name in NAMES {
                fs::write(folder.join(directory).join(name), name).unwrap();
            }
        }
        folder
    }

    fn kind<T>(result: std::io::Result<T>) -> Option<ErrorKind> {
        result.err().map(|error| error.kind())
    }

    const DENIED: Option<ErrorKind> = Some(ErrorKind::PermissionDenied);

    /// What neither may do.
    fn is_shut(has_capabilities: bool, has_calls: bool) {
        if has_capabilities {
            let left = capabilities(None).unwrap();
            let allowed = CapabilitySet::NET_ADMIN
                | CapabilitySet::DAC_READ_SEARCH
                | CapabilitySet::SYS_PTRACE;
            assert!(allowed.contains(left.permitted), "{left:?}");
            assert!(left.inheritable.is_empty());
        }
        if !has_calls {
            return;
        }
        assert_eq!(kind(Command::new("/bin/true").status()), DENIED);
        assert_eq!(kind(TcpListener::bind("127.0.0.1:0")), DENIED);
        assert_eq!(kind(UnixStream::connect("/nonexistent")), DENIED);
        // SAFETY: none of these calls reads or writes memory of ours.
        let failing = |number, arguments: [u64; 4]| unsafe {
            let [a, b, c, d] = arguments;
            assert_eq!(libc::syscall(number, a, b, c, d), -1, "call {number}");
            super::super::last_error()
        };
        let own = u64::from(std::process::id());
        let fresh = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        for (number, arguments) in [
            (libc::SYS_execve, [0; 4]),
            (libc::SYS_execveat, [0; 4]),
            (libc::SYS_ptrace, [16, 1, 0, 0]),
            (libc::SYS_process_vm_readv, [own, 0, 0, 0]),
            (libc::SYS_process_vm_writev, [own, 0, 0, 0]),
            (libc::SYS_mount, [0; 4]),
            (libc::SYS_unshare, [0; 4]),
            (libc::SYS_setns, [0; 4]),
            (libc::SYS_bpf, [0; 4]),
            (libc::SYS_init_module, [0; 4]),
            (libc::SYS_chroot, [0; 4]),
            (libc::SYS_setuid, [0; 4]),
            (libc::SYS_keyctl, [0; 4]),
            (libc::SYS_renameat2, [0; 4]),
            (libc::SYS_fchmod, [0; 4]),
            (libc::SYS_kill, [1, 0, 0, 0]),
            (libc::SYS_tgkill, [1, 1, 0, 0]),
            (libc::SYS_clone, [libc::SIGCHLD as u64, 0, 0, 0]),
            (libc::SYS_socket, [libc::AF_PACKET as u64, 3, 0, 0]),
            (libc::SYS_socket, [libc::AF_INET6 as u64, 1, 0, 0]),
            (libc::SYS_socket, [libc::AF_UNIX as u64, 1, 0, 0]),
            // TIOCSTI, which types into the terminal.
            (libc::SYS_ioctl, [0, 0x5412, 0, 0]),
            (libc::SYS_mmap, [0, 4096, (libc::PROT_READ | libc::PROT_EXEC) as u64, fresh as u64]),
            (libc::SYS_mprotect, [0, 0, libc::PROT_EXEC as u64, 0]),
            (libc::SYS_prctl, [libc::PR_SET_DUMPABLE as u64, 1, 0, 0]),
        ] {
            assert_eq!(failing(number, arguments), Errno::PERM, "call {number}");
        }
        // A library tries an older call after these.
        for number in [libc::SYS_clone3, libc::SYS_openat2, libc::SYS_io_uring_setup, 1000] {
            assert_eq!(failing(number, [0; 4]), Errno::NOSYS, "call {number}");
        }
    }

    #[test]
    fn a_daemon_can_do_its_work_and_nothing_else() {
        let folder = folder("sandboxed");
        let path = |name: &str| folder.join(name);
        let (run, log) = (path("run"), path("log/log"));
        let open = super::super::append_to(&log).unwrap();
        let mut secret = fs::File::open(path("else/secret")).unwrap();
        let enter = || Sandbox::of_daemon([&run, &run], Some((&log, Some(&open))), None);
        inside(enter, |sandbox| {
            is_shut(sandbox.capabilities, sandbox.calls);
            // What it needs.
            super::super::append_to(&log).unwrap();
            assert!(crate::sys::Netlink::netfilter().is_ok());
            for name in ["run/socket", "run/lock"] {
                assert_eq!(rustix::fs::unlink(path(name)), Ok(()));
            }
            let mut text = String::new();
            secret.read_to_string(&mut text).unwrap();
            assert_eq!(text, "secret", "what was open stays open");
            if sandbox.calls {
                assert_eq!(kind(UdpSocket::bind("127.0.0.1:0")), DENIED);
            }
            if !sandbox.files {
                return;
            }
            let file = |name: &str| fs::OpenOptions::new().append(true).open(path(name));
            for name in ["else/secret", "else/log", "run/secret"] {
                assert_eq!(kind(fs::read(path(name))), DENIED);
                assert_eq!(kind(file(name)), DENIED);
            }
            assert_eq!(kind(fs::read(path("log/secret"))), DENIED);
            assert_eq!(kind(fs::read_dir(&folder)), DENIED);
            for name in ["/etc/passwd", "/proc/self/mem", "/proc/self/environ"] {
                assert_eq!(kind(fs::read(name)), DENIED);
            }
            for name in ["else/new", "run/new"] {
                assert_eq!(kind(fs::File::create(path(name))), DENIED);
            }
            for name in ["else/other", "log/other"] {
                assert!(rustix::fs::unlink(path(name)).is_err());
            }
        });
        // The log was moved away: the daemon makes it anew.
        let enter = || {
            let sandbox = Sandbox::of_daemon([&run, &run], Some((&log, Some(&open))), None);
            assert!(super::super::append_to(&log).is_ok());
            sandbox
        };
        inside(enter, |_| {
            let again = path("log/log.2");
            let file = super::super::append_to(&again).unwrap();
            fs::File::from(file).write_all(b"line").unwrap();
        });
        assert_eq!(fs::read(path("log/log.2")).unwrap(), b"line");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_daemon_with_a_collector_connects_to_it_again_and_to_nothing_else() {
        use super::super::collector::{open, progress, send};
        let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
        let [tcp, other] = [(); 2].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let to_udp = udp.local_addr().unwrap();
        let [to_tcp, to_other] = [&tcp, &other].map(|one| one.local_addr().unwrap());
        let folder = folder("exporting");
        let run = folder.join("run");
        let enter =
            |transport, port| Sandbox::of_daemon([&run, &run], None, Some((transport, port)));
        // Neither more of TCP, nor what Landlock would not know as TCP.
        let shut = || {
            assert_eq!(kind(UdpSocket::bind("127.0.0.1:0")), DENIED);
            assert_eq!(kind(TcpListener::bind("127.0.0.1:0")), DENIED);
            assert_eq!(kind(UnixStream::connect("/nonexistent")), DENIED);
            for (family, socket, protocol) in [
                (libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP),
                (libc::AF_INET6, libc::SOCK_STREAM, libc::IPPROTO_SCTP),
                (libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
                (libc::AF_INET, libc::SOCK_DGRAM, libc::IPPROTO_ICMP),
                (libc::AF_UNIX, libc::SOCK_STREAM, 0),
                (libc::AF_UNIX, libc::SOCK_DGRAM, 0),
                (libc::AF_VSOCK, libc::SOCK_STREAM, 0),
            ] {
                let socket = socket | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
                // SAFETY: the call takes three numbers.
                let made = unsafe { libc::socket(family, socket, protocol) };
                assert_eq!(made, -1, "{family} {socket}");
                assert_eq!(super::super::last_error(), Errno::PERM);
            }
        };
        inside(
            || enter(Transport::Udp, to_udp.port()),
            |sandbox| {
                assert_eq!(send(open(to_udp, Transport::Udp).unwrap(), b"x"), Ok(1));
                if sandbox.calls {
                    assert_eq!(open(to_tcp, Transport::Tcp).err(), Some(Errno::PERM));
                    shut();
                }
            },
        );
        inside(
            || enter(Transport::Tcp, to_tcp.port()),
            |sandbox| {
                let connection = open(to_tcp, Transport::Tcp).unwrap();
                assert!(progress(&connection).unwrap().is_connected);
                if sandbox.calls {
                    assert_eq!(open(to_udp, Transport::Udp).err(), Some(Errno::PERM));
                    shut();
                }
                if sandbox.ports {
                    assert_eq!(open(to_other, Transport::Tcp).err(), Some(Errno::ACCESS));
                    // Nor with the socket that is allowed.
                    let to =
                        std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, to_other.port());
                    assert_eq!(rustix::net::connect(&connection, &to), Err(Errno::ACCESS));
                }
            },
        );
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_capture_reads_the_processes_and_nothing_else() {
        let folder = folder("captured");
        let has_calls = MACHINE.is_some();
        let parent = std::os::unix::process::parent_id();
        inside(Sandbox::of_capture, |is_whole| {
            assert!(is_whole);
            is_shut(true, has_calls);
            assert!(!fs::read("/proc/self/status").unwrap().is_empty());
            assert!(fs::read_dir("/proc").unwrap().count() > 10);
            // Those of a process outside.
            assert_eq!(kind(fs::read_link(format!("/proc/{parent}/exe"))), None);
            assert!(crate::sys::interface_index("lo").is_ok());
            assert!(std::thread::spawn(|| 1).join().is_ok());
            let socket = crate::sys::Netlink::sock_diag().unwrap();
            assert!(socket.send(&[0; 16]).is_ok());
            if !has_calls {
                return;
            }
            // Such a socket only asks for interfaces.
            let socket = rustix::net::AddressFamily::INET;
            let socket = rustix::net::socket(socket, rustix::net::SocketType::DGRAM, None).unwrap();
            let to = std::net::SocketAddrV4::new(std::net::Ipv4Addr::LOCALHOST, 9);
            let flags = rustix::net::SendFlags::empty();
            assert_eq!(rustix::net::sendto(&socket, b"x", flags, &to), Err(Errno::PERM));
            assert_eq!(rustix::net::connect(&socket, &to), Err(Errno::PERM));
            for name in ["/proc/self/mem", "/proc/self/comm"] {
                assert_eq!(kind(fs::OpenOptions::new().write(true).open(name)), DENIED);
            }
            let name = folder.join("else/other");
            assert_eq!(kind(fs::OpenOptions::new().append(true).open(&name)), DENIED);
            assert_eq!(kind(fs::File::create(folder.join("new"))), DENIED);
            assert_eq!(rustix::fs::unlink(&name), Err(Errno::PERM));
            assert_eq!(kind(fs::rename(&name, folder.join("new"))), DENIED);
            // What is shut already refuses to be shut again.
            assert!(!Sandbox::of_capture());
        });
        // The file that another process writes.
        let name = folder.join("else/secret");
        fs::set_permissions(&name, fs::Permissions::from_mode(0o604)).unwrap();
        let enter = || {
            let file = AtomicFile::create(&name).unwrap();
            let file = Written::apart(file).unwrap();
            assert!(Sandbox::of_capture());
            file
        };
        let text = b"text".repeat(50_000);
        inside(enter, |mut file| {
            is_shut(true, has_calls);
            file.write(&text).unwrap();
            assert_eq!(fs::read(&name).unwrap(), b"secret");
            file.finish().unwrap();
            if has_calls {
                assert_eq!(kind(fs::OpenOptions::new().append(true).open(&name)), DENIED);
            }
        });
        assert_eq!(fs::read(&name).unwrap(), text);
        assert_eq!(fs::metadata(&name).unwrap().permissions().mode() & 0o777, 0o604);
        // An error of the other process is that of this one.
        let file = AtomicFile::create(Path::new("/dev/full")).unwrap();
        let mut file = Written::apart(file).unwrap();
        assert_eq!(file.write(b"text"), Err(Errno::NOSPC.into()));
        assert!(file.finish().is_ok());
        fs::remove_dir_all(folder).unwrap();
    }
}
