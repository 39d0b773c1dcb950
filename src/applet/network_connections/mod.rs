//! `network-connections`: Linuxfabrik's check plugin of this name, for monitoring systems.

mod check;
mod counts;
mod rules;
mod text;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use check::{Finding, Threshold};
use counts::{Counts, Selection};
use rules::{Reading, Rule, Rules};

use crate::cli::{self, Opt, OptDoc, Original};
use crate::error::{Error, Status};
use crate::frame::{Applet, Call, Example, Report, Sample, Table};
use crate::model::Verdict;
use crate::out::{Column, Format, Out};
use crate::source::Source;
use crate::source::netns::{Missing, Namespaces};
use crate::sys;

pub static APPLET: Applet = Applet {
    name: "network-connections",
    aliases: &["check_network_connections"],
    about: "check the numbers of connections, as a plugin for Nagios, Icinga and the like",
    details: &DETAILS,
    options: &DOCS,
    filters: &[],
    columns: &COLUMNS,
    examples: &[
        Example { about: "All connections, as one line of text", command: "network-connections" },
        Example {
            about: "Too many connections of one kind",
            command: "network-connections --conn-type=tcp --conn-type=tcp6 --conn-status=time_wait -w 20000 \
                -c 30000",
        },
        Example {
            about: "At least one socket must exist; without --strict, none would be OK",
            command: "network-connections --strict --conn-type=udp6 --critical=1: || echo \"status $?\"",
        },
        Example {
            about: "Several checks in one call, each with its own thresholds",
            command: "network-connections --rule 'CLOSE_WAIT;5000;10000' --rule 'tw_percent;80;95' --rule \
                '[state=established,lport=443,8443];20000;'",
        },
        Example {
            about: "The same results as rows",
            command: "network-connections --json --rule 'SYN_RECV;1000;5000'",
        },
    ],
    needs: "No privileges. Rules with process or cgroup need CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE, and are \
        UNKNOWN without them.",
    rows: "With --tsv, --shell, --json or --prom one row per checked number, in the order of the text.",
    names: &[],
    keys: &[],
    original: Some(&ORIGINAL),
    run,
};

const DETAILS: [&str; 8] = [
    "Counts the sockets of each type (tcp, tcp6, udp, udp6) in each state, with psutil's names of states, \
     checks each number, and prints one line: the text, then | and the performance data. Options, text, \
     performance data and exit status are those of Linuxfabrik's plugin, byte for byte. A socket with an \
     IPv4-mapped address counts as tcp6. Combinations without a socket are neither shown nor checked, so \
     --warning=30:40 is OK if there is none; --strict shows and checks them, as 0.",
    "A threshold is a range of good values: 10 is 0 to 10, 10: is 10 and more, ~:10 is 10 and less, 10:20 is \
     10 to 20, bounds included; @10:20 alerts inside the range. Numbers are decimal and may have an \
     exponent; a % at the end is ignored. Leading backslashes are ignored. An empty text, or the word none, \
     means no threshold. Anything else is an error with status 3, unlike in the reference plugins, which \
     read abc as 0 and 1,5 as 1.",
    "Differences from Linuxfabrik's plugin: It sees all sockets without root, where psutil shows several \
     identical ones as one. An unknown option, which theirs ignores, is a usage error, status 3. Equal \
     numbers have a fixed order: ESTABLISHED first, then the kernel's order of states, then tcp, tcp6, udp, \
     udp6. If nothing is found, the text says all, not a,l,l. Thresholds are read before anything is \
     counted, so a wrong one always gives status 3. A --test that records an exit status other than 0, or \
     text on standard error, is UNKNOWN. A failure is one line, not a traceback.",
    "With --rule only the numbers named by rules are checked, each with its own thresholds, zeros included. \
     A rule is KEY;WARNING;CRITICAL; either threshold may be empty, and trailing semicolons may be omitted. \
     KEY is a type and a state (tcp_TIME_WAIT, udp6_NONE); a state in both families, or a group of states, \
     in any tool's spelling (ESTABLISHED, close-wait, connected); a row of connbox-conncount(1) in lower \
     case (estab, orphaned, unhashed, raw_ip6); a field of connbox-sockstat(1) (TCP.mem); conntrack_percent, \
     orphan_percent, tcp_mem_percent or tw_percent, which compare with the kernel's limit; or filters of \
     conncount in brackets. If a state and a row have the same name (estab, timewait), lower case means the \
     row.",
    "Brackets contain FILTER=VALUE pairs, separated by commas, with the names of conncount's options: state, \
     lport, rport, laddr, raddr, uid, process, cgroup. A word without = belongs to the value before it: \
     [state=established,lport=443,8443] has two ports. Words before the first pair are switches: tcp, udp, \
     ipv4, ipv6, strict.",
    "The performance data of rules is 'KEY'=VALUE;WARNING;CRITICAL;MIN;MAX, where MAX is the kernel's limit \
     if there is one; in KEY, = becomes : and a quote is doubled. A number that cannot be read is UNKNOWN, \
     with the reason in the text and the value U. CRITICAL overrides WARNING, and WARNING overrides \
     UNKNOWN.",
    "With --netns all the numbers are totals of all network namespaces; rules can then only be states and \
     filters. If some namespaces cannot be entered, the result is at least UNKNOWN. --from needs a table of \
     each requested protocol: use --conn-type=tcp --conn-type=tcp6 for saved tables of TCP only.",
    "--test STDOUT[,STDERR[,STATUS]] reads sockets from the file STDOUT instead: a JSON list of objects \
     with proto and status, as in the tests of Linuxfabrik's plugin. STDERR is a file or a text.",
];

