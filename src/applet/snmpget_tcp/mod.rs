//! `snmpget-tcp`: the kernel's TCP counters, by nstat name, SNMP name or OID.

mod mib;
mod names;

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::frame::{Applet, Call, Example, MEANING, Report, SCOPE, SOURCE, Sample};
use crate::measure::NETNS;
use crate::out::{Column, Out, Value};
use crate::source::Source;
use crate::source::files::lines::Place;
use crate::source::files::procfs::{self, File, Record};
use crate::wire::text;
use mib::{Meanings, OBJECTS, Syntax};
use names::Name;

pub static APPLET: Applet = Applet {
    name: "snmpget-tcp",
    aliases: &[],
    about: "print the kernel's TCP counters by their SNMP names",
    details: &[
        "Prints the group Tcp of /proc/net/snmp; with --all also TcpExt and MPTcpExt of /proc/net/netstat, \
         and any group that connbox does not know. Names are those of nstat(8): the group, then the kernel's \
         field. Numbers are the kernel's, 64 bits wide, counted since boot (since the namespace was \
         created); TcpMaxConn is -1 if there is no limit.",
        "TcpCurrEstab is what ss -s and netstat -st call established: the sockets in ESTABLISHED and in \
         CLOSE_WAIT. connbox-tcpstates(1) shows them separately.",
        "With --oid the values are those that an SNMP agent would return: a Counter32 starts again at 0 \
         after 4294967295.",
        "--interval with --rate shows the growth of every counter per second, without a history file. Levels \
         (TcpCurrEstab) and constants have no rate.",
        "If a pair of the kernel's lines does not match, it is skipped, a warning says so, and the status is \
         1; the other pairs are printed.",
    ],
    options: &DOCS,
    filters: &[],
    columns: &COLUMNS,
    examples: &[
        Example { about: "One counter", command: "snmpget-tcp -v CurrEstab" },
        Example {
            about: "The same by its SNMP object identifier",
            command: "snmpget-tcp --oid .1.3.6.1.2.1.6.9.0",
        },
        Example {
            about: "Everything about retransmission, with its meaning",
            command: "snmpget-tcp --describe '*Retrans*'",
        },
        Example {
            about: "Segments per second, three times",
            command: "snmpget-tcp --interval 0.1 --count 3 --rate InSegs OutSegs",
        },
    ],
    needs: "No privileges.",
    rows: "One row per counter, in the kernel's order. NAME is CurrEstab, TcpCurrEstab, tcpCurrEstab.0, \
           TCP-MIB::tcpCurrEstab.0, 1.3.6.1.2.1.6.9.0 or a pattern for whole names ('*Retrans*'), in any \
           case if only one counter matches. NAMEs are looked up in all groups, with or without --all.",
    names: &FIELDS,
    keys: &[],
    original: None,
    run,
};

/// The fields that have an SNMP object, for completions.
const FIELDS: [&str; OBJECTS.len()] = {
    let mut fields = [""; OBJECTS.len()];
    let mut place = 0;
    while place < fields.len() {
        fields[place] = OBJECTS[place].field;
        place += 1;
    }
    fields
};

const COLUMNS: [Column; 7] = [
    Column::key("name", "the counter, as nstat(8) names it"),
    Column::counter("value", "snmp_tcp", "the kernel's TCP MIB counters"),
    Column::label("oid", "the SNMP object identifier, RFC 4022"),
    Column::label("type", "the SNMP type, RFC 2578"),
    SCOPE,
    SOURCE,
    MEANING,
];

#[derive(Default)]
struct Args {
    all: bool,
    oid: bool,
    describe: bool,
}

const OPTIONS: [Opt<Args>; 3] = [
    Opt::<Args>::switch("all", "add TcpExt, MPTcpExt and unknown groups", |args| args.all = true)
        .short('a'),
    Opt::switch("oid", "add the columns oid and type, and wrap values as SNMP does", |args| {
        args.oid = true;
    }),
    Opt::switch("describe", "add the column meaning", |args| args.describe = true),
];
const DOCS: [OptDoc; 3] = cli::docs(&OPTIONS);

fn run(call: &mut Call) -> Result<(), Error> {
    let args = call.args(&OPTIONS)?;
    let names: Vec<Name> = call.names().iter().map(|name| Name::parse(name)).collect();
    let meanings = (args.describe || call.common().explain).then(Meanings::read);
    let optional = [("oid", args.oid), ("type", args.oid), ("meaning", meanings.is_some())];
    call.table(&COLUMNS, &optional, &mut |Sample { source, out, report }: Sample<'_>| {
        let counters = read(source, args.all, &names, report)?;
        for place in names::pick(&counters, &names)? {
            row(&args, &counters[place], meanings.as_ref(), out)?;
        }
        Ok(())
    })
}

