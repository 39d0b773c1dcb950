//! Signals as a descriptor, so that a loop can wait for them and for input at once.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;

use super::HeldSignals;

pub use libc::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};

/// Signals that are read instead of having their usual effect, which they have again once this is dropped.
#[derive(Debug)]
pub struct Signals {
    fd: OwnedFd,
    _held: HeldSignals,
}

impl Signals {
    /// Takes over the signals of `set` (`SIGINT`, …) from now on.
    pub fn of(set: &[i32]) -> Result<Signals, Errno> {
        super::signal_descriptor(set).map(|(fd, _held)| Signals { fd, _held })
    }

    /// The next pending signal, if there is one.
    pub fn next(&self) -> Option<i32> {
        // struct signalfd_siginfo: 128 bytes, the first four are the signal's number.
        let mut bytes = [0u8; 128];
        let length = rustix::io::read(&self.fd, &mut bytes).ok()?;
        let number = bytes.get(..length)?.first_chunk::<4>()?;
        i32::try_from(u32::from_ne_bytes(*number)).ok()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Signals {
    /// Those that came again meanwhile asked for what is being done.
    fn drop(&mut self) {
        while self.next().is_some() {}
    }
}
