//! Connections as rows: one each, or in groups.

use std::net::IpAddr;
use std::time::Duration;

use super::names::Names;
use super::row::{Row, sum};
use super::sort::Sort;
use super::view::View;
use crate::error::Error;
use crate::model::{Endpoint, Needs};
use crate::out::{Column, Out, Value};
use crate::select::grouping::Grouping;
use crate::select::keys::Shape::{Address, Number, Text};
use crate::select::keys::{self, Counted, Key, names, push_text};
use crate::select::socket_keys::{CONTAINER, POD, named_or_number};
use crate::source::processes::pods::Which;
use crate::track::tcp::State;

pub(super) const COLUMNS: [Column; 14] = [
    CLIENT,
    CLIENT_PORT,
    SERVER,
    SERVER_PORT,
    STATE,
    Column::gauge(
        "idle_seconds",
        "tcptrack_idle_seconds",
        "the time since its last activity, if that is known",
    ),
    RX,
    TX,
    RX_TOTAL,
    TX_TOTAL,
    RTT,
    RETRANSMITS,
    PROCESS,
    PID,
];

/// The columns of `--ended`.
pub(super) const ENDED_COLUMNS: [Column; 12] = [
    CLIENT,
    CLIENT_PORT,
    SERVER,
    SERVER_PORT,
    RX_TOTAL,
    TX_TOTAL,
    RTT,
    RETRANSMITS,
    DURATION,
    PROCESS,
    PID,
    CGROUP,
];

const CLIENT: Column = Column::label("client", "the address of the end that opened the connection");
const CLIENT_PORT: Column = Column::label("client_port", "the port of this end");
const SERVER: Column = Column::label("server", "the address of the other end");
const SERVER_PORT: Column = Column::label("server_port", "the port of the other end");
const STATE: Column =
    Column::label("state", "SYN_SENT, SYN_RECV, ESTABLISHED, CLOSING, CLOSED or RESET");
const PROCESS: Column = Column::label(
    "process",
    "the process that holds the end on this machine; the client's, if both are",
);
const PID: Column = Column::label("pid", "the process's number");
const RX: Column = Column::gauge(
    "rx_bytes_per_second",
    "tcptrack_rx_bytes_per_second",
    "payload from server to client in the last tick",
);
const TX: Column = Column::gauge(
    "tx_bytes_per_second",
    "tcptrack_tx_bytes_per_second",
    "payload from client to server in the last tick",
);
const RX_TOTAL: Column =
    Column::counter("rx_bytes_total", "tcptrack_rx_bytes", "payload from server to client");
const TX_TOTAL: Column =
    Column::counter("tx_bytes_total", "tcptrack_tx_bytes", "payload from client to server");
const RTT: Column = Column::gauge("rtt_seconds", "tcptrack_rtt_seconds", "the round-trip time");
const RETRANSMITS: Column = Column::counter(
    "retransmits_total",
    "tcptrack_retransmits",
    "retransmitted segments, if known",
);
const PEER: Column = Column::label(
    "peer",
    "the address of the end that is not on this machine; the client's, if both are, or if that is not known",
);
const LADDR: Column = Column::label(
    "laddr",
    "the address of the end on this machine; the client's, if both are, or if that is not known",
);
const LPORT: Column = Column::label("lport", "the port of this end");
const RADDR: Column = Column::label("raddr", "the address of the other end");
const RPORT: Column = Column::label("rport", "the port of the other end");
const SERVICE: Column = Column::label("service", "the name or number of the server's port");
const CGROUP: Column = Column::label(
    "cgroup",
    "the control group in which the socket on this machine was created; the client's, if both are",
);
const DURATION: Column = Column::gauge(
    "duration_seconds",
    "tcptrack_duration_seconds",
    "with --ended: how long it lasted, if its beginning was seen, to the precision of a tick",
);
/// The sums of `--ended` in groups.
const RX_SUM: Column = Column::gauge(
    "rx_bytes",
    "tcptrack_ended_rx_bytes",
    "with --ended: payload from server to client, of those that ended in the period",
);
const TX_SUM: Column = Column::gauge(
    "tx_bytes",
    "tcptrack_ended_tx_bytes",
    "with --ended: payload from client to server",
);
pub(super) const COUNT: Column =
    Column::gauge("count", "tcptrack_connections", "connections in the group");

