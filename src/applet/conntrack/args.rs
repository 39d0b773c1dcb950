//! The parsed command line of `conntrack`.

use std::ffi::OsStr;
use std::net::IpAddr;

use super::flow_keys::TrackedFlows;
use super::values::{
    self, Listing, ProtocolOptions, address, bare_address, number_of, translation,
};
use crate::error::Error;
use crate::model::{Choice, Flow, FlowFilter, Masked, Ports, Translation};
use crate::select::grouping::{Grouping, TakesGrouping};
use crate::select::options;
use crate::source::files::names::Services;
use crate::sys::Kernel;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    List(Listing),
    Count(Listing),
    Events(Listing),
    Get(Listing),
    Stats(Listing),
}

/// What an option is about: not every command takes every option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// The tuple of a flow, required by `-G`.
    Tuple,
    Family,
    Zone,
    Filter,
    Form,
    Events,
    Groups,
    Limits,
    Id,
}

/// The parts that `-o` asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Output {
    pub extended: bool,
    pub id: bool,
    pub timestamp: bool,
    pub ktimestamp: bool,
    pub labels: bool,
    pub xml: bool,
    pub save: bool,
}

/// The bits of `-e`.
pub(super) const EVENT_NEW: u8 = 1;
pub(super) const EVENT_UPDATE: u8 = 1 << 1;
pub(super) const EVENT_DESTROY: u8 = 1 << 2;

#[derive(Debug, Default)]
pub(super) struct Args {
    pub commands: Vec<Command>,
    pub filter: FlowFilter,
    /// `--mask-src` and `--mask-dst`, until the addresses are known.
    pub masks: [Option<IpAddr>; 2],
    /// The names of services, until their ports are known.
    pub services: Vec<Service>,
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
    /// `-i`: the ID that the flow of `-G` must have.
    pub id: Option<u32>,
    /// `-a`, which has no effect.
    pub has_nat_range: bool,
    /// The options that were given, and what they are about.
    pub given: Vec<(About, &'static str)>,
}

/// A port by its name in /etc/services.
#[derive(Debug)]
pub(super) struct Service {
    pub option: &'static str,
    /// Which direction's port it is, and which of both: see [`Args::ports`].
    pub place: (bool, usize),
    pub is_not: bool,
    pub name: String,
}

impl TakesGrouping for Args {
    type Of = TrackedFlows;
    fn grouping(&mut self, option: &'static str) -> &mut Grouping<TrackedFlows> {
        &mut self.note(About::Groups, option).grouping
    }
}

impl Args {
    pub(super) fn note(&mut self, about: About, option: &'static str) -> &mut Args {
        self.given.push((about, option));
        self
    }

    /// The first option whose subject is not among `allowed`.
    pub(super) fn misplaced(&self, allowed: &[About]) -> Option<&'static str> {
        let stray = self.given.iter().find(|(about, _)| !allowed.contains(about));
        stray.map(|(_, option)| *option)
    }

    /// Takes a port, or a list of ports, ranges and services, of the replies or not, for the source (0) or the
    /// destination (1); the last option of a kind counts.
    pub(super) fn ports(
        &mut self,
        option: &'static str,
        place: (bool, usize),
        value: &OsStr,
    ) -> Result<(), String> {
        let filter = self.of(option, ProtocolOptions::Ports)?;
        let (is_reply, end) = place;
        let side = if is_reply { &mut filter.reply } else { &mut filter.orig };
        side.ports[end] = number_of(value, 65_535).ok();
        side.ranges[end] = Choice::default();
        let mut services = Vec::new();
        // One number can be looked for by the kernel.
        let words = if side.ports[end].is_some() { Vec::new() } else { options::words(value)? };
        for (is_not, word) in words {
            match options::range(word)? {
                Some(range) => side.ranges[end].list(is_not).push(range),
                None => services.push(Service { option, place, is_not, name: word.to_owned() }),
            }
        }
        self.services.retain(|service| service.place != place);
        self.services.append(&mut services);
        Ok(())
    }

    /// The filter with the ports of all services.
    ///
    /// # Errors
    /// If a service has none.
    pub(super) fn with_services(&self, kernel: &Kernel) -> Result<FlowFilter, Error> {
        let mut filter = self.filter.clone();
        if self.services.is_empty() {
            return Ok(filter);
        }
        let known = Services::read(kernel)?;
        let protocol = filter.protocol.and_then(Flow::protocol_name).unwrap_or_default();
        for Service { option, place: (is_reply, end), is_not, name } in &self.services {
            let port = known.port(name, protocol);
            let port = port.ok_or_else(|| options::no_service(option, name, kernel))?;
            let side = if *is_reply { &mut filter.reply } else { &mut filter.orig };
            side.ranges[*end].list(*is_not).push(Ports { first: port, last: port });
        }
        Ok(filter)
    }

    /// The filter for an option of the protocol that `-p` named.
    pub(super) fn of(
        &mut self,
        option: &'static str,
        kind: ProtocolOptions,
    ) -> Result<&mut FlowFilter, String> {
        let Some(protocol) = self.filter.protocol else {
            return Err("needs -p PROTO before it".into());
        };
        if values::protocol_options(protocol) != kind {
            return Err("is not an option of this protocol".into());
        }
        Ok(&mut self.note(About::Tuple, option).filter)
    }
}

pub(super) const EVENTS: [(&str, u8); 4] = [
    ("ALL", EVENT_NEW | EVENT_UPDATE | EVENT_DESTROY),
    ("NEW", EVENT_NEW),
    ("UPDATES", EVENT_UPDATE),
    ("DESTROY", EVENT_DESTROY),
];

/// Switches on a part of the output.
type Ask = fn(&mut Output);

pub(super) const PARTS: [(&str, Ask); 7] = [
    ("xml", |parts| parts.xml = true),
    ("extended", |parts| parts.extended = true),
    ("timestamp", |parts| parts.timestamp = true),
    ("id", |parts| parts.id = true),
    ("ktimestamp", |parts| parts.ktimestamp = true),
    ("labels", |parts| parts.labels = true),
    ("save", |parts| parts.save = true),
];

/// Calls `each` with the meaning of each word of a list; words may be abbreviated.
pub(super) fn each_word<T: Copy>(
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

pub(super) fn zone(value: &OsStr) -> Result<u16, String> {
    number_of(value, 65_535)
}

/// Sets the family; refuses a second one, since addresses of two families would match nothing.
pub(super) fn set_family(args: &mut Args, family: u8) -> Result<(), String> {
    match args.filter.family.replace(family) {
        Some(other) if other != family => {
            Err("has another address family than an earlier option".into())
        }
        _ => Ok(()),
    }
}

pub(super) fn family_of(address: IpAddr) -> u8 {
    if address.is_ipv4() { 2 } else { 10 }
}

pub(super) fn end(
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

pub(super) fn mask(
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

pub(super) fn nat(
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
