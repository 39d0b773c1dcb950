//! How many sockets of each type are in each state, with psutil's names.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::ffi::OsStr;

use crate::cli;
use crate::error::Error;
use crate::frame::Report;
use crate::model::{Family, Patience, Proto, Query, StateCounts, StateSet, TcpState};
use crate::source::files::procfs::{self, File};
use crate::source::files::tables::Doubts;
use crate::source::sockets::sock_diag::Dumped;
use crate::source::{self, Method, Source};

/// The types, in the order in which equal numbers are sorted.
pub(super) const TYPES: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];
/// The state of every UDP socket.
pub(super) const NONE: &str = "NONE";

/// The values of `--conn-type`.
pub(super) const TYPE_CHOICES: [&str; 5] = ["all", "tcp", "tcp6", "udp", "udp6"];
/// The values of `--conn-status`.
pub(super) const STATUS_CHOICES: [&str; 13] = [
    "all",
    "close",
    "close_wait",
    "closing",
    "established",
    "fin_wait1",
    "fin_wait2",
    "last_ack",
    "listen",
    "none",
    "syn_recv",
    "syn_sent",
    "time_wait",
];

/// The warning if the kernel noticed a change during a dump.
const CHANGED: &str = "the sockets changed during the dump: the count may be off";

/// The requested sockets; all if the lists are empty.
#[derive(Clone, Debug, Default)]
pub(super) struct Selection {
    types: Vec<&'static str>,
    statuses: Vec<&'static str>,
}

impl Selection {
    /// Adds a value of `--conn-type`.
    pub(super) fn add_type(&mut self, value: &OsStr) -> Result<(), String> {
        self.types.push(cli::choose(&TYPE_CHOICES.map(|word| (word, word)), value)?);
        Ok(())
    }

    /// Adds a value of `--conn-status`.
    pub(super) fn add_status(&mut self, value: &OsStr) -> Result<(), String> {
        self.statuses.push(cli::choose(&STATUS_CHOICES.map(|word| (word, word)), value)?);
        Ok(())
    }

    pub(super) fn has_types(&self) -> bool {
        !self.types.is_empty()
    }

    pub(super) fn has_statuses(&self) -> bool {
        !self.statuses.is_empty()
    }

    fn has_type(&self, kind: usize) -> bool {
        self.types.is_empty() || self.types.iter().any(|one| ["all", TYPES[kind]].contains(one))
    }

    fn has_status(&self, status: &str) -> bool {
        let status = status.to_lowercase();
        self.statuses.is_empty() || self.statuses.iter().any(|one| *one == "all" || *one == status)
    }

    /// Whether sockets of a type and state are requested.
    pub(super) fn has(&self, kind: usize, status: &str) -> bool {
        self.has_type(kind) && self.has_status(status)
    }

    /// The types that were asked for by name, or that have rows of 0.
    fn asked(&self, is_filled: bool) -> impl Iterator<Item = (Proto, Family)> + '_ {
        let all =
            Proto::ALL.into_iter().flat_map(|proto| Family::ALL.map(|family| (proto, family)));
        all.filter(move |(proto, family)| {
            let kind = kind(*proto, *family);
            self.types.contains(&TYPES[kind]) || is_filled && self.has_type(kind)
        })
    }

    fn states(&self) -> StateSet {
        TcpState::all().filter(|state| self.has_status(state.name())).collect()
    }

    /// The states of each protocol that are asked for.
    fn states_of_protos(&self) -> [StateSet; 2] {
        // The states of UDP count as one.
        let all = [self.states(), StateSet::ALL];
        Proto::ALL.map(|proto| match self.kinds(proto).next() {
            Some(_) => all[proto as usize],
            None => StateSet::default(),
        })
    }

    /// Whether states are asked for by name.
    fn is_named(&self) -> bool {
        self.statuses.iter().any(|one| *one != "all")
    }

    /// The requested types of a protocol, if they can be in a requested state.
    fn kinds(&self, proto: Proto) -> impl Iterator<Item = Family> + '_ {
        let can_be = match proto {
            Proto::Tcp => !self.states().is_empty(),
            Proto::Udp => self.has_status(NONE),
        };
        Family::ALL.into_iter().filter(move |one| can_be && self.has_type(kind(proto, *one)))
    }

    /// Every requested and possible pair of type and state.
    pub(super) fn pairs(&self) -> Vec<(usize, &'static str)> {
        // The kernel shows NEW_SYN_RECV as SYN_RECV, so it cannot be requested.
        let names = TcpState::all().map(TcpState::name).filter(|name| *name != "NEW_SYN_RECV");
        let tcp: Vec<_> = names.filter(|name| self.has_status(name)).collect();
        let mut pairs = Vec::new();
        for proto in Proto::ALL {
            let states = if proto == Proto::Tcp { &tcp[..] } else { &[NONE] };
            for family in self.kinds(proto) {
                pairs.extend(states.iter().map(|state| (kind(proto, family), *state)));
            }
        }
        pairs
    }

    /// The text if no such socket is found.
    pub(super) fn nothing(&self) -> String {
        let list = |words: &[&str]| if words.is_empty() { "all".into() } else { words.join(",") };
        format!(
            "No connections of type \"{}\" in status \"{}\" found.",
            list(&self.types),
            list(&self.statuses)
        )
    }
}

