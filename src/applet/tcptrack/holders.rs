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
/// By the ends of sockets.
type Known = HashMap<Key, Holder>;

/// Who holds a socket.
#[derive(Clone, Debug)]
struct Holder {
    cookie: u64,
    /// The connection of a row without cookies that was open when it was looked up; 0 if there was none.
    id: u64,
    /// `None` if it was not found.
    process: Option<Rc<Process>>,
}

impl Holder {
    /// Whether it holds an end of this connection, and not of another one on the same ports.
    fn is_of(&self, row: &Row, cookie: u64) -> bool {
        match row.cookies {
            // Captured packets and flows have none.
            [0, 0] => self.id == row.id,
            // An end that was not seen is not that of a socket that was.
            _ => self.cookie == cookie,
        }
    }
}

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
        self.assign(rows, &before);
        let took = sys::monotonic().saturating_sub(now);
        self.last_id = last_id;
        self.may = now + (took * 20).max(Duration::from_secs(1));
        self.must = now + (took * 200).max(Duration::from_secs(30));
        Ok(())
    }

    /// Notes of which connections the sockets are that were found. What has ended since keeps its process.
    fn assign(&mut self, rows: &[Row], before: &Known) {
        for row in rows {
            for (key, cookie) in keys(row) {
                if row.state < State::Closed
                    && row.cookies == [0, 0]
                    && let Some(known) = self.known.get_mut(&key)
                {
                    known.id = known.id.max(row.id);
                }
                if let Some(known) = before.get(&key)
                    && known.process.is_some()
                    && known.is_of(row, cookie)
                {
                    self.known.entry(key).or_insert_with(|| known.clone());
                }
            }
        }
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
                self.known.insert(key, Holder { cookie, id: 0, process: None });
            }
        }
        Ok(())
    }

    fn insert(&mut self, key: Key, cookie: u64, process: &Process) {
        let is_last = |last: &Rc<Process>| last.pid == process.pid;
        let last = self.last.take().filter(is_last).unwrap_or_else(|| Rc::new(process.clone()));
        self.known.insert(key, Holder { cookie, id: 0, process: Some(Rc::clone(&last)) });
        self.last = Some(last);
    }

    /// Fills in the holders of the rows.
    pub(super) fn fill(&self, rows: &mut [Row]) {
        for row in rows {
            row.holders = keys(row).map(|end| self.of(row, end).cloned().flatten());
        }
    }

    /// The warning if the holders of rows could not be seen.
    pub(super) fn gap(&self, rows: &[Row]) -> Option<String> {
        let lacks_holder = |row: &Row| {
            let is_unknown = |end| matches!(self.of(row, end), Some(None));
            row.holder().is_none() && keys(row).into_iter().any(is_unknown)
        };
        let is_any = rows.iter().any(lacks_holder);
        is_any.then(|| self.sight.gap("are shown as '-' (no owner found)"))
    }

    /// The holder of an end, if it was looked up.
    fn of(&self, row: &Row, (key, cookie): (Key, u64)) -> Option<&Option<Rc<Process>>> {
        let known = self.known.get(&key)?;
        known.is_of(row, cookie).then_some(&known.process)
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

#[cfg(test)]
mod tests {
    use super::super::view::tests::row;
    use super::*;

    /// A lookup that finds one process, at the client's end of the row.
    fn finds(holders: &mut Holders, rows: &[Row], cookie: u64, name: &str) {
        let before = std::mem::take(&mut holders.known);
        let process = Process { pid: cookie as u32, name: name.into() };
        holders.insert(keys(&rows[0])[0].0, cookie, &process);
        holders.assign(rows, &before);
    }

    fn names(holders: &Holders, rows: &[Row]) -> Vec<Option<String>> {
        let mut rows = rows.to_vec();
        holders.fill(&mut rows);
        let name = |process: &Process| String::from_utf8_lossy(&process.name).into_owned();
        rows.iter().map(|row| row.holder().map(name)).collect()
    }

    #[test]
    fn the_next_connection_on_the_same_ports_has_another_process() {
        let of = |id, state, cookies| Row { id, state, cookies, ..row(1, 0, 0) };
        let first = |cookies| of(1, State::Established, cookies);
        let named = |name: &str| Some(name.to_owned());
        // Of sockets, of which messages may have told of the server's alone; and of packets, which have no cookies.
        for (cookies, next) in [([7, 8], vec![[9, 10], [9, 0], [0, 10]]), ([0, 0], vec![[0, 0]])] {
            for next in next {
                let mut holders = Holders::default();
                finds(&mut holders, &[first(cookies)], 7, "first");
                assert_eq!(names(&holders, &[first(cookies)]), [named("first")]);
                let both = [of(1, State::Closed, cookies), of(2, State::Established, next)];
                assert_eq!(names(&holders, &both), [named("first"), None], "{next:?}");
                finds(&mut holders, &both, 9, "second");
                let second = named("second").filter(|_| next[0] != 0 || next == [0, 0]);
                assert_eq!(names(&holders, &both), [None, second], "{next:?}");
            }
        }
    }

    #[test]
    fn what_has_ended_keeps_its_process() {
        for cookies in [[7, 8], [0, 0]] {
            let mut rows = [Row { cookies, ..row(1, 0, 0) }];
            let mut holders = Holders::default();
            finds(&mut holders, &rows, 7, "first");
            rows[0].state = State::Closed;
            let before = std::mem::take(&mut holders.known);
            holders.assign(&rows, &before);
            assert_eq!(names(&holders, &rows), [Some("first".to_owned())], "{cookies:?}");
        }
    }
}
