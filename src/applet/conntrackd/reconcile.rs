//! When to compare the flows with the kernel's table, regularly and after every loss, and how that went.

use std::time::Duration;

use super::statistics::Numbers;
use crate::source::netlink::{Dumped, Failure};

/// The delay after a comparison that failed.
const PATIENCE: Duration = Duration::from_secs(1);

/// The comparisons, at most one at a time.
#[derive(Debug, Default)]
pub(super) struct Reconciler {
    period: Duration,
    due: Duration,
    begun: u64,
    completed: u64,
    /// The number of the last one that was complete.
    done: u64,
    failed: u64,
    asked: u64,
    last: Duration,
    /// Why the last one failed.
    failure: Option<Failure>,
}

impl Reconciler {
    /// Compares at once, and then every `period`.
    pub(super) fn new(period: Duration) -> Reconciler {
        Reconciler { period, ..Reconciler::default() }
    }

    /// When the next comparison is due, if none is running.
    pub(super) fn due(&self) -> Duration {
        self.due
    }

    /// How many comparisons were completed.
    pub(super) fn completed(&self) -> u64 {
        self.completed
    }

    /// Whether this one, or a later one, was complete.
    pub(super) fn has_done(&self, number: u64) -> bool {
        self.done >= number
    }

    /// The last failure, if none was completed in several attempts.
    pub(super) fn hopeless(&mut self) -> Option<Failure> {
        const TRIES: u64 = 3;
        self.failure.take_if(|_| self.completed == 0 && self.failed >= TRIES)
    }

    /// Makes the next comparison due at `moment`, unless it is due earlier.
    pub(super) fn hurry(&mut self, moment: Duration) {
        self.due = self.due.min(moment);
    }

    /// Makes one due now, and returns its number.
    pub(super) fn ask(&mut self, clock: Duration) -> u64 {
        self.asked += 1;
        self.hurry(clock);
        // A running one began before this request.
        self.begun + 1
    }

    pub(super) fn begin(&mut self, clock: Duration) {
        self.begun += 1;
        // One that becomes due meanwhile begins when this one has ended.
        self.due = clock.saturating_add(self.period);
    }

    /// Notes that the running one has ended; returns its number if it was complete.
    pub(super) fn end(&mut self, ended: Result<Dumped, Failure>, clock: Duration) -> Option<u64> {
        if let Ok(Dumped { is_interrupted: false, .. }) = ended {
            (self.completed, self.last) = (self.completed + 1, clock);
            self.done = self.begun;
            return Some(self.begun);
        }
        self.failed += 1;
        self.failure = ended.err();
        self.hurry(clock.saturating_add(PATIENCE));
        None
    }

    /// Fills in its numbers.
    pub(super) fn tell(&self, numbers: &mut Numbers, clock: Duration) {
        let age = clock.saturating_sub(self.last).as_secs();
        let resync = [
            ("done", self.completed),
            ("failed", self.failed),
            ("asked", self.asked),
            ("age_seconds", age),
        ];
        numbers.set_all("resync", &resync);
    }
}
