//! The plain lines of conntrack-tools, and those of /proc/net/nf_conntrack and ip_conntrack.

use super::super::ctnetlink::Tuple;
use super::{Cursor, FlowText, Form, Happened, Moment, cause, family_of, status, without_ports};

/// Reads a line: `[NEW] ipv4 2 tcp 6 120 SYN_SENT src=… dst=… sport=… dport=… [UNREPLIED] src=… `.
#[inline]
pub(super) fn flow<'a>(line: &'a [u8], flow: &mut FlowText<'a>) -> Option<()> {
    let mut cursor = Cursor { rest: line };
    cursor.skip();
    if let [b'[', ..] = cursor.rest {
        event(flow, &mut cursor)?;
    }
    let protocol = head(flow, &mut cursor)?;
    flow.status = status::SEEN_REPLY;
    let [orig, reply] = &mut flow.tuples;
    let [sent, received] = &mut flow.traffic;
    (orig.protocol, reply.protocol) = (protocol, protocol);
    *sent = tuple(orig, b"zone-orig=", &mut cursor)?;
    if cursor.take(b"[UNREPLIED]") {
        cursor.end()?;
        flow.status = 0;
    }
    *received = tuple(reply, b"zone-reply=", &mut cursor)?;
    flow.told = status::OF_TEXT;
    without_ports(&mut flow.tuples);
    let family = family_of(&flow.tuples)?;
    if flow.family != 0 && flow.family != family {
        return None;
    }
    flow.family = family;
    while !cursor.rest.is_empty() {
        tail(flow, &mut cursor)?;
    }
    if is_of_kernel(flow, line) {
        flow.form = Form::Proc;
    }
    Some(())
}

/// Whether only the kernel's own file looks like this: it shows zone 0, and IPv6 addresses in full.
#[inline]
fn is_of_kernel(flow: &FlowText<'_>, line: &[u8]) -> bool {
    let is_full = || {
        let mut words = super::text::Fields::new(line);
        words.any(|word| word.len() == 43 && word.starts_with(b"src="))
    };
    flow.zone == Some(0) || flow.family == 10 && is_full()
}

/// Reads what stands before an event: `[1700000000.123456]<TAB>    [NEW] `.
#[cold]
fn event(flow: &mut FlowText<'_>, cursor: &mut Cursor<'_>) -> Option<()> {
    if let [b'[', b'0'..=b'9', ..] = cursor.rest {
        cursor.take(b"[");
        let seconds = cursor.digits()?;
        if !cursor.take(b".") {
            return None;
        }
        let fraction = cursor.rest.first_chunk::<6>()?;
        let microseconds = super::text::unsigned(fraction)?;
        cursor.rest = cursor.rest.get(6..)?;
        if !cursor.take(b"]") {
            return None;
        }
        cursor.skip();
        let nanoseconds =
            seconds.checked_mul(1_000_000)?.checked_add(microseconds)?.checked_mul(1000)?;
        flow.when = Some(Moment::Nanoseconds(nanoseconds));
    }
    flow.happened = Some(if cursor.take(b"[NEW]") {
        Happened::New
    } else if cursor.take(b"[UPDATE]") {
        Happened::Update
    } else if cursor.take(b"[DESTROY]") {
        Happened::Destroy
    } else {
        return None;
    });
    cursor.end()
}

/// Reads what stands before the first tuple, by its shape; gives the protocol.
#[inline]
fn head<'a>(flow: &mut FlowText<'a>, cursor: &mut Cursor<'a>) -> Option<u8> {
    let name = name(cursor)?;
    let mut protocol: u8 = cursor.number()?;
    // `ipv4     2 tcp      6 `, or `unknown  50 599 src=`.
    let is_number = cursor.rest.first().is_some_and(u8::is_ascii_digit);
    if !is_number && matches!(name, b"ipv4" | b"ipv6" | b"unknown") {
        let mut ahead = *cursor;
        if self::name(&mut ahead).is_some()
            && let Some(number) = ahead.number::<u8>()
        {
            flow.family = protocol;
            protocol = number;
            *cursor = ahead;
        }
    }
    if cursor.rest.first().is_some_and(u8::is_ascii_digit) {
        flow.timeout_seconds = Some(cursor.number()?);
    }
    if cursor.rest.first().is_some_and(u8::is_ascii_uppercase) {
        flow.state = Some(cursor.word());
    }
    // GRE in /proc: `timeout=30, stream_timeout=180 `.
    while !cursor.rest.starts_with(b"src=") {
        if !cursor.word().contains(&b'=') {
            return None;
        }
    }
    Some(protocol)
}

/// Takes the name of a protocol.
#[inline]
fn name<'a>(cursor: &mut Cursor<'a>) -> Option<&'a [u8]> {
    let name = cursor.word();
    let is_part = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || *byte == b'-';
    (name.first()?.is_ascii_lowercase() && name.iter().all(is_part)).then_some(name)
}

/// Reads a direction, and gives its packets and bytes.
#[inline]
#[expect(clippy::option_option, reason = "a line that fits nothing is not one without counters")]
fn tuple<const N: usize>(
    tuple: &mut Tuple,
    zone: &[u8; N],
    cursor: &mut Cursor<'_>,
) -> Option<Option<[u64; 2]>> {
    if !cursor.take(b"src=") {
        return None;
    }
    tuple.source = Some(cursor.address()?);
    if !cursor.take(b"dst=") {
        return None;
    }
    tuple.destination = Some(cursor.address()?);
    ports(tuple, cursor)?;
    tuple.zone = cursor.field(zone)?;
    if !cursor.take(b"packets=") {
        return Some(None);
    }
    let packets = cursor.number()?;
    Some(Some([packets, cursor.field(b"bytes=")??]))
}

