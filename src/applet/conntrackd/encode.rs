//! A flow as the kernel would send it: the client decodes both in the same way.

use std::net::IpAddr;

use crate::model::{Ends, Flow, Traffic, Tuple};
use crate::wire::ctnetlink::{attribute, head};
use crate::wire::netlink::push_attribute;

/// CTA_IP_V4_SRC and _DST, then CTA_IP_V6_SRC and _DST.
const ADDRESSES: [[u16; 2]; 2] = [[1, 2], [3, 4]];
/// CTA_TUPLE_IP.
const IP: u16 = 1;
/// CTA_TUPLE_PROTO.
const PROTO: u16 = 2;
/// CTA_TUPLE_ZONE.
const ZONE: u16 = 3;

/// Appends the payload of the ctnetlink message that describes `flow`.
pub(super) fn flow(buffer: &mut Vec<u8>, flow: &Flow<'_>) {
    buffer.extend_from_slice(&head(flow.family, 0));
    tuple(buffer, attribute::TUPLE_ORIG, &flow.orig);
    tuple(buffer, attribute::TUPLE_REPLY, &flow.reply);
    if let Some(master) = &flow.master {
        tuple(buffer, attribute::TUPLE_MASTER, master);
    }
    let words = [
        (attribute::STATUS, flow.status.map(|status| status.0)),
        (attribute::TIMEOUT, flow.timeout_seconds),
        (attribute::MARK, flow.mark),
        (attribute::SECMARK, flow.secmark),
        (attribute::ID, flow.id),
        (attribute::USE, flow.uses),
    ];
    for (kind, word) in words {
        if let Some(word) = word {
            push_attribute(buffer, kind, &word.to_be_bytes());
        }
    }
    if let Some(zone) = flow.zone {
        push_attribute(buffer, attribute::ZONE, &zone.to_be_bytes());
    }
    state(buffer, flow);
    for (kind, traffic) in
        [attribute::COUNTERS_ORIG, attribute::COUNTERS_REPLY].into_iter().zip(flow.traffic)
    {
        if let Some(Traffic { packets, bytes }) = traffic {
            longs(buffer, kind, [Some(packets), Some(bytes)]);
        }
    }
    let times = [flow.start_nanoseconds, flow.stop_nanoseconds];
    if times != [None; 2] {
        longs(buffer, attribute::TIMESTAMP, times);
    }
    for (kind, text) in [(attribute::SECCTX, flow.secctx), (attribute::HELP, flow.helper)] {
        if let Some(text) = text {
            nest(buffer, kind, |buffer| push_attribute(buffer, 1, text));
        }
    }
    if let Some(labels) = flow.labels {
        push_attribute(buffer, attribute::LABELS, labels);
    }
}

fn nest(buffer: &mut Vec<u8>, kind: u16, content: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    push_attribute(buffer, kind, &[]);
    content(buffer);
    let length = u16::try_from(buffer.len() - start).unwrap_or(u16::MAX);
    buffer[start..start + 2].copy_from_slice(&length.to_ne_bytes());
}

/// Appends a nested attribute that holds 64-bit attributes, numbered from 1.
fn longs(buffer: &mut Vec<u8>, kind: u16, numbers: [Option<u64>; 2]) {
    nest(buffer, kind, |buffer| {
        for (kind, number) in (1..).zip(numbers) {
            if let Some(number) = number {
                push_attribute(buffer, kind, &number.to_be_bytes());
            }
        }
    });
}

fn tuple(buffer: &mut Vec<u8>, kind: u16, tuple: &Tuple) {
    nest(buffer, kind, |buffer| {
        nest(buffer, IP, |buffer| {
            for (place, address) in [tuple.source, tuple.destination].into_iter().enumerate() {
                match address {
                    IpAddr::V4(v4) => push_attribute(buffer, ADDRESSES[0][place], &v4.octets()),
                    IpAddr::V6(v6) => push_attribute(buffer, ADDRESSES[1][place], &v6.octets()),
                }
            }
        });
        nest(buffer, PROTO, |buffer| transport(buffer, tuple));
        if let Some(zone) = tuple.zone {
            push_attribute(buffer, ZONE, &zone.to_be_bytes());
        }
    });
}

fn transport(buffer: &mut Vec<u8>, tuple: &Tuple) {
    const ICMPV6: u8 = 58;
    push_attribute(buffer, 1, &[tuple.protocol]);
    match tuple.ends {
        Ends::None => {}
        Ends::Ports { source, destination } | Ends::Keys { source, destination } => {
            push_attribute(buffer, 2, &source.to_be_bytes());
            push_attribute(buffer, 3, &destination.to_be_bytes());
        }
        Ends::Icmp { kind, code, id } => {
            let first = if tuple.protocol == ICMPV6 { 7 } else { 4 };
            push_attribute(buffer, first, &id.to_be_bytes());
            push_attribute(buffer, first + 1, &[kind]);
            push_attribute(buffer, first + 2, &[code]);
        }
    }
}

/// Appends the TCP, DCCP or SCTP state, and the verification tags of SCTP.
fn state(buffer: &mut Vec<u8>, flow: &Flow<'_>) {
    let Some(state) = flow.state else { return };
    let kind = match flow.orig.protocol {
        6 => 1,
        33 => 2,
        _ => 3,
    };
    nest(buffer, attribute::PROTOINFO, |buffer| {
        nest(buffer, kind, |buffer| {
            push_attribute(buffer, 1, &[state]);
            for (kind, tag) in [2, 3].into_iter().zip(flow.vtags.into_iter().flatten()) {
                push_attribute(buffer, kind, &tag.to_be_bytes());
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::FlowStatus;
    use crate::source::flows::conntrack;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let ends = [
            (6, Ends::Ports { source: 1, destination: 65535 }),
            (132, Ends::Ports { source: 7, destination: 8 }),
            (1, Ends::Icmp { kind: 8, code: 1, id: 9 }),
            (58, Ends::Icmp { kind: 128, code: 0, id: 1000 }),
            (47, Ends::Keys { source: 5, destination: 6 }),
            (50, Ends::None),
        ];
        for (protocol, ends) in ends {
            let orig = Tuple {
                source: "10.0.0.1".parse().unwrap(),
                destination: "fd00::1".parse().unwrap(),
                protocol,
                ends,
                zone: Some(3),
            };
            let told = Flow {
                family: 2,
                orig,
                reply: Tuple { zone: None, ..orig },
                master: Some(orig),
                status: Some(FlowStatus(0x18e)),
                timeout_seconds: Some(5),
                state: matches!(protocol, 6 | 132).then_some(3),
                vtags: (protocol == 132).then_some([1, 2]),
                traffic: [Some(Traffic { packets: 1, bytes: u64::MAX }), None],
                mark: Some(0),
                secmark: Some(4),
                secctx: Some(b"system_u"),
                zone: Some(9),
                id: Some(77),
                uses: Some(1),
                start_nanoseconds: Some(1 << 60),
                stop_nanoseconds: None,
                event_nanoseconds: None,
                helper: Some(b"ftp"),
                labels: Some(&[1; 16]),
                ..Flow::default()
            };
            let mut bytes = Vec::new();
            flow(&mut bytes, &told);
            assert_eq!(conntrack::flow(&bytes), Some(told));
        }
    }
}
