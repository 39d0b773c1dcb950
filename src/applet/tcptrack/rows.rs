//! Connections as rows: one each, or in groups.

use std::ffi::OsStr;

use super::view::Row;
use crate::cli;
use crate::error::Error;
use crate::model::Groups;
use crate::out::{Column, Out, Value};
use crate::select::cells::{
    self, THERE, address, parse_lengths, push_address, push_number, push_text, take, text,
};
use crate::track::tcp::State;

/// The columns of connections.
pub const COLUMNS: [Column; 14] = [
    Column::label("client", "the address of the end that opened the connection"),
    Column::label("client_port", "its port"),
    Column::label("server", "the address of the other end"),
    Column::label("server_port", "its port"),
    Column::label("state", "SYN_SENT, SYN_RECV, ESTABLISHED, CLOSING, CLOSED or RESET"),
    Column::gauge("idle_seconds", "tcptrack_idle_seconds", "how long nothing was heard of it"),
    RX,
    TX,
    Column::counter("rx_bytes_total", "tcptrack_rx_bytes", "payload from server to client"),
    Column::counter("tx_bytes_total", "tcptrack_tx_bytes", "payload from client to server"),
    Column::gauge("rtt_seconds", "tcptrack_rtt_seconds", "the round-trip time"),
    Column::counter("retransmits_total", "tcptrack_retransmits", "segments sent again"),
    Column::label(
        "process",
        "the process that holds the end on this machine: the client, if both are",
    ),
    Column::label("pid", "its number"),
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

/// All columns that there may be.
pub const ALL_COLUMNS: [Column; 15] = Column::joined(&[&COLUMNS, &[COUNT]]);

/// Writes the row of a connection.
///
/// # Errors
/// If writing fails.
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

/// The state as our other tables have it: tcptrack's SYN|ACK-ACK would be a pipe to a shell.
fn word(state: State) -> &'static str {
    if state == State::SynAck { "SYN_RECV" } else { state.name() }
}

/// What connections may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// The address, or the network of so many bits, for IPv4 and IPv6.
    Client(Option<[u8; 2]>),
    ClientPort,
    Server(Option<[u8; 2]>),
    ServerPort,
    State,
    Process,
    Pid,
}

const KEYS: [(&str, Key, Column); 7] = [
    ("client", Key::Client(None), COLUMNS[0]),
    ("client_port", Key::ClientPort, COLUMNS[1]),
    ("server", Key::Server(None), COLUMNS[2]),
    ("server_port", Key::ServerPort, COLUMNS[3]),
    ("state", Key::State, COLUMNS[4]),
    ("process", Key::Process, COLUMNS[12]),
    ("pid", Key::Pid, COLUMNS[13]),
];

/// The names of the keys, for completions.
pub const NAMES: [&str; 7] = cells::names(&KEYS);

/// Reads the keys of `--by`.
///
/// # Errors
/// The reason why the word is no list of keys.
pub fn keys(value: &OsStr) -> Result<Vec<Key>, String> {
    let mut keys = Vec::new();
    cells::add(&mut keys, value, Key::parse)?;
    Ok(keys)
}

impl Key {
    fn parse(word: &str) -> Result<Key, String> {
        let (name, lengths) = match word.split_once('/') {
            Some((name, lengths)) => (name, Some(parse_lengths(word, lengths)?)),
            None => (word, None),
        };
        let known = KEYS.map(|(name, key, _)| (name, key));
        match (cli::choose(&known, OsStr::new(name))?, lengths) {
            (Key::Client(_), lengths) => Ok(Key::Client(lengths)),
            (Key::Server(_), lengths) => Ok(Key::Server(lengths)),
            (key, None) => Ok(key),
            _ => Err(format!("'{word}': only client and server take a length")),
        }
    }

    fn column(self) -> Column {
        KEYS[cells::place_of(&KEYS, &self)].2
    }

    fn push(self, buffer: &mut Vec<u8>, row: &Row) {
        match self {
            Key::Client(lengths) => push_address(buffer, row.client.canonical(), lengths),
            Key::ClientPort => push_number(buffer, Some(row.client.port.into())),
            Key::Server(lengths) => push_address(buffer, row.server.canonical(), lengths),
            Key::ServerPort => push_number(buffer, Some(row.server.port.into())),
            Key::State => push_text(buffer, Some(word(row.state).as_bytes())),
            Key::Process => push_text(buffer, row.holder().map(|process| process.name.as_slice())),
            Key::Pid => push_number(buffer, row.holder().map(|process| process.pid)),
        }
    }

    fn value<'a>(self, rest: &mut &'a [u8]) -> Value<'a> {
        if take(rest, 1) != [THERE] {
            return Value::Absent;
        }
        match self {
            Key::Client(lengths) | Key::Server(lengths) => address(rest, lengths),
            Key::ClientPort | Key::ServerPort | Key::Pid => {
                let bytes = take(rest, 4).first_chunk().copied().unwrap_or_default();
                Value::Int(u32::from_be_bytes(bytes).into())
            }
            Key::State | Key::Process => Value::Text(text(rest)),
        }
    }
}

/// The columns of groups by `keys`.
#[must_use]
pub fn columns_of(keys: &[Key]) -> Vec<Column> {
    keys.iter().map(|key| key.column()).chain([COUNT, RX, TX]).collect()
}

/// Writes the rows of groups: the largest first, at least `min` connections each, at most `top` of them.
///
/// # Errors
/// If writing fails.
pub fn write_groups(
    rows: &[Row],
    by: &[Key],
    (min, top): (Option<u64>, Option<usize>),
    out: &mut Out,
) -> Result<(), Error> {
    let (mut groups, mut room) = (Groups::default(), Vec::with_capacity(64));
    for row in rows {
        room.clear();
        by.iter().for_each(|key| key.push(&mut room, row));
        groups.add(&room, [row.rx_bytes_per_second, row.tx_bytes_per_second]);
    }
    cells::rows(&groups, by, (min, top), Key::value, out)
}
