//! Whether lists of flows hold the same flows again: the text was given twice, or saved twice into one file.

use crate::model::{Ends, Flow, Tuple};

/// How many flows are compared. A kernel lists a flow once, and a router and its host may have some in common.
const COMPARED: usize = 16;

/// The first flows of all lists, and how often they came again.
#[derive(Clone, Debug, Default)]
pub struct First {
    flows: Vec<(Tuple, Option<u16>)>,
    /// Their ports, by which most others are told from them.
    ports: Vec<u32>,
    again: usize,
}

impl First {
    /// Whether all that are compared are known.
    pub fn is_full(&self) -> bool {
        self.flows.len() == COMPARED
    }

    /// Takes a flow.
    #[inline]
    pub fn add(&mut self, flow: &Flow<'_>) {
        if self.has(flow) {
            self.again += 1;
        } else if !self.is_full() {
            self.flows.push((flow.orig, flow.zone));
            self.ports.push(ports(flow));
        }
    }

    /// Whether a flow is one of the first.
    #[inline]
    pub fn has(&self, flow: &Flow<'_>) -> bool {
        self.ports.contains(&ports(flow)) && self.flows.contains(&(flow.orig, flow.zone))
    }

    /// Whether so many of the first ones came again that there is another list of them. Flows end meanwhile.
    pub fn is_twice(&self) -> bool {
        self.is_again(self.again)
    }

    /// The same where others have counted how many flows were among the first ones, these included.
    pub fn is_repeated(&self, among: usize) -> bool {
        self.is_again(among.saturating_sub(self.flows.len()))
    }

    fn is_again(&self, again: usize) -> bool {
        again > 0 && again * 2 >= self.flows.len()
    }
}

/// The ports of a flow as one number.
#[inline]
fn ports(flow: &Flow<'_>) -> u32 {
    match flow.orig.ends {
        Ends::Ports { source, destination } => u32::from(source) << 16 | u32::from(destination),
        _ => 0,
    }
}
