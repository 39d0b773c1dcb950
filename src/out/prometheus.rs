//! Prometheus text exposition 0.0.4: HELP and TYPE once per metric, its samples together.

use std::fmt::Display;

use super::{
    Cell, Column, Kind, Value, push_addr, push_bool, push_fraction, push_int, push_millis,
    push_net, utf8,
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
                (Kind::Fixed | Kind::Label, _) | (_, Value::Absent) => continue,
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

    /// Takes one number of a table without rows.
    pub fn number(&mut self, column: &Column, labels: &[(&str, &[u8])], number: impl Display) {
        let metric = self.metric(column, column.kind);
        let mut line = metric.name.clone().into_bytes();
        let mut separator = b'{';
        for (name, value) in labels {
            line.push(separator);
            line.extend_from_slice(name.as_bytes());
            line.extend_from_slice(b"=\"");
            escape(&mut line, value);
            line.push(b'"');
            separator = b',';
        }
        let end = if labels.is_empty() { "" } else { "}" };
        line.extend_from_slice(format!("{end} {number}\n").as_bytes());
        metric.samples.extend_from_slice(&line);
    }

    /// The metrics, in the order of their first samples.
    pub(super) fn into_metrics(mut self) -> Vec<Metric> {
        self.metrics.iter_mut().for_each(Metric::add_up);
        self.metrics
    }

    /// Appends all metrics and forgets them.
    pub fn write(&mut self, buffer: &mut Vec<u8>) {
        let all = std::mem::take(self).into_metrics();
        all.iter().for_each(|metric| metric.write(buffer));
    }
}

impl Metric {
    /// Adds up samples of the same series, in the place of the first: a reader would take one of them, or none.
    #[inline(never)]
    fn add_up(&mut self) {
        let lines = || self.samples.split_inclusive(|byte| *byte == b'\n');
        let mut sorted: Vec<&[u8]> = lines().collect();
        sorted.sort_unstable();
        if sorted.windows(2).all(|pair| parts(pair[0]).0 != parts(pair[1]).0) {
            return;
        }
        let mut sums: Vec<(&[u8], Option<Decimal>)> = Vec::new();
        for line in sorted {
            let (series, number) = parts(line);
            match sums.last_mut() {
                Some((last, Some(sum))) if *last == series => *sum = sum.plus(Decimal::of(number)),
                _ => sums.push((series, Some(Decimal::of(number)))),
            }
        }
        let mut samples = Vec::with_capacity(self.samples.len());
        for line in lines() {
            let (series, _) = parts(line);
            let place = sums.partition_point(|(other, _)| *other < series);
            let sum = sums.get_mut(place).and_then(|(_, sum)| sum.take());
            if let Some(Decimal { units, digits }) = sum {
                samples.extend_from_slice(series);
                samples.push(b' ');
                match digits {
                    0 => push_int(&mut samples, units),
                    digits => push_fraction(&mut samples, units, digits),
                }
                samples.push(b'\n');
            }
        }
        self.samples = samples;
    }

    /// Appends the metric: its HELP, its TYPE, its samples.
    pub(super) fn write(&self, buffer: &mut Vec<u8>) {
        let Metric { name, kind, help, samples } = self;
        let help = help.replace('\\', "\\\\");
        let head = format!("# HELP {name} {help}\n# TYPE {name} {}\n", kind.name());
        buffer.extend_from_slice(head.as_bytes());
        buffer.extend_from_slice(samples);
    }
}

/// The series and the number of a sample: a number contains no blank.
pub(super) fn parts(line: &[u8]) -> (&[u8], &[u8]) {
    let end = line.iter().rposition(|byte| *byte == b' ').unwrap_or(line.len());
    (&line[..end], &line[end..])
}

/// A number of a sample: so many units of 10^-`digits`.
#[derive(Clone, Copy)]
struct Decimal {
    units: i128,
    digits: u32,
}

impl Decimal {
    /// Reads what [`number`] wrote.
    fn of(text: &[u8]) -> Decimal {
        let text = text.trim_ascii();
        let point = text.iter().position(|byte| *byte == b'.');
        let digits = point.map_or(0, |point| text.len() - point - 1);
        let figures = text.iter().filter(|byte| byte.is_ascii_digit());
        let units = figures.fold(0i128, |units, byte| {
            units.saturating_mul(10).saturating_add((byte - b'0').into())
        });
        let sign = if text.starts_with(b"-") { -1 } else { 1 };
        Decimal { units: sign * units, digits: u32::try_from(digits).unwrap_or_default() }
    }

