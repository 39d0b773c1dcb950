//! How and where rows are written.

use std::path::PathBuf;

use super::look::Color;
use super::{Format, Out, Picks};
use crate::sys::terminal;

/// What the rows are about: a table without any says that none of these match.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Subject {
    #[default]
    Sockets,
    /// Sockets of TCP, since no protocol was named.
    TcpSockets,
    Connections,
    Flows,
    Expectations,
}

impl Subject {
    /// What is said where there are none; it fits a narrow screen.
    pub(super) fn none(self) -> &'static str {
        match self {
            Subject::Sockets => "no sockets match",
            Subject::TcpSockets => "no TCP sockets match (-u counts UDP)",
            Subject::Connections => "no connections match",
            Subject::Flows => "no flows match",
            Subject::Expectations => "no expectations match",
        }
    }
}

/// How and where to write.
#[derive(Clone, Debug, Default)]
pub struct Style {
    pub format: Format,
    /// Whether an option named the format.
    pub is_chosen: bool,
    pub subject: Subject,
    /// Whether a first row names the columns of TSV.
    pub header: bool,
    /// Whether no cell of a table is cut to the width of the terminal.
    pub is_wide: bool,
    /// When a table has colors.
    pub color: Color,
    /// The prefix of every name in the formats for shells.
    pub prefix: String,
    /// The file to write, standard output for `None`.
    pub output: Option<PathBuf>,
    /// Whether snapshots repeat: rows then begin with their time, and JSON is one object per row.
    pub is_stream: bool,
    /// Whether each row is written at once, and belongs to no snapshot.
    pub is_of_events: bool,
    /// Whether each counter is followed by its rate.
    pub rate: bool,
    /// Whether rows name their network namespace.
    pub by_namespace: bool,
    /// Which namespaces have rows.
    pub picks: Picks,
}

impl Style {
    /// Selects the format of rows for which none was named: a table for people, TSV for everything else.
    pub fn choose_rows(&mut self) {
        let is_for_people = self.output.is_none() && terminal::is_terminal();
        self.format = match is_for_people || self.color == Color::Always {
            true => Format::Table,
            false => Format::Tsv,
        };
    }

    /// The same for an applet whose original has no text for what is asked.
    pub fn choose_rows_without_original(&mut self) {
        if self.format == Format::Original {
            self.choose_rows();
        }
    }
}

impl Out {
    /// Whether the text of the original tool is selected.
    pub fn is_original(&self) -> bool {
        self.style.format == Format::Original
    }
}
