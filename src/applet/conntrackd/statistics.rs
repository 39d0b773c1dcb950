//! The numbers of the statistics and their names, in the order in which they are sent and shown.

use crate::model::{DCCP_STATES, Flow, SCTP_STATES, TCP_STATES};

/// The kind of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberKind {
    /// It goes up and down.
    Level,
    /// It only goes up.
    Count,
    /// Thousandths per second.
    Rate,
}

/// The value of a level that does not exist or is not known.
pub(super) const ABSENT: u64 = u64::MAX;

/// Section, name and kind of a number.
pub(super) type Field = (&'static str, &'static str, NumberKind);

/// The transport protocols that have a number of their own.
pub(super) const PROTOCOLS: [u8; 8] = [6, 17, 1, 58, 132, 33, 47, 136];
/// The section that counts flows by protocol.
pub(super) const PROTOCOL: &str = "protocol";
/// The protocols that have states.
pub(super) const STATEFUL: [(u8, &str, &[&str]); 3] =
    [(6, "tcp", &TCP_STATES), (132, "sctp", &SCTP_STATES), (33, "dccp", &DCCP_STATES)];

/// The spans of the rates, in seconds.
pub(super) const SPANS: [usize; 3] = [1, 10, 60];
pub(super) const RATES: &str = "rate";
/// The section that tells which parts of the sandbox hold.
pub(super) const SANDBOX: &str = "sandbox";
/// The counters that have rates: section, name, and the names of the rates over each of [`SPANS`].
pub(super) const RATED: [(&str, &str, [&str; SPANS.len()]); 5] = [
    ("flows", "created", ["created_1s", "created_10s", "created_60s"]),
    ("flows", "updated", ["updated_1s", "updated_10s", "updated_60s"]),
    ("flows", "destroyed", ["destroyed_1s", "destroyed_10s", "destroyed_60s"]),
    ("events", "received", ["events_1s", "events_10s", "events_60s"]),
    ("events", "lost", ["lost_1s", "lost_10s", "lost_60s"]),
];

/// The numbers before those by protocol.
const FIRST: [Field; 11] = [
    ("flows", "active", NumberKind::Level),
    ("flows", "assured", NumberKind::Level),
    ("flows", "unreplied", NumberKind::Level),
    ("flows", "limit", NumberKind::Level),
    ("flows", "created", NumberKind::Count),
    ("flows", "failed", NumberKind::Count),
    ("flows", "updated", NumberKind::Count),
    ("flows", "destroyed", NumberKind::Count),
    ("flows", "destroy_unknown", NumberKind::Count),
    ("table", "entries", NumberKind::Level),
    ("table", "limit", NumberKind::Level),
];

/// The numbers after those by state.
const LAST: [Field; 40] = [
    ("traffic", "orig_packets", NumberKind::Count),
    ("traffic", "orig_bytes", NumberKind::Count),
    ("traffic", "reply_packets", NumberKind::Count),
    ("traffic", "reply_bytes", NumberKind::Count),
    ("events", "received", NumberKind::Count),
    ("events", "filtered", NumberKind::Count),
    ("events", "unknown", NumberKind::Count),
    ("events", "malformed", NumberKind::Count),
    ("events", "lost", NumberKind::Count),
    ("events", "overruns", NumberKind::Count),
    ("events", "foreign", NumberKind::Count),
    ("events", "buffer_bytes", NumberKind::Level),
    ("events", "buffer_asked_bytes", NumberKind::Level),
    ("resync", "done", NumberKind::Count),
    ("resync", "failed", NumberKind::Count),
    ("resync", "missed_new", NumberKind::Count),
    ("resync", "missed_update", NumberKind::Count),
    ("resync", "missed_destroy", NumberKind::Count),
    ("resync", "asked", NumberKind::Count),
    ("resync", "age_seconds", NumberKind::Level),
    ("log", "lines", NumberKind::Count),
    ("log", "lost", NumberKind::Count),
    ("log", "is_failing", NumberKind::Level),
    ("ipfix", "records", NumberKind::Count),
    ("ipfix", "messages", NumberKind::Count),
    ("ipfix", "bytes", NumberKind::Count),
    ("ipfix", "lost", NumberKind::Count),
    ("ipfix", "uncounted", NumberKind::Count),
    ("ipfix", "failures", NumberKind::Count),
    ("ipfix", "waiting", NumberKind::Level),
    ("ipfix", "is_connected", NumberKind::Level),
    ("clients", "connected", NumberKind::Level),
    ("clients", "accepted", NumberKind::Count),
    ("clients", "dropped", NumberKind::Count),
    ("clients", "bad_requests", NumberKind::Count),
    ("daemon", "uptime_seconds", NumberKind::Level),
    (SANDBOX, "capabilities", NumberKind::Level),
    (SANDBOX, "files", NumberKind::Level),
    (SANDBOX, "ports", NumberKind::Level),
    (SANDBOX, "calls", NumberKind::Level),
];

pub(super) const FIELDS: usize = FIRST.len()
    + PROTOCOLS.len()
    + 1
    + TCP_STATES.len()
    + SCTP_STATES.len()
    + DCCP_STATES.len()
    + LAST.len()
    + RATED.len() * SPANS.len();

/// All names, in order.
pub(super) fn fields() -> impl Iterator<Item = Field> {
    let protocols = PROTOCOLS
        .into_iter()
        .map(|number| Flow::protocol_name(number).unwrap_or_default())
        .chain(["other"])
        .map(|name| (PROTOCOL, name, NumberKind::Level));
    let states = STATEFUL.into_iter().flat_map(|(_, section, names)| {
        names.iter().map(move |name| (section, *name, NumberKind::Level))
    });
    let rates = RATED
        .into_iter()
        .flat_map(|(_, _, names)| names)
        .map(|name| (RATES, name, NumberKind::Rate));
    FIRST.into_iter().chain(protocols).chain(states).chain(LAST).chain(rates)
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Numbers([u64; FIELDS]);

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

    pub(super) fn set(&mut self, section: &str, name: &str, number: u64) {
        if let Some(slot) = Numbers::place(section, name).and_then(|place| self.0.get_mut(place)) {
            *slot = number;
        }
    }

    pub(super) fn set_all(&mut self, section: &str, numbers: &[(&str, u64)]) {
        for (name, number) in numbers {
            self.set(section, name, *number);
        }
    }

    pub(super) fn get(&self, section: &str, name: &str) -> u64 {
        let place = Numbers::place(section, name);
        place.and_then(|place| self.0.get(place)).copied().unwrap_or_default()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Field, u64)> {
        fields().zip(self.0)
    }

    /// Appends the numbers as they are sent.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) {
        self.0.iter().for_each(|number| buffer.extend_from_slice(&number.to_le_bytes()));
    }

    /// Decodes sent numbers; `None` if they have another shape.
    pub(super) fn read(bytes: &[u8]) -> Option<Numbers> {
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
        for (section, name, rates) in RATED {
            assert!(names.contains(&(section, name)));
            for (span, rate) in SPANS.into_iter().zip(rates) {
                assert!(rate.ends_with(&format!("_{span}s")), "{rate}");
            }
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