    fn plus(self, other: Decimal) -> Decimal {
        let digits = self.digits.max(other.digits);
        let scaled =
            |one: Decimal| one.units.saturating_mul(10i128.saturating_pow(digits - one.digits));
        Decimal { units: scaled(self).saturating_add(scaled(other)), digits }
    }
}

fn labels<'a>(buffer: &mut Vec<u8>, cells: impl Iterator<Item = Cell<'a>> + Clone) {
    let mut separator = b'{';
    for cell in cells.clone().filter(|cell| !cell.column.kind.is_number()) {
        buffer.push(separator);
        buffer.extend_from_slice(cell.column.name.as_bytes());
        buffer.extend_from_slice(b"=\"");
        label(buffer, &cell.value);
        buffer.push(b'"');
        separator = b',';
    }
    if separator == b',' {
        buffer.push(b'}');
    }
}

/// Appends a number. Percents become ratios, Prometheus' base unit.
fn number(buffer: &mut Vec<u8>, cell: &Cell<'_>) {
    match cell.value {
        Value::Millis(thousandths) if cell.column.is_percent => {
            push_fraction(buffer, thousandths, 5);
        }
        ref value => label(buffer, value),
    }
}

/// Appends the value of a label.
#[inline(never)]
pub(super) fn label(buffer: &mut Vec<u8>, value: &Value<'_>) {
    match *value {
        Value::Absent => {}
        Value::Text(text) | Value::List(text) => escape(buffer, text),
        Value::Int(number) | Value::Level(number) => push_int(buffer, number),
        Value::Millis(thousandths) => push_millis(buffer, thousandths),
        Value::Micros(millionths) => push_fraction(buffer, millionths, 6),
        Value::Addr(address) => push_addr(buffer, address),
        Value::Net(address, length) => push_net(buffer, address, length),
        Value::Word(word) => buffer.extend_from_slice(word.as_bytes()),
        Value::Bool(is_so) => push_bool(buffer, is_so),
    }
}

/// Appends bytes from outside as a label's value, which [`utf8`] makes of them.
#[inline(never)]
fn escape(buffer: &mut Vec<u8>, text: &[u8]) {
    for character in utf8(text).chars() {
        match character {
            '"' => buffer.extend_from_slice(b"\\\""),
            '\\' => buffer.extend_from_slice(b"\\\\"),
            '\n' => buffer.extend_from_slice(b"\\n"),
            _ => buffer.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_series_are_one_with_the_sum() {
        let columns = [
            Column::label("name", ""),
            Column::gauge("count", "count", "how many"),
            Column::gauge("age_seconds", "age_seconds", "age"),
            Column::percent("share", "share_ratio", "part"),
        ];
        let mut metrics = Metrics::default();
        let long = [b'x'; 40];
        for (name, count, age) in [
            (Value::Text(b"b"), 5, Value::Millis(1500)),
            (Value::Absent, i128::from(u64::MAX), Value::Micros(-1)),
            (Value::Text(b"a 1"), 1, Value::Absent),
            (Value::Text(&long), 1, Value::Absent),
            (Value::Text(b""), 2, Value::Millis(1)),
            (Value::Text(b"a"), -7, Value::Absent),
            (Value::Text(b"b"), 6, Value::Millis(500)),
        ] {
            let values = [name, Value::Int(count), age, Value::Millis(12_500)];
            let cells = columns.iter().zip(values);
            metrics.row(cells.map(|(column, value)| Cell { column, value }));
        }
        let mut text = Vec::new();
        metrics.write(&mut text);
        let text = String::from_utf8(text).unwrap();
        let samples: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let long = format!("connbox_count{{name=\"{}\"}} 1", "x".repeat(40));
        let wanted = [
            "connbox_count{name=\"b\"} 11",
            "connbox_count{name=\"\"} 18446744073709551617",
            "connbox_count{name=\"a 1\"} 1",
            &long,
            "connbox_count{name=\"a\"} -7",
            "connbox_age_seconds{name=\"b\"} 2.000",
            "connbox_age_seconds{name=\"\"} 0.000999",
        ];
        assert_eq!(samples[..7], wanted);
        assert_eq!(samples[7], "connbox_share_ratio{name=\"b\"} 0.25000");
    }
}
