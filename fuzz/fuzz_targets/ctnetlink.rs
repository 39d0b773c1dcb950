//! Any bytes as payloads of ctnetlink, read as flows, expectations and events: each is read or is an error;
//! what is read can be written as text, and the cache keeps it unchanged.
#![no_main]

use std::collections::VecDeque;

use connbox::flow::{self, Parts};
use connbox::model::{Change, Flow, Tuple};
use connbox::source::flows::events::{Events, Step, Subject};
use connbox::source::flows::{conntrack, expectations};
use connbox::source::multicast::Stream;
use connbox::source::netlink::{Messages, Wait};
use connbox::track::{Flows, flows};
use connbox::wire::ctnetlink;
use libfuzzer_sys::fuzz_target;
use rustix::io::Errno;

fuzz_target!(|data: &[u8]| {
    let _ = ctnetlink::tuple(data);
    let _ = (ctnetlink::half(data), ctnetlink::word(data), ctnetlink::long(data));
    if let Some(flow) = conntrack::flow(data) {
        text(&flow);
        kept(&flow);
    }
    if let Some(expectation) = expectations::expectation(data) {
        let mut buffer = Vec::new();
        flow::expectation_line(&mut buffer, &expectation);
        flow::expectation_xml(&mut buffer, &expectation, &Parts::default(), Some(Change::New));
    }
    events(data);
});

/// Every form of the text is one line.
fn text(flow: &Flow<'_>) {
    let parts = Parts { extended: true, id: true, ktimestamp: true, now_seconds: 1, ..Parts::default() };
    let mut buffer = Vec::new();
    flow::line(&mut buffer, flow, &parts);
    flow::xml(&mut buffer, flow, &parts, Some(Change::Update));
    flow::save(&mut buffer, flow, Some(Change::Destroy));
    assert!(!buffer.contains(&b'\n'), "{}", buffer.escape_ascii());
}

/// A cache keeps the flow until its end.
fn kept(flow: &Flow<'_>) {
    let mut cache = Flows::new(None);
    assert_eq!(cache.lives(flow, 0), flows::Outcome::Created);
    // The cache drops these fields, and keeps one protocol for both directions.
    let reply = Tuple { protocol: flow.orig.protocol, ..flow.reply };
    let (uses, stop_nanoseconds, event_nanoseconds) = (None, None, None);
    let wanted = Flow { reply, uses, stop_nanoseconds, event_nanoseconds, ..*flow };
    assert_eq!(cache.known(flow).map(|(flow, _)| flow), Some(wanted));
    assert_eq!(cache.lives(flow, 0), flows::Outcome::Updated);
    cache.begin_reconcile();
    assert_eq!(cache.reconcile(flow, 0), None);
    assert_eq!(cache.ended(flow, |_| ()), flows::Outcome::Destroyed);
    assert_eq!(cache.reconcile(flow, 0), None);
    cache.end_reconcile(|flow, _| Err(flow.id)).unwrap();
    assert!(cache.is_empty() && cache.totals().protocols().count() == 0);
}

/// Datagrams and errors in turn; each failure drops some messages.
struct Script<'a> {
    left: VecDeque<&'a [u8]>,
    drops: u32,
}

impl Messages for Script<'_> {
    fn receive(&mut self, _: Wait) -> Result<&[u8], Errno> {
        match self.left.pop_front() {
            None | Some([]) => Err(Errno::AGAIN),
            Some([0, rest @ ..]) => {
                self.drops = self.drops.wrapping_add(rest.len() as u32);
                Err(Errno::NOBUFS)
            }
            Some([1]) => Err(Errno::MSGSIZE),
            Some(datagram) => Ok(datagram),
        }
    }
}

impl Stream for Script<'_> {
    fn drops(&self) -> Result<u32, Errno> {
        Ok(self.drops)
    }
}

/// Events given and events lost add up to the events that came.
fn events(data: &[u8]) {
    let Some((&size, rest)) = data.split_first() else { return };
    let left: VecDeque<_> = rest.chunks(usize::from(size).max(1)).collect();
    let reads = left.len();
    let mut events = Events::of(Script { left, drops: u32::MAX - 3 });
    let (mut seen, mut lost) = (0, 0);
    for _ in 0..=reads {
        let step = events.next(|event| {
            seen += 1;
            if let Subject::Flow(flow) = event.subject {
                text(flow);
            }
            Ok(())
        });
        match step {
            Ok(Step::Lost(number)) => lost += number,
            Ok(Step::Read | Step::Idle) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    lost += events.newly_lost();
    let counts = events.counts();
    assert_eq!((counts.events, counts.lost), (seen, lost));
}
