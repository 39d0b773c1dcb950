//! The events of flows and, beside them, dumps of the kernel's table, by which whoever keeps flows finds what
//! the events did not tell.

use std::os::fd::{AsFd, BorrowedFd};

use super::conntrack::{self, FlowTable};
use super::events::{Event, Events, Step, Stream};
use crate::error::Error;
use crate::model::Flow;
use crate::source::netlink::{Answers, CTNETLINK, Dumped, Exchange, Failure, ONE, Progress, Wait};
use crate::sys::Netlink;

/// How many datagrams of events are read at once, before the caller looks for something else.
const EVENTS_A_TURN: usize = 1024;
/// In how many turns of a dump events that wait go before its parts; and in how many turns behind the dump what
/// waited when it ended is read, whatever the size of the buffer. So a flood of events does not keep a
/// dump from its end.
const TURNS_BESIDE: u32 = 1024;

/// What [`Follower::turn`] gives.
#[derive(Debug)]
pub enum Seen<'a> {
    /// An event.
    Event(&'a Event<'a>),
    /// That many events were lost; see [`Step::Lost`].
    Lost(u64),
    /// A flow of the table.
    Dumped(&'a Flow<'a>),
    /// The dump has ended and, if it was read to its end, so have the events that waited then.
    Ended(Result<Dumped, Failure>),
}

/// Reads events, and dumps the table beside them when it is told to.
///
/// While a dump is read the kernel's buffer of events does not fill up. Whoever keeps flows can let the events
/// win over what the dump shows, since the kernel prepares parts of a dump some time before they are read.
#[derive(Debug)]
pub struct Follower<S = Netlink, K = Netlink> {
    /// Where the events come from.
    pub events: Events<S>,
    dump: Option<Dump<K>>,
}

/// A dump that has not ended.
#[derive(Debug)]
struct Dump<K> {
    /// A socket of its own, so that a dump that fails leaves nothing to the next one.
    kernel: K,
    answers: Answers,
    /// Whether only the events that waited at its end are left.
    is_read: bool,
    /// In how many turns events still go first.
    patience: u32,
}

impl Follower {
    /// Begins to dump the table. A dump that has not ended is given up.
    pub fn start(&mut self) -> Result<(), Failure> {
        self.start_by(conntrack::open()?)
    }
}

impl<S: Stream, K: Exchange> Follower<S, K> {
    /// Follows events, without a dump.
    pub fn of(events: Events<S>) -> Follower<S, K> {
        Follower { events, dump: None }
    }

    fn start_by(&mut self, mut kernel: K) -> Result<(), Failure> {
        let mut answers = Answers::of(CTNETLINK);
        let request = conntrack::request_for(FlowTable::Tracked, ONE, 0, &[]);
        answers.begin(&mut kernel, ONE, &request)?;
        self.dump = Some(Dump { kernel, answers, is_read: false, patience: TURNS_BESIDE });
        Ok(())
    }

    /// Whether a dump has begun and not ended.
    pub fn is_dumping(&self) -> bool {
        self.dump.is_some()
    }

    /// Reads events that wait, but not for ever, and then a part of the dump if there is one: some hundred flows
    /// at most. Gives whether there is nothing more to do before a socket is ready.
    ///
    /// # Errors
    /// If the events cannot be read any more, or `each` fails.
    pub fn turn(
        &mut self,
        mut each: impl FnMut(Seen<'_>) -> Result<(), Error>,
    ) -> Result<bool, Error> {
        let Follower { events, dump: place } = self;
        let is_idle = read(events, &mut each)?;
        let Some(dump) = place else { return Ok(is_idle) };
        if !is_idle && dump.patience > 0 {
            dump.patience -= 1;
            return Ok(false);
        }
        let part = if dump.is_read { Ok(Progress::Done) } else { dump.part(events, &mut each) };
        let ended = match part {
            Ok(Progress::Read) => return Ok(false),
            Ok(Progress::Idle) => return Ok(is_idle),
            Ok(Progress::Done) if !dump.is_read => {
                (dump.is_read, dump.patience) = (true, TURNS_BESIDE);
                return Ok(false);
            }
            Ok(Progress::Done) => Ok(dump.answers.dumped),
            Err(Failure::Stopped(error)) => return Err(error),
            Err(refused) => Err(refused),
        };
        *place = None;
        each(Seen::Ended(ended))?;
        Ok(false)
    }
}

impl<S, K: AsFd> Follower<S, K> {
    /// The socket of the dump, if more of it comes.
    pub fn dump(&self) -> Option<BorrowedFd<'_>> {
        self.dump.as_ref().filter(|dump| !dump.is_read).map(|dump| dump.kernel.as_fd())
    }
}

