//! What the daemon waits for, and how events gather meanwhile.

use std::os::fd::AsFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;

use super::Daemon;
use crate::error::Error;
use crate::flow::ipfix::Exporter;
use crate::source::multicast::Pace;
use crate::sys;

/// What is ready, but for what is always tried: signals, events, the dump and the collector.
pub(super) struct Ready {
    is_any: bool,
    /// Whether a client waits to be accepted.
    pub is_listener: bool,
    /// The clients, in their order.
    pub clients: Vec<bool>,
}

impl Daemon {
    /// Waits until something is ready, or until the next timed task, and lets events gather before.
    pub(super) fn wait(&mut self) -> Result<Ready, Error> {
        let is_calm = self.may_wait && !self.follower.is_dumping();
        if is_calm && self.may_nap && self.pace.wants_nap(sys::monotonic()) {
            // Nobody else waits for that.
            let ready = self.poll(self.patience().min(Pace::NAP), false)?;
            if ready.is_any {
                return Ok(ready);
            }
        }
        let ready = self.poll(self.patience(), true)?;
        self.pace.wakes(sys::monotonic());
        Ok(ready)
    }

    /// How long the next timed task can wait.
    fn patience(&self) -> Duration {
        if !self.may_wait {
            return Duration::ZERO;
        }
        let mut next = self.next_tick;
        if !self.follower.is_dumping() {
            next = next.min(self.reconciler.due());
        }
        if self.notify.watchdog.is_some() {
            next = next.min(self.next_watchdog);
        }
        if let Some(due) = self.ledger.exporter.as_ref().and_then(Exporter::due) {
            next = next.min(due);
        }
        next.saturating_sub(sys::monotonic())
    }

    /// What is ready within this time, events only if `has_events`.
    fn poll(&self, patience: Duration, has_events: bool) -> Result<Ready, Error> {
        let timeout = Timespec {
            tv_sec: i64::try_from(patience.as_secs()).unwrap_or(1),
            tv_nsec: patience.subsec_nanos().into(),
        };
        let listener = self.accepts().then(|| self.listener.as_fd());
        let own = [
            listener,
            Some(self.signals.as_fd()),
            has_events.then(|| self.follower.events.as_fd()),
            self.follower.dump(),
        ];
        let writes = |is_writing| if is_writing { PollFlags::OUT } else { PollFlags::empty() };
        let collector = self.ledger.exporter.as_ref().and_then(Exporter::fd);
        let own = own
            .into_iter()
            .flatten()
            .map(|fd| (fd, PollFlags::IN))
            .chain(collector.map(|(fd, is_writing)| (fd, PollFlags::IN | writes(is_writing))));
        let count = own.clone().count();
        let mut fds: Vec<PollFd<'_>> = own
            .chain(self.clients.wanted())
            .map(|(fd, wanted)| PollFd::from_borrowed_fd(fd, wanted))
            .collect();
        match rustix::event::poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(Error::system("poll", error)),
        }
        let is_ready = |fd: &PollFd<'_>| !fd.revents().is_empty();
        Ok(Ready {
            is_any: fds.iter().any(is_ready),
            is_listener: listener.is_some() && fds.first().is_some_and(is_ready),
            clients: fds.iter().skip(count).map(is_ready).collect(),
        })
    }
}
