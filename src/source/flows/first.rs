//! Whether lists of flows hold the same flows again: the text, or a part of it, was given twice, or saved twice into one file.

use std::collections::BTreeMap;

use crate::model::hash::hash;
use crate::model::{Ends, Flow, Tuple};
use crate::source::files::lines::Place;
use crate::source::files::sample::Sample;

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

/// Some flows of each of several texts: one may be a part of another, as `-p udp` lists it.
#[derive(Debug, Default)]
pub struct Texts {
    /// Where the last flow stood.
    file: Vec<u8>,
    line: u64,
    /// Of each text, by protocol, since parts are most often those of one.
    texts: Vec<BTreeMap<u8, Sample>>,
}

impl Texts {
    /// Takes a flow. The same file given twice is two texts.
    pub fn add(&mut self, place: Place<'_>, flow: &Flow<'_>) {
        if self.texts.is_empty() || place.line <= self.line || place.file != self.file {
            self.texts.push(BTreeMap::new());
            place.file.clone_into(&mut self.file);
        }
        self.line = place.line;
        if let Some(text) = self.texts.last_mut() {
            text.entry(flow.orig.protocol).or_default().add(hash((flow.orig, flow.zone)));
        }
    }

    /// Whether one of them is nearly all in another one.
    pub fn is_twice(&self) -> bool {
        let before = |place| self.texts.iter().take(place);
        let mut texts = self.texts.iter().enumerate();
        texts.any(|(place, text)| before(place).any(|other| is_part(text, other)))
    }
}

/// Whether most flows of the smaller of two texts are in the other one: flows end meanwhile, and two routers have some in
/// common.
fn is_part(one: &BTreeMap<u8, Sample>, other: &BTreeMap<u8, Sample>) -> bool {
    let none = Sample::default();
    let others = other.keys().filter(|protocol| !one.contains_key(protocol));
    let (mut numbers, mut shared) = ([0; 2], 0);
    for protocol in one.keys().chain(others) {
        let [one, other] = [one, other].map(|text| text.get(protocol).unwrap_or(&none));
        let (of_both, common) = one.shared(other);
        numbers = [numbers[0] + of_both[0], numbers[1] + of_both[1]];
        shared += common;
    }
    shared > 0 && shared * 4 >= numbers[0].min(numbers[1]) * 3
}

/// The ports of a flow as one number.
#[inline]
fn ports(flow: &Flow<'_>) -> u32 {
    match flow.orig.ends {
        Ends::Ports { source, destination } => u32::from(source) << 16 | u32::from(destination),
        _ => 0,
    }
}
