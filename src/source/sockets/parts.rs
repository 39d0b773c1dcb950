//! A dump of TCP sockets that several threads share.
//!
//! Nearly all the time of a full dump goes into filling answers, and that runs in parallel: each thread
//! asks by a netlink socket of its own for a part of the sockets, which a program picks in the kernel.
//! Each part costs a walk of the whole table, a seventh of the time of a full dump, so that threads are
//! started only for many sockets, and never for a few states that hardly any socket is in.

use std::sync::atomic::{AtomicU16, Ordering};

use rustix::io::Errno;

use crate::error::Error;
use crate::model::{Family, Protocol, Query, Socket, Sockstat, TcpState, sort_few};
use crate::source::Source;
use crate::source::files::counts;
use crate::source::netlink::{Dumped, Exchange, Failure, Refusal, SOCK_DIAG};
use crate::source::threads::share;
use crate::sys;
use crate::wire::bytecode::Part;
use crate::wire::tcp_info::TcpInfo;

/// Takes sockets. Where threads share a dump each of them has its own collector, and these are merged then.
pub trait Collector: Send + Sized {
    /// Whether to ask for what the kernel counts for each connection.
    const WANTS_INFO: bool = false;

    /// Takes one socket; its counters come with full TCP sockets if they are asked for.
    ///
    /// # Errors
    /// What ends the dump.
    fn take(&mut self, socket: &Socket, info: Option<&TcpInfo>) -> Result<(), Error>;

    /// Adds what another collector has taken.
    fn merge(&mut self, other: Self);
}

/// From how many answers on threads are worth their start and the walk of the table that each costs.
const WORTH: i128 = 20_000;
/// The same where the answers hold counters, which take twice as long to fill.
const WORTH_WITH_INFO: i128 = 8_000;
/// Since then the kernel fills answers for several at once: before, a mutex let one after the other in.
const CONCURRENT_SINCE: (u32, u32) = (6, 9);

/// Into how many parts to divide a dump of the sockets that `query` may mean. Where the kernel picks them
/// by ports or addresses (`is_picky`) there are few answers to fill, as a rule, and each part would cost a
/// walk for nothing: whoever knows better gives the number of threads.
pub(super) fn number(source: &Source, query: &Query, is_picky: bool, wants_info: bool) -> u16 {
    let is_worth = || {
        let worth = if wants_info { WORTH_WITH_INFO } else { WORTH };
        counts::sockstat(source).is_ok_and(|sockstat| answers(&sockstat, query) >= worth)
    };
    let may_be = match source.threads {
        0 => !is_picky && sys::kernel_version() >= CONCURRENT_SINCE,
        threads => threads > 1,
    };
    if !may_be || !source.is_live() || !is_worth() {
        return 1;
    }
    u16::try_from(source.threads()).unwrap_or(Part::MOST).clamp(1, Part::MOST)
}

/// How many sockets may answer: nearly all of them are in one of these two states.
fn answers(sockstat: &Sockstat, query: &Query) -> i128 {
    let states = query.states();
    let matches = |family: &Family| query.family.is_none_or(|only| only == *family);
    let families = Family::ALL.into_iter().filter(matches);
    let inuse: i128 = families.map(|family| sockstat.inuse(Protocol::Tcp, family)).sum();
    let tw = sockstat.tw.unwrap_or_default();
    let in_state = |state, number| if states.has(state) { number } else { 0 };
    in_state(TcpState::ESTABLISHED, inuse) + in_state(TcpState::TIME_WAIT, tw)
}

