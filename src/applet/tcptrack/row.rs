//! A row of the screen: a connection as it was at a tick, or a group of them. Pure.

use std::net::Ipv4Addr;
use std::rc::Rc;
use std::time::Duration;

use bstr::ByteSlice;

use super::text;
use crate::model::{Endpoint, Tally};
use crate::source::processes::owner::Process;
use crate::track::tcp::{Connection, State};

/// A connection as it was at the last tick.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub id: u64,
    pub client: Endpoint,
    pub server: Endpoint,
    pub state: State,
    /// The time since its last activity, if that is known.
    pub idle: Option<Duration>,
    /// Whether something arrived since the previous tick.
    pub is_active: bool,
    /// Whether the speeds are known: a flow may have no counters.
    pub has_speeds: bool,
    /// From the server to the client, payload bytes.
    pub rx_bytes_per_second: u64,
    /// From the client to the server.
    pub tx_bytes_per_second: u64,
    /// The totals, if they are known.
    pub rx_bytes_total: Option<u64>,
    pub tx_bytes_total: Option<u64>,
    /// Bytes that a capture has missed.
    pub missed_bytes_total: u64,
    pub rtt: Option<Duration>,
    /// Segments that were sent again, if that is known.
    pub retransmits_total: Option<u64>,
    /// When it was first seen, if its beginning was.
    pub began: Option<Duration>,
    /// When it was last active.
    pub last_seen: Duration,
    /// The cookies of the client's and the server's socket; 0 for an end that is not on this machine, or unknown.
    pub cookies: [u64; 2],
    /// The ID of its control group.
    pub cgroup: Option<u64>,
    /// The processes that hold the client's and the server's socket, if on this machine.
    pub holders: [Option<Rc<Process>>; 2],
    /// If the row is a group of connections: what they have in common.
    pub group: Option<Group>,
}

/// What the connections of a group have in common, and how many they are.
#[derive(Clone, Debug)]
pub(super) struct Group {
    /// The values of the keys, as harmless text.
    pub cells: Vec<String>,
    pub count: u64,
}

impl Row {
    /// A connection as it is at `now`; the last tick was at `before`.
    pub(super) fn of(connection: &Connection, now: Duration, before: Duration) -> Row {
        let [tx_bytes_total, rx_bytes_total] = connection.totals();
        let Connection { id, client, server, state, ref tx, ref rx, .. } = *connection;
        Row {
            id,
            client,
            server,
            state,
            idle: connection.idle(now),
            is_active: connection.idle(now).is_some() && connection.last_seen() > before,
            has_speeds: !connection.is_flow() || rx_bytes_total.and(tx_bytes_total).is_some(),
            rx_bytes_per_second: rx.bytes_per_second,
            tx_bytes_per_second: tx.bytes_per_second,
            rx_bytes_total,
            tx_bytes_total,
            missed_bytes_total: connection.missed_bytes_total(),
            rtt: connection.rtt(),
            retransmits_total: connection.retransmits_total(),
            began: connection.began(),
            last_seen: connection.last_seen(),
            cookies: connection.cookies(),
            cgroup: connection.cgroup(),
            holders: [None, None],
            group: None,
        }
    }

    /// A group of connections, with the sums of their speeds and of their totals.
    #[inline(never)]
    pub(super) fn of_group(id: u64, cells: Vec<String>, [speeds, totals]: [Tally; 2]) -> Row {
        let none = Endpoint { address: Ipv4Addr::UNSPECIFIED.into(), port: 0 };
        let [rx_bytes_total, tx_bytes_total] = totals.known();
        Row {
            id,
            client: none,
            server: none,
            state: State::Established,
            idle: None,
            is_active: false,
            has_speeds: speeds.known() != [None; 2],
            rx_bytes_per_second: speeds.sums[0],
            tx_bytes_per_second: speeds.sums[1],
            rx_bytes_total,
            tx_bytes_total,
            missed_bytes_total: 0,
            rtt: None,
            retransmits_total: None,
            began: None,
            last_seen: Duration::ZERO,
            cookies: [0, 0],
            cgroup: None,
            holders: [None, None],
            group: Some(Group { cells, count: speeds.count }),
        }
    }

    /// How many connections it stands for.
    pub(super) fn count(&self) -> u64 {
        self.group.as_ref().map_or(1, |group| group.count)
    }

    pub(super) fn cells(&self) -> &[String] {
        self.group.as_ref().map_or(&[], |group| &group.cells)
    }

    /// Nothing has come lately.
    pub(super) fn rest(&mut self) {
        (self.rx_bytes_per_second, self.tx_bytes_per_second, self.is_active) = (0, 0, false);
    }

    /// Of both directions.
    pub(super) fn bytes_per_second(&self) -> u64 {
        self.rx_bytes_per_second.saturating_add(self.tx_bytes_per_second)
    }

    /// Payload, of both directions, if it is known.
    pub(super) fn bytes_total(&self) -> Option<u64> {
        sum(self.rx_bytes_total, self.tx_bytes_total)
    }

    /// Payload as far as it is known, from the server and from the client.
    pub(super) fn known_totals(&self) -> [u64; 2] {
        [self.rx_bytes_total, self.tx_bytes_total].map(Option::unwrap_or_default)
    }

    /// What it adds to the speeds of a group.
    pub(super) fn speeds(&self) -> Tally {
        let sums = [self.rx_bytes_per_second, self.tx_bytes_per_second];
        Tally { count: 1, sums, lacking: (!self.has_speeds).into() }
    }

    /// The same of the totals.
    pub(super) fn totals(&self) -> Tally {
        let lacking = self.bytes_total().is_none().into();
        Tally { count: 1, sums: self.known_totals(), lacking }
    }

    /// What Prometheus' labels say of it.
    pub(super) fn labels(&self) -> (Endpoint, Endpoint, State, Option<u32>) {
        (self.client, self.server, self.state, self.holder().map(|process| process.pid))
    }

    /// The process that holds an end on this machine: the client's, if both are.
    pub(super) fn holder(&self) -> Option<&Process> {
        self.holders.iter().flatten().next().map(|process| &**process)
    }
}

/// The sum, which is not known if one of both is not.
pub(super) fn sum(one: Option<u64>, other: Option<u64>) -> Option<u64> {
    Some(one?.saturating_add(other?))
}

/// Whether an address, a port, the state or a process of the row contains `needle`, ignoring case; of a group, a key.
pub(super) fn holds(row: &Row, needle: &[u8], room: &mut Vec<u8>) -> bool {
    room.clear();
    if let Some(group) = &row.group {
        for cell in &group.cells {
            room.extend_from_slice(cell.as_bytes());
            room.push(b' ');
        }
        room.make_ascii_lowercase();
        return room.contains_str(needle);
    }
    for word in [&text::endpoint(&row.client), &text::endpoint(&row.server), row.state.name()] {
        room.extend_from_slice(word.as_bytes());
        room.push(b' ');
    }
    for process in row.holders.iter().flatten() {
        room.extend_from_slice(&process.name);
        room.push(b' ');
        room.extend_from_slice(text::number(process.pid.into()).as_bytes());
        room.push(b' ');
    }
    room.make_ascii_lowercase();
    room.contains_str(needle)
}
