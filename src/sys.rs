//! The kernel: files under a root, netlink sockets, namespaces, the clock, standard output, and all
//! that is `unsafe`.
//!
//! The only module beside `lib.rs` that reads the environment.

#![allow(unsafe_code, reason = "the one file that talks to libc directly")]

mod atomic_file;
mod clock;
pub mod daemon;
mod netlink;
pub mod netns;
pub mod packet;
pub mod process;
pub mod signals;
pub mod terminal;
mod threads;
mod wait;

pub use atomic_file::AtomicFile;
pub use clock::{
    LocalTime, local_time, monotonic, realtime, sleep_until, unix_microseconds, unix_milliseconds,
};
pub use netlink::{DATAGRAM_BYTES, Netlink};
pub use netns::enter_network_namespace;
pub use threads::processors;
pub use wait::{For, wait};

use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::sync::Once;

use rustix::fs::{Access, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::Pid;

use crate::error::Error;

/// The arguments of the process, its own name first.
///
/// # Safety
/// `argv` must point to `argc` pointers to C strings, as the kernel hands them to `main`.
pub unsafe fn arguments(argc: i32, argv: *const *const libc::c_char) -> Vec<OsString> {
    let count = usize::try_from(argc).unwrap_or_default();
    let argument = |index| {
        // SAFETY: the caller promises `argc` valid C strings.
        let text = unsafe { CStr::from_ptr(*argv.add(index)) };
        OsStr::from_bytes(text.to_bytes()).to_os_string()
    };
    (0..count).map(argument).collect()
}

/// Prepares a process that did not start through Rust's own runtime (which costs some 50 us).
///
/// A closed pipe becomes an error that can be handled instead of a signal, and closed standard
/// descriptors are filled, so that no socket of ours can land on their numbers: with the reading
/// end of /dev/null, so that writing to a closed standard output still fails.
pub fn prepare_process() {
    // SAFETY: SIG_IGN is a valid disposition, and no other thread runs yet.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    // SAFETY: the borrow ends with this statement, and a closed number only gives EBADF.
    while unsafe { (0..3).any(|fd| rustix::io::fcntl_getfd(BorrowedFd::borrow_raw(fd)).is_err()) } {
        let Ok(null) = rustix::fs::open(c"/dev/null", OFlags::RDONLY, Mode::empty()) else {
            return;
        };
        // The lowest free number is taken, and kept for the life of the process.
        std::mem::forget(null);
    }
}

/// Writes all of `bytes` to standard output.
///
/// # Errors
/// [`Error::ClosedPipe`] if nobody reads any more; the system's reason otherwise.
pub fn write_stdout(bytes: &[u8]) -> Result<(), Error> {
    write_all(stdout(), bytes).map_err(|error| match error {
        Errno::PIPE => Error::ClosedPipe,
        error => Error::system("standard output", error),
    })
}

/// Writes to standard output once, as much as it takes, and gives the number of bytes.
///
/// # Errors
/// As [`write_stdout`]; 0 bytes for an interruption, and where it takes nothing now.
pub fn write_some(bytes: &[u8]) -> Result<usize, Error> {
    match rustix::io::write(stdout(), bytes) {
        Ok(0) if !bytes.is_empty() => Err(Error::system("standard output", Errno::IO)),
        Ok(written) => Ok(written),
        Err(Errno::INTR | Errno::AGAIN) => Ok(0),
        Err(Errno::PIPE) => Err(Error::ClosedPipe),
        Err(error) => Err(Error::system("standard output", error)),
    }
}

/// Whether a descriptor is that of a file on a disk, which always takes what is written.
pub fn is_file(fd: impl AsFd) -> bool {
    rustix::fs::fstat(fd)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// Writes one message to standard error; where that fails, nobody is left to be told.
pub fn write_stderr(bytes: &[u8]) {
    // SAFETY: descriptor 2 is open for the life of the process; see `prepare_process`.
    let _ = write_all(unsafe { BorrowedFd::borrow_raw(2) }, bytes);
}

/// Writes all of `bytes`, however many calls that takes.
pub fn write_all(fd: impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(&fd, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait_writable(fd.as_fd())?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until a descriptor that somebody else made non-blocking takes more.
fn wait_writable(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut poll = [rustix::event::PollFd::new(&fd, rustix::event::PollFlags::OUT)];
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut poll, None)).map(|_| ())
}

/// Reads once into the free room of `buffer` and gives the number of bytes, 0 at the end.
pub fn read(fd: impl AsFd, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
    rustix::io::retry_on_intr(|| rustix::io::read(&fd, rustix::buffer::spare_capacity(buffer)))
}

/// Reads all of a file.
///
/// # Errors
/// The system's; `FBIG` if it is longer than `most` bytes.
pub fn read_all(fd: impl AsFd, most: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::with_capacity(4096);
    while read(&fd, &mut bytes)? > 0 {
        if bytes.len() > most {
            return Err(Errno::FBIG);
        }
        bytes.reserve(4096);
    }
    Ok(bytes)
}

/// Standard input, for `--from -`.
pub fn stdin() -> BorrowedFd<'static> {
    // SAFETY: descriptor 0 is open for the life of the process; see `prepare_process`.
    unsafe { BorrowedFd::borrow_raw(0) }
}

/// Standard output.
pub fn stdout() -> BorrowedFd<'static> {
    // SAFETY: descriptor 1 is open for the life of the process; see `prepare_process`.
    unsafe { BorrowedFd::borrow_raw(1) }
}

