//! The end of a run by a signal, where its output must be closed first, or by a reader that is gone.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::error::Error;
use crate::out::{Format, Style};
use crate::sys::signals::{SIGINT, SIGTERM, Signals};
use crate::sys::{self, For};

/// What ends a stream. With most formats, signals do so at once, since each row is whole; an array is closed first.
#[derive(Debug)]
pub(crate) struct Ending {
    signals: Option<Signals>,
    /// Whether somebody reads standard output, who may be gone before there is a row to write.
    has_reader: bool,
}

impl Ending {
    /// What is said then: an array has a --count of samples, which was not reached.
    pub(crate) const EARLY: &str = "a signal ended the run early: samples are missing";

    /// Takes over the signals if the output needs it. A file that is not complete is not put in its place.
    pub(crate) fn of(style: &Style, is_collected: bool) -> Result<Ending, Error> {
        let has_reader = style.output.is_none() && !is_collected;
        let must_be_closed =
            style.is_stream && style.format == Format::JsonArray && style.output.is_none();
        let signals = must_be_closed.then(|| Signals::of(&[SIGINT, SIGTERM])).transpose();
        let signals = signals.map_err(|error| Error::system("signals", error))?;
        Ok(Ending { signals, has_reader })
    }

    /// Sleeps until `moment`, and returns whether a signal has come.
    ///
    /// # Errors
    /// [`Error::ClosedPipe`] if nobody reads the output any more.
    pub(crate) fn sleep_until(&self, moment: Duration) -> Result<bool, Error> {
        loop {
            let left = moment.saturating_sub(sys::monotonic());
            let [_, has_ended] = self.wait(None, left)?;
            if has_ended || sys::monotonic() >= moment {
                return Ok(has_ended);
            }
        }
    }

    /// Waits at most `left` until there is something to read from `fd` (the first result), or for a signal (the second).
    ///
    /// # Errors
    /// [`Error::ClosedPipe`] if nobody reads the output any more.
    pub(crate) fn wait(
        &self,
        fd: Option<BorrowedFd<'_>>,
        left: Duration,
    ) -> Result<[bool; 2], Error> {
        let signals = self.signals.as_ref().map(AsFd::as_fd);
        let reader = self.has_reader.then(|| (sys::stdout(), For::TheEnd));
        let waits = [fd, signals].map(|fd| fd.map(|fd| (fd, For::Reading)));
        let waits = [waits[0], waits[1], reader];
        let Some(one) = waits.into_iter().flatten().next() else {
            sys::sleep_until(sys::monotonic() + left);
            return Ok([false; 2]);
        };
        // What is not there is polled as another one.
        let polled = sys::wait(waits.map(|wait| wait.unwrap_or(one)), Some(left));
        let polled = polled.map_err(|error| Error::system("poll", error))?;
        let is = |place: usize| polled[place] && waits[place].is_some();
        if is(2) { Err(Error::ClosedPipe) } else { Ok([is(0), is(1)]) }
    }
}
