//! The system calls that std and rustix do not offer, each behind a safe function.
//!
//! Everything a child runs between fork and exec is here too: such a function only makes plain system
//! calls, it neither allocates nor locks.
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

/// Moves the calling thread, and only it, into a new network namespace.
pub fn unshare_net() -> io::Result<()> {
    // SAFETY: unshare takes no pointer; the file descriptors of the thread stay shared.
    check(unsafe { libc::unshare(libc::CLONE_NEWNET) })
}

/// Moves the calling thread into the network namespace `fd` refers to.
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

/// Runs an ioctl whose argument is at most the 40 bytes of a `struct ifreq`.
pub fn ioctl(fd: &OwnedFd, request: libc::Ioctl, argument: &mut [u8; 40]) -> io::Result<()> {
    // SAFETY: every request used here reads and writes at most a struct ifreq, 40 bytes long.
    check(unsafe { libc::ioctl(fd.as_raw_fd(), request, argument.as_mut_ptr()) })
}

/// Sends a frame out of an interface of the calling thread's namespace.
pub fn send_frame(interface: &str, frame: &[u8]) -> io::Result<()> {
    let name = CString::new(interface)?;
    // SAFETY: a sockaddr_ll of zeros is one.
    let mut to: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    to.sll_family = libc::AF_PACKET as u16;
    // SAFETY: the strings, the address and the frame outlive the calls that read them, and what the first call
    // gives is ours.
    unsafe {
        to.sll_ifindex = libc::if_nametoindex(name.as_ptr()) as i32;
        let socket = libc::socket(libc::AF_PACKET, libc::SOCK_RAW | libc::SOCK_CLOEXEC, 0);
        check(socket)?;
        let socket = OwnedFd::from_raw_fd(socket);
        let length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
        let (bytes, to) = (frame.as_ptr().cast(), (&raw const to).cast());
        check(libc::sendto(socket.as_raw_fd(), bytes, frame.len(), 0, to, length) as i64)
    }
}

/// Runs `work` as one whose files and sockets belong to `user`.
pub fn as_file_user<T>(user: u32, work: impl FnOnce() -> T) -> T {
    // SAFETY: setfsuid takes no pointer and changes the calling thread alone.
    let old = unsafe { libc::setfsuid(user) };
    let done = work();
    // SAFETY: as above.
    unsafe { libc::setfsuid(old as u32) };
    done
}

/// Has `prepare` run in the child between fork and exec. `prepare` may only make plain system calls:
/// the other threads are gone in the child, and the locks they held stay locked.
pub fn before_exec<F>(command: &mut Command, prepare: F)
where
    F: FnMut() -> io::Result<()> + Send + Sync + 'static,
{
    // SAFETY: every `prepare` of these tests is made of the functions of this file, which neither
    // allocate nor lock.
    unsafe { command.pre_exec(prepare) };
}

/// Kills the child when the thread that started it ends, however it ends. A change of user clears this.
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
/// The program may lie below a directory closed to that user, such as /root. So the capability to pass
/// it is kept until exec, which takes it away as it is not inheritable.
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
    // SAFETY: raw calls, as libc's would look for other threads to change; the pointers are to arrays
    // of the sizes that version 3 of capset asks for, and to no groups at all.
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

/// A seccomp program under which `socket(AF_NETLINK, ...)` fails with `errno`, or None where these tests
/// do not know the machine's number of its system calls.
pub fn netlink_ban(errno: i32) -> Option<Ban> {
    use libc::{BPF_ABS, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W};
    let arch = if cfg!(target_arch = "x86_64") {
        0xc000_003e
    } else if cfg!(target_arch = "aarch64") {
        0xc000_00b7
    } else {
        return None;
    };
    // Offsets in struct seccomp_data: number 0, arch 4, low half of the first argument 16.
    Some([
        op(BPF_LD | BPF_W | BPF_ABS, 4, 0, 0),
        op(BPF_JMP | BPF_JEQ | BPF_K, arch, 0, 4),
        op(BPF_LD | BPF_W | BPF_ABS, 0, 0, 0),
        op(BPF_JMP | BPF_JEQ | BPF_K, libc::SYS_socket as u32, 0, 2),
        op(BPF_LD | BPF_W | BPF_ABS, 16, 0, 0),
        op(BPF_JMP | BPF_JEQ | BPF_K, libc::AF_NETLINK as u32, 1, 0),
        op(BPF_RET | BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0),
        op(BPF_RET | BPF_K, libc::SECCOMP_RET_ERRNO | errno as u32, 0, 0),
    ])
}

/// Puts the calling process, for good, under a seccomp program.
pub fn apply_ban(ban: &Ban) -> io::Result<()> {
    let program = libc::sock_fprog { len: ban.len() as u16, filter: ban.as_ptr().cast_mut() };
    // SAFETY: the kernel copies the program, of which length and pointer are right, during the call.
    unsafe {
        check(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        check(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program))
    }
}

/// Gives the calling process a mount namespace of its own, so that no mount of it is seen elsewhere.
fn unshare_mounts() -> io::Result<()> {
    let none = std::ptr::null();
    // SAFETY: mount allows the null pointers here; the other one is to a constant.
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

/// Leaves the calling process a /run in which there is nothing but the files of `directory`, each bound to
/// the network namespace at its source: what `ip netns add` does, without a trace on the machine.
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

/// Leaves the calling process an empty /proc.
pub fn empty_proc() -> io::Result<()> {
    unshare_mounts()?;
    mount_tmpfs(c"/proc")
}

/// Mounts an empty file system over a directory.
fn mount_tmpfs(over: &CStr) -> io::Result<()> {
    let tmpfs = c"tmpfs".as_ptr();
    // SAFETY: the strings outlive the call, and there need be no options.
    check(unsafe { libc::mount(tmpfs, over.as_ptr(), tmpfs, 0, std::ptr::null()) })
}
