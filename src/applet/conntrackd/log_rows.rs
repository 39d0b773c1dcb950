//! Flows as rows: those of `-i` and of the log.

use crate::flow::row::{COLUMNS, Rows};
use crate::model::Flow;
use crate::out::{Column, Format, Out, Style, Value};
use crate::source::flows::labels::Labels;

/// How the lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// As conntrackd writes them.
    #[default]
    Original,
    /// JSON Lines.
    Json,
    /// Columns between tabs.
    Tsv,
}

/// The column that leads a flow of `-i`.
pub const ACTIVE: Column = Column::gauge(
    "active_seconds",
    "conntrackd_flow_active_seconds",
    "-i: how long the daemon has known the flow",
);

/// The columns of `-i`: its own, then those of conntrack.
pub const LISTED: [Column; COLUMNS.len() + 1] = Column::joined(&[&[ACTIVE], &COLUMNS]);

/// The values of [`LISTED`] of a flow that the daemon has known for `active_seconds`.
pub fn listed<'a>(
    active_seconds: u32,
    flow: &[Value<'a>; COLUMNS.len()],
) -> [Value<'a>; LISTED.len()] {
    let mut all = [Value::Int(active_seconds.into()); LISTED.len()];
    all[1..].copy_from_slice(flow);
    all
}

/// Makes lines of the log that are rows.
#[derive(Debug)]
pub struct Lines {
    out: Out,
    rows: Rows,
    labels: Labels,
}

impl Lines {
    /// Lines of that form; `None` if it has no rows.
    #[must_use]
    pub fn of(form: Form, labels: Labels) -> Option<Lines> {
        let format = match form {
            Form::Original => return None,
            Form::Json => Format::Json,
            Form::Tsv => Format::Tsv,
        };
        let style = Style { format, is_stream: true, ..Style::default() };
        Some(Lines { out: Out::new(style, &COLUMNS, |_| true), rows: Rows::default(), labels })
    }

    /// Appends the line of a flow that ended at `unix_milliseconds`.
    pub fn push(&mut self, buffer: &mut Vec<u8>, flow: &Flow<'_>, unix_milliseconds: i64) {
        self.out.begin(unix_milliseconds, std::time::Duration::ZERO);
        let values = self.rows.values(flow, &self.labels);
        // A row is far shorter than what would be written by itself.
        if self.out.row(values).is_ok() {
            self.out.take(buffer);
        }
    }
}
