//! A cell as people read it: bytes and rates with units, and a tone for what means trouble.

use unicode_width::UnicodeWidthChar;

use super::{Cell, Column, Kind, Value, tsv};
use crate::error;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tone {
    #[default]
    Plain,
    Dim,
    Strong,
    Warning,
    Alarm,
}

impl Tone {
    /// The attribute of the terminal.
    fn code(self) -> &'static str {
        match self {
            Tone::Plain => "",
            Tone::Dim => "\x1b[2m",
            Tone::Strong => "\x1b[1m",
            Tone::Warning => "\x1b[33m",
            Tone::Alarm => "\x1b[1;31m",
        }
    }

    pub(super) fn push(self, line: &mut String, text: &str, has_color: bool) {
        let has_tone = has_color && self != Tone::Plain && !text.is_empty();
        line.push_str(if has_tone { self.code() } else { "" });
        line.push_str(text);
        line.push_str(if has_tone { "\x1b[0m" } else { "" });
    }
}

#[derive(Clone, Debug, Default)]
pub(super) struct Field {
    pub text: String,
    pub tone: Tone,
    pub is_number: bool,
    /// The number, if it counts something.
    pub count: Option<i128>,
}

impl Field {
    pub(super) fn dim(text: &str) -> Field {
        Field { text: text.to_owned(), tone: Tone::Dim, ..Field::default() }
    }

    pub(super) fn is_absent(&self) -> bool {
        self.text == "-" && !self.is_number
    }

    /// The field of a cell; the rates of a counter of bytes are bytes, too.
    pub(super) fn of(cell: &Cell<'_>, is_of_bytes: bool) -> Field {
        let Cell { column, value } = *cell;
        let number = match value {
            Value::Int(number) | Value::Level(number) => Some((number, 1)),
            Value::Millis(number) => Some((number, 1000)),
            Value::Micros(number) => Some((number, 1_000_000)),
            _ => None,
        };
        let Some((number, parts)) = number else { return Field::of_text(value) };
        let is_rate = column.name.ends_with("per_second");
        let text = match () {
            () if is_rate && (is_of_bytes || is_bytes(column)) => amount(number / parts) + "/s",
            () if is_bytes(column) => amount(number / parts),
            () if is_rate || column.is_percent => decimal(number, parts),
            () => plain(&value),
        };
        let tone = match number / parts {
            95.. if column.is_percent => Tone::Alarm,
            80.. if column.is_percent => Tone::Warning,
            _ => Tone::Plain,
        };
        let counts = column.kind.is_number() && parts == 1 && !is_rate;
        Field { text, tone, is_number: true, count: counts.then_some(number) }
    }

    /// The field of what is no number.
    pub(super) fn of_text(value: Value<'_>) -> Field {
        match value {
            Value::Absent | Value::Text(b"") | Value::List(b"") => Field::dim("-"),
            Value::Text(text) | Value::List(text) => {
                Field { text: error::visible(text), ..Field::default() }
            }
            value => Field { text: plain(&value), ..Field::default() },
        }
    }
}

fn plain(value: &Value<'_>) -> String {
    let mut text = Vec::new();
    tsv::value(&mut text, value);
    String::from_utf8_lossy(&text).into_owned()
}

/// Whether the column's numbers are bytes, or bytes per second.
pub(super) fn is_bytes(column: &Column) -> bool {
    let name = column.name;
    let name = name.strip_suffix("_total").or(name.strip_suffix("_per_second")).unwrap_or(name);
    column.kind.is_number() && (name == "bytes" || name.ends_with("_bytes"))
}

/// An amount of bytes in steps of 1024, rounded down, with one decimal below 10: `1.9 MB`, `19 MB`. (tcptrack's screen
/// rounds to the nearest.)
pub(super) fn amount(bytes: i128) -> String {
    const UNITS: [&str; 7] = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];
    let (mut tenths, mut place) = (bytes.unsigned_abs().saturating_mul(10), 0);
    while tenths >= 10_240 && place + 1 < UNITS.len() {
        tenths /= 1024;
        place += 1;
    }
    let sign = if bytes < 0 { "-" } else { "" };
    let (whole, part) = (tenths / 10, tenths % 10);
    match place > 0 && whole < 10 {
        true => format!("{sign}{whole}.{part} {}", UNITS[place]),
        false => format!("{sign}{whole} {}", UNITS[place]),
    }
}

/// A number of `parts` with one decimal.
fn decimal(number: i128, parts: i128) -> String {
    let tenths = number.unsigned_abs().saturating_mul(10) / parts.unsigned_abs();
    format!("{}{}.{}", if number < 0 { "-" } else { "" }, tenths / 10, tenths % 10)
}