/// The index of a type in [`TYPES`].
fn kind(proto: Proto, family: Family) -> usize {
    2 * proto as usize + family as usize
}

/// How many sockets of each type are in each state, without zeros.
#[derive(Debug, Default)]
pub(super) struct Counts {
    /// By state, for each type.
    counts: Vec<(Box<str>, [Option<u64>; TYPES.len()])>,
    /// The places of the states. A file of --test may have any number of them.
    places: HashMap<Box<[u8]>, u32>,
}

impl Counts {
    pub(super) fn add(&mut self, kind: usize, status: &str, sockets: u64) {
        let place = self.places.get(status.as_bytes()).map_or(usize::MAX, |place| *place as usize);
        if let Some((_, counts)) = self.counts.get_mut(place) {
            counts[kind] = Some(counts[kind].unwrap_or_default().saturating_add(sockets));
            return;
        }
        let mut counts = [None; TYPES.len()];
        counts[kind] = Some(sockets);
        self.places.insert(status.as_bytes().into(), self.counts.len() as u32);
        self.counts.push((status.into(), counts));
    }

    /// The number of a type and state, if there is one.
    pub(super) fn get(&self, kind: usize, status: &str) -> Option<u64> {
        let place = *self.places.get(status.as_bytes())?;
        self.counts.get(place as usize).and_then(|(_, counts)| counts[kind])
    }

    pub(super) fn merge(&mut self, other: Counts) {
        other.each(&mut |kind, status, count| self.add(kind, status, count));
    }

    fn each<'a>(&'a self, each: &mut dyn FnMut(usize, &'a str, u64)) {
        for (status, counts) in &self.counts {
            for (kind, count) in counts.iter().enumerate() {
                count.iter().for_each(|count| each(kind, status, *count));
            }
        }
    }

    /// Whether a requested pair is missing.
    pub(super) fn lacks(&self, wanted: &Selection) -> bool {
        wanted.pairs().iter().any(|(kind, status)| self.get(*kind, status).is_none())
    }

    /// Adds the requested pairs that are missing, with 0.
    pub(super) fn fill(&mut self, wanted: &Selection) {
        wanted.pairs().into_iter().for_each(|(kind, status)| self.add(kind, status, 0));
    }

    /// The counts by label (`tcp_TIME_WAIT`), the largest first, equal ones in a fixed order.
    pub(super) fn sorted(&self) -> Vec<(String, u64)> {
        let rank = |status: &str| {
            let known = TcpState::all().map(TcpState::name).chain([NONE]);
            known.into_iter().position(|name| name == status).unwrap_or(usize::MAX)
        };
        let mut counts = Vec::new();
        self.each(&mut |kind, status, count| {
            counts.push((Reverse(count), rank(status), kind, status));
        });
        counts.sort_unstable();
        let label = |(Reverse(count), _, kind, status): &(Reverse<u64>, usize, usize, &str)| {
            (format!("{}_{status}", TYPES[*kind]), *count)
        };
        counts.iter().map(label).collect()
    }

    /// Counts the sockets of a network namespace. `is_filled`: whether requested states without a socket are 0.
    pub(super) fn read(
        &mut self,
        source: &Source,
        wanted: &Selection,
        is_filled: bool,
        report: &mut Report,
    ) -> Result<(), Error> {
        if !source.is_live() {
            return self.read_files(source, wanted, is_filled, report);
        }
        if wanted.kinds(Proto::Tcp).next().is_some() {
            let (counts, _) = states(source, wanted.states(), true, None, report)?;
            for family in wanted.kinds(Proto::Tcp) {
                for state in wanted.states().iter() {
                    let count = counts.get(family, state);
                    if count > 0 {
                        self.add(kind(Proto::Tcp, family), state.name(), count);
                    }
                }
            }
        }
        if wanted.kinds(Proto::Udp).next().is_some() {
            let counts = udp(source, None, None, report)?;
            for family in wanted.kinds(Proto::Udp).filter(|family| counts[*family as usize] > 0) {
                self.add(kind(Proto::Udp, family), NONE, counts[family as usize]);
            }
        }
        Ok(())
    }

