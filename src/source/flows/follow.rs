//! Events of flows and, while they are read, dumps of the kernel's table, which show what the events did not
//! report.

use std::os::fd::{AsFd, BorrowedFd};

use super::conntrack::{self, FlowTable};
use super::events::{Event, Events, Step};
use crate::error::Error;
use crate::model::Flow;
use crate::source::multicast::Stream;
use crate::source::netlink::{Answers, CTNETLINK, Dumped, Exchange, Failure, Progress, Wait};
use crate::sys::Netlink;

/// How many datagrams of events one turn reads before the caller can do something else.
const EVENTS_A_TURN: usize = 1024;
/// For this many turns of a dump, events that wait are read before the dump's parts; and for at most this many
/// turns after it, the events that waited when it ended are read, whatever the size of the buffer. So a flood
/// of events cannot keep a dump from ending.
const TURNS_BESIDE: u32 = 1024;

/// What [`Follower::turn`] gives.
#[derive(Debug)]
pub enum Seen<'a> {
    Event(&'a Event<'a>),
    /// This many events were lost; see [`Step::Lost`].
    Lost(u64),
    /// A flow of the table.
    Dumped(&'a Flow<'a>),
    /// The dump has ended. If it was read completely, the events that waited then have been given.
    Ended(Result<Dumped, Failure>),
}

/// Reads events, and dumps the table at the same time when told to.
///
/// The kernel's buffer of events does not fill up while a dump is read. A caller that keeps flows should let
/// events take precedence over the dump, since the kernel prepares parts of a dump some time before they are
/// read.
#[derive(Debug)]
pub struct Follower<S = Netlink, K = Netlink> {
    pub events: Events<S>,
    dump: Option<Dump<K>>,
}

/// A dump that has not ended.
#[derive(Debug)]
struct Dump<K> {
    /// A separate socket, so that a failed dump leaves nothing behind for the next one.
    kernel: K,
    answers: Answers,
    /// Whether only the events that waited at its end are left to read.
    is_read: bool,
    /// For how many more turns events go first.
    patience: u32,
}

impl Follower {
    /// Starts to dump the table. A dump that has not ended is abandoned.
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
        let request = conntrack::request_for(FlowTable::Tracked, 0, &[]);
        answers.begin(&mut kernel, request)?;
        self.dump = Some(Dump { kernel, answers, is_read: false, patience: TURNS_BESIDE });
        Ok(())
    }

    /// Whether a dump has started and not ended.
    pub fn is_dumping(&self) -> bool {
        self.dump.is_some()
    }

    /// Reads the waiting events, up to a limit, and then a part of the dump if there is one: at most some
    /// hundred flows. Returns whether there is nothing more to do until a socket is ready.
    ///
    /// # Errors
    /// If the events can no longer be read, or `each` fails.
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
    /// The socket of the dump, if more of it is to come.
    pub fn dump(&self) -> Option<BorrowedFd<'_>> {
        self.dump.as_ref().filter(|dump| !dump.is_read).map(|dump| dump.kernel.as_fd())
    }
}

impl<K: Exchange> Dump<K> {
    /// Reads a part if one is waiting. The events that came before go first, so each flow in the part has
    /// already been reported, unless its event was lost.
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

/// Reads the waiting events, up to a limit. Returns whether none is left and none was lost: after a loss, the
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

        fn number(&mut self) -> u32 {
            1
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

    /// The end of a dump, with the kernel's status.
    fn end(errno: i32) -> Vec<u8> {
        dump_request(netlink::DONE, 1, &errno.to_ne_bytes())
    }

    /// Follows until there is nothing left to do, and lists what was given, in order.
    fn followed(follower: &mut Follower<Script, Kernel>, parts: Vec<Vec<u8>>) -> String {
        follower.start_by(Kernel(parts, Vec::new())).unwrap();
        let mut order = String::new();
        let mut each = |seen: Seen<'_>| {
            order += &match seen {
                Seen::Dumped(_) => "D ".to_owned(),
                Seen::Event(event) => format!("E{} ", event.port),
                Seen::Lost(lost) => format!("L{lost} "),
                Seen::Ended(Ok(Dumped { is_interrupted, .. })) => format!("end {is_interrupted}"),
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
            // Between the reception of the first part and its first flow.
            (Ok(event(2)), 0),
            (Err(Errno::AGAIN), 0),
            (Err(Errno::NOBUFS), 0),
            (Err(Errno::AGAIN), 1),
            (Err(Errno::AGAIN), 1),
            (Ok(event(3)), 1),
            (Err(Errno::AGAIN), 1),
            (Err(Errno::AGAIN), 1),
            // After the dump.
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
        // A dump whose answers do not come continues.
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
