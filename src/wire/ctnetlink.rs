//! Requests to the kernel's connection tracking, and its answers and events
//! (include/uapi/linux/netfilter/nfnetlink_conntrack.h).
//!
//! Integers in attributes are big-endian, but for the words of CTA_LABELS and the flags of
//! CTA_FILTER.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::netlink::attributes;

/// The subsystem of flows, in the upper byte of a message's type: `NFNL_SUBSYS_CTNETLINK`.
pub const FLOWS: u16 = 1 << 8;
/// The subsystem of expectations: `NFNL_SUBSYS_CTNETLINK_EXP`.
pub const EXPECTATIONS: u16 = 2 << 8;
/// `IPCTNL_MSG_CT_NEW`: a flow of a dump, or one that is new or has changed.
pub const NEW: u16 = 0;
/// `IPCTNL_MSG_CT_GET`: asks for flows.
pub const GET: u16 = 1;
/// `IPCTNL_MSG_CT_DELETE`: a flow that has ended.
pub const DELETE: u16 = 2;
/// `IPCTNL_MSG_CT_GET_STATS_CPU`: asks for counters by CPU. Of expectations it is 3.
pub const GET_STATS_CPU: u16 = 4;
/// `IPCTNL_MSG_CT_GET_STATS`: asks for the number of flows and its limit.
pub const GET_STATS: u16 = 5;
/// `IPCTNL_MSG_CT_GET_DYING`: asks for flows waiting to be freed.
pub const GET_DYING: u16 = 6;
/// `IPCTNL_MSG_CT_GET_UNCONFIRMED`: asks for flows whose first packet has not left yet.
pub const GET_UNCONFIRMED: u16 = 7;

/// `NLM_F_CREATE | NLM_F_EXCL`: the event reports a new flow, not a change.
pub const CREATED: u16 = 0x600;

/// The attributes of a flow, `CTA_…`.
pub mod attribute {
    pub const TUPLE_ORIG: u16 = 1;
    pub const TUPLE_REPLY: u16 = 2;
    pub const STATUS: u16 = 3;
    pub const PROTOINFO: u16 = 4;
    pub const HELP: u16 = 5;
    pub const TIMEOUT: u16 = 7;
    pub const MARK: u16 = 8;
    pub const COUNTERS_ORIG: u16 = 9;
    pub const COUNTERS_REPLY: u16 = 10;
    pub const USE: u16 = 11;
    pub const ID: u16 = 12;
    pub const TUPLE_MASTER: u16 = 14;
    pub const SECMARK: u16 = 17;
    pub const ZONE: u16 = 18;
    pub const SECCTX: u16 = 19;
    pub const TIMESTAMP: u16 = 20;
    pub const MARK_MASK: u16 = 21;
    pub const LABELS: u16 = 22;
    pub const FILTER: u16 = 25;
    pub const STATUS_MASK: u16 = 26;
    pub const TIMESTAMP_EVENT: u16 = 27;
}

/// The length of `struct nfgenmsg`, which begins every payload.
const FIXED: usize = 4;

/// What begins every payload, `struct nfgenmsg`: the family, version 0 and the resource's number.
pub const fn head(family: u8, resource: u16) -> [u8; FIXED] {
    let [high, low] = resource.to_be_bytes();
    [family, 0, high, low]
}

/// A message about a flow or an expectation: its attributes by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The address family's number.
    pub family: u8,
    /// The resource ID; for counters, the CPU.
    pub resource: u16,
    attributes: [Option<&'a [u8]>; ATTRIBUTES],
}

/// One more than the greatest attribute number that is read.
const ATTRIBUTES: usize = 28;

/// Reads the payload of one message; unknown attributes are skipped.
#[inline]
pub fn entry(payload: &[u8]) -> Option<Entry<'_>> {
    let (&[family, _, high, low], rest) = payload.split_first_chunk::<FIXED>()?;
    let mut known = [None; ATTRIBUTES];
    for (kind, value) in attributes(rest) {
        if let Some(slot) = known.get_mut(usize::from(kind)) {
            *slot = Some(value);
        }
    }
    Some(Entry { family, resource: u16::from_be_bytes([high, low]), attributes: known })
}

