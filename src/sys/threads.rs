//! Threads: how many, and which.

/// How many threads are worth having for work that the kernel does: one a processor that we may use, and
/// no more than eight, which would only take the machine from others.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(8)
}

/// Whether the calling thread is the one that the process began with.
pub(super) fn is_first_thread() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}
