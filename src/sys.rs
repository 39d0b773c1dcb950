//! The kernel: files under a root, netlink sockets, namespaces, the clock, standard output, and everything
//! `unsafe`.
//!
//! Apart from `lib.rs`, only this module reads the environment.

#![allow(unsafe_code, reason = "the one file that talks to libc directly")]

mod apart;
mod atomic_file;
mod caller;
mod clock;
pub mod collector;
pub mod daemon;
pub mod directories;
mod files;
mod kernel;
mod netlink;
pub mod netns;
pub mod packet;
mod place;
pub mod process;
pub mod sandbox;
pub mod signals;
pub mod terminal;
mod threads;
mod wait;

pub use apart::Written;
pub use atomic_file::{AtomicFile, Linked, is_link_to_us, link_to_us, remove_link};
pub use caller::refuse_borrowed_rights;
pub use clock::{
    LocalTime, Moment, local_time, monotonic, realtime, sleep_until, unix_microseconds,
    unix_milliseconds, unix_of_local, unix_of_utc,
};
use files::is_us;
pub use files::{
    are_other_files, entries, file_size, is_directory, is_file, is_regular, open, open_file,
    open_input, open_input_file, other_program, own_binary, read, read_all, read_at, write_all,
};
pub use kernel::{Kernel, OF_READER};
pub use netlink::{DATAGRAM_BYTES, Netlink, foreign, take_foreign};
pub use netns::enter_network_namespace;
pub use place::{PathError, append_to, directory};
pub use threads::processors;
pub use wait::{For, wait};

use std::ffi::{CStr, OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::Once;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};
use rustix::process::Pid;

use crate::error::{Error, Status};

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

/// Prepares a process that did not start through Rust's own runtime (which takes some 50 us).
///
/// A closed pipe and a limit on the size of files become errors instead of signals. Closed standard descriptors are
/// opened, so that no socket of ours gets their numbers: on the read end of /dev/null, so that writing to a
/// closed standard output still fails.
pub fn prepare_process() {
    for signal in [libc::SIGPIPE, libc::SIGXFSZ] {
        // SAFETY: SIG_IGN is a valid disposition, and no other thread runs yet.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // SAFETY: the borrow ends with this statement, and a closed number only gives EBADF.
    while unsafe { (0..3).any(|fd| rustix::io::fcntl_getfd(BorrowedFd::borrow_raw(fd)).is_err()) } {
        let Ok(null) = rustix::fs::open(c"/dev/null", OFlags::RDONLY, Mode::empty()) else {
            return;
        };
        // It got the lowest free number, and keeps it for the life of the process.
        std::mem::forget(null);
    }
}

/// Writes all of `bytes` to standard output.
///
/// # Errors
/// [`Error::ClosedPipe`] if no one reads any more; otherwise the system's reason.
pub fn write_stdout(bytes: &[u8]) -> Result<(), Error> {
    write_all(stdout(), bytes).map_err(stdout_error)
}

/// Why standard output does not take what is written. A closed one is open for reading here, see
/// [`prepare_process`].
fn stdout_error(error: Errno) -> Error {
    match error {
        Errno::PIPE => Error::ClosedPipe,
        Errno::BADF => {
            let text = b"standard output is closed, or not open for writing".to_vec();
            Error::Fault { status: Status::Failed, text }
        }
        error => Error::system("standard output", error),
    }
}

/// Writes to standard output once, as much as it accepts, and returns the number of bytes.
///
/// # Errors
/// As [`write_stdout`]. An interruption, or an output that accepts nothing now, is 0 bytes and not an error.
pub fn write_some(bytes: &[u8]) -> Result<usize, Error> {
    match rustix::io::write(stdout(), bytes) {
        Ok(0) if !bytes.is_empty() => Err(Error::system("standard output", Errno::IO)),
        Ok(written) => Ok(written),
        Err(Errno::INTR | Errno::AGAIN) => Ok(0),
        Err(error) => Err(stdout_error(error)),
    }
}

/// Writes one message to standard error. If that fails, there is no one left to tell.
pub fn write_stderr(bytes: &[u8]) {
    let _ = write_all(stderr(), bytes);
}

fn stderr() -> BorrowedFd<'static> {
    // SAFETY: descriptor 2 is open for the life of the process; see `prepare_process`.
    unsafe { BorrowedFd::borrow_raw(2) }
}

/// Standard input, for `--from -`.
pub fn stdin() -> BorrowedFd<'static> {
    // SAFETY: descriptor 0 is open for the life of the process; see `prepare_process`.
    unsafe { BorrowedFd::borrow_raw(0) }
}

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

