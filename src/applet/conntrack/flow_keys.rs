//! The keys by which flows are grouped.

use crate::flow::row;
use crate::model::{Ends, Flow, FlowStatus};
use crate::out::Column;
use crate::select::keys::Shape::{Address, List, Number, Text, Word};
use crate::select::keys::{Counted, Key, names, push_text, word};
use crate::source::flows::labels::Labels;

#[derive(Debug, Default)]
pub(super) struct TrackedFlows;

impl Counted for TrackedFlows {
    type One<'a> = (&'a Flow<'a>, &'a Labels);
    const KEYS: &'static [Key<TrackedFlows>] = &KEYS;
    const NAMES: &'static [&'static str] = &names(&KEYS);
    const NUMBERS: &'static [Column] = &NUMBERS;
    const SUMS: &'static [&'static str] = &["packets", "bytes"];
}

pub(super) const NUMBERS: [Column; 3] = [
    Column::gauge("count", "conntrack_matching_flows", "flows that match the filters"),
    Column::gauge(
        "sum_packets",
        "conntrack_matching_packets",
        "packets of these flows, over both directions",
    ),
    Column::gauge(
        "sum_bytes",
        "conntrack_matching_bytes",
        "bytes of these flows, over both directions",
    ),
];

const KEYS: [Key<TrackedFlows>; 18] = [
    Key::new(
        "proto",
        row::PROTO,
        Word(|(flow, _)| Some(flow.orig.protocol.into()), |number| row::proto(low(number))),
    ),
    Key::new(
        "state",
        row::STATE,
        Word(|(flow, _)| state(flow), |both| row::state(high(both), Some(low(both)))),
    ),
    Key::new(
        "family",
        row::FAMILY,
        Word(|(flow, _)| Some(flow.family.into()), |number| row::family(low(number))),
    ),
    Key::new("src", row::SRC, Address(|(flow, _)| flow.orig.source)),
    Key::new("dst", row::DST, Address(|(flow, _)| flow.orig.destination)),
    Key::new("reply_src", row::REPLY_SRC, Address(|(flow, _)| flow.reply.source)),
    Key::new("reply_dst", row::REPLY_DST, Address(|(flow, _)| flow.reply.destination)),
    Key::new("sport", row::SPORT, Number(|(flow, _)| ports(flow.orig.ends)[0])),
    Key::new("dport", row::DPORT, Number(|(flow, _)| ports(flow.orig.ends)[1])),
    Key::new("reply_sport", row::REPLY_SPORT, Number(|(flow, _)| ports(flow.reply.ends)[0])),
    Key::new("reply_dport", row::REPLY_DPORT, Number(|(flow, _)| ports(flow.reply.ends)[1])),
    Key::new("zone", row::ZONE, Number(|(flow, _)| flow.zone.map(u32::from))),
    Key::new("orig_zone", row::ORIG_ZONE, Number(|(flow, _)| flow.orig.zone.map(u32::from))),
    Key::new("reply_zone", row::REPLY_ZONE, Number(|(flow, _)| flow.reply.zone.map(u32::from))),
    Key::new("mark", row::MARK, Number(|(flow, _)| flow.mark)),
    Key::new(
        "status",
        row::STATUS,
        Word(|(flow, _)| status(flow), |place| word(&STATUSES.map(|(word, _)| word), place)),
    ),
    Key::new("helper", row::HELPER, Text(|to, (flow, _)| push_text(to, flow.helper))),
    Key::new("labels", row::LABELS, List(|to, (flow, labels)| push_labels(to, flow, labels))),
];

/// The status of a flow in one word: the first that applies.
const STATUSES: [(&str, FlowStatus); 5] = [
    ("hw_offload", FlowStatus::HW_OFFLOAD),
    ("offload", FlowStatus::OFFLOAD),
    ("assured", FlowStatus::ASSURED),
    ("seen_reply", FlowStatus::SEEN_REPLY),
    ("unreplied", FlowStatus(0)),
];

fn status(flow: &Flow<'_>) -> Option<u16> {
    let place = STATUSES.iter().position(|(_, bits)| flow.has(*bits));
    place.and_then(|place| place.try_into().ok())
}

/// The protocol and the state: a state's number means nothing without its protocol.
fn state(flow: &Flow<'_>) -> Option<u16> {
    flow.state.map(|state| u16::from_be_bytes([flow.orig.protocol, state]))
}

fn high(both: u16) -> u8 {
    both.to_be_bytes()[0]
}

fn low(both: u16) -> u8 {
    both.to_be_bytes()[1]
}

fn push_labels(to: &mut Vec<u8>, flow: &Flow<'_>, labels: &Labels) {
    let set = flow.labels.map(|set| {
        let mut names = Vec::new();
        row::push_labels(&mut names, set, labels);
        names
    });
    push_text(to, set.as_deref());
}

fn ports(ends: Ends) -> [Option<u32>; 2] {
    match ends {
        Ends::Ports { source, destination } => [Some(source.into()), Some(destination.into())],
        _ => [None, None],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::out::Value;
    use crate::select::keys::AskedKey;

    #[test]
    fn what_is_appended_is_read_back() {
        let flow = Flow {
            family: 2,
            status: Some(FlowStatus(0b1110)),
            state: Some(3),
            zone: Some(7),
            helper: Some(b"ftp"),
            labels: Some(&[0b10, 1]),
            orig: crate::model::Tuple { protocol: 6, ..Default::default() },
            ..Flow::default()
        };
        for (word, wanted) in [
            ("proto", Value::Word("tcp")),
            ("state", Value::Word("ESTABLISHED")),
            ("family", Value::Word("ipv4")),
            ("src/8", Value::Net("0.0.0.0".parse().unwrap(), 8)),
            ("sport", Value::Absent),
            ("zone", Value::Int(7)),
            ("orig_zone", Value::Absent),
            ("mark", Value::Absent),
            ("status", Value::Word("assured")),
            ("helper", Value::Text(b"ftp")),
            ("labels", Value::List(b"1,eight")),
        ] {
            let (mut buffer, part) = (Vec::new(), AskedKey::<TrackedFlows>::parse(word).unwrap());
            part.push(&mut buffer, (&flow, &Labels::of(b"8 eight")));
            let mut rest = &buffer[..];
            assert_eq!(part.value(&mut rest), wanted, "{word}");
            assert_eq!(rest, b"");
        }
    }
}
