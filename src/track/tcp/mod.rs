//! TCP connections, from captured segments or from counters of another source.

mod connection;
mod direction;
mod hash;

use std::collections::HashSet;
use std::hash::RandomState;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::indexed::Indexed;
use crate::model::{Endpoint, Segment, TcpFlags};
pub use connection::{Connection, Counters, State};
pub use direction::Direction;
use hash::hash;

/// How to track.
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
}

impl Default for Options {
    fn default() -> Options {
        Options {
            only_new: false,
            remove_after: Duration::from_secs(2),
            rate_interval: Duration::from_secs(1),
            is_sliding: false,
            max_connections: 100_000,
        }
    }
}

/// All connections. Each takes about 300 bytes, twice 80 more while segments are missing, and 160 more with
/// sliding speeds.
#[derive(Debug)]
pub struct Tracker {
    options: Options,
    connections: Indexed<Connection>,
    random: RandomState,
    listeners: HashSet<Endpoint>,
    next_id: u64,
    evicted: u64,
}

/// The most listeners that are remembered.
const MOST_LISTENERS: usize = 4096;

impl Tracker {
    /// A tracker without connections.
    pub fn new(options: Options) -> Tracker {
        let most = options.max_connections.clamp(1, Indexed::<Connection>::MOST);
        Tracker {
            options: Options { max_connections: most, ..options },
            connections: Indexed::default(),
            random: RandomState::new(),
            listeners: HashSet::new(),
            next_id: 1,
            evicted: 0,
        }
    }

    /// Notes a listening socket at `endpoint` (of any address, if its address is unspecified): in
    /// connections whose beginning was not seen, that end is the server. An end that answers a SYN is noted
    /// automatically.
    pub fn listener(&mut self, endpoint: Endpoint) {
        if self.listeners.len() < MOST_LISTENERS {
            self.listeners.insert(canonical(&endpoint));
        }
    }

    fn is_listener(&self, end: &Endpoint) -> bool {
        let anybody: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
        let at = |address| self.listeners.contains(&Endpoint { address, port: end.port });
        at(end.address) || anybody.into_iter().any(at)
    }

    /// Whether `one`, which has sent a segment, is the client of a connection whose beginning was not seen:
    /// a known listener is the server, else the end with the lower port.
    fn is_client(&self, one: &Endpoint, other: &Endpoint) -> bool {
        match (self.is_listener(one), self.is_listener(other)) {
            (true, false) => false,
            (false, true) => true,
            _ => one.port >= other.port,
        }
    }

