//! `closedcalc --by`: who holds TCP sockets that are neither connected nor listening.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::cli;
use crate::error::Error;
use crate::frame::{Call, Report, Sample, Table};
use crate::model::Groups;
use crate::model::Needs;
use crate::out::Column;
use crate::select::grouping::Grouping;
use crate::select::keys::Shape::{Number, Text, Word};
use crate::select::keys::{Counted, Key, columns, names, push_text, word};
use crate::select::socket_keys::named_or_number;
use crate::source::Source;
use crate::source::files::names::Users;
use crate::source::netns::{Missing, Namespaces};
use crate::source::processes::cgroup;
use crate::source::processes::closed::{Closed, Round};
use crate::sys::Kernel;

/// Who holds closed sockets, counted in groups.
#[derive(Debug, Default)]
pub struct HeldSockets;

impl Counted for HeldSockets {
    type One<'a> = (&'a Closed, &'a Known<'a>);
    const KEYS: &'static [Key<HeldSockets>] = &KEYS;
    const NAMES: &'static [&'static str] = &names(&KEYS);
    const NUMBERS: &'static [Column] = &[COUNT];
    const SUMS: &'static [&'static str] = &[];
}

const COUNT: Column =
    Column::gauge("count", "closedcalc_holders", "TCP sockets neither connected nor listening");

/// All columns of this table; a run shows those of its keys, and the last two.
pub const COLUMNS: [Column; 6] = Column::joined(&[&columns(&KEYS), &[KIND.column, COUNT]]);

const KEYS: [Key<HeldSockets>; 4] = [
    Key::new(
        "process",
        Column::label("process", "the name of the process that holds the sockets"),
        Text(|to, (socket, known)| {
            let process = socket.pid.and_then(|pid| known.round.process(pid));
            push_text(to, process.map(|process| process.name.as_slice()));
        }),
    ),
    Key::new(
        "pid",
        Column::label("pid", "the process's number: the lowest, if several hold a socket"),
        Number(|(socket, _)| socket.pid),
    ),
    // USER is a variable of the shells.
    Key::needing(
        Needs::USERS,
        "user",
        Column::label("owner", "the user who created the sockets, by name"),
        Text(|to, (socket, known)| named_or_number(to, known.users.name(socket.uid), socket.uid)),
    ),
    Key::new(
        "cgroup",
        Column::label("cgroup", "the control group of the process"),
        Text(|to, (socket, known)| known.push_cgroup(to, socket)),
    ),
];

/// The key that always follows the others.
static KIND: Key<HeldSockets> = Key::new(
    "kind",
    Column::label("kind", "bound: has a port, and nothing else; unbound: is in no table at all"),
    Word(|(socket, _)| socket.is_bound.map(u16::from), |place| word(&["unbound", "bound"], place)),
);

/// The warning when the descriptors of other users' processes cannot be read; see `owner::CAPABILITIES`.
const UNREADABLE: &str = "the descriptors of some processes cannot be read (needs CAP_DAC_READ_SEARCH and \
    CAP_SYS_PTRACE): their unbound sockets are not found, and their bound ones are shown as '-' (no owner \
    found)";

/// Prints the holders in groups.
///
/// # Errors
/// For options that do not go with `--by`.
pub fn run(call: &mut Call, mut grouping: Grouping<HeldSockets>) -> Result<(), Error> {
    check(call)?;
    grouping.end_with(&KIND);
    let columns = grouping.columns();
    call.table(&columns, &[], &mut By { grouping })
}

fn check(call: &Call) -> Result<(), Error> {
    let name = call.names().first().map(|name| name.as_encoded_bytes()).unwrap_or_default();
    let common = call.common();
    cli::refuse([
        (!name.is_empty(), name, "a NAME cannot be combined with --by, whose rows are holders"),
        (common.explain, b"--explain", "cannot be combined with --by: it explains the formulae"),
        (
            !common.from.is_empty(),
            b"--from",
            "cannot be combined with --by: saved files do not say who holds a socket",
        ),
        (
            common.root.is_some(),
            b"--root",
            "cannot be combined with --by, which asks the running kernel",
        ),
    ])
}

struct By {
    grouping: Grouping<HeldSockets>,
}

impl Table for By {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        source.must_be_live("--by asks the running kernel")?;
        let round = Round::of_own_namespace(source)?;
        let groups = self.groups(source, &round, &self.users(source)?, report)?;
        self.grouping.rows(&groups, out)
    }

    fn namespaces(&mut self, all: &Namespaces, sample: Sample<'_>) -> Result<Missing, Error> {
        let round = Round::of_all_namespaces(sample.source)?;
        let users = self.users(sample.source)?;
        let read = |source: &Source, _: &[u8], report: &mut Report| {
            self.groups(source, &round, &users, report)
        };
        sample.everywhere(all, read, |groups, out| self.grouping.rows(&groups, out))
    }
}

impl By {
    fn users(&self, source: &Source) -> Result<Users, Error> {
        let has_users = self.grouping.needs().has(Needs::USERS);
        if has_users { Users::read(&source.kernel) } else { Ok(Users::default()) }
    }

    fn groups(
        &self,
        source: &Source,
        round: &Round,
        users: &Users,
        report: &mut Report,
    ) -> Result<Groups, Error> {
        if round.unreadable() > 0 {
            report.note(UNREADABLE);
        }
        let known = Known { kernel: &source.kernel, round, users, cgroups: RefCell::default() };
        let mut groups = Groups::default();
        let mut key = Vec::with_capacity(128);
        for socket in &round.closed(source)? {
            self.grouping.key(&mut key, (socket, &known));
            groups.add(&key, [0; 2]);
        }
        Ok(groups)
    }
}

/// What is known about the holders.
pub struct Known<'a> {
    kernel: &'a Kernel,
    round: &'a Round,
    users: &'a Users,
    /// The control group of each process, read once.
    cgroups: RefCell<HashMap<u32, Option<Vec<u8>>>>,
}

impl Known<'_> {
    fn push_cgroup(&self, to: &mut Vec<u8>, socket: &Closed) {
        let mut cgroups = self.cgroups.borrow_mut();
        let path = socket.pid.and_then(|pid| {
            let of = cgroups.entry(pid);
            of.or_insert_with(|| cgroup::of_process(self.kernel, pid)).as_deref()
        });
        push_text(to, path);
    }
}
