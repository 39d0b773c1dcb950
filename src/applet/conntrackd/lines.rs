//! Flows as rows: those of `-i` and of the log.

use crate::flow::row::{self, COLUMNS};
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

/// Makes rows of flows.
#[derive(Debug)]
pub struct Rows {
    rows: row::Rows,
    labels: Labels,
}

impl Rows {
    /// Rows in which labels have the names of `labels`.
    #[must_use]
    pub fn new(labels: Labels) -> Rows {
        Rows { rows: row::Rows::default(), labels }
    }

    /// The values of [`LISTED`].
    pub fn values<'a>(
        &'a mut self,
        flow: &Flow<'a>,
        active_seconds: u32,
    ) -> [Value<'a>; LISTED.len()] {
        let values = self.rows.values(flow, &self.labels);
        let mut all = [Value::Int(active_seconds.into()); LISTED.len()];
        all[1..].copy_from_slice(&values);
        all
    }
}

/// Makes lines of the log that are rows.
#[derive(Debug)]
pub struct Lines {
    out: Out,
    rows: Rows,
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
        Some(Lines { out: Out::new(style, &COLUMNS, |_| true), rows: Rows::new(labels) })
    }

    /// Appends the line of a flow that ended at `unix_milliseconds`.
    pub fn push(&mut self, buffer: &mut Vec<u8>, flow: &Flow<'_>, unix_milliseconds: i64) {
        self.out.begin(unix_milliseconds, std::time::Duration::ZERO);
        let values = self.rows.rows.values(flow, &self.rows.labels);
        // A row is far shorter than what would be written by itself.
        if self.out.row(values).is_ok() {
            self.out.take(buffer);
        }
    }
}
