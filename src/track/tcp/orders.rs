//! Every order in which readings and messages can tell of a connection within the machine, and of the next one on its
//! ports: each is given back exactly once or, where they are kept, shown exactly once.

use std::time::Duration;

use super::counters::Counters;
use super::ended::GivesBack;
use super::last::Ended;
use super::state::State;
use super::{Options, Tracker};
use crate::model::Endpoint;

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// Each end closes.
    Fin,
    /// The first end to close resets it, and keeps its counters; the other one is held in CLOSE.
    Reset,
    /// The same, but the socket forgets the connection (SO_LINGER).
    Cut,
}

/// What happens. The numbers are those of the connection and of the end: 0 for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Begins(usize),
    /// The kernel frees the socket.
    Ends(usize, usize),
    /// The tracker is told.
    Told(usize, usize),
    Tick,
    Half,
}

use Event::{Begins, Ends, Half, Tick, Told};

/// Connections on the same ports, the kernel's view of them, and the tracker's.
struct World {
    ways: Vec<Way>,
    /// Bytes to the server, and back.
    bytes: Vec<[u64; 2]>,
    /// In which order they ended.
    ended: Vec<(usize, usize)>,
    now: Duration,
    has_cookies: bool,
    /// Whether messages tell how old they are, which a late reader does not know.
    has_age: bool,
    /// Whether the servers' ends are on another machine.
    is_remote: bool,
    /// Which connections a reading or a message with counters has told of.
    seen: Vec<bool>,
    tracker: Tracker,
}

impl World {
    fn has_ended(&self, of: usize, end: usize) -> bool {
        self.ended.contains(&(of, end))
    }

    fn counters(&self, of: usize, end: usize) -> Counters {
        let address = std::net::Ipv4Addr::LOCALHOST.into();
        let ends = [40000, 80].map(|port| Endpoint { address, port });
        Counters {
            local: ends[end],
            remote: ends[1 - end],
            zone: 0,
            flow: None,
            is_client: None,
            bound: None,
            state: State::Established,
            sent_bytes_total: Some(self.bytes[of][end]),
            received_bytes_total: Some(self.bytes[of][1 - end]),
            retransmits_total: None,
            rtt: Some(Duration::from_micros(9)),
            idle: Some(Duration::ZERO),
            cookie: if self.has_cookies { (of * 2 + end + 1) as u64 } else { 0 },
            cgroup: 0,
        }
    }

    /// The rows of a reading; `missed` is an end that it misses.
    fn read(&mut self, begun: usize, missed: Option<usize>) {
        for (of, end) in (0..begun).flat_map(|of| [(of, 0), (of, 1)]) {
            let (has_ended, other) = (self.has_ended(of, end), self.has_ended(of, 1 - end));
            let row = Counters {
                state: if other || has_ended { State::Closing } else { State::Established },
                ..self.counters(of, end)
            };
            let row = match (has_ended, other) {
                _ if missed == Some(end) || self.is_remote && (end == 1 || has_ended) => continue,
                // Its small socket, which another connection can replace, and which has no counters.
                (true, false) if self.ways[of] == Way::Fin => Counters {
                    cookie: 0,
                    sent_bytes_total: None,
                    received_bytes_total: None,
                    rtt: None,
                    idle: None,
                    ..row
                },
                // The other one is held in CLOSE.
                (true, _) => continue,
                (false, true) if self.ways[of] != Way::Fin => continue,
                _ => row,
            };
            self.seen[of] = true;
            self.tracker.counters(self.now, &row);
        }
        self.tracker.end_of_counters(self.now);
        self.tracker.tick(self.now);
    }

