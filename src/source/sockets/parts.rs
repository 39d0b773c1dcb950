//! A dump of TCP sockets that several threads share.
//!
//! Nearly all the time of a full dump goes into filling answers, and that runs in parallel: each thread
//! asks by a netlink socket of its own for a part of the sockets, which a program picks in the kernel.
//! Each part costs a walk of the whole table, a seventh of the time of a full dump, so that threads are
//! started only for many sockets, and never for a few states that hardly any socket is in.

use std::sync::atomic::{AtomicU16, Ordering};
use std::thread::{self, Builder};

use crate::error::Error;
use crate::model::{Family, Protocol, Query, Socket, Sockstat, TcpState};
use crate::source::Source;
use crate::source::files::procfs;
use crate::source::netlink::{Dumped, Exchange, Failure, Refusal};
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
const WORTH: u64 = 20_000;
/// The same where the answers hold counters, which take twice as long to fill.
const WORTH_WITH_INFO: u64 = 8_000;
/// Since then the kernel fills answers for several at once: before, a mutex let one after the other in.
const CONCURRENT_SINCE: (u32, u32) = (6, 9);

/// Into how many parts to divide a dump of the sockets that `query` may mean. Where the kernel picks them
/// by ports or addresses (`is_picky`) there are few answers to fill, as a rule, and each part would cost a
/// walk for nothing: whoever knows better gives the number of threads.
pub(super) fn number(source: &Source, query: &Query, is_picky: bool, wants_info: bool) -> u16 {
    let is_worth = || {
        let worth = if wants_info { WORTH_WITH_INFO } else { WORTH };
        procfs::sockstat(source).is_ok_and(|sockstat| answers(&sockstat, query) >= worth)
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
fn answers(sockstat: &Sockstat, query: &Query) -> u64 {
    let states = query.states();
    let is_meant = |family: &Family| query.family.is_none_or(|only| only == *family);
    let families = Family::ALL.into_iter().filter(is_meant);
    let inuse: u64 = families.map(|family| sockstat.inuse(Protocol::Tcp, family)).sum();
    let tw = sockstat.tw.unwrap_or_default();
    let in_state = |state, number| if states.has(state) { number } else { 0 };
    in_state(TcpState::ESTABLISHED, inuse) + in_state(TcpState::TIME_WAIT, tw)
}

/// Dumps `number` parts: `one` dumps one of them by a socket that `open` gives, into a collector that `new`
/// makes. Where there are not as many threads to be had, others do their parts.
///
/// # Errors
/// That of the first part which failed: `INVAL` if the kernel does not take the program.
pub(super) fn dump<K: Exchange, C: Collector>(
    number: u16,
    open: impl Fn() -> Result<K, Failure> + Sync,
    new: impl Fn() -> C + Sync,
    one: impl Fn(Part, &mut K, &mut C) -> Result<Dumped, Failure> + Sync,
) -> Result<(C, Dumped), Failure> {
    let next = AtomicU16::new(0);
    let work = || {
        let (mut kernel, mut collector, mut dumped) = (open()?, new(), Dumped::default());
        loop {
            let part = Part { number: next.fetch_add(1, Ordering::Relaxed), of: number };
            if part.number >= number {
                return Ok((collector, dumped));
            }
            dumped.is_interrupted |= one(part, &mut kernel, &mut collector)?.is_interrupted;
        }
    };
    let (own, others) = thread::scope(|scope| {
        let start = |_| Builder::new().spawn_scoped(scope, work).ok();
        let others: Vec<_> = (1..number).filter_map(start).collect();
        let own = work();
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        (own, others.into_iter().map(join).collect::<Vec<_>>())
    });
    merged(own, others)
}

/// What one thread has taken, or why it failed.
type Taken<C> = Result<(C, Dumped), Failure>;

/// What all threads have taken, or why one of them failed.
fn merged<C: Collector>(own: Taken<C>, others: Vec<Taken<C>>) -> Taken<C> {
    let has_given = |taken: &Taken<C>| match taken {
        Err(Failure::Refused(Refusal { is_partial, .. })) => *is_partial,
        Ok(_) | Err(Failure::Stopped(_)) => true,
    };
    let is_partial = has_given(&own) || others.iter().any(has_given);
    let merge = |(mut all, mut dumped): (C, Dumped), other: Taken<C>| {
        let (part, of_part) = other?;
        all.merge(part);
        dumped.is_interrupted |= of_part.is_interrupted;
        Ok((all, dumped))
    };
    let whole = own.and_then(|own| others.into_iter().try_fold(own, merge));
    whole.map_err(|failure| if is_partial { failure.midway() } else { failure })
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;
    use crate::model::StateSet;
    use crate::source::netlink::SOCK_DIAG;

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

    fn taken(number: u32, is_interrupted: bool) -> Taken<Sum> {
        Ok((Sum(number), Dumped { is_interrupted }))
    }

    fn refused(is_partial: bool) -> Taken<Sum> {
        Err(Refusal { is_partial, ..SOCK_DIAG.refused(Errno::INVAL) }.into())
    }

    #[test]
    fn a_change_during_any_part_is_one_of_the_whole() {
        for changed in 0..4 {
            let part = |number| taken(1u32 << number, number == changed);
            let (sum, dumped) = merged(part(0), (1..3).map(part).collect()).unwrap();
            assert_eq!((sum, dumped.is_interrupted), (Sum(7), changed < 3));
        }
    }

    #[test]
    fn a_refusal_is_of_all_only_if_no_thread_was_given_anything() {
        for (own, others, is_partial) in [
            (refused(false), vec![refused(false), refused(false)], false),
            (refused(false), vec![taken(1, false)], true),
            (taken(1, false), vec![refused(false)], true),
            (refused(false), vec![refused(false), refused(true)], true),
            (refused(false), vec![Err(Failure::Stopped(Error::ClosedPipe))], true),
        ] {
            let result = merged(own, others);
            let Err(Failure::Refused(refusal)) = result else { panic!("{result:?}") };
            assert_eq!((refusal.errno, refusal.is_partial), (Errno::INVAL, is_partial));
        }
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
