//! A collector that may be away: messages wait for it, and what does not fit is counted.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;

use super::outage::Outage;
use crate::sys::collector::{self, Transport};
use crate::wire::ipfix::{Counts, Message, Unsent, stamp};

/// How many bytes of messages wait at most.
pub(super) const MOST_BYTES: usize = 16 << 20;
/// How often templates and counts are sent.
const REPEAT: Duration = Duration::from_secs(60);
/// How long to wait for a collector after a failure: the first time, and at most.
const PATIENCE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(30)];
/// How long a connection may take; and how long no refusal must come after a datagram, until it is believed that
/// somebody listens.
const CONNECTING: Duration = Duration::from_secs(10);
const LISTENING: Duration = Duration::from_secs(1);
/// How long before a refusal the datagrams were sent that nobody took.
const REFUSAL: Duration = Duration::from_millis(100);
/// How many messages are sent in one go, and how long the pause is until the next ones: collectors leave their sockets
/// the kernel's buffer (208 KiB), and a datagram takes 2304 bytes there.
const A_BURST: usize = 64;
const PAUSE: Duration = Duration::from_millis(5);
/// The observation domain of the counts has this bit, which no domain of flows has: nfcapd does not count options
/// records, and takes each for a loss.
pub(super) const OF_COUNTS: u32 = 1 << 31;

#[derive(Debug)]
struct Waiting {
    bytes: Vec<u8>,
    /// How many of them are sent: part of a message only with TCP.
    sent: usize,
    holds: Unsent,
    is_of_flows: bool,
}

impl Waiting {
    fn memory(&self) -> usize {
        self.bytes.capacity() + size_of::<Waiting>()
    }
}

#[derive(Debug)]
enum State {
    /// Not connected.
    Away,
    /// It is not known yet whether somebody is there.
    Trying(OwnedFd),
    Open(OwnedFd),
}

/// What was sent, and what was not.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sent {
    pub messages: u64,
    /// Data records of flows.
    pub records: u64,
    pub octets: u64,
    /// What did not fit into the queue, or is known not to have arrived.
    pub unsent: Unsent,
    /// How often the collector was lost, or could not be reached.
    pub failures: u64,
}

#[derive(Debug)]
pub(super) struct Collector {
    pub(super) address: SocketAddr,
    pub(super) transport: Transport,
    domain: u32,
    has_marks: bool,
    state: State,
    /// When [`State::Away`] tries again, or [`State::Trying`] is decided.
    due: Duration,
    patience: Duration,
    /// The message that is being sent.
    current: Option<Waiting>,
    queue: VecDeque<Waiting>,
    queued_bytes: usize,
    needs_templates: bool,
    needs_counts: bool,
    next_repeat: Duration,
    /// When the current burst began, and how many messages it has.
    burst_at: Duration,
    burst: usize,
    /// How many data records were sent, of flows and of counts.
    sequences: [u32; 2],
    /// The bytes of this connection.
    sent_bytes: u64,
    /// The messages of which nobody knows yet whether they have arrived. With TCP: where in the bytes each ends; with
    /// UDP: when it was sent, in nanoseconds.
    in_flight: VecDeque<(u64, Unsent)>,
    pub sent: Sent,
    pub outage: Outage,
    pub events_lost: u64,
}

impl Collector {
    pub(super) fn new(
        address: SocketAddr,
        transport: Transport,
        domain: u32,
        has_marks: bool,
    ) -> Collector {
        Collector {
            address,
            transport,
            domain,
            has_marks,
            state: State::Away,
            due: Duration::ZERO,
            patience: PATIENCE[0],
            current: None,
            queue: VecDeque::new(),
            queued_bytes: 0,
            needs_templates: false,
            needs_counts: false,
            next_repeat: Duration::ZERO,
            burst_at: Duration::ZERO,
            burst: 0,
            sequences: [0; 2],
            sent_bytes: 0,
            in_flight: VecDeque::new(),
            sent: Sent::default(),
            outage: Outage::default(),
            events_lost: 0,
        }
    }

    /// The socket to wait for, and whether it can be written to only later.
    pub(super) fn fd(&self) -> Option<(BorrowedFd<'_>, bool)> {
        match &self.state {
            State::Away => None,
            State::Trying(fd) => Some((fd.as_fd(), self.transport == Transport::Tcp)),
            State::Open(fd) => Some((fd.as_fd(), self.has_waiting() && self.burst < A_BURST)),
        }
    }

