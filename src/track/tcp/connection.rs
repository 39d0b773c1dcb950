//! One connection.

use std::time::Duration;

use super::counters::Counters;
use super::direction::Direction;
use super::end::End;
use super::pending::Pending;
use super::state::State;
use crate::model::{Endpoint, Segment, TcpFlags};

#[derive(Clone, Debug)]
pub struct Connection {
    /// A number that is unique in this tracker, also among earlier connections with the same ports.
    pub id: u64,
    /// The end that opened it, or is assumed to have.
    pub client: Endpoint,
    pub server: Endpoint,
    pub state: State,
    /// From client to server.
    pub tx: Direction,
    /// From server to client.
    pub rx: Direction,
    /// How often the SYN was sent again.
    pub syn_retries_total: u32,
    /// The zone of connection tracking: its flows in two zones may have the same ends.
    pub(super) zone: u16,
    /// The ID of its flow in connection tracking; 0 if it is of a socket.
    flow: u32,
    /// Whether another connection has taken its ports.
    pub(super) is_succeeded: bool,
    /// A SYN whose number is not that of this connection.
    pub(super) pending: Option<Box<Pending>>,
    /// Whether its counters come from another source; it ends when they are no longer given.
    pub(super) is_counted: bool,
    /// Whether counters told what was sent again.
    pub(super) has_retransmits: bool,
    /// Whether the current reading included its counters.
    is_read: bool,
    /// When it was last active, in nanoseconds; if that is not known, when it was first read.
    pub(super) seen_at: u64,
    /// Whether it is not known when it was last active: counters without an idle time have not changed since the
    /// first reading.
    is_undated: bool,
    /// The number of the current interval for speeds; with counters, the time of the last reading, in
    /// nanoseconds.
    pub(super) interval: u64,
    /// The bytes of the last ten intervals, for sliding speeds.
    pub(super) window: Option<Box<[[u64; 2]; 10]>>,
    /// The sockets of the client and of the server, of connections that are counted.
    pub(super) ends: Option<Box<[End; 2]>>,
    /// When a reading first included it, in nanoseconds; 0 if its beginning was not seen.
    pub(super) began_at: u64,
}

/// After this time, data in flight is not sent again: Linux waits at most 120 s before it retransmits
/// (TCP_RTO_MAX), and gives up silently.
const UNANSWERED_SECONDS: u64 = 150;
/// A connection that is silent for so long has ended: keepalive probes come after 7200 s of silence, nine
/// of them, 75 s apart (tcp(7)).
const SILENT_SECONDS: u64 = 8100;

impl Connection {
    pub(super) fn new(id: u64, client: Endpoint, server: Endpoint, state: State) -> Connection {
        Connection {
            id,
            client,
            server,
            state,
            tx: Direction::default(),
            rx: Direction::default(),
            syn_retries_total: 0,
            zone: 0,
            flow: 0,
            is_succeeded: false,
            pending: None,
            is_counted: false,
            has_retransmits: false,
            is_read: false,
            seen_at: 0,
            is_undated: false,
            interval: 0,
            window: None,
            ends: None,
            began_at: 0,
        }
    }

    /// When it was last active; if that is not known, when it was first read, before which it was active.
    pub fn last_seen(&self) -> Duration {
        Duration::from_nanos(self.seen_at)
    }

    /// Whether its counters are those of a flow of connection tracking.
    pub fn is_flow(&self) -> bool {
        self.flow != 0
    }

    /// How long it has been inactive, if that is known.
    pub fn idle(&self, now: Duration) -> Option<Duration> {
        (!self.is_undated).then(|| now.saturating_sub(self.last_seen()))
    }

    /// The round-trip time: the sum of both directions' shortest time from a byte to its acknowledgment. A
    /// capture in the middle of the path measures the two parts; at one end, one of them is almost zero.
    pub fn rtt(&self) -> Option<Duration> {
        let [tx, rx] = [self.tx.rtt_us, self.rx.rtt_us].map(u64::from);
        // Counters of an end cover the whole path.
        let both = if self.is_counted && tx != 0 { tx } else { tx + rx };
        (both != 0).then_some(Duration::from_micros(both))
    }

