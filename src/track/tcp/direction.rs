//! One direction of a connection: which bytes were seen, in the space of sequence numbers.

/// Ranges of sequence numbers, sorted, that were counted although bytes before them are missing.
#[derive(Clone, Debug, Default)]
struct Ahead {
    ranges: [(u32, u32); 8],
    used: usize,
}

/// The bytes in one direction.
///
/// A byte is counted when it is first seen, or when the other end acknowledges it: then it was sent, and
/// the capture has missed it. A missed FIN counts as one byte.
#[derive(Clone, Debug, Default)]
pub struct Direction {
    /// Payload bytes, each counted once.
    pub bytes_total: u64,
    /// Whether these bytes are not known: no counters told them.
    pub(super) is_untold: bool,
    /// Those of them that the capture has missed.
    pub missed_bytes_total: u64,
    /// The speed, as of the last tick.
    pub bytes_per_second: u64,
    /// Segments sent again. A copy of a packet is not counted: one that comes at once, on a second interface, or with
    /// an earlier time.
    pub retransmits_total: u32,
    /// `bytes_total` when the current interval began.
    pub(super) mark: u64,
    /// When the byte before `timed_end` was seen, in nanoseconds; 0 if none is timed.
    timed_at: u64,
    timed_end: u32,
    /// The shortest time from a byte to its acknowledgment, in microseconds; 0 if there is none, or if the clock is too coarse
    /// to tell.
    pub(super) rtt_us: u32,
    /// Everything before it is counted.
    pub(super) next: u32,
    /// The highest acknowledgment.
    acked: u32,
    /// The sequence number of the SYN.
    isn: u32,
    /// The sequence number of the FIN.
    fin: u32,
    /// The interface on which it was first seen: on others, the same packets appear again.
    interface: u32,
    /// The VLAN or tunnel in which it was first seen, of a client.
    pub(super) lan: u32,
    /// The last bytes that were counted as missed.
    gap: (u32, u32),
    ahead: Option<Box<Ahead>>,
    is_known: bool,
    /// Whether a segment of this direction was seen, and not only acknowledgments of it.
    is_seen: bool,
    has_ack: bool,
    has_syn: bool,
    /// Whether a SYN of this direction was also an answer.
    has_answered: bool,
    has_fin: bool,
    /// Whether copies of segments were captured, with the times of the originals.
    pub(super) has_copies: bool,
    /// Whether something was sent again, and the other end has not answered since.
    is_unanswered: bool,
    /// Whether a time to an acknowledgment was measured.
    is_measured: bool,
}

/// More than can be in flight at once: windows are at most 1 GiB (RFC 7323, 2.3).
const WINDOW: u32 = 1 << 30;

/// How far `number` is ahead of `base`; `None` if it is behind, or too far.
fn ahead_of(base: u32, number: u32) -> Option<u32> {
    Some(number.wrapping_sub(base)).filter(|distance| *distance <= WINDOW)
}

impl Direction {
    /// Whether the direction began with a SYN of this sequence number.
    pub fn began_with(&self, sequence: u32) -> bool {
        self.has_syn && self.isn == sequence
    }

    /// Whether an answer with this acknowledgment number is for the SYN of this direction, or for what followed it.
    pub fn began_before(&self, acknowledgment: u32) -> bool {
        match (self.has_syn, self.is_known && !self.is_seen) {
            (true, _) => {
                ahead_of(self.isn.wrapping_add(1), acknowledgment).is_some()
                    && ahead_of(acknowledgment, self.next).is_some()
            }
            // Where the direction is not captured, the first acknowledgment of it tells where it began.
            (false, true) => self.next.wrapping_sub(self.bytes_total as u32) == acknowledgment,
            _ => false,
        }
    }

    /// Whether an answer with this acknowledgment number is for the SYN of this direction.
    pub fn begins_at(&self, acknowledgment: u32) -> bool {
        match self.has_syn {
            true => self.isn.wrapping_add(1) == acknowledgment,
            false => self.began_before(acknowledgment),
        }
    }

