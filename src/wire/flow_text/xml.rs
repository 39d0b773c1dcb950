//! The elements of `conntrack -o xml`, one per line.

use super::{
    Cursor, FlowText, Form, Happened, Moment, cause, family_of, hex, status, without_ports,
};
use crate::wire::text::unsigned;

/// Where in a flow's element the tags are.
#[derive(Clone, Copy, Default)]
struct Place {
    /// The direction, 0 or 1; 2 for what is independent of it.
    side: usize,
    /// Whether this is the time of an event.
    is_when: bool,
}

/// Reads a line: `<flow type="new"><meta direction="original"><layer3 …`.
pub(super) fn flow(line: &[u8]) -> Option<FlowText<'_>> {
    let mut flow = FlowText {
        form: Form::Xml,
        status: status::SEEN_REPLY,
        told: status::SEEN_REPLY | status::ASSURED,
        ..FlowText::default()
    };
    let mut rest = line.strip_prefix(b"<flow")?;
    flow.happened = match rest {
        [b'>', ..] => None,
        _ if rest.starts_with(b" type=\"new\">") => Some(Happened::New),
        _ if rest.starts_with(b" type=\"update\">") => Some(Happened::Update),
        _ if rest.starts_with(b" type=\"destroy\">") => Some(Happened::Destroy),
        _ => return None,
    };
    rest = rest.get(memchr::memchr(b'>', rest)?.checked_add(1)?..)?;
    let (mut place, mut when) = (Place { side: 2, is_when: false }, [None; 6]);
    while !rest.starts_with(b"</flow>") {
        let (tag, after) = tag(rest)?;
        let end = memchr::memchr(b'<', after)?;
        let (text, next) = after.split_at_checked(end)?;
        rest = next;
        if tag == b"labels" {
            let end = next.windows(9).position(|part| part == b"</labels>")?;
            flow.labels = Some(next.get(..end)?);
            rest = next.get(end..)?;
        } else if place.is_when && !tag.starts_with(b"/") {
            self::when(&mut when, tag, text)?;
        } else {
            element(&mut flow, &mut place, tag, text)?;
        }
    }
    let mut cursor = Cursor { rest: rest.strip_prefix(b"</flow>")? };
    cursor.end()?;
    if !cursor.rest.is_empty() && !cause(&mut flow, &mut cursor)? || !cursor.rest.is_empty() {
        return None;
    }
    if let [Some(year), Some(month), Some(day), Some(hour), Some(minute), Some(second)] = when {
        flow.when = Some(Moment::Local([year, month, day, hour, minute, second]));
    }
    without_ports(&mut flow.tuples);
    (family_of(&flow.tuples) == Some(flow.family)).then_some(flow)
}

/// Takes a tag without its brackets.
fn tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inner = text.strip_prefix(b"<")?;
    let end = memchr::memchr(b'>', inner)?;
    Some((inner.get(..end)?, inner.get(end.checked_add(1)?..)?))
}

/// The number of the attribute `protonum`.
fn protocol(tag: &[u8]) -> Option<u8> {
    let start = tag.windows(10).position(|part| part == b"protonum=\"")?;
    let value = tag.get(start.checked_add(10)?..)?;
    unsigned(value.get(..memchr::memchr(b'"', value)?)?)?.try_into().ok()
}

fn small<T: TryFrom<u64>>(text: &[u8]) -> Option<Option<T>> {
    unsigned(text)?.try_into().ok().map(Some)
}

fn address(text: &[u8]) -> Option<std::net::IpAddr> {
    let mut cursor = Cursor { rest: text };
    cursor.address().filter(|_| cursor.rest.is_empty())
}

/// Takes an element, or the beginning or end of one.
fn element<'a>(
    flow: &mut FlowText<'a>,
    place: &mut Place,
    tag: &[u8],
    text: &'a [u8],
) -> Option<()> {
    match tag {
        b"meta direction=\"original\"" => place.side = 0,
        b"meta direction=\"reply\"" => place.side = 1,
        b"meta direction=\"independent\"" => place.side = 2,
        b"/meta" => place.side = 2,
        b"when" => place.is_when = true,
        b"/when" => place.is_when = false,
        [b'/', ..] | b"counters" | b"timestamp" => {}
        _ if place.side < 2 => directed(flow, place.side, tag, text)?,
        _ => independent(flow, tag, text)?,
    }
    Some(())
}

/// Takes an element of a direction.
fn directed(flow: &mut FlowText<'_>, side: usize, tag: &[u8], text: &[u8]) -> Option<()> {
    let tuple = flow.tuples.get_mut(side)?;
    let traffic = flow.traffic.get_mut(side)?;
    match tag {
        b"src" => tuple.source = Some(address(text)?),
        b"dst" => tuple.destination = Some(address(text)?),
        b"sport" => tuple.ports[0] = small(text)?,
        b"dport" => tuple.ports[1] = small(text)?,
        b"srckey" => tuple.ports[0] = Some(hex(text)?),
        b"dstkey" => tuple.ports[1] = Some(hex(text)?),
        b"zone" => tuple.zone = small(text)?,
        b"packets" => *traffic = Some([unsigned(text)?, 0]),
        b"bytes" => *traffic = Some([traffic.as_ref()?[0], unsigned(text)?]),
        _ if tag.starts_with(b"layer3 ") => flow.family = protocol(tag)?,
        _ if tag.starts_with(b"layer4 ") => tuple.protocol = protocol(tag)?,
        _ => return None,
    }
    Some(())
}

/// Takes an element about the flow as a whole.
fn independent<'a>(flow: &mut FlowText<'a>, tag: &[u8], text: &'a [u8]) -> Option<()> {
    match tag {
        b"state" => flow.state = Some(text),
        b"timeout" => flow.timeout_seconds = small(text)?,
        b"mark" => flow.mark = small(text)?,
        b"secmark" => flow.secmark = small(text)?,
        b"secctx" => flow.secctx = Some(text),
        b"zone" => flow.zone = small(text)?,
        b"use" => flow.uses = small(text)?,
        b"id" => flow.id = small(text)?,
        b"assured/" => flow.status |= status::ASSURED,
        b"unreplied/" => flow.status &= !status::SEEN_REPLY,
        b"start" => flow.start = Some(Moment::Nanoseconds(unsigned(text)?)),
        b"stop" => flow.stop = Some(Moment::Nanoseconds(unsigned(text)?)),
        b"deltatime" => flow.age_seconds = small(text)?,
        b"helper" => flow.helper = Some(text),
        _ => return None,
    }
    Some(())
}

/// Takes a part of the time of an event.
fn when(parts: &mut [Option<u16>; 6], tag: &[u8], text: &[u8]) -> Option<()> {
    const NAMES: [&[u8]; 6] = [b"year", b"month", b"day", b"hour", b"min", b"sec"];
    let number = small(text)?;
    match NAMES.iter().position(|name| *name == tag) {
        Some(place) => *parts.get_mut(place)? = number,
        None if tag == b"wday" => {}
        None => return None,
    }
    Some(())
}
