//! What becomes of flows, as the kernel tells it: events of ctnetlink, and how many of them were lost
//! (net/netfilter/nf_conntrack_netlink.c, net/netlink/af_netlink.c).

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

use super::conntrack;
use super::expectations;
use crate::error::Error;
use crate::model::{Change, Expectation, Flow};
use crate::source::netlink::{CTNETLINK, Failure, Messages, Wait};
use crate::sys::Netlink;
use crate::wire::ctnetlink as wire;
use crate::wire::netlink::{self, Message};

/// EventGroups of events, a set: bit N - 1 is the kernel's group N.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EventGroups(pub u32);

impl EventGroups {
    /// New flows.
    pub const NEW: EventGroups = EventGroups(1);
    /// Flows that changed.
    pub const UPDATE: EventGroups = EventGroups(1 << 1);
    /// Flows that ended.
    pub const DESTROY: EventGroups = EventGroups(1 << 2);
    /// All three of flows.
    pub const FLOWS: EventGroups = EventGroups(0b111);
    /// All three of expectations.
    pub const EXPECTATIONS: EventGroups = EventGroups(0b111_000);
}

impl std::ops::BitOr for EventGroups {
    type Output = EventGroups;
    fn bitor(self, other: EventGroups) -> EventGroups {
        EventGroups(self.0 | other.0)
    }
}

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject<'a> {
    /// A flow.
    Flow(&'a Flow<'a>),
    /// An expectation.
    Expectation(&'a Expectation<'a>),
}

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// What happened.
    pub kind: Change,
    /// To what.
    pub subject: Subject<'a>,
    /// The port of the netlink socket whose request caused it; 0 where no request did.
    pub port: u32,
}

/// What one call of [`Events::next`] came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A datagram, whose events were given.
    Read,
    /// Nothing waits to be read.
    Idle,
    /// That many events were lost since the last time that this was said: the buffer was full. 0 if
    /// the kernel only says that there was a loss: before Linux 4.12, or where it had no memory.
    Lost(u64),
}

/// What came, and what of it could not be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that were given.
    pub events: u64,
    /// Messages of a type that is not known.
    pub unknown: u64,
    /// Messages of a known type and an unknown shape.
    pub malformed: u64,
    /// Messages that were lost.
    pub lost: u64,
    /// How often the kernel said that its buffer was full.
    pub overruns: u64,
}

/// A socket that events come from; tests script it.
pub trait Stream: Messages {
    /// How many messages were dropped until now, modulo 2^32.
    ///
    /// # Errors
    /// The system's, if it does not count them.
    fn drops(&self) -> Result<u32, Errno>;
}

impl Stream for Netlink {
    fn drops(&self) -> Result<u32, Errno> {
        Netlink::drops(self)
    }
}

/// The stream of events of the network namespace in which it was opened.
#[derive(Debug)]
pub struct Events<S = Netlink> {
    stream: S,
    counts: Counts,
    /// The drops that were said.
    said: u32,
    /// Whether there was an overrun of which not all may have been said.
    is_overrun: bool,
    /// Whether there was one of which nothing was said.
    is_unsaid: bool,
    /// Whether the drops were read just now, with those of an overrun that is not reported yet.
    is_counted: bool,
}

impl Events {
    /// Joins `groups` with a receive buffer of `buffer_bytes`, the system's default for `None`.
    ///
    /// The buffer belongs to the socket that receives, and is set before it joins: conntrack 1.4.7 to
    /// 1.4.9 set that of another socket, without effect.
    ///
    /// # Errors
    /// [`Failure::Refused`]: `PERM` without the right.
    pub fn open(groups: EventGroups, buffer_bytes: Option<usize>) -> Result<Events, Failure> {
        let socket = conntrack::open()?;
        let refused = |errno| CTNETLINK.refused(errno);
        if let Some(bytes) = buffer_bytes {
            socket.set_receive_buffer(bytes).map_err(refused)?;
        }
        socket.join(groups.0).map_err(refused)?;
        Ok(Events::of(socket))
    }

    /// The size of the receive buffer in bytes as the kernel has it, its overhead included.
    pub fn receive_buffer(&self) -> Result<usize, Errno> {
        self.stream.receive_buffer()
    }

    /// Sets the receive buffer anew and gives what the kernel then has.
    pub fn set_receive_buffer(&self, bytes: usize) -> Result<usize, Errno> {
        self.stream.set_receive_buffer(bytes)
    }
}

