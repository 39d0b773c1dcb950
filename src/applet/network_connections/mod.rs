//! `network-connections`: Linuxfabrik's check plugin of this name, for monitoring systems.

mod check;
mod counts;
mod page;
mod readings;
mod recorded;
mod rules;
mod sources;
mod text;

use std::ffi::{OsStr, OsString};

use check::{Finding, Threshold};
use counts::{Counts, Selection};
use readings::Rules;
use rules::Rule;
use sources::{Found, read};
use text::plain;

use crate::cli::{self, Opt, OptDoc, Original};
use crate::error::{Error, Status};
use crate::frame::{Applet, Call, Report, Sample, Table};
use crate::model::{Patience, Verdict};
use crate::out::{Column, Format, Out};
use crate::source::Source;
use crate::source::netns::{Missing, Namespaces};
use crate::sys;

pub(super) static APPLET: Applet = Applet {
    name: "network-connections",
    aliases: &["check_network_connections"],
    about: "check the numbers of connections, as a plugin for Nagios, Icinga and the like",
    details: &page::DETAILS,
    files: &page::FILES,
    bugs: &page::BUGS,
    options: &DOCS,
    filters: &[],
    columns: &COLUMNS,
    examples: &page::EXAMPLES,
    needs: "No privileges. Rules with process, and with cgroup before Linux 5.9, need CAP_DAC_READ_SEARCH and \
        CAP_SYS_PTRACE for the processes of other users.",
    rows: "With --tsv, --shell, --json or --prom one row per checked number, in the order of the text.",
    names: &[],
    keyboard: &[],
    original: Some(&ORIGINAL),
    run,
};

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
    Column::label("reason", "why the number is unknown, or what is to be said about it"),
    Column::gauge(
        "result_number",
        "network_connections_result",
        "the result as a number: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN",
    ),
];

#[derive(Default)]
struct Args {
    wanted: Selection,
    warning: Option<OsString>,
    critical: Option<OsString>,
    always_ok: bool,
    no_perfdata: bool,
    strict: Patience,
    test: Option<OsString>,
    rules: Vec<Rule>,
}

