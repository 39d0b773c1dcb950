//! The numbers of the statistics and their names, in the order in which they are sent and shown.

use crate::model::{DCCP_STATES, Flow, SCTP_STATES, TCP_STATES};

/// The kind of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It goes up and down.
    Level,
    /// It only goes up.
    Count,
    /// Thousandths per second.
    Rate,
}

/// The value of a level that does not exist or is not known.
pub const ABSENT: u64 = u64::MAX;

/// Section, name and kind of a number.
pub type Field = (&'static str, &'static str, Kind);

/// The transport protocols that have a number of their own.
pub const PROTOCOLS: [u8; 8] = [6, 17, 1, 58, 132, 33, 47, 136];
/// The section that counts flows by protocol.
pub const PROTOCOL: &str = "protocol";
/// The protocols that have states.
pub const STATEFUL: [(u8, &str, &[&str]); 3] =
    [(6, "tcp", &TCP_STATES), (132, "sctp", &SCTP_STATES), (33, "dccp", &DCCP_STATES)];

/// The counters that have rates.
pub const RATED: [(&str, &str); 5] = [
    ("flows", "created"),
    ("flows", "updated"),
    ("flows", "destroyed"),
    ("events", "received"),
    ("events", "lost"),
];
/// The spans of the rates, in seconds.
pub const SPANS: [usize; 3] = [1, 10, 60];

pub const RATES: &str = "rate";
/// The names of the rates, in the order of [`RATED`].
pub const RATE_NAMES: [[&str; SPANS.len()]; RATED.len()] = [
    ["created_1s", "created_10s", "created_60s"],
    ["updated_1s", "updated_10s", "updated_60s"],
    ["destroyed_1s", "destroyed_10s", "destroyed_60s"],
    ["events_1s", "events_10s", "events_60s"],
    ["lost_1s", "lost_10s", "lost_60s"],
];

/// The numbers before those by protocol.
const FIRST: [Field; 11] = [
    ("flows", "active", Kind::Level),
    ("flows", "assured", Kind::Level),
    ("flows", "unreplied", Kind::Level),
    ("flows", "limit", Kind::Level),
    ("flows", "created", Kind::Count),
    ("flows", "failed", Kind::Count),
    ("flows", "updated", Kind::Count),
    ("flows", "destroyed", Kind::Count),
    ("flows", "destroy_unknown", Kind::Count),
    ("table", "entries", Kind::Level),
    ("table", "limit", Kind::Level),
];

/// The numbers after those by state.
const LAST: [Field; 27] = [
    ("traffic", "orig_packets", Kind::Count),
    ("traffic", "orig_bytes", Kind::Count),
    ("traffic", "reply_packets", Kind::Count),
    ("traffic", "reply_bytes", Kind::Count),
    ("events", "received", Kind::Count),
    ("events", "filtered", Kind::Count),
    ("events", "unknown", Kind::Count),
    ("events", "malformed", Kind::Count),
    ("events", "lost", Kind::Count),
    ("events", "overruns", Kind::Count),
    ("events", "buffer_bytes", Kind::Level),
    ("events", "buffer_asked_bytes", Kind::Level),
    ("resync", "done", Kind::Count),
    ("resync", "failed", Kind::Count),
    ("resync", "missed_new", Kind::Count),
    ("resync", "missed_update", Kind::Count),
    ("resync", "missed_destroy", Kind::Count),
    ("resync", "asked", Kind::Count),
    ("resync", "age_seconds", Kind::Level),
    ("log", "lines", Kind::Count),
    ("log", "lost", Kind::Count),
    ("log", "is_failing", Kind::Level),
    ("clients", "connected", Kind::Level),
    ("clients", "accepted", Kind::Count),
    ("clients", "dropped", Kind::Count),
    ("clients", "bad_requests", Kind::Count),
    ("daemon", "uptime_seconds", Kind::Level),
];

pub const FIELDS: usize = FIRST.len()
    + PROTOCOLS.len()
    + 1
    + TCP_STATES.len()
    + SCTP_STATES.len()
    + DCCP_STATES.len()
    + LAST.len()
    + RATED.len() * SPANS.len();

/// All names, in order.
pub fn fields() -> impl Iterator<Item = Field> {
    let protocols = PROTOCOLS
        .into_iter()
        .map(|number| Flow::protocol_name(number).unwrap_or_default())
        .chain(["other"])
        .map(|name| (PROTOCOL, name, Kind::Level));
    let states = STATEFUL.into_iter().flat_map(|(_, section, names)| {
        names.iter().map(move |name| (section, *name, Kind::Level))
    });
    let rates = RATE_NAMES.into_iter().flatten().map(|name| (RATES, name, Kind::Rate));
    FIRST.into_iter().chain(protocols).chain(states).chain(LAST).chain(rates)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbers([u64; FIELDS]);

impl Default for Numbers {
    fn default() -> Numbers {
        Numbers([0; FIELDS])
    }
}

impl Numbers {
    fn place(section: &str, name: &str) -> Option<usize> {
        let place = fields().position(|field| (field.0, field.1) == (section, name));
        debug_assert!(place.is_some(), "{section} {name}");
        place
    }

    pub fn set(&mut self, section: &str, name: &str, number: u64) {
        if let Some(slot) = Numbers::place(section, name).and_then(|place| self.0.get_mut(place)) {
            *slot = number;
        }
    }

    pub fn set_all(&mut self, section: &str, numbers: &[(&str, u64)]) {
        for (name, number) in numbers {
            self.set(section, name, *number);
        }
    }

    pub fn get(&self, section: &str, name: &str) -> u64 {
        let place = Numbers::place(section, name);
        place.and_then(|place| self.0.get(place)).copied().unwrap_or_default()
    }

    pub fn iter(&self) -> impl Iterator<Item = (Field, u64)> {
        fields().zip(self.0)
    }

    /// Appends the numbers as they are sent.
    pub fn write(&self, buffer: &mut Vec<u8>) {
        self.0.iter().for_each(|number| buffer.extend_from_slice(&number.to_le_bytes()));
    }

    /// Decodes sent numbers; `None` if they have another shape.
    pub fn read(bytes: &[u8]) -> Option<Numbers> {
        let (chunks, rest) = bytes.as_chunks::<8>();
        if chunks.len() != FIELDS || !rest.is_empty() {
            return None;
        }
        let mut numbers = Numbers::default();
        for (slot, chunk) in numbers.0.iter_mut().zip(chunks) {
            *slot = u64::from_le_bytes(*chunk);
        }
        Some(numbers)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_number_has_a_name_of_its_own() {
        let names: BTreeSet<_> = fields().map(|(section, name, _)| (section, name)).collect();
        assert_eq!(names.len(), FIELDS);
        assert_eq!(fields().count(), FIELDS);
        for (section, name) in RATED {
            assert!(names.contains(&(section, name)));
        }
    }

    #[test]
    fn numbers_come_as_they_were_sent() {
        let mut numbers = Numbers::default();
        for (place, (section, name, _)) in fields().enumerate() {
            numbers.set(section, name, u64::MAX - place as u64);
        }
        let mut bytes = Vec::new();
        numbers.write(&mut bytes);
        assert_eq!(Numbers::read(&bytes), Some(numbers));
        assert_eq!(Numbers::read(&bytes[1..]), None);
        assert_eq!(Numbers::read(&[]), None);
    }
}
