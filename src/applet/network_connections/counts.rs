//! How many sockets of each type are in each state, with psutil's names.

use std::cmp::Reverse;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde_json::{Map, Value};

use crate::cli;
use crate::error::Error;
use crate::frame::Report;
use crate::model::{Family, Proto, Query, StateSet, TcpState};
use crate::source::files::procfs::{self, File, Record};
use crate::source::{self, Method, Source};
use crate::sys;

use crate::wire::text;

/// The types, in the order in which equal numbers are sorted.
pub const TYPES: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];
/// The state of every UDP socket.
pub const NONE: &str = "NONE";

/// The values of `--conn-type`.
pub const TYPE_CHOICES: [&str; 5] = ["all", "tcp", "tcp6", "udp", "udp6"];
/// The values of `--conn-status`.
pub const STATUS_CHOICES: [&str; 13] = [
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
pub const CHANGED: &str = "the sockets changed during the dump: the count may be off";

/// The requested sockets; all if the lists are empty.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    types: Vec<&'static str>,
    statuses: Vec<&'static str>,
}

impl Selection {
    /// Adds a value of `--conn-type`.
    pub fn add_type(&mut self, value: &OsStr) -> Result<(), String> {
        self.types.push(cli::choose(&TYPE_CHOICES.map(|word| (word, word)), value)?);
        Ok(())
    }

    /// Adds a value of `--conn-status`.
    pub fn add_status(&mut self, value: &OsStr) -> Result<(), String> {
        self.statuses.push(cli::choose(&STATUS_CHOICES.map(|word| (word, word)), value)?);
        Ok(())
    }

    pub fn has_types(&self) -> bool {
        !self.types.is_empty()
    }

    pub fn has_statuses(&self) -> bool {
        !self.statuses.is_empty()
    }

    fn has_type(&self, kind: usize) -> bool {
        self.types.is_empty() || self.types.iter().any(|one| ["all", TYPES[kind]].contains(one))
    }

    fn has_status(&self, status: &str) -> bool {
        let status = status.to_lowercase();
        self.statuses.is_empty() || self.statuses.iter().any(|one| *one == "all" || *one == status)
    }

