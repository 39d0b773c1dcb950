//! What all pictures show alike.

use super::history::History;
use super::screen::Look;
use super::text::Units;
use crate::track::tcp::State;

/// What is drawn besides the rows.
#[derive(Debug, Default)]
pub struct Scene {
    pub units: Units,
    /// Whether letters beyond ASCII may be shown.
    pub is_utf8: bool,
    /// The speeds of the last ticks.
    pub history: History,
    /// Packets that the kernel had to drop.
    pub dropped: u64,
    /// Connections that had to make room for others.
    pub evicted: u64,
}

/// How a state looks.
pub fn look(state: State) -> Look {
    match state {
        State::Established => Look::Green,
        State::SynSent | State::SynAck | State::Closing => Look::Yellow,
        State::Closed => Look::Dim,
        State::Reset => Look::Red,
    }
}
