//! TCP connections, from captured segments or from counters of another source.

mod connection;
mod counters;
mod direction;
mod end;
mod ended;
mod hash;
mod last;
mod missing;
#[cfg(test)]
mod orders;
mod pending;
mod recent;
mod sought;
mod state;
mod succession;
mod totals;

use std::time::Duration;

use super::indexed::Indexed;
use super::listeners::{Listeners, canonical};
use crate::model::{Endpoint, Segment, TcpFlags};
pub use connection::Connection;
pub use counters::Counters;
pub use direction::Direction;
use ended::Done;
pub use ended::GivesBack;
use hash::{Keys, hash};
pub use last::Ended;
use recent::Recent;
use sought::Sought;
pub use state::State;
use succession::Meaning;

#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Skip connections whose beginning was not seen.
    pub only_new: bool,
    /// How long a connection that is CLOSED or RESET is kept.
    pub remove_after: Duration,
    /// The interval over which speeds are computed.
    pub rate_interval: Duration,
    /// Speeds over the last `rate_interval` before each moment, in steps of a tenth, instead of the last
    /// complete interval.
    pub is_sliding: bool,
    /// The most connections that are kept; the ones longest idle are removed first.
    pub max_connections: usize,
    pub gives_back: GivesBack,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            only_new: false,
            remove_after: Duration::from_secs(2),
            rate_interval: Duration::from_secs(1),
            is_sliding: false,
            max_connections: 100_000,
            gives_back: GivesBack::None,
        }
    }
}

/// All connections. Each takes about 300 bytes, twice 80 more while segments are missing, and 160 more with
/// sliding speeds.
#[derive(Debug)]
pub struct Tracker {
    options: Options,
    connections: Indexed<Connection>,
    /// Those whose ports another connection has taken.
    succeeded: Vec<Connection>,
    keys: Keys,
    listeners: Listeners,
    next_id: u64,
    evicted: u64,
    has_shared: bool,
    /// The length of an interval for speeds in nanoseconds, and the beginning and the number of the latest one: to find the
    /// same again takes no division.
    interval_ns: u64,
    latest: (u64, u64),
    recent: Recent,
    done: Done,
}

impl Tracker {
    pub fn new(options: Options) -> Tracker {
        let most = options.max_connections.clamp(1, Indexed::<Connection>::MOST);
        let interval = nanoseconds(options.rate_interval);
        let interval = if options.is_sliding { interval / 10 } else { interval };
        Tracker {
            options: Options { max_connections: most, ..options },
            connections: Indexed::default(),
            succeeded: Vec::new(),
            keys: Keys::new(),
            listeners: Listeners::default(),
            next_id: 1,
            evicted: 0,
            has_shared: false,
            interval_ns: interval.max(1),
            latest: (0, 0),
            recent: Recent::default(),
            done: Done::default(),
        }
    }

    /// Sets the sockets of this machine that listen: in connections whose beginning was not seen, they are
    /// the servers. An end that answers a SYN is noted automatically.
    pub fn set_listeners(&mut self, listeners: Listeners) {
        self.listeners = listeners;
    }

    /// Takes a segment captured at `now`.
    pub fn segment(&mut self, now: Duration, segment: &Segment) {
        let now = nanoseconds(now);
        let (source, destination) = (&segment.source, &segment.destination);
        if segment.flags.has(TcpFlags::SYN.with(TcpFlags::ACK)) {
            self.listeners.learn(source);
        }
        let hash = hash(&self.keys, source, destination);
        let found = self.find(hash, source, destination, 0);
        if segment.has_numbers() {
            if found.is_some_and(|place| self.connections[place].may_have(segment))
                && self.recent.has(now, hash, segment)
            {
                return;
            }
            self.recent.add(now, hash, segment);
        }
        let place = match found {
            Some(place) if segment.flags.has(TcpFlags::SYN) => {
                let is_elsewhere = self.connections[place].is_elsewhere(segment);
                let meaning = self.connections[place].meaning_of(now, segment);
                self.has_shared |= is_elsewhere && !matches!(meaning, Meaning::Own);
                match meaning {
                    _ if segment.flags.has(TcpFlags::RST) => place,
                    Meaning::Own => place,
                    Meaning::Foreign => return,
                    Meaning::Next => match self.succeed(hash, place, segment) {
                        Some(place) => place,
                        None => return,
                    },
                }
            }
            Some(place) if self.connections[place].begun(segment).is_some() => {
                match self.succeed(hash, place, segment) {
                    Some(place) => place,
                    None => return,
                }
            }
            Some(place) => place,
            None => {
                let Some(connection) = self.opened(segment) else { return };
                self.insert(hash, connection)
            }
        };
        self.take(now, segment, place);
    }

    #[inline]
    fn take(&mut self, now: u64, segment: &Segment, place: usize) {
        let (interval, interval_ns) = (self.interval(now), self.interval_ns);
        let connection = &mut self.connections[place];
        let is_new = connection.seen_at == 0;
        if is_new {
            connection.interval = interval;
        }
        connection.settle(interval, interval_ns);
        let is_tx = segment.source == connection.client;
        if is_tx && !connection.tx.is_seen() {
            connection.tx.lan = segment.lan;
        }
        connection.segment(now, segment, is_tx);
    }

    /// The connection that a segment opens or shows to be open; `None` if it is not tracked.
    fn opened(&mut self, segment: &Segment) -> Option<Connection> {
        let (source, destination) = (segment.source, segment.destination);
        let flags = segment.flags;
        let (is_client, state) = match (flags.has(TcpFlags::SYN), flags.has(TcpFlags::ACK)) {
            _ if flags.has(TcpFlags::RST) => return None,
            (true, false) => (true, State::SynSent),
            (true, true) => (false, State::SynAck),
            (false, _) if self.options.only_new => return None,
            (false, _) => {
                (self.listeners.is_client(&source, &destination, None), State::Established)
            }
        };
        let (client, server) =
            if is_client { (source, destination) } else { (destination, source) };
        Some(self.made(client, server, state))
    }

    fn made(&mut self, client: Endpoint, server: Endpoint, state: State) -> Connection {
        let id = self.next_id;
        self.next_id += 1;
        let mut connection = Connection::new(id, client, server, state);
        connection.window = self.options.is_sliding.then(Box::default);
        connection
    }

    /// The number of the interval at a time.
    fn interval(&mut self, now: u64) -> u64 {
        let (start, number) = self.latest;
        if now.wrapping_sub(start) < self.interval_ns {
            return number;
        }
        let number = now / self.interval_ns;
        self.latest = (number * self.interval_ns, number);
        number
    }

    fn find(&self, hash: u64, one: &Endpoint, other: &Endpoint, zone: u16) -> Option<usize> {
        self.connections.find(hash, |Connection { client, server, zone: its_zone, .. }| {
            (client == one && server == other || client == other && server == one)
                && *its_zone == zone
        })
    }

    fn insert(&mut self, hash: u64, connection: Connection) -> usize {
        self.make_room();
        self.connections.push(hash, connection)
    }

    fn make_room(&mut self) {
        if self.len() >= self.options.max_connections {
            self.evict();
        }
    }

    /// Removes the connections that are longest idle, a sixteenth at once, so that a flood of new
    /// connections does not search for the oldest each time.
    #[cold]
    fn evict(&mut self) {
        let count = (self.len() / 16).max(1);
        let mut ages: Vec<(u64, u32)> =
            (0..).zip(self.connections()).map(|(place, one)| (one.seen_at, place)).collect();
        if count < ages.len() {
            ages.select_nth_unstable(count);
        }
        let mut places: Vec<_> =
            ages.iter().take(count).map(|(_, place)| *place as usize).collect();
        // From the last on, so that the connection that fills a free place is not one to be removed.
        places.sort_unstable();
        let known = self.connections.len();
        for place in places.into_iter().rev() {
            let removed = match place.checked_sub(known) {
                Some(place) => self.succeeded.swap_remove(place),
                None => self.connections.swap_remove(place),
            };
            self.give_back(removed);
        }
        self.evicted += count as u64;
    }

