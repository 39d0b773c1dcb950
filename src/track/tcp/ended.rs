//! Connections that have ended, as their sockets tell it: the last counters of a socket come when the kernel frees
//! it. A connection within the machine has two sockets, which end at different times.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use super::connection::Connection;
use super::counters::Counters;
use super::end::End;
use super::hash::hash;
use super::last::Ended;
use super::missing::{AllMissing, Missing, Numbers};
use super::sought::{Sought, end_of};
use super::state::State;
use super::{Tracker, nanoseconds};

/// Which connections a tracker gives back when they have ended, instead of keeping them for a while.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum GivesBack {
    #[default]
    None,
    /// Those of which [`Tracker::ended`] has told.
    Told,
    /// Those that a reading of counters no longer includes.
    Vanished,
}

/// What a tracker remembers of ended connections.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// When the first and the last reading began, in nanoseconds; 0 before the first.
    first_read_at: u64,
    pub read_at: u64,
    /// When no message of the kernel was left to be read, in nanoseconds, if that is known.
    drained_at: Option<u64>,
    given: VecDeque<Connection>,
    /// The cookies of sockets that forgot their connections since the last reading.
    cut: HashSet<u64>,
    /// A program may hold a socket that was reset for as long as it likes, the kernel may tell of an end late, and a
    /// reading may lack a socket that moves in its table meanwhile.
    missing: AllMissing,
}

/// The most that are remembered.
const MOST_CUT: usize = 1 << 15;

impl Tracker {
    /// Takes the last counters of a socket, of which the kernel told at `now`: they are final. A connection that no
    /// reading included is made.
    pub fn ended(&mut self, now: Duration, last: &Ended) {
        let now = nanoseconds(now);
        let counters = Counters { is_client: last.is_client(), ..last.counters };
        if counters.remote.port == 0 {
            // Others without a remote end never had a connection.
            if counters.local.port != 0 {
                self.cut(counters.cookie);
            }
            return;
        }
        let silent = counters.idle.map_or(0, nanoseconds);
        let active_at = now.saturating_sub(silent);
        let late = self.done.drained_at.map_or(0, |drained_at| now.saturating_sub(drained_at));
        let (mut found, numbers) = (self.sought(&counters), last.numbers(active_at, late));
        if let (Some(place), false) = (found.place, found.is_new) {
            let one = &self.connections[place];
            found.is_new = !one.missing(one.client == found.local).may_be(&numbers);
        }
        if found.is_new {
            if let Some(end) = self.done.missing.take(found.end(), &numbers) {
                if end.other.is_none() {
                    self.done.missing.add(found.other_end(), end.counterpart(&numbers, now));
                }
                return self.end_of_succeeded(now, last, &found, end.id);
            }
            if !last.was_open() || self.is_old(active_at) {
                return;
            }
            let one = found.place.map(|place| &self.connections[place]);
            // The kernel may tell late of one that was over when this one was first read.
            let over_at = active_at.saturating_sub(late);
            if one.is_some_and(|one| one.is_open() || over_at < one.began_at) {
                return self.end_of_another(now, last, &found, &counters, active_at);
            }
        }
        let place = self.place_of(&found, &counters);
        let (read_at, gives_back) = (self.done.read_at, self.options.gives_back);
        let connection = &mut self.connections[place];
        connection.take_last(now, last, connection.client == found.local);
        if found.is_new {
            connection.is_news(active_at, read_at);
        }
        if connection.is_complete() && gives_back == GivesBack::Told {
            let connection = self.connections.swap_remove(place);
            self.give_back(connection);
        }
    }

    /// Notes that at `now` the kernel had told of no end that [`Tracker::ended`] has not taken: what is taken next, it told
    /// later, though the end itself may be older.
    pub fn drained(&mut self, now: Duration) {
        self.done.drained_at = Some(nanoseconds(now));
    }

