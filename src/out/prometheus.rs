//! Prometheus text exposition 0.0.4: HELP and TYPE once per metric, its samples together.

use std::fmt::Display;

use bstr::ByteSlice;

use super::{
    Cell, Column, Kind, Value, push_addr, push_bool, push_fraction, push_int, push_millis, push_net,
};

/// The samples of one table, by metric.
#[derive(Debug, Default)]
pub struct Metrics {
    metrics: Vec<Metric>,
}

#[derive(Debug)]
pub(super) struct Metric {
    /// With its prefix, and `_total` for a counter.
    pub(super) name: String,
    kind: Kind,
    help: &'static str,
    /// One per line.
    pub(super) samples: Vec<u8>,
}

impl Metrics {
    /// Takes one row: a sample for each number that is present.
    pub(super) fn row<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>> + Clone) {
        for cell in cells.clone() {
            let kind = match (cell.column.kind, cell.value) {
                (Kind::Key | Kind::Label, _) | (_, Value::Absent) => continue,
                // A level among counters is a separate metric.
                (_, Value::Level(_)) => Kind::Gauge,
                (kind, _) => kind,
            };
            let metric = self.metric(cell.column, kind);
            metric.samples.extend_from_slice(metric.name.as_bytes());
            labels(&mut metric.samples, cells.clone());
            metric.samples.push(b' ');
            number(&mut metric.samples, &cell);
            metric.samples.push(b'\n');
        }
    }

    fn metric(&mut self, column: &Column, kind: Kind) -> &mut Metric {
        let total = if kind == Kind::Counter { "_total" } else { "" };
        let is_it = |metric: &Metric| {
            metric.kind == kind
                && metric.name.strip_prefix("connbox_").and_then(|name| name.strip_suffix(total))
                    == Some(column.metric)
        };
        let place = self.metrics.iter().position(is_it).unwrap_or(self.metrics.len());
        if place == self.metrics.len() {
            self.metrics.push(Metric {
                name: format!("connbox_{}{total}", column.metric),
                kind,
                help: column.help,
                samples: Vec::new(),
            });
        }
        &mut self.metrics[place]
    }

    /// Takes one number of a table without rows. `labels` and `number` are our own words.
    pub fn number(&mut self, column: &Column, labels: &[(&str, &str)], number: impl Display) {
        let metric = self.metric(column, column.kind);
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
        let labels = match labels.as_slice() {
            [] => String::new(),
            labels => format!("{{{}}}", labels.join(",")),
        };
        let line = format!("{}{labels} {number}\n", metric.name);
        metric.samples.extend_from_slice(line.as_bytes());
    }

    /// The metrics, in the order of their first samples.
    pub(super) fn into_metrics(self) -> Vec<Metric> {
        self.metrics
    }

    /// Appends all metrics and forgets them.
    pub fn write(&mut self, buffer: &mut Vec<u8>) {
        self.metrics.drain(..).for_each(|metric| metric.write(buffer));
    }
}

impl Metric {
    /// Appends the metric: its HELP, its TYPE, its samples.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) {
        let Metric { name, kind, help, samples } = self;
        let help = help.replace('\\', "\\\\");
        let head = format!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.name());
        buffer.extend_from_slice(head.as_bytes());
        buffer.extend_from_slice(samples);
    }
}

fn labels<'a>(buffer: &mut Vec<u8>, cells: impl Iterator<Item = Cell<'a>> + Clone) {
    let mut separator = b'{';
    for cell in cells.clone().filter(|cell| !cell.column.kind.is_number()) {
        buffer.push(separator);
        buffer.extend_from_slice(cell.column.name.as_bytes());
        buffer.extend_from_slice(b"=\"");
        match cell.value {
            Value::Absent => {}
            Value::Text(text) | Value::List(text) => escape(buffer, text),
            _ => number(buffer, &cell),
        }
        buffer.push(b'"');
        separator = b',';
    }
    if separator == b',' {
        buffer.push(b'}');
    }
}

/// Appends a value that needs no escaping. Percents become ratios, Prometheus' base unit.
fn number(buffer: &mut Vec<u8>, cell: &Cell<'_>) {
    match cell.value {
        Value::Absent | Value::Text(_) | Value::List(_) => {}
        Value::Int(number) | Value::Level(number) => push_int(buffer, number),
        Value::Millis(thousandths) if cell.column.is_percent => {
            push_fraction(buffer, thousandths, 5);
        }
        Value::Millis(thousandths) => push_millis(buffer, thousandths),
        Value::Micros(millionths) => push_fraction(buffer, millionths, 6),
        Value::Addr(address) => push_addr(buffer, address),
        Value::Net(address, length) => push_net(buffer, address, length),
        Value::Word(word) => buffer.extend_from_slice(word.as_bytes()),
        Value::Bool(is_so) => push_bool(buffer, is_so),
    }
}

/// Appends bytes from outside as a label's value; invalid UTF-8 becomes U+FFFD.
fn escape(buffer: &mut Vec<u8>, text: &[u8]) {
    for character in text.chars() {
        match character {
            '"' => buffer.extend_from_slice(b"\\\""),
            '\\' => buffer.extend_from_slice(b"\\\\"),
            '\n' => buffer.extend_from_slice(b"\\n"),
            _ => buffer.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