    /// When the next burst may begin, if messages wait for it.
    pub(super) fn due(&self) -> Option<Duration> {
        let is_paused = self.burst >= A_BURST && self.has_waiting() && self.is_open();
        is_paused.then(|| self.burst_at.saturating_add(PAUSE))
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// The data records that wait.
    pub(super) fn waiting(&self) -> u64 {
        let all = self.queue.iter().chain(&self.current);
        all.map(|waiting| waiting.holds.records).sum()
    }

    pub(super) fn has_waiting(&self) -> bool {
        self.current.is_some() || !self.queue.is_empty()
    }

    /// Takes a message of flows, or counts it as not sent.
    pub(super) fn take(&mut self, message: &mut Message) {
        let holds = message.holds;
        let mut bytes = message.seal(self.domain);
        if !self.is_open() {
            bytes.shrink_to_fit();
        }
        let waiting = Waiting { bytes, sent: 0, holds, is_of_flows: true };
        if self.queued_bytes + waiting.memory() > MOST_BYTES {
            return self.sent.unsent.add(holds);
        }
        self.queued_bytes += waiting.memory();
        self.queue.push_back(waiting);
    }

    /// The records under way of which nobody knows yet whether they have arrived.
    pub(super) fn unconfirmed(&self) -> u64 {
        self.in_flight.iter().map(|(_, holds)| holds.records).sum()
    }

    /// Counts everything that waits as not sent, and what a peer of TCP has not acknowledged.
    pub(super) fn give_up(&mut self) {
        let waiting = self.queue.drain(..).chain(self.current.take()).map(|waiting| waiting.holds);
        let is_tcp = self.transport == Transport::Tcp;
        let under_way = self.in_flight.drain(..).filter(|_| is_tcp).map(|(_, holds)| holds);
        waiting.chain(under_way).for_each(|holds| self.sent.unsent.add(holds));
        self.queued_bytes = 0;
    }

    /// Continues: connects, sends what waits, notices that the collector is gone.
    pub(super) fn turn(&mut self, clock: Duration, unix_seconds: u32) {
        if matches!(self.state, State::Away) && clock >= self.due {
            self.connect(clock, unix_seconds);
        }
        self.look(clock);
        if clock >= self.next_repeat {
            // Over TCP, a collector keeps the templates.
            self.needs_templates |= self.transport == Transport::Udp;
            self.needs_counts = true;
            self.next_repeat = clock.saturating_add(REPEAT);
        }
        if clock >= self.burst_at.saturating_add(PAUSE) {
            (self.burst_at, self.burst) = (clock, 0);
        }
        while self.burst < A_BURST && self.is_open() && self.send_next(clock, unix_seconds) {
            self.burst += 1;
        }
    }

    fn connect(&mut self, clock: Duration, unix_seconds: u32) {
        match collector::open(self.address, self.transport) {
            Ok(fd) => {
                (self.needs_templates, self.needs_counts, self.sent_bytes) = (true, true, 0);
                // Nobody has refused a datagram yet.
                let is_open = self.transport == Transport::Udp && self.patience == PATIENCE[0];
                self.state = if is_open { State::Open(fd) } else { State::Trying(fd) };
                self.due = clock.saturating_add(CONNECTING);
                if self.transport == Transport::Tcp {
                    // A connection counts from 0 (RFC 7011, 3.1).
                    self.sequences = [0; 2];
                } else if !is_open {
                    self.probe(clock, unix_seconds);
                }
            }
            Err(error) => self.fail(error, clock),
        }
    }

    /// Sends templates, which hold no flow, to see whether they are refused.
    fn probe(&mut self, clock: Duration, unix_seconds: u32) {
        let State::Trying(fd) = &self.state else { return };
        let mut bytes = self.templates();
        stamp(&mut bytes, unix_seconds, self.sequences[0]);
        match collector::send(fd, &bytes) {
            Ok(_) => self.due = clock.saturating_add(LISTENING),
            Err(error) => self.fail(error, clock),
        }
    }

    fn templates(&self) -> Vec<u8> {
        let mut message = Message::new(self.has_marks);
        message.add_templates();
        message.seal(self.domain)
    }

    /// Looks whether the connection is made, or broken.
    fn look(&mut self, clock: Duration) {
        if self.transport == Transport::Udp {
            self.forget_before(clock);
        }
        let (State::Trying(fd) | State::Open(fd)) = &self.state else { return };
        let is_due = clock >= self.due;
        let state = collector::check(fd, self.transport);
        let is_trying = matches!(self.state, State::Trying(_));
        let (state, is_connected) = match self.transport {
            Transport::Udp => (state, is_due),
            Transport::Tcp => match collector::progress(fd) {
                Ok(progress) => {
                    let acked = progress.acknowledged_bytes;
                    let done = self.in_flight.partition_point(|(end, _)| *end <= acked);
                    self.in_flight.drain(..done);
                    let is_late = is_due && !progress.is_connected;
                    let state = state.and(if is_late { Err(Errno::TIMEDOUT) } else { Ok(()) });
                    (state, progress.is_connected)
                }
                Err(error) => (Err(error), false),
            },
        };
        if let Err(error) = state {
            self.fail(error, clock);
        } else if is_trying && is_connected {
            self.patience = PATIENCE[0];
            self.outage.end();
            if let State::Trying(fd) = std::mem::replace(&mut self.state, State::Away) {
                self.state = State::Open(fd);
            }
        }
    }

    /// Sends the next message, or the rest of the current one; `false` if there is none, or it must wait.
    fn send_next(&mut self, clock: Duration, unix_seconds: u32) -> bool {
        if self.current.is_none() {
            self.current = self.next(unix_seconds);
        }
        let (Some(current), State::Open(fd)) = (&mut self.current, &self.state) else {
            return false;
        };
        match collector::send(fd, current.bytes.get(current.sent..).unwrap_or_default()) {
            Ok(count) => current.sent += count,
            Err(Errno::AGAIN | Errno::NOBUFS | Errno::NOMEM) => return false,
            Err(error) => {
                self.fail(error, clock);
                return false;
            }
        }
        if current.sent < current.bytes.len() {
            return false;
        }
        if let Some(done) = self.current.take() {
            self.is_sent(&done, clock);
        }
        true
    }

    /// The next message, stamped: templates come first, then flows, then counts.
    fn next(&mut self, unix_seconds: u32) -> Option<Waiting> {
        let (bytes, holds, is_of_flows) = if std::mem::take(&mut self.needs_templates) {
            (self.templates(), Unsent::default(), true)
        } else if let Some(waiting) = self.queue.pop_front() {
            self.queued_bytes -= waiting.memory();
            (waiting.bytes, waiting.holds, waiting.is_of_flows)
        } else if std::mem::take(&mut self.needs_counts) {
            let mut message = Message::new(false);
            message.add_counts(&self.counts());
            (message.seal(self.domain | OF_COUNTS), Unsent::default(), false)
        } else {
            return None;
        };
        let mut bytes = bytes;
        let [of_flows, of_counts] = self.sequences;
        stamp(&mut bytes, unix_seconds, if is_of_flows { of_flows } else { of_counts });
        Some(Waiting { bytes, sent: 0, holds, is_of_flows })
    }

    fn is_sent(&mut self, done: &Waiting, clock: Duration) {
        let Sent { messages, records, octets, .. } = &mut self.sent;
        *messages = messages.saturating_add(1);
        *records = records.saturating_add(done.holds.records);
        *octets = octets.saturating_add(done.bytes.len() as u64);
        let place = usize::from(!done.is_of_flows);
        let count = if done.is_of_flows { done.holds.records as u32 } else { 1 };
        self.sequences[place] = self.sequences[place].wrapping_add(count);
        self.sent_bytes = self.sent_bytes.saturating_add(done.bytes.len() as u64);
        let mark = match self.transport {
            Transport::Tcp => self.sent_bytes,
            Transport::Udp => {
                self.forget_before(clock);
                nanoseconds(clock)
            }
        };
        self.in_flight.push_back((mark, done.holds));
    }

    /// Forgets the datagrams that were not refused.
    fn forget_before(&mut self, clock: Duration) {
        let oldest = nanoseconds(clock.saturating_sub(REFUSAL));
        let done = self.in_flight.partition_point(|(mark, _)| *mark < oldest);
        self.in_flight.drain(..done);
    }

    /// Gives the connection up, and tries again later. What was under way is lost: that of TCP if it was not
    /// acknowledged, the last datagrams if one was refused.
    fn fail(&mut self, error: Errno, clock: Duration) {
        self.outage.begin(error);
        let was_open = matches!(self.state, State::Open(_));
        self.state = State::Away;
        self.sent.failures = self.sent.failures.saturating_add(1);
        if self.transport == Transport::Udp {
            self.forget_before(clock);
        }
        self.in_flight.drain(..).for_each(|(_, holds)| self.sent.unsent.add(holds));
        // A message that was sent in part is sent again, as a whole.
        if let Some(mut current) = self.current.take().filter(|current| current.holds.records > 0) {
            current.sent = 0;
            self.queued_bytes += current.memory();
            self.queue.push_front(current);
        }
        self.due = clock.saturating_add(self.patience);
        let doubled = self.patience * 2;
        self.patience = if was_open { PATIENCE[0] * 2 } else { doubled.min(PATIENCE[1]) };
    }

    #[cfg(test)]
    pub(super) fn queue_bytes(&self) -> usize {
        self.queued_bytes
    }

    /// What the exporter says about itself.
    fn counts(&self) -> Counts {
        let Sent { messages, records, octets, unsent, .. } = self.sent;
        let process = rustix::process::getpid().as_raw_nonzero().get().unsigned_abs();
        let events_lost = self.events_lost;
        Counts { domain: self.domain, process, messages, records, octets, unsent, events_lost }
    }

    /// Asks for the counts once more, before the end.
    pub(super) fn conclude(&mut self) {
        self.needs_counts = true;
    }
}

fn nanoseconds(clock: Duration) -> u64 {
    u64::try_from(clock.as_nanos()).unwrap_or(u64::MAX)
}
