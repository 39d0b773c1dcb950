//! The few system calls that neither std nor rustix offers in a safe form.

#![allow(
    unsafe_code,
    reason = "wait4 with rusage, unshare, mounts, an ioctl and a socket option have no safe wrapper here"
)]

use std::ffi::{CStr, CString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// The result of wait4 for a process that has ended.
pub struct Ended {
    /// The exit status, or 128 plus the signal, as in a shell.
    pub status: i32,
    /// User and system time, with that of the children it waited for.
    pub cpu: Duration,
    /// Peak resident memory; at least the bench's own, because the child shares the bench's memory until
    /// its exec.
    pub peak_kib: i64,
}

/// Waits for one child.
pub fn wait4(pid: u32) -> io::Result<Ended> {
    let pid = libc::pid_t::try_from(pid).map_err(io::Error::other)?;
    let mut status = 0;
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: both pointers are to live locals; the kernel fills usage whenever it returns the pid.
    let got = unsafe { libc::wait4(pid, &mut status, 0, usage.as_mut_ptr()) };
    if got < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: wait4 succeeded, so the kernel has written the whole struct.
    let usage = unsafe { usage.assume_init() };
    let cpu = duration(usage.ru_utime) + duration(usage.ru_stime);
    Ok(Ended { status: shell_status(status), cpu, peak_kib: usage.ru_maxrss })
}

fn shell_status(status: i32) -> i32 {
    if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
}

fn duration(time: libc::timeval) -> Duration {
    let micros = time.tv_sec * 1_000_000 + time.tv_usec;
    Duration::from_micros(micros.unsigned_abs())
}

/// Moves this process into a new, empty network namespace.
pub fn unshare_network() -> io::Result<()> {
    unshare(libc::CLONE_NEWNET)
}

/// Moves this process into its own mount namespace; its mounts do not propagate to others.
pub fn unshare_mounts() -> io::Result<()> {
    unshare(libc::CLONE_NEWNS)?;
    mount(c"none", c"/", c"none", libc::MS_REC | libc::MS_PRIVATE)
}

fn unshare(what: libc::c_int) -> io::Result<()> {
    // SAFETY: no pointers; a namespace is neither memory nor a file descriptor table.
    match unsafe { libc::unshare(what) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Mounts an empty tmpfs over a folder.
pub fn mount_memory(folder: &str) -> io::Result<()> {
    mount(c"tmpfs", &CString::new(folder)?, c"tmpfs", 0)
}

/// Bind-mounts one file over another.
pub fn mount_over(file: &str, place: &Path) -> io::Result<()> {
    let place = CString::new(place.as_os_str().as_encoded_bytes())?;
    mount(&CString::new(file)?, &place, c"none", libc::MS_BIND)
}

fn mount(source: &CStr, target: &CStr, kind: &CStr, flags: libc::c_ulong) -> io::Result<()> {
    let (source, target, kind) = (source.as_ptr(), target.as_ptr(), kind.as_ptr());
    // SAFETY: all three are C strings that outlive the call; no data is given.
    match unsafe { libc::mount(source, target, kind, flags, std::ptr::null()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Unmounts a folder, with all mounts below it.
pub fn unmount(folder: &str) -> io::Result<()> {
    let folder = CString::new(folder)?;
    // SAFETY: a C string that outlives the call.
    match unsafe { libc::umount2(folder.as_ptr(), libc::MNT_DETACH) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Brings up the loopback interface of the current namespace, as `ip link set lo up` does.
pub fn loopback_up() -> io::Result<()> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: ifreq is plain integers and bytes, for which all zeros is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: the descriptor is open, and SIOCSIFFLAGS only reads the ifreq it is given.
    match unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &request) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets connect choose the port, because it knows the remote address: a bind to port 0 would reserve a port
/// that no other socket at that address could use.
pub fn bind_address_only(socket: &OwnedFd) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = size_of_val(&on) as libc::socklen_t;
    let (level, name) = (libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT);
    // SAFETY: the descriptor is open, and the kernel reads one int, which lives until the return.
    match unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const on).cast(), size) }
    {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Lets the kernel end this process after this many seconds, even if it hangs.
pub fn end_after(seconds: u32) {
    // SAFETY: no pointers; SIGALRM's default action, ending the process, is what is wanted.
    unsafe { libc::alarm(seconds) };
}
