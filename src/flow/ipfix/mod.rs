//! Flows as records for collectors: two per flow, one per direction, by `wire::ipfix`.

mod collector;
mod outage;
mod target;

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use collector::Collector;
pub use collector::Sent;
pub use target::{Target, VALUE, domain};

use crate::error::{self, Error};
use crate::model::{Ends, Flow, FlowStatus, Traffic, Tuple};
use crate::sys::collector::Transport;
use crate::sys::{self, For, Kernel, Moment};
use crate::wire::ipfix::{self, Message, Reason, Record};

/// How long the end waits for a collector that takes nothing, and at most.
const GRACE: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(5)];
/// How often the end looks for acknowledgements, which wake nobody.
const LOOK: Duration = Duration::from_millis(5);

/// What is exported, and where to.
#[derive(Clone, Debug)]
pub struct Settings {
    pub target: Target,
    pub domain: u32,
    /// How often flows are exported that go on.
    pub active: Option<Duration>,
    /// Whether records have mark and zone.
    pub has_marks: bool,
}

/// What was exported of a flow that goes on.
#[derive(Clone, Copy, Debug)]
struct Part {
    traffic: [Traffic; 2],
    until_milliseconds: u64,
    /// The same moment on the monotonic clock, which nobody sets.
    until: Duration,
}

/// Exports flows to a collector.
#[derive(Debug)]
pub struct Exporter {
    /// The collector, as it was named.
    name: String,
    collector: Collector,
    message: Message,
    active: Option<Duration>,
    /// By the hash of the flow's key. It has a random key, so that nobody can choose flows that collide.
    parts: HashMap<u64, Part>,
    random: RandomState,
    /// Flows that have ended without counters.
    pub uncounted: u64,
}

impl Exporter {
    /// An exporter that connects when it first has a turn.
    ///
    /// # Errors
    /// If the host has no address.
    pub fn new(settings: &Settings, kernel: &Kernel) -> Result<Exporter, Error> {
        let Settings { target, domain, active, has_marks } = settings;
        let address = target.address(kernel)?;
        Ok(Exporter {
            name: target.to_string(),
            collector: Collector::new(address, target.transport, *domain, *has_marks),
            message: Message::new(*has_marks),
            active: *active,
            parts: HashMap::new(),
            random: RandomState::new(),
            uncounted: 0,
        })
    }

    /// Takes a flow that has ended, which was first seen at `since` of the monotonic clock.
    pub fn ended(&mut self, flow: &Flow<'_>, since: Option<Duration>, now: Moment) {
        let part = self.active.and_then(|_| self.parts.remove(&self.key(flow)));
        let at = flow.stop_nanoseconds.or(flow.event_nanoseconds);
        let end = at.map_or(now.unix_milliseconds, |nanoseconds| nanoseconds / 1_000_000);
        if flow.traffic == [None; 2] {
            self.uncounted = self.uncounted.saturating_add(1);
        }
        let start = start(flow, since, now).unwrap_or(end);
        self.export(flow, part, [start, end], reason(flow));
    }

    /// Takes a flow that goes on. What it counted before the exporter began (`is_first`) is not exported: an earlier
    /// exporter may have done so.
    pub fn lives(&mut self, flow: &Flow<'_>, since: Duration, is_first: bool, now: Moment) {
        let Some(active) = self.active else { return };
        let (key, until) = (self.key(flow), now.unix_milliseconds);
        let traffic = flow.traffic.map(Option::unwrap_or_default);
        let part = self.parts.get(&key).copied();
        let start = start(flow, Some(since), now).unwrap_or(until);
        let last = part.map_or(since, |part| part.until);
        let is_due = now.clock.saturating_sub(last) >= active;
        if is_due && !is_first {
            self.export(flow, part, [start, until], Reason::Active);
        }
        if is_due || is_first {
            let part = Part { traffic, until_milliseconds: until, until: now.clock };
            self.parts.insert(key, part);
        }
    }

