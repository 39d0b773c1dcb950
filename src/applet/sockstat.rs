//! `sockstat`: every number of /proc/net/sockstat and sockstat6, and how full the kernel's limits are.

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::frame::{
    Applet, Call, Example, InTwoSteps, MEANING, Report, SCOPE, SOURCE, TOP_NAMESPACES,
};
use crate::measure::HOST;
use crate::measure::sockstat::{self, Explanation, Field, Name};
use crate::out::{Column, Out, Value};
use crate::source::Source;

pub(super) static APPLET: Applet = Applet {
    name: "sockstat",
    aliases: &[],
    about: "print the kernel's socket counts, and how full its limits are",
    details: &[
        "Prints every field of /proc/net/sockstat and /proc/net/sockstat6 in file order, including protocols \
         and fields that connbox does not know. If sockstat6 does not exist, IPv6 is off: that is not an \
         error.",
        "mem counts pages (of getconf PAGESIZE bytes), memory of FRAG counts bytes, and all others count \
         sockets or queues. tw is not the number of TIME_WAIT sockets: it includes orphaned FIN_WAIT2 \
         sockets; connbox-tcpstates(1) tells them apart. alloc, orphan and mem count the whole machine, the \
         others one network namespace; --explain shows the scope of each.",
        "With --limits, rows that have a limit show it and how full it is: tcp_mem and udp_mem (the third \
         number, in pages), tcp_max_orphans, tcp_max_tw_buckets; the row file used compares the machine's \
         open files with file-max. Of saved files, only rows of sockstat --limits hold limits, see connbox-from(7).",
    ],
    options: &DOCS,
    filters: &[],
    columns: &COLUMNS,
    examples: &[
        Example { about: "TCP sockets in use", command: "sockstat -v TCP.inuse" },
        Example { about: "All of TCP, for a script", command: "sockstat --shell TCP" },
        Example {
            about: "What is more than 80 percent full",
            command: "sockstat --limits | awk '$5 > 80'",
        },
    ],
    files: &[
        ("/proc/net/sockstat, /proc/net/sockstat6", "the numbers"),
        (
            "/proc/sys/net/ipv4: tcp_mem, udp_mem, tcp_max_orphans, tcp_max_tw_buckets",
            "the limits of --limits",
        ),
        ("/proc/sys/fs: file-nr, file-max", "with --limits, the row file used"),
    ],
    bugs: &[
        "A number below zero, a fault of the kernel, is printed as it is, and as 0 with --prom.",
        "Limits that are not visible in this network namespace are absent; if all are (a copy without proc/sys, a /proc \
         mounted with subset=pid), a warning says so, and the status is 1.",
    ],
    needs: "No privileges beyond reading /proc/net/sockstat.",
    rows: "One row per field. NAME is a protocol and a field (TCP.inuse) or a protocol (TCP) or a pattern for either a field or both ('*mem*'), in any \
           case.",
    names: &[
        "sockets", "TCP", "UDP", "UDPLITE", "RAW", "FRAG", "TCP6", "UDP6", "UDPLITE6", "RAW6",
        "FRAG6",
    ],
    keyboard: &[],
    original: None,
    run,
};

const COLUMNS: [Column; 8] = [
    Column::fixed("protocol", "the protocol, as the kernel writes it"),
    Column::fixed("item", "the field"),
    Column::gauge("value", "sockstat", "the number: sockets, pages for mem, bytes for memory"),
    Column::gauge("limit", "sockstat_limit", "the kernel's limit, in the unit of value"),
    Column::percent("percent", "sockstat_limit_used_ratio", "how much of limit is used"),
    SCOPE,
    SOURCE,
    MEANING,
];

#[derive(Default)]
struct Args {
    limits: bool,
    top: Option<usize>,
}