    /// Takes a segment captured at `now`.
    pub fn segment(&mut self, now: Duration, segment: &Segment) {
        let now = nanoseconds(now);
        let (source, destination) = (&segment.source, &segment.destination);
        if segment.flags.has(TcpFlags::SYN.with(TcpFlags::ACK)) {
            self.listener(*source);
        }
        let hash = hash(&self.random, source, destination);
        let place = match self.find(hash, source, destination) {
            Some(place) if self.connections[place].is_replaced_by(segment) => {
                let Some(connection) = self.opened(segment) else { return };
                self.connections[place] = connection;
                place
            }
            Some(place) => place,
            None => {
                let Some(connection) = self.opened(segment) else { return };
                self.insert(hash, connection)
            }
        };
        let interval_ns = self.interval_ns();
        let connection = &mut self.connections[place];
        let is_new = connection.seen_at == 0;
        if is_new {
            connection.interval = now / interval_ns;
        }
        connection.settle(now / interval_ns, interval_ns);
        let is_tx = *source == connection.client;
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
            (false, _) => (self.is_client(&source, &destination), State::Established),
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

    fn interval_ns(&self) -> u64 {
        let interval = nanoseconds(self.options.rate_interval);
        if self.options.is_sliding { interval / 10 } else { interval }.max(1)
    }

    fn find(&self, hash: u64, one: &Endpoint, other: &Endpoint) -> Option<usize> {
        self.connections.find(hash, |Connection { client, server, .. }| {
            client == one && server == other || client == other && server == one
        })
    }

    fn insert(&mut self, hash: u64, connection: Connection) -> usize {
        if self.connections.len() >= self.options.max_connections {
            self.evict();
        }
        self.connections.push(hash, connection)
    }

    /// Removes the connections that are longest idle, a sixteenth at once, so that a flood of new
    /// connections does not search for the oldest each time.
    fn evict(&mut self) {
        let count = (self.connections.len() / 16).max(1);
        let mut ages: Vec<(u64, u32)> =
            (0..).zip(self.connections.iter()).map(|(place, one)| (one.seen_at, place)).collect();
        if count < ages.len() {
            ages.select_nth_unstable(count);
        }
        let mut places: Vec<_> = ages.iter().take(count).map(|(_, place)| *place).collect();
        // From the last on, so that the connection that fills a free place is not one to be removed.
        places.sort_unstable();
        for place in places.into_iter().rev() {
            self.connections.swap_remove(place as usize);
        }
        self.evicted += count as u64;
    }

    /// Takes the counters of one connection, as they were read at `now`. A reading of all counters
    /// ends with [`Tracker::end_of_counters`].
    pub fn counters(&mut self, now: Duration, counters: &Counters) {
        let now = nanoseconds(now);
        let (local, remote) = (canonical(&counters.local), canonical(&counters.remote));
        let hash = hash(&self.random, &local, &remote);
        let found = self.find(hash, &local, &remote);
        let is_new = found.is_none_or(|place| {
            let one = &self.connections[place];
            one.is_replaced_by_counters(counters, local == one.client)
        });
        let place = match found {
            Some(place) if !is_new => place,
            // An ended connection is shown only if it was seen alive.
            _ if counters.state >= State::Closed => return,
            _ => {
                let known = counters.is_client;
                let is_client = known.unwrap_or_else(|| self.is_client(&local, &remote));
                let (client, server) = if is_client { (local, remote) } else { (remote, local) };
                let connection = self.made(client, server, counters.state);
                match found {
                    Some(place) => {
                        self.connections[place] = connection;
                        place
                    }
                    None => self.insert(hash, connection),
                }
            }
        };
        let connection = &mut self.connections[place];
        let is_tx = connection.client == local;
        connection.take_counters(now, counters, is_tx);
    }

    /// Ends a reading of counters at `now`: speeds are those since the reading before, and connections
    /// whose counters were not among them are CLOSED.
    pub fn end_of_counters(&mut self, now: Duration) {
        let now = nanoseconds(now);
        for connection in self.connections.iter_mut().filter(|one| one.is_counted) {
            connection.end_reading(now);
        }
    }

    /// Updates speeds to `now`, and removes nothing.
    pub fn settle(&mut self, now: Duration) {
        let (now, interval_ns) = (nanoseconds(now), self.interval_ns());
        for connection in self.connections.iter_mut() {
            connection.settle(now / interval_ns, interval_ns);
        }
    }

    /// Updates speeds to `now`, and removes connections that have ended ([`Options::remove_after`]) or are
    /// idle too long: SYN_SENT after 30 s, SYN|ACK-ACK and CLOSING after 60 s, ESTABLISHED after 8100 s, or
    /// after 150 s if something was sent again and is unanswered, or after 60 s if only empty segments of
    /// one end were seen. Call it before reading the connections.
    pub fn tick(&mut self, now: Duration) {
        let (now, interval_ns) = (nanoseconds(now), self.interval_ns());
        let remove_after = nanoseconds(self.options.remove_after);
        for place in (0..self.connections.len()).rev() {
            let connection = &mut self.connections[place];
            connection.settle(now / interval_ns, interval_ns);
            if connection.is_over(now, remove_after) {
                self.connections.swap_remove(place);
            }
        }
    }

    /// The connections, in no order.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter()
    }

