//! A filter of flows in the kernel's terms: attributes of a dump request (ctnetlink_alloc_filter of
//! net/netfilter/nf_conntrack_netlink.c).
//!
//! The kernel only skips flows that do not match. What it cannot express exactly (networks, labels,
//! translations, the zone of one direction, and all exclusions but those of statuses and single bits of a mark) is left
//! to [`FlowFilter::has`]. Every flow is tested there again,
//! since kernels ignore attributes that they do not know.

use std::net::IpAddr;

use crate::model::{FlowFilter, Masked, Side};
use crate::wire::ctnetlink::attribute;
use crate::wire::netlink::push_attribute;

/// The nested attributes of a tuple, CTA_TUPLE_….
const IP: u16 = 1;
const PROTO: u16 = 2;
const TUPLE_ZONE: u16 = 3;
/// CTA_PROTO_NUM.
const NUMBER: u16 = 1;
/// The flags of CTA_FILTER: which parts of a tuple must be equal.
const FLAG_SOURCE: u32 = 1;
const FLAG_DESTINATION: u32 = 1 << 1;
const FLAG_NUMBER: u32 = 1 << 3;
const FLAG_PORTS: [u32; 2] = [1 << 4, 1 << 5];
const ICMP: u8 = 1;
const ICMPV6: u8 = 58;

/// The attributes that express `filter`, as far as the kernel can test it. The family is not among them: it is
/// in the header of the request.
pub fn attributes(filter: &FlowFilter) -> Vec<u8> {
    let mut buffer = Vec::new();
    let mut word = |kind, number: u32| push_attribute(&mut buffer, kind, &number.to_be_bytes());
    if let Some([mark, mask]) = filter.masked_mark() {
        word(attribute::MARK, mark);
        word(attribute::MARK_MASK, mask);
    }
    let [set, unset] = filter.status;
    if set | unset != 0 {
        word(attribute::STATUS, set);
        word(attribute::STATUS_MASK, set | unset);
    }
    // Zone 0 would exclude flows that have a zone in one direction only.
    if let Some(zone) = filter.zone.filter(|zone| *zone != 0) {
        push_attribute(&mut buffer, attribute::ZONE, &zone.to_be_bytes());
    }
    let sides = [flags(filter, &filter.orig, true), flags(filter, &filter.reply, false)];
    if sides != [0, 0] {
        let mut nested = Vec::new();
        for (kind, flags) in (1..).zip(sides) {
            push_attribute(&mut nested, kind, &flags.to_ne_bytes());
        }
        push_nested(&mut buffer, attribute::FILTER, &nested);
        let kinds = [attribute::TUPLE_ORIG, attribute::TUPLE_REPLY];
        for ((kind, side), flags) in kinds.into_iter().zip([&filter.orig, &filter.reply]).zip(sides)
        {
            if flags != 0 {
                push_nested(&mut buffer, kind, &tuple(side, filter.protocol, flags));
            }
        }
    }
    buffer
}

/// The attributes that identify one flow by the tuple of its original direction or, if that has no addresses,
/// of its reply direction.
pub fn one(filter: &FlowFilter) -> Vec<u8> {
    let mut buffer = Vec::new();
    if let Some(zone) = filter.zone {
        push_attribute(&mut buffer, attribute::ZONE, &zone.to_be_bytes());
    }
    let (kind, side) = match filter.orig.source {
        Some(_) => (attribute::TUPLE_ORIG, &filter.orig),
        None => (attribute::TUPLE_REPLY, &filter.reply),
    };
    push_nested(&mut buffer, kind, &tuple(side, filter.protocol, u32::MAX));
    buffer
}

/// Which parts of a direction the kernel compares: only exact ones.
///
/// IPv6 addresses are not among them: for them, the kernel (6.18 too) excludes the flows that match and gives
/// the others (ctnetlink_filter_match_tuple takes ipv6_addr_cmp for a test of equality).
fn flags(filter: &FlowFilter, side: &Side, is_orig: bool) -> u32 {
    let mut flags = 0;
    let mut set = |flag, is_asked| flags |= if is_asked { flag } else { 0 };
    let is_exact = |address: &Option<Masked>| {
        let is_sound = |address: &Masked| address.address.is_ipv4() && address.is_exact();
        filter.family.is_some() && address.as_ref().is_some_and(is_sound)
    };
    set(FLAG_SOURCE, is_exact(&side.source));
    set(FLAG_DESTINATION, is_exact(&side.destination));
    // The kernel looks at ports and ICMP fields only if the protocol is given, which is the same in both
    // directions.
    let asks_ends = side.ports != [None; 2] || side.icmp != [None; 2] || side.icmp_id.is_some();
    set(FLAG_NUMBER, filter.protocol.is_some() && (is_orig || asks_ends));
    if filter.protocol.is_some_and(|protocol| ![ICMP, ICMPV6].contains(&protocol)) {
        set(FLAG_PORTS[0], side.ports[0].is_some());
        set(FLAG_PORTS[1], side.ports[1].is_some());
    }
    flags
}

/// The nested attributes of a direction that `flags` name.
fn tuple(side: &Side, protocol: Option<u8>, flags: u32) -> Vec<u8> {
    let (mut buffer, mut addresses, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for (flag, kinds, address) in
        [(FLAG_SOURCE, [1, 3], &side.source), (FLAG_DESTINATION, [2, 4], &side.destination)]
    {
        match address.filter(|_| flags & flag != 0).map(|masked| masked.address) {
            Some(IpAddr::V4(address)) => {
                push_attribute(&mut addresses, kinds[0], &address.octets());
            }
            Some(IpAddr::V6(address)) => {
                push_attribute(&mut addresses, kinds[1], &address.octets());
            }
            None => {}
        }
    }
    if !addresses.is_empty() {
        push_nested(&mut buffer, IP, &addresses);
    }
    if let Some(protocol) = protocol.filter(|_| flags & FLAG_NUMBER != 0) {
        push_attribute(&mut ends, NUMBER, &[protocol]);
        for ((kind, port), flag) in (2..).zip(side.ports).zip(FLAG_PORTS) {
            if let Some(port) = port.filter(|_| flags & flag != 0) {
                push_attribute(&mut ends, kind, &port.to_be_bytes());
            }
        }
        push_icmp(&mut ends, side, protocol);
        push_nested(&mut buffer, PROTO, &ends);
    }
    if let Some(zone) = side.zone.filter(|_| flags == u32::MAX) {
        push_attribute(&mut buffer, TUPLE_ZONE, &zone.to_be_bytes());
    }
    buffer
}

/// Appends the identifier, type and code of ICMP or ICMPv6.
fn push_icmp(buffer: &mut Vec<u8>, side: &Side, protocol: u8) {
    let first = match protocol {
        ICMP => 4,
        ICMPV6 => 7,
        _ => return,
    };
    if let Some(id) = side.icmp_id {
        push_attribute(buffer, first, &id.to_be_bytes());
    }
    for (kind, number) in (first + 1..).zip(side.icmp) {
        if let Some(number) = number {
            push_attribute(buffer, kind, &[number]);
        }
    }
}

fn push_nested(buffer: &mut Vec<u8>, kind: u16, nested: &[u8]) {
    const NESTED: u16 = 0x8000;
    push_attribute(buffer, NESTED | kind, nested);
}
