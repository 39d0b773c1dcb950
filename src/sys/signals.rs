//! Signals as something to read, so that a loop can wait for them and for input at once.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;
use rustix::time::Timespec;

pub use libc::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};

/// Signals that wait to be read instead of doing what they do.
#[derive(Debug)]
pub struct Signals(OwnedFd);

impl Signals {
    /// Takes the signals of `set` (`SIGINT`, …) from now on.
    ///
    /// # Errors
    /// The system's.
    pub fn of(set: &[i32]) -> Result<Signals, Errno> {
        super::signal_descriptor(set).map(Signals)
    }

    /// The next signal that has come; `None` if there is none.
    #[must_use]
    pub fn next(&self) -> Option<i32> {
        // struct signalfd_siginfo: 128 bytes, the first four are the signal's number.
        let mut bytes = [0u8; 128];
        let length = rustix::io::read(&self.0, &mut bytes).ok()?;
        let number = bytes.get(..length)?.first_chunk::<4>()?;
        i32::try_from(u32::from_ne_bytes(*number)).ok()
    }
}

/// Waits until something can be read of `fds`, or until `moment` of [`super::monotonic`]; says which.
///
/// # Errors
/// The system's, but for interruptions.
pub fn wait<const N: usize>(
    fds: [BorrowedFd<'_>; N],
    moment: Option<Duration>,
) -> Result<[bool; N], Errno> {
    loop {
        let left = moment.map(|moment| moment.saturating_sub(super::monotonic()));
        let left = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: left.subsec_nanos().into(),
        });
        let mut poll = fds.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN));
        match rustix::event::poll(&mut poll, left.as_ref()) {
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
            // A hang-up and an error are to be read, too.
            Ok(_) => return Ok(poll.map(|one| !one.revents().is_empty())),
        }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
