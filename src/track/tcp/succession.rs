//! Ports that are used again, and SYNs that belong to nothing.

use super::Tracker;
use super::connection::Connection;
use super::counters::Counters;
use super::direction::Direction;
use super::ended::GivesBack;
use super::last::Ended;
use super::pending::Pending;
use super::sought::Sought;
use super::state::State;
use crate::model::{Segment, TcpFlags};

/// What a SYN means for the connection on its ports.
pub(super) enum Meaning {
    /// It belongs to the connection.
    Own,
    /// It does not, and the connection goes on (RFC 9293, 3.10.7.4; RFC 5961, 4).
    Foreign,
    /// It belongs to a new connection.
    Next,
}

impl Tracker {
    /// Begins a connection on the ports of the one at `place`.
    #[cold]
    pub(super) fn succeed(&mut self, hash: u64, place: usize, segment: &Segment) -> Option<usize> {
        let begun = self.connections[place].begun(segment);
        let first = begun.map_or(*segment, |(_, syn, _)| syn);
        let connection = self.opened(&first)?;
        let place = self.supersede(hash, connection);
        if let Some((at, syn, retries)) = begun {
            self.take(at, &syn, place);
            let one = &mut self.connections[place];
            match syn.flags.has(TcpFlags::ACK) {
                true => one.rx.retransmits_total = retries,
                false => one.syn_retries_total = retries,
            }
        }
        Some(place)
    }

    /// Puts a connection in the place of another one with the same ends. That remains until it is over or room is needed,
    /// unless such are given back.
    pub(super) fn supersede(&mut self, hash: u64, connection: Connection) -> usize {
        let gives_back = self.options.gives_back;
        if gives_back == GivesBack::None {
            self.make_room();
        }
        let Connection { client, server, zone, .. } = connection;
        // It may have been removed to make room.
        let Some(place) = self.find(hash, &client, &server, zone) else {
            return self.connections.push(hash, connection);
        };
        let mut old = std::mem::replace(&mut self.connections[place], connection);
        match gives_back {
            GivesBack::None => self.keep(old),
            // The message of its end may be taken at the end of the reading, come later, or be lost.
            GivesBack::Told if !old.has_ended() && self.len() < self.options.max_connections => {
                self.keep(old);
            }
            GivesBack::Told => self.give_back(old),
            GivesBack::Vanished => {
                old.state = old.state.max(State::Closed);
                self.give_back(old);
            }
        }
        place
    }

    /// Keeps a connection whose ports another one has taken; the kernel may tell of its ends later.
    pub(super) fn keep(&mut self, mut connection: Connection) {
        self.miss(&connection);
        connection.is_succeeded = true;
        self.succeeded.push(connection);
    }

    /// Takes the last counters of a connection on the ports of one that is open: messages come in any order, and late.
    #[cold]
    pub(super) fn end_of_another(
        &mut self,
        now: u64,
        last: &Ended,
        found: &Sought,
        counters: &Counters,
        active_at: u64,
    ) {
        let mut connection = self.new_of(found, counters);
        connection.take_last(now, last, connection.client == found.local);
        if self.options.gives_back == GivesBack::Told {
            // The message of its other end may follow.
            return match self.len() < self.options.max_connections {
                true => self.keep(connection),
                false => self.give_back(connection),
            };
        }
        connection.is_news(active_at, self.done.read_at);
        self.make_room();
        self.keep(connection);
    }

    /// Takes the last counters of an end of a connection whose ports another one has taken, if it was not given back.
    #[cold]
    pub(super) fn end_of_succeeded(&mut self, now: u64, last: &Ended, found: &Sought, id: u64) {
        let Some(place) = self.succeeded.iter().rposition(|one| one.id == id) else { return };
        let one = &mut self.succeeded[place];
        one.take_last(now, last, one.client == found.local);
        if one.is_complete() && self.options.gives_back == GivesBack::Told {
            let one = self.succeeded.swap_remove(place);
            self.give_back(one);
        }
    }
}