/// Whether the column is what the rows of its table are for.
pub(super) fn is_count(column: &Column) -> bool {
    column.kind.is_number() && matches!(column.name, "count" | "value")
}

/// Names of columns end in these words, which say the unit.
const UNITS: [(&str, &str); 5] = [
    ("bytes_per_second", "bytes/s"),
    ("per_second", "per second"),
    ("bytes", "bytes"),
    ("seconds", "seconds"),
    ("percent", "percent"),
];

/// The words of a column's heading, the unit last.
pub(super) fn heading(column: &Column) -> Vec<String> {
    let name = column.name.strip_suffix("_total").unwrap_or(column.name);
    // The last word of a metric says what it counts.
    let counted =
        column.metric.rsplit('_').next().filter(|word| is_count(column) && word.ends_with('s'));
    let unit = UNITS.iter().find(|(end, _)| column.kind.is_number() && name.ends_with(end));
    let (name, unit) = match unit {
        Some((end, unit)) => (name.strip_suffix(end).unwrap_or(name), *unit),
        None => (name, counted.unwrap_or_default()),
    };
    if name.is_empty() {
        return vec![unit.to_uppercase()];
    }
    let names = name.split('_').map(str::to_uppercase);
    let words = names.chain(unit.split(' ').map(str::to_owned));
    words.filter(|word| !word.is_empty()).collect()
}

/// From this number on SYN_RECV means trouble: a flood, or a listener that does not accept.
const MANY: i128 = 100;

/// Gives tones to the states and results that mean trouble, and to their numbers.
pub(super) fn mark<'a>(columns: impl Iterator<Item = &'a Column> + Clone, rows: &mut [Vec<Field>]) {
    let is_named = |column: &&Column| matches!(column.name, "state" | "name" | "result");
    let Some(place) = columns.clone().position(|column| is_named(&column)) else { return };
    let is_synrecv = |field: &Field| {
        matches!(&*field.text, "SYN_RECV" | "synrecv" | "NEW_SYN_RECV" | "SYN_RECEIVED")
    };
    let number = columns.clone().position(is_count);
    let named = rows.iter().filter(|row| row.get(place).is_some_and(is_synrecv)).count();
    for row in rows {
        let count = number.map(|number| row.get(number).and_then(|field| field.count));
        let Some(field) = row.get_mut(place) else { continue };
        let tone = match &*field.text {
            "CLOSE_WAIT" if count.is_none_or(|count| count > Some(0)) => Tone::Warning,
            _ if is_synrecv(field)
                && count.map_or(named as i128, Option::unwrap_or_default) >= MANY =>
            {
                Tone::Warning
            }
            "WARNING" | "UNKNOWN" => Tone::Warning,
            "CRITICAL" => Tone::Alarm,
            _ => continue,
        };
        field.tone = tone;
        if let Some(field) = number.and_then(|number| row.get_mut(number)) {
            field.tone = tone;
        }
    }
}

/// The columns that a character takes.
pub(super) fn width_of(character: char) -> usize {
    character.width().unwrap_or_default()
}

/// The columns that a text takes.
pub(super) fn width(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

/// Whether the column holds sentences, which are wrapped at words instead of being cut.
pub(super) fn is_prose(column: &Column) -> bool {
    column.kind == Kind::Label && matches!(column.name, "source" | "meaning" | "reason")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_one_decimal_below_ten() {
        for (bytes, wanted) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KB"),
            (2_000_000, "1.9 MB"),
            (10_485_759, "9.9 MB"),
            (10_485_760, "10 MB"),
            (-2048, "-2.0 KB"),
            (u64::MAX.into(), "15 EB"),
        ] {
            assert_eq!(amount(bytes), wanted);
        }
        assert_eq!([decimal(12_345, 1000), decimal(-50, 1000)], ["12.3", "-0.0"]);
    }

    #[test]
    fn headings_end_with_the_unit() {
        for (column, wanted) in [
            (Column::gauge("recv_queue_bytes", "", ""), "RECV QUEUE bytes"),
            (Column::counter("rx_bytes_total", "", ""), "RX bytes"),
            (Column::gauge("rx_bytes_per_second", "", ""), "RX bytes/s"),
            (Column::counter("retransmits_total", "", ""), "RETRANSMITS"),
            (Column::gauge("idle_seconds", "", ""), "IDLE seconds"),
            (Column::percent("percent", "", ""), "PERCENT"),
            (Column::gauge("count", "conncount_matching_sockets", ""), "COUNT sockets"),
            (Column::gauge("value", "snmp_tcp", ""), "VALUE"),
            (Column::label("client_port", ""), "CLIENT PORT"),
        ] {
            assert_eq!(heading(&column).join(" "), wanted);
        }
    }
}