    fn states(&self) -> StateSet {
        TcpState::all().filter(|state| self.has_status(state.name())).collect()
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
    pub fn pairs(&self) -> Vec<(usize, &'static str)> {
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
    pub fn nothing(&self) -> String {
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
pub struct Counts {
    counts: Vec<(usize, String, u64)>,
}

impl Counts {
    fn add(&mut self, kind: usize, status: &str, sockets: u64) {
        let is_it = |(other, name, _): &&mut (usize, String, u64)| *other == kind && name == status;
        match self.counts.iter_mut().find(is_it) {
            Some((.., count)) => *count = count.saturating_add(sockets),
            None => self.counts.push((kind, status.to_owned(), sockets)),
        }
    }

    pub fn merge(&mut self, other: Counts) {
        other.counts.into_iter().for_each(|(kind, status, count)| self.add(kind, &status, count));
    }

    /// Adds the requested pairs that are missing, with 0.
    pub fn fill(&mut self, wanted: &Selection) {
        wanted.pairs().into_iter().for_each(|(kind, status)| self.add(kind, status, 0));
    }

    /// The counts by label (`tcp_TIME_WAIT`), the largest first, equal ones in a fixed order.
    pub fn sorted(&mut self) -> Vec<(String, u64)> {
        let rank = |status: &str| {
            let known = TcpState::all().map(TcpState::name).chain([NONE]);
            known.into_iter().position(|name| name == status).unwrap_or(usize::MAX)
        };
        self.counts.sort_unstable_by(|a, b| {
            let key = |(kind, status, count): &(usize, String, u64)| {
                (Reverse(*count), rank(status), *kind)
            };
            key(a).cmp(&key(b)).then_with(|| a.1.cmp(&b.1))
        });
        let label = |(kind, status, count): &(usize, String, u64)| {
            (format!("{}_{status}", TYPES[*kind]), *count)
        };
        self.counts.iter().map(label).collect()
    }

    /// Counts the sockets of a network namespace.
    pub fn read(
        &mut self,
        source: &Source,
        wanted: &Selection,
        report: &mut Report,
    ) -> Result<(), Error> {
        if !source.is_live() {
            return self.read_files(source, wanted);
        }
        let mut is_interrupted = false;
        if wanted.kinds(Proto::Tcp).next().is_some() {
            let (counts, dumped) = source::tcp_states(source, Method::Auto, wanted.states(), true)?;
            is_interrupted |= dumped.is_interrupted;
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
            let query = Query { protos: vec![Proto::Udp], ..Query::default() };
            let mut counts = [0; 2];
            let dumped = source::sockets(source, Method::Auto, &query, |socket| {
                counts[socket.family as usize] += 1;
                Ok(())
            })?;
            is_interrupted |= dumped.is_interrupted;
            for family in wanted.kinds(Proto::Udp).filter(|family| counts[*family as usize] > 0) {
                self.add(kind(Proto::Udp, family), NONE, counts[family as usize]);
            }
        }
        if is_interrupted {
            report.note(CHANGED);
        }
        Ok(())
    }

    /// Counts the rows of tables, saved or of another tree, in one pass: a pipe can be read only once.
    fn read_files(&mut self, source: &Source, wanted: &Selection) -> Result<(), Error> {
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
        let mut has_table = [!source.saved.is_empty(); 2].map(|is_saved| !is_saved);
        procfs::read(source, &files, |place, record| {
            match record {
                Record::Header(proto) => has_table[proto as usize] = true,
                Record::Row(Proto::Tcp, family, row) if is_wanted(Proto::Tcp, family) => {
                    let state = TcpState::from_number(row.state).ok_or_else(|| {
                        let state = row.state;
                        place.error(format_args!("{state:02X} is not one of the twelve states"))
                    })?;
                    if wanted.has_status(state.name()) {
                        self.add(kind(Proto::Tcp, family), state.name(), 1);
                    }
                }
                Record::Row(Proto::Udp, family, _) if is_wanted(Proto::Udp, family) => {
                    self.add(kind(Proto::Udp, family), NONE, 1);
                }
                _ => {}
            }
            Ok(())
        })?;
        let is_missing =
            |proto: &Proto| wanted.kinds(*proto).next().is_some() && !has_table[*proto as usize];
        match Proto::ALL.into_iter().find(is_missing) {
            None => Ok(()),
            Some(proto) => {
                let name = proto.name().to_uppercase();
                Err(Error::failed("--from", format_args!("contains no table of {name} sockets")))
            }
        }
    }

    /// Counts the sockets of `--test`: a recorded run of Linuxfabrik's plugin.
    ///
    /// # Errors
    /// If the files cannot be read, have another content, or record a failure.
    pub fn read_test(&mut self, test: &OsStr, wanted: &Selection) -> Result<(), Error> {
        let parts: Vec<&[u8]> =
            test.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
        let part = |place: usize| parts.get(place).copied().unwrap_or_default();
        let status = if part(2).is_empty() { Some(0) } else { text::number(part(2)) };
        let Some(status) = status.filter(|_| parts.len() <= 3) else {
            let reason = "needs two files and a number: STDOUT,STDERR,STATUS";
            return Err(Error::usage("--test", reason));
        };
        let said = contents(part(1)).unwrap_or_else(|_| part(1).to_vec());
        match (status, first_line(&said)) {
            (0, None) => self.read_json(part(0), wanted),
            (_, Some(line)) => {
                let line = String::from_utf8_lossy(line).into_owned();
                Err(Error::failed("--test", format_args!("the recorded run said: {line}")))
            }
            (status, None) => {
                let reason = format_args!("the recorded run ended with status {status}");
                Err(Error::failed("--test", reason))
            }
        }
    }

    fn read_json(&mut self, name: &[u8], wanted: &Selection) -> Result<(), Error> {
        if name.is_empty() {
            return Err(Error::usage("--test", "needs a file of sockets"));
        }
        // The original takes a text that is not a file as the list itself.
        let text = match contents(name) {
            Err(_) if name.starts_with(b"[") => name.to_vec(),
            text => text?,
        };
        let objects: Vec<Map<String, Value>> = serde_json::from_slice(&text).map_err(|error| {
            let place = [name, format!(":{}", error.line()).as_bytes()].concat();
            Error::failed(place, "is not a JSON list of objects with proto and status")
        })?;
        for object in &objects {
            let word = |key| object.get(key).and_then(Value::as_str);
            let kind = word("proto").and_then(|proto| TYPES.iter().position(|one| *one == proto));
            let reason = match (kind, word("status")) {
                (Some(kind), Some(status)) => {
                    if wanted.has_type(kind) && wanted.has_status(status) {
                        self.add(kind, status, 1);
                    }
                    continue;
                }
                (None, _) => "a proto is not one of tcp, tcp6, udp, udp6",
                (_, None) => "an object has no status",
            };
            return Err(Error::failed(name, reason));
        }
        Ok(())
    }
}

/// The content of a file; an empty name is an empty file.
fn contents(name: &[u8]) -> Result<Vec<u8>, Error> {
    if name.is_empty() {
        return Ok(Vec::new());
    }
    let file = sys::open(OsStr::from_bytes(name));
    file.and_then(|file| sys::read_all(file, usize::MAX))
        .map_err(|error| Error::system(name, error))
}

/// The first line of a text, if the text is not blank.
fn first_line(text: &[u8]) -> Option<&[u8]> {
    text.trim_ascii().split(|byte| *byte == b'\n').next().filter(|line| !line.is_empty())
}
