//! Comparing the flows with the kernel's table, now and then, and after every loss: what events did not
//! tell is found so.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::ledger::{Ledger, Now};
use super::statistics::Numbers;
use crate::source::flows::live_dump::{Dump, Progress};
use crate::source::netlink::Failure;

/// Datagrams of the dump that are read in one turn of the loop: some 800 flows.
const DATAGRAMS_A_TURN: usize = 8;
/// Turns of the loop in which what waited when the dump ended must be read.
const TURNS_BEHIND: u32 = 1024;
/// When a dump that failed is tried again.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where a comparison stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is none.
    Rest,
    /// The dump is read.
    Dumping,
    /// The events that came before the dump's end are read, for at most so many turns.
    Draining(u32),
}

/// Compares, every so often.
#[derive(Debug)]
pub struct Reconciler {
    dump: Dump,
    phase: Phase,
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
    ///
    /// # Errors
    /// The system's.
    pub fn new(period: Duration) -> Result<Reconciler, Failure> {
        let (due, last) = (Duration::ZERO, Duration::ZERO);
        let (begun, completed, failed, asked) = (0, 0, 0, 0);
        let (dump, phase, failure) = (Dump::open()?, Phase::Rest, None);
        Ok(Reconciler { dump, phase, period, due, begun, completed, failed, asked, last, failure })
    }

    /// When the next one begins, or now if one goes on.
    #[must_use]
    pub fn due(&self) -> Duration {
        if self.phase == Phase::Rest { self.due } else { Duration::MAX }
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

    /// Whether there is something to do although nothing is ready.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        matches!(self.phase, Phase::Draining(_))
    }

    /// The socket to wait for, if a dump is read.
    #[must_use]
    pub fn as_fd(&self) -> Option<BorrowedFd<'_>> {
        (self.phase == Phase::Dumping).then(|| self.dump.as_fd())
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

    /// Goes on; `is_idle` says that no event waits. The number of the comparison is the result if it
    /// has ended.
    pub fn go_on(&mut self, ledger: &mut Ledger, is_idle: bool, now: Now) -> Option<u64> {
        match self.phase {
            Phase::Rest if now.clock >= self.due => {
                self.begun += 1;
                // What comes to be due meanwhile is due when this has ended.
                self.due = now.clock.saturating_add(self.period);
                match self.dump.start() {
                    Ok(()) => {
                        ledger.begin();
                        self.phase = Phase::Dumping;
                    }
                    Err(failure) => self.fail(failure, now),
                }
                None
            }
            Phase::Rest => None,
            Phase::Dumping => {
                self.read(ledger, now);
                None
            }
            Phase::Draining(turns) if !is_idle && turns > 0 => {
                self.phase = Phase::Draining(turns - 1);
                None
            }
            Phase::Draining(_) => {
                ledger.end(true, now);
                self.phase = Phase::Rest;
                self.completed += 1;
                self.last = now.clock;
                Some(self.begun)
            }
        }
    }

    fn read(&mut self, ledger: &mut Ledger, now: Now) {
        for _ in 0..DATAGRAMS_A_TURN {
            let next = self.dump.next(|flow| {
                ledger.dumped(flow, now);
                Ok(())
            });
            match next {
                Ok(Progress::Read) => {}
                Ok(Progress::Idle) => return,
                Ok(Progress::Done) => {
                    self.phase = Phase::Draining(TURNS_BEHIND);
                    return;
                }
                Err(failure) => {
                    ledger.end(false, now);
                    self.fail(failure, now);
                    return;
                }
            }
        }
    }

    fn fail(&mut self, failure: Failure, now: Now) {
        self.phase = Phase::Rest;
        self.failed += 1;
        self.failure = Some(failure);
        // What is left of the dump would stand before the next one.
        if let Ok(dump) = Dump::open() {
            self.dump = dump;
        }
        self.hurry(now.clock.saturating_add(PATIENCE));
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
