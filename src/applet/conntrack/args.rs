//! The parsed command line of `conntrack`.

use std::ffi::OsStr;
use std::net::IpAddr;

use super::flow_keys::TrackedFlows;
use super::values::{self, Kind, Listing, address, bare_address, number_of, translation};
use crate::model::{FlowFilter, Masked, Translation};
use crate::select::grouping::{Grouping, TakesGrouping};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    List(Listing),
    Count(Listing),
    Events(Listing),
    Get(Listing),
    Stats(Listing),
}

/// What an option is about: not every command takes every option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The tuple of a flow, required by `-G`.
    Tuple,
    Family,
    Zone,
    Filter,
    Form,
    Events,
    Groups,
    Limits,
}

/// The parts that `-o` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Output {
    pub extended: bool,
    pub id: bool,
    pub timestamp: bool,
    pub ktimestamp: bool,
    pub labels: bool,
    pub xml: bool,
    pub save: bool,
}

/// The bits of `-e`.
pub const EVENT_NEW: u8 = 1;
pub const EVENT_UPDATE: u8 = 1 << 1;
pub const EVENT_DESTROY: u8 = 1 << 2;

#[derive(Debug, Default)]
pub struct Args {
    pub commands: Vec<Command>,
    pub filter: FlowFilter,
    /// `--mask-src` and `--mask-dst`, until the addresses are known.
    pub masks: [Option<IpAddr>; 2],
    /// The names of labels, until their numbers are known.
    pub labels: Vec<String>,
    pub output: Output,
    /// The wanted events; 0 for all.
    pub events: u8,
    /// `-b`: the size of the receive buffer.
    pub buffer_bytes: Option<usize>,
    /// `--resync`: whether to find lost events by a dump.
    pub resync: bool,
    pub grouping: Grouping<TrackedFlows>,
    pub limits: bool,
    /// The options that were given, and what they are about.
    pub given: Vec<(About, &'static str)>,
}

impl TakesGrouping for Args {
    type Of = TrackedFlows;
    fn grouping(&mut self, option: &'static str) -> &mut Grouping<TrackedFlows> {
        &mut self.note(About::Groups, option).grouping
    }
}

impl Args {
    pub fn note(&mut self, about: About, option: &'static str) -> &mut Args {
        self.given.push((about, option));
        self
    }

    /// The first option whose subject is not among `allowed`.
    pub fn misplaced(&self, allowed: &[About]) -> Option<&'static str> {
        let stray = self.given.iter().find(|(about, _)| !allowed.contains(about));
        stray.map(|(_, option)| *option)
    }

    /// The filter for an option of the protocol that `-p` named.
    pub fn of(&mut self, option: &'static str, kind: Kind) -> Result<&mut FlowFilter, String> {
        let Some(protocol) = self.filter.protocol else {
            return Err("needs -p PROTO before it".into());
        };
        if values::kind(protocol) != kind {
            return Err("is not an option of this protocol".into());
        }
        Ok(&mut self.note(About::Tuple, option).filter)
    }
}

pub const EVENTS: [(&str, u8); 4] = [
    ("ALL", EVENT_NEW | EVENT_UPDATE | EVENT_DESTROY),
    ("NEW", EVENT_NEW),
    ("UPDATES", EVENT_UPDATE),
    ("DESTROY", EVENT_DESTROY),
];

/// Switches on a part of the output.
type Ask = fn(&mut Output);

pub const PARTS: [(&str, Ask); 7] = [
    ("xml", |parts| parts.xml = true),
    ("extended", |parts| parts.extended = true),
    ("timestamp", |parts| parts.timestamp = true),
    ("id", |parts| parts.id = true),
    ("ktimestamp", |parts| parts.ktimestamp = true),
    ("labels", |parts| parts.labels = true),
    ("save", |parts| parts.save = true),
];

/// Calls `each` with the meaning of each word of a list; words may be abbreviated.
pub fn each_word<T: Copy>(
    args: &mut Args,
    value: &OsStr,
    known: &[(&'static str, T)],
    each: fn(&mut Args, T),
) -> Result<(), String> {
    for word in value.to_str().unwrap_or_default().split(',') {
        let found = values::abbreviated(known, word);
        let (_, meaning) = found.ok_or_else(|| {
            let names: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            format!("'{word}' is not one of {}", names.join(", "))
        })?;
        each(args, meaning);
    }
    Ok(())
}

pub fn zone(value: &OsStr) -> Result<u16, String> {
    number_of(value, 65_535)
}

/// Sets the family; refuses a second one, since addresses of two families would match nothing.
pub fn set_family(args: &mut Args, family: u8) -> Result<(), String> {
    match args.filter.family.replace(family) {
        Some(other) if other != family => {
            Err("has another address family than an earlier option".into())
        }
        _ => Ok(()),
    }
}

pub fn family_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}

pub fn end(
    args: &mut Args,
    option: &'static str,
    value: &OsStr,
    place: fn(&mut FlowFilter) -> &mut Option<Masked>,
) -> Result<(), String> {
    let address = address(value)?;
    set_family(args, family_of(address.address))?;
    *place(&mut args.note(About::Tuple, option).filter) = Some(address);
    Ok(())
}

pub fn mask(
    args: &mut Args,
    option: &'static str,
    value: &OsStr,
    place: usize,
) -> Result<(), String> {
    let mask = bare_address(value)?;
    set_family(args, family_of(mask))?;
    args.note(About::Filter, option).masks[place] = Some(mask);
    Ok(())
}

pub fn nat(
    args: &mut Args,
    option: &'static str,
    value: Option<&OsStr>,
) -> Result<Translation, String> {
    let wanted = translation(value)?;
    if let Some(address) = wanted.address {
        set_family(args, family_of(address))?;
    }
    args.note(About::Filter, option);
    Ok(wanted)
}