/// The same name as [`COUNT`], and a metric of its own: these are not connections that there are.
const ENDED_COUNT: Column = Column::gauge(
    "count",
    "tcptrack_ended_connections",
    "with --ended: those that ended in the period",
);

/// Every column that any run may show.
pub(super) const ALL_COLUMNS: [Column; COLUMNS.len() + 13] = Column::joined(&[
    &COLUMNS,
    &[COUNT, PEER, SERVICE, CGROUP, DURATION, RX_SUM, TX_SUM],
    &[LADDR, LPORT, RADDR, RPORT, POD, CONTAINER],
]);

fn int(number: u64) -> Value<'static> {
    Value::Int(number.into())
}

fn maybe(number: Option<u64>) -> Value<'static> {
    number.map_or(Value::Absent, int)
}

fn millis(time: Duration) -> Value<'static> {
    Value::Millis(time.as_millis().cast_signed())
}

fn micros(time: Duration) -> Value<'static> {
    Value::Micros(time.as_micros().cast_signed())
}

/// The row of a connection that has ended.
pub(super) fn write_ended(row: &Row, cgroup: Option<&[u8]>, out: &mut Out) -> Result<(), Error> {
    let holder = row.holder();
    out.row([
        Value::Addr(row.client.canonical()),
        int(row.client.port.into()),
        Value::Addr(row.server.canonical()),
        int(row.server.port.into()),
        maybe(row.rx_bytes_total),
        maybe(row.tx_bytes_total),
        row.rtt.map_or(Value::Absent, micros),
        maybe(row.retransmits_total),
        row.began.map_or(Value::Absent, |began| millis(row.last_seen.saturating_sub(began))),
        holder.map_or(Value::Absent, |process| Value::Text(&process.name)),
        holder.map_or(Value::Absent, |process| int(process.pid.into())),
        cgroup.map_or(Value::Absent, Value::Text),
    ])
}

/// The columns of groups of connections that have ended.
pub(super) fn ended_groups(grouping: &Grouping<Connections>) -> Vec<Column> {
    let mut columns = grouping.columns();
    columns.truncate(columns.len() - Connections::NUMBERS.len());
    columns.extend([ENDED_COUNT, RX_SUM, TX_SUM]);
    columns
}

pub(super) fn write(row: &Row, out: &mut Out) -> Result<(), Error> {
    let holder = row.holder();
    out.row([
        Value::Addr(row.client.canonical()),
        int(row.client.port.into()),
        Value::Addr(row.server.canonical()),
        int(row.server.port.into()),
        Value::Word(word(row.state)),
        row.idle.map_or(Value::Absent, millis),
        maybe(row.has_speeds.then_some(row.rx_bytes_per_second)),
        maybe(row.has_speeds.then_some(row.tx_bytes_per_second)),
        maybe(row.rx_bytes_total),
        maybe(row.tx_bytes_total),
        row.rtt.map_or(Value::Absent, micros),
        maybe(row.retransmits_total),
        holder.map_or(Value::Absent, |process| Value::Text(&process.name)),
        holder.map_or(Value::Absent, |process| int(process.pid.into())),
    ])
}

/// Joins rows with the same labels, since Prometheus takes each series once: connections on the same ports, one after the
/// other or in several zones. The latest one gives what cannot be summed.
pub(super) fn join_equal(rows: &mut Vec<Row>) {
    let mut view = View::sorted_by(Sort::Labels);
    view.arrange(rows);
    let mut joined: Vec<Row> = Vec::new();
    for row in view.order.iter().filter_map(|place| rows.get(*place)) {
        let mut row = row.clone();
        if let Some(last) = joined.pop_if(|last| last.labels() == row.labels()) {
            row.has_speeds &= last.has_speeds;
            row.rx_bytes_per_second =
                row.rx_bytes_per_second.saturating_add(last.rx_bytes_per_second);
            row.tx_bytes_per_second =
                row.tx_bytes_per_second.saturating_add(last.tx_bytes_per_second);
            row.rx_bytes_total = sum(row.rx_bytes_total, last.rx_bytes_total);
            row.tx_bytes_total = sum(row.tx_bytes_total, last.tx_bytes_total);
            row.retransmits_total = sum(row.retransmits_total, last.retransmits_total);
        }
        joined.push(row);
    }
    *rows = joined;
}

