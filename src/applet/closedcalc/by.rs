//! `closedcalc --by`: who holds TCP sockets that are neither connected nor listening.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use crate::cli;
use crate::error::{self, Error};
use crate::frame::{Call, Report, Sample, Table};
use crate::model::Groups;
use crate::model::Needs;
use crate::out::Column;
use crate::select::grouping::{self, Grouping};
use crate::select::keys::Shape::{Number, Text, Word};
use crate::select::keys::{Counted, Key, columns, names, push_text, word};
use crate::select::socket_keys::{CONTAINER, POD, named_or_number};
use crate::source::Source;
use crate::source::files::names::Users;
use crate::source::netns::{Missing, Namespaces};
use crate::source::processes::cgroup;
use crate::source::processes::closed::{Closed, Found, Round};
use crate::source::processes::pods::{self, Pods, Which};
use crate::sys::Kernel;

/// Who holds closed sockets, counted in groups.
#[derive(Debug, Default)]
pub(super) struct HeldSockets;

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
pub(super) const COLUMNS: [Column; KEYS.len() + 2] =
    Column::joined(&[&columns(&KEYS), &[KIND.column, COUNT]]);

const KEYS: [Key<HeldSockets>; 6] = [
    Key::<HeldSockets>::new(
        "process",
        Column::label("process", "the name of the process that holds the sockets"),
        Text(|to, (socket, known)| {
            let process = socket.pid.and_then(|pid| known.round.process(known.found, pid));
            push_text(to, process.map(|process| process.name.as_slice()));
        }),
    )
    .also(&["name"]),
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
        Text(|to, (socket, known)| {
            named_or_number(to, known.names.users.name(socket.uid), socket.uid)
        }),
    ),
    Key::new(
        "cgroup",
        Column::label("cgroup", "the control group of the process"),
        Text(|to, (socket, known)| known.push_cgroup(to, socket, None)),
    ),
    Key::needing(
        Needs::PODS,
        "pod",
        POD,
        Text(|to, (socket, known)| known.push_cgroup(to, socket, Some(Which::Pod))),
    ),
    Key::needing(
        Needs::PODS,
        "container",
        CONTAINER,
        Text(|to, (socket, known)| known.push_cgroup(to, socket, Some(Which::Container))),
    ),
];

/// The key that always follows the others.
static KIND: Key<HeldSockets> = Key::new(
    "kind",
    Column::label("kind", "bound: has a port, and nothing else; unbound: is in no table at all"),
    Word(|(socket, _)| socket.is_bound.map(u16::from), |place| word(&["unbound", "bound"], place)),
);

/// What is wrong with the groups where holders cannot be seen.
const OUTCOME: &str =
    "their unbound sockets are not found, and their bound ones are shown as '-' (no owner found)";
/// The same where processes of this namespace may hold connections of others.
const CONNECTIONS: &str =
    ": connections there that a process of this namespace holds are counted as unbound";

/// Prints the holders in groups.
///
/// # Errors
/// For options that do not go with `--by`.
pub(super) fn run(call: &mut Call, mut grouping: Grouping<HeldSockets>) -> Result<(), Error> {
    check(call)?;
    grouping::check_pods(call, grouping.pods.as_deref(), grouping.needs())?;
    grouping.end_with(&KIND);
    let columns = grouping.columns();
    call.table(&columns, &[], &mut By { grouping })
}

fn check(call: &Call) -> Result<(), Error> {
    if let Some(name) = call.names().first() {
        let reason = "a NAME cannot be combined with --by, whose rows are holders";
        return Err(cli::unexpected(name, reason));
    }
    let common = call.common();
    cli::refuse([
        (common.explain, "--explain", "cannot be combined with --by: it explains the formulae"),
        (
            common.root.is_some(),
            "--root",
            "cannot be combined with --by, which asks the running kernel",
        ),
    ])
}

const NOT_SAVED: &str = "cannot be combined with --by, but for rows of closedcalc --by: saved files do not say who holds a socket";

struct By {
    grouping: Grouping<HeldSockets>,
}