    /// Counts the rows of tables, saved or of another tree, in one pass: a pipe can be read only once.
    fn read_files(
        &mut self,
        source: &Source,
        wanted: &Selection,
        is_filled: bool,
        report: &mut Report,
    ) -> Result<(), Error> {
        let tables = [
            (Proto::Tcp, Family::Inet, File::Tcp),
            (Proto::Tcp, Family::Inet6, File::Tcp6),
            (Proto::Udp, Family::Inet, File::Udp),
            (Proto::Udp, Family::Inet6, File::Udp6),
        ];
        let is_wanted = |proto, family| wanted.kinds(proto).any(|one| one == family);
        let files: Vec<_> = tables
            .into_iter()
            .filter(|(proto, family, _)| is_wanted(*proto, *family))
            .map(|(.., file)| file)
            .collect();
        let mut seen = [StateSet::default(); 2];
        let mut has_table = [!source.saved.is_empty(); 2].map(|is_saved| !is_saved);
        let mut tables = procfs::read(source, &files, |place, record| {
            if let Some(proto) = record.table() {
                has_table[proto as usize] = true;
            }
            let Some((proto, family, state)) = record.socket() else { return Ok(()) };
            // A state that is seen in one family was not left out of the other.
            let state_set = TcpState::from_number(state).into_iter().collect();
            seen[proto as usize] = seen[proto as usize].with(state_set);
            if !is_wanted(proto, family) {
                return Ok(());
            }
            if proto == Proto::Udp {
                self.add(kind(proto, family), NONE, 1);
                return Ok(());
            }
            let state = TcpState::from_number(state).ok_or_else(|| {
                place.error(format_args!("{state:02X} is not one of the twelve states"))
            })?;
            if wanted.has_status(state.name()) {
                self.add(kind(proto, family), state.name(), 1);
            }
            Ok(())
        })?;
        let is_named = is_filled || wanted.is_named();
        tables.doubts.want(wanted.states_of_protos(), seen, is_named);
        for (proto, family) in wanted.asked(is_filled) {
            let is_named = wanted.types.contains(&TYPES[kind(proto, family)]);
            tables.doubts.ask(proto, family, is_named);
        }
        // Each type is of one family.
        tables.doubts.ask_family();
        note(Dumped { is_interrupted: false, doubts: tables.doubts }, report);
        let is_missing =
            |proto: &Proto| wanted.kinds(*proto).next().is_some() && !has_table[*proto as usize];
        Proto::ALL.into_iter().find(is_missing).map_or(Ok(()), |proto| Err(no_table(source, proto)))
    }
}

/// The error for files without a table of a protocol.
fn no_table(source: &Source, proto: Proto) -> Error {
    let mut error = source::no_table(source, proto);
    if let Error::Fault { text, .. } = &mut error {
        let cure = match proto {
            Proto::Tcp => "; for UDP alone: --conn-type=udp --conn-type=udp6",
            Proto::Udp => "; for TCP alone: --conn-type=tcp --conn-type=tcp6",
        };
        text.extend_from_slice(cure.as_bytes());
    }
    error
}

/// Counts UDP sockets by family, and says what may be wrong with that.
pub(super) fn udp(
    source: &Source,
    family: Option<Family>,
    strict: Patience,
    report: &mut Report,
) -> Result<[u64; 2], Error> {
    let query = Query { protos: vec![Proto::Udp], family, ..Query::default() };
    let (counts, dumped) = source::confirmed(source, strict, || {
        let mut counts = [0; 2];
        let dumped = source::sockets(source, Method::Auto, &query, |socket| {
            counts[socket.family as usize] += 1;
            Ok(())
        })?;
        Ok((counts, dumped))
    })?;
    note(dumped, report);
    Ok(counts)
}

/// Counts TCP sockets by state, and says what may be wrong with that; gives the doubts, too, for what one family lacks.
pub(super) fn states(
    source: &Source,
    states: StateSet,
    by_family: bool,
    strict: Patience,
    report: &mut Report,
) -> Result<(StateCounts, Doubts), Error> {
    let (counts, dumped) = source::confirmed(source, strict, || {
        source::tcp_states(source, Method::Auto, states, by_family)
    })?;
    note(dumped, report);
    Ok((counts, dumped.doubts))
}

/// Says what may be wrong with a count.
pub(super) fn note(dumped: Dumped, report: &mut Report) {
    report.notes(dumped.notes(CHANGED));
}