/// Sets an option of a socket for which rustix has no name.
fn set_socket_option(
    fd: impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
    value: u32,
) -> Result<(), Errno> {
    let (fd, value, length) = (fd.as_fd().as_raw_fd(), &raw const value, size_of::<u32>() as u32);
    // SAFETY: the value lives during the call, and its length is given.
    match unsafe { libc::setsockopt(fd, level, name, value.cast(), length) } {
        0 => Ok(()),
        _ => Err(last_error()),
    }
}

/// Reads an option of a socket that is an array of numbers; numbers that the kernel does not know stay
/// away.
fn socket_option<const N: usize>(
    fd: impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
) -> Result<[Option<u32>; N], Errno> {
    let mut numbers = [0u32; N];
    let mut length = libc::socklen_t::try_from(size_of_val(&numbers)).unwrap_or_default();
    let (fd, room) = (fd.as_fd().as_raw_fd(), (&raw mut numbers).cast());
    // SAFETY: there are `length` bytes of room for numbers of which any bits are valid.
    if unsafe { libc::getsockopt(fd, level, name, room, &raw mut length) } != 0 {
        return Err(last_error());
    }
    let known = usize::try_from(length).unwrap_or_default() / size_of::<u32>();
    let mut place = 0;
    Ok(numbers.map(|number| {
        place += 1;
        (place <= known).then_some(number)
    }))
}

/// A descriptor from which the signals of `set` are read, instead of what they did to the thread.
fn signal_descriptor(set: &[i32]) -> Result<OwnedFd, Errno> {
    use std::os::fd::FromRawFd;
    // SAFETY: a set of signals is plain bits, and sigemptyset makes it a valid one.
    let fd = unsafe {
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut signals);
        set.iter().for_each(|signal| {
            libc::sigaddset(&raw mut signals, *signal);
        });
        libc::sigprocmask(libc::SIG_BLOCK, &raw const signals, std::ptr::null_mut());
        libc::signalfd(-1, &raw const signals, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK)
    };
    if fd < 0 {
        return Err(last_error());
    }
    // SAFETY: the descriptor is new and nobody else's.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Goes on as two processes: gives the child's number to the parent, and `None` to the child.
fn fork() -> Result<Option<Pid>, Errno> {
    // SAFETY: no other thread runs: a daemon goes into the background before it has any.
    match unsafe { libc::fork() } {
        -1 => Err(last_error()),
        child => Ok(Pid::from_raw(child)),
    }
}

/// The reason why the last call into libc failed.
fn last_error() -> Errno {
    std::io::Error::last_os_error().raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
}

/// A second descriptor of what `number` is: it shares the place and the way of writing.
fn duplicate(number: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: the borrow ends with this statement; -1 alone is forbidden, and a closed number gives
    // EBADF.
    let copy =
        |number| rustix::io::fcntl_dupfd_cloexec(unsafe { BorrowedFd::borrow_raw(number) }, 3);
    if number < 0 { Err(Errno::BADF) } else { copy(number) }
}