impl Connection {
    /// What a SYN means for this connection.
    pub(super) fn meaning_of(&mut self, now: u64, segment: &Segment) -> Meaning {
        let is_tx = segment.source == self.client;
        let (own, other) = if is_tx { (&self.tx, &self.rx) } else { (&self.rx, &self.tx) };
        let is_answer = segment.flags.has(TcpFlags::ACK);
        if own.began_with(segment.sequence) {
            if self.state < State::Closed || is_answer || !other.has_syn() {
                return Meaning::Own;
            }
            // The next connection may begin with the same number: the answer shows it.
            self.note(now, segment);
            return Meaning::Foreign;
        }
        // An answer shows what its end has accepted: the SYN of this connection, or a new one.
        let is_known = is_answer && other.began_before(segment.acknowledgment);
        let is_of_next = is_answer && self.begun(segment).is_some();
        match self.state {
            _ if is_of_next => Meaning::Next,
            // Its SYN had the same number, and was not captured.
            State::Closed
                if is_answer && own.has_syn() && other.begins_at(segment.acknowledgment) =>
            {
                Meaning::Next
            }
            State::Closed | State::Reset if is_known => Meaning::Foreign,
            State::Closed | State::Reset => Meaning::Next,
            State::SynSent if own.has_syn() => Meaning::Next,
            State::SynSent if !is_answer || is_known || !other.has_syn() => Meaning::Own,
            // Its beginning was captured late.
            _ if own.may_begin_with(segment.sequence) && (is_known || !is_answer) => Meaning::Own,
            // Only one way is captured.
            _ if is_answer && !is_known && !other.is_seen() => Meaning::Next,
            state => {
                // Of two answers to the same SYN, the client's next segment shows which one it took. An answer to
                // nothing that was captured may be to the SYN of the next connection.
                if !is_answer || !is_known || state == State::SynAck {
                    self.note(now, segment);
                }
                Meaning::Foreign
            }
        }
    }

    /// Whether a SYN of its client was seen in another VLAN or tunnel. On both sides of a router, the same SYN is.
    pub(super) fn is_elsewhere(&self, syn: &Segment) -> bool {
        self.state < State::Closed
            && syn.source == self.client
            && !syn.flags.has(TcpFlags::ACK)
            && self.tx.is_seen()
            && self.tx.lan != syn.lan
    }

    fn note(&mut self, at: u64, segment: &Segment) {
        match &mut self.pending {
            Some(pending) if pending.segment.sequence == segment.sequence => {
                pending.retries = pending.retries.saturating_add(1);
            }
            _ => self.pending = Some(Box::new(Pending { at, segment: *segment, retries: 0 })),
        }
    }

    /// The noted SYN that `segment` shows to have begun a connection, if there is one: when, the segment, and how often it
    /// was sent again.
    pub(super) fn begun(&self, segment: &Segment) -> Option<(u64, Segment, u32)> {
        let Pending { at, segment: syn, retries } = **self.pending.as_ref()?;
        let first = syn.sequence.wrapping_add(1);
        let (is_own, is_answer) = (syn.source == segment.source, syn.flags.has(TcpFlags::ACK));
        let is_it = match segment.flags.has(TcpFlags::SYN) {
            true => !is_own && !is_answer && first == segment.acknowledgment,
            false => {
                let [own, other] = match syn.source == self.client {
                    true => [&self.tx, &self.rx],
                    false => [&self.rx, &self.tx],
                };
                let takes = is_answer
                    && segment.flags.has(TcpFlags::ACK)
                    && segment.acknowledgment == first
                    && segment.sequence == syn.acknowledgment;
                let number = if is_own { segment.sequence } else { first };
                let is_other = segment.flags.has(TcpFlags::RST)
                    || is_answer && other.began_before(syn.acknowledgment);
                !is_other && (is_own || takes) && own.is_left_for(first, number)
            }
        };
        is_it.then_some((at, syn, retries))
    }

    /// Where the client acknowledges the second of two answers, takes its numbers.
    pub(super) fn choose_answer(&mut self, segment: &Segment) {
        if let Some(Pending { at, segment: answer, .. }) = self.pending.as_deref()
            && answer.source != segment.source
            && answer.flags.has(TcpFlags::ACK)
            && answer.sequence.wrapping_add(1) == segment.acknowledgment
        {
            let (own, other) = match answer.source == self.client {
                true => (&mut self.tx, &self.rx),
                false => (&mut self.rx, &self.tx),
            };
            if !other.began_before(answer.acknowledgment) {
                return;
            }
            *own = Direction::default();
            own.syn(*at, answer.sequence, answer.interface, answer.flags.has(TcpFlags::ACK));
            self.pending = None;
        }
    }
}

impl Direction {
    /// Whether a number behind a SYN whose first byte is `first` goes on from there, and not from what this direction has
    /// sent: a forged SYN must not take the segments of a living connection.
    fn is_left_for(&self, first: u32, number: u32) -> bool {
        // The first segments of the new connection may not be captured.
        const NEAR: u32 = 1 << 16;
        let since = number.wrapping_sub(first);
        let counted = u32::try_from(self.bytes_total).unwrap_or(NEAR).min(NEAR);
        let end = self.next.wrapping_add(self.has_fin().into());
        // What is sent again, or acknowledged late; a keepalive probe has the number before the next one.
        let is_again = end.wrapping_sub(number) <= counted + 2;
        since <= NEAR && since < number.wrapping_sub(end) && !is_again
    }
}
