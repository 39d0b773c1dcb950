//! `closedcalc --by`: who holds TCP sockets that are neither connected nor listening.

use std::collections::HashMap;
use std::ffi::OsStr;

use crate::cli;
use crate::error::Error;
use crate::frame::{Call, Report, Sample, Table};
use crate::model::Groups;
use crate::out::{Column, Value};
use crate::select::cells::{add, push_number, push_text, take, text};
use crate::source::Source;
use crate::source::files::names::Users;
use crate::source::processes::cgroup;
use crate::source::processes::holders::{Closed, Round};
use crate::sys::Kernel;

/// What holders may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Process,
    Pid,
    User,
    Cgroup,
}

/// The names of the keys.
pub const NAMES: [&str; 4] = ["process", "pid", "user", "cgroup"];

const KEYS: [(&str, Key); 4] = [
    (NAMES[0], Key::Process),
    (NAMES[1], Key::Pid),
    (NAMES[2], Key::User),
    (NAMES[3], Key::Cgroup),
];

/// All columns of this table; a run has those of its keys, and the last two.
pub const COLUMNS: [Column; 6] = [
    Column::label("process", "the name of the process that holds the sockets"),
    Column::label("pid", "its number: the lowest of several that hold a socket"),
    // The shells own USER.
    Column::label("owner", "who made the sockets, by name"),
    Column::label("cgroup", "the control group of the process"),
    Column::label("kind", "bound: has a port, and no more; unbound: is in no table at all"),
    Column::gauge("count", "closedcalc_holders", "TCP sockets neither connected nor listening"),
];

/// Said where descriptors of others may not be read; see `owner::CAPABILITIES`.
const UNREADABLE: &str = "the descriptors of some processes may not be read (needs \
    CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE): their unbound sockets are not found, and their bound \
    ones seem to be nobody's, '-'";

/// Reads `--by`.
///
/// # Errors
/// The reason why a word is no key.
pub fn keys(value: &OsStr) -> Result<Vec<Key>, String> {
    let mut keys = Vec::with_capacity(NAMES.len());
    add(&mut keys, value, |word| cli::choose(&KEYS, OsStr::new(word)))?;
    Ok(keys)
}

/// Prints the holders in groups.
///
/// # Errors
/// As [`Call::table`], and for options that mean nothing here.
pub fn run(call: &mut Call, keys: &[Key]) -> Result<(), Error> {
    check(call)?;
    let [.., kind, count] = COLUMNS;
    let columns: Vec<Column> =
        keys.iter().map(|key| COLUMNS[*key as usize]).chain([kind, count]).collect();
    let is_of_all = call.is_of_all_namespaces();
    call.table(&columns, &[], &mut By { keys, is_of_all, round: None })
}

fn check(call: &Call) -> Result<(), Error> {
    let name = call.names().first().map(|name| name.as_encoded_bytes()).unwrap_or_default();
    let common = call.common();
    cli::refuse([
        (!name.is_empty(), name, "with --by the rows are holders, and have no NAME"),
        (common.explain, b"--explain", "explains the formulae: not with --by"),
        (!common.from.is_empty(), b"--from", "saved files do not say who holds a socket"),
        (common.root.is_some(), b"--root", "with --by the running kernel is asked"),
    ])
}

struct By<'a> {
    keys: &'a [Key],
    /// Whether all namespaces are visited.
    is_of_all: bool,
    /// Then kept until the last.
    round: Option<Round>,
}

impl Table for By<'_> {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        if !source.is_live() {
            return Err(Error::usage("CONNBOX_ROOT", "with --by the running kernel is asked"));
        }
        let groups = self.groups(source, report)?;
        for (mut key, tally) in groups.sorted(0, usize::MAX) {
            let mut values = Vec::with_capacity(self.keys.len() + 2);
            values.extend(self.keys.iter().map(|of| of.value(&mut key)));
            values.push(kind(&mut key));
            values.push(Value::Int(tally.count.into()));
            out.row_of(&values)?;
        }
        Ok(())
    }

    fn machine(&mut self, _: Sample<'_>) -> Result<(), Error> {
        self.round = None;
        Ok(())
    }
}

