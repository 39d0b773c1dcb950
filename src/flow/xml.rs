//! A flow in XML.

use super::push::{self, number};
use super::{Parts, SECOND, family_name};
use crate::model::{Change, Ends, Flow, FlowStatus, Traffic, Tuple};
use crate::sys;

/// Appends the element of a flow, with the change if it is from an event.
pub fn xml(buffer: &mut Vec<u8>, flow: &Flow<'_>, parts: &Parts<'_>, change: Option<Change>) {
    open(buffer, change);
    let directions = [(&flow.orig, "original"), (&flow.reply, "reply")];
    for ((tuple, name), traffic) in directions.into_iter().zip(flow.traffic) {
        words(buffer, &["<meta direction=\"", name, "\">"]);
        direction(buffer, flow.family, tuple, traffic);
        words(buffer, &["</meta>"]);
    }
    words(buffer, &["<meta direction=\"independent\">"]);
    independent(buffer, flow, parts);
    words(buffer, &["</meta>"]);
    // A list of flows does not say when it was made; a list of expectations does.
    if change.is_some() {
        when(buffer, parts);
    }
    text(buffer, "helper", flow.helper);
    words(buffer, &["</flow>"]);
}

/// Appends the beginning of an element.
pub(super) fn open(buffer: &mut Vec<u8>, change: Option<Change>) {
    words(
        buffer,
        match change {
            None => &["<flow>"],
            Some(Change::New) => &["<flow type=\"new\">"],
            Some(Change::Update) => &["<flow type=\"update\">"],
            Some(Change::Destroy) => &["<flow type=\"destroy\">"],
        },
    );
}

fn direction(buffer: &mut Vec<u8>, family: u8, tuple: &Tuple, traffic: Option<Traffic>) {
    layer(buffer, "3", family, family_name(family));
    addresses(buffer, tuple);
    words(buffer, &["</layer3>"]);
    layer(buffer, "4", tuple.protocol, Flow::protocol_name(tuple.protocol).unwrap_or("unknown"));
    ends(buffer, tuple);
    words(buffer, &["</layer4>"]);
    element(buffer, "zone", tuple.zone.map(u64::from));
    if let Some(Traffic { packets, bytes }) = traffic {
        words(buffer, &["<counters>"]);
        element(buffer, "packets", Some(packets));
        element(buffer, "bytes", Some(bytes));
        words(buffer, &["</counters>"]);
    }
}

/// Appends the beginning of a layer's element.
pub(super) fn layer(buffer: &mut Vec<u8>, layer: &str, protocol: u8, name: &str) {
    words(buffer, &["<layer", layer, " protonum=\""]);
    number(buffer, protocol.into());
    words(buffer, &["\" protoname=\"", name, "\">"]);
}

pub(super) fn addresses(buffer: &mut Vec<u8>, tuple: &Tuple) {
    for (name, address) in [("src", tuple.source), ("dst", tuple.destination)] {
        words(buffer, &["<", name, ">"]);
        push::address(buffer, address);
        words(buffer, &["</", name, ">"]);
    }
}

/// Appends ports and keys; XML does not show the fields of ICMP.
pub(super) fn ends(buffer: &mut Vec<u8>, tuple: &Tuple) {
    match tuple.ends {
        Ends::None | Ends::Icmp { .. } => {}
        Ends::Ports { source, destination } => {
            element(buffer, "sport", Some(source.into()));
            element(buffer, "dport", Some(destination.into()));
        }
        Ends::Keys { source, destination } => {
            for (name, key) in [("srckey", source), ("dstkey", destination)] {
                words(buffer, &["<", name, ">0x"]);
                push::hex(buffer, key);
                words(buffer, &["</", name, ">"]);
            }
        }
    }
}

fn independent(buffer: &mut Vec<u8>, flow: &Flow<'_>, parts: &Parts<'_>) {
    text(buffer, "state", flow.state_name().map(str::as_bytes));
    element(buffer, "timeout", flow.timeout_seconds.map(u64::from));
    element(buffer, "mark", flow.mark.map(u64::from));
    if let (Some(names), Some(set)) = (parts.labels, flow.labels) {
        words(buffer, &["<labels>"]);
        names.names(set).for_each(|name| text(buffer, "label", Some(name)));
        words(buffer, &["</labels>"]);
    }
    element(buffer, "secmark", flow.secmark.map(u64::from));
    text(buffer, "secctx", flow.secctx);
    element(buffer, "zone", flow.zone.map(u64::from));
    element(buffer, "use", flow.uses.map(u64::from));
    element(buffer, "id", flow.id.map(u64::from));
    if flow.has(FlowStatus::ASSURED) {
        words(buffer, &["<assured/>"]);
    }
    if flow.status.is_some_and(|status| !status.has(FlowStatus::SEEN_REPLY)) {
        words(buffer, &["<unreplied/>"]);
    }
    let (start, stop) = (flow.start_nanoseconds, flow.stop_nanoseconds);
    if parts.ktimestamp && (start.is_some() || stop.is_some()) {
        words(buffer, &["<timestamp>"]);
        element(buffer, "start", start);
        element(buffer, "stop", stop);
        words(buffer, &["</timestamp>"]);
    }
    // Unlike the one in the line, this difference is in nanoseconds if both are known.
    let age = start.map(|start| match stop {
        Some(stop) => stop.saturating_sub(start) / SECOND,
        None => parts.now_seconds.saturating_sub(start / SECOND),
    });
    element(buffer, "deltatime", flow.age_seconds.or(age));
}

/// Appends the time of the text, in local time.
pub(super) fn when(buffer: &mut Vec<u8>, parts: &Parts<'_>) {
    let Some(seconds) = parts.when_seconds else { return };
    let time = sys::local_time(seconds);
    words(buffer, &["<when>"]);
    // The original writes the hour alone without a leading zero.
    element(buffer, "hour", Some(time.hour.into()));
    for (name, part) in [("min", time.minute), ("sec", time.second)] {
        words(buffer, &["<", name, ">"]);
        push::two(buffer, part);
        words(buffer, &["</", name, ">"]);
    }
    element(buffer, "wday", Some(u64::from(time.weekday) + 1));
    element(buffer, "day", Some(time.day.into()));
    element(buffer, "month", Some(time.month.into()));
    element(buffer, "year", Some(time.year));
    words(buffer, &["</when>"]);
}

/// Appends an element with a number, if there is one.
pub(super) fn element(buffer: &mut Vec<u8>, name: &str, value: Option<u64>) {
    if let Some(value) = value {
        words(buffer, &["<", name, ">"]);
        number(buffer, value);
        words(buffer, &["</", name, ">"]);
    }
}

/// Appends an element with outside bytes, if there are any.
pub(super) fn text(buffer: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    if let Some(value) = value {
        words(buffer, &["<", name, ">"]);
        push::outside(buffer, value, push::Into::Xml);
        words(buffer, &["</", name, ">"]);
    }
}

pub(super) fn words(buffer: &mut Vec<u8>, words: &[&str]) {
    words.iter().for_each(|word| buffer.extend_from_slice(word.as_bytes()));
}