    /// Whether a connection that no reading included, and that was active until then, is not news: it may have begun
    /// before the first reading or, where none is given back, been removed since.
    fn is_old(&self, active_at: u64) -> bool {
        let Done { first_read_at, read_at, .. } = self.done;
        let gone_at = active_at.saturating_add(nanoseconds(self.options.remove_after));
        self.options.only_new && (first_read_at == 0 || active_at < first_read_at)
            || self.options.gives_back == GivesBack::None && read_at > 0 && gone_at < read_at
    }

    /// Notes that a socket has forgotten its connection.
    fn cut(&mut self, cookie: u64) {
        if self.done.cut.len() >= MOST_CUT {
            self.take_cut();
        }
        self.done.cut.insert(cookie);
    }

    /// Ends the connections that their sockets have forgotten.
    pub(super) fn take_cut(&mut self) {
        let cut = std::mem::take(&mut self.done.cut);
        if !cut.is_empty() {
            let all = self.connections.iter_mut().chain(&mut self.succeeded);
            let ends = all.filter_map(|one| one.ends.as_mut());
            let ends = ends.flat_map(|ends| ends.iter_mut());
            ends.filter(|end| cut.contains(&end.cookie)).for_each(|end| end.is_ended = true);
        }
    }

    /// Looks for the connection of a row of a reading. `None` if that was given back while this end was missing.
    pub(super) fn sought_row(&mut self, now: u64, counters: &Counters) -> Option<Sought> {
        let mut found = self.sought(counters);
        if counters.cookie == 0 {
            let is_over = |place: usize| self.connections[place].state >= State::Closed;
            found.is_new |= counters.state <= State::SynAck && found.place.is_some_and(is_over);
            return Some(found);
        }
        let numbers = || Numbers {
            cookie: counters.cookie,
            // More may follow.
            sent: u64::MAX,
            received: counters.received_bytes_total.unwrap_or_default(),
            acknowledged: counters.sent_bytes_total.unwrap_or_default().saturating_sub(1),
            active_at: now.saturating_sub(counters.idle.map_or(0, nanoseconds)),
            late: 0,
        };
        if let (Some(place), false) = (found.place, found.is_new) {
            let one = &self.connections[place];
            let missing = one.missing(one.client == found.local);
            // The numbers of two ends that are open are not of the same moment.
            found.is_new = missing.other.is_some() && !missing.may_be(&numbers());
        }
        if found.is_new
            && !self.done.missing.is_empty()
            && let Some(id) = self.done.missing.has(found.end(), &numbers())
        {
            if let Some(one) = self.succeeded.iter_mut().rfind(|one| one.id == id) {
                one.take_counters(now, counters, one.client == found.local);
            }
            return None;
        }
        Some(found)
    }

    /// Notes the end of a reading that began at `now`.
    pub(super) fn end_of_reading(&mut self, now: u64) {
        self.done.read_at = now;
        if self.done.first_read_at == 0 {
            self.done.first_read_at = now;
        }
        if self.options.gives_back == GivesBack::Vanished {
            self.give_back_if(|one| one.state >= State::Closed);
        }
    }

    /// Gives back the connections of which one end has ended and that the last reading did not include: the other
    /// end is on another machine, or its message was lost. Call it some time after a reading.
    pub fn give_overdue(&mut self) {
        self.give_back_if(|one| {
            one.ends.as_ref().is_some_and(|ends| ends.iter().any(|end| end.is_overdue))
        });
    }

    /// Gives back the connections of which one end has ended.
    pub fn give_ended(&mut self) {
        self.take_cut();
        self.give_back_if(|one| one.is_succeeded || one.has_ended());
    }

    fn give_back_if(&mut self, is_due: impl Fn(&Connection) -> bool) {
        for place in (0..self.connections.len()).rev() {
            if is_due(&self.connections[place]) {
                let connection = self.connections.swap_remove(place);
                self.give_back(connection);
            }
        }
        self.give_back_succeeded_if(is_due);
    }