    /// How many connections there are.
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there are no connections.
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// How many connections were removed to make room for others.
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}

/// The endpoint as packets show it: IPv4 for a v4-mapped address.
fn canonical(endpoint: &Endpoint) -> Endpoint {
    Endpoint { address: endpoint.canonical(), ..*endpoint }
}

/// A time in nanoseconds, never 0, which means none.
fn nanoseconds(moment: Duration) -> u64 {
    u64::try_from(moment.as_nanos()).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
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
        (one.state, one.tx.bytes_total, one.rx.bytes_total, one.retransmits_total())
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
            // Out of order is not retransmitted.
            (&[data(110, 10), data(100, 10), data(120, 10)], 30, 0),
            (&[data(120, 10), data(110, 10), data(100, 10)], 30, 0),
            // Keepalive probes.
            (&[data(100, 9), ('<', ACK, 500, 109, 0), data(108, 1), data(108, 0)], 9, 0),
            (&[data(100, 9), data(108, 1)], 9, 1),
            // Bytes that the capture has missed, but the other end has received.
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
        // 5 GiB in pieces of 64 KiB are more than all numbers.
        let mut tracker = tracked(Options::default(), &HANDSHAKE);
        for piece in 0..(5u64 << 14) {
            let sequence = (100 + (piece << 16)) as u32;
            tracker.segment(Duration::from_secs(2), &segment(('>', ACK, sequence, 500, 1 << 16)));
        }
        assert_eq!(only(&tracker).tx.bytes_total, 5 << 30);
        assert_eq!(only(&tracker).retransmits_total(), 0);
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
        // Any order of pieces comes to the same sum once all is acknowledged.
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
        tracker.listener(Endpoint { address: Ipv4Addr::UNSPECIFIED.into(), port: 40000 });
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
    fn ports_are_used_again() {
        let closed = [
            ('>', FIN | ACK, 100, 500, 10),
            ('<', FIN | ACK, 500, 111, 0),
            ('>', ACK, 111, 501, 0),
        ];
        let again = [('>', SYN, 9_000_000, 0, 0)];
        assert_eq!(after(&[&closed[..], &again].concat()), (State::SynSent, 0, 0, 0));
        assert_eq!(after(&[('<', RST, 500, 0, 0), again[0]]), (State::SynSent, 0, 0, 0));
        // A SYN alone does not end a live connection; its answer does.
        let answered = [again[0], ('<', SYN | ACK, 7_000_000, 9_000_001, 0)];
        let old = ('>', ACK, 100, 500, 10);
        assert_eq!(after(&[old, again[0]]).1, 10);
        assert_eq!(after(&[&[old], &answered[..]].concat()), (State::SynAck, 0, 0, 0));
        let all = [&HANDSHAKE[..], &closed, &again].concat();
        assert_eq!(only(&tracked(Options::default(), &all)).id, 2);
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
        // Sent again: the acknowledgment does not say which one it answers.
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
        assert_eq!((one.tx.bytes_total, one.rx.bytes_total, one.retransmits_total()), (10, 20, 0));
    }

    #[test]
    fn the_longest_idle_make_room() {
        let options = Options { max_connections: 64, ..Options::default() };
        let mut tracker = Tracker::new(options);
        let of = |port: u16| Segment { source: end(1, port), ..segment(('>', ACK, 1, 1, 1)) };
        for port in 1000..2000 {
            tracker.segment(Duration::from_millis(port.into()), &of(port));
            // One that is always busy stays.
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
            local: end(2, 80),
            remote: end(1, 40000),
            is_client: None,
            state,
            sent_bytes_total: Some(sent),
            received_bytes_total: Some(received),
            retransmits_total: Some(3),
            rtt: Some(Duration::from_millis(7)),
            idle: None,
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
                let idle = one.idle(now).as_secs();
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
    fn a_connection_is_small() {
        assert!(size_of::<Connection>() <= 320, "{}", size_of::<Connection>());
    }
}