/// Reads what stands behind the addresses.
#[inline]
pub(super) fn ports(tuple: &mut Tuple, cursor: &mut Cursor<'_>) -> Option<()> {
    if !cursor.take(b"sport=") {
        return ends(tuple, cursor);
    }
    tuple.ports[0] = Some(cursor.number()?);
    tuple.ports[1] = Some(cursor.field(b"dport=")??);
    Some(())
}

/// Reads what protocols without ports have instead.
#[cold]
fn ends(tuple: &mut Tuple, cursor: &mut Cursor<'_>) -> Option<()> {
    if cursor.take(b"type=") {
        tuple.icmp = [Some(cursor.number()?), Some(cursor.field(b"code=")??)];
        tuple.icmp_id = cursor.field(b"id=")?;
    } else if cursor.take(b"srckey=") {
        let source = cursor.hex()?;
        if !cursor.take(b"dstkey=") {
            return None;
        }
        tuple.ports = [Some(source), Some(cursor.hex()?)];
    }
    Some(())
}

/// Reads one of the words behind the tuples.
#[inline]
fn tail<'a>(flow: &mut FlowText<'a>, cursor: &mut Cursor<'a>) -> Option<()> {
    if cursor.take(b"mark=") {
        flow.mark = Some(cursor.number()?);
    } else if cursor.take(b"use=") {
        flow.uses = Some(cursor.number()?);
    } else if cursor.take(b"[ASSURED]") {
        flow.status |= status::ASSURED;
        cursor.end()?;
    } else if cursor.take(b"id=") {
        flow.id = Some(cursor.number()?);
    } else {
        rare(flow, cursor)?;
    }
    Some(())
}

#[inline(never)]
fn rare<'a>(flow: &mut FlowText<'a>, cursor: &mut Cursor<'a>) -> Option<()> {
    if cursor.take(b"[OFFLOAD]") {
        flow.status |= status::OFFLOAD;
        // The text has only the first flag that applies.
        flow.told &= !status::ASSURED;
        cursor.end()
    } else if cursor.take(b"[HW_OFFLOAD]") {
        flow.status |= status::HW_OFFLOAD;
        flow.told &= !(status::ASSURED | status::OFFLOAD);
        cursor.end()
    } else if cursor.take(b"zone=") {
        flow.zone = Some(cursor.number()?);
        Some(())
    } else if cursor.take(b"secmark=") {
        flow.secmark = Some(cursor.number()?);
        Some(())
    } else if cursor.take(b"secctx=") {
        flow.secctx = Some(cursor.word());
        Some(())
    } else if cursor.take(b"delta-time=") {
        flow.age_seconds = Some(cursor.number()?);
        Some(())
    } else if cursor.take(b"[start=") {
        flow.start = Some(date(cursor)?);
        Some(())
    } else if cursor.take(b"[stop=") {
        flow.stop = Some(date(cursor)?);
        Some(())
    } else if cursor.take(b"helper=") {
        flow.helper = Some(cursor.word());
        Some(())
    } else if cursor.take(b"labels=") || cursor.rest == b"labels" {
        labels(flow, cursor)
    } else {
        cause(flow, cursor)?.then_some(())
    }
}

/// Takes the names of labels, which may have blanks: they stand last but for the cause of an event.
/// `None` if a message of the tool lies within them.
fn labels<'a>(flow: &mut FlowText<'a>, cursor: &mut Cursor<'a>) -> Option<()> {
    let rest = cursor.rest.strip_prefix(b"labels").unwrap_or(cursor.rest);
    let is_cause = |part: &[u8]| part.starts_with(b" [USERSPACE]") || part == b" [SYNTHETIC]";
    let end = (0..rest.len()).find(|place| rest.get(*place..).is_some_and(is_cause));
    let (names, rest) = rest.split_at_checked(end.unwrap_or(rest.len())).unwrap_or_default();
    if super::start_of_message(names).is_some() {
        return None;
    }
    flow.labels = Some(names.trim_ascii_end());
    cursor.rest = rest;
    cursor.skip();
    Some(())
}

/// Reads a date as ctime(3) writes it, `Sat Nov 28 17:16:05 2026]`.
fn date(cursor: &mut Cursor<'_>) -> Option<Moment> {
    const MONTHS: &[u8] = b"JanFebMarAprMayJunJulAugSepOctNovDec";
    cursor.word();
    let month = cursor.word();
    let place = MONTHS.chunks(3).position(|name| name == month)?;
    let month = u16::try_from(place).ok()?.checked_add(1)?;
    let day = cursor.number()?;
    let hour = part(cursor, b":")?;
    let minute = part(cursor, b":")?;
    let second = part(cursor, b" ")?;
    let year = part(cursor, b"]")?;
    cursor.end()?;
    Some(Moment::Local([year, month, day, hour, minute, second]))
}

fn part(cursor: &mut Cursor<'_>, end: &[u8; 1]) -> Option<u16> {
    let number = cursor.digits()?;
    cursor.take(end).then_some(())?;
    number.try_into().ok()
}
