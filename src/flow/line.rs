//! A flow as one line of text.

use super::push::{self, field, number};
use super::{Parts, SECOND, date, family_name};
use crate::model::{Ends, Flow, FlowStatus, Traffic, Tuple};

/// More than the longest common line, so that the buffer grows at most once.
const ROOM: usize = 512;

/// Appends the line of a flow: `tcp      6 431998 ESTABLISHED src=… `.
pub fn line(buffer: &mut Vec<u8>, flow: &Flow<'_>, parts: &Parts<'_>) {
    buffer.reserve(ROOM);
    if parts.extended {
        padded(buffer, family_name(flow.family));
        field(buffer, "", flow.family.into());
        buffer.push(b' ');
    }
    padded(buffer, Flow::protocol_name(flow.orig.protocol).unwrap_or("unknown"));
    field(buffer, "", flow.orig.protocol.into());
    if let Some(seconds) = flow.timeout_seconds {
        field(buffer, " ", seconds);
    }
    if let Some(state) = flow.state_name() {
        buffer.push(b' ');
        buffer.extend_from_slice(state.as_bytes());
    }
    tuple(buffer, &flow.orig);
    zone_and_traffic(buffer, " zone-orig=", flow.orig.zone, flow.traffic[0]);
    if flow.status.is_some_and(|status| !status.has(FlowStatus::SEEN_REPLY)) {
        buffer.extend_from_slice(b" [UNREPLIED]");
    }
    tuple(buffer, &flow.reply);
    zone_and_traffic(buffer, " zone-reply=", flow.reply.zone, flow.traffic[1]);
    flags(buffer, flow);
    marks(buffer, flow);
    times(buffer, flow, parts);
    ending(buffer, flow, parts);
}

/// Appends a word padded to eight characters, and a blank.
fn padded(buffer: &mut Vec<u8>, word: &str) {
    buffer.extend_from_slice(word.as_bytes());
    buffer.extend_from_slice(&b"         "[word.len().min(8)..]);
}

/// Appends the addresses and the protocol's ports or the like.
pub(super) fn tuple(buffer: &mut Vec<u8>, tuple: &Tuple) {
    buffer.extend_from_slice(b" src=");
    push::address(buffer, tuple.source);
    buffer.extend_from_slice(b" dst=");
    push::address(buffer, tuple.destination);
    ends(buffer, tuple.ends);
}

/// Appends the protocol's ports or the like.
#[inline]
pub(super) fn ends(buffer: &mut Vec<u8>, ends: Ends) {
    match ends {
        Ends::None => {}
        Ends::Ports { source, destination } => {
            field(buffer, " sport=", source.into());
            field(buffer, " dport=", destination.into());
        }
        Ends::Icmp { kind, code, id } => {
            field(buffer, " type=", kind.into());
            field(buffer, " code=", code.into());
            field(buffer, " id=", id.into());
        }
        Ends::Keys { source, destination } => {
            for (word, key) in [(" srckey=0x", source), (" dstkey=0x", destination)] {
                buffer.extend_from_slice(word.as_bytes());
                push::hex(buffer, key);
            }
        }
    }
}

fn zone_and_traffic(buffer: &mut Vec<u8>, word: &str, zone: Option<u16>, traffic: Option<Traffic>) {
    if let Some(zone) = zone {
        field(buffer, word, zone.into());
    }
    if let Some(Traffic { packets, bytes }) = traffic {
        buffer.extend_from_slice(b" packets=");
        number(buffer, packets);
        buffer.extend_from_slice(b" bytes=");
        number(buffer, bytes);
    }
}

/// Appends the first of three flags that applies.
fn flags(buffer: &mut Vec<u8>, flow: &Flow<'_>) {
    let words = [
        (FlowStatus::HW_OFFLOAD, " [HW_OFFLOAD]"),
        (FlowStatus::OFFLOAD, " [OFFLOAD]"),
        (FlowStatus::ASSURED, " [ASSURED]"),
    ];
    if let Some((_, word)) = words.into_iter().find(|(bit, _)| flow.has(*bit)) {
        buffer.extend_from_slice(word.as_bytes());
    }
}

fn marks(buffer: &mut Vec<u8>, flow: &Flow<'_>) {
    if let Some(mark) = flow.mark {
        field(buffer, " mark=", mark);
    }
    if let Some(mark) = flow.secmark {
        field(buffer, " secmark=", mark);
    }
    if let Some(context) = flow.secctx {
        buffer.extend_from_slice(b" secctx=");
        push::outside(buffer, context, push::Into::Line);
    }
    if let Some(zone) = flow.zone {
        field(buffer, " zone=", zone.into());
    }
}

fn times(buffer: &mut Vec<u8>, flow: &Flow<'_>, parts: &Parts<'_>) {
    let (start, stop) = (flow.start_nanoseconds, flow.stop_nanoseconds);
    let age = flow.age_seconds.or_else(|| {
        let end = stop.map_or(parts.now_seconds, |stop| stop / SECOND);
        start.map(|start| end.saturating_sub(start / SECOND))
    });
    if let Some(age) = age {
        buffer.extend_from_slice(b" delta-time=");
        number(buffer, age);
    }
    if parts.ktimestamp {
        for (words, moment) in [(" [start=", start), (" [stop=", stop)] {
            let Some(nanoseconds) = moment else { continue };
            buffer.extend_from_slice(words.as_bytes());
            date(buffer, nanoseconds / SECOND);
            buffer.push(b']');
        }
    }
}

fn ending(buffer: &mut Vec<u8>, flow: &Flow<'_>, parts: &Parts<'_>) {
    if let Some(helper) = flow.helper {
        buffer.extend_from_slice(b" helper=");
        push::outside(buffer, helper, push::Into::Line);
    }
    if let Some(uses) = flow.uses {
        field(buffer, " use=", uses);
    }
    if let Some(id) = flow.id.filter(|_| parts.id) {
        field(buffer, " id=", id);
    }
    if let (Some(names), Some(set)) = (parts.labels, flow.labels) {
        buffer.extend_from_slice(b" labels=");
        for (place, name) in names.names(set).enumerate() {
            buffer.extend_from_slice(if place == 0 { b"" } else { b"," });
            buffer.extend_from_slice(name);
        }
    }
}