impl By<'_> {
    fn groups(&mut self, source: &Source, report: &mut Report) -> Result<Groups, Error> {
        let kernel = &source.kernel;
        let round = match self.round.take() {
            Some(round) => round,
            None if self.is_of_all => Round::of_all_namespaces(kernel)?,
            None => Round::of_own_namespace(kernel)?,
        };
        if round.unreadable() > 0 {
            report.note(UNREADABLE);
        }
        let has_users = self.keys.contains(&Key::User);
        let users = if has_users { Users::read(kernel)? } else { Users::default() };
        let mut facts = Facts { kernel, round: &round, users, cgroups: HashMap::new() };
        let mut groups = Groups::default();
        let mut buffer = Vec::with_capacity(128);
        for socket in &round.closed(kernel)? {
            buffer.clear();
            self.keys.iter().for_each(|key| key.push(&mut buffer, socket, &mut facts));
            push_number(&mut buffer, socket.is_bound.map(u32::from));
            groups.add(&buffer, [0; 2]);
        }
        self.round = Some(round).filter(|_| self.is_of_all);
        Ok(groups)
    }
}

/// What is known of the holders.
struct Facts<'a> {
    kernel: &'a Kernel,
    round: &'a Round,
    users: Users,
    /// The control groups of processes, each read once.
    cgroups: HashMap<u32, Option<Vec<u8>>>,
}

impl Key {
    /// Appends what `socket` has for this key: bytes in whose order the groups stand.
    fn push(self, buffer: &mut Vec<u8>, socket: &Closed, facts: &mut Facts<'_>) {
        match self {
            Key::Process => {
                let process = socket.pid.and_then(|pid| facts.round.process(pid));
                push_text(buffer, process.map(|process| process.name.as_slice()));
            }
            Key::Pid => push_number(buffer, socket.pid),
            Key::User => match facts.users.name(socket.uid) {
                Some(name) => push_text(buffer, Some(name)),
                None => push_text(buffer, Some(socket.uid.to_string().as_bytes())),
            },
            Key::Cgroup => {
                let kernel = facts.kernel;
                let path = socket.pid.and_then(|pid| {
                    let of = facts.cgroups.entry(pid);
                    of.or_insert_with(|| cgroup::of_process(kernel, pid)).as_deref()
                });
                push_text(buffer, path);
            }
        }
    }

    /// Reads what [`Key::push`] appended; `rest` is left behind it.
    fn value<'a>(self, rest: &mut &'a [u8]) -> Value<'a> {
        match (take(rest, 1), self) {
            ([0] | [], _) => Value::Absent,
            (_, Key::Pid) => Value::Int(number(rest).into()),
            _ => Value::Text(text(rest)),
        }
    }
}

fn number(rest: &mut &[u8]) -> u32 {
    u32::from_be_bytes(take(rest, 4).first_chunk().copied().unwrap_or_default())
}

/// The word for what `is_bound` says.
fn kind(rest: &mut &[u8]) -> Value<'static> {
    match (take(rest, 1), number(rest)) {
        ([0] | [], _) => Value::Absent,
        (_, 0) => Value::Word("unbound"),
        _ => Value::Word("bound"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_its_column() {
        for (place, (name, key)) in KEYS.into_iter().enumerate() {
            assert_eq!(key as usize, place);
            let column = COLUMNS[place].name;
            assert!(column == name || (name, column) == ("user", "owner"), "{name} {column}");
        }
    }

    #[test]
    fn keys_are_a_list_without_doubles() {
        let keys = |text: &str| keys(OsStr::new(text));
        assert_eq!(keys("user,pid"), Ok(vec![Key::User, Key::Pid]));
        assert_eq!(keys("pid,pid").unwrap_err(), "'pid' is there twice");
        assert_eq!(keys("uid").unwrap_err(), "'uid' is none of process, pid, user, cgroup");
        assert!(keys("").is_err() && keys("pid,").is_err());
    }
}