/// Dumps `number` parts: `one` dumps one of them by a socket that `open` gives, into a collector that `new`
/// makes. Where the system allows fewer threads or sockets, those that there are do all parts. The parts are
/// merged in their order, whoever dumped them, so that the same sockets give the same rows.
///
/// # Errors
/// That of the first thread which failed: `INVAL` if the kernel does not take the program.
pub(super) fn dump<K: Exchange, C: Collector>(
    number: u16,
    open: impl Fn() -> Result<K, Failure> + Sync,
    new: impl Fn() -> C + Sync,
    one: impl Fn(Part, &mut K, &mut C) -> Result<Dumped, Failure> + Sync,
) -> Result<(C, Dumped), Failure> {
    let next = AtomicU16::new(0);
    merged(share(number.into(), &|_| {
        let (mut kernel, mut done) = match open() {
            Ok(kernel) => (kernel, Vec::new()),
            Err(failure) => return Work::None(failure),
        };
        loop {
            let part = Part { number: next.fetch_add(1, Ordering::Relaxed), of: number };
            if part.number >= number {
                return Work::Done(done);
            }
            let mut collector = new();
            match one(part, &mut kernel, &mut collector) {
                Ok(dumped) => done.push((part.number, collector, dumped)),
                Err(failure) => return Work::Failed(failure),
            }
        }
    }))
}

/// What one thread has done.
#[derive(Debug)]
enum Work<C> {
    /// Nothing: it has no socket.
    None(Failure),
    /// These parts, by number.
    Done(Vec<(u16, C, Dumped)>),
    /// A part could not be dumped.
    Failed(Failure),
}

