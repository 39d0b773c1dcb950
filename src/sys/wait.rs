//! Waiting for several descriptors at once.

use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum For {
    /// Until there is something to read, or the other end has closed.
    Reading,
    /// Until a page can be written without blocking, or the other end has closed.
    Writing,
    /// Until the other end has closed.
    TheEnd,
}

/// Waits until one of the descriptors is ready, up to a time limit, and returns which ones are. Handled
/// signals end the wait early.
pub fn wait<const N: usize>(
    waits: [(BorrowedFd<'_>, For); N],
    timeout: Option<Duration>,
) -> Result<[bool; N], Errno> {
    let mut polls = waits.map(|(fd, wanted)| {
        let flags = match wanted {
            For::Reading => PollFlags::IN,
            For::Writing => PollFlags::OUT,
            // Errors and hang-ups are reported whether requested or not.
            For::TheEnd => PollFlags::empty(),
        };
        PollFd::from_borrowed_fd(fd, flags)
    });
    let timeout = timeout.map(|timeout| Timespec {
        tv_sec: i64::try_from(timeout.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: timeout.subsec_nanos().into(),
    });
    match rustix::event::poll(&mut polls, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(polls.map(|poll| !poll.revents().is_empty())),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;

    #[test]
    fn a_pipe_tells_of_bytes_room_and_the_end() {
        let (reader, writer) = std::io::pipe().unwrap();
        let now = || {
            let waits = [
                (reader.as_fd(), For::Reading),
                (writer.as_fd(), For::Writing),
                (writer.as_fd(), For::TheEnd),
            ];
            wait(waits, Some(Duration::ZERO)).unwrap()
        };
        assert_eq!(now(), [false, true, false]);
        rustix::io::write(&writer, b"x").unwrap();
        assert_eq!(now(), [true, true, false]);
        drop(reader);
        let end = [(writer.as_fd(), For::TheEnd)];
        assert_eq!(wait(end, None), Ok([true]));
    }
}