impl<K: Exchange> Dump<K> {
    /// Reads a part if one waits. The events that came until then go first: so a flow that it shows was told of
    /// before, unless its event was lost.
    fn part(
        &mut self,
        events: &mut Events<impl Stream>,
        each: &mut impl FnMut(Seen<'_>) -> Result<(), Error>,
    ) -> Result<Progress, Failure> {
        let mut is_first = true;
        self.answers.next(&mut self.kernel, Wait::No, |message| {
            let flow = conntrack::flow(message.payload)?;
            let told = if std::mem::take(&mut is_first) { read(events, each) } else { Ok(false) };
            Some(told.and_then(|_| each(Seen::Dumped(&flow))))
        })
    }
}

/// Reads the events that wait, but not for ever; whether none waits any more and none was lost: after a loss the
/// caller may have something to do.
fn read(
    events: &mut Events<impl Stream>,
    each: &mut impl FnMut(Seen<'_>) -> Result<(), Error>,
) -> Result<bool, Error> {
    let mut is_whole = true;
    for _ in 0..EVENTS_A_TURN {
        match events.next(|event| each(Seen::Event(event)))? {
            Step::Read => {}
            Step::Lost(lost) => {
                each(Seen::Lost(lost))?;
                is_whole = false;
            }
            Step::Idle => return Ok(is_whole),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::flows::events::tests::{Script, message};
    use crate::source::netlink::Messages;
    use crate::wire::netlink::{self, HEADER, dump_request};
    use rustix::io::Errno;

    /// A table of N datagrams.
    struct Kernel(Vec<Vec<u8>>, Vec<u8>);

    impl Exchange for Kernel {
        fn send(&mut self, _: &[u8]) -> Result<(), Errno> {
            Ok(())
        }
    }

    impl Messages for Kernel {
        fn receive(&mut self, _: Wait) -> Result<&[u8], Errno> {
            if self.0.is_empty() {
                return Err(Errno::AGAIN);
            }
            self.1 = self.0.remove(0);
            Ok(&self.1)
        }
    }

    fn event(number: u32) -> Vec<u8> {
        message(0x102, 0, number)
    }

    fn entry() -> Vec<u8> {
        dump_request(0x100, 1, &message(0x100, 2, 0)[HEADER..])
    }

    /// The end of a dump, and what the kernel says of it.
    fn end(errno: i32) -> Vec<u8> {
        dump_request(netlink::DONE, 1, &errno.to_ne_bytes())
    }

    /// Follows until nothing is left to be done; what was seen, in order.
    fn followed(follower: &mut Follower<Script, Kernel>, parts: Vec<Vec<u8>>) -> String {
        follower.start_by(Kernel(parts, Vec::new())).unwrap();
        let mut order = String::new();
        let mut each = |seen: Seen<'_>| {
            order += &match seen {
                Seen::Dumped(_) => "D ".to_owned(),
                Seen::Event(event) => format!("E{} ", event.port),
                Seen::Lost(lost) => format!("L{lost} "),
                Seen::Ended(Ok(Dumped { is_interrupted })) => format!("end {is_interrupted}"),
                Seen::Ended(Err(_)) => "failed".to_owned(),
            };
            Ok(())
        };
        while !follower.turn(&mut each).unwrap() {}
        order
    }

    #[test]
    fn events_go_before_the_parts_of_a_dump_and_before_its_end() {
        let mut follower = Follower::of(Script::of([
            (Ok(event(1)), 0),
            (Err(Errno::AGAIN), 0),
            // Between the first part's reception and its first flow.
            (Ok(event(2)), 0),
            (Err(Errno::AGAIN), 0),
            (Err(Errno::NOBUFS), 0),
            (Err(Errno::AGAIN), 1),
            (Err(Errno::AGAIN), 1),
            (Ok(event(3)), 1),
            (Err(Errno::AGAIN), 1),
            (Err(Errno::AGAIN), 1),
            // Behind the dump.
            (Ok(event(4)), 1),
        ]));
        let parts = vec![[entry(), entry()].concat(), [entry(), end(0)].concat()];
        assert_eq!(followed(&mut follower, parts), "E1 E2 D D L3 E3 D E4 end false");
        assert!(!follower.is_dumping());
    }

    #[test]
    fn after_a_loss_the_caller_does_not_wait() {
        let mut follower: Follower<Script, Kernel> =
            Follower::of(Script::of([(Err(Errno::NOBUFS), 0), (Err(Errno::AGAIN), 1)]));
        let mut lost = 0;
        let mut turn = || {
            follower.turn(|seen| {
                lost += u32::from(matches!(seen, Seen::Lost(3)));
                Ok(())
            })
        };
        assert_eq!((turn().unwrap(), turn().unwrap()), (false, true));
        assert_eq!(lost, 1);
    }

    #[test]
    fn a_dump_that_is_refused_or_disturbed_ends_and_the_next_one_begins_anew() {
        let mut follower = Follower::of(Script::of([]));
        assert_eq!(followed(&mut follower, vec![entry(), end(-1), entry()]), "D failed");
        let mut disturbed = entry();
        disturbed[6] |= netlink::INTERRUPTED as u8;
        assert_eq!(followed(&mut follower, vec![disturbed, end(0)]), "D end true");
        // One whose answers do not come goes on.
        assert_eq!(followed(&mut follower, vec![entry()]), "D ");
        assert!(follower.is_dumping());
        assert_eq!(followed(&mut follower, vec![entry(), end(0)]), "D end false");
    }

    #[test]
    fn a_failure_stops_the_dump_and_the_events_beside_it() {
        for (failing, parts_left) in [(1, 2), (3, 1), (4, 1)] {
            let mut follower = Follower::of(Script::of([
                (Ok([event(1), event(2)].concat()), 0),
                (Err(Errno::AGAIN), 0),
                (Ok(event(3)), 0),
                (Err(Errno::AGAIN), 0),
            ]));
            let parts = vec![[entry(), entry()].concat(), entry()];
            follower.start_by(Kernel(parts, Vec::new())).unwrap();
            let mut seen = 0;
            let failed = follower.turn(|_| {
                seen += 1;
                if seen == failing { Err(Error::ClosedPipe) } else { Ok(()) }
            });
            assert!(matches!(failed, Err(Error::ClosedPipe)), "{failed:?}");
            let kernel = follower.dump.unwrap().kernel;
            assert_eq!((seen, kernel.0.len()), (failing, parts_left));
        }
        let mut follower = Follower::of(Script::of([(Err(Errno::PERM), 0)]));
        follower.start_by(Kernel(vec![entry()], Vec::new())).unwrap();
        assert!(follower.turn(|_| Ok(())).is_err());
    }

    /// A flood that never ends.
    struct Flood(Vec<u8>);

    impl Messages for Flood {
        fn receive(&mut self, _: Wait) -> Result<&[u8], Errno> {
            Ok(&self.0)
        }
    }

    impl Stream for Flood {
        fn drops(&self) -> Result<u32, Errno> {
            Ok(0)
        }
    }

    #[test]
    fn a_flood_of_events_does_not_keep_a_dump_from_its_end() {
        let mut follower = Follower::of(Events::of(Flood(Vec::new())));
        let parts = vec![entry(), entry(), end(0)];
        follower.start_by(Kernel(parts, Vec::new())).unwrap();
        let (mut turns, mut flows) = (0, 0);
        while follower.is_dumping() {
            turns += 1;
            let is_idle = follower.turn(|seen| {
                flows += usize::from(matches!(seen, Seen::Dumped(_)));
                Ok(())
            });
            assert!(!is_idle.unwrap());
        }
        assert_eq!((turns, flows), (2 * TURNS_BESIDE + 4, 2));
    }
}
