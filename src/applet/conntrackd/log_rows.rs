//! Flows as rows, for `-i` and the log.

use crate::flow::row::{COLUMNS, Rows};
use crate::model::Flow;
use crate::out::{Column, Format, Out, Style, Value};
use crate::source::flows::labels::Labels;

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    /// conntrackd's lines.
    #[default]
    Original,
    Json,
    Tsv,
}

/// The first column of `-i`.
pub(super) const ACTIVE: Column = Column::gauge(
    "active_seconds",
    "conntrackd_flow_active_seconds",
    "-i: how long the daemon has known the flow",
);

/// The columns of `-i`: [`ACTIVE`], then those of conntrack.
pub(super) const LISTED: [Column; COLUMNS.len() + 1] = Column::joined(&[&[ACTIVE], &COLUMNS]);

/// The values of [`LISTED`] for a flow that the daemon has known for `active_seconds`.
pub(super) fn listed<'a>(
    active_seconds: u32,
    flow: &[Value<'a>; COLUMNS.len()],
) -> [Value<'a>; LISTED.len()] {
    let mut all = [Value::Int(active_seconds.into()); LISTED.len()];
    all[1..].copy_from_slice(flow);
    all
}

/// Writes rows as lines of the log.
#[derive(Debug)]
pub(super) struct Lines {
    out: Out,
    rows: Rows,
    labels: Labels,
}

impl Lines {
    /// For the formats that have rows; otherwise `None`.
    pub(super) fn of(form: Form, labels: Labels) -> Option<Lines> {
        let format = match form {
            Form::Original => return None,
            Form::Json => Format::Json,
            Form::Tsv => Format::Tsv,
        };
        let style = Style { format, is_stream: true, ..Style::default() };
        Some(Lines { out: Out::new(style, &COLUMNS, &|_| true), rows: Rows::default(), labels })
    }

    /// Appends the line of a flow that ended at `unix_milliseconds`.
    pub(super) fn push(&mut self, buffer: &mut Vec<u8>, flow: &Flow<'_>, unix_milliseconds: i64) {
        self.out.begin(unix_milliseconds, std::time::Duration::ZERO);
        let values = self.rows.values(flow, &self.labels);
        // A row is far shorter than the size at which `Out` writes on its own.
        if self.out.row(values).is_ok() {
            self.out.take(buffer);
        }
    }
}
