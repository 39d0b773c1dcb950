//! Writes rows: one contract, four formats. The form of a row follows from its columns alone.

mod column;
mod exposition;
mod json;
mod owned;
mod prometheus;
mod shell;
mod stream;
mod time;
mod tsv;

pub use column::{Column, Kind, NAMESPACE, RATE, RESIDENT, TIME};
pub use exposition::Exposition;
#[doc(hidden)]
pub use owned::OWNED;
pub use prometheus::Metrics;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::error::Error;
use crate::sys::{self, AtomicFile};
use crate::track::Rates;

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
    /// An IP address.
    Addr(IpAddr),
    /// A network: an address, and how many of its leading bits count.
    Net(IpAddr, u8),
    /// Yes or no.
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

/// The formats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// Columns between tabs.
    #[default]
    Tsv,
    /// Only the numbers, between tabs.
    Bare,
    /// Assignments for `eval`.
    Shell,
    /// One object for a table of Keys, one object per row otherwise.
    Json,
    /// Text exposition 0.0.4.
    Prometheus,
    /// The text of the original tool: made by the applet, see [`Out::text`].
    Original,
}

impl Format {
    /// The option that selects it.
    pub fn option(self) -> &'static str {
        match self {
            Format::Tsv => "--tsv",
            Format::Bare => "--value",
            Format::Shell => "--shell",
            Format::Json => "--json",
            Format::Prometheus => "--prom",
            // No option selects it: it is the default of its applets.
            Format::Original => "the applet's own text",
        }
    }
}

/// How and where to write.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// The format.
    pub format: Format,
    /// Whether a first row names the columns of TSV.
    pub header: bool,
    /// The prefix of every name in the shell format.
    pub prefix: String,
    /// The file to write, standard output for `None`.
    pub output: Option<PathBuf>,
    /// Whether snapshots repeat: rows then begin with their time, and JSON is one object per row.
    pub is_stream: bool,
    /// Whether each counter is followed by its rate.
    pub rate: bool,
    /// Whether rows name their network namespace.
    pub by_namespace: bool,
}

/// Where the value of a written column comes from.
#[derive(Clone, Copy, Debug)]
enum From {
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
    columns: Vec<(Column, From)>,
    /// Whether Keys alone name the rows, so that a row is an assignment or a nested object.
    is_keyed: bool,
    buffer: Vec<u8>,
    file: Option<AtomicFile>,
    tree: json::Tree,
    metrics: prometheus::Metrics,
    time: [u8; 24],
    clock: Duration,
    /// The namespace of the rows, and a process that lives there.
    place: [Option<Vec<u8>>; 2],
    rates: Rates,
}

impl Out {
    /// A writer of rows of `columns`; columns for which `is_shown` is false are omitted.
    pub fn new(style: Style, columns: &[Column], is_shown: impl Fn(&Column) -> bool) -> Out {
        let mut shown = Vec::with_capacity(columns.len() + 3);
        if style.is_stream {
            shown.push((TIME, From::Time));
        }
        // A table may have a column of its own for the namespace.
        if style.by_namespace && columns.iter().all(|column| column.name != NAMESPACE.name) {
            shown.extend([(NAMESPACE, From::Namespace), (RESIDENT, From::Resident)]);
        }
        for (place, column) in columns.iter().enumerate().filter(|(_, column)| is_shown(column)) {
            shown.push((*column, From::Row(place)));
            if style.rate && column.kind == Kind::Counter {
                shown.push((RATE, From::Rate(place)));
            }
        }
        if style.format == Format::Bare {
            shown.retain(|(column, _)| column.kind.is_number());
        }
        let has = |kind| shown.iter().any(|(column, _)| column.kind == kind);
        let is_keyed = has(Kind::Key) && !has(Kind::Label);
        let mut out = Out {
            style,
            columns: shown,
            is_keyed,
            buffer: Vec::with_capacity(4096),
            file: None,
            tree: json::Tree::default(),
            metrics: prometheus::Metrics::default(),
            time: [b'0'; 24],
            clock: Duration::ZERO,
            place: [None, None],
            rates: Rates::default(),
        };
        if out.style.header && out.style.format == Format::Tsv {
            tsv::header(&mut out.buffer, out.columns.iter().map(|(column, _)| column.name));
        }
        out
    }