const STRICT: &str = "show and check requested states without a socket, as 0; with --rule, repeat counts until they are confirmed";
static OPTIONS: [Opt<Args>; 9] = [
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
    Opt::attached("strict", "[=SECONDS]", STRICT, |args, value| {
        crate::select::options::strict(&mut args.strict, value)
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
static DOCS: [&OptDoc; OPTIONS.len()] = cli::docs(&OPTIONS);

fn run(call: &mut Call) -> Result<(), Error> {
    let args = call.args(&OPTIONS)?;
    refuse(call, &args)?;
    let is_text = call.common().style.format == Format::Original;
    match check(call, &args) {
        // A monitoring system reads only standard output.
        Err(Error::Fault { status: Status::Failed, text }) if is_text => {
            sys::write_stdout([plain(&text).as_bytes(), b"\n"].concat().as_slice())?;
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
    if let Some(name) = call.names().first() {
        return Err(cli::unexpected(name, "unexpected argument; this check takes only options"));
    }
    const RULES: &str = "cannot be combined with --rule, which has its own keys and thresholds";
    cli::refuse([
        (has_rules && args.warning.is_some(), "--warning", RULES),
        (has_rules && args.critical.is_some(), "--critical", RULES),
        (has_rules && args.wanted.has_statuses(), "--conn-status", RULES),
        (has_rules && args.wanted.has_types(), "--conn-type", RULES),
        (has_rules && args.test.is_some(), "--test", RULES),
        (
            is_elsewhere && args.test.is_some(),
            "--test",
            "cannot be combined with --root, --netns or --from: it is itself a source",
        ),
        (
            args.strict.is_some() && args.wanted.pairs().is_empty(),
            "--strict",
            "sockets of the requested types are never in the requested states",
        ),
    ])?;
    rules::refuse(&args.rules, call)
}

fn check(call: &mut Call, args: &Args) -> Result<(), Error> {
    let critical = threshold(call, "--critical", args.critical.as_deref())?;
    let warning = threshold(call, "--warning", args.warning.as_deref())?;
    let mut counts = Counts::default();
    if let Some(test) = &args.test {
        counts.read_test(test, &args.wanted)?;
    }
    let rules = Rules::new(&args.rules);
    let mut check =
        Check { args, warning, critical, counts, said: Said::default(), rules, verdict: None };
    if call.is_original() {
        // The text says it all.
        call.report.hold();
    }
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

fn threshold(call: &Call, option: &str, text: Option<&OsStr>) -> Result<Option<Threshold>, Error> {
    let Some(text) = text else { return Ok(None) };
    let text = text.to_string_lossy();
    Threshold::parse(&text).map_err(|reason| match call.is_original() {
        // The plugin's own words, on standard output.
        true => Error::Fault { status: Status::Failed, text: reason.to_string().into_bytes() },
        false => Error::usage(option, format_args!("'{text}': {reason}")),
    })
}

/// One check, of the counts or of the rules.
struct Check<'a> {
    args: &'a Args,
    warning: Option<Threshold>,
    critical: Option<Threshold>,
    counts: Counts,
    said: Said,
    rules: Rules<'a>,
    /// The result, once it is known.
    verdict: Option<Verdict>,
}

/// What is to be said about all numbers together.
#[derive(Default)]
struct Said {
    /// Why they are not certain.
    doubt: Option<String>,
    remarks: Vec<String>,
}

impl Said {
    fn add(&mut self, other: Said) {
        self.doubt = self.doubt.take().or(other.doubt);
        self.remarks.extend(other.remarks);
        self.remarks.dedup();
    }
}

impl Table for Check<'_> {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        self.add(read(self.args, source, report)?);
        self.finish(out, report)
    }

    fn part(&mut self, Sample { source, report, .. }: Sample<'_>) -> Result<(), Error> {
        self.add(read(self.args, source, report)?);
        Ok(())
    }

    fn total(&mut self, Sample { out, report, .. }: Sample<'_>) -> Result<(), Error> {
        self.finish(out, report)
    }

    fn namespaces(&mut self, all: &Namespaces, sample: Sample<'_>) -> Result<Missing, Error> {
        let args = self.args;
        self.rules.read_machine(all, sample.source)?;
        let read = |source: &Source, _: &[u8], report: &mut Report| read(args, source, report);
        sample.everywhere(all, read, |found, _| {
            self.add(found);
            Ok(())
        })
    }

    fn machine(&mut self, Sample { out, report, .. }: Sample<'_>) -> Result<(), Error> {
        self.finish(out, report)
    }
}

impl Check<'_> {
    /// Adds what was found in a namespace.
    fn add(&mut self, (counts, said, readings): Found) {
        self.counts.merge(counts);
        self.said.add(said);
        self.rules.add(readings);
    }

    fn finish(&mut self, out: &mut Out, report: &mut Report) -> Result<(), Error> {
        let partial = report.partial.as_ref().map(|text| ["--netns all: ", text].concat());
        self.said.add(Said { doubt: partial.clone(), ..Said::default() });
        let mut findings = self.findings();
        let mut perfdata = check::perfdata(&findings);
        if let Some(doubt) = self.said.doubt.as_ref().filter(|_| findings.is_empty()) {
            findings.push(Finding::unknown(sources::UNKNOWN, doubt));
        }
        if self.args.no_perfdata {
            perfdata.clear();
        }
        self.verdict = Some(check::worst(&findings));
        if !out.is_original() {
            let unsaid = findings.iter().filter(|finding| finding.reason() != partial);
            let messages = unsaid.filter_map(Finding::message);
            messages.chain(self.said.remarks.iter().cloned()).for_each(|text| report.note(&text));
            return findings.iter().try_for_each(|finding| finding.row(out));
        }
        report.foreign();
        let remarks = report.heard().filter(|(is_doubt, _)| !is_doubt).map(|(_, text)| text);
        self.said.remarks.extend(remarks);
        let mut text = match findings.is_empty() {
            true => self.args.wanted.nothing(),
            false => check::text(&findings),
        };
        for remark in &self.said.remarks {
            text += &format!(" ({})", plain(remark.as_bytes()));
        }
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
            return self.rules.findings(self.said.doubt.as_deref());
        }
        if self.args.strict.is_some() {
            self.counts.fill(&self.args.wanted);
        }
        let counts = self.counts.sorted();
        let finding = |(label, count)| {
            let finding = Finding::of_count(label, count, &self.warning, &self.critical);
            finding.doubted(self.said.doubt.as_deref())
        };
        counts.into_iter().map(finding).collect()
    }
}
