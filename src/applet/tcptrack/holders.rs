//! Which processes hold the ends of connections: looked up rarely, since that reads every descriptor of
//! every process.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use super::connections::Connections;
use super::names::Names;
use super::row::Row;
use crate::error::Error;
use crate::model::{Endpoint, Needs, Proto, Query, StateSet};
use crate::select::grouping::Grouping;
use crate::source::processes::owner::Process;
use crate::source::processes::owners::Owners;
use crate::source::processes::sight::Sight;
use crate::source::{Method, Source, sockets};
use crate::sys;
use crate::sys::process::Proc;
use crate::track::tcp::State;

/// The local and the remote end of a socket.
type Key = (Endpoint, Endpoint);
/// By the ends of sockets: their cookies, and `None` for one whose holder was not found.
type Known = HashMap<Key, (u64, Option<Rc<Process>>)>;

/// The processes, by the ends of their sockets.
#[derive(Debug, Default)]
pub(super) struct Holders {
    known: Known,
    /// The process of the last socket, as many sockets in a row have the same.
    last: Option<Rc<Process>>,
    /// Connections up to this id were looked up.
    last_id: u64,
    /// The earliest and the latest time of the next lookup.
    may: Duration,
    must: Duration,
    sight: Sight,
    /// Whether nothing shows processes, so that none are looked for.
    is_idle: bool,
}

impl Holders {
    /// Those of groups by what `grouping` names and its names need, or of single rows, which show them.
    pub(super) fn asked_by(grouping: &Grouping<Connections>, names: &Names) -> Holders {
        let needs_them = grouping.needs().has(Needs::HOLDERS) || names.needs_holders();
        let is_idle = grouping.has_keys() && !needs_them;
        Holders { is_idle, ..Holders::default() }
    }

    /// Looks again if there are new connections or the last lookup is old, but so rarely that it takes at
    /// most a twentieth of the time.
    pub(super) fn look(&mut self, rows: &[Row], now: Duration) -> Result<(), Error> {
        let open = rows.iter().filter(|row| row.state < State::Closed);
        let last_id = open.map(|row| row.id).max().unwrap_or_default();
        let is_due = last_id > self.last_id && now >= self.may || now >= self.must;
        if self.is_idle || rows.is_empty() || !is_due {
            return Ok(());
        }
        let before = std::mem::take(&mut self.known);
        self.read()?;
        // What has ended since keeps its process.
        for (key, cookie) in rows.iter().flat_map(keys) {
            if let Some(known @ (of, Some(_))) = before.get(&key)
                && (*of, cookie != 0) == (cookie, true)
            {
                self.known.entry(key).or_insert_with(|| known.clone());
            }
        }
        let took = sys::monotonic().saturating_sub(now);
        self.last_id = last_id;
        self.may = now + (took * 20).max(Duration::from_secs(1));
        self.must = now + (took * 200).max(Duration::from_secs(30));
        Ok(())
    }

    pub(super) fn read(&mut self) -> Result<(), Error> {
        let source = Source::default();
        let open = || Proc::open(&source.kernel);
        let (proc, threads) = (open()?, sys::processors());
        let sight = Sight::of(&proc)?;
        let owners = Owners::read(proc, threads)?;
        self.sight = sight.with_unreadable(owners.unreadable());
        let mut missed = Vec::new();
        each_socket(&source, &mut |inode, key, cookie| match owners.of(inode) {
            Some(process) => self.insert(key, cookie, process),
            None => missed.push((inode, key, cookie)),
        })?;
        if missed.is_empty() {
            return Ok(());
        }
        let mut left = missed.iter().map(|(inode, ..)| *inode).collect();
        let owners = Owners::again(open()?, threads, &mut left, |used| {
            each_socket(&source, &mut |inode, _, _| used(inode))
        })?;
        for (inode, key, cookie) in missed {
            if let Some(process) = owners.of(inode) {
                self.insert(key, cookie, process);
            } else if left.binary_search(&inode).is_ok() {
                self.known.insert(key, (cookie, None));
            }
        }
        Ok(())
    }

    fn insert(&mut self, key: Key, cookie: u64, process: &Process) {
        let is_last = |last: &Rc<Process>| last.pid == process.pid;
        let last = self.last.take().filter(is_last).unwrap_or_else(|| Rc::new(process.clone()));
        self.known.insert(key, (cookie, Some(Rc::clone(&last))));
        self.last = Some(last);
    }

    /// Fills in the holders of the rows.
    pub(super) fn fill(&self, rows: &mut [Row]) {
        for row in rows {
            row.holders = keys(row).map(|end| self.of(end).cloned().flatten());
        }
    }

    /// The warning if the holders of rows could not be seen.
    pub(super) fn gap(&self, rows: &[Row]) -> Option<String> {
        let is_unknown = |end: (Key, u64)| matches!(self.of(end), Some(None));
        let lacks_holder =
            |row: &Row| row.holder().is_none() && keys(row).into_iter().any(is_unknown);
        let is_any = rows.iter().any(lacks_holder);
        is_any.then(|| self.sight.gap("are shown as '-' (no owner found)"))
    }

    /// The holder of an end, if it was looked up; that of an older connection on the same ports is another one.
    fn of(&self, (key, cookie): (Key, u64)) -> Option<&Option<Rc<Process>>> {
        let (of, process) = self.known.get(&key)?;
        (cookie == *of || cookie == 0 || *of == 0).then_some(process)
    }
}

/// The keys of both ends of a connection and the cookies of their sockets, the client's first.
fn keys(row: &Row) -> [(Key, u64); 2] {
    let [client, server] = row.cookies;
    [(key(&row.client, &row.server), client), (key(&row.server, &row.client), server)]
}

/// The packets of an IPv4-mapped socket are IPv4.
fn key(local: &Endpoint, remote: &Endpoint) -> Key {
    let plain = |end: &Endpoint| Endpoint { address: end.canonical(), ..*end };
    (plain(local), plain(remote))
}

/// Calls `each` with the inode, the ends and the cookie of every connection's socket that a process holds.
fn each_socket(source: &Source, each: &mut dyn FnMut(u64, Key, u64)) -> Result<(), Error> {
    let states = StateSet::ALL.without(StateSet::TIME_WAIT);
    let query = Query { protos: vec![Proto::Tcp], states: Some(states), ..Query::default() };
    sockets(source, Method::Auto, &query, |socket| {
        if socket.inode != 0 && !socket.is_listening() {
            each(socket.inode, key(&socket.local, &socket.remote), socket.cookie);
        }
        Ok(())
    })?;
    Ok(())
}
