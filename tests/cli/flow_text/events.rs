//! The recorded events of own-lab's router: each line is read into a flow, which must give the same line again.

use std::fs;

use connbox::flow::{self, Parts};
use connbox::model::{Change, Ends, Flow, FlowStatus, TCP_STATES, Traffic, Tuple};

use crate::support::world;

/// The words of a line, taken one by one.
struct Words<'a>(std::iter::Peekable<std::str::SplitAsciiWhitespace<'a>>);

impl<'a> Words<'a> {
    fn next(&mut self) -> &'a str {
        self.0.next().expect("another word")
    }

    /// The number after `name=`, if that comes next.
    fn number<T: std::str::FromStr>(&mut self, name: &str) -> Option<T> {
        let word = self.0.peek()?.strip_prefix(name)?.strip_prefix('=')?;
        let number = word.parse().ok().expect(word);
        self.0.next();
        Some(number)
    }

    fn is_next(&mut self, word: &str) -> bool {
        self.0.next_if_eq(&word).is_some()
    }

    fn tuple(&mut self, protocol: u8, zone: &str) -> (Tuple, Option<Traffic>) {
        let (source, destination) = (self.number("src").unwrap(), self.number("dst").unwrap());
        let ends = Ends::Ports {
            source: self.number("sport").unwrap(),
            destination: self.number("dport").unwrap(),
        };
        let tuple = Tuple { source, destination, protocol, ends, zone: self.number(zone) };
        let packets = self.number("packets");
        (tuple, packets.map(|packets| Traffic { packets, bytes: self.number("bytes").unwrap() }))
    }
}

/// Reads a line of `conntrack -E -o extended,id,timestamp`.
fn read(line: &str) -> (u64, Change, Flow<'static>) {
    let mut words = Words(line.split_ascii_whitespace().peekable());
    let time = words.next().trim_matches(['[', ']']).replace('.', "").parse().unwrap();
    let change = match words.next() {
        "[NEW]" => Change::New,
        "[UPDATE]" => Change::Update,
        _ => Change::Destroy,
    };
    let (_, family) = (words.next(), words.next().parse().unwrap());
    let (_, protocol) = (words.next(), words.next().parse().unwrap());
    let timeout_seconds = words.next().parse().ok();
    let state = words.0.peek().and_then(|word| TCP_STATES.iter().position(|name| name == word));
    let state = state.map(|place| (words.next(), place as u8).1);
    let (orig, sent) = words.tuple(protocol, "zone-orig");
    let mut status = if words.is_next("[UNREPLIED]") { 0 } else { FlowStatus::SEEN_REPLY.0 };
    let (reply, answered) = words.tuple(protocol, "zone-reply");
    status |= if words.is_next("[ASSURED]") { FlowStatus::ASSURED.0 } else { 0 };
    let (mark, zone) = (words.number("mark"), words.number("zone"));
    let age: Option<u64> = words.number("delta-time");
    let flow = Flow {
        family,
        orig,
        reply,
        status: Some(FlowStatus(status)),
        timeout_seconds,
        state,
        traffic: [sent, answered],
        mark,
        zone,
        start_nanoseconds: age.map(|_| 0),
        stop_nanoseconds: age.map(|age| age * 1_000_000_000),
        id: words.number("id"),
        ..Flow::default()
    };
    assert_eq!(words.0.next(), None);
    (time, change, flow)
}

#[test]
fn recorded_events_are_written_as_they_were() {
    let path = world("own-lab-6.18").join("conntrack/routed-nat-zones.E-id-timestamp-extended.txt");
    let theirs = fs::read_to_string(path).unwrap();
    let parts = Parts { extended: true, id: true, ..Parts::default() };
    let mut ours = Vec::new();
    for (time, change, flow) in theirs.lines().map(read) {
        flow::time_prefix(&mut ours, time);
        flow::event_prefix(&mut ours, change);
        flow::line(&mut ours, &flow, &parts);
        ours.push(b'\n');
    }
    assert_eq!(String::from_utf8(ours).unwrap(), theirs);
    assert!(theirs.lines().count() > 30);
}

#[test]
fn an_event_says_whose_request_caused_it() {
    let written = |program: Option<&[u8]>| {
        let mut text = Vec::new();
        flow::cause(&mut text, 3_848_306_729, program);
        String::from_utf8(text).unwrap()
    };
    assert_eq!(written(None), " [USERSPACE] portid=3848306729");
    assert_eq!(
        written(Some(b"con\x1btrack")),
        " [USERSPACE] portid=3848306729 progname=con\\x1btrack"
    );
}