    /// All retransmits, in both directions, SYNs included, if they are known.
    pub fn retransmits_total(&self) -> Option<u64> {
        (self.has_retransmits || !self.is_counted).then(|| self.sent_again())
    }

    fn sent_again(&self) -> u64 {
        [self.tx.retransmits_total, self.rx.retransmits_total, self.syn_retries_total]
            .into_iter()
            .map(u64::from)
            .sum()
    }

    /// Whether a segment may hold nothing that was not captured before.
    #[inline]
    pub(super) fn may_have(&self, segment: &Segment) -> bool {
        let own = if segment.source == self.client { &self.tx } else { &self.rx };
        let syn = u32::from(segment.flags.has(TcpFlags::SYN));
        own.may_have(segment.sequence.wrapping_add(segment.payload_bytes).wrapping_add(syn))
    }

    /// Takes a segment, from the client or from the server.
    pub(super) fn segment(&mut self, now: u64, segment: &Segment, is_tx: bool) {
        let flags = segment.flags;
        if flags.has(TcpFlags::RST) {
            let own = if is_tx { &self.tx } else { &self.rx };
            if self.state < State::Closed && own.is_reset_by(segment.sequence) {
                (self.state, self.seen_at) = (State::Reset, self.seen_at.max(now));
            }
            return;
        }
        if self.state == State::SynAck && self.pending.is_some() {
            self.choose_answer(segment);
        }
        let (own, other) = match is_tx {
            true => (&mut self.tx, &mut self.rx),
            false => (&mut self.rx, &mut self.tx),
        };
        // Time goes back where two files are put together that hold the same segments: a copy is not sent again.
        let may_be_equal = own.has_copies || flags.has(TcpFlags::SYN);
        let is_copy = now < self.seen_at || now == self.seen_at && may_be_equal;
        let before = (own.retransmits_total, self.syn_retries_total);
        // Segments after the end do not keep it: if the connection continues, it is shown again.
        if self.state < State::Closed {
            self.seen_at = self.seen_at.max(now);
        }
        if self.state == State::SynSent && !is_tx && !flags.has(TcpFlags::SYN) {
            // The end of an older connection may answer like this (RFC 5961, 4); its numbers do not belong
            // here.
            if segment.payload_bytes == 0 {
                return;
            }
        }
        if flags.has(TcpFlags::ACK) {
            other.acknowledged(now, segment.acknowledgment);
        }
        let mut sequence = segment.sequence;
        if flags.has(TcpFlags::SYN) {
            let is_again = own.syn(now, sequence, segment.interface, flags.has(TcpFlags::ACK));
            let retries =
                if is_tx { &mut self.syn_retries_total } else { &mut own.retransmits_total };
            *retries = retries.saturating_add(is_again.into());
            sequence = sequence.wrapping_add(1);
        }
        if !flags.has(TcpFlags::SYN) || segment.payload_bytes > 0 {
            let is_fin = flags.has(TcpFlags::FIN);
            own.data(now, sequence, segment.payload_bytes, is_fin, segment.interface);
        }
        if is_copy {
            own.has_copies |= before != (own.retransmits_total, self.syn_retries_total);
            (own.retransmits_total, self.syn_retries_total) = before;
        }
        self.advance(flags, is_tx);
    }

    fn advance(&mut self, flags: TcpFlags, is_tx: bool) {
        let is_syn = flags.has(TcpFlags::SYN);
        self.state = match self.state {
            State::Closed | State::Reset => self.state,
            _ if self.tx.is_finished() && self.rx.is_finished() => State::Closed,
            _ if self.tx.has_fin() || self.rx.has_fin() => State::Closing,
            State::SynSent if !is_syn => State::Established,
            State::SynSent if !is_tx => State::SynAck,
            // In a simultaneous open, both ends send SYN|ACK.
            State::SynAck if !is_syn || is_tx && flags.has(TcpFlags::ACK) => State::Established,
            state => state,
        };
    }

    /// Updates the speeds up to the interval `interval`; `per_second` intervals make a second.
    #[inline]
    pub(super) fn settle(&mut self, interval: u64, interval_ns: u64) {
        let passed = interval.saturating_sub(self.interval);
        if passed > 0 && !self.is_counted {
            self.settle_after(passed, interval, interval_ns);
        }
    }

