//! `sockstat`: every number of /proc/net/sockstat and sockstat6, and how full the kernel's limits are.

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::frame::{Applet, Call, Example, HOST, MEANING, NETNS, SCOPE, SOURCE, Sample};
use crate::out::{Column, Out, Value};
use crate::source::Source;
use crate::source::files::procfs::{self, File, Record};
use crate::sys::Kernel;
use crate::wire::text;

pub static APPLET: Applet = Applet {
    name: "sockstat",
    aliases: &[],
    about: "print the kernel's socket counts, and how full its limits are",
    details: &[
        "Prints every field of /proc/net/sockstat and /proc/net/sockstat6 in file order, protocols \
         and fields that connbox does not know included. Without sockstat6 IPv6 is off: that is no \
         error.",
        "mem counts pages (of getconf PAGESIZE bytes), memory of FRAG counts bytes, all others \
         count sockets or queues. tw is not the number of TIME_WAIT sockets: it counts orphaned \
         FIN_WAIT2 sockets too; connbox-tcpstates(1) tells them apart. alloc, orphan and mem count the \
         whole machine, the others one network namespace; --explain says so of each.",
        "With --limits rows that have a limit show it, and how full it is: tcp_mem and udp_mem (the \
         third number, in pages), tcp_max_orphans, tcp_max_tw_buckets; a row file used compares \
         the machine's open files with file-max. Limits that this network namespace does not show \
         are absent.",
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
    needs: "No rights beyond reading /proc/net/sockstat.",
    rows: "One row a field. NAME is a protocol and a field (TCP.inuse) or a protocol (TCP), in any \
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
    Column::gauge("limit", "sockstat_limit", "where the kernel stops, in the unit of value"),
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
        return Err(Error::usage("--limits", "saved files do not hold the limits: use --root"));
    }
    let names: Vec<Name> = call.names().iter().map(|name| Name::parse(name)).collect();
    let optional = [("limit", args.limits), ("percent", args.limits)];
    call.table(&COLUMNS, &optional, &mut |Sample { source, out, .. }: Sample<'_>| {
        let fields = read(source, args.limits)?;
        pick(&fields, &names)?.try_for_each(|field| row(source, args.limits, field, out))
    })
}

/// One number and where it stands.
struct Field {
    protocol: String,
    item: String,
    value: u64,
}

/// Reads all fields, in file order; there are some twenty, however many sockets there are.
fn read(source: &Source, limits: bool) -> Result<Vec<Field>, Error> {
    let mut fields: Vec<Field> = Vec::with_capacity(32);
    procfs::read(source, &[File::Sockstat, File::Sockstat6], |place, record| {
        let Record::Counts { protocol, fields: counts } = record else { return Ok(()) };
        for pair in text::counts(counts) {
            let (item, value) = pair.ok_or_else(|| place.error(procfs::NOT_A_COUNT))?;
            let [protocol, item] =
                [protocol, item].map(|name| String::from_utf8_lossy(name).into_owned());
            if fields.iter().any(|field| field.protocol == protocol && field.item == item) {
                return Err(place.error("stands here a second time"));
            }
            fields.push(Field { protocol, item, value });
        }
        Ok(())
    })?;
    if fields.is_empty() {
        return Err(procfs::missing("line"));
    }
    fields.extend(limits.then(|| open_files(&source.kernel)).flatten());
    Ok(fields)
}

/// The machine's open files: the first number of file-nr.
fn open_files(kernel: &Kernel) -> Option<Field> {
    let value = numbers(&kernel.sysctl("fs/file-nr")?).next()?;
    Some(Field { protocol: "file".into(), item: "used".into(), value })
}

/// A NAME: `TCP` or `TCP.inuse`.
struct Name {
    text: std::ffi::OsString,
    protocol: String,
    item: Option<String>,
}

impl Name {
    fn parse(text: &std::ffi::OsStr) -> Name {
        let name = text.to_string_lossy();
        let (protocol, item) = match name.split_once('.') {
            Some((protocol, item)) => (protocol, Some(item.to_owned())),
            None => (&*name, None),
        };
        Name { text: text.to_os_string(), protocol: protocol.to_owned(), item }
    }

    fn is(&self, field: &Field) -> bool {
        self.protocol.eq_ignore_ascii_case(&field.protocol)
            && self.item.as_ref().is_none_or(|item| item.eq_ignore_ascii_case(&field.item))
    }
}

/// The fields that `names` pick, in the order given, each once; all of them without names.
fn pick<'a>(fields: &'a [Field], names: &[Name]) -> Result<impl Iterator<Item = &'a Field>, Error> {
    let mut places: Vec<usize> = Vec::with_capacity(fields.len());
    for name in names {
        let mut found = (0..fields.len()).filter(|place| name.is(&fields[*place])).peekable();
        if found.peek().is_none() {
            let known: Vec<_> =
                fields.iter().map(|f| format!("{}.{}", f.protocol, f.item)).collect();
            let protocols = fields.iter().map(|field| field.protocol.as_str());
            return Err(cli::unknown_name(
                &name.text,
                known.iter().map(String::as_str).chain(protocols),
            ));
        }
        for place in found {
            if !places.contains(&place) {
                places.push(place);
            }
        }
    }
    if names.is_empty() {
        places.extend(0..fields.len());
    }
    Ok(places.into_iter().map(|place| &fields[place]))
}

