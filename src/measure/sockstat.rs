//! The numbers of /proc/net/sockstat and sockstat6, their meaning, and their limits.

use std::ffi::{OsStr, OsString};

use super::{HOST, Measure, NETNS};
use crate::cli;
use crate::error::Error;
use crate::frame::Report;
use crate::source::Source;
use crate::source::files::counts;
use crate::source::files::procfs::{self, File, Record};
use crate::source::files::rows;
use crate::sys;
use crate::sys::Kernel;
use crate::wire::text;

/// One number, by its protocol and item.
pub(crate) struct Field {
    pub protocol: String,
    pub item: String,
    pub value: i128,
}

/// Fields, each with its limit if that is known.
pub(crate) type Limited = Vec<(Field, Option<u64>)>;

/// Reads the fields of saved rows, each with the limit that stands beside it; `None` if the files are no rows.
///
/// # Errors
/// If a row is not one of the table, or `limits` are asked for that it does not hold.
pub(crate) fn read_rows(
    source: &Source,
    limits: bool,
    report: &mut Report,
) -> Result<Option<Limited>, Error> {
    let mut fields = Limited::with_capacity(32);
    let doubts = rows::read_some(source, &mut |row| {
        let [protocol, item] = [row.text("protocol")?, row.text("item")?]
            .map(|name| String::from_utf8_lossy(name).into_owned());
        let is_it = |(field, _): &(Field, _)| field.protocol == protocol && field.item == item;
        if fields.iter().any(is_it) {
            return Err(row.error(TWICE));
        }
        let limit = if limits { row.parsed("limit")? } else { None };
        fields.push((Field { protocol, item, value: row.number("value")? }, limit));
        Ok(())
    })?;
    let Some(doubts) = doubts else { return Ok(None) };
    report.notes(doubts.notes());
    Ok(Some(fields))
}

const TWICE: &str = "appears a second time";

/// Reads all fields, in file order; there are about twenty, however many sockets exist.
pub(crate) fn read(
    source: &Source,
    limits: bool,
    report: &mut Report,
) -> Result<Vec<Field>, Error> {
    let mut fields: Vec<Field> = Vec::with_capacity(32);
    let tables = procfs::read(source, &[File::Sockstat, File::Sockstat6], |place, record| {
        let Record::Counts { protocol, fields: counts } = record else { return Ok(()) };
        for pair in text::counts(counts) {
            let (item, value) = pair.ok_or_else(|| place.error(counts::NOT_A_COUNT))?;
            let [protocol, item] =
                [protocol, item].map(|name| String::from_utf8_lossy(name).into_owned());
            if fields.iter().any(|field| field.protocol == protocol && field.item == item) {
                return Err(place.error(TWICE));
            }
            fields.push(Field { protocol, item, value });
        }
        Ok(())
    })?;
    report.notes(tables.doubts.notes_of_empty());
    if fields.is_empty() {
        return Err(counts::missing(source, "line"));
    }
    fields.extend(limits.then(|| open_files(&source.kernel)).flatten());
    Ok(fields)
}

/// The machine's open files: the first number of file-nr.
fn open_files(kernel: &Kernel) -> Option<Field> {
    let value = numbers(&kernel.sysctl("fs/file-nr")?).next()?.into();
    Some(Field { protocol: "file".into(), item: "used".into(), value })
}

/// Protocols and their items, of every kernel since 3.10 and every option of ours.
const KNOWN: [(&[&str], &[&str]); 6] = [
    (&["sockets", "file"], &["used"]),
    (&["TCP"], &["inuse", "orphan", "tw", "alloc", "mem"]),
    (&["UDP"], &["inuse", "mem"]),
    (&["UDPLITE", "RAW"], &["inuse"]),
    (&["TCP6", "UDP6", "UDPLITE6", "RAW6"], &["inuse"]),
    (&["FRAG", "FRAG6"], &["inuse", "memory"]),
];

/// A NAME: `TCP`, `TCP.inuse`, or a pattern for such a name or a field.
pub(crate) struct Name {
    text: OsString,
    protocol: String,
    item: Option<String>,
}

impl Name {
    pub(crate) fn parse(text: &OsStr) -> Name {
        let name = text.to_string_lossy();
        let (protocol, item) = match name.split_once('.') {
            Some((protocol, item)) => (protocol, Some(item.to_owned())),
            None => (&*name, None),
        };
        Name { text: text.to_os_string(), protocol: protocol.to_owned(), item }
    }

    /// Whether it may be the name of several fields.
    fn is_pattern(&self) -> bool {
        self.text.as_encoded_bytes().iter().any(|byte| b"*?".contains(byte))
    }

    /// Whether it selects a field of some kernel.
    fn is_known(&self) -> bool {
        let field = |protocol: &str, item: &str| Field {
            protocol: protocol.to_owned(),
            item: item.to_owned(),
            value: 0,
        };
        KNOWN.iter().any(|(protocols, items)| {
            let mut all = protocols
                .iter()
                .flat_map(|protocol| items.iter().map(move |item| field(protocol, item)));
            all.any(|field| self.is(&field))
        })
    }