    /// Whether the direction may have begun with a SYN of this sequence number, although other segments were captured
    /// before it.
    pub fn may_begin_with(&self, sequence: u32) -> bool {
        // No end sends more before it has an answer.
        const AT_ONCE: u64 = 1 << 16;
        let length = u64::from(self.next.wrapping_sub(sequence.wrapping_add(1)));
        let lacking = length.checked_sub(self.bytes_total);
        !self.has_syn
            && match (self.is_seen, self.is_known) {
                (true, _) => self.ahead.is_none() && lacking == Some(0),
                (false, true) => lacking.is_some_and(|lacking| lacking <= AT_ONCE),
                (false, false) => true,
            }
    }

    /// Whether a segment that ends before `end` may hold nothing new.
    #[inline]
    pub fn may_have(&self, end: u32) -> bool {
        self.is_seen
            && (self.ahead.is_some() || ahead_of(self.next, end).is_none_or(|new| new == 0))
    }

    /// Whether a segment of this direction was seen.
    pub fn is_seen(&self) -> bool {
        self.is_seen
    }

    /// Whether it is known how the direction began.
    pub fn has_syn(&self) -> bool {
        self.has_syn
    }

    /// Whether the sender has sent a FIN.
    pub fn has_fin(&self) -> bool {
        self.has_fin
    }

    /// Whether the other end has acknowledged the FIN.
    pub fn is_finished(&self) -> bool {
        self.has_fin && self.has_ack && ahead_of(self.fin.wrapping_add(1), self.acked).is_some()
    }

    /// Whether something was sent again, and the other end has not answered since.
    pub fn is_unanswered(&self) -> bool {
        self.is_unanswered
    }

    /// Whether a segment of this sequence number can belong to the connection.
    pub fn accepts(&self, sequence: u32) -> bool {
        !self.is_known
            || ahead_of(self.next, sequence).is_some()
            || ahead_of(sequence, self.next).is_some()
    }

    /// Whether the other end obeys a reset of this sequence number: one outside its window changes nothing (RFC 9293,
    /// 3.10.7.4; RFC 5961, 3). The window is not known, so that near is enough; and if the capture has missed bytes,
    /// their end is not known either.
    pub fn is_reset_by(&self, sequence: u32) -> bool {
        const NEAR: u32 = 1 << 16;
        if !self.is_seen || self.missed_bytes_total > 0 {
            return self.accepts(sequence);
        }
        let may_precede = |one: u32, other: u32| {
            ahead_of(one, other).is_some() || ahead_of(other, one).is_some_and(|by| by <= NEAR)
        };
        let last = self.ranges().last().map_or(self.next, |(_, last)| self.next.wrapping_add(last));
        may_precede(sequence, last) && (!self.has_ack || may_precede(self.acked, sequence))
    }

    /// Takes a SYN, and says whether it was sent again.
    pub fn syn(&mut self, now: u64, sequence: u32, interface: u32, is_answer: bool) -> bool {
        if self.began_with(sequence) {
            self.timed_at = 0;
            if self.interface != interface {
                return false;
            }
            // In a simultaneous open (RFC 9293, 3.5) the first answer has the number of the SYN before it.
            let is_first = is_answer && !self.has_answered;
            self.has_answered |= is_answer;
            return !is_first;
        }
        if !self.may_begin_with(sequence) {
            return false;
        }
        let first = sequence.wrapping_add(1);
        match ahead_of(first, self.next).filter(|_| self.is_known) {
            // Captured behind what it began: acknowledged bytes before the first known one are missing.
            Some(length) => {
                let lacking = u64::from(length).saturating_sub(self.bytes_total);
                self.missed_bytes_total += lacking;
                self.bytes_total += lacking;
                self.gap = (first, first.wrapping_add(lacking as u32));
            }
            None => {
                self.next = first;
                (self.timed_at, self.timed_end) = (now, first);
            }
        }
        self.isn = sequence;
        (self.has_syn, self.is_known, self.is_seen) = (true, true, true);
        (self.has_answered, self.interface) = (is_answer, interface);
        false
    }

