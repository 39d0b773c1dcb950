//! The number of flows by kind, updated with every change.

use super::record::Record;
use crate::model::FlowStatus;

/// How many states of a protocol are counted; greater numbers count as the last.
const STATES: usize = 16;
/// The protocols that have states: TCP, SCTP and DCCP.
const STATEFUL: [u8; 3] = [6, 132, 33];

/// The number of flows, by kind.
#[derive(Clone, Debug)]
pub struct Totals {
    protocols: Box<[u32; 256]>,
    states: [[u32; STATES]; STATEFUL.len()],
    /// Flows without a reply packet.
    pub unreplied: u32,
    /// Flows that are not dropped early.
    pub assured: u32,
}

impl Default for Totals {
    fn default() -> Totals {
        let states = [[0; STATES]; STATEFUL.len()];
        Totals { protocols: Box::new([0; 256]), states, unreplied: 0, assured: 0 }
    }
}

impl Totals {
    /// The protocols of the flows, by number, and the flows of each.
    pub fn protocols(&self) -> impl Iterator<Item = (u8, u32)> {
        (0..=u8::MAX).zip(*self.protocols).filter(|(_, count)| *count > 0)
    }

    /// The states of a protocol by number and the flows in each, zeros included; nothing for a protocol
    /// without states.
    pub fn states(&self, protocol: u8) -> impl Iterator<Item = (u8, u32)> {
        let place = STATEFUL.iter().position(|stateful| *stateful == protocol);
        (0..).zip(place.and_then(|place| self.states.get(place)).into_iter().flatten().copied())
    }

    pub(super) fn count(&mut self, record: &Record, change: impl Fn(&mut u32)) {
        let (protocol, state) = record.class();
        change(&mut self.protocols[usize::from(protocol)]);
        let place = STATEFUL.iter().position(|stateful| *stateful == protocol);
        if let (Some(place), Some(state)) = (place, state) {
            change(&mut self.states[place][usize::from(state).min(STATES - 1)]);
        }
        if !record.status().has(FlowStatus::SEEN_REPLY) {
            change(&mut self.unreplied);
        }
        if record.status().has(FlowStatus::ASSURED) {
            change(&mut self.assured);
        }
    }
}