/// Reads a socket option that is an array of numbers, without those that the kernel does not know.
fn socket_option<const N: usize>(
    fd: impl AsFd,
    level: libc::c_int,
    name: libc::c_int,
) -> Result<[Option<u32>; N], Errno> {
    let mut numbers = [0u32; N];
    let mut length = libc::socklen_t::try_from(size_of_val(&numbers)).unwrap_or_default();
    let (fd, room) = (fd.as_fd().as_raw_fd(), (&raw mut numbers).cast());
    // SAFETY: there is room for `length` bytes, and any bits are valid numbers.
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

/// A descriptor that delivers the signals of `set`, which do not interrupt the thread while they are held.
fn signal_descriptor(set: &[i32]) -> Result<(OwnedFd, HeldSignals), Errno> {
    use std::os::fd::FromRawFd;
    // SAFETY: a set of signals is plain bits, and sigemptyset makes it a valid one.
    let signals = unsafe {
        let mut signals: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut signals);
        set.iter().for_each(|signal| {
            libc::sigaddset(&raw mut signals, *signal);
        });
        signals
    };
    let held = hold(&signals);
    // SAFETY: the set is valid, and is only read.
    let fd =
        unsafe { libc::signalfd(-1, &raw const signals, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(last_error());
    }
    // SAFETY: the descriptor is new, and nothing else owns it.
    Ok((unsafe { OwnedFd::from_raw_fd(fd) }, held))
}

/// Keeps signals from the calling thread until it is dropped.
struct HeldSignals(libc::sigset_t);

impl std::fmt::Debug for HeldSignals {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HeldSignals")
    }
}

/// Keeps all signals from the calling thread.
fn hold_signals() -> HeldSignals {
    // SAFETY: a set of signals is plain bits, and sigfillset makes it a valid one.
    let all = unsafe {
        let mut all = std::mem::zeroed();
        libc::sigfillset(&raw mut all);
        all
    };
    hold(&all)
}

fn hold(signals: &libc::sigset_t) -> HeldSignals {
    // SAFETY: a set of signals is plain bits; the call reads the one and writes the other.
    unsafe {
        let mut before = std::mem::zeroed();
        libc::pthread_sigmask(libc::SIG_BLOCK, signals, &raw mut before);
        HeldSignals(before)
    }
}

impl Drop for HeldSignals {
    fn drop(&mut self) {
        let none = std::ptr::null_mut();
        // SAFETY: the set is the one that was valid before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.0, none) };
    }
}

/// Forks: returns the child's process ID to the parent, and `None` to the child.
fn fork() -> Result<Option<Pid>, Errno> {
    // SAFETY: no other thread runs: a daemon goes into the background, and a file gets its writer, before there are any.
    match unsafe { libc::fork() } {
        -1 => Err(last_error()),
        child => Ok(Pid::from_raw(child)),
    }
}

/// Ends a child that does not return to its caller.
fn end_child() -> ! {
    // SAFETY: the call does not return, and uses no memory of ours.
    unsafe { libc::_exit(0) }
}

fn last_error() -> Errno {
    std::io::Error::last_os_error().raw_os_error().map_or(Errno::IO, Errno::from_raw_os_error)
}

/// A second descriptor for `number`: both share the position and the flags.
fn duplicate(number: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: the borrow ends with this statement; only -1 is forbidden, and a closed number gives EBADF.
    let copy =
        |number| rustix::io::fcntl_dupfd_cloexec(unsafe { BorrowedFd::borrow_raw(number) }, 3);
    if number < 0 { Err(Errno::BADF) } else { copy(number) }
}

/// The value of an environment variable, unless it is empty.
pub fn environment(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// A time in the zone that TZ or /etc/localtime set when this was first called.
fn local(unix_seconds: libc::time_t) -> libc::tm {
    unsafe extern "C" {
        safe fn tzset();
    }
    static ZONE: Once = Once::new();
    // POSIX does not require localtime_r to do this.
    ZONE.call_once(|| tzset());
    // SAFETY: all zeros are a valid `tm`, whose only pointer may be null.
    let mut time = unsafe { std::mem::zeroed() };
    // SAFETY: both values live during the call, which keeps neither pointer.
    unsafe { libc::localtime_r(&raw const unix_seconds, &raw mut time) };
    time
}

/// The name of a network interface in the process's namespace; `None` if it no longer exists.
pub fn interface_name(index: u32) -> Option<Vec<u8>> {
    let fd = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    rustix::net::netdevice::index_to_name(fd, index).ok().map(String::into_bytes)
}

/// The index of a network interface of the process's namespace.
///
/// # Errors
/// `NODEV` if there is none of this name.
pub fn interface_index(name: &str) -> Result<u32, Errno> {
    let fd = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)?;
    rustix::net::netdevice::name_to_index(fd, name)
}

/// The name of this machine.
pub fn host_name() -> Vec<u8> {
    rustix::system::uname().nodename().to_bytes().to_vec()
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
