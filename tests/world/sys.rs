//! System calls that std and rustix do not offer, each behind a safe function.
//!
//! This file also holds everything a child runs between fork and exec: such functions only make plain system
//! calls, and neither allocate nor lock.
#![allow(unsafe_code, reason = "the one file of the live tests that talks to libc")]

use std::ffi::{CStr, CString};
use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Turns the -1 of a system call into its error.
fn check<T: Into<i64>>(returned: T) -> io::Result<()> {
    if returned.into() == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Moves the calling thread, and no other, into a new network namespace.
pub fn unshare_net() -> io::Result<()> {
    // SAFETY: unshare takes no pointer; the file descriptors of the thread stay shared.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) })
}

/// Moves the calling thread into the network namespace that `fd` refers to.
pub fn enter_net(fd: RawFd) -> io::Result<()> {
    // SAFETY: setns takes no pointer.
    check(unsafe { libc::setns(fd, libc::CLONE_NEWNET) })
}

/// Sets a socket option to the bytes of `value`.
pub fn set_option<T: Copy>(fd: &OwnedFd, level: i32, name: i32, value: T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the pointer and the length describe `value`, which outlives the call.
    check(unsafe {
        libc::setsockopt(fd.as_raw_fd(), level, name, (&raw const value).cast(), length)
    })
}

/// The state of a TCP socket in the kernel's numbering: the first byte of its `TCP_INFO`.
pub fn tcp_state(fd: &OwnedFd) -> io::Result<u8> {
    let mut state = 0_u8;
    let mut length: libc::socklen_t = 1;
    // SAFETY: the kernel writes at most `length` bytes, here one, to `state`.
    check(unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            (&raw mut state).cast(),
            &raw mut length,
        )
    })?;
    Ok(state)
}

/// Runs an ioctl whose argument has at most the 40 bytes of a `struct ifreq`.
pub fn ioctl(fd: &OwnedFd, request: libc::Ioctl, argument: &mut [u8; 40]) -> io::Result<()> {
    // SAFETY: every request used here reads and writes at most a struct ifreq, 40 bytes long.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, argument.as_mut_ptr()) })
}

/// Sends frames from an interface of the calling thread's namespace, all through one socket: closing one takes the kernel some
/// milliseconds.
pub fn send_frames<'a>(
    interface: &str,
    mut frames: impl Iterator<Item = &'a [u8]>,
) -> io::Result<()> {
    let name = CString::new(interface)?;
    // SAFETY: all zeros are a valid sockaddr_ll.
    let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    to.sll_family = libc::AF_PACKET as u16;
    // SAFETY: the strings, the address and the frames outlive the calls that read them, and we own the
    // descriptor that the first call returns.
    unsafe {
        to.sll_ifindex = libc::if_nametoindex(name.as_ptr()) as i32;
        let socket = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
        check(socket)?;
        let socket = OwnedFd::from_raw_fd(socket);
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        frames.try_for_each(|frame| {
            let (bytes, to) = (frame.as_ptr().cast(), (&raw const to).cast());
            check(libc::sendto(socket.as_raw_fd(), bytes, frame.len(), 0, to, length) as i64)
        })
    }
}

/// Runs `work` so that the files and sockets it makes belong to `user`.
pub fn as_file_user<T>(user: u32, work: impl FnOnce() -> T) -> T {
    // SAFETY: setfsuid takes no pointer and changes only the calling thread.
    let old = unsafe { libc::setfsuid(user) };
    let done = work();
    // SAFETY: as above.
    unsafe { libc::setfsuid(old as u32) };
    done
}

/// Runs `prepare` in the child between fork and exec. `prepare` may only make plain system calls: the child
/// does not have the other threads, and the locks they held stay locked.
pub fn before_exec<F>(command: &mut Command, prepare: F)
where
    F: FnMut() -> io::Result<()> + Send + Sync + 'static,
{
    // SAFETY: the functions `prepare` of these tests consist of functions of this file, which neither allocate
    // nor lock.
    unsafe { command.pre_exec(prepare) };
}

/// Kills the child when the thread that started it ends for any reason. A change of user clears this.
pub fn die_with_parent() -> io::Result<()> {
    // SAFETY: PR_SET_PDEATHSIG takes no pointer.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) })
}

/// The two halves of a capability set, as capset(2) takes it.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CapData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Becomes the unprivileged `user`, who has no capability once the next program runs.
///
/// The program may be below a directory that this user cannot enter, such as /root. So the capability to enter
/// it is kept until exec, which drops it because it is not inheritable.
pub fn become_user(user: u32) -> io::Result<()> {
    const DAC_OVERRIDE_AND_READ_SEARCH: u32 = 1 << 1 | 1 << 2;
    const VERSION_3: u32 = 0x2008_0522;
    let header = [VERSION_3, 0];
    let kept = CapData {
        effective: DAC_OVERRIDE_AND_READ_SEARCH,
        permitted: DAC_OVERRIDE_AND_READ_SEARCH,
        inheritable: 0,
    };
    let data = [kept, CapData::default()];
    // SAFETY: these are raw calls, since libc's would change all threads; the pointers are to arrays of the
    // sizes that version 3 of capset requires, and the list of groups is empty.
    unsafe {
        check(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0))?;
        check(libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()))?;
        check(libc::syscall(libc::SYS_setresgid, user, user, user))?;
        check(libc::syscall(libc::SYS_setresuid, user, user, user))?;
        check(libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()))
    }
}

/// A seccomp program.
pub type Ban = [libc::sock_filter; 8];

