//! A flow as a row of columns.

use crate::model::{Ends, Flow, FlowStatus};
use crate::out::{Column, Value};
use crate::source::flows::labels::Labels;

pub(crate) const FAMILY: Column =
    Column::label("family", "ipv4 or ipv6, or the number of another one");
pub(crate) const PROTO: Column = Column::label(
    "proto",
    "the transport protocol: its name, or its number if connbox has no name for it",
);
pub(crate) const STATE: Column =
    Column::label("state", "the state of TCP, SCTP or DCCP, as connection tracking calls it");
pub(crate) const SRC: Column = Column::label("src", "the source address of the original direction");
pub(crate) const DST: Column =
    Column::label("dst", "the destination address of the original direction");
pub(crate) const SPORT: Column =
    Column::label("sport", "the source port of the original direction");
pub(crate) const DPORT: Column =
    Column::label("dport", "the destination port of the original direction");
pub(crate) const REPLY_SRC: Column =
    Column::label("reply_src", "the source address of the reply direction");
pub(crate) const REPLY_DST: Column =
    Column::label("reply_dst", "the destination address of the reply direction");
pub(crate) const REPLY_SPORT: Column =
    Column::label("reply_sport", "the source port of the reply direction");
pub(crate) const REPLY_DPORT: Column =
    Column::label("reply_dport", "the destination port of the reply direction");
// Shells reserve the variables STATUS and MARK.
pub(crate) const STATUS: Column = Column::label(
    "ct_status",
    "the status of the flow, a list: SEEN_REPLY, ASSURED, CONFIRMED, SRC_NAT, OFFLOAD and the like",
);
pub(crate) const MARK: Column = Column::label("ct_mark", "the mark of nftables and iptables");
pub(crate) const ZONE: Column =
    Column::label("zone", "the zone of both directions; absent if it is 0");
pub(crate) const ORIG_ZONE: Column =
    Column::label("orig_zone", "the zone of the original direction only; absent if it is 0");
pub(crate) const REPLY_ZONE: Column =
    Column::label("reply_zone", "the zone of the reply direction only; absent if it is 0");
pub(crate) const HELPER: Column =
    Column::label("helper", "the helper that follows the flow: ftp, sip");
pub(crate) const LABELS: Column =
    Column::label("labels", "its labels, a list: names in /etc/xtables/connlabel.conf, or numbers");

pub(crate) const ID: Column =
    Column::label("id", "a number that identifies the flow as long as it exists");
pub(crate) const TIMEOUT: Column = Column::gauge(
    "timeout_seconds",
    "conntrack_flow_timeout_seconds",
    "how long the flow stays without a packet; absent where a flow table carries its packets",
);

/// The columns of a flow.
pub(crate) const COLUMNS: [Column; 39] = [
    FAMILY,
    PROTO,
    STATE,
    TIMEOUT,
    SRC,
    DST,
    SPORT,
    DPORT,
    Column::label("icmp_type", "the type of ICMP or ICMPv6"),
    Column::label("icmp_code", "the code of ICMP or ICMPv6"),
    Column::label("icmp_id", "the identifier of an ICMP echo"),
    Column::label("srckey", "the key of GRE"),
    Column::label("dstkey", "the other key of GRE"),
    REPLY_SRC,
    REPLY_DST,
    REPLY_SPORT,
    REPLY_DPORT,
    Column::label("reply_icmp_type", "the type of ICMP of the reply direction"),
    Column::label("reply_icmp_code", "the code of ICMP of the reply direction"),
    Column::label("reply_icmp_id", "the identifier of ICMP of the reply direction"),
    Column::label("reply_srckey", "the key of GRE of the reply direction"),
    Column::label("reply_dstkey", "the other key of GRE of the reply direction"),
    Column::counter(
        "packets",
        "conntrack_flow_packets",
        "packets of the original direction; absent without nf_conntrack_acct",
    ),
    Column::counter("bytes", "conntrack_flow_bytes", "bytes of the original direction"),
    Column::counter(
        "reply_packets",
        "conntrack_flow_reply_packets",
        "packets of the reply direction",
    ),
    Column::counter("reply_bytes", "conntrack_flow_reply_bytes", "bytes of the reply direction"),
    STATUS,
    MARK,
    Column::label("secmark", "the mark of a security module"),
    Column::label("secctx", "the name of the security context"),
    ZONE,
    ORIG_ZONE,
    REPLY_ZONE,
    HELPER,
    Column::gauge(
        "uses",
        "conntrack_flow_uses",
        "how many references the kernel holds to the flow",
    ),
    ID,
    Column::gauge(
        "start_seconds",
        "conntrack_flow_start_seconds",
        "when the flow began, in seconds since 1970; absent without nf_conntrack_timestamp",
    ),
    Column::gauge(
        "stop_seconds",
        "conntrack_flow_stop_seconds",
        "when the flow ended, in seconds since 1970",
    ),
    LABELS,
];

/// Makes rows of flows; its buffers are reused for the next row.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    status: Vec<u8>,
    labels: Vec<u8>,
}

