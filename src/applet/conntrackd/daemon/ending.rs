//! From the start to the end: what the daemon still knows then goes to the collector.

use std::time::Duration;

use super::super::log::Log;
use super::Daemon;
use crate::error::Error;
use crate::flow::ipfix::Exporter;
use crate::frame::Report;

/// How long the last comparison may take.
const GRACE: Duration = Duration::from_secs(5);

impl Daemon {
    /// Works until it is told to stop, and says what went wrong.
    pub(super) fn serve_until_told(&mut self, report: &mut Report) -> Result<(), Error> {
        while !self.is_stopping {
            self.turn()?;
            report.foreign();
            // A turn ends with a write.
            if let Some(failure) = self.ledger.log.as_mut().and_then(Log::failure) {
                report.say(&failure);
            }
            let exporter = self.ledger.exporter.as_mut();
            if let Some(failure) = exporter.and_then(|one| one.failure(self.now.clock)) {
                report.say(&failure);
            }
        }
        Ok(())
    }

    /// Writes and exports what is left, whatever ended the work.
    pub(super) fn end(
        &mut self,
        ended: Result<(), Error>,
        report: &mut Report,
    ) -> Result<(), Error> {
        self.notify.tell("STOPPING=1");
        let ended = ended.and_then(|()| self.look_once_more());
        self.ledger.stop(self.now);
        // No reason for another status: a service manager would take it for a crash and, with Restart=on-failure,
        // start again what somebody has stopped.
        if let Some(lost) = self.ledger.log.as_mut().and_then(|log| log.finish(self.now.clock)) {
            report.say(&lost);
        }
        if let Some(lost) = self.ledger.exporter.as_mut().and_then(Exporter::finish) {
            report.say(&["--ipfix: ", &lost].concat());
        }
        ended
    }

    /// Compares once more if flows are exported that go on: events do not have their counters. If that takes too long,
    /// those of the last comparison count.
    fn look_once_more(&mut self) -> Result<(), Error> {
        let is_active = self.ledger.exporter.as_ref().is_some_and(Exporter::is_active);
        if !is_active || !self.is_loaded() {
            return Ok(());
        }
        let number = self.reconciler.ask(self.now.clock);
        let end = self.now.clock.saturating_add(GRACE);
        while !self.reconciler.has_done(number) && self.now.clock < end {
            self.turn()?;
        }
        Ok(())
    }
}
