//! `snmpget-tcp`: the kernel's TCP counters, by nstat name, SNMP name or OID.

mod mib;
mod names;
mod saved;

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::frame::{
    Applet, Call, Example, InTwoSteps, MEANING, Report, SCOPE, SOURCE, TOP_NAMESPACES,
};
use crate::measure::NETNS;
use crate::out::{self, Column, Out, Value};
use crate::source::Source;
use crate::source::files::lines::Place;
use crate::source::files::procfs::{self, File, Record};
use crate::wire::text;
use mib::{Meanings, OBJECTS, Syntax};
use names::Name;

pub(super) static APPLET: Applet = Applet {
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
        "With --oid the values are those that the agent of Net-SNMP would return: a Counter32 starts again at 0 \
         after 4294967295, and a value of 2^63 or more, as a kernel may give for a level below 0, stays at \
         4294967295.",
        "--interval with --rate shows the growth of every counter per second, without a history file. Levels \
         (TcpCurrEstab) and constants have no rate.",
        "--from also reads what nstat and netstat printed: nstat -az (and -j), which has all counters but levels and \
         constants (no CurrEstab), and netstat -s or -st, whose sentences become the kernel's fields; it leaves out most \
         counters that are 0, so that they are absent. Without -a, the numbers of nstat are what was added since it ran \
         before; a warning says so if none of them is 0.",
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
    files: &[
        ("/proc/net/snmp", "the group Tcp"),
        ("/proc/net/netstat", "the other groups, with --all or for a NAME"),
    ],
    bugs: &[
        "If a pair of the kernel's lines does not match, or one of the two is missing, it is skipped, a warning \
         says so, and the status is 1; the other pairs are printed. The same goes for a NAME that connbox knows and \
         this kernel does not have: its value is absent.",
    ],
    needs: "No privileges.",
    rows: "One row per counter, in the kernel's order. NAME is CurrEstab, TcpCurrEstab, tcpCurrEstab.0, \
           TCP-MIB::tcpCurrEstab.0, SNMPv2-SMI::mib-2.6.9.0, 1.3.6.1.2.1.6.9.0 or a pattern for whole names ('*Retrans*'), in any \
           case if only one counter matches. NAMEs are looked up in all groups, with or without --all.",
    names: &FIELDS,
    keyboard: &[],
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
    Column::fixed("name", "the counter, as nstat(8) names it"),
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
    top: Option<usize>,
}

static OPTIONS: [Opt<Args>; 4] = [
    Opt::<Args>::switch("all", "add TcpExt, MPTcpExt and unknown groups", |args| args.all = true)
        .short('a'),
    Opt::switch("oid", "add the columns oid and type, and wrap values as SNMP does", |args| {
        args.oid = true;
    }),
    Opt::switch("describe", "add the column meaning", |args| args.describe = true),
    Opt::value("top", "N", TOP_NAMESPACES, |args, value| {
        args.top = Some(cli::number(value)?);
        Ok(())
    }),
];
static DOCS: [&OptDoc; OPTIONS.len()] = cli::docs(&OPTIONS);

fn run(call: &mut Call) -> Result<(), Error> {
    let args = call.args(&OPTIONS).map_err(|error| of_snmpget(call, error))?;
    call.pick_namespaces(args.top)?;
    let names: Vec<Name> = call.names().iter().map(|name| Name::parse(name)).collect();
    let meanings = (args.describe || call.common().explain).then(Meanings::read);
    let optional = [("oid", args.oid), ("type", args.oid), ("meaning", meanings.is_some())];
    let read = |source: &Source, report: &mut Report| {
        let mut counters = read(source, args.all, &names, report)?;
        names::add_missing(&mut counters, &names, source.is_live(), report)?;
        Ok(counters)
    };
    let write = |counters: Vec<Counter>, out: &mut Out| {
        for place in names::pick(&counters, &names)? {
            row(&args, &counters[place], meanings.as_ref(), out)?;
        }
        Ok(())
    };
    call.table(&COLUMNS, &optional, &mut InTwoSteps::new(read, write))
}

/// Says instead of `error` that the options of snmpget(1) have no meaning here, if one is among the arguments.
fn of_snmpget(call: &Call, error: Error) -> Error {
    const BEGINNINGS: [&[u8]; 6] = [b"-v1", b"-v2c", b"-v3", b"-c", b"-O", b"-m"];
    let is_it = |word: &&[u8]| BEGINNINGS.iter().any(|start| word.starts_with(start));
    match call.words().find(is_it).filter(|_| matches!(error, Error::Fault { .. })) {
        Some(word) => Error::usage(
            word,
            "the options of snmpget are not taken, nor a community and a host: this reads the counters of this \
             machine; name them alone: snmpget-tcp -v CurrEstab",
        ),
        None => error,
    }
}

struct Counter {
    /// The name in nstat: group and field.
    name: String,
    /// The offset of the field in `name`.
    field: usize,
    /// `None` if connbox knows the counter and the kernel does not have it.
    value: Option<i128>,
    /// The file and field.
    source: String,
}

