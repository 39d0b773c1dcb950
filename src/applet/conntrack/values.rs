//! The values of `conntrack`'s options.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;

use crate::cli;
use crate::model::{
    DCCP_STATES, Flow, FlowStatus, Masked, Prefix, SCTP_STATES, TCP_STATES, Translation, masked,
};
use crate::source::flows::conntrack::FlowTable;

/// A table; the default is the first of [`TABLES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Listing {
    Flows(FlowTable),
    Expectations,
}

const TABLES: [(&str, Listing); 4] = [
    ("conntrack", Listing::Flows(FlowTable::Tracked)),
    ("expect", Listing::Expectations),
    ("dying", Listing::Flows(FlowTable::Dying)),
    ("unconfirmed", Listing::Flows(FlowTable::Unconfirmed)),
];

pub(super) const TABLE_NAMES: [&str; TABLES.len()] = cli::words_of(&TABLES);

/// A table by the beginning of its name.
pub(super) fn table(value: Option<&OsStr>) -> Result<Listing, String> {
    let Some(value) = value else { return Ok(TABLES[0].1) };
    let begins = |name: &str| name.as_bytes().starts_with(value.as_bytes());
    let found = TABLES.iter().find(|(name, _)| !value.is_empty() && begins(name));
    found
        .map(|(_, table)| *table)
        .ok_or_else(|| format!("'{}' is not a table: {}", value.display(), TABLE_NAMES.join(", ")))
}

/// A number of at most `most`, decimal or, after 0x, hexadecimal.
pub(super) fn number(text: &str, most: u32) -> Option<u32> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.starts_with('+') => None,
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => cli::digits(text),
    };
    number.filter(|number| *number <= most)
}

/// The same from an option's value, at most the largest number of the type.
pub(super) fn number_of<T: TryFrom<u32>>(value: &OsStr) -> Result<T, String> {
    let most = u32::MAX >> (u32::BITS as usize - 8 * size_of::<T>());
    let number = value.to_str().and_then(|text| number(text, most));
    number
        .and_then(|number| number.try_into().ok())
        .ok_or_else(|| format!("'{}' is not a number from 0 to {most}", value.display()))
}

/// VALUE or VALUE/MASK.
pub(super) fn mark(value: &OsStr) -> Result<[u32; 2], String> {
    let text = value.to_str().unwrap_or_default();
    let (mark, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    match (number(mark, u32::MAX), number(mask, u32::MAX)) {
        (Some(mark), Some(mask)) => Ok([mark, mask]),
        _ => Err(format!("'{}' is not a mark: VALUE or VALUE/MASK", value.display())),
    }
}

/// ADDR or ADDR/LEN.
pub(super) fn address(value: &OsStr) -> Result<Masked, String> {
    let wrong = |what| format!("'{}' is not {what}", value.display());
    let text = value.to_str().ok_or_else(|| wrong("an IP address"))?;
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    // An IPv4-mapped address stays IPv6 here, as it is in the kernel's table.
    let address: IpAddr = address.parse().map_err(|_| wrong("an IP address"))?;
    let Some(length) = length else { return Ok(Masked::exactly(address)) };
    let Masked { mask, .. } = Masked::exactly(address);
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length =
        number(length, most).ok_or_else(|| wrong("an address with a valid prefix length"))?;
    Ok(Masked { address, mask: masked(mask, u8::try_from(length).unwrap_or_default()) })
}

/// An address without a length.
pub(super) fn bare_address(value: &OsStr) -> Result<IpAddr, String> {
    let text = value.to_str().filter(|text| !text.contains('/'));
    text.and_then(|text| Prefix::parse(text).ok())
        .map(|prefix| prefix.address)
        .ok_or_else(|| format!("'{}' is not an IP address", value.display()))
}

/// ADDR, ADDR:PORT or `[ADDR]:PORT`.
pub(super) fn translation(value: Option<&OsStr>) -> Result<Translation, String> {
    let Some(value) = value else { return Ok(Translation::default()) };
    let wrong = || format!("'{}' is neither ADDR nor ADDR:PORT", value.display());
    let text = value.to_str().ok_or_else(wrong)?;
    if let Ok(address) = text.parse() {
        return Ok(Translation { address: Some(address), port: None });
    }
    let (address, port) = match text.rsplit_once(':') {
        Some((address, port)) => (address, Some(number(port, 65_535).ok_or_else(wrong)?)),
        None => (text, None),
    };
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let address = bare.unwrap_or(address).parse().map_err(|_| wrong())?;
    Ok(Translation { address: Some(address), port: port.and_then(|port| port.try_into().ok()) })
}

/// A transport protocol by name or number.
pub(super) fn protocol(value: &OsStr) -> Result<u8, String> {
    let name = value.to_ascii_lowercase();
    let text = name.to_str().unwrap_or_default();
    Flow::protocol_number(name.as_bytes())
        .or_else(|| number(text, 255).and_then(|number| number.try_into().ok()))
        .ok_or_else(|| format!("'{}' is not a transport protocol", value.display()))
}

/// Which options a protocol has: those of ports, or others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ProtocolOptions {
    Ports,
    Icmp,
    Icmp6,
    Keys,
    Nothing,
}