    /// Takes a flow that goes on while the exporter stops: what it counted since its last record.
    pub fn stops(&mut self, flow: &Flow<'_>, since: Duration, now: Moment) {
        let part = self.parts.remove(&self.key(flow));
        let until = now.unix_milliseconds;
        let start = start(flow, Some(since), now).unwrap_or(until);
        self.export(flow, part, [start, until], Reason::Forced);
    }

    /// Whether flows are exported that go on.
    pub fn is_active(&self) -> bool {
        self.active.is_some()
    }

    /// What identifies a flow.
    fn key(&self, flow: &Flow<'_>) -> u64 {
        self.random.hash_one((flow.id, flow.orig, flow.zone))
    }

    /// Exports both directions of a flow from `start` to `end`, less the part that was exported.
    fn export(&mut self, flow: &Flow<'_>, part: Option<Part>, times: [u64; 2], reason: Reason) {
        let [mut start, end] = times;
        let mut traffic = flow.traffic.map(Option::unwrap_or_default);
        if let Some(part) = part {
            start = part.until_milliseconds;
            for (all, before) in traffic.iter_mut().zip(part.traffic) {
                *all = since_then(*all, before);
            }
        }
        // Clocks may be set.
        let start = start.min(end);
        let tuples = [&flow.orig, &flow.reply];
        let original = ends_of(&flow.orig);
        let translated = ends_of(&flow.reply).turned();
        for (place, (tuple, traffic)) in tuples.into_iter().zip(traffic).enumerate() {
            let is_reply = place == 1;
            self.record(&Record {
                ends: if is_reply { original.turned() } else { original },
                protocol: tuple.protocol,
                icmp: match tuple.ends {
                    Ends::Icmp { kind, code, .. } => Some([kind, code]),
                    _ => None,
                },
                translated: (!is_reply && translated != original && may_be_translated(flow))
                    .then_some(translated),
                reason,
                start_milliseconds: start,
                end_milliseconds: end,
                packets: traffic.packets,
                octets: traffic.bytes,
                mark: flow.mark.unwrap_or_default(),
                zone: flow.zone.or(tuple.zone).unwrap_or_default(),
            });
        }
    }

    /// Exports one record. One without packets is not sent: collectors would take it for a flow.
    pub fn record(&mut self, record: &Record) {
        if record.packets > 0 && !self.message.add(record) {
            self.collector.take(&mut self.message);
            self.message.add(record);
        }
    }

    /// Continues to send what waits.
    pub fn turn(&mut self, now: Moment) {
        self.collector.turn(now.clock, now.unix_seconds() as u32);
    }

    /// Sends the records of the last second; to be called once a second. `events_lost` is the number of events that
    /// the kernel dropped.
    pub fn tick(&mut self, events_lost: u64) {
        self.collector.events_lost = events_lost;
        // For a collector that is away, messages are filled first.
        if !self.message.is_empty() && self.collector.is_open() {
            self.collector.take(&mut self.message);
        }
    }

    /// The socket to wait for: whether there is something to read, or, if so, until it can be written to.
    pub fn fd(&self) -> Option<(BorrowedFd<'_>, bool)> {
        self.collector.fd()
    }

    /// When it needs a turn, if that is before the next tick.
    pub fn due(&self) -> Option<Duration> {
        self.collector.due()
    }

    /// How the collector is reached, and at which port.
    pub fn destination(&self) -> (Transport, u16) {
        (self.collector.transport, self.collector.address.port())
    }

    pub fn sent(&self) -> Sent {
        self.collector.sent
    }

    /// The records that wait for the collector.
    pub fn waiting(&self) -> u64 {
        self.collector.waiting() + self.message.holds.records
    }

    pub fn is_connected(&self) -> bool {
        self.collector.is_open()
    }

    /// What is to be said about a collector that is away, once.
    pub fn failure(&mut self, clock: Duration) -> Option<String> {
        let reason = error::reason(self.collector.outage.tell(clock)?);
        Some(format!("--ipfix: {}: {reason}: records wait for the collector", self.name))
    }

