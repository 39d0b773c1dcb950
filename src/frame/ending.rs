//! The end of a run by a signal, where its output must be closed first.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::error::Error;
use crate::out::{Format, Style};
use crate::sys::signals::{SIGINT, SIGTERM, Signals};
use crate::sys::{self, For};

/// The signals that end a stream: with most formats they do so at once, since each row is whole. An array is closed
/// first.
#[derive(Debug)]
pub(crate) struct Ending(Option<Signals>);

impl Ending {
    /// What is said then: an array has a --count of samples, which was not reached.
    pub(crate) const EARLY: &str = "a signal ended the run early: samples are missing";

    /// Takes over the signals if the output needs it. A file that is not complete is not put in its place.
    pub(crate) fn of(style: &Style) -> Result<Ending, Error> {
        let must_be_closed =
            style.is_stream && style.format == Format::JsonArray && style.output.is_none();
        let signals = must_be_closed.then(|| Signals::of(&[SIGINT, SIGTERM])).transpose();
        signals.map(Ending).map_err(|error| Error::system("signals", error))
    }

    /// Sleeps until `moment`, and returns whether a signal has come.
    pub(crate) fn sleep_until(&self, moment: Duration) -> Result<bool, Error> {
        if self.0.is_none() {
            sys::sleep_until(moment);
            return Ok(false);
        }
        loop {
            let left = moment.saturating_sub(sys::monotonic());
            let [_, has_ended] = self.wait(None, left)?;
            if has_ended || sys::monotonic() >= moment {
                return Ok(has_ended);
            }
        }
    }

    /// Waits at most `left` until there is something to read from `fd` (the first result), or for a signal (the second).
    pub(crate) fn wait(
        &self,
        fd: Option<BorrowedFd<'_>>,
        left: Duration,
    ) -> Result<[bool; 2], Error> {
        let signals = self.0.as_ref().map(AsFd::as_fd);
        // What is not there is polled as the other one.
        let [Some(one), Some(other)] = [fd.or(signals), signals.or(fd)] else {
            sys::sleep_until(sys::monotonic() + left);
            return Ok([false; 2]);
        };
        let ready = sys::wait([(one, For::Reading), (other, For::Reading)], Some(left));
        let [one, other] = ready.map_err(|error| Error::system("poll", error))?;
        Ok([one && fd.is_some(), other && signals.is_some()])
    }
}
