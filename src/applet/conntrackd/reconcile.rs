//! When to compare the flows with the kernel's table, regularly and after every loss, and how that went.

use std::time::Duration;

use super::statistics::Numbers;
use crate::source::netlink::{Dumped, Failure};

/// The delay after a comparison that failed.
const PATIENCE: Duration = Duration::from_secs(1);

/// The comparisons, at most one at a time.
#[derive(Debug, Default)]
pub struct Reconciler {
    period: Duration,
    due: Duration,
    begun: u64,
    completed: u64,
    failed: u64,
    asked: u64,
    last: Duration,
    /// Why the last one failed.
    failure: Option<Failure>,
}

impl Reconciler {
    /// Compares at once, and then every `period`.
    pub fn new(period: Duration) -> Reconciler {
        Reconciler { period, ..Reconciler::default() }
    }

    /// When the next comparison is due, if none is running.
    pub fn due(&self) -> Duration {
        self.due
    }

    /// How many comparisons were completed.
    pub fn completed(&self) -> u64 {
        self.completed
    }

    /// The last failure, if none was completed in several attempts.
    pub fn hopeless(&mut self) -> Option<Failure> {
        const TRIES: u64 = 3;
        self.failure.take_if(|_| self.completed == 0 && self.failed >= TRIES)
    }

    /// Makes the next comparison due at `moment`, unless it is due earlier.
    pub fn hurry(&mut self, moment: Duration) {
        self.due = self.due.min(moment);
    }

    /// Makes one due now, and returns its number.
    pub fn ask(&mut self, clock: Duration) -> u64 {
        self.asked += 1;
        self.hurry(clock);
        // A running one began before this request.
        self.begun + 1
    }

    /// Notes that one begins.
    pub fn begin(&mut self, clock: Duration) {
        self.begun += 1;
        // One that becomes due meanwhile begins when this one has ended.
        self.due = clock.saturating_add(self.period);
    }

    /// Notes that the running one has ended; returns its number if it was complete.
    pub fn end(&mut self, ended: Result<Dumped, Failure>, clock: Duration) -> Option<u64> {
        if let Ok(Dumped { is_interrupted: false }) = ended {
            (self.completed, self.last) = (self.completed + 1, clock);
            return Some(self.begun);
        }
        self.failed += 1;
        self.failure = ended.err();
        self.hurry(clock.saturating_add(PATIENCE));
        None
    }

    /// Fills in its numbers.
    pub fn tell(&self, numbers: &mut Numbers, clock: Duration) {
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
