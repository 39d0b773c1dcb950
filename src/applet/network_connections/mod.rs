//! `network-connections`: Linuxfabrik's check plugin of that name, for monitoring systems.

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
    about: "check the numbers of connections, as a plugin of Nagios, Icinga and the like",
    details: &DETAILS,
    options: &DOCS,
    filters: &[],
    columns: &COLUMNS,
    examples: &[
        Example { about: "What there is, as one line of text", command: "network-connections" },
        Example {
            about: "Too many connections of one kind",
            command: "network-connections --conn-type=tcp --conn-type=tcp6 --conn-status=time_wait -w 20000 -c 30000",
        },
        Example {
            about: "Something must be there: without --strict nothing found is OK",
            command: "network-connections --strict --conn-type=udp6 --critical=1: || echo \"status $?\"",
        },
        Example {
            about: "Several things in one call, each with thresholds of its own",
            command: "network-connections --rule 'CLOSE_WAIT;5000;10000' --rule 'tw_percent;80;95' --rule '[state=established,lport=443,8443];20000;'",
        },
        Example {
            about: "The same results as rows",
            command: "network-connections --json --rule 'SYN_RECV;1000;5000'",
        },
    ],
    needs: "No rights, but for rules with process or cgroup, which are UNKNOWN where the processes may not \
            be looked at: CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE.",
    rows: "With --tsv, --shell, --json or --prom one row for each thing that was checked, in the order of \
           the text.",
    names: &[],
    keys: &[],
    original: Some(&ORIGINAL),
    run,
};

const DETAILS: [&str; 8] = [
    "Counts the sockets of each type (tcp, tcp6, udp, udp6) in each state, with psutil's words for \
     states, tests each number, and prints one line: the text, then | and the performance data. \
     Options, text, performance data and exit status are those of Linuxfabrik's plugin, to the byte. A \
     v4-mapped socket counts as tcp6. Combinations without a socket are neither shown nor tested, so \
     that --warning=30:40 is OK where there is none: --strict shows and tests them, with 0.",
    "A threshold is a range of values that are well: 10 is 0 to 10, 10: is 10 and more, ~:10 is 10 and \
     less, 10:20 is 10 to 20, bounds included; @10:20 alerts inside. Numbers are decimal, may have an \
     exponent, and a % at the end means nothing. Leading backslashes are left out, and none, or nothing, \
     is no threshold. All else is refused with status 3, unlike in the reference plugins, which read abc as 0 and 1,5 as 1.",
    "It differs from Linuxfabrik's plugin in this. It sees all sockets without root, where psutil shows \
     several that are alike as one. An unknown option, which theirs ignores, is a usage error, status \
     3. Equal numbers stand in a fixed order: ESTABLISHED first, then the order of the kernel, then tcp, \
     tcp6, udp, udp6. Where nothing is found the text names all and not a,l,l. Thresholds are read before \
     anything is counted, so that a wrong one is always status 3. A --test that records an exit status \
     other than 0, or words on standard error, is UNKNOWN. A failure is one line and no traceback.",
    "With --rule only what the rules name is checked, each with its own thresholds, zeros included. A \
     rule is KEY;WARNING;CRITICAL, either threshold may be empty, and what is empty at the end may be \
     left out. KEY is a type and a state (tcp_TIME_WAIT, udp6_NONE); a state of both families, or a \
     group of states, in any tool's spelling (ESTABLISHED, close-wait, connected); a row of \
     connbox-conncount(1) in lower case (estab, orphaned, unhashed, raw_ip6); a field of \
     connbox-sockstat(1) (TCP.mem); conntrack_percent, orphan_percent, tcp_mem_percent or tw_percent, \
     which compare with the kernel's limit; or filters of conncount in brackets. Where a state and a \
     row share a word (estab, timewait) lower case is the row.",
    "In brackets stand FILTER=VALUE pairs between commas, with the names of conncount's options: state, \
     lport, rport, laddr, raddr, uid, process, cgroup. A word without = belongs to the value before it: \
     [state=established,lport=443,8443] has two ports. Words before the first pair are switches: tcp, \
     udp, ipv4, ipv6, strict.",
    "The performance data of rules is 'KEY'=VALUE;WARNING;CRITICAL;MIN;MAX, where MAX is the kernel's \
     limit if there is one; in KEY, = becomes : and a quote is doubled. What cannot be known is UNKNOWN, \
     with the reason in the text and the value U. CRITICAL goes before WARNING, WARNING before UNKNOWN.",
    "With --netns all the numbers are those of all network namespaces together; then rules can only be \
     states and filters. If some namespaces cannot be entered, the result is at least UNKNOWN. With \
     --from there must be a table of each protocol that is asked for: use --conn-type=tcp \
     --conn-type=tcp6 for saved tables of TCP alone.",
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
        ("explain", "a check has no column for it"),
    ],
    renamed: &[],
    status_of_help: 3,
    status_of_usage: 3,
    status_of_failure: 3,
    statuses: "0 for OK, and with --always-ok; 1 for WARNING; 2 for CRITICAL; 3 for UNKNOWN: also after a \
               wrong command line, which is said on standard error, after a failure, which is said on \
               standard output as one line of text, and after --help and --version.",
};

