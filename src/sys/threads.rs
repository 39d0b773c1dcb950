//! Threads: how many, and which.

/// How many threads are worthwhile for work in the kernel: one per usable processor, at most eight, since
/// more would only take the machine from others.
pub fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(8)
}

/// Whether the calling thread is the main thread.
pub(super) fn is_first_thread() -> bool {
    rustix::thread::gettid() == rustix::process::getpid()
}
