//! The storage of a flow: 152 bytes for what every flow has, and a box for what few flows have.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::{Ends, Flow, FlowStatus, Traffic, Tuple};

/// The place if there are no rare parts.
const NONE: u32 = u32::MAX;

/// What is present, as bits of [`Record::flags`]. The bits for tuples are those of the original direction;
/// those of the reply are [`REPLY`] bits higher.
mod flag {
    pub(super) const SOURCE_V6: u32 = 1;
    pub(super) const DESTINATION_V6: u32 = 1 << 1;
    /// Two bits: see `ends_kind`.
    pub(super) const ENDS: u32 = 2;
    pub(super) const ZONE_OF_TUPLE: u32 = 1 << 4;
    pub(super) const TRAFFIC: u32 = 1 << 5;
    pub(super) const STATUS: u32 = 1 << 16;
    pub(super) const TIMEOUT: u32 = 1 << 17;
    pub(super) const STATE: u32 = 1 << 18;
    pub(super) const MARK: u32 = 1 << 19;
    pub(super) const ZONE: u32 = 1 << 20;
    pub(super) const ID: u32 = 1 << 21;
    pub(super) const START: u32 = 1 << 22;
    pub(super) const GHOST: u32 = 1 << 23;
}

/// How much higher the bits of the reply are.
const REPLY: u32 = 8;

/// A tuple as it is stored and compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Way {
    source: [u8; 16],
    destination: [u8; 16],
    ends: [u16; 2],
}

/// A flow in the cache.
#[derive(Clone, Debug)]
pub(super) struct Record {
    ways: [Way; 2],
    tuple_zones: [u16; 2],
    zone: u16,
    protocol: u8,
    state: u8,
    family: u8,
    /// The number of the reconciliation that last saw it.
    pub generation: u8,
    flags: u32,
    status: u32,
    timeout_seconds: u32,
    mark: u32,
    id: u32,
    /// The place of its rare parts.
    pub rare: u32,
    /// When it was added, in seconds of the caller's clock.
    pub since_seconds: u32,
    traffic: [Traffic; 2],
    start_nanoseconds: u64,
}

/// What few flows have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Rare {
    master: Option<Tuple>,
    vtags: Option<[u32; 2]>,
    secmark: Option<u32>,
    secctx: Option<Box<[u8]>>,
    helper: Option<Box<[u8]>>,
    labels: Option<Box<[u8]>>,
}

impl Rare {
    /// The rare parts of a flow, completed from `old`; `None` if there are none.
    pub(super) fn of(flow: &Flow<'_>, old: Option<&Rare>) -> Option<Box<Rare>> {
        let text = |new: Option<&[u8]>, old: Option<&Box<[u8]>>| match new {
            Some(new) => Some(new.into()),
            None => old.cloned(),
        };
        let rare = Rare {
            master: flow.master.or(old.and_then(|old| old.master)),
            vtags: flow.vtags.or(old.and_then(|old| old.vtags)),
            secmark: flow.secmark.or(old.and_then(|old| old.secmark)),
            secctx: text(flow.secctx, old.and_then(|old| old.secctx.as_ref())),
            helper: text(flow.helper, old.and_then(|old| old.helper.as_ref())),
            labels: text(flow.labels, old.and_then(|old| old.labels.as_ref())),
        };
        (rare != Rare::default()).then(|| Box::new(rare))
    }

    /// Whether the kernel reports the change from `old` by an event: it reports all but the tags.
    pub(super) fn differs(&self, old: &Rare) -> bool {
        self.secmark != old.secmark || self.helper != old.helper || self.labels != old.labels
    }
}

impl Record {
    /// The record of a flow that is new in the cache.
    pub(super) fn of(flow: &Flow<'_>) -> Record {
        let tuples = [&flow.orig, &flow.reply];
        let mut record = Record {
            ways: tuples.map(way),
            tuple_zones: tuples.map(|tuple| tuple.zone.unwrap_or_default()),
            zone: flow.zone.unwrap_or_default(),
            protocol: flow.orig.protocol,
            state: 0,
            family: flow.family,
            generation: 0,
            flags: tuple_flags(&flow.orig) | tuple_flags(&flow.reply) << REPLY,
            status: 0,
            timeout_seconds: 0,
            mark: 0,
            id: flow.id.unwrap_or_default(),
            rare: NONE,
            since_seconds: 0,
            traffic: [Traffic::default(); 2],
            start_nanoseconds: 0,
        };
        record.flags |= if flow.zone.is_some() { flag::ZONE } else { 0 };
        record.flags |= if flow.id.is_some() { flag::ID } else { 0 };
        record.merge(flow);
        record
    }