const COLUMNS: [Column; 8] = [
    Column::label("key", "what was checked: the label of the performance data, or a rule's KEY"),
    Column::gauge("value", "network_connections_value", "the number: sockets, or percent"),
    Column::label("result", "OK, WARNING, CRITICAL or UNKNOWN"),
    Column::label("warning", "the warning threshold"),
    Column::label("critical", "the critical threshold"),
    Column::gauge(
        "max",
        "network_connections_max",
        "the greatest number that there can be: the kernel's limit, or 100 percent",
    ),
    Column::label("reason", "why the number is not known"),
    Column::gauge(
        "result_number",
        "network_connections_result",
        "with --prom only, in place of result: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN",
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
    Opt::switch("always-ok", "end with status 0 whatever was found", |args| {
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
    Opt::switch("no-perfdata", "leave the performance data out", |args| {
        args.no_perfdata = true;
    }),
    Opt::value(
        "rule",
        "KEY;WARNING;CRITICAL",
        "check this instead, with thresholds of its own; may be repeated",
        |args, value| rules::add(&mut args.rules, value),
    ),
    Opt::switch("strict", "show and test what was asked for and is not there, as 0", |args| {
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
        // A monitoring system reads standard output.
        Err(Error::Fault { status: Status::Failed, text }) if is_text => {
            sys::write_stdout([text::plain(&text).as_bytes(), b"\n"].concat().as_slice())?;
            Err(ended(Verdict::Unknown))
        }
        result => result,
    }
}

/// The end of a run that has said its verdict.
fn ended(verdict: Verdict) -> Error {
    Error::Ended(Status::Of(verdict.number()))
}

fn refuse(call: &Call, args: &Args) -> Result<(), Error> {
    let common = call.common();
    let has_rules = !args.rules.is_empty();
    let is_elsewhere = common.root.is_some() || common.netns.is_some() || !common.from.is_empty();
    let is_elsewhere = is_elsewhere || call.is_of_all_namespaces();
    let name = call.names().first().map(|name| name.as_bytes());
    const RULES: &str = "not together with --rule, which has thresholds and keys of its own";
    cli::refuse([
        (name.is_some(), name.unwrap_or_default(), "no such word: this check takes options only"),
        (has_rules && args.warning.is_some(), b"--warning", RULES),
        (has_rules && args.critical.is_some(), b"--critical", RULES),
        (has_rules && args.wanted.has_statuses(), b"--conn-status", RULES),
        (has_rules && args.wanted.has_types(), b"--conn-type", RULES),
        (has_rules && args.test.is_some(), b"--test", RULES),
        (
            is_elsewhere && args.test.is_some(),
            b"--test",
            "is a source of its own: not together with --root, --netns or --from",
        ),
        (
            args.is_strict && args.wanted.pairs().is_empty(),
            b"--strict",
            "sockets of the types asked for are never in the states asked for",
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
    // A label that changed with the verdict would make another series of it.
    let is_prometheus = call.common().style.format == Format::Prometheus;
    let shown =
        [("result", !is_prometheus), ("reason", !is_prometheus), ("result_number", is_prometheus)];
    let result = call.table(&COLUMNS, &shown, &mut check);
    let verdict = check.verdict.map(|verdict| if args.always_ok { Verdict::Ok } else { verdict });
    match (result, verdict) {
        // What was said beside the table is in the verdict; nobody may be left to read it.
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

/// One check: of the counts, or of the rules.
struct Check<'a> {
    args: &'a Args,
    warning: Option<Threshold>,
    critical: Option<Threshold>,
    counts: Counts,
    rules: Rules<'a>,
    /// What came of it.
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

/// Reads what is asked for of one namespace: the counts, or the numbers of the rules.
fn read(
    args: &Args,
    source: &Source,
    report: &mut Report,
) -> Result<(Counts, Vec<Reading>), Error> {
    let mut counts = Counts::default();
    if !args.rules.is_empty() {
        return Ok((counts, rules::read(&args.rules, source, report)?));
    }
    // The sockets of --test were read before.
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
            findings.push(Finding::unknown("netns", "some network namespaces are not counted"));
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