static OPTIONS: [Opt<Args>; 2] = [
    Opt::switch("limits", "add the columns limit and percent, and the row file used", |args| {
        args.limits = true
    }),
    Opt::value("top", "N", TOP_NAMESPACES, |args, value| {
        args.top = Some(cli::number(value)?);
        Ok(())
    }),
];
static DOCS: [&OptDoc; OPTIONS.len()] = cli::docs(&OPTIONS);

fn run(call: &mut Call) -> Result<(), Error> {
    let args = call.args(&OPTIONS)?;
    call.pick_namespaces(args.top)?;
    let names: Vec<Name> = call.names().iter().map(|name| Name::parse(name)).collect();
    let optional = [("limit", args.limits), ("percent", args.limits)];
    let read = |source: &Source, report: &mut Report| {
        if let Some(rows) = sockstat::read_rows(source, args.limits, report)? {
            let limit = |(field, limit): &(Field, _)| Some((explain(field).limit?, *limit));
            let limits: Limits = rows.iter().filter_map(limit).collect();
            return Ok((rows.into_iter().map(|(field, _)| field).collect(), limits));
        }
        if args.limits && !source.saved.is_empty() {
            return Err(Error::usage("--limits", NOT_SAVED));
        }
        let fields = sockstat::read(source, args.limits, report)?;
        let limits = if args.limits { limits(source, &fields) } else { Vec::new() };
        let is_blind = !limits.is_empty() && limits.iter().all(|(_, limit)| limit.is_none());
        if args.limits && !sockstat::note_reader(source, report) && is_blind && !report.accepts_gaps
        {
            let path = source.kernel.sysctl_path("net");
            report.lack(&format!("{}: {NO_LIMITS}", path.display()));
        }
        Ok((fields, limits))
    };
    let write = |(fields, limits): (Vec<Field>, Limits), out: &mut Out| {
        sockstat::pick(&fields, &names)?.try_for_each(|field| row(field, &limits, out))
    };
    call.table(&COLUMNS, &optional, &mut InTwoSteps::new(read, write))
}

const NOT_SAVED: &str = "cannot be combined with --from, but for rows of sockstat --limits: saved files do not contain the \
    limits; use --root";

/// The reason if every limit is absent.
const NO_LIMITS: &str = "shows none of the limits: a copy needs proc/sys, too, and a /proc mounted with subset=pid hides it";

/// Files of limits, and the limits in them that are visible in a namespace.
type Limits = Vec<(&'static str, Option<u64>)>;

fn limits(source: &Source, fields: &[Field]) -> Limits {
    let mut limits = Limits::new();
    for file in fields.iter().filter_map(|field| explain(field).limit) {
        if limits.iter().all(|(other, _)| *other != file) {
            limits.push((file, sockstat::limit(source, file)));
        }
    }
    limits
}

fn explain(field: &Field) -> Explanation {
    sockstat::explain(field.protocol.as_bytes(), field.item.as_bytes())
}

fn row(field: &Field, limits: &Limits, out: &mut Out) -> Result<(), Error> {
    let known = explain(field);
    let limit = limits.iter().find(|(file, _)| known.limit == Some(file));
    let limit = limit.and_then(|(_, limit)| *limit);
    let percent = limit
        .filter(|limit| *limit > 0)
        .map(|limit| Value::Millis(field.value.max(0) * 100_000 / i128::from(limit)));
    let source = sockstat::source(&field.protocol, &field.item);
    let values = [
        Value::Text(field.protocol.as_bytes()),
        Value::Text(field.item.as_bytes()),
        Value::Int(out.level(field.value)),
        limit.map_or(Value::Absent, |limit| Value::Int(i128::from(limit))),
        percent.unwrap_or(Value::Absent),
        Value::Word(known.scope),
        Value::Text(source.as_bytes()),
        if known.meaning.is_empty() {
            Value::Absent
        } else {
            Value::Text(known.meaning.as_bytes())
        },
    ];
    if known.scope == HOST { out.constant(values) } else { out.row(values) }
}