    /// Takes over all of `flow` beyond its key; absent values are kept, since an event omits what did not
    /// change.
    pub(super) fn merge(&mut self, flow: &Flow<'_>) {
        // A flow that is reported again may have other translations.
        let of_tuples = (flag::ZONE_OF_TUPLE << 1) - 1;
        self.ways[1] = way(&flow.reply);
        self.tuple_zones[1] = flow.reply.zone.unwrap_or_default();
        self.flags = self.flags & !(of_tuples << REPLY) | tuple_flags(&flow.reply) << REPLY;
        let mut flags = self.flags;
        put(&mut self.status, flow.status.map(|status| status.0), &mut flags, flag::STATUS);
        put(&mut self.timeout_seconds, flow.timeout_seconds, &mut flags, flag::TIMEOUT);
        put(&mut self.state, flow.state, &mut flags, flag::STATE);
        put(&mut self.mark, flow.mark, &mut flags, flag::MARK);
        put(&mut self.start_nanoseconds, flow.start_nanoseconds, &mut flags, flag::START);
        let [orig, reply] = &mut self.traffic;
        put(orig, flow.traffic[0], &mut flags, flag::TRAFFIC);
        put(reply, flow.traffic[1], &mut flags, flag::TRAFFIC << REPLY);
        self.flags = flags;
    }

    /// Whether both have the same key.
    pub(super) fn is(&self, other: &Record) -> bool {
        const KEY: u32 = flag::ZONE | flag::ID | flag::ZONE_OF_TUPLE | 0b1111;
        self.id == other.id
            && self.ways[0] == other.ways[0]
            && self.protocol == other.protocol
            && [self.zone, self.tuple_zones[0]] == [other.zone, other.tuple_zones[0]]
            && (self.flags ^ other.flags) & KEY == 0
    }

    /// The bytes of the key.
    pub(super) fn key(&self, mut write: impl FnMut(&[u8])) {
        let way = &self.ways[0];
        write(&way.source);
        write(&way.destination);
        let mut rest = [0; 14];
        let numbers = [way.ends[0], way.ends[1], self.zone, self.tuple_zones[0]];
        for (bytes, number) in rest.chunks_exact_mut(2).zip(numbers) {
            bytes.copy_from_slice(&number.to_ne_bytes());
        }
        rest[8..12].copy_from_slice(&self.id.to_ne_bytes());
        rest[12] = self.protocol;
        write(&rest);
    }

    /// Whether the kernel reports the change from `old` by an event: it does not for the timeout, the
    /// counters or the like.
    pub(super) fn differs(&self, old: &Record) -> bool {
        [self.status, self.mark, self.state.into()] != [old.status, old.mark, old.state.into()]
            || self.ways[1] != old.ways[1]
    }

    /// Whether it marks a flow that has ended, in case a dump still shows it.
    pub(super) fn is_ghost(&self) -> bool {
        self.flags & flag::GHOST != 0
    }

    /// Makes it a ghost, or a flow again.
    pub(super) fn set_ghost(&mut self, is_ghost: bool) {
        self.flags = self.flags & !flag::GHOST | if is_ghost { flag::GHOST } else { 0 };
    }

    /// The transport protocol's number, and the state's if it has one.
    pub(super) fn class(&self) -> (u8, Option<u8>) {
        (self.protocol, self.has(flag::STATE).then_some(self.state))
    }

    /// The bits of its status.
    pub(super) fn status(&self) -> FlowStatus {
        FlowStatus(self.status)
    }

