//! What all pictures need besides the rows.

use super::history::History;
use super::screen::{Look, letters};
use super::text::{Units, number};
use super::view::View;
use super::watched::Watched;
use crate::sys;
use crate::track::tcp::State;

#[derive(Debug, Default)]
pub(super) struct Scene {
    pub units: Units,
    /// Whether the terminal shows letters beyond ASCII.
    pub is_utf8: bool,
    /// The speeds of the last ticks.
    pub history: History,
    /// What a full bar of all sparklines means.
    pub scale: u64,
    /// How many columns have no room.
    pub left_out: usize,
    pub subject: Subject,
    /// The names of the keys of groups.
    pub keys: Vec<&'static str>,
    /// What holds for the whole run.
    pub notes: Vec<String>,
    /// What holds for the rows that are shown.
    pub gaps: Vec<String>,
    /// Packets that the kernel dropped.
    pub dropped: u64,
    /// Ends of connections that the kernel could not report.
    pub lost: u64,
    /// Connections that were removed to make room for others.
    pub evicted: u64,
    /// Frames that do not tell what the filter asks.
    pub skipped: u64,
    /// Packets without the numbers of TCP.
    pub cut: u64,
    /// Fragmented packets of which fragments are missing.
    pub incomplete: u64,
    /// Whether there has been a connection.
    pub has_seen: bool,
}

/// What is watched.
#[derive(Debug, Default)]
pub(super) struct Subject {
    pub source: Source,
    /// The name of this machine.
    pub host: String,
    /// The expression of the command line.
    pub expression: String,
    pub only_new: bool,
}

#[derive(Debug, Default)]
pub(super) enum Source {
    #[default]
    Sockets,
    /// The name of the interface.
    Packets(String),
    Flows,
    /// Standard input.
    Capture,
}

impl Subject {
    pub(super) fn of(watched: &Watched, is_utf8: bool) -> Subject {
        let source = match &watched.interface {
            Some(name) => Source::Packets(letters(name, is_utf8)),
            None if watched.conntrack => Source::Flows,
            None if watched.capture.is_some() => Source::Capture,
            None => Source::Sockets,
        };
        let expression = letters(&watched.text, is_utf8);
        let host = letters(&sys::host_name(), is_utf8);
        Subject { source, host, expression, only_new: watched.only_new }
    }

    /// What follows "connections" or "packets" if not all are wanted.
    fn restriction(&self) -> String {
        match self.expression.as_str() {
            "" => String::new(),
            expression => [" that matches the filter: ", expression].concat(),
        }
    }
}

impl Scene {
    /// What is watched.
    pub(super) fn title(&self) -> String {
        let Subject { source, host, expression, only_new } = &self.subject;
        let source = match source {
            Source::Sockets => "Sockets".to_owned(),
            Source::Packets(name) if name == "any" => "Packets on all interfaces".to_owned(),
            Source::Packets(name) => ["Packets on ", name].concat(),
            Source::Flows => "Tracked flows".to_owned(),
            Source::Capture => "Capture on standard input".to_owned(),
        };
        let new = if *only_new { ", only new connections" } else { "" };
        let what = if expression.is_empty() { "all TCP" } else { expression };
        let host = match self.subject.source {
            Source::Capture => String::new(),
            _ => [" (host ", host, ")"].concat(),
        };
        [&source, new, ": ", what, &host].concat()
    }

    /// Keeps a warning for the whole run.
    pub(super) fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// What the user should know at once.
    pub(super) fn warnings(&self) -> Vec<String> {
        let counts = [
            (self.dropped, "packets dropped by the kernel, whose data is missing: "),
            (self.lost, "lost reports of ends of connections, whose last bytes are missing: "),
            (self.evicted, "connections removed to make room (--max-connections): "),
            (self.skipped, "packets skipped that do not tell what the filter asks: "),
            (self.cut, "packets cut before the sequence numbers of TCP, whose data is missing: "),
            (self.incomplete, "fragmented packets captured in part, whose data may be missing: "),
        ];
        let counts = counts.into_iter().filter(|(count, _)| *count > 0);
        let counts = counts.map(|(count, what)| [what, &number(count)].concat());
        counts.chain(self.gaps.iter().cloned()).chain(self.notes.iter().cloned()).collect()
    }

    /// Why no row is shown, of `all` that there are.
    pub(super) fn emptiness(&self, view: &View, all: usize) -> String {
        if all > 0 {
            let filter = letters(&view.filter, self.is_utf8);
            let what = if view.is_grouped { " groups" } else { " connections" };
            if filter.is_empty() {
                return "--top 0 shows no row".to_owned();
            }
            let all = number(all as u64);
            let cure = "; Esc clears the filter";
            return ["None of the ", &all, what, " contains '", &filter, "'", cure].concat();
        }
        let Subject { source, only_new, .. } = &self.subject;
        let restriction = self.subject.restriction();
        if self.has_seen && view.is_grouped {
            return "No group is large enough (--min), or all connections have ended".to_owned();
        }
        if self.has_seen {
            return "All connections that were seen have ended".to_owned();
        }
        if *only_new {
            return ["No TCP connection has begun yet", &restriction].concat();
        }
        let nothing = match source {
            Source::Sockets => "This network namespace has no TCP connection",
            Source::Packets(name) => {
                let place = if name == "any" { "any interface" } else { name };
                return ["No TCP packet has come yet on ", place, &restriction].concat();
            }
            Source::Flows => "The connection tracking table has no TCP flow",
            Source::Capture => "No TCP packet has come yet on standard input",
        };
        [nothing, &restriction].concat()
    }
}

pub(super) fn look(state: State) -> Look {
    match state {
        State::Established => Look::Green,
        State::SynSent | State::SynAck | State::Closing => Look::Yellow,
        State::Closed => Look::Dim,
        State::Reset => Look::Red,
    }
}
