//! `conntrack --by`: flows in groups, by keys.

use std::ffi::OsStr;

use super::rows;
use crate::cli;
use crate::model::{Ends, Flow, FlowStatus};
use crate::out::{Column, Value};
use crate::select::cells::{
    self, THERE, address, byte, push_address, push_number, push_text, take, text,
};
use crate::source::flows::labels::Labels;

/// What flows may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Proto,
    State,
    Family,
    /// An address, or the network of so many bits, for IPv4 and IPv6.
    Src(Option<[u8; 2]>),
    Dst(Option<[u8; 2]>),
    ReplySrc(Option<[u8; 2]>),
    ReplyDst(Option<[u8; 2]>),
    Sport,
    Dport,
    ReplySport,
    ReplyDport,
    Zone,
    OrigZone,
    ReplyZone,
    Mark,
    Status,
    Helper,
    Labels,
}

/// The keys by name, each with its column.
const KEYS: [(&str, Key, Column); 18] = [
    ("proto", Key::Proto, rows::PROTO),
    ("state", Key::State, rows::STATE),
    ("family", Key::Family, rows::FAMILY),
    ("src", Key::Src(None), rows::SRC),
    ("dst", Key::Dst(None), rows::DST),
    ("reply_src", Key::ReplySrc(None), rows::REPLY_SRC),
    ("reply_dst", Key::ReplyDst(None), rows::REPLY_DST),
    ("sport", Key::Sport, rows::SPORT),
    ("dport", Key::Dport, rows::DPORT),
    ("reply_sport", Key::ReplySport, rows::REPLY_SPORT),
    ("reply_dport", Key::ReplyDport, rows::REPLY_DPORT),
    ("zone", Key::Zone, rows::ZONE),
    ("orig_zone", Key::OrigZone, rows::ORIG_ZONE),
    ("reply_zone", Key::ReplyZone, rows::REPLY_ZONE),
    ("mark", Key::Mark, rows::MARK),
    ("status", Key::Status, rows::STATUS),
    ("helper", Key::Helper, rows::HELPER),
    ("labels", Key::Labels, rows::LABELS),
];

/// The names of the keys, for completions and errors.
pub const NAMES: [&str; 18] = cells::names(&KEYS);

/// What `--sum` may add up.
pub const SUMS: [&str; 2] = ["packets", "bytes"];

/// What became of a flow, in one word each: the first that is so.
const STATUSES: [(&str, FlowStatus); 5] = [
    ("hw_offload", FlowStatus::HW_OFFLOAD),
    ("offload", FlowStatus::OFFLOAD),
    ("assured", FlowStatus::ASSURED),
    ("seen_reply", FlowStatus::SEEN_REPLY),
    ("unreplied", FlowStatus(0)),
];

/// Adds the keys of a list.
pub fn parse(list: &mut Vec<Key>, value: &OsStr) -> Result<(), String> {
    cells::add(list, value, Key::parse)
}

/// Adds the sums of a list.
pub fn sums(wanted: &mut [bool; 2], value: &OsStr) -> Result<(), String> {
    for word in cli::words(value)? {
        wanted[cli::choose(&[(SUMS[0], 0), (SUMS[1], 1)], OsStr::new(word))?] = true;
    }
    Ok(())
}

impl Key {
    /// Reads `state`, `src/24` or `src/24/64`.
    fn parse(word: &str) -> Result<Key, String> {
        let measured = |key, lengths| match key {
            Key::Src(_) => Some(Key::Src(lengths)),
            Key::Dst(_) => Some(Key::Dst(lengths)),
            Key::ReplySrc(_) => Some(Key::ReplySrc(lengths)),
            Key::ReplyDst(_) => Some(Key::ReplyDst(lengths)),
            _ => None,
        };
        cells::parse(&KEYS, word, measured, "addresses")
    }

    /// Its column.
    pub fn column(self) -> Column {
        KEYS[cells::place_of(&KEYS, &self)].2
    }