    pub(super) fn flow<'a>(&self, rare: Option<&'a Rare>) -> Flow<'a> {
        Flow {
            family: self.family,
            orig: self.tuple(0),
            reply: self.tuple(1),
            master: rare.and_then(|rare| rare.master),
            status: self.has(flag::STATUS).then_some(FlowStatus(self.status)),
            untold: FlowStatus(0),
            timeout_seconds: self.has(flag::TIMEOUT).then_some(self.timeout_seconds),
            state: self.has(flag::STATE).then_some(self.state),
            vtags: rare.and_then(|rare| rare.vtags),
            traffic: [
                self.has(flag::TRAFFIC).then_some(self.traffic[0]),
                self.has(flag::TRAFFIC << REPLY).then_some(self.traffic[1]),
            ],
            mark: self.has(flag::MARK).then_some(self.mark),
            secmark: rare.and_then(|rare| rare.secmark),
            secctx: rare.and_then(|rare| rare.secctx.as_deref()),
            zone: self.has(flag::ZONE).then_some(self.zone),
            id: self.has(flag::ID).then_some(self.id),
            uses: None,
            start_nanoseconds: self.has(flag::START).then_some(self.start_nanoseconds),
            stop_nanoseconds: None,
            age_seconds: None,
            event_nanoseconds: None,
            helper: rare.and_then(|rare| rare.helper.as_deref()),
            labels: rare.and_then(|rare| rare.labels.as_deref()),
        }
    }

    fn has(&self, bit: u32) -> bool {
        self.flags & bit != 0
    }

    fn tuple(&self, direction: usize) -> Tuple {
        let flags = if direction == 0 { self.flags } else { self.flags >> REPLY };
        let way = &self.ways[direction];
        let [first, second] = way.ends;
        Tuple {
            source: address(way.source, flags & flag::SOURCE_V6 != 0),
            destination: address(way.destination, flags & flag::DESTINATION_V6 != 0),
            protocol: self.protocol,
            ends: match flags >> flag::ENDS & 3 {
                1 => Ends::Ports { source: first, destination: second },
                2 => {
                    let [kind, code] = first.to_be_bytes();
                    Ends::Icmp { kind, code, id: second }
                }
                3 => Ends::Keys { source: first, destination: second },
                _ => Ends::None,
            },
            zone: (flags & flag::ZONE_OF_TUPLE != 0).then_some(self.tuple_zones[direction]),
        }
    }
}

/// Takes over a value if it is present, and notes that it is.
fn put<T>(place: &mut T, value: Option<T>, flags: &mut u32, bit: u32) {
    if let Some(value) = value {
        *place = value;
        *flags |= bit;
    }
}

fn way(tuple: &Tuple) -> Way {
    let ends = match tuple.ends {
        Ends::None => [0, 0],
        Ends::Ports { source, destination } | Ends::Keys { source, destination } => {
            [source, destination]
        }
        Ends::Icmp { kind, code, id } => [u16::from_be_bytes([kind, code]), id],
    };
    Way { source: bytes(tuple.source), destination: bytes(tuple.destination), ends }
}

fn tuple_flags(tuple: &Tuple) -> u32 {
    let ends = match tuple.ends {
        Ends::None => 0,
        Ends::Ports { .. } => 1,
        Ends::Icmp { .. } => 2,
        Ends::Keys { .. } => 3,
    };
    let bit = |is_set: bool, bit| if is_set { bit } else { 0 };
    bit(tuple.source.is_ipv6(), flag::SOURCE_V6)
        | bit(tuple.destination.is_ipv6(), flag::DESTINATION_V6)
        | bit(tuple.zone.is_some(), flag::ZONE_OF_TUPLE)
        | ends << flag::ENDS
}

fn bytes(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V6(address) => address.octets(),
        IpAddr::V4(address) => {
            let mut bytes = [0; 16];
            bytes[..4].copy_from_slice(&address.octets());
            bytes
        }
    }
}

fn address(bytes: [u8; 16], is_v6: bool) -> IpAddr {
    let [a, b, c, d, ..] = bytes;
    if is_v6 { Ipv6Addr::from(bytes).into() } else { Ipv4Addr::new(a, b, c, d).into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_small() {
        assert_eq!(size_of::<Record>(), 152);
    }
}