    /// Begins a snapshot, taken at `unix_milliseconds` and at `clock` of the clock that never jumps.
    pub fn begin(&mut self, unix_milliseconds: i64, clock: Duration) {
        self.time = time::rfc3339(unix_milliseconds);
        self.clock = clock;
    }

    /// Sets the network namespace of the next rows and a process that lives there; `None` for rows of the
    /// whole machine.
    pub fn enter(&mut self, namespace: Option<Vec<u8>>, resident: Option<Vec<u8>>) {
        self.place = [namespace, resident];
    }

    /// The current namespace.
    pub fn namespace(&self) -> Option<&[u8]> {
        self.place[0].as_deref()
    }

    /// Writes one row: the values of all the applet's columns, in their order.
    pub fn row<const N: usize>(&mut self, values: [Value<'_>; N]) -> Result<(), Error> {
        self.row_of(&values)
    }

    /// The same for a table whose columns are known only at run time.
    pub fn row_of<'a>(&mut self, values: &[Value<'a>]) -> Result<(), Error> {
        let rates = if self.style.rate { self.rates_of(values) } else { Vec::new() };
        let [namespace, resident] =
            self.place.each_ref().map(|text| text.as_deref().map_or(Value::Absent, Value::Text));
        let at = |values: &[Value<'a>], place| values.get(place).copied().unwrap_or(Value::Absent);
        let (columns, time) = (&self.columns, &self.time);
        // Made on demand: a table may have many columns, and a run many rows.
        let cells = columns.iter().map(|(column, from)| {
            let value = match *from {
                From::Time => Value::Text(time),
                From::Namespace => namespace,
                From::Resident => resident,
                From::Row(place) => at(values, place),
                From::Rate(place) => at(&rates, place),
            };
            Cell { column, value }
        });
        match self.style.format {
            Format::Tsv | Format::Bare => tsv::row(&mut self.buffer, cells),
            Format::Shell if self.is_keyed => {
                shell::assignments(&mut self.buffer, &self.style.prefix, cells);
            }
            Format::Shell => shell::row(&mut self.buffer, &self.style.prefix, cells),
            Format::Json if self.is_keyed => self.tree.row(cells),
            Format::Json => json::row(&mut self.buffer, cells),
            Format::Prometheus => self.metrics.row(cells),
            Format::Original => {}
        }
        if self.buffer.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Writes text of [`Format::Original`] as it is. The applet must escape what came from outside.
    pub fn text(&mut self, text: &[u8]) -> Result<(), Error> {
        self.buffer.extend_from_slice(text);
        if self.buffer.len() >= FLUSH_BYTES { self.flush() } else { Ok(()) }
    }

    /// Whether the text of the original tool is selected.
    pub fn is_original(&self) -> bool {
        self.style.format == Format::Original
    }

    /// The rates of the Counter values of a row, at the places of the values.
    fn rates_of(&mut self, values: &[Value<'_>]) -> Vec<Value<'static>> {
        let mut rates = vec![Value::Absent; values.len()];
        let mut key = self.place[0].clone().unwrap_or_default();
        key.push(b'\t');
        for (column, from) in &self.columns {
            if let (From::Row(place), false) = (from, column.kind.is_number())
                && let Some(value) = values.get(*place)
            {
                tsv::value(&mut key, value);
                key.push(b'\t');
            }
        }
        for (place, (rate, value)) in rates.iter_mut().zip(values).enumerate() {
            let is_wanted = |from: &From| matches!(from, From::Rate(wanted) if *wanted == place);
            if self.columns.iter().any(|(_, from)| is_wanted(from))
                && let Value::Int(total) = value
            {
                let grown = self.rates.thousandths_per_second(&key, place, self.clock, *total);
                *rate = grown.map_or(Value::Absent, Value::Millis);
            }
        }
        rates
    }

    /// Ends a snapshot; in a stream its rows are written at once.
    pub fn end(&mut self) -> Result<(), Error> {
        self.rates.forget_before(self.clock);
        match self.style.format {
            Format::Json if self.is_keyed => self.tree.write(&mut self.buffer),
            // Prometheus text is one snapshot; [`Out::finish`] writes it.
            _ => {}
        }
        if self.style.is_stream && self.style.output.is_none() { self.flush() } else { Ok(()) }
    }

    /// Appends the finished rows to `buffer` instead of writing them.
    pub fn take(&mut self, buffer: &mut Vec<u8>) {
        buffer.append(&mut self.buffer);
    }

    /// Writes what is left, and gives an output file its final name.
    ///
    /// # Errors
    /// An old output file then stays as it was.
    pub fn finish(mut self) -> Result<(), Error> {
        self.metrics.write(&mut self.buffer);
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
                    self.file = Some(file);
                }
                if let Some(file) = &self.file {
                    file.write(&self.buffer).map_err(|error| in_file(path, error))?;
                }
            }
        }
        self.buffer.clear();
        Ok(())
    }
}