    /// Sends what is left to a collector that takes it, and waits until it has arrived, as far as that can be known.
    /// Counts the rest as not sent, and tells how much that was in all.
    pub fn finish(&mut self) -> Option<String> {
        if !self.message.is_empty() {
            self.collector.take(&mut self.message);
        }
        self.collector.conclude();
        let start = sys::monotonic();
        let (mut end, mut progress) = (start.saturating_add(GRACE[0]), [0; 2]);
        loop {
            let now = Moment::now();
            self.turn(now);
            let unconfirmed = self.collector.unconfirmed();
            let current = [self.sent().messages, unconfirmed];
            if progress != current {
                progress = current;
                end = now.clock.saturating_add(GRACE[0]).min(start.saturating_add(GRACE[1]));
            }
            let has_waiting = self.collector.has_waiting();
            if (!has_waiting && unconfirmed == 0) || now.clock >= end {
                break;
            }
            let mut left = self.due().unwrap_or(end).saturating_sub(now.clock);
            if !has_waiting {
                left = left.min(LOOK);
            }
            match self.collector.fd() {
                Some((fd, is_writing)) => {
                    let what = if is_writing { For::Writing } else { For::Reading };
                    let _ = sys::wait([(fd, what)], Some(left));
                }
                None => sys::sleep_until(now.clock.saturating_add(left.min(GRACE[0] / 10))),
            }
        }
        let is_silent =
            self.collector.is_open() && self.waiting() + self.collector.unconfirmed() > 0;
        self.collector.give_up();
        let lost = self.collector.sent.unsent.records;
        let reason = match self.collector.outage.reason {
            Some(error) => [": ", &error::reason(error)].concat(),
            None if is_silent => ": it acknowledged nothing more".into(),
            None => String::new(),
        };
        (lost > 0)
            .then(|| format!("{lost} records did not reach the collector {}{reason}", self.name))
    }
}

/// When a flow began, in milliseconds since 1970: as the kernel says, or when it was first seen.
fn start(flow: &Flow<'_>, since: Option<Duration>, now: Moment) -> Option<u64> {
    let told = flow.start_nanoseconds.map(|nanoseconds| nanoseconds / 1_000_000);
    told.or(since.map(|since| unix_of(since, now)))
}

/// A moment of the monotonic clock, in milliseconds since 1970.
fn unix_of(clock: Duration, now: Moment) -> u64 {
    let ago = now.clock.saturating_sub(clock).as_millis();
    now.unix_milliseconds.saturating_sub(u64::try_from(ago).unwrap_or(u64::MAX))
}

/// What was counted after `before`. Counters may be set to zero (conntrack -z).
fn since_then(all: Traffic, before: Traffic) -> Traffic {
    if all.packets < before.packets || all.bytes < before.bytes {
        return all;
    }
    Traffic { packets: all.packets - before.packets, bytes: all.bytes - before.bytes }
}

fn ends_of(tuple: &Tuple) -> ipfix::Ends {
    let ports = match tuple.ends {
        Ends::Ports { source, destination } => [source, destination],
        _ => [0, 0],
    };
    ipfix::Ends { source: tuple.source, destination: tuple.destination, ports }
}

/// Whether a reply that goes elsewhere shows a translation: conntrack can insert flows for which it does not.
fn may_be_translated(flow: &Flow<'_>) -> bool {
    [FlowStatus::SRC_NAT_DONE, FlowStatus::DST_NAT_DONE].into_iter().any(|bit| flow.is_done(bit))
}

