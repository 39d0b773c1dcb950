//! System calls of the attack that std and rustix do not offer, each behind a safe function.
//!
//! What a child runs between fork and exec makes plain system calls only: it neither allocates nor locks.
#![allow(unsafe_code, reason = "the one file of the attack that talks to libc")]

use std::io;
use std::mem::MaybeUninit;

fn check<T: Into<i64>>(returned: T) -> io::Result<()> {
    if returned.into() == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Waits for a child that has ended or will: its wait status, and its largest resident memory in bytes.
pub fn reap(pid: u32) -> io::Result<(i32, u64)> {
    let (mut status, mut usage) = (0, MaybeUninit::<libc::rusage>::zeroed());
    loop {
        // SAFETY: both pointers outlive the call.
        let done =
            check(unsafe { libc::wait4(pid as i32, &raw mut status, 0, usage.as_mut_ptr()) });
        match done {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => {
                done?;
                // SAFETY: all zeros are a valid struct rusage, and the kernel has filled it.
                let usage = unsafe { usage.assume_init() };
                return Ok((status, usage.ru_maxrss as u64 * 1024));
            }
        }
    }
}

/// Closes the standard descriptors whose bit is set. For [`crate::world::sys::before_exec`].
pub fn close_standard(mask: u8) {
    // SAFETY: close takes no pointer, and the child uses none of these any more.
    (0..3).filter(|number| mask & 1 << number != 0).for_each(|number| unsafe {
        libc::close(number);
    });
}

/// Makes the calling child the process 1 of a new PID namespace, and leaves behind a process that waits for it and
/// ends like it. For [`crate::world::sys::before_exec`].
pub fn own_pids() -> io::Result<()> {
    // SAFETY: these calls take no pointer but that to `status`, which outlives them; what stays behind never
    // returns, and std, whose pipe it closes, does not wait for it.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWPID))?;
        let child = libc::fork();
        check(child)?;
        if child > 0 {
            libc::close_range(3, u32::MAX, 0);
            let mut status = 0;
            while libc::waitpid(child, &raw mut status, 0) == -1 {}
            let is_exit = libc::WIFEXITED(status);
            libc::_exit(if is_exit { libc::WEXITSTATUS(status) } else { 128 });
        }
    }
    crate::world::sys::die_with_parent()
}

/// A /proc of the PID namespace that the calling child is in.
pub fn own_proc() -> io::Result<()> {
    let (none, proc) = (std::ptr::null(), c"proc".as_ptr());
    // SAFETY: the strings are constants, and the rest may be null.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNS))?;
        let private = libc::MS_REC | libc::MS_PRIVATE;
        check(libc::mount(none, c"/".as_ptr(), none, private, none.cast()))?;
        check(libc::mount(proc, c"/proc".as_ptr(), proc, 0, none.cast()))
    }
}

/// A child that lives in a user namespace and a network namespace of its own, which belong to `user`, and runs
/// `work`. `work` may allocate, which the C library allows after fork, but may not use what other threads may have
/// locked, such as standard output. The child ends with the thread that called this.
pub fn stranger(user: u32, work: impl FnOnce()) -> io::Result<u32> {
    // SAFETY: the child never returns from here; the calls take no pointer but to an empty list.
    unsafe {
        let child = libc::fork();
        check(child)?;
        if child > 0 {
            return Ok(child as u32);
        }
        let step = |done: i64| {
            if done == -1 {
                libc::_exit(100);
            }
        };
        step(libc::syscall(libc::SYS_setgroups, 0, std::ptr::null::<libc::gid_t>()));
        step(libc::syscall(libc::SYS_setresgid, user, user, user));
        step(libc::syscall(libc::SYS_setresuid, user, user, user));
        step(libc::unshare(libc::CLONE_NEWUSER | libc::CLONE_NEWNET).into());
        step(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL).into());
        work();
        libc::_exit(0);
    }
}

/// Ends a child of [`stranger`].
pub fn end(pid: u32) {
    // SAFETY: neither call takes a pointer.
    unsafe { libc::kill(pid as i32, libc::SIGKILL) };
    let _ = reap(pid);
}