const ORIGINAL: Original = Original {
    tool: "Linuxfabrik's check plugin network-connections",
    help: Some('h'),
    version: Some('V'),
    refused: &[
        ("interval", "a check is one snapshot"),
        ("count", "a check is one snapshot"),
        ("rate", "a check is one snapshot"),
        ("explain", "a check has no columns that explain a row"),
    ],
    renamed: &[],
    status_of_help: 3,
    status_of_usage: 3,
    status_of_failure: 3,
    statuses: "0 for OK, and with --always-ok; 1 for WARNING; 2 for CRITICAL; 3 for UNKNOWN: also after a \
        wrong command line (with a message on standard error), after a failure (with one line of text on \
        standard output), and after --help and --version.",
};

const COLUMNS: [Column; 8] = [
    Column::label("key", "the checked number: the label of the performance data, or a rule's KEY"),
    Column::gauge("value", "network_connections_value", "the number: sockets, or percent"),
    Column::label("result", "OK, WARNING, CRITICAL or UNKNOWN"),
    Column::label("warning", "the warning threshold"),
    Column::label("critical", "the critical threshold"),
    Column::gauge(
        "max",
        "network_connections_max",
        "the maximum of the number: the kernel's limit, or 100 percent",
    ),
    Column::label("reason", "why the number is unknown"),
    Column::gauge(
        "result_number",
        "network_connections_result",
        "with --prom only, instead of result: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN",
    ),
];

#[derive(Default)]
struct Args {
    wanted: Selection,
    warning: Option<OsString>,
    critical: Option<OsString>,
    always_ok: bool,
    no_perfdata: bool,
    is_strict: bool,
    test: Option<OsString>,
    rules: Vec<Rule>,
}