    /// Takes the payload of a segment (or none), and its FIN, if it has one.
    pub fn data(&mut self, now: u64, sequence: u32, length: u32, is_fin: bool, interface: u32) {
        let end = sequence.wrapping_add(length);
        self.begin(sequence, end, interface);
        let mut is_again = false;
        if length > 0 && !self.is_keep_alive(end, length) {
            let counted = self.cover(sequence, end);
            is_again = counted < length && !self.is_late(sequence, end);
            if !is_again && self.timed_at == 0 {
                (self.timed_at, self.timed_end) = (now, end);
            }
        }
        if is_fin {
            is_again |= self.has_fin && length == 0;
            let after = end.wrapping_add(1);
            if !self.has_fin && self.has_ack && [self.acked, self.next] == [after; 2] {
                self.take_back();
            }
            (self.has_fin, self.fin) = (true, end);
        }
        if is_again && self.interface == interface {
            self.retransmits_total = self.retransmits_total.saturating_add(1);
            self.is_unanswered = true;
            // An acknowledgment does not say which of the two it answers (Karn's algorithm).
            self.timed_at = 0;
        }
    }

    /// Sets the beginning of a direction whose SYN was not seen: earlier bytes are not counted. Also used
    /// if the numbers do not continue the earlier ones.
    fn begin(&mut self, sequence: u32, end: u32, interface: u32) {
        if !self.is_seen {
            self.interface = interface;
            if !self.is_known || ahead_of(self.next, sequence).is_some() {
                self.next = sequence;
            }
            (self.is_known, self.is_seen) = (true, true);
        }
        // Nothing follows a FIN that the other end has acknowledged.
        let is_beyond_fin = self.is_finished()
            && ahead_of(self.fin.wrapping_add(1), end).is_some_and(|distance| distance > 0);
        if !self.accepts(sequence) || is_beyond_fin {
            (self.next, self.ahead, self.timed_at) = (sequence, None, 0);
            (self.has_ack, self.has_fin) = (false, false);
        }
    }

    /// Whether it is a keepalive probe: at most one byte, already acknowledged (RFC 9293, 3.8.4).
    fn is_keep_alive(&self, end: u32, length: u32) -> bool {
        length == 1 && self.has_ack && ahead_of(end, self.acked).is_some()
    }

    /// Takes the acknowledgment of everything before `number`.
    pub fn acknowledged(&mut self, now: u64, number: u32) {
        self.is_unanswered = false;
        if !self.is_known {
            (self.next, self.acked) = (number, number);
            (self.is_known, self.has_ack) = (true, true);
            return;
        }
        if !self.accepts(number) || self.has_ack && ahead_of(self.acked, number).is_none() {
            return;
        }
        (self.acked, self.has_ack) = (number, true);
        if self.timed_at != 0 && ahead_of(self.timed_end, number).is_some() {
            self.time(now);
        }
        // The FIN has a number, but is not a byte.
        let is_beyond_fin = self.has_fin && ahead_of(self.fin, number).is_some();
        let end = if is_beyond_fin { self.fin } else { number };
        if ahead_of(self.next, end).is_some() {
            self.miss(end);
        }
    }

    /// Where the acknowledgment of the FIN was captured before the FIN: its number was counted as a missed byte.
    fn take_back(&mut self) {
        self.next = self.next.wrapping_sub(1);
        self.bytes_total = self.bytes_total.saturating_sub(1);
        self.missed_bytes_total = self.missed_bytes_total.saturating_sub(1);
        self.mark = self.mark.min(self.bytes_total);
    }

    /// Measures the time to an acknowledgment. The shortest is kept: a delayed acknowledgment would raise a
    /// mean by up to 40 ms and more (RFC 9293, 3.8.6.3).
    fn time(&mut self, now: u64) {
        let elapsed_ns = now.saturating_sub(self.timed_at);
        let elapsed_us = u32::try_from(elapsed_ns.div_ceil(1000)).unwrap_or(u32::MAX);
        if !self.is_measured || elapsed_us < self.rtt_us {
            (self.rtt_us, self.is_measured) = (elapsed_us, true);
        }
        self.timed_at = 0;
    }

