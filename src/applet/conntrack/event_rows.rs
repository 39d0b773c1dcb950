//! An event as a row of columns.

use super::rows;
use crate::model::Change;
use crate::out::{Column, Value};

/// The columns that stand before those of a flow.
pub const HEAD: [Column; 3] = [
    Column::label("event", "with -E: NEW, UPDATE or DESTROY of a flow, or LOST"),
    Column::label("synthetic", "whether the event follows from a dump after a loss"),
    Column::gauge(
        "lost",
        "conntrack_events_lost",
        "how many events were lost here, 0 if the kernel does not say",
    ),
];
/// Those behind them.
pub const TAIL: [Column; 2] = [
    Column::label("portid", "the port of the netlink socket whose request caused the event"),
    Column::label("progname", "the name of the program that the socket belongs to"),
];
/// How many columns an event has.
const WIDTH: usize = HEAD.len() + rows::COLUMNS.len() + TAIL.len();

/// The columns of events of flows; the time stands before them.
pub const COLUMNS: [Column; WIDTH] = Column::joined(&[&HEAD, &rows::COLUMNS, &TAIL]);

/// The row of an event of the flow with these values, and what caused it if a request did: the port of
/// its socket, and the program.
pub fn event<'a>(
    kind: Change,
    is_synthetic: bool,
    flow: &[Value<'a>; rows::COLUMNS.len()],
    cause: Option<(u32, Option<&'a [u8]>)>,
) -> [Value<'a>; WIDTH] {
    let word = match kind {
        Change::New => "NEW",
        Change::Update => "UPDATE",
        Change::Destroy => "DESTROY",
    };
    let mut values = [Value::Absent; WIDTH];
    (values[0], values[1]) = (Value::Word(word), Value::Bool(is_synthetic));
    values[HEAD.len()..WIDTH - TAIL.len()].copy_from_slice(flow);
    if let Some((port, program)) = cause {
        values[WIDTH - 2] = Value::Int(port.into());
        values[WIDTH - 1] = program.map_or(Value::Absent, Value::Text);
    }
    values
}

/// The row of a loss.
pub fn lost(lost: u64) -> [Value<'static>; WIDTH] {
    let mut values = [Value::Absent; WIDTH];
    values[..HEAD.len()].copy_from_slice(&[
        Value::Word("LOST"),
        Value::Bool(false),
        Value::Int(lost.into()),
    ]);
    values
}