const OPTIONS: [Opt<Args>; 9] = [
    Opt::switch("always-ok", "exit with status 0 whatever the result", |args| {
        args.always_ok = true;
    }),
    Opt::word(
        "conn-status",
        "STATUS",
        &counts::STATUS_CHOICES,
        "count only sockets in this state; may be repeated",
        |args, value| args.wanted.add_status(value),
    ),
    Opt::word(
        "conn-type",
        "TYPE",
        &counts::TYPE_CHOICES,
        "count only sockets of this type; may be repeated",
        |args, value| args.wanted.add_type(value),
    ),
    Opt::<Args>::value(
        "critical",
        "RANGE",
        "the critical threshold of each number",
        |args, value| {
            args.critical = Some(value.to_os_string());
            Ok(())
        },
    )
    .short('c'),
    Opt::switch("no-perfdata", "do not print the performance data", |args| {
        args.no_perfdata = true;
    }),
    Opt::value(
        "rule",
        "KEY;WARNING;CRITICAL",
        "check this instead, with its own thresholds; may be repeated",
        |args, value| rules::add(&mut args.rules, value),
    ),
    Opt::switch("strict", "show and check requested states without a socket, as 0", |args| {
        args.is_strict = true;
    }),
    Opt::value(
        "test",
        "STDOUT[,STDERR[,STATUS]]",
        "read the sockets from this JSON file",
        |args, value| {
            args.test = Some(value.to_os_string());
            Ok(())
        },
    ),
    Opt::<Args>::value(
        "warning",
        "RANGE",
        "the warning threshold of each number",
        |args, value| {
            args.warning = Some(value.to_os_string());
            Ok(())
        },
    )
    .short('w'),
];
const DOCS: [OptDoc; 9] = cli::docs(&OPTIONS);

fn run(call: &mut Call) -> Result<(), Error> {
    let args = call.args(&OPTIONS)?;
    refuse(call, &args)?;
    let is_text = call.common().style.format == Format::Original;
    match check(call, &args) {
        // A monitoring system reads only standard output.
        Err(Error::Fault { status: Status::Failed, text }) if is_text => {
            sys::write_stdout([text::plain(&text).as_bytes(), b"\n"].concat().as_slice())?;
            Err(ended(Verdict::Unknown))
        }
        result => result,
    }
}

/// The end of a run that has reported its verdict.
fn ended(verdict: Verdict) -> Error {
    Error::Ended(Status::Of(verdict.number()))
}

fn refuse(call: &Call, args: &Args) -> Result<(), Error> {
    let common = call.common();
    let has_rules = !args.rules.is_empty();
    let is_elsewhere = common.root.is_some() || common.netns.is_some() || !common.from.is_empty();
    let is_elsewhere = is_elsewhere || call.is_of_all_namespaces();
    let name = call.names().first().map(|name| name.as_bytes());
    const RULES: &str = "cannot be combined with --rule, which has its own keys and thresholds";
    cli::refuse([
        (
            name.is_some(),
            name.unwrap_or_default(),
            "unexpected argument; this check takes only options",
        ),
        (has_rules && args.warning.is_some(), b"--warning", RULES),
        (has_rules && args.critical.is_some(), b"--critical", RULES),
        (has_rules && args.wanted.has_statuses(), b"--conn-status", RULES),
        (has_rules && args.wanted.has_types(), b"--conn-type", RULES),
        (has_rules && args.test.is_some(), b"--test", RULES),
        (
            is_elsewhere && args.test.is_some(),
            b"--test",
            "cannot be combined with --root, --netns or --from: it is itself a source",
        ),
        (
            args.is_strict && args.wanted.pairs().is_empty(),
            b"--strict",
            "sockets of the requested types are never in the requested states",
        ),
    ])?;
    rules::refuse(&args.rules, call)
}