impl<'a> Entry<'a> {
    /// The value of an attribute.
    #[inline]
    pub fn bytes(&self, kind: u16) -> Option<&'a [u8]> {
        self.attributes.get(usize::from(kind)).copied().flatten()
    }

    /// The value of an attribute that is a number of 32 bits.
    #[inline]
    pub fn word(&self, kind: u16) -> Option<u32> {
        self.bytes(kind).and_then(word)
    }

    /// The value of an attribute that is a number of 16 bits.
    #[inline]
    pub fn half(&self, kind: u16) -> Option<u16> {
        self.bytes(kind).and_then(half)
    }

    /// The first attribute `kind` inside the nested attribute `outer`.
    #[inline]
    pub fn nested(&self, outer: u16, kind: u16) -> Option<&'a [u8]> {
        find(self.bytes(outer)?, kind)
    }
}

/// One direction of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tuple {
    /// The source address; `None` if it is absent or malformed.
    pub source: Option<IpAddr>,
    pub destination: Option<IpAddr>,
    /// The transport protocol's number.
    pub protocol: u8,
    /// The ports or keys, source and destination.
    pub ports: [Option<u16>; 2],
    /// Type and code of ICMP and ICMPv6.
    pub icmp: [Option<u8>; 2],
    /// The identifier of ICMP and ICMPv6.
    pub icmp_id: Option<u16>,
    /// The zone of this direction.
    pub zone: Option<u16>,
}

/// Reads the nested attributes of a tuple.
#[inline]
pub fn tuple(bytes: &[u8]) -> Tuple {
    const IP: u16 = 1;
    const PROTO: u16 = 2;
    const ZONE: u16 = 3;
    let mut tuple = Tuple::default();
    for (kind, value) in attributes(bytes) {
        match kind {
            IP => addresses(&mut tuple, value),
            PROTO => transport(&mut tuple, value),
            ZONE => tuple.zone = half(value),
            _ => {}
        }
    }
    tuple
}

#[inline]
fn addresses(tuple: &mut Tuple, bytes: &[u8]) {
    for (kind, value) in attributes(bytes) {
        let address = match value.len() {
            4 => value.first_chunk::<4>().map(|bytes| IpAddr::V4(Ipv4Addr::from(*bytes))),
            _ => value.first_chunk::<16>().map(|bytes| IpAddr::V6(Ipv6Addr::from(*bytes))),
        };
        match kind {
            // CTA_IP_V4_SRC and CTA_IP_V6_SRC, then the destinations.
            1 | 3 => tuple.source = address,
            2 | 4 => tuple.destination = address,
            _ => {}
        }
    }
}

#[inline]
fn transport(tuple: &mut Tuple, bytes: &[u8]) {
    for (kind, value) in attributes(bytes) {
        let byte = value.first().copied();
        match kind {
            1 => tuple.protocol = byte.unwrap_or_default(),
            2 => tuple.ports[0] = half(value),
            3 => tuple.ports[1] = half(value),
            // CTA_PROTO_ICMP_ID, _TYPE and _CODE, then those of ICMPv6.
            4 | 7 => tuple.icmp_id = half(value),
            5 | 8 => tuple.icmp[0] = byte,
            6 | 9 => tuple.icmp[1] = byte,
            _ => {}
        }
    }
}

/// The first attribute of `kind` among nested ones.
#[inline]
pub fn find(bytes: &[u8], kind: u16) -> Option<&[u8]> {
    attributes(bytes).find(|(other, _)| *other == kind).map(|(_, value)| value)
}

/// A big-endian number of 16 bits.
#[inline]
pub fn half(value: &[u8]) -> Option<u16> {
    value.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}

/// A big-endian number of 32 bits.
#[inline]
pub fn word(value: &[u8]) -> Option<u32> {
    value.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

/// A big-endian number of 64 bits, or of 32 bits as old kernels send.
#[inline]
pub fn long(value: &[u8]) -> Option<u64> {
    match value.first_chunk() {
        Some(bytes) => Some(u64::from_be_bytes(*bytes)),
        None => word(value).map(u64::from),
    }
}