    fn is(&self, field: &Field) -> bool {
        if self.is_pattern() {
            let (pattern, item) = (self.text.to_ascii_lowercase(), field.item.to_ascii_lowercase());
            let whole = [&field.protocol.to_ascii_lowercase(), ".", &item].concat();
            let fits = |name: &str| cli::matches(pattern.as_encoded_bytes(), name.as_bytes());
            return fits(&whole) || fits(&item);
        }
        self.protocol.eq_ignore_ascii_case(&field.protocol)
            && self.item.as_ref().is_none_or(|item| item.eq_ignore_ascii_case(&field.item))
    }
}

/// The fields that `names` select, in the order given, each once; without names, all of them.
pub(crate) fn pick<'a>(
    fields: &'a [Field],
    names: &[Name],
) -> Result<impl Iterator<Item = &'a Field>, Error> {
    let mut places: Vec<usize> = Vec::with_capacity(fields.len());
    for name in names {
        let mut found = (0..fields.len()).filter(|place| name.is(&fields[*place])).peekable();
        if found.peek().is_none() {
            let known: Vec<_> =
                fields.iter().map(|f| format!("{}.{}", f.protocol, f.item)).collect();
            let protocols = fields.iter().map(|field| field.protocol.as_str());
            return Err(cli::unknown_name_or_part(
                &name.text,
                known.iter().map(String::as_str).chain(protocols),
                name.is_known(),
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

/// A limit of the kernel.
#[derive(Clone, Copy)]
pub(crate) struct Limit {
    /// Its file, relative to /proc/sys.
    pub file: &'static str,
    /// The limit; `None` if this network namespace does not show it, and for saved files.
    pub number: Option<u64>,
}

/// The field that a NAME selects, and its limit if it has one.
pub(crate) fn number(
    source: &Source,
    name: &str,
    report: &mut Report,
) -> Result<(i128, Option<Limit>), Error> {
    let is_live = source.saved.is_empty();
    let (fields, wanted) = (read(source, is_live, report)?, Name::parse(name.as_ref()));
    let field = fields.iter().find(|field| wanted.is(field) && !wanted.is_pattern());
    let field = field.ok_or_else(|| counts::missing(source, name))?;
    let known = explain(field.protocol.as_bytes(), field.item.as_bytes());
    let limit =
        known.limit.map(|file| Limit { file, number: limit(source, file).filter(|_| is_live) });
    Ok((field.value, limit))
}

/// Says that limits are missing which a running kernel shows of the reader's namespace alone. Whether it did.
pub(crate) fn note_reader(source: &Source, report: &mut Report) -> bool {
    let lacks = !source.kernel.shows_settings();
    if lacks {
        report.lack(&format!("{}: {}", source.kernel.sysctl_path("net").display(), sys::OF_READER));
    }
    lacks
}

/// The limit in a file, relative to /proc/sys.
pub(crate) fn limit(source: &Source, file: &str) -> Option<u64> {
    // tcp_mem and udp_mem hold three numbers; allocation fails at the last.
    numbers(&source.kernel.sysctl(file)?).last()
}

fn numbers(text: &[u8]) -> impl Iterator<Item = u64> {
    text::Fields::new(text).map_while(text::unsigned)
}

/// The file and field of a number.
pub(crate) fn source(protocol: &str, item: &str) -> String {
    match protocol {
        "file" => "/proc/sys/fs/file-nr, first number".to_owned(),
        _ if protocol.ends_with('6') => format!("/proc/net/sockstat6 {protocol} {item}"),
        _ => format!("/proc/net/sockstat {protocol} {item}"),
    }
}

/// The scope, limit and meaning of a field.
pub(crate) struct Explanation {
    pub scope: &'static str,
    /// The file of its limit, relative to /proc/sys.
    pub limit: Option<&'static str>,
    /// Empty for an unknown field.
    pub meaning: &'static str,
}

/// A field as a measure.
pub(crate) fn measure(value: Option<i128>, protocol: &str, item: &str) -> Measure {
    let known = explain(protocol.as_bytes(), item.as_bytes());
    Measure::of(value, known.scope, source(protocol, item), known.meaning)
}

/// Explains a field of sockstat (net/ipv4/proc.c, sockstat_seq_show).
pub(crate) fn explain(protocol: &[u8], item: &[u8]) -> Explanation {
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
            "full TCP sockets that no process holds any more and that have not closed yet",
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
            (NETNS, None, "bound sockets of the protocol and family")
        }
        (b"FRAG", b"inuse") => (NETNS, None, "packets waiting for missing fragments"),
        (b"FRAG", b"memory") => (NETNS, None, "bytes held by waiting fragments"),
        (b"file", b"used") => {
            (HOST, Some("fs/file-max"), "open files of every kind, sockets among them")
        }
        (_, b"mem") => (HOST, None, ""),
        _ => (NETNS, None, ""),
    };
    Explanation { scope, limit, meaning }
}