/// What all threads have taken, or why one of them failed.
fn merged<C: Collector>(works: Vec<Work<C>>) -> Result<(C, Dumped), Failure> {
    let (mut parts, mut failure, mut unopened) = (Vec::new(), None, None);
    let mut is_partial = false;
    for work in works {
        match work {
            Work::Done(done) => parts.extend(done),
            Work::None(why) => unopened = unopened.or(Some(why)),
            Work::Failed(why) => {
                is_partial |= !matches!(&why, Failure::Refused(Refusal { is_partial: false, .. }));
                failure = failure.or(Some(why));
            }
        }
    }
    if let Some(failure) = failure {
        let is_partial = is_partial || !parts.is_empty();
        return Err(if is_partial { failure.midway() } else { failure });
    }
    sort_few(&mut parts, |one, other| one.0 < other.0);
    let merge = |(mut all, mut dumped): (C, Dumped), (other, of_part): (C, Dumped)| {
        all.merge(other);
        dumped.add(of_part);
        (all, dumped)
    };
    let parts = parts.into_iter().map(|(_, collector, dumped)| (collector, dumped));
    match (parts.reduce(merge), unopened) {
        (Some(all), _) => Ok(all),
        (None, Some(failure)) => Err(failure),
        // Cannot be: of one part or more the first one found a thread.
        (None, None) => Err(SOCK_DIAG.refused(Errno::INVAL).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::StateSet;
    use crate::source::netlink::{Messages, Wait};

    #[derive(Debug, PartialEq, Eq)]
    struct Sum(u32);

    impl Collector for Sum {
        fn take(&mut self, _: &Socket, _: Option<&TcpInfo>) -> Result<(), Error> {
            Ok(())
        }

        fn merge(&mut self, other: Sum) {
            self.0 += other.0;
        }
    }

    fn taken(number: u32, is_interrupted: bool) -> Work<Sum> {
        Work::Done(vec![(0, Sum(number), Dumped { is_interrupted, ..Dumped::default() })])
    }

    fn refused(is_partial: bool) -> Work<Sum> {
        Work::Failed(Refusal { is_partial, ..SOCK_DIAG.refused(Errno::INVAL) }.into())
    }

    #[test]
    fn a_change_during_any_part_is_one_of_the_whole() {
        for changed in 0..4 {
            let part = |number| taken(1u32 << number, number == changed);
            let (sum, dumped) = merged((0..3).map(part).collect()).unwrap();
            assert_eq!((sum, dumped.is_interrupted), (Sum(7), changed < 3));
        }
    }

    #[test]
    fn a_refusal_is_of_all_only_if_no_thread_was_given_anything() {
        for (works, is_partial) in [
            (vec![refused(false), refused(false), refused(false)], false),
            (vec![refused(false), Work::Done(Vec::new())], false),
            (vec![refused(false), taken(1, false)], true),
            (vec![taken(1, false), refused(false)], true),
            (vec![refused(false), refused(false), refused(true)], true),
            (vec![refused(false), Work::Failed(Failure::Stopped(Error::ClosedPipe))], true),
        ] {
            let result = merged(works);
            let Err(Failure::Refused(refusal)) = result else { panic!("{result:?}") };
            assert_eq!((refusal.errno, refusal.is_partial), (Errno::INVAL, is_partial));
        }
    }

    /// The parts in the order of their merging.
    #[derive(Debug, PartialEq, Eq)]
    struct Order(Vec<u16>);

    impl Collector for Order {
        fn take(&mut self, _: &Socket, _: Option<&TcpInfo>) -> Result<(), Error> {
            Ok(())
        }

        fn merge(&mut self, other: Order) {
            self.0.extend(other.0);
        }
    }

    struct Never;

    impl Messages for Never {
        fn receive(&mut self, _: Wait) -> Result<&[u8], Errno> {
            Err(Errno::NOSYS)
        }
    }

    impl Exchange for Never {
        fn send(&mut self, _: &[u8]) -> Result<(), Errno> {
            Err(Errno::NOSYS)
        }

        fn number(&mut self) -> u32 {
            1
        }
    }

    #[test]
    fn parts_are_merged_in_order_and_done_by_whoever_has_a_socket() {
        let numbers = |sockets: u16, parts: u16| {
            let opened = AtomicU16::new(0);
            let open = || match opened.fetch_add(1, Ordering::Relaxed) < sockets {
                true => Ok(Never),
                false => Err(SOCK_DIAG.refused(Errno::MFILE).into()),
            };
            dump(
                parts,
                open,
                || Order(Vec::new()),
                |part, _, all| {
                    all.0.push(part.number);
                    Ok(Dumped::default())
                },
            )
            .map(|(order, _)| order.0)
        };
        for parts in 1..=8 {
            for sockets in 1..=parts {
                assert_eq!(numbers(sockets, parts).unwrap(), (0..parts).collect::<Vec<_>>());
            }
        }
        let Err(Failure::Refused(refusal)) = numbers(0, 4) else { panic!() };
        assert_eq!((refusal.errno, refusal.is_partial), (Errno::MFILE, false));
    }

    #[test]
    fn as_many_answers_are_expected_as_there_may_be() {
        let mut sockstat = Sockstat::default();
        for (protocol, item, number) in
            [(&b"TCP"[..], &b"inuse"[..], 100), (b"TCP", b"tw", 10), (b"TCP6", b"inuse", 1)]
        {
            assert!(sockstat.add(protocol, item, number));
        }
        let of = |states: Option<&str>, family| {
            let states = states.map(|name| StateSet::parse(name.as_bytes()).unwrap());
            answers(&sockstat, &Query { states, family, ..Query::default() })
        };
        assert_eq!((of(None, None), of(None, Some(Family::Inet6))), (111, 11));
        assert_eq!((of(Some("established"), None), of(Some("time_wait"), None)), (101, 10));
        assert_eq!((of(Some("listen"), None), of(Some("close_wait"), None)), (0, 0));
    }

    #[test]
    fn threads_are_not_started_below_the_threshold_or_against_the_users_will() {
        let query = Query::default();
        for threads in [0, 1, 8] {
            let saved = Source { saved: vec!["/x".into()], threads, ..Source::default() };
            assert_eq!(number(&saved, &query, false, false), 1);
            let listening =
                Query { states: Some(StateSet::only(TcpState::LISTEN)), ..query.clone() };
            let live = Source { threads, ..Source::default() };
            assert_eq!(number(&live, &listening, false, true), 1);
        }
    }
}