    /// Appends what `flow` has for this key: bytes in whose order the groups stand, and from which
    /// [`Key::value`] reads them. The first byte is 0 where there is nothing.
    #[inline]
    pub fn push(self, buffer: &mut Vec<u8>, flow: &Flow<'_>, labels: &Labels) {
        match self {
            Key::Proto => buffer.extend_from_slice(&[THERE, flow.orig.protocol]),
            // A state's number means nothing without its protocol.
            Key::State => match flow.state {
                None => buffer.push(0),
                Some(state) => buffer.extend_from_slice(&[THERE, flow.orig.protocol, state]),
            },
            Key::Family => buffer.extend_from_slice(&[THERE, flow.family]),
            Key::Src(lengths) => push_address(buffer, flow.orig.source, lengths),
            Key::Dst(lengths) => push_address(buffer, flow.orig.destination, lengths),
            Key::ReplySrc(lengths) => push_address(buffer, flow.reply.source, lengths),
            Key::ReplyDst(lengths) => push_address(buffer, flow.reply.destination, lengths),
            Key::Sport => push_number(buffer, ports(flow.orig.ends)[0]),
            Key::Dport => push_number(buffer, ports(flow.orig.ends)[1]),
            Key::ReplySport => push_number(buffer, ports(flow.reply.ends)[0]),
            Key::ReplyDport => push_number(buffer, ports(flow.reply.ends)[1]),
            Key::Zone => push_number(buffer, flow.zone.map(u32::from)),
            Key::OrigZone => push_number(buffer, flow.orig.zone.map(u32::from)),
            Key::ReplyZone => push_number(buffer, flow.reply.zone.map(u32::from)),
            Key::Mark => push_number(buffer, flow.mark),
            Key::Status => {
                let place = STATUSES.iter().position(|(_, bits)| flow.has(*bits));
                buffer.push(u8::try_from(place.map_or(0, |place| place + 1)).unwrap_or_default());
            }
            Key::Helper => push_text(buffer, flow.helper),
            Key::Labels => match flow.labels {
                None => buffer.push(0),
                Some(set) => {
                    buffer.push(THERE);
                    rows::push_labels(buffer, set, labels);
                    buffer.push(0);
                }
            },
        }
    }

    /// Reads what [`Key::push`] appended; `rest` is left behind it.
    pub fn value<'a>(self, rest: &mut &'a [u8]) -> Value<'a> {
        let first = byte(rest);
        if first == 0 {
            return Value::Absent;
        }
        match self {
            Key::Proto => rows::proto(byte(rest)),
            Key::State => rows::state(byte(rest), Some(byte(rest))),
            Key::Family => rows::family(byte(rest)),
            Key::Src(lengths)
            | Key::Dst(lengths)
            | Key::ReplySrc(lengths)
            | Key::ReplyDst(lengths) => address(rest, lengths),
            Key::Status => {
                let known = STATUSES.get(usize::from(first) - 1);
                known.map_or(Value::Absent, |(word, _)| Value::Word(word))
            }
            Key::Helper => Value::Text(text(rest)),
            Key::Labels => Value::List(text(rest)),
            _ => {
                let bytes = take(rest, 4).first_chunk().copied().unwrap_or_default();
                Value::Int(u32::from_be_bytes(bytes).into())
            }
        }
    }
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

    #[test]
    fn keys_are_read_as_they_are_written() {
        assert_eq!(Key::parse("src/24/64"), Ok(Key::Src(Some([24, 64]))));
        for (name, key, column) in KEYS {
            assert_eq!((Key::parse(name), key.column()), (Ok(key), column));
        }
        for wrong in ["", "stat", "src/", "src/33", "src/24/129", "state/8"] {
            assert!(Key::parse(wrong).is_err(), "{wrong}");
        }
    }

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
        for (key, wanted) in [
            (Key::Proto, Value::Word("tcp")),
            (Key::State, Value::Word("ESTABLISHED")),
            (Key::Family, Value::Word("ipv4")),
            (Key::Src(Some([8, 128])), Value::Net("0.0.0.0".parse().unwrap(), 8)),
            (Key::Sport, Value::Absent),
            (Key::Zone, Value::Int(7)),
            (Key::OrigZone, Value::Absent),
            (Key::Mark, Value::Absent),
            (Key::Status, Value::Word("assured")),
            (Key::Helper, Value::Text(b"ftp")),
            (Key::Labels, Value::List(b"1,eight")),
        ] {
            let mut buffer = Vec::new();
            key.push(&mut buffer, &flow, &Labels::of(b"8 eight"));
            let mut rest = &buffer[..];
            assert_eq!(key.value(&mut rest), wanted, "{key:?}");
            assert_eq!(rest, b"");
        }
    }
}