/// Opens a file for reading.
pub fn open(path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
}

/// The file of the running program.
///
/// # Errors
/// If /proc is not mounted.
pub fn own_binary() -> Result<PathBuf, Errno> {
    let path = rustix::fs::readlink("/proc/self/exe", Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(path.into_bytes())))
}

/// The value of an environment variable, unless it is empty.
pub fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// A moment by the clock of the time zone that TZ names, or /etc/localtime: as it was at the first call.
fn local(unix_seconds: libc::time_t) -> libc::tm {
    unsafe extern "C" {
        safe fn tzset();
    }
    static ZONE: Once = Once::new();
    // POSIX does not ask this of localtime_r.
    ZONE.call_once(|| tzset());
    // SAFETY: zeros are a valid `tm`, whose only pointer may be null.
    let mut time = unsafe { std::mem::zeroed() };
    // SAFETY: both values live during the call, which keeps neither pointer.
    unsafe { libc::localtime_r(&raw const unix_seconds, &raw mut time) };
    time
}

/// Where the facts come from: the running kernel, or a tree that looks like it.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    root: Option<PathBuf>,
}

impl Kernel {
    /// The kernel under `root`, the running one for `None`.
    ///
    /// # Errors
    /// If `root` holds no `proc` directory.
    pub fn new(root: Option<PathBuf>) -> Result<Kernel, Error> {
        if let Some(root) = &root {
            let proc = root.join("proc");
            rustix::fs::stat(&proc)
                .map_err(|error| Error::system(proc.as_os_str().as_bytes(), error))?;
        }
        Ok(Kernel { root })
    }

    /// Whether this is the running kernel, which also answers by netlink.
    pub fn is_live(&self) -> bool {
        self.root.is_none()
    }

    /// The path of a file of /proc/net. Under a root, `proc/1/net` goes before `proc/net`: in a
    /// host's /proc that is mounted into a container the latter is the container's own.
    pub fn net_path(&self, name: &str) -> PathBuf {
        let Some(root) = &self.root else {
            // The files of /proc/net are those of the first thread's namespace.
            let is_first = threads::is_first_thread();
            let net = if is_first { "/proc/net" } else { "/proc/thread-self/net" };
            return Path::new(net).join(name);
        };
        let first = root.join("proc/1/net").join(name);
        let may_be_read = rustix::fs::access(&first, Access::READ_OK).is_ok();
        if may_be_read { first } else { root.join("proc/net").join(name) }
    }

    /// The path of a file of /etc, that of the tree under a root.
    pub fn etc_path(&self, name: &str) -> PathBuf {
        self.root.as_deref().unwrap_or(Path::new("/")).join("etc").join(name)
    }

    /// Reads the numbers of a file of /proc/sys, as text without its line end; `None` if the file
    /// is not there or may not be read.
    pub fn sysctl(&self, name: &str) -> Option<Vec<u8>> {
        let fd = open(self.sysctl_path(name)).ok()?;
        let mut text = Vec::with_capacity(128);
        read(fd, &mut text).ok()?;
        text.truncate(text.trim_ascii_end().len());
        Some(text)
    }

    /// Whether the network namespace is known not to be the machine's first: the first alone has
    /// the limits of TCP's memory (net/ipv4/sysctl_net_ipv4.c).
    pub fn is_other_namespace(&self) -> bool {
        let is_there = |name| rustix::fs::access(self.sysctl_path(name), Access::EXISTS).is_ok();
        !is_there("net/ipv4/tcp_mem") && is_there("net/ipv4/tcp_rmem")
    }

    /// The path of a file of /proc/sys.
    pub fn sysctl_path(&self, name: &str) -> PathBuf {
        self.root.as_deref().unwrap_or(Path::new("/")).join("proc/sys").join(name)
    }
}

/// The name of a network interface of the process's namespace; `None` if there is none any more.
pub fn interface_name(index: u32) -> Option<Vec<u8>> {
    let fd = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    rustix::net::netdevice::index_to_name(fd, index).ok().map(String::into_bytes)
}

/// The first two numbers of the running kernel's version.
pub fn kernel_version() -> (u32, u32) {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release
        .split(|byte: char| !byte.is_ascii_digit())
        .map(|digits| digits.parse().unwrap_or_default());
    (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default())
}