    pub(super) fn give_back_succeeded_if(&mut self, is_due: impl Fn(&Connection) -> bool) {
        for place in (0..self.succeeded.len()).rev() {
            if is_due(&self.succeeded[place]) {
                let connection = self.succeeded.swap_remove(place);
                self.give_back(connection);
            }
        }
    }

    /// Gives back a connection that was removed, if it has ended.
    #[inline(never)]
    pub(super) fn give_back(&mut self, connection: Connection) {
        let is_wanted = match self.options.gives_back {
            GivesBack::None => false,
            GivesBack::Told => connection.is_succeeded || connection.has_ended(),
            GivesBack::Vanished => connection.state >= State::Closed,
        };
        if !is_wanted || !connection.was_open() {
            return;
        }
        self.miss(&connection);
        self.done.given.push_back(connection);
    }

    /// Notes which ends of a connection are missing: those that have not ended, if they or their counterparts were seen.
    pub(super) fn miss(&mut self, connection: &Connection) {
        let Some(ends) = &connection.ends else { return };
        let Connection { client, server, seen_at, .. } = connection;
        for (is_tx, local, remote) in [(true, client, server), (false, server, client)] {
            let (end, other) = (&ends[usize::from(!is_tx)], &ends[usize::from(is_tx)]);
            if !end.is_ended && (other.is_ended || end.cookie != 0) {
                let hash = hash(&self.keys, local, remote);
                let end = Missing { until: *seen_at, ..connection.missing(is_tx) };
                self.done.missing.add(end_of(hash, local < remote), end);
            }
        }
    }

    /// The next of the connections that were given back.
    pub fn next_given(&mut self) -> Option<Connection> {
        self.done.given.pop_front()
    }
}

impl Connection {
    /// The segments from the client to the server and back, as the client's socket counted them or, if it was not on
    /// this machine, the server's; `None` where neither has told.
    pub fn segments(&self) -> Option<[u32; 2]> {
        let [client, server] = self.ends.as_ref()?.each_ref().map(|end| end.segments);
        client.or(server.map(|[sent, received]| [received, sent]))
    }

    /// The socket of the client, or of the server.
    pub(super) fn end_of(&mut self, is_tx: bool) -> &mut End {
        &mut self.ends.get_or_insert_default()[usize::from(!is_tx)]
    }

    /// The cookies of the sockets of the client and the server; 0 for one that was not seen.
    pub fn cookies(&self) -> [u64; 2] {
        self.ends.as_ref().map_or([0; 2], |ends| ends.map(|end| end.cookie))
    }

    /// The ID of the control group of the client's socket, or else of the server's.
    pub fn cgroup(&self) -> Option<u64> {
        let ends = self.ends.as_ref()?;
        ends.iter().map(|end| end.cgroup).find(|cgroup| *cgroup != 0)
    }

    /// When it was first seen; `None` if it may have begun before, or was not seen before it ended.
    pub fn began(&self) -> Option<Duration> {
        (self.began_at != 0).then_some(Duration::from_nanos(self.began_at))
    }

    /// Makes its bytes count for the speed of this tick, unless they may be older than the reading at `read_at`.
    pub(super) fn is_news(&mut self, active_at: u64, read_at: u64) {
        if read_at == 0 || active_at < read_at {
            (self.tx.mark, self.rx.mark) = (self.tx.bytes_total, self.rx.bytes_total);
        } else {
            self.is_since(read_at);
        }
    }

    /// Makes all its bytes those of the time since the reading at `read_at`.
    pub(super) fn is_since(&mut self, read_at: u64) {
        (self.tx.mark, self.rx.mark, self.interval) = (0, 0, read_at);
    }

    /// Whether it is to be kept until the kernel tells of its end.
    pub(super) fn is_awaited(&self, gives_back: GivesBack) -> bool {
        gives_back == GivesBack::Told && self.was_open()
    }

    /// Whether it ever was more than an attempt to connect.
    fn was_open(&self) -> bool {
        self.ends.as_ref().is_some_and(|ends| ends.iter().any(|end| end.was_open))
    }

