//! The log of flows that have ended: a full disk stops the log and never the daemon.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use rustix::io::Errno;

use super::log_rows::{Form, Lines};
use crate::error::Error;
use crate::flow;
use crate::model::Flow;
use crate::source::flows::labels::Labels;
use crate::sys::daemon::append_to;

/// Lines are collected up to this size, for at most one turn of the loop.
const WRITE_BYTES: usize = 32 * 1024;
/// How long to wait after a failed write.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    /// Writes the lines, if they are rows.
    rows: Option<Lines>,
    file: Option<OwnedFd>,
    buffer: Vec<u8>,
    waiting: u64,
    /// Whether the file ends in the middle of a line.
    is_torn: bool,
    /// When to try again after a failure.
    retry: Option<Duration>,
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
    pub fn open(path: PathBuf, form: Form, labels: Labels) -> Result<Log, Error> {
        let file = append_to(&path);
        let file = file.map_err(|error| Error::system(path.as_os_str().as_bytes(), error))?;
        Ok(Log {
            path,
            rows: Lines::of(form, labels),
            file: Some(file),
            buffer: Vec::with_capacity(WRITE_BYTES + 1024),
            waiting: 0,
            is_torn: false,
            retry: None,
            lines: 0,
            lost: 0,
        })
    }

    /// Whether the last write failed.
    pub fn is_failing(&self) -> bool {
        self.retry.is_some()
    }

    /// Adds a flow that ended at `unix_seconds`, in its last state.
    pub fn ended(&mut self, ended: &Flow<'_>, unix_seconds: u64, clock: Duration) {
        if self.retry.is_some_and(|retry| clock < retry) {
            self.lost = self.lost.saturating_add(1);
            return;
        }
        self.waiting += 1;
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
        if self.buffer.len() >= WRITE_BYTES {
            self.flush(clock);
        }
    }

    /// Writes the collected lines. If that fails they are lost, and a later line tries again.
    pub fn flush(&mut self, clock: Duration) {
        if self.waiting == 0 {
            return;
        }
        let waiting = std::mem::take(&mut self.waiting);
        match self.write() {
            Ok(()) => {
                self.lines = self.lines.saturating_add(waiting);
                self.retry = None;
            }
            Err(_) => {
                self.lost = self.lost.saturating_add(waiting);
                self.retry = Some(clock.saturating_add(PATIENCE));
            }
        }
        self.buffer.clear();
    }

    fn write(&mut self) -> Result<(), Errno> {
        let file = match self.file.take() {
            Some(file) => file,
            None => append_to(&self.path)?,
        };
        if std::mem::take(&mut self.is_torn) {
            self.buffer.insert(0, b'\n');
        }
        let file = self.file.insert(file);
        let mut rest = self.buffer.as_slice();
        while !rest.is_empty() {
            // Not sys::write_all, which would block on a pipe that nobody reads.
            match rustix::io::retry_on_intr(|| rustix::io::write(&*file, rest)) {
                Ok(0) => return Err(Errno::IO),
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) => {
                    let written = self.buffer.len() - rest.len();
                    self.is_torn = written > 0 && !self.buffer[..written].ends_with(b"\n");
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Reopens the file after another program has renamed it.
    pub fn reopen(&mut self, clock: Duration) {
        self.flush(clock);
        self.file = append_to(&self.path).ok();
        self.is_torn = false;
        // If this fails, the next write tries again and counts the loss.
        self.retry = None;
    }
}
