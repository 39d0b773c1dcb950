//! Sockets on their way to a collector. They wait until the holders are known, and those without a holder until a
//! second look.

use super::facts::Facts;
use crate::error::Error;
use crate::model::{Query, Socket};
use crate::source::sockets::sock_diag::Dumped;
use crate::source::{self, Collector, Method, Source, TcpInfo};

/// How many sockets a thread keeps at most until their owners are known: 30 MB.
const MOST_KEPT: usize = 1 << 18;

/// Gives the sockets that match to collectors that `new` makes.
///
/// # Errors
/// As [`source::collect`], and if the processes cannot be read that hold them.
pub(crate) fn collect<C: Collector>(
    source: &Source,
    method: Method,
    query: &Query,
    facts: &Facts<'_>,
    new: impl Fn() -> C + Sync,
) -> Result<(C, Dumped), Error> {
    let is_reading = facts.shared.is_reading();
    let new = || {
        let (kept, missed) = (Vec::new(), Vec::new());
        Passing { query, facts, is_reading, kept, missed, collector: new() }
    };
    let (mut passing, dumped) = source::collect(source, method, query, new)?;
    facts.shared.finish()?;
    let kept = std::mem::take(&mut passing.kept);
    kept.iter().try_for_each(|socket| passing.pass(socket))?;
    let missed = std::mem::take(&mut passing.missed);
    if !missed.is_empty() {
        facts.look_again(source, method, query, &missed)?;
        missed.iter().try_for_each(|socket| passing.give(socket))?;
    }
    facts.shared.failure()?;
    Ok((passing.collector, dumped))
}

/// A collector of the sockets that pass the options which look at holders.
struct Passing<'a, C> {
    query: &'a Query,
    facts: &'a Facts<'a>,
    /// Whether owners are asked for that may not be known yet.
    is_reading: bool,
    /// Sockets whose owners may not be known yet.
    kept: Vec<Socket>,
    /// Sockets whose owners were not found.
    missed: Vec<Socket>,
    collector: C,
}

impl<C: Collector> Passing<'_, C> {
    #[inline]
    fn pass(&mut self, socket: &Socket) -> Result<(), Error> {
        if !self.facts.lacks_holder(self.query, socket) {
            return self.give(socket);
        }
        if self.missed.len() < MOST_KEPT {
            self.missed.push(*socket);
            return Ok(());
        }
        self.facts.note_gap();
        self.give(socket)
    }

    #[inline]
    fn give(&mut self, socket: &Socket) -> Result<(), Error> {
        match self.facts.lets_pass(self.query, socket) {
            true => self.collector.take(socket, None),
            false => Ok(()),
        }
    }
}

impl<C: Collector> Collector for Passing<'_, C> {
    #[inline]
    fn take(&mut self, socket: &Socket, _: Option<&TcpInfo>) -> Result<(), Error> {
        // The dump goes on while threads find out who holds what; without an inode nobody does.
        if self.is_reading && socket.inode != 0 {
            if self.kept.len() < MOST_KEPT {
                self.kept.push(*socket);
                return Ok(());
            }
            self.facts.shared.finish()?;
            self.is_reading = false;
        }
        self.pass(socket)
    }

    fn merge(&mut self, other: Self) {
        self.kept.extend(other.kept);
        self.missed.extend(other.missed);
        self.collector.merge(other.collector);
    }
}