pub(super) fn protocol_options(number: u8) -> ProtocolOptions {
    match number {
        6 | 17 | 33 | 132 | 136 => ProtocolOptions::Ports,
        1 => ProtocolOptions::Icmp,
        58 => ProtocolOptions::Icmp6,
        47 => ProtocolOptions::Keys,
        _ => ProtocolOptions::Nothing,
    }
}

/// The protocol that has another name, LISTEN, for one of its states.
const TCP: u8 = 6;

/// The names of the states of all protocols, each once. The first one, NONE, is the same in all of them.
pub(super) const STATE_NAMES: [&str; TCP_STATES.len() + SCTP_STATES.len() + DCCP_STATES.len() - 3] = {
    let mut names = [""; TCP_STATES.len() + SCTP_STATES.len() + DCCP_STATES.len() - 3];
    let parts: [&[&str]; 3] = [&TCP_STATES, SCTP_STATES.split_at(1).1, DCCP_STATES.split_at(1).1];
    let (mut part, mut from, mut to) = (0, 0, 0);
    while part < parts.len() {
        if from == parts[part].len() {
            (part, from) = (part + 1, 0);
            continue;
        }
        // That of SCTP is also one of TCP.
        if part == 0 || !is_same(parts[part][from], "ESTABLISHED") {
            names[to] = parts[part][from];
            to += 1;
        }
        from += 1;
    }
    assert!(to == names.len());
    names
};

/// Whether two texts are equal, while compiling.
const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut place = 0;
    while place < one.len() && place < other.len() && one[place] == other[place] {
        place += 1;
    }
    place == one.len() && place == other.len()
}

/// The number of a state of `protocol`. The name must be exact, as with conntrack(8).
pub(super) fn state(protocol: u8, value: &OsStr) -> Result<u8, String> {
    let state = Flow::state_number(protocol, value.as_bytes());
    state.ok_or_else(|| match Flow::states_of(protocol) {
        [] => "this protocol has no states".into(),
        names => {
            let listen = if protocol == TCP { ", LISTEN" } else { "" };
            format!("'{}' is not one of {}{listen}", value.display(), names.join(", "))
        }
    })
}

/// The bits of `-u`: `UNREPLIED` is the absence of SEEN_REPLY.
const STATUSES: [(&str, FlowStatus); 8] = [
    ("ASSURED", FlowStatus::ASSURED),
    ("SEEN_REPLY", FlowStatus::SEEN_REPLY),
    ("UNSET", FlowStatus(0)),
    ("FIXED_TIMEOUT", FlowStatus::FIXED_TIMEOUT),
    ("EXPECTED", FlowStatus::EXPECTED),
    ("OFFLOAD", FlowStatus::OFFLOAD),
    ("HW_OFFLOAD", FlowStatus::HW_OFFLOAD),
    (UNREPLIED, FlowStatus::SEEN_REPLY),
];
const UNREPLIED: &str = "UNREPLIED";
/// The names of the statuses, for completions and messages.
pub(super) const STATUS_NAMES: [&str; STATUSES.len() - 1] = {
    let mut names = [""; STATUSES.len() - 1];
    let (mut from, mut to) = (0, 0);
    while from < STATUSES.len() {
        // UNSET matches no flow.
        if STATUSES[from].1.0 != 0 {
            names[to] = STATUSES[from].0;
            to += 1;
        }
        from += 1;
    }
    names
};

/// Adds a list like `ASSURED,!OFFLOAD` to the bits that must be set, and those that must not.
pub(super) fn statuses([set, unset]: &mut [u32; 2], value: &OsStr) -> Result<(), String> {
    for word in value.to_str().unwrap_or_default().split(',') {
        let (name, is_not) = match word.strip_prefix('!') {
            Some(name) => (name, true),
            None => (word, false),
        };
        let (name, bits) = abbreviated(&STATUSES, name)
            .ok_or_else(|| format!("'{word}' is not a status: {}", STATUS_NAMES.join(", ")))?;
        // An error of the original, too.
        if is_not && name == UNREPLIED {
            return Err(format!("'{word}' is SEEN_REPLY; write that"));
        }
        if bits.0 == 0 {
            return Err("UNSET is for creating flows and matches none".into());
        }
        *if is_not || name == UNREPLIED { &mut *unset } else { &mut *set } |= bits.0;
    }
    match *set & *unset {
        0 => Ok(()),
        _ => Err("requires a status and its absence".into()),
    }
}

/// The first of `known` that begins with `word`, ignoring case.
pub(super) fn abbreviated<T: Copy>(
    known: &[(&'static str, T)],
    word: &str,
) -> Option<(&'static str, T)> {
    let begins =
        |name: &str| name.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
    known.iter().find(|(name, _)| !word.is_empty() && begins(name)).copied()
}