impl Table for By {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let grouping = &self.grouping;
        if let Some(groups) =
            grouping.saved(source, report, &|row| grouping.tally(row).map(Some))?
        {
            return grouping.rows(&groups, out);
        }
        if !source.saved.is_empty() {
            return Err(Error::usage("--from", NOT_SAVED));
        }
        source.must_be_live("--by asks the running kernel")?;
        let round = Round::of_own_namespace(source)?;
        let groups = self.groups(source, &round, &self.names(source)?, report)?;
        self.grouping.rows(&groups, out)
    }

    fn namespaces(&mut self, all: &Namespaces, sample: Sample<'_>) -> Result<Missing, Error> {
        let round = Round::of_all_namespaces(sample.source)?;
        let names = self.names(sample.source)?;
        let read = |source: &Source, _: &[u8], report: &mut Report| {
            self.groups(source, &round, &names, report)
        };
        sample.everywhere(all, read, |groups, out| self.grouping.rows(&groups, out))
    }
}

impl By {
    fn names(&self, source: &Source) -> Result<Names, Error> {
        let (needs, kernel) = (self.grouping.needs(), &source.kernel);
        let users = needs.has(Needs::USERS).then(|| Users::read(kernel)).transpose()?;
        let pods = || Pods::read(kernel, self.grouping.pods.as_deref());
        let pods = needs.has(Needs::PODS).then(pods).transpose()?;
        Ok(Names { users: users.unwrap_or_default(), pods: pods.unwrap_or_default() })
    }

    fn groups(
        &self,
        source: &Source,
        round: &Round,
        names: &Names,
        report: &mut Report,
    ) -> Result<Groups, Error> {
        let found = &round.closed(source)?;
        let sight = round.sight(found);
        let mut gaps = Vec::new();
        if !sight.is_clear() {
            gaps.push([&sight.reasons(), ": ", OUTCOME].concat());
        }
        if found.lacks_namespaces {
            let needs = error::needs("CAP_SYS_ADMIN");
            gaps.push(["some network namespaces cannot be entered ", &needs, CONNECTIONS].concat());
        }
        if !gaps.is_empty() {
            report.gap(&gaps.join("; "));
        } else if found.sockets.iter().any(|socket| socket.pid.is_none()) {
            report.gap(&sight.gap("are shown as '-' (no owner found)"));
        }
        let of = |is_asked, read: ReadGroup| match is_asked {
            true => groups_of(source, found, read),
            false => Ok(GroupsOf::new()),
        };
        let cgroups = of(self.grouping.has("cgroup"), cgroup::of_process)?;
        let homes = of(self.grouping.needs().has(Needs::PODS), pods::group_of_process)?;
        let known = Known { round, found, names, cgroups, homes };
        let mut groups = self.grouping.groups();
        let mut key = Vec::with_capacity(128);
        for socket in &found.sockets {
            self.grouping.key(&mut key, (socket, &known));
            groups.add(&key, [0; 2]);
        }
        Ok(groups)
    }
}

/// The control group of each process.
type GroupsOf = HashMap<u32, Option<Vec<u8>>>;

type ReadGroup = fn(&Kernel, u32) -> Result<Option<Vec<u8>>, Error>;

fn groups_of(source: &Source, found: &Found, read: ReadGroup) -> Result<GroupsOf, Error> {
    let mut groups = GroupsOf::new();
    for pid in found.sockets.iter().filter_map(|socket| socket.pid) {
        if let Entry::Vacant(place) = groups.entry(pid) {
            place.insert(read(&source.kernel, pid)?);
        }
    }
    Ok(groups)
}

/// The names that the keys need.
struct Names {
    users: Users,
    pods: Pods,
}

/// What is known about the holders.
pub(super) struct Known<'a> {
    round: &'a Round,
    found: &'a Found,
    names: &'a Names,
    cgroups: GroupsOf,
    /// The groups that tell of pods.
    homes: GroupsOf,
}

impl Known<'_> {
    /// Appends the control group of the holder, or the pod or container that it is of.
    fn push_cgroup(&self, to: &mut Vec<u8>, socket: &Closed, which: Option<Which>) {
        let groups = if which.is_some() { &self.homes } else { &self.cgroups };
        let path = socket.pid.and_then(|pid| groups.get(&pid)?.as_deref());
        match (which, path) {
            (Some(which), Some(path)) => {
                push_text(to, self.names.pods.name(path, which).as_deref());
            }
            _ => push_text(to, path),
        }
    }
}
