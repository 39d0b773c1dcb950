//! An expectation, as a line of text and in XML.

use super::push::{self, field};
use super::xml::{addresses, element, ends, layer, open, text, when, words};
use super::{Parts, family_name, line};
use crate::model::{Change, Expectation, ExpectationFlags, Flow};

/// Appends the line of an expectation: `299 proto=6 src=… `. `-o` does not change it.
pub fn expectation_line(buffer: &mut Vec<u8>, expectation: &Expectation<'_>) {
    if let Some(seconds) = expectation.timeout_seconds {
        field(buffer, "", seconds);
        buffer.push(b' ');
    }
    field(buffer, "proto=", expectation.expected.protocol.into());
    for (prefix, tuple) in [
        (" ", &expectation.expected),
        (" mask-", &expectation.mask),
        (" master-", &expectation.master),
    ] {
        for (word, address) in [("src=", tuple.source), ("dst=", tuple.destination)] {
            words(buffer, &[prefix, word]);
            push::address(buffer, address);
        }
        line::ends(buffer, tuple.ends);
    }
    if let Some(zone) = expectation.zone {
        field(buffer, " zone=", zone.into());
    }
    let flags = expectation.flags.unwrap_or_default();
    for (place, name) in flags.names().enumerate() {
        words(buffer, &[if place == 0 { " " } else { "," }, name]);
    }
    if let Some(class) = expectation.class {
        field(buffer, " class=", class);
    }
    if let Some(helper) = expectation.helper {
        words(buffer, &[" helper="]);
        push::outside(buffer, helper, push::Into::Line);
    }
}

/// Appends the element of an expectation, with the change if it is from an event.
pub fn expectation_xml(
    buffer: &mut Vec<u8>,
    expectation: &Expectation<'_>,
    parts: &Parts<'_>,
    change: Option<Change>,
) {
    let Expectation { family, expected, mask, master, .. } = expectation;
    let tuples = [("expected", expected), ("mask", mask), ("master", master)];
    open(buffer, change);
    for (number, protocol, name, write) in [
        ("3", *family, family_name(*family), addresses as fn(&mut Vec<u8>, _)),
        ("4", expected.protocol, Flow::protocol_name(expected.protocol).unwrap_or("unknown"), ends),
    ] {
        layer(buffer, number, protocol, name);
        for (name, tuple) in tuples {
            words(buffer, &["<", name, ">"]);
            write(buffer, tuple);
            words(buffer, &["</", name, ">"]);
        }
        words(buffer, &["</layer", number, ">"]);
    }
    words(buffer, &["<meta>"]);
    meta(buffer, expectation, parts);
    words(buffer, &["</meta></flow>"]);
}

fn meta(buffer: &mut Vec<u8>, expectation: &Expectation<'_>, parts: &Parts<'_>) {
    text(buffer, "helper-name", expectation.helper);
    element(buffer, "timeout", expectation.timeout_seconds.map(u64::from));
    element(buffer, "class", expectation.class.map(u64::from));
    element(buffer, "zone", expectation.zone.map(u64::from));
    when(buffer, parts);
    let elements = ["<permanent/>", "<inactive/>", "<userspace/>"];
    let flags = expectation.flags.unwrap_or_default();
    for (name, element) in ExpectationFlags::NAMES.into_iter().zip(elements) {
        if flags.names().any(|set| set == name) {
            words(buffer, &[element]);
        }
    }
}
