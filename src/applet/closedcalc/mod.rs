//! `closedcalc`: how many TCP sockets are closed, by the documented formula and in fact.

mod by;

use by::HeldSockets;

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::frame::{Applet, Call, Example, MEANING, Report, SCOPE, SOURCE};
use crate::measure::summary::{self, Readings};
use crate::measure::{self, Measure, Measures, sockstat};
use crate::model::{Needs, TcpSockstat};
use crate::out::Column;
use crate::select::grouping::{self, Grouping, TakesGrouping};
use crate::source::Source;
use crate::source::files::counts;

pub(super) static APPLET: Applet = Applet {
    name: "closedcalc",
    aliases: &[],
    about: "count closed TCP sockets, by the usual formula and in fact",
    details: &[
        "The kernel keeps no count of TCP sockets that are neither connected nor listening. Scripts and \
         ss(8) compute it from /proc/net/sockstat as alloc - (inuse + inuse6 - tw): row closed. That formula \
         subtracts tw from inuse, but inuse never includes TIME_WAIT sockets: the kernel takes a socket out \
         of inuse when a minisocket replaces it. So the formula counts every TIME_WAIT socket as closed. Row \
         unhashed is the number you want: alloc - inuse - inuse6. With many connections in TIME_WAIT the two \
         differ by thousands.",
        "alloc counts the whole machine, the other terms one network namespace. If other namespaces \
         (containers) have TCP sockets, unhashed includes them, and a warning says so; where closed or unhashed was asked \
         for by its name, the status is 1, unless --quiet-gaps accepts that. A saved file or text (--from) does not tell \
         whether there were other namespaces: no warning comes with it. --netns all visits every namespace: inuse, inuse6 and tw have one row per \
         namespace, and closed, unhashed and alloc have one row each, for the whole machine, computed from \
         the sums over all namespaces. Then neither formula counts sockets of other namespaces as closed.",
        "A growing unhashed is a leak: sockets that were created and never connected, or that the peer has \
         closed and the program has forgotten.",
        "With --by, closedcalc lists who holds such sockets, in groups by process, pid, user, cgroup, pod or container: the \
         largest first, groups of equal size in the order of their keys. In column kind, unbound means that \
         the socket is in no table of the kernel (lsof says \"can't identify protocol\"); bound means that \
         it has a port and is neither connected nor listening, which the kernel reports since Linux 6.8 \
         (before that, kind is '-'). A socket that several processes hold counts for the lowest pid. The unbound \
         sockets of a process whose threads live in several network namespaces count in each of these, and with \
         --netns all in that of the first thread: the kernel does not tell where they were made. If such \
         sockets are found, closedcalc also reads the tables of the other namespaces, because a process may \
         hold connections of those: this needs CAP_SYS_ADMIN.",
        "The sockets are found by one pass over /proc/*/fd, a dump of the tables through sock_diag(7), and \
         the protocol name that the kernel gives for each remaining descriptor. No descriptor is opened or \
         duplicated. The control group, pod and container are those of the process; see connbox-conncount(1) for their \
         names. With --from, --by reads its own rows alone, see connbox-from(7).",
    ],
    options: &DOCS,
    filters: &[],
    columns: &ALL_COLUMNS,
    examples: &[
        Example { about: "The number you want", command: "closedcalc -v unhashed" },
        Example { about: "How the numbers come about", command: "closedcalc --explain" },
        Example {
            about: "For another host, without installing anything there",
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
    files: &[
        ("/proc/net/sockstat, /proc/net/sockstat6", "the terms of the formulas"),
        ("/proc/PID/fd, /proc/PID/comm, /proc/PID/cgroup", "with --by: who holds which sockets"),
        ("sock_diag(7)", "with --by: which sockets are in the tables of the kernel"),
    ],
    bugs: &[
        "--by shows only sockets of the network namespace, and only if a process has a descriptor for them. Where \
         another namespace cannot be entered, the connections that a process holds there count as unbound, a warning \
         says so, and the status is 1.",
        "If some processes cannot be seen (see BUGS of connbox-conncount(1)), one warning names the reason and the cure, \
         and the status is 1, unless --quiet-gaps accepts that.",
    ],
    needs: "No privileges beyond reading /proc/net/sockstat. --by needs CAP_DAC_READ_SEARCH and \
        CAP_SYS_PTRACE to find the sockets of other users' processes.",
    rows: "closed and unhashed, then the terms alloc, inuse, inuse6 and tw. NAME is one of these. With --by: \
        one row per group and kind, and no NAME.",
    names: &NAMES,
    keyboard: &[],
    original: None,
    run,
};

const NAMES: [&str; 6] = ["closed", "unhashed", "alloc", "inuse", "inuse6", "tw"];

const COLUMNS: [Column; 5] = [
    Column::fixed("name", "the row's name"),
    Column::gauge("value", "closedcalc_sockets", "TCP sockets"),
    SCOPE,
    SOURCE,
    MEANING,
];

/// The columns of the numbers, then those of `--by`.
const ALL_COLUMNS: [Column; COLUMNS.len() + by::COLUMNS.len()] =
    Column::joined(&[&COLUMNS, &by::COLUMNS]);

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

static OPTIONS: [Opt<Args>; 5] = [
    grouping::by("list who holds sockets that are neither connected nor listening"),
    grouping::top("show at most N groups; with --netns all and no --by, N namespaces"),
    grouping::max(),
    grouping::min("show only groups of at least COUNT sockets"),
    grouping::pods(),
];
static DOCS: [&OptDoc; OPTIONS.len()] = cli::docs(&OPTIONS);

fn run(call: &mut Call) -> Result<(), Error> {
    let args = call.args(&OPTIONS)?;
    if args.grouping.has_keys() {
        return by::run(call, args.grouping);
    }
    grouping::check_pods(call, args.grouping.pods.as_deref(), Needs::NONE)?;
    if !args.grouping.picks_namespaces(call)? {
        args.grouping.refuse_without_keys()?;
    }
    let names = cli::pick(call.names(), &NAMES)?;
    measure::run(call, &COLUMNS, names, Closed)
}

struct Closed;

impl Measures for Closed {
    const OF_MACHINE: &'static [&'static str] = &["closed", "unhashed", "alloc"];
    const MIXED: &'static [&'static str] = &NAMES;
    const WITHOUT_KEYS: &'static str = "";

    fn read(
        &self,
        names: &[&'static str],
        source: &Source,
        report: &mut Report,
    ) -> Result<Readings, Error> {
        let sockstat = counts::sockstat(source)?;
        let tcp = sockstat.tcp().map_err(|field| counts::missing(source, field))?;
        measure::lacks_ipv6(names, source, &sockstat, report);
        Ok(Readings { tcp: Some(tcp), ..Readings::default() })
    }

    fn measure(readings: &Readings, name: &str, of_machine: bool) -> Result<Measure, Error> {
        let TcpSockstat { alloc, inuse, inuse6, tw, .. } = readings.tcp.unwrap_or_default();
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