impl Counter {
    fn new(file: &str, group: &str, field: &str, value: Option<i128>) -> Counter {
        let source = [file, " ", group, " ", field].concat();
        Counter { name: [group, field].concat(), field: group.len(), value, source }
    }

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
    if let Some(counters) =
        saved::read(source, all || !names.is_empty(), !names.is_empty(), report)?
    {
        return Ok(counters);
    }
    let mut counters = Vec::with_capacity(if all { 256 } else { 16 });
    let is_saved = !source.saved.is_empty();
    let wide = all || (is_saved && !names.is_empty());
    read_files(source, File::Snmp, wide, &mut counters, report)?;
    let is_found = !names.is_empty() && names.iter().all(|name| name.is_in(&counters));
    let needs_more = if names.is_empty() { all } else { !is_found };
    if needs_more && !is_saved {
        // It must not cost the counters of snmp.
        match read_files(source, File::Netstat, true, &mut counters, report) {
            Err(error) if !counters.is_empty() => report.trouble(&error),
            done => done?,
        }
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
    let tables = procfs::read(source, &[file], |place, record| {
        let (group, pairs) = match record {
            Record::Mib { group, names, values } => {
                (group, text::pairs(names, values).ok_or(procfs::NO_PAIR))
            }
            Record::Lone { group, reason } => (group, Err(reason)),
            _ => return Ok(()),
        };
        match pairs {
            _ if OTHER_GROUPS.contains(&group) => Ok(()),
            Ok(pairs) if all || group == b"Tcp" => {
                add(place, of_kernel.as_deref(), group, pairs, counters)
            }
            Ok(_) => Ok(()),
            Err(reason) => {
                report.trouble(&place.error(reason));
                Ok(())
            }
        }
    })?;
    report.notes(tables.doubts.notes());
    Ok(())
}

fn add<'a>(
    place: Place<'_>,
    of_kernel: Option<&str>,
    group: &[u8],
    pairs: impl Iterator<Item = (&'a [u8], i128)>,
    counters: &mut Vec<Counter>,
) -> Result<(), Error> {
    let group = String::from_utf8_lossy(group);
    let file = of_kernel.map_or_else(|| out::utf8(place.file), Into::into);
    // Names within a pair are unique; only a repeated group could repeat them.
    if counters.iter().any(|counter| counter.name[..counter.field] == *group) {
        return Err(place.error("this group appears a second time"));
    }
    counters.extend(pairs.map(|(field, value)| {
        Counter::new(&file, &group, &String::from_utf8_lossy(field), Some(value))
    }));
    Ok(())
}

/// The value that the agent of Net-SNMP 5.9 returns: it reads a number of 63 bits, where larger ones stick,
/// and returns its low 32 bits. Only a negative value, a limit or a level, stays as it is.
fn of_agent(syntax: Syntax, value: i128) -> i128 {
    const MOST: i128 = 0xffff_ffff;
    match syntax {
        _ if value > i64::MAX.into() => MOST,
        Syntax::Counter32 => value & MOST,
        Syntax::Gauge32 if value < 0 => MOST,
        Syntax::Gauge32 => value.min(MOST),
        Syntax::Integer | Syntax::Integer32 => value,
    }
}

fn row(
    args: &Args,
    counter: &Counter,
    meanings: Option<&Meanings>,
    out: &mut Out,
) -> Result<(), Error> {
    let is_standard = counter.name.starts_with("Tcp") && counter.field == "Tcp".len();
    let object = OBJECTS.iter().find(|object| is_standard && object.field == counter.field());
    let syntax = object.map(|object| object.syntax).filter(|_| args.oid);
    let value = counter.value.map(|value| match syntax {
        Some(syntax) => of_agent(syntax, value),
        None if counter.field().ends_with("CurrEstab") => out.level(text::level(value)),
        None => value,
    });
    let name = counter.name.as_bytes();
    let meaning = meanings.and_then(|meanings| meanings.of(name));
    let oid = object.map(|object| format!("{}.{}.0", names::TCP_GROUP_OID, object.number));
    let is_constant = mib::is_level(name) && !counter.field().ends_with("CurrEstab");
    let values = [
        Value::Text(name),
        match value {
            None => Value::Absent,
            Some(value) if mib::is_level(name) => Value::Level(value),
            Some(value) => Value::Int(value),
        },
        oid.as_ref().map_or(Value::Absent, |oid| Value::Text(oid.as_bytes())),
        object.map_or(Value::Absent, |object| Value::Word(object.syntax.name())),
        Value::Word(NETNS),
        Value::Text(counter.source.as_bytes()),
        meaning.map_or(Value::Absent, |text| Value::Text(text.as_bytes())),
    ];
    if is_constant { out.constant(values) } else { out.row(values) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each as snmpd 5.9.3 of Debian 12 answered for a /proc/net/snmp of this number.
    #[test]
    fn values_are_those_of_the_agent() {
        const MOST: i128 = 4_294_967_295;
        for (kernels, counter, gauge) in [
            (5, 5, 5),
            (2_147_483_648, 2_147_483_648, 2_147_483_648),
            (MOST, MOST, MOST),
            (i128::from(i64::MAX), MOST, MOST),
            (i128::from(i64::MAX) + 1, MOST, MOST),
            (18_446_744_073_709_540_830, MOST, MOST),
            (i128::from(u64::MAX), MOST, MOST),
        ] {
            assert_eq!(of_agent(Syntax::Counter32, kernels), counter, "{kernels}");
            assert_eq!(of_agent(Syntax::Gauge32, kernels), gauge, "{kernels}");
        }
        assert_eq!(of_agent(Syntax::Counter32, MOST + 6), 5);
        // RFC 2578 says that a gauge stays at its maximum, where the agent gives 5.
        assert_eq!(of_agent(Syntax::Gauge32, MOST + 6), MOST);
        assert_eq!(of_agent(Syntax::Integer32, -1), -1);
        assert_eq!(of_agent(Syntax::Integer32, 120_000), 120_000);
    }
}