impl Rows {
    /// The values of the [`COLUMNS`] of a flow.
    pub(crate) fn values<'a>(
        &'a mut self,
        flow: &Flow<'a>,
        labels: &Labels,
    ) -> [Value<'a>; COLUMNS.len()] {
        let status = flow.status.unwrap_or_default();
        push_status(&mut self.status, status);
        self.labels.clear();
        push_labels(&mut self.labels, flow.labels.unwrap_or_default(), labels);
        let this: &'a Rows = self;
        let [sport, dport, kind, code, id, srckey, dstkey] = ends(flow.orig.ends);
        let [
            reply_sport,
            reply_dport,
            reply_kind,
            reply_code,
            reply_id,
            reply_srckey,
            reply_dstkey,
        ] = ends(flow.reply.ends);
        let [packets, reply_packets] =
            flow.traffic.map(|traffic| int(traffic.map(|traffic| traffic.packets)));
        let [bytes, reply_bytes] =
            flow.traffic.map(|traffic| int(traffic.map(|traffic| traffic.bytes)));
        [
            family(flow.family),
            proto(flow.orig.protocol),
            state(flow.orig.protocol, flow.state),
            int(flow.timeout_seconds),
            Value::Addr(flow.orig.source),
            Value::Addr(flow.orig.destination),
            sport,
            dport,
            kind,
            code,
            id,
            srckey,
            dstkey,
            Value::Addr(flow.reply.source),
            Value::Addr(flow.reply.destination),
            reply_sport,
            reply_dport,
            reply_kind,
            reply_code,
            reply_id,
            reply_srckey,
            reply_dstkey,
            packets,
            bytes,
            reply_packets,
            reply_bytes,
            list(&this.status, flow.status.is_some()),
            int(flow.mark),
            int(flow.secmark),
            text(flow.secctx),
            int(flow.zone),
            int(flow.orig.zone),
            int(flow.reply.zone),
            text(flow.helper),
            int(flow.uses),
            int(flow.id),
            seconds(flow.start_nanoseconds),
            seconds(flow.stop_nanoseconds),
            list(&this.labels, flow.labels.is_some()),
        ]
    }
}

/// The name of an address family.
pub(crate) fn family(number: u8) -> Value<'static> {
    match number {
        2 => Value::Word("ipv4"),
        10 => Value::Word("ipv6"),
        other => Value::Int(other.into()),
    }
}

/// The name of a transport protocol.
pub(crate) fn proto(number: u8) -> Value<'static> {
    Flow::protocol_name(number).map_or(Value::Int(number.into()), Value::Word)
}

/// The name of a state of `protocol`; a state without a name is its number.
pub(crate) fn state(protocol: u8, state: Option<u8>) -> Value<'static> {
    let Some(state) = state else { return Value::Absent };
    let name = Flow::states_of(protocol).get(usize::from(state));
    name.map_or(Value::Int(state.into()), |name| Value::Word(name))
}

/// Ports, then type, code and identifier of ICMP, then keys.
pub(crate) fn ends(ends: Ends) -> [Value<'static>; 7] {
    let mut values = [Value::Absent; 7];
    let number = |number: u16| Value::Int(number.into());
    match ends {
        Ends::None => {}
        Ends::Ports { source, destination } => {
            [values[0], values[1]] = [number(source), number(destination)];
        }
        Ends::Icmp { kind, code, id } => {
            [values[2], values[3], values[4]] =
                [number(kind.into()), number(code.into()), number(id)];
        }
        Ends::Keys { source, destination } => {
            [values[5], values[6]] = [number(source), number(destination)];
        }
    }
    values
}

pub(crate) fn int<'a>(number: Option<impl Into<i128>>) -> Value<'a> {
    number.map_or(Value::Absent, |number| Value::Int(number.into()))
}

pub(crate) fn text(text: Option<&[u8]>) -> Value<'_> {
    text.map_or(Value::Absent, Value::Text)
}

pub(crate) fn list(words: &[u8], is_there: bool) -> Value<'_> {
    if is_there { Value::List(words) } else { Value::Absent }
}

fn seconds<'a>(nanoseconds: Option<u64>) -> Value<'a> {
    nanoseconds.map_or(Value::Absent, |time| Value::Millis((time / 1_000_000).into()))
}

/// Writes the names of the set bits, or the numbers of bits without a name.
pub(crate) fn push_status(buffer: &mut Vec<u8>, status: FlowStatus) {
    buffer.clear();
    for bit in (0..u32::BITS).filter(|bit| status.0 >> bit & 1 != 0) {
        if !buffer.is_empty() {
            buffer.push(b',');
        }
        match FlowStatus::NAMES.get(bit as usize) {
            Some(name) => buffer.extend_from_slice(name.as_bytes()),
            None => buffer.extend_from_slice(bit.to_string().as_bytes()),
        }
    }
}

/// Appends the names of the set bits, or the numbers of bits without a name.
pub(crate) fn push_labels(buffer: &mut Vec<u8>, set: &[u8], labels: &Labels) {
    let start = buffer.len();
    for (place, byte) in set.iter().enumerate().filter(|(_, byte)| **byte != 0) {
        for bit in (0..8).filter(|bit| byte >> bit & 1 != 0).map(|bit| place * 8 + bit) {
            if buffer.len() > start {
                buffer.push(b',');
            }
            match labels.name(bit) {
                Some(name) => buffer.extend_from_slice(name),
                None => buffer.extend_from_slice(bit.to_string().as_bytes()),
            }
        }
    }
}