impl AsFd for Events {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl<S: Stream> Events<S> {
    /// The events of a stream that has joined its groups.
    pub fn of(stream: S) -> Events<S> {
        let said = stream.drops().unwrap_or_default();
        let (is_overrun, is_unsaid, is_counted) = (false, false, false);
        Events { stream, counts: Counts::default(), said, is_overrun, is_unsaid, is_counted }
    }

    /// What came until now.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Reads one datagram if one waits, and calls `each` with its events.
    ///
    /// The kernel says only once that its buffer was full, and goes on to drop events until all that
    /// waits has been read. So the loss is said when nothing waits any more, or when the next one
    /// comes: then the counter holds all of it, and the sum of what was given and what was said to be
    /// lost is what was sent.
    ///
    /// # Errors
    /// Those of the system but for losses, and those of `each`.
    pub fn next(
        &mut self,
        mut each: impl FnMut(&Event<'_>) -> Result<(), Error>,
    ) -> Result<Step, Error> {
        let was_counted = std::mem::take(&mut self.is_counted);
        let counts = &mut self.counts;
        match self.stream.walk(Wait::No, |message| take(message, counts, &mut each)) {
            Ok(taken) => taken.map(|()| Step::Read),
            Err(Errno::AGAIN) => Ok(self.at_rest()),
            Err(Errno::NOBUFS) => {
                self.counts.overruns = self.counts.overruns.saturating_add(1);
                let was_overrun = std::mem::replace(&mut self.is_overrun, true);
                let lost = if was_overrun { self.newly_lost() } else { 0 };
                self.is_unsaid = (self.is_unsaid || !was_counted) && lost == 0;
                Ok(if lost > 0 { Step::Lost(lost) } else { Step::Read })
            }
            Err(Errno::INTR) => Ok(Step::Read),
            Err(Errno::MSGSIZE) => {
                self.counts.malformed = self.counts.malformed.saturating_add(1);
                Ok(Step::Read)
            }
            Err(errno) => Err(CTNETLINK.refused(errno).into()),
        }
    }

    /// What there is to say when nothing waits: a loss, if there was one. One of which the kernel gives no
    /// number is said once.
    fn at_rest(&mut self) -> Step {
        if !std::mem::take(&mut self.is_overrun) {
            return Step::Idle;
        }
        let lost = self.newly_lost();
        self.is_counted = lost > 0;
        let is_unsaid = std::mem::take(&mut self.is_unsaid);
        if lost > 0 || is_unsaid { Step::Lost(lost) } else { Step::Idle }
    }

    /// How many events were lost and not said yet: for the end, when nothing is read any more.
    pub fn newly_lost(&mut self) -> u64 {
        let drops = self.stream.drops().unwrap_or(self.said);
        // The counter has 32 bits and wraps.
        let lost = drops.wrapping_sub(std::mem::replace(&mut self.said, drops)).into();
        self.counts.lost = self.counts.lost.saturating_add(lost);
        lost
    }
}

/// Gives the event that a message tells, and counts it.
fn take(
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

/// What a message tells, and whether of a flow.
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
    use crate::wire::ctnetlink::attribute;
    use crate::wire::netlink::{HEADER, dump_request, push_attribute};
    use std::collections::VecDeque;

    /// Datagrams and errors in turn, then nothing; and the counter of drops at each of them.
    pub struct Script {
        left: VecDeque<(Result<Vec<u8>, Errno>, u32)>,
        now: Vec<u8>,
        drops: u32,
    }

    impl Script {
        pub fn of(
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

    pub fn message(kind: u16, flags: u16, port: u32) -> Vec<u8> {
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
        // The counter wraps; and it goes on after the kernel has said that its buffer was full.
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
        events.stream.drops = 12;
        assert_eq!((events.newly_lost(), events.newly_lost(), events.counts().lost), (3, 0, 14));
    }

    #[test]
    fn a_loss_without_a_number_is_said_and_one_that_was_counted_already_is_not() {
        let mut events = Script::of([
            (Err(Errno::NOBUFS), u32::MAX - 1),
            (Err(Errno::AGAIN), u32::MAX - 1),
            (Err(Errno::NOBUFS), 0),
            // Between this and the reading of the counter, the buffer was full once more.
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
        assert_eq!(text, b"ctnetlink: Operation not permitted (needs CAP_NET_ADMIN)");
    }
}