    /// Takes the counters of one connection, as they were read at `now`. A reading of all counters
    /// ends with [`Tracker::end_of_counters`].
    pub fn counters(&mut self, now: Duration, counters: &Counters) {
        // A connection request has not begun; of the end of a minisocket that waits for a FIN, the kernel has told.
        if counters.cookie == 0 && self.options.gives_back == GivesBack::Told {
            return;
        }
        let now = nanoseconds(now);
        let Some(found) = self.sought_row(now, counters) else { return };
        // An ended connection is shown only if it was seen alive.
        if counters.state >= State::Closed && found.is_new {
            return;
        }
        let place = self.place_of(&found, counters);
        let (read_at, is_whole) = (self.done.read_at, self.evicted == 0);
        let connection = &mut self.connections[place];
        connection.take_counters(now, counters, connection.client == found.local);
        if found.is_new && read_at != 0 && counters.cookie != 0 {
            connection.began_at = now;
            let ends = connection.ends.iter_mut().flat_map(|ends| ends.iter_mut());
            ends.for_each(|end| end.since = read_at);
            // The last reading would have included it: all its bytes are of this tick.
            if is_whole {
                connection.is_since(read_at);
            }
        }
        // The last reading would have included it, or did include the one before it.
        if found.is_new && read_at != 0 && (is_whole || found.place.is_some()) {
            connection.has_begun(now);
        }
        if found.is_new && found.place.is_some() && counters.flow.is_some() {
            connection.is_since(read_at);
        }
    }

    /// Looks for the connection of counters.
    #[inline(never)]
    fn sought(&self, counters: &Counters) -> Sought {
        let (local, remote) = (canonical(&counters.local), canonical(&counters.remote));
        let hash = hash(&self.keys, &local, &remote);
        let place = self.find(hash, &local, &remote, counters.zone);
        let is_new = place.is_none_or(|place| {
            let one = &self.connections[place];
            one.is_replaced_by_counters(counters, local == one.client)
        });
        Sought { local, remote, hash, place, is_new }
    }

    /// The place of the connection that was sought, which is made if it is new.
    #[inline(never)]
    fn place_of(&mut self, found: &Sought, counters: &Counters) -> usize {
        if let (Some(place), false) = (found.place, found.is_new) {
            return place;
        }
        let connection = self.new_of(found, counters);
        match found.place {
            Some(_) => self.supersede(found.hash, connection),
            None => self.insert(found.hash, connection),
        }
    }

    /// A new connection with the ends that were sought.
    fn new_of(&mut self, found: &Sought, counters: &Counters) -> Connection {
        let Sought { local, remote, .. } = *found;
        let by_rule = || self.listeners.is_client(&local, &remote, counters.bound);
        let is_client = counters.is_client.unwrap_or_else(by_rule);
        let (client, server) = if is_client { (local, remote) } else { (remote, local) };
        let mut connection = self.made(client, server, counters.state);
        connection.zone = counters.zone;
        connection
    }

    /// Ends a reading of counters at `now`: speeds are those since the reading before, and connections
    /// whose counters were not among them are CLOSED.
    pub fn end_of_counters(&mut self, now: Duration) {
        let now = nanoseconds(now);
        self.take_cut();
        let all = self.connections.iter_mut().chain(&mut self.succeeded);
        all.filter(|one| one.is_counted).for_each(|one| one.end_reading(now));
        self.end_of_reading(now);
    }

    /// Updates speeds to `now`, and removes nothing.
    pub fn settle(&mut self, now: Duration) {
        let (interval, interval_ns) = (self.interval(nanoseconds(now)), self.interval_ns);
        for connection in self.connections.iter_mut().chain(&mut self.succeeded) {
            connection.settle(interval, interval_ns);
        }
    }

    /// Updates speeds to `now`, and removes connections that have ended ([`Options::remove_after`]) or are
    /// idle too long: SYN_SENT after 30 s, SYN|ACK-ACK and CLOSING after 60 s, ESTABLISHED after 8100 s, or
    /// after 150 s if something was sent again and is unanswered, or after 60 s if only empty segments of
    /// one end were seen. Call it before reading the connections.
    pub fn tick(&mut self, now: Duration) {
        let now = nanoseconds(now);
        let (interval, interval_ns) = (self.interval(now), self.interval_ns);
        let remove_after = nanoseconds(self.options.remove_after);
        let gives_back = self.options.gives_back;
        for place in (0..self.connections.len()).rev() {
            let connection = &mut self.connections[place];
            connection.settle(interval, interval_ns);
            if connection.is_over(now, remove_after) && !connection.is_awaited(gives_back) {
                self.connections.swap_remove(place);
            }
        }
        self.succeeded.iter_mut().for_each(|connection| connection.settle(interval, interval_ns));
        self.give_back_succeeded_if(|connection| connection.is_over(now, remove_after));
    }

    /// The connections, in no order; those whose ports another one has taken come last.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter().chain(&self.succeeded)
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.connections.len() + self.succeeded.len()
    }

    /// Whether there are no connections.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether connections in several VLANs or tunnels had the same addresses and ports at once: they are taken for one.
    pub fn has_shared(&self) -> bool {
        self.has_shared
    }

    /// How many connections were removed to make room for others.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}