fn check(call: &mut Call, args: &Args) -> Result<(), Error> {
    let critical = threshold(args.critical.as_deref())?;
    let warning = threshold(args.warning.as_deref())?;
    let mut counts = Counts::default();
    if let Some(test) = &args.test {
        counts.read_test(test, &args.wanted)?;
    }
    let rules = Rules::new(&args.rules);
    let mut check = Check { args, warning, critical, counts, rules, verdict: None };
    // If a label changed with the verdict, Prometheus would see another series.
    let is_prometheus = call.common().style.format == Format::Prometheus;
    let shown =
        [("result", !is_prometheus), ("reason", !is_prometheus), ("result_number", is_prometheus)];
    let result = call.table(&COLUMNS, &shown, &mut check);
    let verdict = check.verdict.map(|verdict| if args.always_ok { Verdict::Ok } else { verdict });
    match (result, verdict) {
        // The verdict includes the warnings, which possibly nobody reads.
        (Ok(()) | Err(Error::Said | Error::ClosedPipe), Some(Verdict::Ok)) => Ok(()),
        (Ok(()) | Err(Error::Said | Error::ClosedPipe), Some(verdict)) => Err(ended(verdict)),
        (result, _) => result,
    }
}

fn threshold(text: Option<&OsStr>) -> Result<Option<Threshold>, Error> {
    let Some(text) = text else { return Ok(None) };
    Threshold::parse(&text.to_string_lossy()).map_err(|reason| {
        let text = reason.to_string().into_bytes();
        Error::Fault { status: Status::Failed, text }
    })
}

/// One check, of the counts or of the rules.
struct Check<'a> {
    args: &'a Args,
    warning: Option<Threshold>,
    critical: Option<Threshold>,
    counts: Counts,
    rules: Rules<'a>,
    /// The result, once it is known.
    verdict: Option<Verdict>,
}

impl Table for Check<'_> {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let (counts, readings) = read(self.args, source, report)?;
        self.counts.merge(counts);
        self.rules.add(readings);
        self.finish(out, report)
    }

    fn namespaces(&mut self, all: &Namespaces, sample: Sample<'_>) -> Result<Missing, Error> {
        let Check { args, counts, rules, .. } = self;
        let read = |source: &Source, _: &[u8], report: &mut Report| read(args, source, report);
        sample.everywhere(all, read, |(more, readings), _| {
            counts.merge(more);
            rules.add(readings);
            Ok(())
        })
    }

    fn machine(&mut self, Sample { out, report, .. }: Sample<'_>) -> Result<(), Error> {
        self.finish(out, report)
    }
}

/// Reads the counts, or the numbers of the rules, of one namespace.
fn read(
    args: &Args,
    source: &Source,
    report: &mut Report,
) -> Result<(Counts, Vec<Reading>), Error> {
    let mut counts = Counts::default();
    if !args.rules.is_empty() {
        return Ok((counts, rules::read(&args.rules, source, report)?));
    }
    // The sockets of --test were read already.
    if args.test.is_none() {
        counts.read(source, &args.wanted, report)?;
    }
    Ok((counts, Vec::new()))
}

impl Check<'_> {
    fn finish(&mut self, out: &mut Out, report: &Report) -> Result<(), Error> {
        let mut findings = self.findings();
        let mut perfdata = check::perfdata(&findings);
        if report.is_partial {
            findings.push(Finding::unknown("netns", "some network namespaces were not counted"));
        }
        if self.args.no_perfdata {
            perfdata.clear();
        }
        self.verdict = Some(check::worst(&findings));
        if !out.is_original() {
            return findings.iter().try_for_each(|finding| finding.row(out));
        }
        let mut text = match findings.is_empty() {
            true => self.args.wanted.nothing(),
            false => check::text(&findings),
        };
        if self.args.always_ok {
            text += " (always ok)";
        }
        if !perfdata.is_empty() {
            text += "|";
            text += &perfdata;
        }
        text += "\n";
        out.text(text.as_bytes())
    }

    fn findings(&mut self) -> Vec<Finding> {
        if !self.args.rules.is_empty() {
            return self.rules.findings();
        }
        if self.args.is_strict {
            self.counts.fill(&self.args.wanted);
        }
        let counts = self.counts.sorted();
        let finding =
            |(label, count)| Finding::of_count(label, count, &self.warning, &self.critical);
        counts.into_iter().map(finding).collect()
    }
}