/// Where the kernel stops.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    /// The file below /proc/sys that holds it.
    pub file: &'static str,
    /// The limit; `None` where this network namespace does not show it, and for saved files.
    pub number: Option<u64>,
}

/// The one field that a NAME picks, and its limit if it has one.
///
/// # Errors
/// If the files cannot be read, or hold no such field.
pub(super) fn number(source: &Source, name: &str) -> Result<(u64, Option<Limit>), Error> {
    let is_live = source.saved.is_empty();
    let (fields, wanted) = (read(source, is_live)?, Name::parse(name.as_ref()));
    let field = fields.iter().find(|field| wanted.is(field));
    let field = field.ok_or_else(|| procfs::missing(name))?;
    let known = explain(field.protocol.as_bytes(), field.item.as_bytes());
    let limit =
        known.limit.map(|file| Limit { file, number: limit(source, file).filter(|_| is_live) });
    Ok((field.value, limit))
}

/// The limit that a file below /proc/sys holds.
fn limit(source: &Source, file: &str) -> Option<u64> {
    // tcp_mem and udp_mem hold three numbers; the last is where allocation fails.
    numbers(&source.kernel.sysctl(file)?).last()
}

fn row(source: &Source, limits: bool, field: &Field, out: &mut Out) -> Result<(), Error> {
    let known = explain(field.protocol.as_bytes(), field.item.as_bytes());
    let limit = known.limit.filter(|_| limits).and_then(|file| limit(source, file));
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
        Value::Text(self::source(&field.protocol, &field.item).as_bytes()),
        if known.meaning.is_empty() {
            Value::Absent
        } else {
            Value::Text(known.meaning.as_bytes())
        },
    ])
}

fn numbers(text: &[u8]) -> impl Iterator<Item = u64> {
    text::Fields::new(text).map_while(text::unsigned)
}

/// The file and field of a number.
pub(super) fn source(protocol: &str, item: &str) -> String {
    match protocol {
        "file" => "/proc/sys/fs/file-nr, first number".to_owned(),
        _ if protocol.ends_with('6') => format!("/proc/net/sockstat6 {protocol} {item}"),
        _ => format!("/proc/net/sockstat {protocol} {item}"),
    }
}

/// What is known of a field.
pub(super) struct Explanation {
    pub scope: &'static str,
    /// The file below /proc/sys that holds its limit.
    limit: Option<&'static str>,
    /// Empty for a field that connbox does not know.
    pub meaning: &'static str,
}

/// What is known of a field of sockstat (net/ipv4/proc.c, sockstat_seq_show).
pub(super) fn explain(protocol: &[u8], item: &[u8]) -> Explanation {
    let (scope, limit, meaning) = match (protocol.strip_suffix(b"6").unwrap_or(protocol), item) {
        (b"sockets", b"used") => {
            (NETNS, None, "sockets of every kind, TCP, UDP, UNIX and all others")
        }
        (b"TCP", b"inuse") => (
            NETNS,
            None,
            "full TCP sockets of the family, connected or listening; no TIME_WAIT, no SYN_RECV",
        ),
        (b"TCP", b"orphan") => (
            HOST,
            Some("net/ipv4/tcp_max_orphans"),
            "full TCP sockets that no process holds any more and that still have to close",
        ),
        (b"TCP", b"tw") => (
            NETNS,
            Some("net/ipv4/tcp_max_tw_buckets"),
            "TCP minisockets of both families: TIME_WAIT and orphaned FIN_WAIT2",
        ),
        (b"TCP", b"alloc") => (HOST, None, "full TCP sockets of both families, connected or not"),
        (b"TCP", b"mem") => (HOST, Some("net/ipv4/tcp_mem"), "pages in TCP's buffers"),
        (b"UDP", b"mem") => (HOST, Some("net/ipv4/udp_mem"), "pages in UDP's buffers"),
        (b"UDP" | b"UDPLITE" | b"RAW", b"inuse") => {
            (NETNS, None, "sockets of the protocol and family that are bound")
        }
        (b"FRAG", b"inuse") => (NETNS, None, "packets that wait for missing fragments"),
        (b"FRAG", b"memory") => (NETNS, None, "bytes held by fragments that wait"),
        (b"file", b"used") => {
            (HOST, Some("fs/file-max"), "open files of every kind, sockets among them")
        }
        (_, b"mem") => (HOST, None, ""),
        _ => (NETNS, None, ""),
    };
    Explanation { scope, limit, meaning }
}