/// A time in nanoseconds, never 0, which means none.
fn nanoseconds(moment: Duration) -> u64 {
    u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const FIN: u8 = 1;
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const ACK: u8 = 16;

    fn end(last: u8, port: u16) -> Endpoint {
        Endpoint { address: Ipv4Addr::new(192, 0, 2, last).into(), port }
    }

    /// A segment of the connection of port 40000 to port 80; `>` comes from the client.
    fn segment((way, flags, sequence, acknowledgment, payload_bytes): Row) -> Segment {
        let (client, server) = (end(1, 40000), end(2, 80));
        let is_tx = way == '>';
        Segment {
            source: if is_tx { client } else { server },
            destination: if is_tx { server } else { client },
            sequence,
            acknowledgment,
            flags: TcpFlags(flags),
            payload_bytes,
            interface: 1,
            lan: 0,
            id: 0,
            checksum: 0,
        }
    }

    /// Direction, flags, sequence and acknowledgment number, bytes of payload.
    type Row = (char, u8, u32, u32, u32);

    /// A tracker that has seen one segment a millisecond, from 1 s on.
    fn tracked(options: Options, rows: &[Row]) -> Tracker {
        let mut tracker = Tracker::new(options);
        for (millisecond, row) in (1000..).zip(rows) {
            tracker.segment(Duration::from_millis(millisecond), &segment(*row));
        }
        tracker
    }

    fn only(tracker: &Tracker) -> &Connection {
        assert_eq!(tracker.len(), 1);
        tracker.connections().next().unwrap()
    }

    const HANDSHAKE: [Row; 3] =
        [('>', SYN, 99, 0, 0), ('<', SYN | ACK, 499, 100, 0), ('>', ACK, 100, 500, 0)];

    /// The result of the handshake and `rows`: state, tx and rx bytes, retransmits.
    fn after(rows: &[Row]) -> (State, u64, u64, u64) {
        let all = [&HANDSHAKE, rows].concat();
        let tracker = tracked(Options::default(), &all);
        let one = only(&tracker);
        assert_eq!((one.client, one.server), (end(1, 40000), end(2, 80)));
        (one.state, one.tx.bytes_total, one.rx.bytes_total, one.retransmits_total().unwrap())
    }

    #[test]
    fn a_connection_opens_talks_and_closes() {
        use State::{Closed, Closing, Established, Reset, SynAck, SynSent};
        let rows: [(Row, State); 11] = [
            (HANDSHAKE[0], SynSent),
            (HANDSHAKE[1], SynAck),
            (HANDSHAKE[2], Established),
            (('>', ACK, 100, 500, 10), Established),
            (('<', ACK, 500, 110, 2000), Established),
            (('>', ACK | FIN, 110, 2500, 5), Closing),
            (('<', ACK, 2500, 116, 7), Closing),
            (('<', ACK | FIN, 2507, 116, 0), Closing),
            (('>', ACK, 116, 2507, 0), Closing),
            (('>', ACK, 116, 2508, 0), Closed),
            (('<', RST, 2508, 0, 0), Closed),
        ];
        for count in 1..=rows.len() {
            let seen: Vec<Row> = rows[..count].iter().map(|(row, _)| *row).collect();
            assert_eq!(only(&tracked(Options::default(), &seen)).state, rows[count - 1].1);
        }
        let all = rows.map(|(row, _)| row);
        assert_eq!(after(&all[3..]), (Closed, 15, 2007, 0));
        assert_eq!(after(&[('<', RST | ACK, 500, 100, 0)]).0, Reset);
        // A reset with numbers outside the connection is ignored.
        assert_eq!(after(&[('<', RST, 0x8000_0000, 0, 0)]).0, Established);
    }

    #[test]
    fn both_ends_may_open_and_close_at_once() {
        let open = [
            ('>', SYN, 99, 0, 0),
            ('<', SYN, 499, 0, 0),
            ('>', SYN | ACK, 99, 500, 0),
            ('<', SYN | ACK, 499, 100, 0),
        ];
        let state = |rows: &[Row]| only(&tracked(Options::default(), rows)).state;
        assert_eq!(state(&open[..2]), State::SynAck);
        assert_eq!(state(&open), State::Established);
        let close = [
            ('>', FIN | ACK, 100, 500, 0),
            ('<', FIN | ACK, 500, 100, 0),
            ('<', ACK, 501, 101, 0),
            ('>', ACK, 101, 501, 0),
        ];
        assert_eq!(after(&close[..3]), (State::Closing, 0, 0, 0));
        assert_eq!(after(&close), (State::Closed, 0, 0, 0));
        let refused = [HANDSHAKE[0], HANDSHAKE[0], ('<', RST | ACK, 0, 100, 0)];
        let tracker = tracked(Options::default(), &refused);
        assert_eq!((only(&tracker).state, only(&tracker).syn_retries_total), (State::Reset, 1));
    }

    #[test]
    fn a_byte_is_counted_once() {
        let data = |sequence, bytes| ('>', ACK, sequence, 500, bytes);
        for (rows, bytes, retransmits) in [
            (&[data(100, 50), data(100, 50)][..], 50, 1),
            // Overlaps: behind, before, around, within.
            (&[data(100, 50), data(120, 50)], 70, 1),
            (&[data(150, 50), data(120, 50), data(100, 20)], 100, 1),
            (&[data(110, 10), data(130, 10), data(100, 60)], 60, 1),
            (&[data(100, 60), data(110, 10)], 60, 1),
            // Data out of order is not retransmitted.
            (&[data(110, 10), data(100, 10), data(120, 10)], 30, 0),
            (&[data(120, 10), data(110, 10), data(100, 10)], 30, 0),
            // Keepalive probes.
            (&[data(100, 9), ('<', ACK, 500, 109, 0), data(108, 1), data(108, 0)], 9, 0),
            (&[data(100, 9), data(108, 1)], 9, 1),
            // Bytes that the capture missed, but the other end has received.
            (&[data(100, 10), data(130, 10), ('<', ACK, 500, 140, 0)], 40, 0),
            (&[data(100, 10), data(130, 10), ('<', ACK, 500, 120, 0)], 30, 0),
            (&[data(100, 10), ('>', FIN | ACK, 150, 500, 0), ('<', ACK, 500, 151, 0)], 50, 0),
        ] {
            assert_eq!((after(rows).1, after(rows).3), (bytes, retransmits), "{rows:?}");
        }
    }

    #[test]
    fn sequence_numbers_wrap() {
        let first = u32::MAX - 20;
        let rows = [
            ('>', SYN, first, 0, 0),
            ('<', SYN | ACK, u32::MAX, first + 1, 0),
            ('>', ACK, first + 1, 0, 30),
            ('>', ACK, 20, 0, 10),
            ('>', ACK, 10, 0, 10),
            ('<', ACK, 0, 30, 100),
            ('>', ACK, first + 1, 0, 30),
        ];
        let tracker = tracked(Options::default(), &rows);
        let one = only(&tracker);
        assert_eq!((one.tx.bytes_total, one.rx.bytes_total), (50, 100));
        assert_eq!((one.tx.missed_bytes_total, one.tx.retransmits_total), (0, 1));
        // 5 GiB in segments of 64 KiB pass through all sequence numbers.
        let mut tracker = tracked(Options::default(), &HANDSHAKE);
        for piece in 0..(5u64 << 14) {
            let sequence = (100 + (piece << 16)) as u32;
            tracker.segment(Duration::from_secs(2), &segment(('>', ACK, sequence, 500, 1 << 16)));
        }
        assert_eq!(only(&tracker).tx.bytes_total, 5 << 30);
        assert_eq!(only(&tracker).retransmits_total(), Some(0));
    }

    #[test]
    fn gaps_without_end_are_taken_for_missed() {
        let mut rows = vec![];
        for gap in 0..100 {
            rows.push(('>', ACK, 110 + gap * 20, 500, 10));
        }
        let counted = after(&rows);
        assert!((1000..2000).contains(&counted.1) && counted.3 == 0, "{counted:?}");
        rows.push(('<', ACK, 500, 110 + 99 * 20 + 10, 0));
        assert_eq!(after(&rows), (State::Established, 2000, 0, 0));
        // Segments in any order give the same sum once everything is acknowledged.
        let mut random = 7u64;
        for _ in 0..200 {
            let mut rows: Vec<Row> =
                (0..40).map(|piece| ('>', ACK, 100 + piece * 7, 500, 7)).collect();
            for last in (1..rows.len()).rev() {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                rows.swap(last, (random >> 33) as usize % (last + 1));
            }
            rows.push(('<', ACK, 500, 380, 0));
            assert_eq!(after(&rows).1, 280);
        }
    }

    #[test]
    fn a_running_connection_is_shown_at_once_and_the_right_way_round() {
        for (row, tx, rx) in [(('>', ACK, 1000, 1, 30), 30, 0), (('<', ACK, 1000, 1, 30), 0, 30)] {
            let tracker = tracked(Options::default(), &[row]);
            let one = only(&tracker);
            assert_eq!((one.client, one.server), (end(1, 40000), end(2, 80)));
            assert_eq!(
                (one.state, one.tx.bytes_total, one.rx.bytes_total),
                (State::Established, tx, rx)
            );
        }
        let mut tracker = Tracker::new(Options::default());
        tracker.listeners.learn(&end(1, 40000));
        tracker.segment(Duration::from_secs(1), &segment(('>', ACK, 1, 1, 9)));
        assert_eq!(only(&tracker).server, end(1, 40000));
        let new = Options { only_new: true, ..Options::default() };
        assert!(tracked(new, &[('>', ACK, 1000, 1, 30)]).is_empty());
        assert!(tracked(Options::default(), &[('>', RST, 1000, 1, 0)]).is_empty());
        // Bytes sent before the capture began are not counted.
        let rows = [('<', ACK, 1, 1000, 0), ('>', ACK, 5000, 1, 10), ('<', ACK, 1, 5010, 0)];
        assert_eq!(only(&tracked(Options::default(), &rows)).tx.bytes_total, 10);
    }

    #[test]
    fn one_way_of_a_connection_shows_both() {
        let mut rows = vec![('>', SYN, 99, 0, 0), ('>', ACK, 100, 500, 0)];
        rows.extend((1..11).map(|step| ('>', ACK, 100, 500 + step * 1000, 0)));
        let tracker = tracked(Options::default(), &rows);
        let one = only(&tracker);
        assert_eq!((one.tx.bytes_total, one.rx.bytes_total), (0, 10_000));
        assert_eq!(one.rx.missed_bytes_total, 10_000);
    }

    #[test]
    fn a_fin_that_was_not_captured_is_no_byte() {
        let begin = [('>', SYN, 99, 0, 0), ('>', ACK, 100, 500, 0), ('>', ACK, 100, 500, 50)];
        // What follows, and the bytes of the other way.
        let ends: [(&[Row], u64); 5] = [
            // The captured end closes first; then the other one does.
            (
                &[('>', ACK, 150, 530, 0), ('>', FIN | ACK, 150, 530, 0), ('>', ACK, 151, 531, 0)],
                30,
            ),
            (&[('>', ACK, 150, 531, 0), ('>', FIN | ACK, 150, 531, 0)], 30),
            (&[('>', FIN | ACK, 150, 500, 0), ('>', ACK, 151, 501, 0)], 0),
            (&[('>', ACK, 150, 501, 0), ('>', FIN | ACK, 150, 501, 0)], 0),
            // Nothing tells whether it has closed.
            (&[('>', ACK, 150, 531, 0)], 31),
        ];
        for (end, bytes) in ends {
            let rows = [&begin, end].concat();
            let client = only(&tracked(Options::default(), &rows)).clone();
            let totals = (client.totals(), client.missed_bytes_total());
            assert_eq!(totals, ([Some(50), Some(bytes)], bytes), "{rows:?}");
            // The same from the other end, which answers.
            let rows: Vec<Row> = rows
                .iter()
                .map(|&(_, flags, sequence, acknowledgment, length)| {
                    ('<', flags | ACK, sequence, acknowledgment.max(500), length)
                })
                .collect();
            let server = only(&tracked(Options::default(), &rows)).clone();
            let totals = (server.totals(), server.missed_bytes_total());
            assert_eq!(totals, ([Some(bytes), Some(50)], bytes), "{rows:?}");
        }
        // Where both ways are captured, every byte is one.
        let rows = [
            ('>', ACK, 100, 500, 50),
            ('<', ACK, 500, 150, 30),
            ('>', FIN | ACK, 150, 530, 0),
            ('<', ACK, 530, 151, 10),
        ];
        assert_eq!(only(&tracked(Options::default(), &rows)).totals(), [Some(50), Some(40)]);
    }

    #[test]
    fn ports_are_used_again() {
        let closed = [
            ('>', FIN | ACK, 100, 500, 10),
            ('<', FIN | ACK, 500, 111, 0),
            ('>', ACK, 111, 501, 0),
        ];
        let again = [('>', SYN, 9_000_000, 0, 0)];
        let last = |rows: &[Row]| *all(&[&HANDSHAKE, rows].concat()).last().unwrap();
        assert_eq!(last(&[&closed[..], &again].concat()), (State::SynSent, 0, 0));
        assert_eq!(last(&[('<', RST, 500, 0, 0), again[0]]), (State::SynSent, 0, 0));
        // A SYN alone does not end a live connection; its answer does.
        let answered = [again[0], ('<', SYN | ACK, 7_000_000, 9_000_001, 0)];
        let old = ('>', ACK, 100, 500, 10);
        assert_eq!(after(&[old, again[0]]).1, 10);
        assert_eq!(last(&[&[old], &answered[..]].concat()), (State::SynAck, 0, 0));
    }

    /// Every connection in the order of its beginning: state, tx and rx bytes.
    fn all(rows: &[Row]) -> Vec<(State, u64, u64)> {
        let tracker = tracked(Options::default(), rows);
        let mut all: Vec<_> = tracker.connections().collect();
        all.sort_by_key(|one| one.id);
        all.iter().map(|one| (one.state, one.tx.bytes_total, one.rx.bytes_total)).collect()
    }

    const DATA: [Row; 2] = [('>', ACK, 100, 500, 10), ('<', ACK, 500, 110, 20)];
    const CLOSED: [Row; 3] =
        [('>', FIN | ACK, 110, 520, 0), ('<', FIN | ACK, 520, 111, 0), ('>', ACK, 111, 521, 0)];

    #[test]
    fn a_foreign_answer_changes_nothing() {
        let whole = [&HANDSHAKE[..], &DATA, &CLOSED].concat();
        for sequence in [0, 498, 500, 510, 600, 499 + (1 << 20), 0x7000_0000, 0x9000_0000, u32::MAX]
        {
            // It acknowledges the SYN, something later, or nothing of this connection.
            for acknowledgment in [100, 105, 110, 99, 7_000_000, 0x8000_0000] {
                for flags in [SYN | ACK, SYN] {
                    let foreign = ('<', flags, sequence, acknowledgment, 0);
                    // Behind the end, it may begin a connection.
                    let may_be_last = flags == SYN | ACK && (101..111).contains(&acknowledgment);
                    for place in 3..whole.len() + usize::from(may_be_last) {
                        let mut rows = whole.clone();
                        rows.insert(place, foreign);
                        let name = format!("{foreign:?} at {place}");
                        assert_eq!(all(&rows), [(State::Closed, 10, 20)], "{name}");
                        assert_eq!(
                            only(&tracked(Options::default(), &rows)).retransmits_total(),
                            Some(0)
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn a_simultaneous_open_sends_nothing_again() {
        let syns = [('>', SYN, 99, 0, 0), ('<', SYN, 499, 0, 0)];
        let answers = [('>', SYN | ACK, 99, 500, 0), ('<', SYN | ACK, 499, 100, 0)];
        let count = |rows: &[Row]| {
            let tracker = tracked(Options::default(), rows);
            let one = only(&tracker);
            assert_eq!(one.state, State::Established);
            (one.tx.bytes_total, one.rx.bytes_total, one.retransmits_total().unwrap())
        };
        assert_eq!(count(&[&syns[..], &answers, &DATA].concat()), (10, 20, 0));
        let others = [answers[1], answers[0]];
        assert_eq!(count(&[&syns[..], &others, &DATA].concat()), (10, 20, 0));
        // One of each kind that is sent again.
        for place in 0..4 {
            let mut rows = [&syns[..], &answers, &DATA].concat();
            rows.insert(place, rows[place]);
            assert_eq!(count(&rows), (10, 20, 1), "{place}");
        }
    }

    #[test]
    fn of_two_answers_the_client_takes_one() {
        for (first, second) in [(499, 1_000_499), (1_000_499, 499), (0x9000_0000, 499)] {
            let answer = |sequence| ('<', SYN | ACK, sequence, 100, 0);
            let rows = [HANDSHAKE[0], answer(first), answer(second), HANDSHAKE[2]];
            let rows = [&rows[..], &DATA, &CLOSED].concat();
            assert_eq!(all(&rows), [(State::Closed, 10, 20)], "{first} {second}");
        }
        // An answer to something else is none.
        let rows = [HANDSHAKE[0], ('<', SYN | ACK, 9, 5_000_000, 0), HANDSHAKE[1], HANDSHAKE[2]];
        assert_eq!(all(&[&rows[..], &DATA].concat()), [(State::Established, 10, 20)]);
    }

    #[test]
    fn every_connection_on_the_same_ports_has_a_row() {
        let other = |(way, flags, sequence, acknowledgment, bytes): Row| {
            let base = |mine| if mine { 3_000_000_000 } else { 77_000 };
            let acknowledgment =
                if acknowledgment == 0 { 0 } else { acknowledgment + base(way == '<') };
            (way, flags, sequence + base(way == '>'), acknowledgment, bytes)
        };
        let second: Vec<_> =
            [&HANDSHAKE[..], &DATA, &DATA[..1]].concat().into_iter().map(other).collect();
        let row = (State::Established, 10, 20);
        let reset = [('<', RST, 520, 0, 0)];
        let half = [CLOSED[0]];
        let unacknowledged = &CLOSED[..2];
        for (end, state) in [
            (&CLOSED[..], State::Closed),
            (&reset, State::Reset),
            (&half, State::Closing),
            (unacknowledged, State::Closing),
            (&[], State::Established),
        ] {
            let first = [&HANDSHAKE[..], &DATA, end].concat();
            let rows = [&first[..], &second].concat();
            assert_eq!(all(&rows), [(state, 10, 20), row], "{state:?}");
            // The answer came late, the SYN twice, or the SYN was not captured.
            let twice = [&first[..], &second[..1], &second].concat();
            assert_eq!(all(&twice), [(state, 10, 20), row], "{state:?}");
            let third = tracked(Options::default(), &[&rows[..], &HANDSHAKE].concat());
            assert_eq!(third.len(), 3);
            if state >= State::Closed {
                assert_eq!(all(&[&first[..], &second[1..]].concat()), [(state, 10, 20), row]);
            }
            let new = tracked(Options::default(), &rows);
            let times: Vec<_> =
                new.connections().map(|one| one.rtt().unwrap().as_millis()).collect();
            assert_eq!(times, [2, 2], "{state:?}");
        }
        // Attempts without an answer.
        let attempts = [HANDSHAKE[0], HANDSHAKE[0], other(HANDSHAKE[0]), other(HANDSHAKE[1])];
        assert_eq!(all(&attempts), [(State::SynSent, 0, 0), (State::SynAck, 0, 0)]);
        // Only the server's segments are captured.
        let one_way = |rows: &[Row]| -> Vec<Row> {
            rows.iter().copied().filter(|row| row.0 == '<').collect()
        };
        let first = one_way(&[&HANDSHAKE[..], &DATA].concat());
        let rows = [first, one_way(&second)].concat();
        assert_eq!(all(&rows), [(State::Established, 10, 20), (State::Established, 10, 20)]);
    }

    /// A complete conversation with these numbers of the SYNs, of 200 bytes from the client and 100 from the server.
    fn conversation(client: u32, server: u32) -> [Row; 8] {
        let (tx, rx) = (client + 1, server + 1);
        [
            ('>', SYN, client, 0, 0),
            ('<', SYN | ACK, server, tx, 0),
            ('>', ACK, tx, rx, 0),
            ('>', ACK, tx, rx, 200),
            ('<', ACK, rx, tx + 200, 100),
            ('>', FIN | ACK, tx + 200, rx + 100, 0),
            ('<', FIN | ACK, rx + 100, tx + 201, 0),
            ('>', ACK, tx + 201, rx + 101, 0),
        ]
    }

    #[test]
    fn the_next_connection_may_begin_with_the_same_number() {
        let row = (State::Closed, 200, 100);
        let first = conversation(1000, 5000);
        for server in [999_000, 4000, 5050, 5301, 70_000, 0x6000_0000, 0x9000_0000] {
            let second = conversation(1000, server);
            let rows = [first, second].concat();
            assert_eq!(all(&rows), [row, row], "{server}");
            let tracker = tracked(Options::default(), &rows);
            assert!(
                tracker.connections().all(|one| one.retransmits_total() == Some(0)),
                "{server}"
            );
            // The SYN was not captured.
            assert_eq!(all(&[&first[..], &second[1..]].concat()), [row, row], "{server}");
            // It was sent twice.
            let twice = [&first[..], &second[..1], &second].concat();
            assert_eq!(all(&twice), [row, row], "{server}");
        }
        // After a reset.
        let reset = [&first[..5], &[('<', RST, 5101, 0, 0)], &conversation(1000, 999_000)].concat();
        assert_eq!(all(&reset), [(State::Reset, 200, 100), row]);
    }

    /// Near the numbers of the first conversation, as Linux chooses them for ports in TIME_WAIT, or anywhere.
    const NEXT: [(u32, u32); 4] =
        [(6201, 12_101), (66_737, 70_638), (0x9000_0000, 9), (7, 7_000_000)];

    #[test]
    fn the_next_connection_needs_no_answer_that_was_captured() {
        let first = conversation(1000, 5000);
        let half = [&first[..7], &[('<', ACK, 5101, 1201, 0)]].concat();
        // Fewer segments, and a FIN of the direction that is not captured.
        let rows = |ends: &[&[Row]], is_kept: fn(&Row) -> bool| -> Vec<Row> {
            ends.concat().into_iter().filter(is_kept).collect()
        };
        let reset = [('>', RST | ACK, 1201, 5101, 0)];
        let ends = [&first[..], &first[..5], &half, &[&first[..5], &reset].concat()];
        for (client, server) in NEXT {
            let second = conversation(client, server);
            // Only the client's segments, whose SYN was sent once or twice, or whose first segments were lost.
            let twice = [&second[..1], &second].concat();
            let lost = [&second[..1], &second[3..]].concat();
            for (end, next) in
                ends.iter().flat_map(|end| [(end, &second[..]), (end, &twice), (end, &lost)])
            {
                let rows = rows(&[end, next], |row| row.0 == '>');
                let all: Vec<_> = all(&rows).iter().map(|one| (one.1, one.2)).collect();
                let is_right = matches!(all[..], [(200, 0 | 100 | 101), (200, 100 | 101)]);
                assert!(is_right, "{client} {server} {all:?} {rows:?}");
            }
            // Both ways without the second answer, or the second SYN.
            for end in &ends[1..] {
                for next in [[&second[..1], &second[2..]].concat(), second[1..].to_vec()] {
                    let rows = [end, &next[..]].concat();
                    let all: Vec<_> = all(&rows).iter().map(|one| (one.1, one.2)).collect();
                    assert_eq!(all, [(200, 100), (200, 100)], "{client} {server} {rows:?}");
                }
            }
        }
    }

    #[test]
    fn a_forged_syn_takes_no_segment_of_a_living_connection() {
        let whole = conversation(1000, 5000);
        let one_way =
            |way| -> Vec<Row> { whole.iter().copied().filter(|row| row.0 == way).collect() };
        for (rows, open) in [(whole.to_vec(), 3), (one_way('>'), 2), (one_way('<'), 1)] {
            let found = all(&rows);
            let (client, server) = (1000u32, 5000u32);
            for far in
                [1, 100, 199, 200, 201, 250, 70_000, 1 << 29, 1 << 31, 3 << 30, u32::MAX - 99_999]
            {
                for (way, base) in [('>', client), ('<', server)] {
                    for place in open..rows.len() {
                        let mut rows = rows.clone();
                        rows.insert(place, (way, SYN, base.wrapping_add(far), 0, 0));
                        // Where only one way is captured, an answer alone tells of the next connection.
                        if open == 3 {
                            rows.insert(place, (way, SYN | ACK, base.wrapping_add(far), 77, 0));
                        }
                        let sums = |all: &[(State, u64, u64)]| (all.len(), all[0].1, all[0].2);
                        assert_eq!(sums(&all(&rows)), sums(&found), "{far} {way} {place}");
                    }
                }
            }
        }
    }

    #[test]
    fn foreign_numbers_behind_the_end_count_no_more_than_was_captured() {
        let first = conversation(1000, 5000);
        for (client, server) in [(1000, 999_000), (888_000, 999_000), (1000, 0x9000_0000)] {
            // Any part of another conversation.
            let second = conversation(client, server);
            for missing in 1..second.len() {
                let rows = [&first[..], &second[missing..]].concat();
                let all = all(&rows);
                let sum = |of: fn(&(State, u64, u64)) -> u64| all.iter().map(of).sum::<u64>();
                assert!(sum(|one| one.1) <= 400 && sum(|one| one.2) <= 200, "{missing} {all:?}");
            }
        }
    }

    #[test]
    fn connections_on_the_same_ports_are_bounded_and_leave() {
        let options = Options { max_connections: 64, ..Options::default() };
        let mut tracker = Tracker::new(options);
        for number in 0..1000u32 {
            let now = Duration::from_millis(1000 + u64::from(number));
            tracker.segment(now, &segment(('>', SYN, number * 5000, 0, 0)));
            tracker.segment(now, &segment(('<', RST | ACK, 0, number * 5000 + 1, 0)));
            assert!(tracker.len() <= 64);
        }
        assert_eq!(tracker.evicted(), 1000 - tracker.len() as u64);
        let mut ids: Vec<_> = tracker.connections().map(|one| one.id).collect();
        ids.sort_unstable();
        assert_eq!(ids, (1001 - ids.len() as u64..=1000).collect::<Vec<_>>());
        tracker.tick(Duration::from_secs(9));
        assert!(tracker.is_empty());
        // One that never ended leaves when its successor is there.
        let again = [('>', SYN, 7_000_000, 0, 0), ('<', SYN | ACK, 9, 7_000_001, 0)];
        let mut tracker = tracked(Options::default(), &[&HANDSHAKE[..], &again].concat());
        assert_eq!(tracker.len(), 2);
        tracker.tick(Duration::from_secs(4));
        assert_eq!(only(&tracker).id, 2);
    }

    #[test]
    fn the_order_of_the_capture_does_not_matter() {
        let rows = [&HANDSHAKE[..], &DATA, &CLOSED].concat();
        // Each segment is captured up to four places late, or early.
        for from in 0..rows.len() {
            for to in from.saturating_sub(4)..(from + 5).min(rows.len()) {
                let mut mixed = rows.clone();
                let row = mixed.remove(from);
                mixed.insert(to, row);
                let tracker = tracked(Options::default(), &mixed);
                let one = only(&tracker);
                let bytes = (one.tx.bytes_total, one.rx.bytes_total);
                assert_eq!(bytes, (10, 20), "{from} to {to}: {one:?}");
                assert_eq!(
                    one.tx.missed_bytes_total + one.rx.missed_bytes_total,
                    0,
                    "{from} to {to}"
                );
                assert_eq!(one.retransmits_total(), Some(0), "{from} to {to}");
                assert_eq!(one.state, State::Closed, "{from} to {to}");
            }
        }
    }

    #[test]
    fn the_acknowledgment_of_a_fin_may_come_first() {
        let rows =
            [('>', ACK, 100, 500, 200), ('<', ACK, 500, 301, 0), ('>', FIN | ACK, 300, 500, 0)];
        assert_eq!(after(&rows), (State::Closing, 200, 0, 0));
        // Together with data.
        let rows = [('<', ACK, 500, 301, 0), ('>', FIN | ACK, 100, 500, 200)];
        assert_eq!(after(&rows), (State::Closing, 200, 0, 0));
        // A tick between the two, and the speed behind it.
        let mut tracker = tracked(Options::default(), &HANDSHAKE);
        for (second, row) in [(2, ('<', ACK, 500, 101, 0)), (4, ('>', FIN | ACK, 100, 500, 0))] {
            tracker.segment(Duration::from_secs(second), &segment(row));
            tracker.tick(Duration::from_secs(second + 1));
        }
        let one = only(&tracker);
        assert_eq!((one.tx.bytes_total, one.tx.bytes_per_second), (0, 0));
    }

    #[test]
    fn equal_stamps_tell_no_round_trip() {
        let rtt = |stamps: &[u64]| {
            let mut tracker = Tracker::new(Options::default());
            for (stamp, row) in stamps.iter().zip([&HANDSHAKE[..], &DATA].concat()) {
                tracker.segment(Duration::from_nanos(1_000_000_000 + stamp), &segment(row));
            }
            only(&tracker).rtt().map(|rtt| rtt.as_nanos())
        };
        assert_eq!(rtt(&[0, 0, 0]), None);
        assert_eq!(rtt(&[0; 5]), None);
        // One end is where the capture was made.
        assert_eq!(rtt(&[0, 20_000_000, 20_000_000]), Some(20_000_000));
        assert_eq!(rtt(&[0, 0, 0, 10_000, 50_000_000]), None);
        // Less than a microsecond is not nothing.
        assert_eq!(rtt(&[0, 400, 400]), Some(1000));
    }

    #[test]
    fn silence_ends_at_the_times_that_are_said() {
        let times = |rows: &[Row]| {
            let mut tracker = tracked(Options::default(), rows);
            let last = 999 + rows.len() as u64;
            (1..10_000).find(|second| {
                tracker.tick(Duration::from_millis(last + second * 1000));
                tracker.is_empty()
            })
        };
        let with = |rows: &[Row]| times(&[&HANDSHAKE, rows].concat());
        assert_eq!(times(&HANDSHAKE[..1]), Some(30));
        assert_eq!(times(&HANDSHAKE[..2]), Some(60));
        assert_eq!(times(&HANDSHAKE), Some(8100));
        assert_eq!(with(&[('>', FIN | ACK, 100, 500, 0)]), Some(60));
        assert_eq!(with(&[('>', RST | ACK, 100, 500, 0)]), Some(2));
        assert_eq!(times(&[('>', ACK, 100, 500, 0)]), Some(60));
        assert_eq!(times(&[('>', ACK, 100, 500, 0), ('<', ACK, 500, 101, 0)]), Some(8100));
        let lost = ('>', ACK, 100, 500, 10);
        assert_eq!(with(&[lost]), Some(8100));
        assert_eq!(with(&[lost, lost]), Some(150));
        assert_eq!(with(&[lost, lost, ('<', ACK, 500, 110, 0)]), Some(8100));
    }

    #[test]
    fn what_goes_on_behind_a_reset_is_shown_anew() {
        let mut tracker = tracked(Options::default(), &HANDSHAKE);
        tracker.segment(Duration::from_secs(2), &segment(('>', RST, 100, 0, 0)));
        let mut states = Vec::new();
        for second in 3..6 {
            let data = ('<', ACK, 500 + second as u32 * 10, 100, 10);
            tracker.segment(Duration::from_secs(second), &segment(data));
            states.push((only(&tracker).state, only(&tracker).id));
            tracker.tick(Duration::from_secs(second));
        }
        use State::{Established, Reset};
        assert_eq!(states, [(Reset, 1), (Reset, 1), (Established, 2)]);
    }

    #[test]
    fn a_reset_outside_the_window_changes_nothing() {
        let open = [&HANDSHAKE[..], &DATA, &[('>', ACK, 110, 520, 0)]].concat();
        for (way, next) in [('<', 520u32), ('>', 110)] {
            for far in [895_000, 70_000, 1 << 20, 1 << 30, 1 << 31, 3 << 30, u32::MAX - 895_000] {
                for flags in [RST, RST | ACK] {
                    let reset = (way, flags, next.wrapping_add(far), 0, 0);
                    for place in 5..=open.len() {
                        let mut rows = open.clone();
                        rows.insert(place, reset);
                        let goes_on = (State::Established, 10, 20);
                        assert_eq!(all(&rows), [goes_on], "{reset:?} at {place}");
                        let rows = [&rows[..], &CLOSED].concat();
                        assert_eq!(all(&rows), [(State::Closed, 10, 20)], "{reset:?} at {place}");
                    }
                }
            }
            // The next number, and what the capture may have missed.
            for near in [0, 1, 100, 60_000, u32::MAX - 9] {
                let rows = [&open[..], &[(way, RST, next.wrapping_add(near), 0, 0)]].concat();
                assert_eq!(all(&rows), [(State::Reset, 10, 20)], "{way} {near}");
            }
        }
        // Much was sent and is not acknowledged; its beginning was lost, or it was missed.
        let sent: Vec<Row> =
            (1..20).map(|step| ('<', ACK, 520 + step * 60_000, 110, 60_000)).collect();
        let end = ('<', RST, 520 + 20 * 60_000, 0, 0);
        let rows = [&open[..], &sent, &[end]].concat();
        assert_eq!(all(&rows)[0].0, State::Reset);
        let missed = [('>', ACK, 110, 1000, 0), end];
        assert_eq!(all(&[&open[..], &missed].concat())[0].0, State::Reset);
        // Before the server's segments, its numbers are not known; an attempt is refused with 0.
        assert_eq!(all(&[HANDSHAKE[0], ('<', RST | ACK, 0, 100, 0)])[0].0, State::Reset);
    }

    #[test]
    fn speeds_are_of_the_last_whole_second_or_slide() {
        let speeds = |options: Options| -> Vec<u64> {
            let mut tracker = Tracker::new(options);
            // 1000 bytes at 1.0 s, 1.1 s … 1.9 s.
            for step in 0..10u64 {
                let row = ('>', ACK, 100 + step as u32 * 1000, 1, 1000);
                tracker.segment(Duration::from_millis(1000 + step * 100), &segment(row));
            }
            let moments = [1950, 2000, 2450, 2950, 3000, 9000];
            let at = |millisecond| {
                tracker.tick(Duration::from_millis(millisecond));
                only(&tracker).tx.bytes_per_second
            };
            moments.map(at).to_vec()
        };
        let whole = Options::default();
        assert_eq!(speeds(whole), [0, 10_000, 10_000, 10_000, 0, 0]);
        let sliding = Options { is_sliding: true, ..whole };
        assert_eq!(speeds(sliding), [9000, 10_000, 6000, 1000, 0, 0]);
        let slow = Options { rate_interval: Duration::from_secs(2), ..whole };
        assert_eq!(speeds(slow), [0, 5000, 5000, 5000, 5000, 0]);
    }

    #[test]
    fn the_round_trip_is_the_shortest_of_both_ways() {
        let at = |tracker: &mut Tracker, millisecond, row| {
            tracker.segment(Duration::from_millis(millisecond), &segment(row));
        };
        let mut tracker = Tracker::new(Options::default());
        at(&mut tracker, 1000, HANDSHAKE[0]);
        at(&mut tracker, 1030, HANDSHAKE[1]);
        at(&mut tracker, 1040, HANDSHAKE[2]);
        let rtt = |tracker: &Tracker| only(tracker).rtt().unwrap().as_millis();
        assert_eq!(rtt(&tracker), 40);
        at(&mut tracker, 2000, ('>', ACK, 100, 500, 10));
        at(&mut tracker, 2020, ('<', ACK, 500, 110, 0));
        assert_eq!(rtt(&tracker), 30);
        // The segment was sent again: the acknowledgment does not say which copy it answers.
        at(&mut tracker, 3000, ('>', ACK, 110, 500, 10));
        at(&mut tracker, 3200, ('>', ACK, 110, 500, 10));
        at(&mut tracker, 3201, ('<', ACK, 500, 120, 0));
        assert_eq!(rtt(&tracker), 30);
    }

    #[test]
    fn the_same_packet_on_another_interface_is_not_sent_again() {
        let mut tracker = Tracker::new(Options::default());
        for row in HANDSHAKE.into_iter().chain([('>', ACK, 100, 500, 10), ('<', ACK, 500, 110, 20)])
        {
            for interface in [1, 2] {
                let segment = Segment { interface, ..segment(row) };
                tracker.segment(Duration::from_secs(1), &segment);
            }
        }
        let one = only(&tracker);
        assert_eq!(
            (one.tx.bytes_total, one.rx.bytes_total, one.retransmits_total()),
            (10, 20, Some(0))
        );
    }

    #[test]
    fn the_longest_idle_make_room() {
        let options = Options { max_connections: 64, ..Options::default() };
        let mut tracker = Tracker::new(options);
        let of = |port: u16| Segment { source: end(1, port), ..segment(('>', ACK, 1, 1, 1)) };
        for port in 1000..2000 {
            tracker.segment(Duration::from_millis(port.into()), &of(port));
            // A connection that is always busy stays.
            tracker.segment(Duration::from_millis(port.into()), &of(999));
            assert!(tracker.len() <= 64);
        }
        assert_eq!(tracker.evicted(), 1001 - tracker.len() as u64);
        let mut ports: Vec<_> = tracker.connections().map(|one| one.client.port).collect();
        ports.sort_unstable();
        let newest = 2000 - (ports.len() as u16 - 1);
        assert_eq!(ports, std::iter::once(999).chain(newest..2000).collect::<Vec<_>>());
        for port in newest..2000 {
            tracker.segment(Duration::from_secs(3), &of(port));
        }
        assert_eq!(tracker.len(), ports.len());
        tracker.tick(Duration::from_secs(9000));
        assert!(tracker.is_empty());
    }

    #[test]
    fn counters_make_connections_too() {
        let reading = |sent, received, state| Counters {
            bound: None,
            zone: 0,
            flow: None,
            local: end(2, 80),
            remote: end(1, 40000),
            is_client: None,
            state,
            sent_bytes_total: Some(sent),
            received_bytes_total: Some(received),
            retransmits_total: Some(3),
            rtt: Some(Duration::from_millis(7)),
            idle: None,
            cookie: 0,
            cgroup: 0,
        };
        let mut tracker = Tracker::new(Options::default());
        let mut at = |second, readings: &[Counters]| {
            let now = Duration::from_secs(second);
            readings.iter().for_each(|reading| tracker.counters(now, reading));
            tracker.end_of_counters(now);
            tracker.tick(now);
            let one = tracker.connections().next();
            one.map(|one| {
                assert_eq!((one.client, one.server), (end(1, 40000), end(2, 80)));
                let (tx, rx) = (&one.tx, &one.rx);
                assert_eq!((one.rtt(), rx.retransmits_total), (Some(Duration::from_millis(7)), 3));
                let idle = one.idle(now).unwrap().as_secs();
                (
                    one.id,
                    one.state.name(),
                    tx.bytes_total,
                    rx.bytes_total,
                    rx.bytes_per_second,
                    idle,
                )
            })
        };
        let established = |sent, received| [reading(sent, received, State::Established)];
        assert_eq!(at(1, &[reading(1, 1, State::Closed)]), None);
        assert_eq!(at(10, &established(500, 10)), Some((1, "ESTABLISHED", 10, 500, 0, 0)));
        assert_eq!(at(12, &established(1500, 10)), Some((1, "ESTABLISHED", 10, 1500, 500, 0)));
        assert_eq!(at(13, &established(1500, 10)), Some((1, "ESTABLISHED", 10, 1500, 0, 1)));
        let idle = Counters { idle: Some(Duration::from_secs(9)), ..established(1500, 10)[0] };
        assert_eq!(at(14, &[idle]), Some((1, "ESTABLISHED", 10, 1500, 0, 2)));
        // Both ends of a connection within the machine.
        let other = Counters {
            local: end(1, 40000),
            remote: end(2, 80),
            retransmits_total: None,
            rtt: None,
            ..reading(10, 1600, State::Closing)
        };
        assert_eq!(
            at(15, &[established(1500, 10)[0], other]),
            Some((1, "CLOSING", 10, 1600, 100, 0))
        );
        assert_eq!(at(16, &[]), Some((1, "CLOSED", 10, 1600, 0, 0)));
        assert_eq!(at(17, &established(3, 3)), Some((2, "ESTABLISHED", 3, 3, 0, 0)));
        at(18, &[]);
        assert_eq!(at(20, &[]), None);
    }

    #[test]
    fn a_connection_in_two_zones_is_two() {
        let mut tracker = Tracker::new(Options::default());
        let mut speeds = Vec::new();
        // In the second zone, the flow begins anew after three seconds.
        for second in 1..8u64 {
            let sent = [second * 1000, (second % 3) * 100 + 10];
            for (zone, sent) in [1, 2].into_iter().zip(sent) {
                let counters = Counters {
                    bound: None,
                    zone,
                    flow: Some(u32::from(zone)),
                    local: end(1, 40000),
                    remote: end(2, 80),
                    is_client: Some(true),
                    state: State::Established,
                    sent_bytes_total: Some(sent),
                    received_bytes_total: Some(sent),
                    retransmits_total: None,
                    rtt: None,
                    idle: None,
                    cookie: 0,
                    cgroup: 0,
                };
                tracker.counters(Duration::from_secs(second), &counters);
            }
            tracker.end_of_counters(Duration::from_secs(second));
            // The earlier ones remain for a while.
            assert_eq!((tracker.connections.len(), tracker.len() as u64), (2, 2 + second / 3));
            let mut all: Vec<_> = tracker
                .connections
                .iter()
                .map(|one| (one.zone, one.tx.bytes_total, one.tx.bytes_per_second))
                .collect();
            all.sort_unstable();
            assert_eq!([all[0].1, all[1].1], sent);
            speeds.push([all[0].2, all[1].2]);
        }
        assert_eq!(
            speeds[1..],
            [[1000, 100], [1000, 10], [1000, 100], [1000, 100], [1000, 10], [1000, 100]]
        );
    }

    #[test]
    fn a_flow_that_begins_anew_is_a_new_connection() {
        use State::{Closed, Established, SynSent};
        let mut tracker = Tracker::new(Options::default());
        let mut at = |second: u64, reading: Option<(u32, [u64; 2], State)>| {
            let now = Duration::from_secs(second);
            if let Some((id, [sent, received], state)) = reading {
                let counters = Counters {
                    local: end(1, 40000),
                    remote: end(2, 80),
                    zone: 0,
                    flow: Some(id),
                    is_client: Some(true),
                    bound: None,
                    state,
                    sent_bytes_total: Some(sent),
                    received_bytes_total: Some(received),
                    retransmits_total: None,
                    rtt: None,
                    idle: None,
                    cookie: 0,
                    cgroup: 0,
                };
                tracker.counters(now, &counters);
            }
            tracker.end_of_counters(now);
            tracker.tick(now);
            let [one] = &*tracker.connections else { panic!("{}", tracker.len()) };
            let speeds = [one.tx.bytes_per_second, one.rx.bytes_per_second];
            let totals = [one.tx.bytes_total, one.rx.bytes_total];
            (one.id, one.state, totals, speeds, one.idle(now).map(|idle| idle.as_secs()))
        };
        let open = |id, totals| Some((id, totals, Established));
        assert_eq!(at(1, open(5, [9000, 9000])), (1, Established, [9000, 9000], [0, 0], None));
        assert_eq!(at(2, open(5, [9100, 9000])), (1, Established, [9100, 9000], [100, 0], Some(0)));
        // Both directions have fallen, or only one of them.
        assert_eq!(at(4, open(5, [50, 60])), (2, Established, [50, 60], [25, 30], Some(0)));
        assert_eq!(at(5, open(5, [70, 60])), (2, Established, [70, 60], [20, 0], Some(0)));
        assert_eq!(at(6, open(5, [69, 900])), (3, Established, [69, 900], [69, 900], Some(0)));
        assert_eq!(at(7, open(5, [69, 40])), (4, Established, [69, 40], [69, 40], Some(0)));
        // Another flow, whose counters have not fallen.
        assert_eq!(at(8, open(6, [69, 40])), (5, Established, [69, 40], [69, 40], Some(0)));
        assert_eq!(at(9, open(6, [69, 40])), (5, Established, [69, 40], [0, 0], Some(1)));
        // It was missing in between: first the same flow, then a new one.
        assert_eq!(at(10, None), (5, Closed, [69, 40], [0, 0], Some(0)));
        assert_eq!(at(11, open(6, [79, 40])), (5, Established, [79, 40], [10, 0], Some(0)));
        assert_eq!(at(12, None), (5, Closed, [79, 40], [0, 0], Some(0)));
        assert_eq!(at(13, Some((6, [60, 0], SynSent))), (6, SynSent, [60, 0], [60, 0], Some(0)));
        // The one before it remains for a while.
        let all = tracker.connections().map(|one| (one.id, one.state));
        assert_eq!(all.collect::<Vec<_>>(), [(6, SynSent), (5, Closed)]);
    }

    #[test]
    fn retransmits_that_no_counters_tell_are_not_known() {
        let told = |all: &[Option<u32>]| {
            let mut tracker = Tracker::new(Options::default());
            for (second, retransmits_total) in (1..).map(Duration::from_secs).zip(all) {
                let mut counters = socket(true, State::Established, Some((1, 0)));
                counters.retransmits_total = *retransmits_total;
                tracker.counters(second, &counters);
                tracker.end_of_counters(second);
            }
            only(&tracker).retransmits_total()
        };
        assert_eq!(told(&[None, None]), None);
        // What was told remains.
        assert_eq!(told(&[None, Some(0)]), Some(0));
        assert_eq!(told(&[Some(3), None]), Some(3));
    }

    type Followed = Option<(Option<u64>, Option<u64>, Option<u64>)>;

    /// A socket of which the kernel tells bytes and idle seconds, or neither.
    fn socket(is_client: bool, state: State, told: Option<(u64, u64)>) -> Counters {
        let (local, remote) = (end(1, 40000), end(2, 80));
        let (local, remote) = if is_client { (local, remote) } else { (remote, local) };
        Counters {
            local,
            remote,
            zone: 0,
            flow: None,
            is_client: Some(is_client),
            bound: None,
            state,
            sent_bytes_total: told.map(|(bytes, _)| bytes),
            received_bytes_total: told.map(|(bytes, _)| bytes),
            retransmits_total: None,
            rtt: None,
            idle: told.map(|(_, idle)| Duration::from_secs(idle)),
            cookie: 0,
            cgroup: 0,
        }
    }

    /// Idle seconds and totals of a connection after each of these readings.
    fn follow(readings: &[(u64, &[Counters])]) -> Vec<Followed> {
        let mut tracker = Tracker::new(Options::default());
        let mut all = Vec::new();
        for (second, reading) in readings {
            let now = Duration::from_secs(*second);
            reading.iter().for_each(|counters| tracker.counters(now, counters));
            tracker.end_of_counters(now);
            let one = tracker.connections().next();
            let idle = |one: &Connection| one.idle(now).map(|idle| idle.as_secs());
            all.push(one.map(|one| {
                let [tx, rx] = one.totals();
                (idle(one), tx, rx)
            }));
        }
        all
    }

    /// The kernel tells the idle time and the bytes of a socket, and neither of a minisocket or of a flow that it does
    /// not count.
    #[test]
    fn what_no_counters_tell_is_not_known() {
        use State::Closing;
        let mini = socket(true, Closing, None);
        let full = socket(false, Closing, Some((5, 20)));
        // The same with either end read first.
        for both in [[mini, full], [full, mini]] {
            let found = follow(&[(100, &both), (101, &both)]);
            assert_eq!(
                found,
                [Some((Some(20), Some(5), Some(5))), Some((Some(20), Some(5), Some(5)))]
            );
        }
        // Its peer is elsewhere. It is closed when it is gone.
        let found = follow(&[(100, &[mini]), (101, &[mini]), (102, &[])]);
        assert_eq!(
            found,
            [Some((None, None, None)), Some((None, None, None)), Some((Some(0), None, None))]
        );
    }

    #[test]
    fn what_was_known_or_seen_to_change_remains_known() {
        use State::{Closing, Established, SynAck, SynSent};
        let mini = socket(true, Closing, None);
        // What was known remains so, and what was seen to begin or to change has been idle since.
        let open = socket(true, Established, Some((7, 3)));
        let found = follow(&[(100, &[open]), (101, &[mini]), (103, &[mini])]);
        assert_eq!(
            found[1..],
            [Some((Some(0), Some(7), Some(7))), Some((Some(2), Some(7), Some(7)))]
        );
        let found = follow(&[(100, &[]), (101, &[mini]), (103, &[mini])]);
        assert_eq!(found[1..], [Some((Some(0), None, None)), Some((Some(2), None, None))]);
        // A socket that is not open yet has moved nothing, which does not tell what it moves later.
        let request = socket(false, SynAck, None);
        let found = follow(&[(100, &[request]), (101, &[request]), (102, &[mini])]);
        let nothing = Some((None, Some(0), Some(0)));
        assert_eq!(found, [nothing, nothing, Some((Some(0), None, None))]);
        // A SYN that is sent again is activity.
        let syn = |times| Counters {
            retransmits_total: Some(times),
            idle: None,
            ..socket(true, SynSent, Some((0, 0)))
        };
        let found =
            follow(&[(100, &[syn(3)]), (101, &[syn(3)]), (102, &[syn(4)]), (104, &[syn(4)])]);
        let idle: Vec<_> = found.iter().map(|one| one.and_then(|(idle, ..)| idle)).collect();
        assert_eq!(idle, [None, None, Some(0), Some(2)]);
        // Flows that are not counted.
        let flow = |state| Counters { flow: Some(9), ..socket(true, state, None) };
        let found = follow(&[
            (100, &[flow(SynSent)]),
            (101, &[flow(SynSent)]),
            (102, &[flow(Established)]),
        ]);
        assert_eq!(
            found,
            [Some((None, None, None)), Some((None, None, None)), Some((Some(0), None, None))]
        );
    }

    #[test]
    fn a_connection_is_small() {
        assert!(size_of::<Connection>() <= 320, "{}", size_of::<Connection>());
    }
}