/// The state as in our other tables: tcptrack's SYN|ACK-ACK would be a pipe to a shell.
pub(super) fn word(state: State) -> &'static str {
    if state == State::SynAck { "SYN_RECV" } else { state.name() }
}

#[derive(Debug, Default)]
pub(super) struct Connections;

impl Counted for Connections {
    type One<'a> = (&'a Row, &'a Names);
    const KEYS: &'static [Key<Connections>] = &KEYS;
    const NAMES: &'static [&'static str] = &names(&KEYS);
    const NUMBERS: &'static [Column] = &[COUNT, RX, TX];
    const SUMS: &'static [&'static str] = &[];
}

const KEYS: [Key<Connections>; 16] = [
    Key::new("client", CLIENT, Address(|(row, _)| row.client.canonical())),
    Key::new("client_port", CLIENT_PORT, Number(|(row, _)| Some(row.client.port.into()))),
    Key::new("server", SERVER, Address(|(row, _)| row.server.canonical())),
    Key::new("server_port", SERVER_PORT, Number(|(row, _)| Some(row.server.port.into()))),
    Key::new("state", STATE, Text(|to, (row, _)| push_text(to, Some(word(row.state).as_bytes())))),
    Key::<Connections>::needing(
        Needs::HOLDERS,
        "process",
        PROCESS,
        Text(|to, (row, _)| push_text(to, row.holder().map(|process| process.name.as_slice()))),
    )
    .also(keys::PROCESS),
    Key::needing(
        Needs::HOLDERS,
        "pid",
        PID,
        Number(|(row, _)| row.holder().map(|process| process.pid)),
    ),
    // Before raddr, which is called so in ss: the two differ where both ends are on this machine.
    Key::new("peer", PEER, Address(|(row, _)| peer(row))),
    Key::needing(
        Needs::SERVICES,
        "service",
        SERVICE,
        Text(|to, (row, names)| named_or_number(to, names.service(row), row.server.port.into())),
    ),
    Key::needing(
        Needs::CGROUPS,
        "cgroup",
        CGROUP,
        Text(|to, (row, names)| push_text(to, names.cgroup(row))),
    ),
    Key::<Connections>::new("laddr", LADDR, Address(|(row, _)| sides(row)[0].canonical()))
        .also(keys::LOCAL),
    Key::<Connections>::new("lport", LPORT, Number(|(row, _)| Some(sides(row)[0].port.into())))
        .also(keys::LOCAL_PORT),
    Key::<Connections>::new("raddr", RADDR, Address(|(row, _)| sides(row)[1].canonical()))
        .also(keys::REMOTE),
    Key::<Connections>::new("rport", RPORT, Number(|(row, _)| Some(sides(row)[1].port.into())))
        .also(keys::REMOTE_PORT),
    Key::needing(
        Needs::PODS,
        "pod",
        POD,
        Text(|to, (row, names)| push_text(to, names.pod(row, Which::Pod).as_deref())),
    ),
    Key::needing(
        Needs::PODS,
        "container",
        CONTAINER,
        Text(|to, (row, names)| push_text(to, names.pod(row, Which::Container).as_deref())),
    ),
];

fn peer(row: &Row) -> IpAddr {
    let [client, server] = row.cookies.map(|cookie| cookie != 0);
    if client && !server { row.server.canonical() } else { row.client.canonical() }
}

/// The local and the remote end, as ss has them. Where both are on this machine, or that is not known, as in a capture,
/// the client is the source.
fn sides(row: &Row) -> [&Endpoint; 2] {
    let [client, server] = row.cookies.map(|cookie| cookie != 0);
    if server && !client { [&row.server, &row.client] } else { [&row.client, &row.server] }
}

/// Writes groups, and returns how many flows are missing in their speeds.
pub(super) fn write_groups(
    rows: &[Row],
    names: &Names,
    grouping: &Grouping<Connections>,
    out: &mut Out,
) -> Result<u64, Error> {
    let (mut groups, mut key) = (grouping.groups(), Vec::with_capacity(64));
    for row in rows {
        grouping.key(&mut key, (row, names));
        groups.add_all(&key, row.speeds());
    }
    grouping.rows_lacking(&groups, out).map(|[lacking, _]| lacking)
}
