//! Writes rows: one contract, several formats. The form of a row follows from its columns alone.

mod column;
mod exposition;
mod field;
mod format;
mod growth;
mod json;
mod layout;
mod look;
mod number;
mod owned;
mod places;
mod prometheus;
mod shell;
mod stream;
mod style;
mod table;
mod time;
mod tsv;

pub use column::{Column, Kind, NAMESPACE, RATE, RESIDENT, TIME};
pub use exposition::Exposition;
pub use format::{FORMATS, Format, SWITCHES};
pub use look::{COLORS, Color};
#[doc(hidden)]
pub use owned::OWNED;
pub use places::Picks;
pub use prometheus::Metrics;
pub use style::{Style, Subject};

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use field::Field;
use places::{Place, Places};

use crate::error::{Error, reason};
use crate::sys::{self, AtomicFile, PathError, Written};
use crate::track::Rates;
use number::{push_addr, push_bool, push_fraction, push_int, push_millis, push_net};
use shell::Shell;
use table::Table;

/// One field of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Absent or unknown: neither zero nor empty.
    Absent,
    /// A number, wide enough for every u64 and for differences of them.
    Int(i128),
    /// A number in a Counter column that does not count: a level or a constant.
    Level(i128),
    /// A number in thousandths: 1500 is 1.500.
    Millis(i128),
    /// A number in millionths: 1500 is 0.001500.
    Micros(i128),
    Addr(IpAddr),
    /// A network: an address, and how many of its leading bits count.
    Net(IpAddr, u8),
    Bool(bool),
    /// One of our own words: letters, digits and `[A-Za-z0-9_.:/@%+,=-]` only.
    Word(&'static str),
    /// Bytes from outside, or a sentence: every format escapes them.
    Text(&'a [u8]),
    /// Words between commas, likewise: JSON makes a list of them.
    List(&'a [u8]),
}

/// A field with its column.
#[derive(Clone, Copy, Debug)]
struct Cell<'a> {
    column: &'a Column,
    value: Value<'a>,
}

/// Where the value of a written column comes from.
#[derive(Clone, Copy, Debug)]
enum Origin {
    Time,
    Namespace,
    Resident,
    /// The N-th value of the applet's row.
    Row(usize),
    /// The growth of the N-th value.
    Rate(usize),
}

/// The buffer is written when it exceeds this size.
const FLUSH_BYTES: usize = 64 * 1024;

/// The only way to write rows: takes them and writes them in the selected format.
#[derive(Debug)]
pub struct Out {
    style: Style,
    columns: Vec<(Column, Origin)>,
    /// Whether fixed words alone name the rows, so that a row is an assignment or a nested object.
    is_keyed: bool,
    buffer: Vec<u8>,
    file: Option<Written>,
    tree: json::Tree,
    array: json::Array,
    metrics: prometheus::Metrics,
    table: Option<Box<Table>>,
    time: Option<[u8; 24]>,
    clock: Duration,
    /// The namespace of the rows, and a process that lives there.
    place: Place,
    places: Places,
    rates: Rates,
}

impl Out {
    /// A writer of rows of `columns`; columns for which `is_shown` is false are omitted.
    pub fn new(style: Style, columns: &[Column], is_shown: &dyn Fn(&Column) -> bool) -> Out {
        let mut shown = Vec::with_capacity(columns.len() + 3);
        if style.is_stream {
            shown.push((TIME, Origin::Time));
        }
        // A table may have a column of its own for the namespace.
        if style.by_namespace && columns.iter().all(|column| column.name != NAMESPACE.name) {
            shown.extend([(NAMESPACE, Origin::Namespace), (RESIDENT, Origin::Resident)]);
        }
        for (place, column) in columns.iter().enumerate().filter(|(_, column)| is_shown(column)) {
            shown.push((*column, Origin::Row(place)));
            if style.rate && column.kind == Kind::Counter {
                shown.push((RATE, Origin::Rate(place)));
            }
        }
        if style.format == Format::Bare {
            shown.retain(|(column, _)| column.kind.is_number());
        }
        let has = |kind| shown.iter().any(|(column, _)| column.kind == kind);
        let is_keyed = has(Kind::Fixed) && !has(Kind::Label);
        let mut out = Out {
            style,
            columns: shown,
            is_keyed,
            buffer: Vec::with_capacity(4096),
            file: None,
            tree: json::Tree::default(),
            array: json::Array::default(),
            metrics: prometheus::Metrics::default(),
            table: None,
            time: Some([b'0'; 24]),
            clock: Duration::ZERO,
            place: [None, None],
            places: Places::default(),
            rates: Rates::default(),
        };
        if out.style.header && out.style.format == Format::Tsv {
            tsv::header(&mut out.buffer, out.columns.iter().map(|(column, _)| column.name));
        }
        if out.style.format == Format::Table {
            let columns = out.columns.iter().map(|(column, _)| *column).collect();
            out.table = Some(Box::new(Table::new(&out.style, columns)));
        }
        out
    }

    /// Begins a snapshot, taken at `unix_milliseconds` and at `clock` of the clock that never jumps.
    pub fn begin(&mut self, unix_milliseconds: i64, clock: Duration) {
        self.time = Some(time::rfc3339(unix_milliseconds));
        self.clock = clock;
    }

    /// Writes one row: the values of all the applet's columns, in their order.
    pub fn row<const N: usize>(&mut self, values: [Value<'_>; N]) -> Result<(), Error> {
        self.row_of(&values)
    }

    /// The same for a table whose columns are known only at run time.
    pub fn row_of(&mut self, values: &[Value<'_>]) -> Result<(), Error> {
        self.write_or_keep(values, true)
    }

    fn write<'a>(&mut self, values: &[Value<'a>]) -> Result<(), Error> {
        let rates = if self.style.rate { self.rates_of(values) } else { Vec::new() };
        let namespace = self.place[0].as_deref().map_or(Value::Absent, Value::Text);
        let resident = places::resident(&self.place, self.style.format);
        let at = |values: &[Value<'a>], place| values.get(place).copied().unwrap_or(Value::Absent);
        let (columns, time) = (&self.columns, &self.time);
        // Made on demand: a table may have many columns, and a run many rows.
        let cells = columns.iter().map(|(column, from)| {
            let value = match *from {
                Origin::Time => time.as_ref().map_or(Value::Absent, |time| Value::Text(time)),
                Origin::Namespace => namespace,
                Origin::Resident => resident,
                Origin::Row(place) => at(values, place),
                Origin::Rate(place) => at(&rates, place),
            };
            Cell { column, value }
        });
        match self.style.format {
            Format::Tsv | Format::Bare => tsv::row(&mut self.buffer, cells),
            Format::Shell | Format::Fish => {
                let shell = match self.style.format {
                    Format::Fish => Shell::Fish,
                    _ => Shell::Posix,
                };
                let write = if self.is_keyed { shell::assignments } else { shell::row };
                write(&mut self.buffer, shell, &self.style.prefix, cells);
            }
            Format::Json if self.is_keyed => self.tree.row(cells),
            Format::Json => {
                json::row(&mut self.buffer, cells);
                self.buffer.push(b'\n');
            }
            Format::JsonArray => self.array.row(&mut self.buffer, cells),
            Format::Table => {
                if let Some(table) = &mut self.table {
                    table.row(&mut self.buffer, cells);
                }
            }
            Format::Prometheus => self.metrics.row(cells),
            Format::Original => {}
        }
        if self.buffer.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Appends the value of a label as the format writes it: what it writes alike means the same to its readers.
    #[inline(never)]
    pub fn label(&self, buffer: &mut Vec<u8>, value: &Value<'_>) {
        match self.style.format {
            Format::Shell => shell::push_value(buffer, Shell::Posix, value),
            Format::Fish => shell::push_value(buffer, Shell::Fish, value),
            Format::Json | Format::JsonArray => json::push_value(buffer, value),
            Format::Prometheus => prometheus::label(buffer, value),
            Format::Table => buffer.extend_from_slice(Field::of_text(*value).text.as_bytes()),
            Format::Tsv | Format::Bare | Format::Original => tsv::value(buffer, value),
        }
    }

    /// Writes text of [`Format::Original`] as it is. The applet must escape what came from outside.
    pub fn text(&mut self, text: &[u8]) -> Result<(), Error> {
        self.buffer.extend_from_slice(text);
        if self.buffer.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    /// A level as the format has it: a fault of the kernel may bring it below zero, which Prometheus' sums and
    /// averages would not bear.
    pub(crate) fn level(&self, number: i128) -> i128 {
        if self.style.format == Format::Prometheus { number.max(0) } else { number }
    }

    /// Whether Prometheus' text is selected: it takes each series once.
    pub(crate) fn is_prometheus(&self) -> bool {
        self.style.format == Format::Prometheus
    }

    /// Ends a snapshot; in a stream its rows are written at once.
    pub fn end(&mut self) -> Result<(), Error> {
        self.rates.forget_before(self.clock);
        match self.style.format {
            Format::Json if self.is_keyed => self.tree.write(&mut self.buffer),
            Format::Table => {
                if let Some(table) = &mut self.table {
                    table.end(&mut self.buffer, self.time.as_ref().map_or(&[], |time| time));
                }
            }
            // Prometheus text is one snapshot; [`Out::finish`] writes it.
            _ => {}
        }
        if self.style.is_stream && self.style.output.is_none() { self.flush() } else { Ok(()) }
    }

    /// Appends the finished rows to `buffer` instead of writing them.
    pub fn take(&mut self, buffer: &mut Vec<u8>) {
        buffer.append(&mut self.buffer);
    }

    /// Appends what ends the text of the format.
    pub fn close(&mut self) {
        self.metrics.write(&mut self.buffer);
        if let Some(table) = &mut self.table {
            table.finish(&mut self.buffer);
        }
        if self.style.format == Format::JsonArray {
            self.array.end(&mut self.buffer);
        }
    }

    /// Begins the output file, if there is one, in a process of its own: this one may then give up the right to write
    /// files. There must be no other threads.
    ///
    /// # Errors
    /// If the file cannot be written, or there can be no more processes.
    pub fn write_apart(&mut self) -> Result<(), Error> {
        let Some(path) = &self.style.output else { return Ok(()) };
        let file = AtomicFile::create(path).map_err(|error| in_file(path, error))?;
        let file = Written::apart(file).map_err(|error| {
            let reason = reason(error);
            Error::of_file(
                path,
                format_args!("its writer cannot start: {reason}; try --no-sandbox"),
            )
        })?;
        self.file = Some(file);
        Ok(())
    }

    /// Writes what is left, and gives an output file its final name.
    ///
    /// # Errors
    /// An old output file then stays as it was.
    pub fn finish(mut self) -> Result<(), Error> {
        self.close();
        self.flush()?;
        match (self.file.take(), &self.style.output) {
            (Some(file), Some(path)) => file.finish().map_err(|error| in_file(path, error)),
            _ => Ok(()),
        }
    }

    /// Returns the samples for Prometheus instead of writing them.
    pub fn into_metrics(self) -> Metrics {
        self.metrics
    }

    fn flush(&mut self) -> Result<(), Error> {
        match &self.style.output {
            None => sys::write_stdout(&self.buffer)?,
            Some(path) => {
                if self.file.is_none() {
                    let file = AtomicFile::create(path).map_err(|error| in_file(path, error))?;
                    self.file = Some(Written::Here(Box::new(file)));
                }
                if let Some(file) = &mut self.file {
                    file.write(&self.buffer).map_err(|error| in_file(path, error))?;
                }
            }
        }
        self.buffer.clear();
        Ok(())
    }
}

fn in_file(path: &std::path::Path, reason: impl Into<PathError>) -> Error {
    use std::os::unix::ffi::OsStrExt;
    reason.into().at(path.as_os_str().as_bytes())
}

/// Text in UTF-8, for formats that have no other: a byte that is not UTF-8 is `\xff`, and a backslash before what looks
/// like such a byte, or like itself, is `\x5c`. So different texts stay different, and hardly any other changes.
#[inline(never)]
pub fn utf8(text: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(text)
        && !text.contains("\\x")
    {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        let mut rest = chunk.valid();
        while let Some(character) = rest.chars().next() {
            rest = &rest[character.len_utf8()..];
            line.push(character);
            if character == '\\' && looks_escaped(rest.as_bytes()) {
                line += "x5c";
            }
        }
        line.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    Cow::Owned(line)
}

/// Whether these bytes behind a backslash are what [`utf8`] could have written.
fn looks_escaped(behind: &[u8]) -> bool {
    match behind {
        [b'x', b'8' | b'9' | b'a'..=b'f', low, ..] => matches!(low, b'0'..=b'9' | b'a'..=b'f'),
        _ => behind.starts_with(b"x5c"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_in_full() {
        let mut text = Vec::new();
        for number in [0, -1, i128::from(u64::MAX), -2 * i128::from(u64::MAX)] {
            push_int(&mut text, number);
            text.push(b' ');
        }
        for number in [0, 5, -1, 1500, -12345] {
            push_millis(&mut text, number);
            text.push(b' ');
        }
        let wanted = "0 -1 18446744073709551615 -36893488147419103230 \
                      0.000 0.005 -0.001 1.500 -12.345 ";
        assert_eq!(String::from_utf8(text).unwrap(), wanted);
    }

    #[test]
    fn different_texts_stay_different_in_utf8() {
        for (text, wanted) in [
            (&b"system-getty\\x2dx.slice"[..], "system-getty\\x2dx.slice"),
            (b"a\xff\xe2\x82", "a\\xff\\xe2\\x82"),
            (b"\\xff\\xFF\\x7f\\xf", "\\x5cxff\\xFF\\x7f\\xf"),
            (b"\\x5cxff\\\\xff", "\\x5cx5cxff\\\\x5cxff"),
            (b"\\\xff\\x\xff", "\\\\xff\\x\\xff"),
        ] {
            assert_eq!(utf8(text), wanted);
        }
        // Every text of up to seven of the pieces that matter.
        let pieces: [&[u8]; 6] = [b"\\", b"x", b"f", b"5c", b"\xff", b"\x5c\x5c"];
        let mut texts = std::collections::HashMap::new();
        for number in 0..6_u32.pow(6) {
            let place = |digit: u32| (number / 6_u32.pow(digit) % 6) as usize;
            let text: Vec<u8> = (0..6).flat_map(|digit| pieces[place(digit)].to_vec()).collect();
            let other = texts.insert(utf8(&text).into_owned(), text.clone());
            assert!(other.is_none_or(|other| other == text), "{}", text.escape_ascii());
        }
    }

    /// What `format` makes of a row with a value of every kind.
    fn written(format: Format) -> String {
        let path = std::env::temp_dir().join(format!("connbox-{}-{format:?}", std::process::id()));
        let style = Style { format, output: Some(path.clone()), ..Style::default() };
        let columns = [
            Column::label("peer", "who"),
            Column::label("name", "as said"),
            Column::fixed("state", "the state"),
            Column::gauge("age_seconds", "age_seconds", "age"),
            Column::counter("packets_total", "packets", "packets"),
            Column::gauge("limit", "limit", "limit"),
        ];
        let mut out = Out::new(style, &columns, &|_| true);
        out.row([
            Value::Addr("2001:db8::1".parse().unwrap()),
            Value::Text(b"a \"b\"\t\xff"),
            Value::Word("OPEN"),
            Value::Millis(1500),
            Value::Int(u64::MAX.into()),
            Value::Absent,
        ])
        .unwrap();
        out.end().unwrap();
        out.finish().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[test]
    fn every_value_has_its_form_in_every_format() {
        let most = u64::MAX;
        let tsv = format!("2001:db8::1\ta \"b\"\\t\u{fffd}\tOPEN\t1.500\t{most}\t-\n");
        assert_eq!(written(Format::Tsv), tsv);
        assert_eq!(written(Format::Bare), format!("1.500\t{most}\t-\n"));
        let shell = format!(
            "PEER=\"2001:db8::1\" NAME=\"a \\\"b\\\"?\u{fffd}\" STATE=\"OPEN\" \
             AGE_SECONDS=\"1.500\" PACKETS_TOTAL=\"{most}\" LIMIT=\"\"\n"
        );
        assert_eq!(written(Format::Shell), shell);
        let json = format!(
            "{{\"peer\":\"2001:db8::1\",\"name\":\"a \\\"b\\\"\\t\\\\xff\",\"state\":\"OPEN\",\
             \"age_seconds\":1.500,\"packets_total\":{most},\"limit\":null}}\n"
        );
        assert_eq!(written(Format::Json), json);
        let labels = "{peer=\"2001:db8::1\",name=\"a \\\"b\\\"\t\\\\xff\",state=\"OPEN\"}";
        let prometheus = format!(
            "# HELP connbox_age_seconds age\n# TYPE connbox_age_seconds gauge\n\
             connbox_age_seconds{labels} 1.500\n\
             # HELP connbox_packets_total packets\n# TYPE connbox_packets_total counter\n\
             connbox_packets_total{labels} {most}\n"
        );
        assert_eq!(written(Format::Prometheus), prometheus);
    }
}
