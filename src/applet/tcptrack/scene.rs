//! What all pictures need besides the rows.

use super::history::History;
use super::screen::Look;
use super::text::Units;
use crate::track::tcp::State;

#[derive(Debug, Default)]
pub struct Scene {
    pub units: Units,
    /// Whether the terminal shows letters beyond ASCII.
    pub is_utf8: bool,
    /// The speeds of the last ticks.
    pub history: History,
    /// Packets that the kernel dropped.
    pub dropped: u64,
    /// Connections that were removed to make room for others.
    pub evicted: u64,
}

pub fn look(state: State) -> Look {
    match state {
        State::Established => Look::Green,
        State::SynSent | State::SynAck | State::Closing => Look::Yellow,
        State::Closed => Look::Dim,
        State::Reset => Look::Red,
    }
}
