//! The log of flows that have ended: a full disk stops the log and never the daemon.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use super::log_rows::{Form, Lines};
use crate::error::{self, Error};
use crate::flow;
use crate::model::Flow;
use crate::source::flows::labels::Labels;
use crate::sys::{self, PathError, append_to};

/// Lines are collected up to this size, for at most one turn of the loop.
const WRITE_BYTES: usize = 32 * 1024;
/// How long to wait after a failed write.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) struct Log {
    path: PathBuf,
    /// Writes the lines, if they are rows.
    rows: Option<Lines>,
    file: Option<OwnedFd>,
    buffer: Vec<u8>,
    /// Where each line in the buffer ends.
    ends: Vec<usize>,
    /// Whether the file ends in the middle of a line.
    is_torn: bool,
    /// When to try again after a failure.
    retry: Option<Duration>,
    /// The first failure since the file was opened, until it is told, and whether there was one.
    failure: Option<PathError>,
    has_failed: bool,
    /// How many lines were written.
    pub lines: u64,
    /// How many lines could not be written.
    pub lost: u64,
}

impl Log {
    /// Opens the log to append to it.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub(super) fn open(path: PathBuf, form: Form, labels: Labels) -> Result<Log, Error> {
        let name = path.as_os_str().as_bytes();
        sys::refuse_borrowed_rights(name)?;
        let file = append_to(&path).map_err(|error| error.at(name))?;
        Ok(Log {
            path,
            rows: Lines::of(form, labels),
            file: Some(file),
            buffer: Vec::with_capacity(WRITE_BYTES + 1024),
            ends: Vec::new(),
            is_torn: false,
            retry: None,
            failure: None,
            has_failed: false,
            lines: 0,
            lost: 0,
        })
    }

    /// Its path, and the file if it is open.
    pub(super) fn place(&self) -> (&Path, Option<&OwnedFd>) {
        (&self.path, self.file.as_ref())
    }

    /// Whether the last write failed.
    pub(super) fn is_failing(&self) -> bool {
        self.retry.is_some()
    }

    /// Adds a flow that ended at `unix_seconds`, in its last state.
    pub(super) fn ended(&mut self, ended: &Flow<'_>, unix_seconds: u64, clock: Duration) {
        if self.retry.is_some_and(|retry| clock < retry) {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        match &mut self.rows {
            None => {
                let mark = ended.mark.filter(|mark| *mark != 0);
                let line = Flow { timeout_seconds: None, uses: None, mark, ..*ended };
                flow::date(&mut self.buffer, unix_seconds);
                self.buffer.push(b'\t');
                let parts = flow::Parts { now_seconds: unix_seconds, ..flow::Parts::default() };
                flow::line(&mut self.buffer, &line, &parts);
                self.buffer.push(b'\n');
            }
            Some(rows) => {
                let milliseconds = i64::try_from(unix_seconds).unwrap_or_default() * 1000;
                rows.push(&mut self.buffer, ended, milliseconds);
            }
        }
        self.ends.push(self.buffer.len());
        if self.buffer.len() >= WRITE_BYTES {
            self.flush(clock);
        }
    }

    /// Writes the collected lines. If that fails, those that are not in the file are lost, and a later line tries
    /// again.
    pub(super) fn flush(&mut self, clock: Duration) {
        if self.ends.is_empty() {
            return;
        }
        let mut written = 0;
        let result = self.write(&mut written);
        // A line that lacks its end alone is in the file: the next one ends it.
        let whole = self.ends.partition_point(|end| *end <= written.saturating_add(1));
        if written > 0 {
            self.is_torn = self.ends[..whole].last() != Some(&written);
        }
        self.lines = self.lines.saturating_add(whole as u64);
        self.lost = self.lost.saturating_add((self.ends.len() - whole) as u64);
        self.retry = result.is_err().then(|| clock.saturating_add(PATIENCE));
        if let Err(failure) = result
            && !std::mem::replace(&mut self.has_failed, true)
        {
            self.failure = Some(failure);
        }
        self.ends.clear();
        self.buffer.clear();
    }

    /// What is to be said about the first failure since the file was opened, once.
    pub(super) fn failure(&mut self) -> Option<String> {
        let reason = self.reason()?;
        let path = error::visible(self.path.as_os_str().as_bytes());
        Some([&path, ": ", &reason, ": lines are lost, and counted as log.lost"].concat())
    }

    fn reason(&mut self) -> Option<String> {
        Some(match self.failure.take()? {
            PathError::System(error) => error::reason(error),
            PathError::Ours(reason) => reason.to_owned(),
        })
    }

    /// Writes what is left, and tells how many lines were lost in all.
    pub(super) fn finish(&mut self, clock: Duration) -> Option<String> {
        self.flush(clock);
        let path = error::visible(self.path.as_os_str().as_bytes());
        let reason = self.reason().map(|reason| [": ", &reason].concat()).unwrap_or_default();
        (self.lost > 0).then(|| format!("{path}: {} lines were lost{reason}", self.lost))
    }

    /// Writes the buffer, and counts in `written` how many of its bytes are in the file.
    fn write(&mut self, written: &mut usize) -> Result<(), PathError> {
        let file = match self.file.take() {
            Some(file) => file,
            None => append_to(&self.path)?,
        };
        let file = self.file.insert(file);
        // Not sys::write_all, which would block on a pipe that nobody reads.
        let once =
            |bytes: &[u8]| match rustix::io::retry_on_intr(|| rustix::io::write(&*file, bytes)) {
                Ok(0) => Err(Errno::IO),
                result => result,
            };
        if self.is_torn {
            once(b"\n")?;
            self.is_torn = false;
        }
        while let rest @ [_, ..] = self.buffer.get(*written..).unwrap_or_default() {
            *written += once(rest)?;
        }
        Ok(())
    }

    /// Reopens the file after another program has renamed it.
    pub(super) fn reopen(&mut self, clock: Duration) {
        self.flush(clock);
        let before = self.file.take();
        self.file = append_to(&self.path).ok();
        // Another file does not end in the middle of a line.
        self.is_torn &= !sys::are_other_files(&before, &self.file);
        // If this fails, the next write tries again and counts the loss.
        self.retry = None;
        self.has_failed = false;
    }
}
