//! When to compare the flows with the kernel's table, and how that went: now and then, and after every loss.

use std::time::Duration;

use super::statistics::Numbers;
use crate::source::netlink::{Dumped, Failure};

/// When a comparison that failed is tried again.
const PATIENCE: Duration = Duration::from_secs(1);

/// The comparisons, of which one may go on.
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
    /// Compares at once, and every `period` from then on.
    #[must_use]
    pub fn new(period: Duration) -> Reconciler {
        Reconciler { period, ..Reconciler::default() }
    }

    /// When the next one begins, if none goes on.
    #[must_use]
    pub fn due(&self) -> Duration {
        self.due
    }

    /// How many have been read to their end.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.completed
    }

    /// Why there is none that was read to its end, if that has been tried a few times.
    #[must_use]
    pub fn hopeless(&mut self) -> Option<Failure> {
        const TRIES: u64 = 3;
        self.failure.take_if(|_| self.completed == 0 && self.failed >= TRIES)
    }

    /// Begins the next one at `moment`, if not before.
    pub fn hurry(&mut self, moment: Duration) {
        self.due = self.due.min(moment);
    }

    /// Begins one as soon as may be, and gives its number.
    pub fn ask(&mut self, clock: Duration) -> u64 {
        self.asked += 1;
        self.hurry(clock);
        // One that goes on began before it was asked for.
        self.begun + 1
    }

    /// One begins.
    pub fn begin(&mut self, clock: Duration) {
        self.begun += 1;
        // What comes to be due meanwhile is due when this has ended.
        self.due = clock.saturating_add(self.period);
    }

    /// The one that goes on has ended: its number, if it found all that there was to find.
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

    /// Fills in how it went.
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
