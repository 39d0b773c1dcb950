//! The lines of `conntrack -o save`: options that would make the flow again.

use super::{Cursor, FlowText, Form, Happened, cause, family_of, status, without_ports};

/// Reads a line: `-A -t 120 -u UNSET -s … -d … -r … -q … -p tcp --sport … `.
pub(super) fn flow(line: &[u8]) -> Option<FlowText<'_>> {
    let mut cursor = Cursor { rest: line };
    let happened = match cursor.word() {
        b"-A" => Happened::New,
        b"-U" => Happened::Update,
        b"-D" => Happened::Destroy,
        _ => return None,
    };
    let mut flow = FlowText { form: Form::Save, happened: Some(happened), ..FlowText::default() };
    let mut protocol = None;
    let (mut is_moved, mut vtags) = ([false; 2], [None; 2]);
    while !cursor.rest.is_empty() {
        if cause(&mut flow, &mut cursor)? {
            continue;
        }
        match cursor.word() {
            b"-p" => protocol = Some(cursor.word()),
            b"--orig-vtag" => vtags[0] = Some(cursor.number::<u32>()?),
            b"--reply-vtag" => vtags[1] = Some(cursor.number::<u32>()?),
            // Which side of a DCCP connection began; nothing here shows it.
            b"--role" => drop(cursor.word()),
            option => {
                is_moved[0] |= option == b"-n";
                is_moved[1] |= option == b"-g";
                self::option(&mut flow, option, &mut cursor)?;
            }
        }
    }
    let protocol = number_of(protocol?)?;
    flow.tuples.iter_mut().for_each(|tuple| tuple.protocol = protocol);
    without_ports(&mut flow.tuples);
    flow.family = family_of(&flow.tuples)?;
    // conntrack writes the tags in the byte order of the machine.
    flow.vtags = vtags[0].zip(vtags[1]).map(|(orig, reply)| [orig.to_be(), reply.to_be()]);
    translations(&mut flow, is_moved);
    answer(&mut flow);
    Some(flow)
}

/// Takes what an option says.
fn option<'a>(flow: &mut FlowText<'a>, option: &[u8], cursor: &mut Cursor<'a>) -> Option<()> {
    let [orig, reply] = &mut flow.tuples;
    match option {
        b"-t" => flow.timeout_seconds = Some(cursor.number()?),
        b"-u" => flow.status = names(cursor.word())?,
        b"-m" => flow.mark = Some(cursor.number()?),
        b"-c" => flow.secmark = Some(cursor.number()?),
        b"-w" => flow.zone = Some(cursor.number()?),
        b"--orig-zone" => orig.zone = Some(cursor.number()?),
        b"--reply-zone" => reply.zone = Some(cursor.number()?),
        b"-s" => orig.source = Some(cursor.address()?),
        b"-d" => orig.destination = Some(cursor.address()?),
        b"-r" | b"-g" => reply.source = Some(cursor.address()?),
        b"-q" | b"-n" => reply.destination = Some(cursor.address()?),
        b"--sport" | b"--srckey" => orig.ports[0] = Some(cursor.number()?),
        b"--dport" | b"--dstkey" => orig.ports[1] = Some(cursor.number()?),
        b"--reply-port-src" | b"--reply-key-src" => reply.ports[0] = Some(cursor.number()?),
        b"--reply-port-dst" | b"--reply-key-dst" => reply.ports[1] = Some(cursor.number()?),
        b"--icmp-type" | b"--icmpv6-type" => orig.icmp[0] = Some(cursor.number()?),
        b"--icmp-code" | b"--icmpv6-code" => orig.icmp[1] = Some(cursor.number()?),
        b"--icmp-id" | b"--icmpv6-id" => orig.icmp_id = Some(cursor.number()?),
        // The original's way of writing a state that it has no name for.
        b"--state" => flow.state = Some(cursor.word()).filter(|name| *name != b"(null)"),
        _ => return None,
    }
    Some(())
}

/// The number of a protocol that connection tracking has a name for, or any other as a number.
fn number_of(word: &[u8]) -> Option<u8> {
    const NAMES: [(&[u8], u8); 8] = [
        (b"tcp", 6),
        (b"udp", 17),
        (b"icmp", 1),
        (b"icmpv6", 58),
        (b"sctp", 132),
        (b"dccp", 33),
        (b"gre", 47),
        (b"udplite", 136),
    ];
    let named = NAMES.into_iter().find(|(name, _)| *name == word).map(|(_, number)| number);
    named.or_else(|| super::text::unsigned(word)?.try_into().ok())
}

/// The bits of the flags that `-u` names.
fn names(list: &[u8]) -> Option<u32> {
    list.split(|byte| *byte == b',').try_fold(0, |bits, name| {
        Some(
            bits | match name {
                b"UNSET" => 0,
                b"EXPECTED" => status::EXPECTED,
                b"SEEN_REPLY" => status::SEEN_REPLY,
                b"ASSURED" => status::ASSURED,
                b"FIXED_TIMEOUT" => status::FIXED_TIMEOUT,
                _ => return None,
            },
        )
    })
}

/// Says what is known of translations: `-n` and `-g` tell of one, and another address without them of none.
fn translations(flow: &mut FlowText<'_>, [source, destination]: [bool; 2]) {
    flow.told = status::EXPECTED | status::SEEN_REPLY | status::ASSURED | status::FIXED_TIMEOUT;
    let [orig, reply] = &flow.tuples;
    for (bit, is_moved, differs) in [
        (status::SRC_NAT_DONE, source, reply.destination != orig.source),
        (status::DST_NAT_DONE, destination, reply.source != orig.destination),
    ] {
        if is_moved {
            flow.status |= bit;
        }
        if is_moved || differs {
            flow.told |= bit;
        }
    }
}

/// Adds the answer of ICMP, which the text leaves out because it follows from the question.
fn answer(flow: &mut FlowText<'_>) {
    const PAIRS: [[u8; 2]; 4] = [[8, 0], [13, 14], [15, 16], [17, 18]];
    const PAIRS_OF_IPV6: [[u8; 2]; 2] = [[128, 129], [139, 140]];
    let [orig, reply] = &mut flow.tuples;
    let [Some(kind), code] = orig.icmp else { return };
    let pairs: &[[u8; 2]] = if orig.protocol == 58 { &PAIRS_OF_IPV6 } else { &PAIRS };
    let other = pairs.iter().find_map(|[asks, answers]| match kind {
        _ if kind == *asks => Some(*answers),
        _ if kind == *answers => Some(*asks),
        _ => None,
    });
    reply.icmp = [Some(other.unwrap_or(kind)), code];
    reply.icmp_id = orig.icmp_id;
}