    #[inline(never)]
    fn settle_after(&mut self, passed: u64, interval: u64, interval_ns: u64) {
        for (which, direction) in [&mut self.tx, &mut self.rx].into_iter().enumerate() {
            let bytes = direction.bytes_total.saturating_sub(direction.mark);
            direction.mark = direction.bytes_total;
            direction.bytes_per_second = match &mut self.window {
                None if passed == 1 => per_second(bytes, interval_ns),
                None => 0,
                Some(window) => {
                    slide(window, which, self.interval, passed, bytes);
                    let sum = window.iter().map(|tenth| tenth[which]).sum();
                    per_second(sum, interval_ns.saturating_mul(10))
                }
            };
        }
        self.interval = interval;
    }

    /// Whether `counters` belong to a new connection on the same ports: they are of another socket or flow, or
    /// have decreased.
    pub(super) fn is_replaced_by_counters(&self, counters: &Counters, is_tx: bool) -> bool {
        // Counters of both ends are not of the same moment, but cookies never lie.
        if let (Some(ends), 1..) = (&self.ends, counters.cookie) {
            return ![0, counters.cookie].contains(&ends[usize::from(!is_tx)].sure_cookie());
        }
        let (own, other) = if is_tx { (&self.tx, &self.rx) } else { (&self.rx, &self.tx) };
        let has_fallen =
            |now: Option<u64>, then: &Direction| now.is_some_and(|now| now < then.bytes_total);
        let sent = has_fallen(counters.sent_bytes_total, own);
        let received = has_fallen(counters.received_bytes_total, other);
        if let Some(id) = counters.flow {
            // One flow has both counters. A new one may have the old one's ID, made of the same memory.
            return !self.is_read && (sent || received || id != self.flow);
        }
        // For a connection within the machine, both ends are read, but not at the same time.
        sent && received
            || self.state >= State::Closed && counters.state < State::Closed && (sent || received)
    }

