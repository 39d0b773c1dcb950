//! `closedcalc`: how many TCP sockets are closed, by the documents' formula and in truth.

mod by;

use by::HeldSockets;

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::frame::{Applet, Call, Example, MEANING, Report, SCOPE, SOURCE};
use crate::measure::summary::{self, Readings};
use crate::measure::{self, Measure, Measures, sockstat};
use crate::model::TcpSockstat;
use crate::out::Column;
use crate::select::grouping::{self, Grouping, TakesGrouping};
use crate::source::Source;
use crate::source::files::procfs;

pub static APPLET: Applet = Applet {
    name: "closedcalc",
    aliases: &[],
    about: "count closed TCP sockets, by the usual formula and in truth",
    details: &[
        "The kernel keeps no count of TCP sockets that are neither connected nor listening. Scripts \
         and ss(8) compute it from /proc/net/sockstat as alloc - (inuse + inuse6 - tw), row closed. \
         That formula takes tw off inuse, but inuse never holds TIME_WAIT sockets: the kernel takes \
         a socket out of inuse when a minisocket takes its place. So it counts every TIME_WAIT \
         socket as a closed one. Row unhashed is the number that is meant: alloc - inuse - inuse6. \
         With many connections in TIME_WAIT the two differ by thousands.",
        "alloc counts the whole machine, the other terms one network namespace. If other namespaces \
         (containers) have TCP sockets, these are in unhashed too; in a namespace other than the \
         first this is said on standard error. With --netns all every namespace is visited: inuse, \
         inuse6 and tw are rows of each of them, and closed, unhashed and alloc are one row each, of \
         the whole machine, with the sums over all namespaces in their place. Then both formulae \
         count no socket of others.",
        "A growing unhashed is a leak: sockets that were made and never connected, or that the \
         peer has closed and the program has forgotten.",
        "With --by closedcalc lists who holds such sockets, in groups by process, pid, user or \
         cgroup, the largest first, equal ones in the order of their keys. Column kind says unbound \
         of sockets that are in no table of the kernel (lsof says \"can't identify protocol\"), and \
         bound of those that have a port and are neither connected nor listening, which the kernel \
         tells since Linux 6.8; before, kind is '-'. Only sockets of the network namespace count, \
         and only those that a process has a descriptor of; one that several processes hold counts \
         for the lowest pid. Where something is found, the tables of the other namespaces are looked \
         into as well, as a process may hold their connections: that takes CAP_SYS_ADMIN.",
        "The sockets are found by one pass over /proc/*/fd, by a dump of the tables by sock_diag(7), \
         and by the name of the protocol that the kernel gives for each descriptor that is left \
         over. No descriptor is opened or duplicated. Processes that one may not look at are \
         passed over, which is said on standard error.",
    ],
    options: &DOCS,
    filters: &[],
    columns: &ALL_COLUMNS,
    examples: &[
        Example { about: "The number that is meant", command: "closedcalc -v unhashed" },
        Example { about: "How the numbers come about", command: "closedcalc --explain" },
        Example {
            about: "Another host's, without installing anything there",
            command: "cat /proc/net/sockstat /proc/net/sockstat6 | closedcalc --from -",
        },
        Example {
            about: "Who leaks sockets",
            command: "closedcalc --by process,pid | awk -F'\\t' '$NF > 100'",
        },
        Example {
            about: "By user and unit or container",
            command: "closedcalc --header --by user,cgroup",
        },
    ],
    needs: "No rights beyond reading /proc/net/sockstat. --by finds the sockets of other users' \
            processes with CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE.",
    rows: "closed and unhashed, then the terms alloc, inuse, inuse6 and tw. NAME is one of these. \
           With --by a row a group and kind, without NAMEs.",
    names: &NAMES,
    keys: &[],
    original: None,
    run,
};

const NAMES: [&str; 6] = ["closed", "unhashed", "alloc", "inuse", "inuse6", "tw"];

const COLUMNS: [Column; 5] = [
    Column::key("name", "the row's name"),
    Column::gauge("value", "closedcalc_sockets", "TCP sockets"),
    SCOPE,
    SOURCE,
    MEANING,
];

/// The columns of the numbers, then those of `--by`.
const ALL_COLUMNS: [Column; 11] = Column::joined(&[&COLUMNS, &by::COLUMNS]);

#[derive(Default)]
struct Args {
    grouping: Grouping<HeldSockets>,
}

impl TakesGrouping for Args {
    type Of = HeldSockets;
    fn grouping(&mut self, _: &'static str) -> &mut Grouping<HeldSockets> {
        &mut self.grouping
    }
}

const OPTIONS: [Opt<Args>; 3] = [
    grouping::by("list who holds sockets that are neither connected nor listening"),
    grouping::top("show at most N groups"),
    grouping::min("show only groups of at least COUNT sockets"),
];
const DOCS: [OptDoc; 3] = cli::docs(&OPTIONS);

fn run(call: &mut Call) -> Result<(), Error> {
    let args = call.args(&OPTIONS)?;
    if args.grouping.has_keys() {
        return by::run(call, args.grouping);
    }
    args.grouping.refuse_without_keys()?;
    let names = cli::pick(call.names(), &NAMES)?;
    measure::run(call, &COLUMNS, names, Closed)
}

struct Closed;

impl Measures for Closed {
    const OF_MACHINE: &'static [&'static str] = &["closed", "unhashed", "alloc"];
    const MIXED: &'static [&'static str] = &NAMES;

    fn read(&self, _: &[&'static str], source: &Source, _: &mut Report) -> Result<Readings, Error> {
        let tcp = procfs::sockstat(source)?.tcp().map_err(procfs::missing)?;
        Ok(Readings { tcp, ..Readings::default() })
    }

    fn measure(readings: &Readings, name: &str, of_machine: bool) -> Result<Measure, Error> {
        let TcpSockstat { alloc, inuse, inuse6, tw, .. } = readings.tcp;
        let figures = match name {
            "closed" => format!(" = {alloc} - ({inuse} + {inuse6} - {tw})"),
            "unhashed" => format!(" = {alloc} - {inuse} - {inuse6}"),
            "alloc" => return Ok(sockstat::measure(Some(alloc), "TCP", "alloc")),
            "inuse" => return Ok(sockstat::measure(Some(inuse), "TCP", "inuse")),
            "inuse6" => return Ok(sockstat::measure(Some(inuse6), "TCP6", "inuse")),
            "tw" => return Ok(sockstat::measure(Some(tw), "TCP", "tw")),
            _ => return Err(measure::no_measure(name)),
        };
        let one = summary::measure(readings, name, of_machine)?;
        Ok(Measure { source: (one.source.into_owned() + &figures).into(), ..one })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_number_and_nothing_else_has_one() {
        let readings = Readings::default();
        assert!(NAMES.iter().all(|name| Closed::measure(&readings, name, false).is_ok()));
        for name in ["", "total", "Closed", "timewait"] {
            assert!(Closed::measure(&readings, name, false).is_err(), "{name}");
        }
    }
}