    /// Whether one of its ends has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.ends.as_ref().is_some_and(|ends| ends.iter().any(|end| end.is_ended))
    }

    /// Whether both ends have ended.
    pub(super) fn is_complete(&self) -> bool {
        self.ends.as_ref().is_some_and(|ends| ends.iter().all(|end| end.is_ended))
    }

    /// Whether a reading included an end of it that has not ended.
    fn is_open(&self) -> bool {
        let is_there = |ends: &[End; 2]| ends.iter().any(|end| end.cookie != 0 && !end.is_ended);
        self.state < State::Closed && self.ends.as_deref().is_some_and(is_there)
    }

    /// What is known of the client's end, or of the server's.
    fn missing(&self, is_tx: bool) -> Missing {
        let (own, theirs) = if is_tx { (&self.tx, &self.rx) } else { (&self.rx, &self.tx) };
        let least = [own.bytes_total, theirs.bytes_total];
        let known = Missing { id: self.id, least, until: u64::MAX, ..Missing::default() };
        let Some(ends) = &self.ends else { return known };
        let (end, other) = (&ends[usize::from(!is_tx)], &ends[usize::from(is_tx)]);
        Missing { cookie: end.sure_cookie(), other: other.last, since: end.since, ..known }
    }

    /// Takes the last counters of the client's end, or of the server's.
    pub(super) fn take_last(&mut self, now: u64, last: &Ended, is_tx: bool) {
        let Counters { cookie, retransmits_total, rtt, .. } = last.counters;
        let received = last.counters.received_bytes_total.unwrap_or_default();
        let acknowledged = last.acknowledged.saturating_sub(is_tx.into());
        let sent = last.sent.unwrap_or(acknowledged.saturating_sub(1));
        // Our FIN was acknowledged: then the connection was closed, not reset, and theirs has come as well, unless we
        // closed first and still wait for it.
        let has_fin = acknowledged > sent && !last.awaits_fin;
        let mut sent_total = acknowledged.min(sent);
        let mut received_total = received.saturating_sub(has_fin.into());
        let mut ends = *self.ends.take().unwrap_or_default();
        let other = ends[usize::from(is_tx)];
        let end = &mut ends[usize::from(!is_tx)];
        (end.cookie, end.is_guess) = (cookie, false);
        (end.last, end.is_ended) = (Some((received, sent)), true);
        end.segments = last.segments;
        end.was_open |= last.was_open();
        self.ends = Some(Box::new(ends));
        let (own, theirs) = match is_tx {
            true => (&mut self.tx, &mut self.rx),
            false => (&mut self.rx, &mut self.tx),
        };
        match other.last {
            // What one end has received, but for a FIN, is what the other one has sent.
            Some((of_other, by_other)) => {
                sent_total = sent_total.max(of_other.min(sent));
                received_total = received.min(by_other);
            }
            None => {
                received_total = received_total.max(theirs.bytes_total);
                if other.cookie != 0 {
                    sent_total = sent_total.max(own.bytes_total);
                }
            }
        }
        (own.bytes_total, theirs.bytes_total) = (sent_total, received_total);
        (own.is_untold, theirs.is_untold) = (false, false);
        own.retransmits_total = own.retransmits_total.max(retransmits_total.unwrap_or_default());
        self.has_retransmits |= retransmits_total.is_some();
        let rtt = rtt.map(|rtt| u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX));
        own.rtt_us = rtt.unwrap_or(own.rtt_us);
        let is_open = other.cookie != 0 && !other.is_ended;
        self.state = self.state.max(if is_open { State::Closing } else { State::Closed });
        self.is_counted = true;
        self.is_active_at(now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Options;
    use super::*;
    use crate::model::Endpoint;

    const CLIENT: Endpoint = end(1, 40000);
    const SERVER: Endpoint = end(2, 80);

    const fn end(last: u8, port: u16) -> Endpoint {
        Endpoint { address: std::net::IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, last)), port }
    }

    fn counters(
        local: Endpoint,
        remote: Endpoint,
        cookie: u64,
        [sent, received]: [u64; 2],
    ) -> Counters {
        Counters {
            local,
            remote,
            is_client: None,
            bound: None,
            state: State::Established,
            sent_bytes_total: Some(sent),
            received_bytes_total: Some(received),
            retransmits_total: None,
            rtt: Some(Duration::from_micros(9)),
            idle: Some(Duration::ZERO),
            cookie,
            cgroup: 0,
            zone: 0,
            flow: None,
        }
    }

    /// The message of an end: sequence numbers acknowledged and received, payload sent.
    fn last(is_client: bool, cookie: u64, [acknowledged, received, sent]: [u64; 3]) -> Ended {
        let (local, remote) = if is_client { (CLIENT, SERVER) } else { (SERVER, CLIENT) };
        let counters = counters(local, remote, cookie, [0, received]);
        Ended { counters, acknowledged, sent: Some(sent), segments: None, awaits_fin: false }
    }

    /// A reading at this second.
    fn read(tracker: &mut Tracker, second: u64, all: &[Counters]) {
        let now = Duration::from_secs(second);
        all.iter().for_each(|one| tracker.counters(now, one));
        tracker.end_of_counters(now);
        tracker.tick(now);
    }

    fn told() -> Tracker {
        Tracker::new(Options { gives_back: GivesBack::Told, ..Options::default() })
    }

    /// Client, tx and rx of the connections that were given back.
    fn given(tracker: &mut Tracker) -> Vec<(u16, u64, u64)> {
        let all = std::iter::from_fn(|| tracker.next_given());
        all.map(|one| (one.client.port, one.tx.bytes_total, one.rx.bytes_total)).collect()
    }

    const MILLI: Duration = Duration::from_millis(1);

    #[test]
    fn both_ends_make_one_connection_whose_bytes_are_exact() {
        // As Linux 6.18 tells it, of 100 bytes to the server and 30 back.
        for (client, server, tx, rx) in [
            // Both close; the client was freed before the server's FIN; after it.
            ([102, 30, 100], [31, 101, 30], 100, 30),
            ([102, 31, 100], [31, 101, 30], 100, 30),
            // The client had closed, and the server's FIN came after its end.
            ([102, 30, 100], [30, 101, 30], 100, 30),
            // Reset by an end with unread data.
            ([101, 35, 100], [35, 100, 35], 100, 35),
            // Not all was acknowledged.
            ([81, 30, 100], [31, 90, 30], 90, 30),
        ] {
            for is_client_first in [true, false] {
                let mut tracker = told();
                read(&mut tracker, 1, &[]);
                let ends = [last(true, 1, client), last(false, 2, server)];
                let order = if is_client_first { [0, 1] } else { [1, 0] };
                for place in order {
                    assert_eq!(given(&mut tracker), []);
                    tracker.ended(Duration::from_secs(1) + MILLI, &ends[place]);
                }
                assert_eq!(given(&mut tracker), [(40000, tx, rx)], "{client:?} {server:?}");
                assert!(tracker.is_empty());
            }
        }
    }

    #[test]
    fn one_end_is_given_back_when_the_other_is_not_there() {
        let mut tracker = told();
        read(&mut tracker, 1, &[]);
        tracker.ended(Duration::from_secs(1) + MILLI, &last(true, 1, [102, 31, 100]));
        tracker.give_overdue();
        assert_eq!(given(&mut tracker), []);
        // The other end is still open, in CLOSE_WAIT.
        let other = Counters { state: State::Closing, ..counters(SERVER, CLIENT, 2, [30, 100]) };
        read(&mut tracker, 2, &[other]);
        tracker.give_overdue();
        assert_eq!((given(&mut tracker), tracker.len()), (vec![], 1));
        read(&mut tracker, 3, &[]);
        tracker.give_overdue();
        assert_eq!(given(&mut tracker), [(40000, 100, 30)]);
        // It was only held in CLOSE: its message comes late, and is not a second connection.
        let mut late = last(false, 2, [31, 101, 30]);
        late.counters.idle = Some(Duration::from_secs(7));
        tracker.ended(Duration::from_secs(9), &late);
        read(&mut tracker, 10, &[]);
        tracker.give_overdue();
        assert_eq!((given(&mut tracker), tracker.len()), (vec![], 0));
    }

    #[test]
    fn an_end_that_is_read_late_is_not_a_second_connection() {
        // The reader stood still for four seconds; while it reads at once, the same is the end of a later connection.
        for (drained_at, number) in [(4, 0), (8, 1)] {
            let mut tracker = told();
            read(&mut tracker, 1, &[]);
            tracker.ended(Duration::from_secs(1) + MILLI, &last(true, 1, [102, 31, 100]));
            read(&mut tracker, 2, &[]);
            tracker.give_overdue();
            assert_eq!(given(&mut tracker), [(40000, 100, 30)]);
            tracker.drained(Duration::from_secs(drained_at));
            let mut late = last(false, 2, [31, 101, 30]);
            late.counters.idle = Some(Duration::from_secs(3));
            tracker.ended(Duration::from_secs(8), &late);
            tracker.give_ended();
            assert_eq!(given(&mut tracker).len(), number);
        }
    }

    #[test]
    fn no_fin_is_subtracted_that_has_not_come() {
        let mut tracker = told();
        read(&mut tracker, 1, &[]);
        let waiting = Ended { awaits_fin: true, ..last(true, 1, [102, 30, 100]) };
        tracker.ended(Duration::from_secs(1) + MILLI, &waiting);
        tracker.give_ended();
        assert_eq!(given(&mut tracker), [(40000, 100, 30)]);
    }

    #[test]
    fn the_next_connection_on_the_same_ports_is_another_one() {
        let mut tracker = told();
        read(&mut tracker, 1, &[counters(CLIENT, SERVER, 1, [5, 5])]);
        tracker.ended(Duration::from_secs(1) + MILLI, &last(true, 1, [12, 11, 10]));
        tracker.ended(Duration::from_secs(1) + MILLI, &last(true, 3, [22, 21, 20]));
        assert_eq!(given(&mut tracker), [(40000, 10, 10)]);
        read(&mut tracker, 2, &[counters(CLIENT, SERVER, 5, [50, 50])]);
        assert_eq!(given(&mut tracker), [(40000, 20, 20)]);
        // Its beginning was seen; it forgets its connection by a reset.
        read(&mut tracker, 3, &[counters(CLIENT, SERVER, 5, [60, 60])]);
        let mut cut = last(true, 5, [0, 0, 0]);
        cut.counters.remote.port = 0;
        tracker.ended(Duration::from_secs(3) + MILLI, &cut);
        read(&mut tracker, 4, &[]);
        tracker.give_overdue();
        let one = tracker.next_given().unwrap();
        assert_eq!((one.tx.bytes_total, one.began()), (60, Some(Duration::from_secs(2))));
    }

    #[test]
    fn the_late_end_of_an_earlier_connection_does_not_take_the_place_of_the_next() {
        let mut tracker = told();
        read(&mut tracker, 1, &[]);
        read(&mut tracker, 2, &[counters(CLIENT, SERVER, 5, [50, 60])]);
        // It ends; before the kernel tells of that, it tells of one that ended before it began.
        read(&mut tracker, 3, &[]);
        let ended_at = |idle: u64, mut last: Ended| {
            last.counters.idle = Some(Duration::from_millis(idle));
            last
        };
        for message in [
            ended_at(1500, last(true, 1, [102, 31, 100])),
            ended_at(1500, last(false, 2, [31, 101, 30])),
            ended_at(600, last(false, 6, [61, 51, 60])),
            ended_at(600, last(true, 5, [52, 61, 50])),
        ] {
            tracker.ended(Duration::from_secs(3) + MILLI, &message);
        }
        assert_eq!(given(&mut tracker), [(40000, 100, 30), (40000, 50, 60)]);
        assert!(tracker.is_empty());
    }

    #[test]
    fn the_late_end_of_an_earlier_connection_is_not_that_of_one_which_has_sent_little() {
        let mut tracker = told();
        read(&mut tracker, 1, &[]);
        read(&mut tracker, 2, &[counters(CLIENT, SERVER, 5, [0, 0])]);
        let mut late = last(false, 2, [31, 101, 30]);
        late.counters.idle = Some(Duration::from_millis(1500));
        tracker.ended(Duration::from_secs(2) + MILLI, &late);
        assert_eq!(given(&mut tracker), []);
        tracker.ended(Duration::from_secs(2) + MILLI, &last(true, 5, [52, 61, 50]));
        tracker.ended(Duration::from_secs(2) + MILLI, &last(false, 6, [61, 51, 60]));
        assert_eq!(given(&mut tracker), [(40000, 50, 60)]);
        // Its other end does not come.
        read(&mut tracker, 3, &[]);
        tracker.give_overdue();
        assert_eq!(given(&mut tracker), [(40000, 100, 30)]);
    }

    #[test]
    fn a_connection_on_the_ports_of_one_that_is_held_waits_for_both_of_its_ends() {
        // The client resets the first one, and its server holds that. The client of the next one closes: its server
        // does the same at once, or is still there at the next reading.
        for is_read in [false, true] {
            let mut tracker = told();
            read(&mut tracker, 1, &[]);
            read(&mut tracker, 2, &[counters(SERVER, CLIENT, 2, [30, 100])]);
            let now = Duration::from_secs(2) + MILLI;
            tracker.ended(now, &last(true, 3, [12, 20, 10]));
            if is_read {
                let open =
                    Counters { state: State::Closing, ..counters(SERVER, CLIENT, 4, [20, 11]) };
                read(&mut tracker, 3, &[open]);
                tracker.give_overdue();
            }
            assert_eq!(given(&mut tracker), []);
            tracker.ended(now, &last(false, 4, [21, 11, 20]));
            assert_eq!(given(&mut tracker), [(40000, 10, 20)]);
        }
    }

    #[test]
    fn many_connections_on_the_same_ports_may_be_held() {
        let mut tracker = told();
        let bytes = |number: u64| [number * 10 + 100, number * 10 + 5];
        for number in 1..=10 {
            read(&mut tracker, number, &[]);
            let now = Duration::from_secs(number);
            let [sent, received] = bytes(number);
            tracker.ended(now, &last(true, number * 2, [sent + 1, received, sent]));
        }
        read(&mut tracker, 11, &[]);
        tracker.give_overdue();
        assert_eq!(given(&mut tracker).len(), 10);
        for number in 1..=10 {
            let [sent, received] = bytes(number);
            let mut late = last(false, number * 2 + 1, [received, sent, received]);
            late.counters.idle = Some(Duration::from_secs(20 - number));
            tracker.ended(Duration::from_secs(20), &late);
        }
        tracker.give_ended();
        assert_eq!(given(&mut tracker), []);
    }

    #[test]
    fn both_ends_of_a_connection_may_be_told_of_after_its_ports_are_taken() {
        for is_given in [false, true] {
            let mut tracker = told();
            read(&mut tracker, 1, &[]);
            read(&mut tracker, 2, &[counters(CLIENT, SERVER, 5, [50, 60])]);
            read(&mut tracker, 3, &[]);
            let now = Duration::from_secs(3) + MILLI;
            tracker.ended(now, &last(true, 7, [102, 31, 100]));
            tracker.ended(now, &last(false, 8, [31, 101, 30]));
            assert_eq!(given(&mut tracker), [(40000, 100, 30)]);
            if is_given {
                tracker.give_ended();
                assert_eq!(given(&mut tracker), [(40000, 50, 60)]);
            }
            tracker.ended(now, &last(true, 5, [52, 61, 50]));
            tracker.ended(now, &last(false, 6, [61, 51, 60]));
            let late = if is_given { &[][..] } else { &[(40000, 50, 60)] };
            assert_eq!(given(&mut tracker), late);
            assert!(tracker.is_empty());
            // The same once more is another connection.
            tracker.ended(now, &last(true, 9, [52, 61, 50]));
            tracker.ended(now, &last(false, 10, [61, 51, 60]));
            assert_eq!(given(&mut tracker), [(40000, 50, 60)]);
        }
    }

    #[test]
    fn the_end_of_a_later_connection_does_not_complete_one_that_was_reset() {
        let mut tracker = told();
        read(&mut tracker, 1, &[]);
        let now = Duration::from_secs(1) + MILLI;
        let mut cut = last(true, 1, [0, 0, 0]);
        cut.counters.remote.port = 0;
        for message in [
            cut,
            last(false, 2, [30, 100, 30]),
            last(true, 3, [52, 61, 50]),
            last(false, 4, [61, 51, 60]),
        ] {
            tracker.ended(now, &message);
        }
        assert_eq!(given(&mut tracker), [(40000, 100, 30), (40000, 50, 60)]);
        assert!(tracker.is_empty());
    }

    #[test]
    fn attempts_and_what_was_not_told_are_not_given_back() {
        let mut tracker = told();
        let attempt =
            Counters { state: State::SynSent, rtt: None, ..counters(CLIENT, SERVER, 1, [0, 0]) };
        read(&mut tracker, 1, &[attempt, counters(end(1, 40001), SERVER, 2, [1, 1])]);
        let mut failed = last(true, 1, [0, 0, 0]);
        failed.counters.rtt = None;
        tracker.ended(Duration::from_secs(1) + MILLI, &failed);
        failed.counters.local.port = 40002;
        tracker.ended(Duration::from_secs(1) + MILLI, &failed);
        (2..9).for_each(|second| read(&mut tracker, second, &[]));
        tracker.give_overdue();
        // The second one may be held in CLOSE.
        assert_eq!((given(&mut tracker), tracker.len()), (vec![], 1));
        let mut vanished =
            Tracker::new(Options { gives_back: GivesBack::Vanished, ..Options::default() });
        read(&mut vanished, 1, &[attempt, counters(end(1, 40001), SERVER, 2, [1, 1])]);
        read(&mut vanished, 2, &[]);
        assert_eq!(given(&mut vanished), [(40001, 1, 1)]);
    }

    #[test]
    fn a_short_connection_counts_once_and_for_the_speed_of_its_tick() {
        let mut tracker = Tracker::new(Options::default());
        // Before the first reading: how old its bytes are is not known.
        tracker.ended(MILLI, &last(true, 1, [102, 31, 100]));
        read(&mut tracker, 1, &[]);
        let speeds = |tracker: &Tracker| {
            let all =
                tracker.connections().map(|one| (one.tx.bytes_per_second, one.tx.bytes_total));
            all.collect::<Vec<_>>()
        };
        assert_eq!(speeds(&tracker), [(0, 100)]);
        read(&mut tracker, 4, &[]);
        tracker.ended(Duration::from_secs(4) + MILLI, &last(false, 3, [31, 201, 30]));
        tracker.ended(Duration::from_secs(4) + MILLI, &last(true, 4, [202, 30, 200]));
        read(&mut tracker, 5, &[]);
        assert_eq!(speeds(&tracker), [(200, 200)]);
        read(&mut tracker, 9, &[]);
        assert!(tracker.is_empty());
        // One that had ended before the last reading is not news.
        let mut late = last(true, 9, [102, 31, 100]);
        late.counters.idle = Some(Duration::from_secs(3));
        tracker.ended(Duration::from_secs(9) + MILLI, &late);
        assert!(tracker.is_empty());
    }
}
