//! Events of flows, by ctnetlink (net/netfilter/nf_conntrack_netlink.c).

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

use super::conntrack;
use super::expectations;
use crate::error::Error;
use crate::model::{Change, Expectation, Flow};
use crate::source::multicast::{Multicast, Stream};
use crate::source::netlink::{CTNETLINK, Failure};
use crate::sys::Netlink;
use crate::wire::ctnetlink as wire;
use crate::wire::netlink::{self, Message};

pub use crate::source::multicast::Step;

/// A set of multicast groups: bit N - 1 is the kernel's group N.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventGroups(pub u32);

impl EventGroups {
    pub const NEW: EventGroups = EventGroups(1);
    pub const UPDATE: EventGroups = EventGroups(1 << 1);
    pub const DESTROY: EventGroups = EventGroups(1 << 2);
    /// All three groups of flows.
    pub const FLOWS: EventGroups = EventGroups(0b111);
    /// All three groups of expectations.
    pub const EXPECTATIONS: EventGroups = EventGroups(0b111_000);
}

impl std::ops::BitOr for EventGroups {
    type Output = EventGroups;
    fn bitor(self, other: EventGroups) -> EventGroups {
        EventGroups(self.0 | other.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    Flow(&'a Flow<'a>),
    Expectation(&'a Expectation<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    pub kind: Change,
    pub subject: Subject<'a>,
    /// The port ID of the netlink socket whose request caused the event; 0 if no request did.
    pub port: u32,
}

/// How many events came, and how many messages could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub events: u64,
    /// Messages of an unknown type.
    pub unknown: u64,
    /// Messages of a known type but an unknown shape.
    pub malformed: u64,
    pub lost: u64,
    /// How often the kernel reported that its buffer was full.
    pub overruns: u64,
}

/// The events of the network namespace in which this was opened.
#[derive(Debug)]
pub struct Events<S = Netlink> {
    from: Multicast<S>,
    counts: Counts,
}

impl Events {
    /// Joins `groups` with a receive buffer of `buffer_bytes`; `None` keeps the system's default.
    ///
    /// The buffer of the receiving socket is set before it joins: conntrack 1.4.7 to 1.4.9 set that of another
    /// socket, without effect.
    ///
    /// # Errors
    /// [`Failure::Refused`]: `PERM` without CAP_NET_ADMIN.
    pub fn open(groups: EventGroups, buffer_bytes: Option<usize>) -> Result<Events, Failure> {
        let socket = conntrack::open()?;
        let refused = |errno| CTNETLINK.refused(errno);
        if let Some(bytes) = buffer_bytes {
            socket.set_receive_buffer(bytes).map_err(refused)?;
        }
        socket.join(groups.0).map_err(refused)?;
        Ok(Events::of(socket))
    }

    /// The size of the receive buffer in bytes, the kernel's overhead included.
    pub fn receive_buffer(&self) -> Result<usize, Errno> {
        self.from.stream.receive_buffer()
    }

    /// Changes the size of the receive buffer and returns what the kernel made of it.
    pub fn set_receive_buffer(&self, bytes: usize) -> Result<usize, Errno> {
        self.from.stream.set_receive_buffer(bytes)
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.from.stream.as_fd()
    }
}

impl<S: Stream> Events<S> {
    /// The events of a stream that has already joined its groups.
    pub fn of(stream: S) -> Events<S> {
        Events { from: Multicast::of(CTNETLINK, stream), counts: Counts::default() }
    }

    /// What has come so far.
    pub fn counts(&self) -> Counts {
        let Multicast { lost, overruns, oversized, .. } = self.from;
        let malformed = self.counts.malformed.saturating_add(oversized);
        Counts { malformed, lost, overruns, ..self.counts }
    }

    /// Reads one datagram if one is waiting, and calls `each` with its events; see [`Multicast::next`].
    ///
    /// # Errors
    /// The system's, except for losses, and those of `each`.
    pub fn next(
        &mut self,
        mut each: impl FnMut(&Event<'_>) -> Result<(), Error>,
    ) -> Result<Step, Error> {
        let counts = &mut self.counts;
        self.from.next(&mut |message| deliver(message, counts, &mut each))
    }

    /// How many events were lost and not reported yet: for the end, when nothing more is read.
    pub fn newly_lost(&mut self) -> u64 {
        self.from.newly_lost()
    }
}

/// Counts a message and hands its event to `each`.
fn deliver(
    message: Option<Message<'_>>,
    counts: &mut Counts,
    each: &mut impl FnMut(&Event<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let Some(message) = message else {
        counts.malformed = counts.malformed.saturating_add(1);
        return Ok(());
    };
    let Some((kind, is_flow)) = kind(&message) else {
        counts.unknown = counts.unknown.saturating_add(u64::from(message.kind != netlink::NOOP));
        return Ok(());
    };
    let port = message.port;
    let given = match is_flow {
        true => conntrack::flow(message.payload)
            .map(|flow| each(&Event { kind, subject: Subject::Flow(&flow), port })),
        false => expectations::expectation(message.payload)
            .map(|seen| each(&Event { kind, subject: Subject::Expectation(&seen), port })),
    };
    let count = match given {
        None => &mut counts.malformed,
        Some(result) => {
            result?;
            &mut counts.events
        }
    };
    *count = count.saturating_add(1);
    Ok(())
}

/// The change that a message reports, and whether it is about a flow.
fn kind(message: &Message<'_>) -> Option<(Change, bool)> {
    const FLOW_NEW: u16 = wire::FLOWS | wire::NEW;
    const FLOW_DELETE: u16 = wire::FLOWS | wire::DELETE;
    const EXPECTATION_NEW: u16 = wire::EXPECTATIONS | wire::NEW;
    const EXPECTATION_DELETE: u16 = wire::EXPECTATIONS | wire::DELETE;
    let is_created = message.flags & wire::CREATED != 0;
    let born = if is_created { Change::New } else { Change::Update };
    match message.kind {
        FLOW_NEW => Some((born, true)),
        FLOW_DELETE => Some((Change::Destroy, true)),
        EXPECTATION_NEW => Some((born, false)),
        EXPECTATION_DELETE => Some((Change::Destroy, false)),
        _ => None,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::source::netlink::{Messages, Wait};
    use crate::wire::ctnetlink::attribute;
    use crate::wire::netlink::{HEADER, dump_request, push_attribute};
    use std::collections::VecDeque;

    /// Yields datagrams and errors, then nothing; with each of them, the counter of drops.
    pub(crate) struct Script {
        left: VecDeque<(Result<Vec<u8>, Errno>, u32)>,
        now: Vec<u8>,
        drops: u32,
    }

    impl Script {
        pub(crate) fn of(
            steps: impl IntoIterator<Item = (Result<Vec<u8>, Errno>, u32)>,
        ) -> Events<Script> {
            let left = steps.into_iter().collect();
            Events::of(Script { left, now: Vec::new(), drops: u32::MAX - 1 })
        }
    }

    impl Messages for Script {
        fn receive(&mut self, _: Wait) -> Result<&[u8], Errno> {
            let (result, drops) = self.left.pop_front().unwrap_or((Err(Errno::AGAIN), self.drops));
            self.drops = drops;
            self.now = result?;
            Ok(&self.now)
        }
    }

    impl Stream for Script {
        fn drops(&self) -> Result<u32, Errno> {
            Ok(self.drops)
        }
    }

    fn tuple(port: u16) -> Vec<u8> {
        let nested = |kind, values: &[(u16, &[u8])]| {
            let (mut inner, mut outer) = (Vec::new(), Vec::new());
            values.iter().for_each(|(kind, value)| push_attribute(&mut inner, *kind, value));
            push_attribute(&mut outer, kind, &inner);
            outer
        };
        let ip = nested(1, &[(1, &[10, 0, 0, 1]), (2, &[10, 0, 0, 2])]);
        let port = port.to_be_bytes();
        [ip, nested(2, &[(1, &[17]), (2, &port), (3, &[0, 53])])].concat()
    }

    pub(crate) fn message(kind: u16, flags: u16, port: u32) -> Vec<u8> {
        of_tuples(kind, flags, port, &[attribute::TUPLE_ORIG, attribute::TUPLE_REPLY])
    }

    fn expectation(kind: u16, flags: u16, port: u32) -> Vec<u8> {
        of_tuples(kind, flags, port, &[1, 2, 3])
    }

    fn of_tuples(kind: u16, flags: u16, port: u32, tuples: &[u16]) -> Vec<u8> {
        let mut payload = wire::head(2, 0).to_vec();
        tuples.iter().for_each(|kind| push_attribute(&mut payload, *kind, &tuple(7)));
        let mut message = dump_request(kind, 0, &payload);
        message[6..8].copy_from_slice(&flags.to_ne_bytes());
        message[12..16].copy_from_slice(&port.to_ne_bytes());
        message
    }

    fn taken(events: &mut Events<Script>) -> (Vec<(Change, bool, u32)>, Vec<Step>) {
        let (mut seen, mut steps) = (Vec::new(), Vec::new());
        while steps.last() != Some(&Step::Idle) {
            let step = events.next(|event| {
                let is_flow = matches!(event.subject, Subject::Flow(_));
                seen.push((event.kind, is_flow, event.port));
                Ok(())
            });
            steps.push(step.unwrap());
        }
        (seen, steps)
    }

    #[test]
    fn every_kind_of_event_is_told_apart_and_the_rest_is_counted() {
        let all = [
            message(0x100, 0x600, 0),
            message(0x100, 0, 5),
            message(0x102, 0, 0),
            expectation(0x200, 0x600, 0),
            expectation(0x202, 0, 6),
            message(0x103, 0, 0),
            message(netlink::NOOP, 0, 0),
            dump_request(0x100, 0, &[2, 0, 0, 0]),
            message(0x102, 0, 0)[..HEADER + 3].to_vec(),
        ];
        let mut events = Script::of([(Ok(all.concat()), 0), (Err(Errno::MSGSIZE), 0)]);
        let (seen, _) = taken(&mut events);
        let wanted = [
            (Change::New, true, 0),
            (Change::Update, true, 5),
            (Change::Destroy, true, 0),
            (Change::New, false, 0),
            (Change::Destroy, false, 6),
        ];
        assert_eq!(seen, wanted);
        let counts = Counts { events: 5, unknown: 1, malformed: 3, ..Counts::default() };
        assert_eq!(events.counts(), counts);
    }

    #[test]
    fn losses_are_said_when_all_that_waited_is_read() {
        let event = || Ok(message(0x102, 0, 0));
        // The counter wraps, and continues to grow after the kernel has reported that its buffer was full.
        let mut events = Script::of([
            (event(), u32::MAX - 1),
            (Err(Errno::NOBUFS), 0),
            (event(), 1),
            (Err(Errno::INTR), 2),
            (event(), 3),
            (Err(Errno::AGAIN), 3),
            (event(), 3),
            (Err(Errno::NOBUFS), 4),
            (event(), 4),
            (Err(Errno::NOBUFS), 9),
            (event(), 9),
        ]);
        let (seen, mut steps) = taken(&mut events);
        assert_eq!(seen.len(), 6);
        steps.retain(|step| *step != Step::Read);
        assert_eq!(steps, [Step::Lost(5), Step::Lost(6), Step::Idle]);
        assert_eq!((events.counts().lost, events.counts().overruns), (11, 3));
        events.from.stream.drops = 12;
        assert_eq!((events.newly_lost(), events.newly_lost(), events.counts().lost), (3, 0, 14));
    }

    #[test]
    fn a_loss_without_a_number_is_said_and_one_that_was_counted_already_is_not() {
        let mut events = Script::of([
            (Err(Errno::NOBUFS), u32::MAX - 1),
            (Err(Errno::AGAIN), u32::MAX - 1),
            (Err(Errno::NOBUFS), 0),
            // Between this and the reading of the counter, the buffer overran again.
            (Err(Errno::AGAIN), 7),
            (Err(Errno::NOBUFS), 7),
            (Ok(message(0x102, 0, 0)), 7),
            (Err(Errno::AGAIN), 7),
        ]);
        let (_, mut steps) = taken(&mut events);
        steps.retain(|step| *step != Step::Read);
        assert_eq!(steps, [Step::Lost(0), Step::Lost(9), Step::Idle]);
    }

    #[test]
    fn other_errors_end_it() {
        let mut events = Script::of([(Err(Errno::PERM), 0)]);
        let Err(Error::Fault { text, .. }) = events.next(|_| Ok(())) else { panic!("no error") };
        let wanted =
            ["ctnetlink: Operation not permitted ", &crate::error::needs("CAP_NET_ADMIN")].concat();
        assert_eq!(text, wanted.as_bytes());
    }
}