    /// Takes counters of the client's end, or of the server's.
    pub(super) fn take_counters(&mut self, now: u64, counters: &Counters, is_tx: bool) {
        let before = self.signs();
        let (own, other) = match is_tx {
            true => (&mut self.tx, &mut self.rx),
            false => (&mut self.rx, &mut self.tx),
        };
        // A socket that is not open yet has moved nothing, and does not tell what it moves later.
        let is_empty = counters.flow.is_none() && counters.state < State::Established;
        let is_first = !self.is_counted || before.0 < State::Established;
        let (sent, received) = (counters.sent_bytes_total, counters.received_bytes_total);
        for (direction, bytes) in [(&mut *own, sent), (&mut *other, received)] {
            direction.bytes_total = direction.bytes_total.max(bytes.unwrap_or_default());
            direction.is_untold = bytes.is_none() && !is_empty && (direction.is_untold || is_first);
        }
        own.retransmits_total = counters.retransmits_total.unwrap_or(own.retransmits_total);
        self.has_retransmits |= counters.retransmits_total.is_some();
        let rtt = counters.rtt.map(|rtt| u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX));
        own.rtt_us = rtt.unwrap_or(own.rtt_us);
        self.state = if self.is_read { self.state.max(counters.state) } else { counters.state };
        if !self.is_counted {
            (self.tx.mark, self.rx.mark) = (self.tx.bytes_total, self.rx.bytes_total);
            self.interval = now;
        }
        // Where this is the first reading, the other end of the connection may have other numbers.
        let has_changed = self.is_counted && self.interval < now && before != self.signs();
        let active_at = match counters.idle {
            Some(idle) if self.state == before.0 || !has_changed => {
                Some(now.saturating_sub(u64::try_from(idle.as_nanos()).unwrap_or(u64::MAX)).max(1))
            }
            _ => has_changed.then_some(now),
        };
        match active_at {
            Some(active_at) => self.is_active_at(active_at),
            None if !self.is_counted => (self.seen_at, self.is_undated) = (now, true),
            None => {}
        }
        (self.is_counted, self.is_read) = (true, true);
        self.flow = counters.flow.unwrap_or_default();
        if counters.cookie != 0 {
            let is_alone = self.end_of(!is_tx).last.is_none();
            let end = self.end_of(is_tx);
            end.is_guess = !is_alone && (end.is_guess || end.cookie == 0);
            (end.cookie, end.cgroup) = (counters.cookie, counters.cgroup);
            end.was_open |= counters.state > State::SynSent;
        }
    }

    /// What changes when it is active.
    fn signs(&self) -> (State, u64, u64, u64) {
        (self.state, self.tx.bytes_total, self.rx.bytes_total, self.sent_again())
    }

    /// Notes that it has begun since the last reading, which was not long before `now`, in nanoseconds.
    pub(super) fn has_begun(&mut self, now: u64) {
        if self.is_undated {
            self.is_active_at(now);
        }
    }

    /// Notes that it was active at this time, in nanoseconds.
    pub(super) fn is_active_at(&mut self, active_at: u64) {
        // The time of the first reading is later than the activity before it.
        self.seen_at = if self.is_undated { active_at } else { self.seen_at.max(active_at) };
        self.is_undated = false;
    }

    /// Ends a reading of counters: updates the speeds, and closes connections that were not in it.
    pub(super) fn end_reading(&mut self, now: u64) {
        let elapsed = now.saturating_sub(self.interval);
        for direction in [&mut self.tx, &mut self.rx] {
            // The last counters may be one less than those before: a FIN is told from payload late.
            let bytes = direction.bytes_total.saturating_sub(direction.mark);
            direction.mark = direction.bytes_total;
            direction.bytes_per_second = per_second(bytes, elapsed);
        }
        self.interval = now;
        let was_read = std::mem::take(&mut self.is_read);
        if let Some(ends) = &mut self.ends {
            ends.iter_mut().for_each(|end| end.is_overdue = end.is_ended && !was_read);
        }
        if !was_read && self.state < State::Closed {
            self.state = State::Closed;
            self.is_active_at(now);
        }
    }

    /// Whether only empty segments of one end were seen: the last segments of a connection that was already
    /// removed look like this.
    fn is_doubtful(&self) -> bool {
        let is_empty = self.tx.bytes_total == 0 && self.rx.bytes_total == 0;
        is_empty && !(self.tx.is_seen() && self.rx.is_seen())
    }

    /// Whether it has been closed or silent for long enough to be removed.
    pub(super) fn is_over(&self, now: u64, remove_after: u64) -> bool {
        let is_unanswered = self.tx.is_unanswered() || self.rx.is_unanswered();
        let limit = match self.state {
            State::Closed | State::Reset => remove_after,
            _ if self.is_succeeded => remove_after,
            _ if self.is_counted => return false,
            State::SynSent => seconds(30),
            State::SynAck | State::Closing => seconds(60),
            State::Established if self.is_doubtful() => seconds(60),
            State::Established if is_unanswered => seconds(UNANSWERED_SECONDS),
            State::Established => seconds(SILENT_SECONDS),
        };
        now.saturating_sub(self.seen_at) >= limit
    }
}

const fn seconds(seconds: u64) -> u64 {
    seconds * 1_000_000_000
}

/// Notes the bytes of one direction in the interval `last`, and zero for the intervals after it.
fn slide(window: &mut [[u64; 2]; 10], which: usize, last: u64, passed: u64, bytes: u64) {
    let place = (last % 10) as usize;
    window[place][which] = bytes;
    for step in 1..passed.min(10) as usize {
        window[(place + step) % 10][which] = 0;
    }
    if passed > 10 {
        window[place][which] = 0;
    }
}

fn per_second(bytes: u64, nanoseconds: u64) -> u64 {
    if nanoseconds == 1_000_000_000 {
        return bytes;
    }
    let nanoseconds = u128::from(nanoseconds.max(1));
    // Rounded to the nearest, not down: one byte in 1.0001 s is one per second.
    let scaled = (u128::from(bytes) * 1_000_000_000 + nanoseconds / 2) / nanoseconds;
    u64::try_from(scaled).unwrap_or(u64::MAX)
}