    /// The message of the end, and when it ended.
    fn message(&self, of: usize, end: usize) -> Ended {
        let mut counters = self.counters(of, end);
        let [sent, received] = [self.bytes[of][end], self.bytes[of][1 - end]];
        let is_first = self.ended.iter().find(|one| one.0 == of) == Some(&(of, end));
        let fins = match self.ways[of] {
            Way::Fin => [1, u64::from(!is_first)],
            Way::Cut if is_first => {
                counters.remote.port = 0;
                [0, 0]
            }
            Way::Cut | Way::Reset => [0, 0],
        };
        counters.received_bytes_total = Some(received + fins[1]);
        if self.has_age {
            let place = self.ended.iter().position(|one| *one == (of, end)).unwrap_or_default();
            counters.idle = Some(MILLI * (self.ended.len() - place) as u32);
        }
        let acknowledged = sent + fins[0] + u64::from(end == 0);
        Ended { counters, acknowledged, sent: Some(sent), segments: None, awaits_fin: false }
    }
}

const MILLI: Duration = Duration::from_millis(1);

/// Calls `each` with every order of the events, each of which waits for those that must be before it.
fn orders(
    so_far: &mut Vec<Event>,
    left: &mut Vec<Event>,
    may_follow: &dyn Fn(&[Event], Event) -> bool,
    each: &mut dyn FnMut(&[Event]),
) {
    if left.is_empty() {
        return each(so_far);
    }
    for place in 0..left.len() {
        let event = left[place];
        // Equal events are in any order the same.
        if left[..place].contains(&event) || !may_follow(so_far, event) {
            continue;
        }
        left.remove(place);
        so_far.push(event);
        orders(so_far, left, may_follow, each);
        so_far.pop();
        left.insert(place, event);
    }
}

/// Plays an order, and gives what is wrong with the result.
fn play(world: &mut World, events: &[Event], missed: (usize, Option<usize>)) -> Option<String> {
    let (mut begun, mut readings) = (0, 0);
    let keeps = world.tracker.options.gives_back == GivesBack::None;
    let flush = [Tick, Half, Tick, Half, Tick, Half];
    for event in events.iter().chain(&flush) {
        world.now += MILLI;
        match *event {
            Begins(_) => begun += 1,
            Ends(of, end) => world.ended.push((of, end)),
            Told(of, end) => {
                let message = world.message(of, end);
                world.seen[of] |= message.counters.remote.port != 0;
                world.tracker.ended(world.now, &message);
            }
            Tick => {
                let missed = missed.1.filter(|_| missed.0 == readings);
                readings += 1;
                world.read(begun, missed);
            }
            Half if keeps => {}
            Half => world.tracker.give_overdue(),
        }
    }
    let mut given: Vec<_> = std::iter::from_fn(|| world.tracker.next_given()).collect();
    if keeps {
        given.extend(world.tracker.connections().cloned());
    }
    let is_over = !keeps || given.iter().all(|one| one.state == State::Closed);
    let mut rows: Vec<_> =
        given.iter().map(|one| [one.tx.bytes_total, one.rx.bytes_total]).collect();
    // A socket that forgot its connection before a reading is not known.
    let is_known = |bytes: &(_, &bool)| !world.is_remote || *bytes.1;
    let known = world.bytes.iter().zip(&world.seen).filter(is_known);
    let mut wanted: Vec<_> = known.map(|(bytes, _)| *bytes).collect();
    rows.sort_unstable();
    wanted.sort_unstable();
    // Of an end that is told alone, the last byte may be a FIN.
    let is_right = rows.len() == wanted.len()
        && rows
            .iter()
            .flatten()
            .zip(wanted.iter().flatten())
            .all(|(one, other)| one.abs_diff(*other) <= 1);
    let has_left = keeps || world.tracker.is_empty();
    (!is_right || !is_over || !has_left).then(|| format!("{rows:?} for {wanted:?}"))
}

