//! Events as rows.

use super::expect;
use crate::flow::row;
use crate::model::Change;
use crate::out::{Column, Value};

/// The columns before those of a flow.
pub(super) const HEAD: [Column; 3] = [
    Column::label("event", "with -E: NEW, UPDATE or DESTROY of a flow, or LOST"),
    Column::label("synthetic", "whether the event was derived from a dump after a loss"),
    Column::gauge(
        "lost",
        "conntrack_events_lost",
        "how many events were lost here; 0 if the kernel does not say",
    ),
];
/// The columns after those of a flow.
pub(super) const TAIL: [Column; 2] = [
    Column::label("portid", "the port of the netlink socket whose request caused the event"),
    Column::label("progname", "the name of the program that the socket belongs to"),
];

pub(super) const WIDTH: usize = HEAD.len() + row::COLUMNS.len() + TAIL.len();

pub(super) const EXPECT_WIDTH: usize = HEAD.len() + expect::COLUMNS.len() + TAIL.len();

/// The columns of events of flows; the time precedes them.
pub(super) const COLUMNS: [Column; WIDTH] = Column::joined(&[&HEAD, &row::COLUMNS, &TAIL]);
/// The columns of events of expectations, likewise.
pub(super) const EXPECT_COLUMNS: [Column; EXPECT_WIDTH] =
    Column::joined(&[&HEAD, &expect::COLUMNS, &TAIL]);

/// The row of `N` columns of an event of the flow or expectation with the values `subject`. `cause` is the
/// port of the socket whose request caused it, and its program.
pub(super) fn event<'a, const N: usize>(
    kind: Change,
    is_synthetic: bool,
    subject: &[Value<'a>],
    cause: Option<(u32, Option<&'a [u8]>)>,
) -> [Value<'a>; N] {
    let word = match kind {
        Change::New => "NEW",
        Change::Update => "UPDATE",
        Change::Destroy => "DESTROY",
    };
    let mut values = [Value::Absent; N];
    let (port, program) =
        cause.map_or((Value::Absent, None), |(port, program)| (Value::Int(port.into()), program));
    let all = [Value::Word(word), Value::Bool(is_synthetic), Value::Absent]
        .into_iter()
        .chain(subject.iter().copied())
        .chain([port, program.map_or(Value::Absent, Value::Text)]);
    values.iter_mut().zip(all).for_each(|(place, value)| *place = value);
    values
}

/// The first values of a row that reports a loss.
pub(super) fn lost(lost: u64) -> [Value<'static>; HEAD.len()] {
    [Value::Word("LOST"), Value::Bool(false), Value::Int(lost.into())]
}