fn in_file(path: &std::path::Path, error: rustix::io::Errno) -> Error {
    use std::os::unix::ffi::OsStrExt;
    match error {
        rustix::io::Errno::PIPE => Error::ClosedPipe,
        error => Error::system(path.as_os_str().as_bytes(), error),
    }
}

/// Appends a number in decimal.
fn push_int(buffer: &mut Vec<u8>, number: i128) {
    let mut digits = itoa::Buffer::new();
    // Formatting 64 bits is much cheaper, and nearly all numbers fit.
    let text = match i64::try_from(number) {
        Ok(number) => digits.format(number),
        Err(_) => digits.format(number),
    };
    buffer.extend_from_slice(text.as_bytes());
}

/// Appends thousandths as a decimal fraction: 1500 is `1.500`.
fn push_millis(buffer: &mut Vec<u8>, thousandths: i128) {
    push_fraction(buffer, thousandths, 3);
}

/// Appends `number` / 10^`digits` with all its digits.
fn push_fraction(buffer: &mut Vec<u8>, number: i128, digits: u32) {
    let unit = 10u128.pow(digits);
    let size = number.unsigned_abs();
    let sign = if number < 0 { "-" } else { "" };
    let (whole, part) = (size / unit, size % unit);
    let width = digits as usize;
    buffer.extend_from_slice(format!("{sign}{whole}.{part:0width$}").as_bytes());
}

fn push_bool(buffer: &mut Vec<u8>, is_so: bool) {
    buffer.extend_from_slice(if is_so { b"true" } else { b"false" });
}

fn push_addr(buffer: &mut Vec<u8>, address: IpAddr) {
    let IpAddr::V4(address) = address else {
        return buffer.extend_from_slice(address.to_string().as_bytes());
    };
    // The standard library takes several times as long.
    for (place, octet) in address.octets().into_iter().enumerate() {
        buffer.extend_from_slice(if place > 0 { b"." } else { b"" });
        buffer.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
    }
}

fn push_net(buffer: &mut Vec<u8>, address: IpAddr, length: u8) {
    push_addr(buffer, address);
    buffer.push(b'/');
    push_int(buffer, length.into());
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

    /// What `format` makes of a row with a value of every kind.
    fn written(format: Format) -> String {
        let path = std::env::temp_dir().join(format!("connbox-{}-{format:?}", std::process::id()));
        let style = Style { format, output: Some(path.clone()), ..Style::default() };
        let columns = [
            Column::label("peer", "who"),
            Column::label("name", "as said"),
            Column::key("state", "the state"),
            Column::gauge("age_seconds", "age_seconds", "age"),
            Column::counter("packets_total", "packets", "packets"),
            Column::gauge("limit", "limit", "limit"),
        ];
        let mut out = Out::new(style, &columns, |_| true);
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
            "{{\"peer\":\"2001:db8::1\",\"name\":\"a \\\"b\\\"\\t\u{fffd}\",\"state\":\"OPEN\",\
             \"age_seconds\":1.500,\"packets_total\":{most},\"limit\":null}}\n"
        );
        assert_eq!(written(Format::Json), json);
        let labels = "{peer=\"2001:db8::1\",name=\"a \\\"b\\\"\t\u{fffd}\",state=\"OPEN\"}";
        let prometheus = format!(
            "# HELP connbox_age_seconds age\n# TYPE connbox_age_seconds gauge\n\
             connbox_age_seconds{labels} 1.500\n\
             # HELP connbox_packets_total packets\n# TYPE connbox_packets_total counter\n\
             connbox_packets_total{labels} {most}\n"
        );
        assert_eq!(written(Format::Prometheus), prometheus);
    }
}