/// Plays every order of these events in every variant.
fn play_all(ways: &[Way], bytes: &[[u64; 2]], ticks: usize, is_remote: bool) -> usize {
    let mut left = Vec::new();
    for of in 0..ways.len() {
        left.extend([Begins(of), Ends(of, 0), Told(of, 0)]);
        left.extend([Ends(of, 1), Told(of, 1)].into_iter().filter(|_| !is_remote));
    }
    (0..ticks).for_each(|_| left.extend([Tick, Half]));
    let may_follow = |so_far: &[Event], event| {
        let count = |what: Event| so_far.iter().filter(|one| **one == what).count();
        let has = |what: Event| so_far.contains(&what);
        match event {
            // Ports are free when neither socket is in the table.
            Begins(0) => true,
            Begins(of) if is_remote => has(Ends(of - 1, 0)),
            Begins(of) => match ways[of - 1] {
                Way::Fin => has(Ends(of - 1, 0)) && has(Ends(of - 1, 1)),
                Way::Reset | Way::Cut => has(Ends(of - 1, 0)) || has(Ends(of - 1, 1)),
            },
            Ends(of, _) => has(Begins(of)),
            Told(of, end) => has(Ends(of, end)),
            Tick => count(Tick) == count(Half),
            Half => count(Tick) > count(Half),
        }
    };
    // One connection in every variant: a reading misses an end, messages tell their age, there are no cookies.
    let mut variants = vec![((0, None), false, true)];
    if let [_] = ways {
        let of = |reading| [0, 1].map(|end| ((reading, Some(end)), false, true));
        variants.extend((0..=ticks).flat_map(of));
        variants.extend([((0, None), true, true), ((0, None), false, false)]);
    }
    let mut number = 0;
    let all = [GivesBack::Told, GivesBack::None];
    let variants: Vec<_> =
        variants.iter().flat_map(|one| all.map(|gives_back| (one, gives_back))).collect();
    orders(&mut Vec::new(), &mut left, &may_follow, &mut |events| {
        for ((missed, has_age, has_cookies), gives_back) in &variants {
            let remove_after = Duration::MAX;
            let options = Options { gives_back: *gives_back, remove_after, ..Options::default() };
            let mut world = World {
                ways: ways.to_vec(),
                bytes: bytes.to_vec(),
                ended: Vec::new(),
                now: Duration::from_secs(1),
                has_cookies: *has_cookies,
                has_age: *has_age,
                is_remote,
                seen: vec![false; ways.len()],
                tracker: Tracker::new(options),
            };
            let wrong = play(&mut world, events, *missed);
            let variant = (missed, has_age, has_cookies, gives_back);
            assert_eq!(wrong, None, "{ways:?} {events:?} {variant:?}");
            number += 1;
        }
    });
    number
}

#[test]
fn one_connection_is_given_back_once_in_every_order() {
    for way in [Way::Fin, Way::Reset, Way::Cut] {
        for bytes in [[100, 30], [0, 0]] {
            let number = play_all(&[way], &[bytes], 2, false);
            assert!(number > 5000, "{number}");
        }
    }
}

/// Where the numbers are the same, each of both must be told by both of its ends, or in a reading: nothing else tells
/// which ends belong together.
#[test]
fn two_connections_on_the_same_ports_are_two_in_every_order() {
    use Way::{Cut, Fin, Reset};
    let (different, same) = ([[100, 30], [50, 60]], [[100, 30]; 2]);
    for (ways, bytes) in
        [([Fin, Fin], different), ([Fin, Fin], same), ([Reset, Fin], same), ([Cut, Cut], different)]
    {
        let number = play_all(&ways, &bytes, 1, false);
        assert!(number > 5000, "{number}");
    }
}

/// Of the end on this machine alone, messages and readings tell.
#[test]
fn connections_to_another_machine_are_told_once_in_every_order() {
    use Way::{Cut, Fin, Reset};
    let bytes = [[100, 30], [50, 60]];
    for first in [Fin, Reset, Cut] {
        for second in [Fin, Reset, Cut] {
            let number = play_all(&[first, second], &bytes, 3, true);
            assert!(number > 500, "{number}");
        }
    }
}