struct Counter {
    /// The name in nstat: group and field.
    name: String,
    /// The offset of the field in `name`.
    field: usize,
    value: i128,
    /// The file and field.
    source: String,
}

impl Counter {
    fn field(&self) -> &str {
        &self.name[self.field..]
    }
}

/// Reads the counters of the run: without NAMEs the group Tcp or all; with NAMEs only as much as is needed
/// to find them, since snmp is much shorter than netstat.
fn read(
    source: &Source,
    all: bool,
    names: &[Name],
    report: &mut Report,
) -> Result<Vec<Counter>, Error> {
    let mut counters = Vec::with_capacity(if all { 256 } else { 16 });
    let is_saved = !source.saved.is_empty();
    let wide = all || (is_saved && !names.is_empty());
    read_files(source, File::Snmp, wide, &mut counters, report)?;
    let is_found = !names.is_empty() && names.iter().all(|name| name.is_in(&counters));
    let needs_more = if names.is_empty() { all } else { !is_found };
    if needs_more && !is_saved {
        read_files(source, File::Netstat, true, &mut counters, report)?;
    }
    if counters.is_empty() {
        return Err(Error::failed("snmp", "contains no group Tcp"));
    }
    Ok(counters)
}

/// The groups that are not about TCP.
const OTHER_GROUPS: [&[u8]; 6] = [b"Ip", b"Icmp", b"IcmpMsg", b"Udp", b"UdpLite", b"IpExt"];

fn read_files(
    source: &Source,
    file: File,
    all: bool,
    counters: &mut Vec<Counter>,
    report: &mut Report,
) -> Result<(), Error> {
    // The kernel's path, whatever the tree.
    let of_kernel = source.saved.is_empty().then(|| format!("/proc/net/{}", file.name()));
    procfs::read(source, &[file], |place, record| {
        let Record::Mib { group, names, values } = record else { return Ok(()) };
        if group != b"Tcp" && (!all || OTHER_GROUPS.contains(&group)) {
            return Ok(());
        }
        match text::pairs(names, values) {
            Some(pairs) => add(place, of_kernel.as_deref(), group, pairs, counters),
            None => {
                report.trouble(&place.error(procfs::NO_PAIR));
                Ok(())
            }
        }
    })
}

fn add<'a>(
    place: Place<'_>,
    of_kernel: Option<&str>,
    group: &[u8],
    pairs: impl Iterator<Item = (&'a [u8], i128)>,
    counters: &mut Vec<Counter>,
) -> Result<(), Error> {
    let group = String::from_utf8_lossy(group);
    let file = of_kernel.map_or_else(|| String::from_utf8_lossy(place.file), Into::into);
    // Names within a pair are unique; only a repeated group could repeat them.
    if counters.iter().any(|counter| counter.name[..counter.field] == *group) {
        return Err(place.error("this group appears a second time"));
    }
    counters.extend(pairs.map(|(field, value)| {
        let field = String::from_utf8_lossy(field);
        Counter {
            name: format!("{group}{field}"),
            field: group.len(),
            value,
            source: format!("{file} {group} {field}"),
        }
    }));
    Ok(())
}

fn row(
    args: &Args,
    counter: &Counter,
    meanings: Option<&Meanings>,
    out: &mut Out,
) -> Result<(), Error> {
    let is_standard = counter.name.starts_with("Tcp") && counter.field == "Tcp".len();
    let object = OBJECTS.iter().find(|object| is_standard && object.field == counter.field());
    let value = match object.map(|object| object.syntax) {
        Some(Syntax::Counter32) if args.oid => counter.value & 0xffff_ffff,
        Some(Syntax::Gauge32) if args.oid => counter.value.min(0xffff_ffff),
        _ => counter.value,
    };
    let name = counter.name.as_bytes();
    let meaning = meanings.and_then(|meanings| meanings.of(name));
    let oid = object.map(|object| format!("{}.{}.0", names::TCP_GROUP_OID, object.number));
    out.row([
        Value::Text(name),
        if mib::is_level(name) { Value::Level(value) } else { Value::Int(value) },
        oid.as_ref().map_or(Value::Absent, |oid| Value::Text(oid.as_bytes())),
        object.map_or(Value::Absent, |object| Value::Word(object.syntax.name())),
        Value::Word(NETNS),
        Value::Text(counter.source.as_bytes()),
        meaning.map_or(Value::Absent, |text| Value::Text(text.as_bytes())),
    ])
}