    /// Counts as missed everything before `end` that is not yet counted.
    fn miss(&mut self, end: u32) {
        let start = if self.gap.1 == self.next { self.gap.0 } else { self.next };
        self.gap = (start, end);
        let missed = self.cover(self.next, end);
        self.missed_bytes_total = self.missed_bytes_total.saturating_add(missed.into());
    }

    /// Whether a segment was captured behind its acknowledgment, and so was counted as missed.
    fn is_late(&mut self, sequence: u32, end: u32) -> bool {
        let (from, to) = self.gap;
        let is_late = ahead_of(from, sequence).is_some() && ahead_of(end, to).is_some();
        if is_late {
            let length = end.wrapping_sub(sequence).into();
            self.missed_bytes_total = self.missed_bytes_total.saturating_sub(length);
            self.gap = if sequence == from { (end, to) } else { (from, sequence) };
        }
        is_late
    }

    /// Counts the bytes from `start` to `end` that are not yet counted, and gives their number.
    fn cover(&mut self, start: u32, end: u32) -> u32 {
        let Some(length) = ahead_of(self.next, end) else { return 0 };
        let from = ahead_of(self.next, start).unwrap_or_default();
        let mut counted = length.saturating_sub(from);
        for (first, last) in self.ranges() {
            let overlap = last.min(length).saturating_sub(first.max(from));
            counted = counted.saturating_sub(overlap);
        }
        self.bytes_total = self.bytes_total.saturating_add(counted.into());
        if from == 0 {
            self.advance(length);
        } else if counted > 0 {
            self.keep(from, length);
        }
        counted
    }

    /// The ranges counted beyond `next`, by their distance from it.
    fn ranges(&self) -> impl Iterator<Item = (u32, u32)> + use<'_> {
        let ranges = self.ahead.as_deref().map_or(&[][..], |ahead| &ahead.ranges[..ahead.used]);
        ranges
            .iter()
            .map(|(first, last)| (first.wrapping_sub(self.next), last.wrapping_sub(self.next)))
    }

    /// Moves `next` on, and past the ranges that it reaches.
    fn advance(&mut self, mut length: u32) {
        let mut reached = 0;
        for (first, last) in self.ranges() {
            if first > length {
                break;
            }
            length = length.max(last);
            reached += 1;
        }
        self.next = self.next.wrapping_add(length);
        let Some(ahead) = &mut self.ahead else { return };
        ahead.ranges.copy_within(reached.., 0);
        ahead.used -= reached;
        if ahead.used == 0 {
            self.ahead = None;
        }
    }

    /// Keeps a range beyond `next`, joined with those that it touches. If the list is full, the first gap
    /// counts as missed: it will be filled or acknowledged sooner or later.
    fn keep(&mut self, from: u32, to: u32) {
        let (mut from, mut to) = (from, to);
        let next = self.next;
        let ahead = self.ahead.get_or_insert_default();
        let (mut kept, mut place) = (Ahead::default(), 0);
        for &(first, last) in &ahead.ranges[..ahead.used] {
            let (low, high) = (first.wrapping_sub(next), last.wrapping_sub(next));
            if low <= to && from <= high {
                (from, to) = (from.min(low), to.max(high));
                continue;
            }
            place += usize::from(high < from);
            kept.ranges[kept.used] = (first, last);
            kept.used += 1;
        }
        let (start, end) = (next.wrapping_add(from), next.wrapping_add(to));
        if kept.used == kept.ranges.len() {
            let first = if place == 0 { start } else { kept.ranges[0].0 };
            // The new range is already counted, but not in the list: it is added again after the gap.
            self.miss(first);
            let (from, to) = (start.wrapping_sub(self.next), end.wrapping_sub(self.next));
            if from == 0 {
                self.advance(to)
            } else {
                self.keep(from, to)
            }
            return;
        }
        kept.ranges.copy_within(place..kept.used, place + 1);
        kept.ranges[place] = (start, end);
        kept.used += 1;
        **ahead = kept;
    }
}