/// One instruction of classic BPF.
const fn op(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

/// A seccomp program under which `socket(AF_NETLINK, ...)` fails with `errno`, or None if these tests do not
/// know the number of this system call on the machine.
pub fn netlink_ban(errno: i32) -> Option<Ban> {
    ban(libc::SYS_socket, 0, (libc::BPF_JEQ, libc::AF_NETLINK as u32), errno)
}

/// Programs under which a netlink socket cannot join groups, by bind or by setsockopt.
pub fn groups_ban(errno: i32) -> Option<[Ban; 2]> {
    let bind = ban(libc::SYS_bind, 0, (libc::BPF_JGE, 0), errno)?;
    let level = libc::SOL_NETLINK as u32;
    Some([bind, ban(libc::SYS_setsockopt, 1, (libc::BPF_JEQ, level), errno)?])
}

/// The same for filters of system calls.
pub fn filter_ban(errno: i32) -> Option<Ban> {
    ban(libc::SYS_prctl, 0, (libc::BPF_JEQ, libc::PR_SET_SECCOMP as u32), errno)
}

/// The same for opening files without a name.
pub fn tmpfile_ban(errno: i32) -> Option<Ban> {
    // O_TMPFILE contains O_DIRECTORY, which alone is allowed.
    let bit = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u32;
    ban(libc::SYS_openat, 2, (libc::BPF_JSET, bit), errno)
}

/// The same for hard links.
pub fn link_ban(errno: i32) -> Option<Ban> {
    ban(libc::SYS_linkat, 0, (libc::BPF_JGE, 0), errno)
}

/// A seccomp program under which a system call fails with `errno` if the comparison with the low half of one
/// of its arguments is true.
fn ban(call: libc::c_long, argument: u32, comparison: (u32, u32), errno: i32) -> Option<Ban> {
    use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
    let arch = if cfg!(target_arch = "x86_64") {
        0xc000_003e
    } else if cfg!(target_arch = "aarch64") {
        0xc000_00b7
    } else {
        return None;
    };
    // Offsets in struct seccomp_data: number 0, arch 4, arguments 16, 24, …
    Some([
        op(BPF_LD | BPF_W | BPF_ABS, 4, 0, 0),
        op(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, 4),
        op(BPF_LD | BPF_W | BPF_ABS, 0, 0, 0),
        op(BPF_JMP | BPF_JEQ | BPF_K, call as u32, 0, 2),
        op(BPF_LD | BPF_W | BPF_ABS, 16 + 8 * argument, 0, 0),
        op(BPF_JMP | comparison.0 | BPF_K, comparison.1, 1, 0),
        op(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
        op(BPF_RET | BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32, 0, 0),
    ])
}

/// Applies a seccomp program to the calling process; this cannot be undone.
pub fn apply_ban(ban: &Ban) -> io::Result<()> {
    let program = libc::sock_fprog { len: ban.len() as u16, filter: ban.as_ptr().cast_mut() };
    // SAFETY: the kernel copies the program during the call; its length and pointer are right.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        check(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program))
    }
}

/// Gives the calling process its own mount namespace, so that its mounts are not visible elsewhere.
fn unshare_mounts() -> io::Result<()> {
    let none = std::ptr::null();
    // SAFETY: mount allows these null pointers; the other pointer is to a constant.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNS))?;
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        check(libc::mount(none, c"/".as_ptr(), none, flags, none.cast()))
    }
}

/// Mounts the file `from` over the file `over`.
fn bind_mount(from: &CStr, over: &CStr) -> io::Result<()> {
    let none = std::ptr::null();
    // SAFETY: the strings outlive the call, and the rest may be null.
    check(unsafe { libc::mount(from.as_ptr(), over.as_ptr(), none, libc::MS_BIND, none.cast()) })
}

/// Gives the calling process a /run that holds only the files of `directory`, each bound to the network
/// namespace at its source: as `ip netns add` does, but without a trace on the machine.
pub fn bind_netns(directory: &CStr, sources_and_files: &[(CString, CString)]) -> io::Result<()> {
    unshare_mounts()?;
    mount_tmpfs(c"/run")?;
    // SAFETY: the string outlives the call.
    check(unsafe { libc::mkdir(directory.as_ptr(), 0o755) })?;
    for (source, file) in sources_and_files {
        // SAFETY: the string outlives the call.
        check(unsafe { libc::mknod(file.as_ptr(), libc::S_IFREG | 0o444, 0) })?;
        bind_mount(source, file)?;
    }
    Ok(())
}

/// Gives the calling process an empty /proc.
pub fn empty_proc() -> io::Result<()> {
    unshare_mounts()?;
    mount_tmpfs(c"/proc")
}

/// Leaves the calling process a /proc that has processes and nothing else (Linux 5.8).
pub fn proc_of_pids() -> io::Result<()> {
    unshare_mounts()?;
    let (proc, over, options) = (c"proc".as_ptr(), c"/proc".as_ptr(), c"subset=pid".as_ptr());
    // SAFETY: the strings outlive the call.
    check(unsafe { libc::mount(proc, over, proc, 0, options.cast()) })
}

/// Mounts an empty file system over a directory.
fn mount_tmpfs(over: &CStr) -> io::Result<()> {
    let tmpfs = c"tmpfs".as_ptr();
    // SAFETY: the strings outlive the call, and the options may be null.
    check(unsafe { libc::mount(tmpfs, over.as_ptr(), tmpfs, 0, std::ptr::null()) })
}