/// Why a flow ended, by the last state of its protocol.
fn reason(flow: &Flow<'_>) -> Reason {
    const CLOSED: [&str; 8] = [
        // Of TCP, SCTP and DCCP.
        "LAST_ACK",
        "TIME_WAIT",
        "CLOSE",
        "CLOSED",
        "SHUTDOWN_ACK_SENT",
        "CLOSEREQ",
        "CLOSING",
        "TIMEWAIT",
    ];
    match flow.state_name() {
        Some(name) if CLOSED.contains(&name) => Reason::End,
        _ => Reason::Idle,
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, UdpSocket};

    use super::*;

    fn flow(port: u16, traffic: [[u64; 2]; 2]) -> Flow<'static> {
        let address = |last| Ipv4Addr::new(192, 0, 2, last).into();
        let tuple = |from, to, source, destination| Tuple {
            source: address(from),
            destination: address(to),
            protocol: 6,
            ends: Ends::Ports { source, destination },
            zone: None,
        };
        Flow {
            orig: tuple(1, 2, port, 80),
            reply: tuple(2, 9, 80, 50000),
            id: Some(port.into()),
            state: Some(7),
            status: Some(FlowStatus(0x18e)),
            traffic: traffic.map(|[packets, bytes]| Some(Traffic { packets, bytes })),
            start_nanoseconds: Some(5_000_000_000),
            stop_nanoseconds: Some(9_500_000_000),
            ..Flow::default()
        }
    }

    fn exporter(to: &str, active: Option<u64>) -> Exporter {
        let target = Target::parse(to.as_ref()).unwrap();
        let active = active.map(Duration::from_secs);
        let settings = Settings { target, domain: 7, active, has_marks: false };
        Exporter::new(&settings, &Kernel::default()).unwrap()
    }

    fn at(seconds: u64) -> Moment {
        Moment {
            clock: Duration::from_secs(seconds),
            unix_milliseconds: 1_000_000 + seconds * 1000,
        }
    }

    fn number(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
    }

    /// Template, packets, octets, start and end of each data record of flows in a message without NAT variants or with.
    fn records(message: &[u8]) -> Vec<[u64; 5]> {
        let (mut rest, mut all) = (&message[16..], Vec::new());
        while !rest.is_empty() {
            let (set, behind) = rest.split_at(number(&rest[2..4]) as usize);
            let template = number(&set[..2]);
            let length = if template == 257 { 59 } else { 47 };
            if (256..258).contains(&template) {
                all.extend(set[4..].chunks(length).map(|one| {
                    let part = |at: usize| number(&one[at..at + 8]);
                    [template, part(31), part(39), part(15), part(23)]
                }));
            }
            rest = behind;
        }
        all
    }

    fn received(socket: &UdpSocket) -> Vec<Vec<u8>> {
        socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        let mut bytes = [0; 2000];
        let one = || socket.recv(&mut bytes).ok().map(|length| bytes[..length].to_vec());
        std::iter::from_fn(one).collect()
    }

    #[test]
    fn a_flow_is_two_records_and_a_reply_without_packets_is_none() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut exporter = exporter(&socket.local_addr().unwrap().to_string(), None);
        exporter.turn(at(1));
        exporter.ended(&flow(1, [[3, 300], [2, 200]]), None, at(10));
        exporter.ended(&flow(2, [[1, 40], [0, 0]]), None, at(10));
        let without = Flow { traffic: [None; 2], ..flow(3, [[0, 0]; 2]) };
        exporter.ended(&without, None, at(10));
        exporter.tick(0);
        exporter.turn(at(11));
        let got: Vec<_> = received(&socket).iter().flat_map(|message| records(message)).collect();
        let times = [5000, 9500];
        let wanted = [[257, 3, 300], [256, 2, 200], [257, 1, 40]]
            .map(|[template, packets, octets]| [template, packets, octets, times[0], times[1]]);
        assert_eq!(got, wanted);
        assert_eq!((exporter.sent().records, exporter.uncounted, exporter.waiting()), (3, 1, 0));
        assert_eq!(exporter.finish(), None);
    }

    #[test]
    fn parts_of_a_flow_that_goes_on_add_up_to_what_it_counted() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let mut exporter = exporter(&socket.local_addr().unwrap().to_string(), Some(10));
        let live = |packets, port| Flow {
            start_nanoseconds: Some(1_000_000_000_000),
            stop_nanoseconds: None,
            ..flow(port, [[packets, packets * 10]; 2])
        };
        let since = Duration::ZERO;
        exporter.turn(at(0));
        // Begun before the exporter: 100 packets are not its own.
        exporter.lives(&live(100, 1), since, true, at(1));
        exporter.lives(&live(5, 2), since, false, at(3));
        exporter.lives(&live(105, 1), since, false, at(5));
        exporter.lives(&live(110, 1), since, false, at(11));
        exporter.lives(&live(7, 2), since, false, at(11));
        // Nothing new: no record.
        exporter.lives(&live(7, 2), since, false, at(21));
        // Counters were set to zero meanwhile.
        exporter.lives(&live(2, 2), since, false, at(31));
        let end = |flow| Flow { stop_nanoseconds: Some(1_040_000_000_000), ..flow };
        exporter.ended(&end(live(110, 1)), Some(since), at(40));
        exporter.ended(&end(live(6, 2)), Some(since), at(40));
        // Clocks that are set do not matter, nor does the kernel's start.
        for (seconds, unix_milliseconds) in [(41, 0), (45, u64::MAX), (52, 1_046_000)] {
            let moment = Moment { unix_milliseconds, ..at(seconds) };
            exporter.lives(&live(3, 3), Duration::from_secs(41), seconds == 41, moment);
        }
        // One had begun before the exporter, one has had a record, one is new.
        exporter.lives(&live(10, 4), since, true, at(49));
        for (packets, port) in [(5, 3), (12, 4), (6, 5)] {
            exporter.stops(&live(packets, port), Duration::from_secs(50), at(53));
        }
        assert!(exporter.parts.is_empty());
        assert_eq!(exporter.finish(), None);
        let got: Vec<_> = received(&socket).iter().flat_map(|message| records(message)).collect();
        let of_original: Vec<_> =
            got.iter().filter(|one| one[0] == 257).map(|one| &one[1..]).collect();
        let second = |seconds: u64| 1_000_000 + seconds * 1000;
        let wanted = [
            [10, 100, second(1), second(11)],
            [7, 70, second(0), second(11)],
            [2, 20, second(21), second(31)],
            [4, 40, second(31), second(40)],
            [2, 20, second(46), second(53)],
            [2, 20, second(49), second(53)],
            [6, 60, second(0), second(53)],
        ];
        assert_eq!(of_original, wanted);
    }

    /// The first datagram that is refused tells that nobody listens; then flows wait.
    #[test]
    fn what_a_collector_misses_while_it_is_away_waits_for_it() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        drop(socket);
        let mut exporter = exporter(&address.to_string(), None);
        exporter.turn(at(0));
        for second in 1..5 {
            exporter.ended(&flow(second as u16, [[1, 1], [1, 1]]), None, at(second));
            exporter.tick(0);
            exporter.turn(at(second));
        }
        assert!(!exporter.is_connected() && exporter.sent().failures > 0);
        let said = exporter.failure(at(5).clock).unwrap();
        assert_eq!(
            said,
            format!("--ipfix: {address}/udp: Connection refused: records wait for the collector")
        );
        assert_eq!(exporter.failure(at(5).clock), None);
        assert_eq!(exporter.waiting() + exporter.sent().records, 8);
        let socket = UdpSocket::bind(address).unwrap();
        for second in 5..80 {
            exporter.tick(0);
            exporter.turn(at(second));
        }
        assert!(exporter.is_connected());
        let messages = received(&socket);
        let got = messages.iter().map(|message| records(message).len() as u64).sum::<u64>();
        assert_eq!(got + exporter.sent().unsent.records, 8);
        assert!(got >= 6, "{got}");
        // The sequence numbers of the flows' domain have no gap but that.
        let sequences = messages.iter().filter(|message| number(&message[12..16]) == 7);
        let last = sequences.map(|message| number(&message[8..12])).max().unwrap();
        assert!(last <= 8);
    }

    #[test]
    fn the_queue_is_bounded_and_what_does_not_fit_is_counted() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let mut exporter = exporter(&format!("{address}/tcp"), None);
        let all = 700_000;
        for count in 0..all / 2 {
            exporter.ended(&flow(count as u16, [[2, 10], [2, 10]]), None, at(1));
        }
        let lost = exporter.sent().unsent;
        assert_eq!(exporter.waiting() + lost.records, all);
        assert!(
            lost.records > 0
                && (lost.packets, lost.octets) == (lost.records * 2, lost.records * 10)
        );
        assert!(exporter.collector.queue_bytes() <= 16 << 20);
        let said = exporter.finish().unwrap();
        let target = format!("{address}/tcp: Connection refused");
        assert_eq!(said, format!("{all} records did not reach the collector {target}"));
    }

    #[test]
    fn what_a_tcp_collector_has_not_acknowledged_at_the_end_is_lost() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4096).unwrap();
        let address = listener.local_addr().unwrap();
        let mut exporter = exporter(&format!("{address}/tcp"), None);
        exporter.turn(Moment::now());
        let connection = listener.accept().unwrap().0;
        exporter.turn(Moment::now());
        let all = 2000;
        for count in 0..all {
            exporter.ended(&flow(count, [[2, 10], [2, 10]]), None, Moment::now());
        }
        // It reads nothing: the rest is in the buffer of this end.
        let said = exporter.finish().unwrap();
        let lost = exporter.sent().unsent.records;
        assert!(lost > 0 && lost < u64::from(all) * 2, "{lost}");
        let silent = "it acknowledged nothing more";
        let wanted = format!("{lost} records did not reach the collector {address}/tcp: {silent}");
        assert_eq!(said, wanted);
        drop(connection);
    }

    #[test]
    fn the_end_waits_until_a_tcp_collector_has_acknowledged() {
        use std::io::Read;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 4096).unwrap();
        let mut exporter = exporter(&format!("{}/tcp", listener.local_addr().unwrap()), None);
        exporter.turn(Moment::now());
        let mut connection = listener.accept().unwrap().0;
        exporter.turn(Moment::now());
        for count in 0..2000 {
            exporter.ended(&flow(count, [[2, 10], [2, 10]]), None, Moment::now());
        }
        let reader = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(300));
            let mut bytes = Vec::new();
            connection.read_to_end(&mut bytes).unwrap();
            bytes.len()
        });
        assert_eq!(exporter.finish(), None);
        assert_eq!((exporter.sent().records, exporter.collector.unconfirmed()), (4000, 0));
        drop(exporter);
        assert!(reader.join().unwrap() > 4000 * 47);
    }

    /// A datagram that is refused behind the last look is lost, too.
    #[test]
    fn the_end_waits_for_the_refusal_of_the_last_datagram() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap().to_string();
        let mut exporter = exporter(&address, None);
        exporter.turn(Moment::now());
        drop(socket);
        exporter.ended(&flow(1, [[2, 10], [2, 10]]), None, Moment::now());
        let wanted =
            format!("2 records did not reach the collector {address}/udp: Connection refused");
        assert_eq!(exporter.finish(), Some(wanted));
    }

    #[test]
    fn a_tcp_collector_that_comes_back_gets_templates_and_numbers_from_zero() {
        use std::io::Read;
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut exporter = exporter(&format!("{}/tcp", listener.local_addr().unwrap()), None);
        for round in 0..2_u64 {
            let start = round * 100;
            exporter.turn(at(start));
            let mut connection = listener.accept().unwrap().0;
            exporter.turn(at(start + 1));
            exporter.ended(&flow(1, [[3, 30], [4, 40]]), None, at(start + 1));
            exporter.tick(0);
            exporter.turn(at(start + 2));
            let mut bytes = vec![0; 4000];
            let length = connection.read(&mut bytes).unwrap();
            let (mut rest, mut seen) = (&bytes[..length], Vec::new());
            while !rest.is_empty() {
                let (message, behind) = rest.split_at(number(&rest[2..4]) as usize);
                if number(&message[12..16]) == 7 {
                    seen.push((number(&message[16..18]), number(&message[8..12])));
                }
                rest = behind;
            }
            // Templates are in the first message; the counts come in another domain.
            assert_eq!(seen.first(), Some(&(2, 0)), "{round}");
            drop(connection);
            std::thread::sleep(Duration::from_millis(20));
            exporter.turn(at(start + 3));
            assert!(!exporter.is_connected());
        }
        assert_eq!(exporter.sent().failures, 2);
    }
}
