//! `sockstat`: every number of /proc/net/sockstat and sockstat6, and how full the kernel's limits are.

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::frame::{Applet, Call, Example, MEANING, SCOPE, SOURCE, Sample};
use crate::measure::sockstat::{self, Field, Name};
use crate::out::{Column, Out, Value};
use crate::source::Source;

pub static APPLET: Applet = Applet {
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
         open files with file-max. Limits that are not visible in this network namespace are absent.",
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
    needs: "No privileges beyond reading /proc/net/sockstat.",
    rows: "One row per field. NAME is a protocol and a field (TCP.inuse) or a protocol (TCP), in any \
           case.",
    names: &[
        "sockets", "TCP", "UDP", "UDPLITE", "RAW", "FRAG", "TCP6", "UDP6", "UDPLITE6", "RAW6",
        "FRAG6",
    ],
    keys: &[],
    original: None,
    run,
};

const COLUMNS: [Column; 8] = [
    Column::key("protocol", "the protocol, as the kernel writes it"),
    Column::key("item", "the field"),
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
}

const OPTIONS: [Opt<Args>; 1] =
    [Opt::switch("limits", "add the columns limit and percent, and the row file used", |args| {
        args.limits = true
    })];
const DOCS: [OptDoc; 1] = cli::docs(&OPTIONS);

fn run(call: &mut Call) -> Result<(), Error> {
    let args = call.args(&OPTIONS)?;
    if args.limits && !call.common().from.is_empty() {
        return Err(Error::usage(
            "--limits",
            "cannot be combined with --from: saved files do not contain the limits; use --root",
        ));
    }
    let names: Vec<Name> = call.names().iter().map(|name| Name::parse(name)).collect();
    let optional = [("limit", args.limits), ("percent", args.limits)];
    call.table(&COLUMNS, &optional, &mut |Sample { source, out, .. }: Sample<'_>| {
        let fields = sockstat::read(source, args.limits)?;
        sockstat::pick(&fields, &names)?.try_for_each(|field| row(source, args.limits, field, out))
    })
}

fn row(source: &Source, limits: bool, field: &Field, out: &mut Out) -> Result<(), Error> {
    let known = sockstat::explain(field.protocol.as_bytes(), field.item.as_bytes());
    let limit = known.limit.filter(|_| limits).and_then(|file| sockstat::limit(source, file));
    let percent = limit
        .filter(|limit| *limit > 0)
        .map(|limit| Value::Millis(i128::from(field.value) * 100_000 / i128::from(limit)));
    out.row([
        Value::Text(field.protocol.as_bytes()),
        Value::Text(field.item.as_bytes()),
        Value::Int(i128::from(field.value)),
        limit.map_or(Value::Absent, |limit| Value::Int(i128::from(limit))),
        percent.unwrap_or(Value::Absent),
        Value::Word(known.scope),
        Value::Text(sockstat::source(&field.protocol, &field.item).as_bytes()),
        if known.meaning.is_empty() {
            Value::Absent
        } else {
            Value::Text(known.meaning.as_bytes())
        },
    ])
}
