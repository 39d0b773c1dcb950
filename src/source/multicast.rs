//! Messages that the kernel sends to groups of listeners, and exactly how many of them were lost
//! (net/netlink/af_netlink.c).

use std::time::Duration;

use rustix::io::Errno;

use super::netlink::{Messages, Subsystem, Wait};
use crate::error::Error;
use crate::sys::Netlink;
use crate::wire::netlink::Message;

/// What one call of [`Multicast::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A datagram, whose messages were given.
    Read,
    /// Nothing waits to be read.
    Idle,
    /// This many messages were lost since the last report, because the buffer was full. 0 if the kernel does not
    /// give the number: before Linux 4.12, or if it ran out of memory.
    Lost(u64),
}

/// A source of messages to groups; tests script one.
pub trait Stream: Messages {
    /// How many messages have been dropped so far, modulo 2^32.
    ///
    /// # Errors
    /// If the kernel does not count them.
    fn drops(&self) -> Result<u32, Errno>;
}

impl Stream for Netlink {
    fn drops(&self) -> Result<u32, Errno> {
        Netlink::drops(self)
    }
}

/// What a subsystem sends to the groups that a socket has joined.
#[derive(Debug)]
pub struct Multicast<S = Netlink> {
    pub(crate) stream: S,
    subsystem: Subsystem,
    pub lost: u64,
    /// How often the kernel reported that its buffer was full.
    pub overruns: u64,
    /// Datagrams that are longer than the kernel's own limit.
    pub oversized: u64,
    /// The drops that were reported.
    said: u32,
    /// Whether there was an overrun some of whose losses may not be reported yet.
    is_overrun: bool,
    /// Whether nothing has been reported yet about an overrun.
    is_unsaid: bool,
    /// Whether the drops were just read, including those of an overrun that the kernel has not reported yet.
    is_counted: bool,
}

impl<S: Stream> Multicast<S> {
    /// The messages of a stream that has already joined its groups.
    pub fn of(subsystem: Subsystem, stream: S) -> Multicast<S> {
        let said = stream.drops().unwrap_or_default();
        Multicast {
            stream,
            subsystem,
            lost: 0,
            overruns: 0,
            oversized: 0,
            said,
            is_overrun: false,
            is_unsaid: false,
            is_counted: false,
        }
    }

    /// Reads one datagram if one is waiting, and calls `each` with its messages; `None` is one that the datagram
    /// cuts short.
    ///
    /// The kernel reports an overrun only once, and continues to drop messages until everything that waits has
    /// been read. So a loss is reported when nothing is waiting any more, or when the next overrun comes: then
    /// the counter includes all of it, and messages given plus messages reported as lost equal those sent.
    ///
    /// # Errors
    /// The system's, except for losses, and those of `each`.
    pub fn next(
        &mut self,
        each: &mut dyn FnMut(Option<Message<'_>>) -> Result<(), Error>,
    ) -> Result<Step, Error> {
        let was_counted = std::mem::take(&mut self.is_counted);
        match self.stream.walk(Wait::No, each) {
            Ok(delivered) => delivered.map(|()| Step::Read),
            Err(Errno::AGAIN) => Ok(self.at_rest()),
            Err(Errno::NOBUFS) => {
                self.overruns = self.overruns.saturating_add(1);
                let was_overrun = std::mem::replace(&mut self.is_overrun, true);
                let lost = if was_overrun { self.newly_lost() } else { 0 };
                self.is_unsaid = (self.is_unsaid || !was_counted) && lost == 0;
                Ok(if lost > 0 { Step::Lost(lost) } else { Step::Read })
            }
            Err(Errno::INTR) => Ok(Step::Read),
            Err(Errno::MSGSIZE) => {
                self.oversized = self.oversized.saturating_add(1);
                Ok(Step::Read)
            }
            Err(errno) => Err(self.subsystem.refused(errno).into()),
        }
    }

    /// What to report when nothing is waiting: a loss, if there was one. A loss whose size the kernel does not
    /// give is reported once.
    fn at_rest(&mut self) -> Step {
        if !std::mem::take(&mut self.is_overrun) {
            return Step::Idle;
        }
        let lost = self.newly_lost();
        self.is_counted = lost > 0;
        let is_unsaid = std::mem::take(&mut self.is_unsaid);
        if lost > 0 || is_unsaid { Step::Lost(lost) } else { Step::Idle }
    }

    /// How many messages were lost and not reported yet: for the end, when nothing more is read.
    pub fn newly_lost(&mut self) -> u64 {
        let drops = self.stream.drops().unwrap_or(self.said);
        // The counter has 32 bits and wraps.
        let lost = drops.wrapping_sub(std::mem::replace(&mut self.said, drops)).into();
        self.lost = self.lost.saturating_add(lost);
        lost
    }
}

/// When a reader of messages naps to let them gather: a wakeup for each message costs several times what reading
/// it costs, and costs the sending kernel as well.
#[derive(Debug, Default)]
pub struct Pace {
    woken: Duration,
}

impl Pace {
    pub const NAP: Duration = Duration::from_millis(2);
    /// With a smaller receive buffer than this, a nap might itself cause a loss.
    pub const BUFFER_BYTES: usize = 1024 * 1024;
    /// If messages follow each other faster than this, a nap pays.
    const BUSY: Duration = Duration::from_micros(500);

    /// Notes that messages woke the reader at `now`.
    pub fn wakes(&mut self, now: Duration) {
        self.woken = now;
    }

    /// Whether the reader, which has read everything at `now`, should nap before it waits.
    pub fn wants_nap(&self, now: Duration) -> bool {
        now.saturating_sub(self.woken) < Pace::BUSY
    }
}
