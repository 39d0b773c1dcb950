//! Which processes hold the ends of connections: looked up rarely, since that reads every descriptor of
//! every process.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use super::view::Row;
use crate::error::Error;
use crate::model::{Endpoint, Proto, Query, StateSet};
use crate::source::processes::owner::{Owners, Process};
use crate::source::{Method, Source, sockets};
use crate::sys;

/// The processes, by the local and remote end of their sockets.
#[derive(Debug, Default)]
pub struct Holders {
    known: HashMap<(Endpoint, Endpoint), Rc<Process>>,
    /// Connections up to this id were looked up.
    last_id: u64,
    /// The earliest and the latest time of the next lookup.
    may: Duration,
    must: Duration,
    /// Whether some processes cannot be inspected.
    pub is_blind: bool,
}

impl Holders {
    /// Looks again if there are new connections or the last lookup is old, but so rarely that it takes at
    /// most a twentieth of the time.
    pub fn look(&mut self, rows: &[Row], now: Duration) -> Result<(), Error> {
        let last_id = rows.iter().map(|row| row.id).max().unwrap_or_default();
        let is_due = last_id > self.last_id && now >= self.may || now >= self.must;
        if rows.is_empty() || !is_due {
            return Ok(());
        }
        self.read()?;
        let took = sys::monotonic().saturating_sub(now);
        self.last_id = last_id;
        self.may = now + (took * 20).max(Duration::from_secs(1));
        self.must = now + (took * 200).max(Duration::from_secs(30));
        Ok(())
    }

    /// Looks now.
    pub fn read(&mut self) -> Result<(), Error> {
        let source = Source::default();
        let owners = Owners::read(&source.kernel, sys::processors(), |_| true)?;
        self.is_blind = owners.unreadable() > 0;
        let states = StateSet::ALL.without(StateSet::TIME_WAIT);
        let query = Query { protos: vec![Proto::Tcp], states: Some(states), ..Query::default() };
        let mut processes: HashMap<u32, Rc<Process>> = HashMap::new();
        self.known.clear();
        sockets(&source, Method::Auto, &query, |socket| {
            if let Some(process) = owners.of(socket.inode).filter(|_| !socket.is_listening()) {
                let shared =
                    processes.entry(process.pid).or_insert_with(|| Rc::new(process.clone()));
                self.known.insert(key(&socket.local, &socket.remote), Rc::clone(shared));
            }
            Ok(())
        })?;
        Ok(())
    }

    /// Fills in the holders of the rows.
    pub fn fill(&self, rows: &mut [Row]) {
        for row in rows {
            let of = |local, remote| self.known.get(&key(local, remote)).cloned();
            row.holders = [of(&row.client, &row.server), of(&row.server, &row.client)];
        }
    }
}

/// The packets of an IPv4-mapped socket are IPv4.
fn key(local: &Endpoint, remote: &Endpoint) -> (Endpoint, Endpoint) {
    let plain = |end: &Endpoint| Endpoint { address: end.canonical(), ..*end };
    (plain(local), plain(remote))
}
