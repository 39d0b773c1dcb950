//! The parsed command line of `conntrack`.

use std::ffi::OsStr;
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;

use super::flow_keys::TrackedFlows;
use super::values::{
    self, Listing, ProtocolOptions, address, bare_address, number_of, translation,
};
use crate::cli;
use crate::error::Error;
use crate::model::{Flow, FlowFilter, Masked, Ports, Translation};
use crate::out::Subject;
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

impl Command {
    /// What its rows are about.
    pub(super) fn subject(self) -> Subject {
        let (Command::List(table)
        | Command::Count(table)
        | Command::Events(table)
        | Command::Get(table)
        | Command::Stats(table)) = self;
        match table {
            Listing::Flows(_) => Subject::Flows,
            Listing::Expectations => Subject::Expectations,
        }
    }
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
    /// The names of labels, until their numbers are known, each with whether it must not be set.
    pub labels: Vec<(bool, String)>,
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

    /// Has `set` put the condition of an option into the filter, or that of each word behind a `!` into one that must not
    /// match. Of conditions that must hold the last option counts, as in conntrack(8); exclusions add up.
    pub(super) fn filter(
        &mut self,
        about: About,
        option: &'static str,
        value: &OsStr,
        set: impl Fn(&mut FlowFilter, &OsStr) -> Result<(), String>,
    ) -> Result<(), String> {
        let filter = &mut self.note(about, option).filter;
        if !value.as_bytes().contains(&b'!') {
            return set(filter, value);
        }
        let words = cli::choices(value)?;
        if words.iter().filter(|(is_not, _)| !is_not).count() > 1 {
            return Err(format!("'{}': only one word may have no ! before it", value.display()));
        }
        for (is_not, word) in words {
            let mut one = FlowFilter::default();
            set(if is_not { &mut one } else { &mut *filter }, OsStr::from_bytes(word))?;
            filter.none.extend(is_not.then_some(one));
        }
        Ok(())
    }

    /// The same for an option of the protocol that `-p` named.
    pub(super) fn of(
        &mut self,
        option: &'static str,
        kind: ProtocolOptions,
        value: &OsStr,
        set: impl Fn(&mut FlowFilter, &OsStr) -> Result<(), String>,
    ) -> Result<(), String> {
        self.must_be_of(kind)?;
        self.filter(About::Tuple, option, value, set)
    }

    /// Refuses an option of other protocols than the one that `-p` named.
    fn must_be_of(&self, kind: ProtocolOptions) -> Result<(), String> {
        match self.filter.protocol {
            None => Err("needs -p PROTO before it".into()),
            Some(protocol) if values::protocol_options(protocol) != kind => {
                Err("is not an option of this protocol".into())
            }
            Some(_) => Ok(()),
        }
    }

    /// Takes a port, or a list of ports, ranges and services, of the replies or not, for the source (0) or the
    /// destination (1); exclusions add up, and of the others the last option counts.
    pub(super) fn ports(
        &mut self,
        option: &'static str,
        place: (bool, usize),
        value: &OsStr,
    ) -> Result<(), String> {
        self.must_be_of(ProtocolOptions::Ports)?;
        // One number can be looked for by the kernel.
        let number = number_of(value).ok();
        let words = if number.is_some() { Vec::new() } else { options::words(value)? };
        let filter = &mut self.note(About::Tuple, option).filter;
        let (is_reply, end) = place;
        let side = if is_reply { &mut filter.reply } else { &mut filter.orig };
        let is_new = number.is_some() || words.iter().any(|(is_not, _)| !is_not);
        if is_new {
            side.ports[end] = number;
            side.ranges[end].any.clear();
        }
        let mut services = Vec::new();
        for (is_not, word) in words {
            match options::range(word)? {
                Some(range) => side.ranges[end].list(is_not).push(range),
                None => services.push(Service { option, place, is_not, name: word.to_owned() }),
            }
        }
        self.services.retain(|service| !is_new || service.is_not || service.place != place);
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

pub(super) fn zone(
    args: &mut Args,
    option: &'static str,
    value: &OsStr,
    place: fn(&mut FlowFilter) -> &mut Option<u16>,
) -> Result<(), String> {
    args.filter(About::Zone, option, value, |filter, word| {
        *place(filter) = Some(number_of(word)?);
        Ok(())
    })
}

/// Takes a number of the protocol that `-p` named.
pub(super) fn number<T: TryFrom<u32>>(
    args: &mut Args,
    option: &'static str,
    kind: ProtocolOptions,
    value: &OsStr,
    place: fn(&mut FlowFilter) -> &mut Option<T>,
) -> Result<(), String> {
    args.of(option, kind, value, |filter, word| {
        *place(filter) = Some(number_of(word)?);
        Ok(())
    })
}

/// Sets the family; refuses a second one, since addresses of two families would match nothing.
pub(super) fn set_family(filter: &mut FlowFilter, family: u8) -> Result<(), String> {
    match filter.family.replace(family) {
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
    args.filter(About::Tuple, option, value, |filter, word| {
        let address = address(word)?;
        set_family(filter, family_of(address.address))?;
        *place(filter) = Some(address);
        Ok(())
    })
}

pub(super) fn mask(
    args: &mut Args,
    option: &'static str,
    value: &OsStr,
    place: usize,
) -> Result<(), String> {
    let mask = bare_address(value)?;
    set_family(&mut args.filter, family_of(mask))?;
    args.note(About::Filter, option).masks[place] = Some(mask);
    Ok(())
}

/// Takes a translation: any, or that to an address; a `!` alone excludes any.
pub(super) fn nat(
    args: &mut Args,
    option: &'static str,
    value: Option<&OsStr>,
    place: fn(&mut FlowFilter) -> &mut Option<Translation>,
) -> Result<(), String> {
    let set = |filter: &mut FlowFilter, word: Option<&OsStr>| {
        let wanted = translation(word)?;
        if let Some(address) = wanted.address {
            set_family(filter, family_of(address))?;
        }
        *place(filter) = Some(wanted);
        Ok(())
    };
    match value {
        Some(value) if value != "!" => {
            args.filter(About::Filter, option, value, |filter, word| set(filter, Some(word)))
        }
        value => {
            let (filter, mut one) =
                (&mut args.note(About::Filter, option).filter, FlowFilter::default());
            set(if value.is_some() { &mut one } else { &mut *filter }, None)?;
            filter.none.extend(value.map(|_| one));
            Ok(())
        }
    }
}
