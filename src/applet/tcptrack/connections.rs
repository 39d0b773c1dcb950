//! Connections as rows: one each, or in groups.

use super::view::Row;
use crate::error::Error;
use crate::model::Groups;
use crate::out::{Column, Out, Value};
use crate::select::grouping::Grouping;
use crate::select::keys::Shape::{Address, Number, Text};
use crate::select::keys::{Counted, Key, names, push_text};
use crate::track::tcp::State;

pub const COLUMNS: [Column; 14] = [
    Column::label("client", "the address of the end that opened the connection"),
    Column::label("client_port", "the port of this end"),
    Column::label("server", "the address of the other end"),
    Column::label("server_port", "the port of the other end"),
    Column::label("state", "SYN_SENT, SYN_RECV, ESTABLISHED, CLOSING, CLOSED or RESET"),
    Column::gauge("idle_seconds", "tcptrack_idle_seconds", "the time since its last activity"),
    RX,
    TX,
    Column::counter("rx_bytes_total", "tcptrack_rx_bytes", "payload from server to client"),
    Column::counter("tx_bytes_total", "tcptrack_tx_bytes", "payload from client to server"),
    Column::gauge("rtt_seconds", "tcptrack_rtt_seconds", "the round-trip time"),
    Column::counter("retransmits_total", "tcptrack_retransmits", "retransmitted segments"),
    Column::label(
        "process",
        "the process that holds the end on this machine; the client's, if both are",
    ),
    Column::label("pid", "the process's number"),
];

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
/// The column of groups.
pub const COUNT: Column =
    Column::gauge("count", "tcptrack_connections", "connections in the group");

/// Every column that any run may show.
pub const ALL_COLUMNS: [Column; 15] = Column::joined(&[&COLUMNS, &[COUNT]]);

pub fn write(row: &Row, out: &mut Out) -> Result<(), Error> {
    let int = |number: u64| Value::Int(number.into());
    let millis = |time: std::time::Duration| Value::Millis(time.as_millis().cast_signed());
    let micros = |time: std::time::Duration| Value::Micros(time.as_micros().cast_signed());
    let holder = row.holder();
    out.row([
        Value::Addr(row.client.canonical()),
        int(row.client.port.into()),
        Value::Addr(row.server.canonical()),
        int(row.server.port.into()),
        Value::Word(word(row.state)),
        millis(row.idle),
        int(row.rx_bytes_per_second),
        int(row.tx_bytes_per_second),
        int(row.rx_bytes_total),
        int(row.tx_bytes_total),
        row.rtt.map_or(Value::Absent, micros),
        int(row.retransmits_total),
        holder.map_or(Value::Absent, |process| Value::Text(&process.name)),
        holder.map_or(Value::Absent, |process| int(process.pid.into())),
    ])
}

/// The state as in our other tables: tcptrack's SYN|ACK-ACK would be a pipe to a shell.
fn word(state: State) -> &'static str {
    if state == State::SynAck { "SYN_RECV" } else { state.name() }
}

/// Connections, counted in groups.
#[derive(Debug, Default)]
pub struct Connections;

impl Counted for Connections {
    type One<'a> = &'a Row;
    const KEYS: &'static [Key<Connections>] = &KEYS;
    const NAMES: &'static [&'static str] = &names(&KEYS);
    const NUMBERS: &'static [Column] = &[COUNT, RX, TX];
    const SUMS: &'static [&'static str] = &[];
}

const KEYS: [Key<Connections>; 7] = [
    Key::new("client", COLUMNS[0], Address(|row| row.client.canonical())),
    Key::new("client_port", COLUMNS[1], Number(|row| Some(row.client.port.into()))),
    Key::new("server", COLUMNS[2], Address(|row| row.server.canonical())),
    Key::new("server_port", COLUMNS[3], Number(|row| Some(row.server.port.into()))),
    Key::new("state", COLUMNS[4], Text(|to, row| push_text(to, Some(word(row.state).as_bytes())))),
    Key::new(
        "process",
        COLUMNS[12],
        Text(|to, row| push_text(to, row.holder().map(|process| process.name.as_slice()))),
    ),
    Key::new("pid", COLUMNS[13], Number(|row| row.holder().map(|process| process.pid))),
];

pub fn write_groups(
    rows: &[Row],
    grouping: &Grouping<Connections>,
    out: &mut Out,
) -> Result<(), Error> {
    let (mut groups, mut key) = (Groups::default(), Vec::with_capacity(64));
    for row in rows {
        grouping.key(&mut key, row);
        groups.add(&key, [row.rx_bytes_per_second, row.tx_bytes_per_second]);
    }
    grouping.rows(&groups, out)
}
