//! Threads: how many, and which.

use rustix::io::Errno;

/// How many threads are worthwhile for work in the kernel: one per usable processor, at most eight, since
/// more would only take the machine from others.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(8)
}

/// Whether the calling thread is the main thread.
pub(super) fn is_first_thread() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}

/// Compares tables of descriptors (include/uapi/linux/kcmp.h).
pub(super) const KCMP_FILES: u32 = 2;

/// Whether two threads share a table of descriptors.
///
/// # Errors
/// If the kernel does not tell, or not us.
pub(super) fn has_same_files(one: u32, other: u32) -> Result<bool, Errno> {
    // SAFETY: the call takes numbers only.
    let order = unsafe {
        libc::syscall(libc::SYS_kcmp, one as i32, other as i32, KCMP_FILES, 0usize, 0usize)
    };
    if order < 0 { Err(Errno::PERM) } else { Ok(order == 0) }
}
