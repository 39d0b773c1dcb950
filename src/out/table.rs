//! Tables for people: aligned columns, one line per sample, or a table that is drawn anew with every sample.

use std::collections::HashMap;

use super::field::{self, Field, Tone};
use super::layout::{Head, Layout, Seen};
use super::look::Look;
use super::{Cell, Column, Kind, RATE, Style, Subject, TIME};

/// When rows are written, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// One table, at the end.
    Once,
    /// One line per sample: its numbers side by side, as in vmstat(8).
    Line,
    /// A table per sample, drawn over the one before, with the change of each number.
    Change,
    /// Each row at once.
    Event,
}

#[derive(Debug)]
pub(super) struct Table {
    mode: Mode,
    look: Look,
    is_wide: bool,
    subject: Subject,
    columns: Vec<Column>,
    rows: Vec<Vec<Field>>,
    /// What was in the columns so far.
    seen: Vec<Seen>,
    /// The layout of the last heading.
    layout: Option<Layout>,
    /// How many lines have room below the heading.
    left: usize,
    /// The counts of the last sample, by the texts of their row.
    before: Option<HashMap<String, Vec<Option<i128>>>>,
    /// How many lines the last table took.
    drawn: usize,
    /// The size of the terminal on which it was drawn.
    drawn_on: Option<(usize, usize)>,
}

/// A table of so many rows is laid out before the rest of it is known.
const MOST: usize = 10_000;

impl Table {
    pub(super) fn new(style: &Style, columns: Vec<Column>) -> Table {
        let look = Look::of(style.color, style.is_wide, style.output.is_some());
        // A sample of fixed rows is a line. With --by family, the first of the keys, it is a table.
        let is_grouped = columns.iter().any(|column| match column.kind {
            Kind::Label => *column != TIME,
            Kind::Fixed => column.name == "family",
            _ => false,
        });
        let mode = match style.is_stream {
            false => Mode::Once,
            true if style.is_of_events => Mode::Event,
            true if is_grouped => Mode::Change,
            true => Mode::Line,
        };
        Table {
            mode,
            look,
            is_wide: style.is_wide,
            subject: style.subject,
            columns,
            rows: Vec::new(),
            seen: Vec::new(),
            layout: None,
            left: 0,
            before: None,
            drawn: 0,
            drawn_on: None,
        }
    }

    pub(super) fn row<'a>(
        &mut self,
        buffer: &mut Vec<u8>,
        cells: impl Iterator<Item = Cell<'a>> + Clone,
    ) {
        let mut is_of_bytes = false;
        let fields = cells.map(|cell| {
            let field = Field::of(&cell, is_of_bytes);
            // The column behind a counter is its rate.
            is_of_bytes = field::is_bytes(cell.column);
            field
        });
        let mut row: Vec<Field> = fields.collect();
        if let (Some(&TIME), Some(time)) = (self.columns.first(), row.first_mut()) {
            // The time of day: the date is in the rows that scripts get.
            time.text = time.text.get(11..23).unwrap_or_default().to_owned();
        }
        self.rows.push(row);
        match self.mode {
            Mode::Event => self.event(buffer),
            Mode::Once if self.rows.len() >= MOST => self.part(buffer),
            _ => {}
        }
    }

    /// Ends a sample, which was taken at the time `rfc3339`.
    pub(super) fn end(&mut self, buffer: &mut Vec<u8>, rfc3339: &[u8]) {
        if self.look.size.is_some() {
            self.look.measure(self.is_wide);
        }
        match self.mode {
            Mode::Line => self.sample(buffer, rfc3339),
            Mode::Change => self.redraw(buffer, rfc3339),
            Mode::Once | Mode::Event => {}
        }
    }

    pub(super) fn finish(&mut self, buffer: &mut Vec<u8>) {
        if self.mode == Mode::Once {
            self.part(buffer);
        }
    }

    fn heads(&self) -> Vec<Head> {
        let head = |column: &Column| Head {
            text: match *column == TIME {
                true => "UTC".into(),
                false => field::heading(column).join(" "),
            },
            is_number: column.kind.is_number(),
            is_prose: field::is_prose(column),
            is_whole: *column == TIME,
            is_count: field::is_count(column),
        };
        self.columns.iter().map(head).collect()
    }

    /// Writes the rows so far, below a heading if they are the first ones.
    fn part(&mut self, buffer: &mut Vec<u8>) {
        let mut rows = std::mem::take(&mut self.rows);
        field::mark(self.columns.iter(), &mut rows);
        let heads = self.heads();
        let layout = match self.layout.take() {
            Some(layout) => layout,
            None if rows.is_empty() => return self.say_nothing(buffer),
            None => {
                let layout = Layout::new(&heads, &rows, &mut self.seen, self.look, true);
                self.begin(buffer, &heads, &layout);
                layout
            }
        };
        for row in rows {
            layout.row(buffer, &heads, &row, self.look);
        }
        self.layout = Some(layout);
    }

    /// Appends the heading, and which columns it lacks; returns the number of lines.
    fn begin(&self, buffer: &mut Vec<u8>, heads: &[Head], layout: &Layout) -> usize {
        let mut lines = 0;
        if layout.left_out > 0 {
            let plural = if layout.left_out == 1 { "" } else { "s" };
            let text = format!("{} more column{plural} with --wide", layout.left_out);
            self.note(buffer, &text);
            lines += 1;
        }
        lines + layout.head(buffer, heads, self.look)
    }

    fn note(&self, buffer: &mut Vec<u8>, text: &str) {
        let mut line = String::new();
        Tone::Dim.push(&mut line, text, self.look.has_color);
        line.push('\n');
        buffer.extend_from_slice(line.as_bytes());
    }

    /// Says that the table has no rows.
    fn say_nothing(&self, buffer: &mut Vec<u8>) {
        self.note(buffer, self.subject.none());
    }

    /// Writes the last row, with a heading on every screen.
    fn event(&mut self, buffer: &mut Vec<u8>) {
        let mut rows = std::mem::take(&mut self.rows);
        field::mark(self.columns.iter(), &mut rows);
        if self.left == 0 && self.look.size.is_some() {
            self.look.measure(self.is_wide);
        }
        let heads = self.heads();
        self.lines(buffer, &heads, &rows);
    }

    /// Writes rows below those before, with a heading on every screen and where the layout changes.
    fn lines(&mut self, buffer: &mut Vec<u8>, heads: &[Head], rows: &[Vec<Field>]) {
        let may_omit = self.mode == Mode::Event;
        let layout = Layout::new(heads, rows, &mut self.seen, self.look, may_omit);
        // A wider text moves the columns of events a little; another column would take their place.
        let is_known = self.layout.as_ref().is_some_and(|last| match may_omit {
            true => layout.has_columns_of(last),
            false => layout == *last,
        });
        if self.left == 0 || !is_known {
            let lines = self.begin(buffer, heads, &layout);
            let room = self.look.size.map_or(usize::MAX, |(_, lines)| lines);
            self.left = room.saturating_sub(lines + 1).max(1);
        }
        for row in rows {
            let lines = layout.row(buffer, heads, row, self.look);
            self.left = self.left.saturating_sub(lines);
        }
        self.layout = Some(layout);
    }

    /// Writes the numbers of all rows in one line.
    fn sample(&mut self, buffer: &mut Vec<u8>, rfc3339: &[u8]) {
        let mut rows = std::mem::take(&mut self.rows);
        field::mark(self.columns.iter(), &mut rows);
        let time = String::from_utf8_lossy(rfc3339.get(11..19).unwrap_or_default()).into_owned();
        let mut heads = vec![Head { text: "UTC".into(), is_whole: true, ..Head::default() }];
        let mut line = vec![Field { text: time, ..Field::default() }];
        for row in rows {
            let keys = self.columns.iter().zip(&row).filter(|(c, _)| c.kind == Kind::Fixed);
            let name = keys.map(|(_, field)| &*field.text).collect::<Vec<_>>().join(".");
            let is_number = |column: &Column| column.kind.is_number();
            let numbers = self.columns.iter().zip(row).filter(|(column, _)| is_number(column));
            for (place, (column, field)) in numbers.enumerate() {
                let text = match (place, &*name) {
                    (_, "") => field::heading(column).join(" "),
                    (0, name) => name.to_owned(),
                    (_, name) if *column == RATE => format!("{name} /s"),
                    (_, name) => format!("{name} {}", field::heading(column).join(" ")),
                };
                heads.push(Head { text, is_number: true, ..Head::default() });
                line.push(field);
            }
        }
        // Room for numbers to grow, so that few of them need a new heading.
        self.seen.resize(heads.len(), Seen::of_width(ROOM));
        self.lines(buffer, &heads, &[line]);
    }

    /// Draws the table over the one before, as many rows as there is room for.
    fn redraw(&mut self, buffer: &mut Vec<u8>, rfc3339: &[u8]) {
        let mut rows = std::mem::take(&mut self.rows);
        field::mark(self.columns.iter(), &mut rows);
        // Where the window has another size, nobody knows where its lines are now.
        let is_there = std::mem::replace(&mut self.drawn_on, self.look.size) == self.look.size;
        if self.look.can_redraw && is_there && self.drawn > 0 {
            buffer.extend_from_slice(format!("\r\x1b[{}A\x1b[J", self.drawn).as_bytes());
        }
        let time = String::from_utf8_lossy(rfc3339.get(..19).unwrap_or_default());
        self.note(buffer, &(time.replace('T', " ") + " UTC"));
        self.drawn = 1;
        if rows.is_empty() {
            self.say_nothing(buffer);
            self.drawn += 1;
            self.before = Some(HashMap::new());
            return;
        }
        let (heads, rows) = self.compared(rows);
        let layout = Layout::new(&heads, &rows, &mut Vec::new(), self.look, true);
        self.drawn += self.begin(buffer, &heads, &layout);
        let (_, room) = self.look.size.filter(|_| self.look.can_redraw).unwrap_or((0, usize::MAX));
        for (place, row) in rows.iter().enumerate() {
            let start = buffer.len();
            let lines = layout.row(buffer, &heads, row, self.look);
            let rest = usize::from(place + 1 < rows.len());
            // The last line of the screen is where the cursor stands.
            if self.drawn + lines + rest + 1 > room {
                buffer.truncate(start);
                self.note(buffer, &format!("{} more rows", rows.len() - place));
                self.drawn += 1;
                break;
            }
            self.drawn += lines;
        }
    }

    /// The rows without their time, and with the change of each count since the last sample.
    fn compared(&mut self, rows: Vec<Vec<Field>>) -> (Vec<Head>, Vec<Vec<Field>>) {
        let mut heads = Vec::new();
        for (head, column) in self.heads().into_iter().zip(&self.columns).skip(1) {
            heads.push(head);
            if is_counted(column) {
                heads.push(Head { text: "+/-".into(), is_number: true, ..Head::default() });
            }
        }
        let mut now = HashMap::with_capacity(rows.len());
        let mut all = Vec::with_capacity(rows.len());
        for row in rows {
            let labels = self.columns.iter().zip(&row).skip(1);
            let labels = labels.filter(|(column, _)| !column.kind.is_number());
            let key: String = labels.flat_map(|(_, field)| [&*field.text, "\0"]).collect();
            let last = self.before.as_ref().map(|before| before.get(&key));
            let (mut counts, mut fields) = (Vec::new(), Vec::new());
            for (column, field) in self.columns.iter().zip(row).skip(1) {
                let count = field.count;
                fields.push(field);
                if is_counted(column) {
                    let last = last.map(|last| last.and_then(|last| *last.get(counts.len())?));
                    let text = change(column, count, last);
                    fields.push(Field { text, tone: Tone::Strong, ..Field::default() });
                    counts.push(count);
                }
            }
            now.insert(key, counts);
            all.push(fields);
        }
        self.before = Some(now);
        (heads, all)
    }
}

/// Whether the column's numbers are compared with those of the last sample.
fn is_counted(column: &Column) -> bool {
    let is_measured = column.is_percent || column.name.ends_with("second");
    column.kind.is_number() && !is_measured && !column.name.ends_with("_seconds")
}

/// The least width of a number in a line of samples.
const ROOM: usize = 5;

/// The change of a count since the last sample, if there was one (`Some`) with this row (`Some(Some)`).
fn change(column: &Column, count: Option<i128>, before: Option<Option<i128>>) -> String {
    match (count, before) {
        (None, _) | (_, None) => String::new(),
        (Some(_), Some(None)) => "new".into(),
        (Some(count), Some(Some(before))) => match count.saturating_sub(before) {
            0 => String::new(),
            more if field::is_bytes(column) => {
                let sign = if more > 0 { "+" } else { "" };
                sign.to_owned() + &field::amount(more)
            }
            more => format!("{more:+}"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Value;
    use super::*;

    const COLUMNS: [Column; 4] = [
        TIME,
        Column::label("process", ""),
        Column::gauge("count", "conncount_matching_sockets", ""),
        Column::gauge("recv_queue_bytes", "", ""),
    ];
    const TIME_OF_DAY: &[u8] = b"2026-11-29T04:05:06.789Z";

    /// A table of a stream at a terminal of this size.
    fn table(mode: Mode, columns: &[Column], size: (usize, usize)) -> Table {
        let style = Style { is_stream: true, ..Style::default() };
        let mut table = Table::new(&style, columns.to_vec());
        table.mode = mode;
        let (width, size) = (Some(size.0), Some(size));
        table.look = Look { width, size, can_redraw: true, is_utf8: true, has_color: false };
        table
    }

    fn row(table: &mut Table, buffer: &mut Vec<u8>, values: &[Value<'_>]) {
        let columns = table.columns.clone();
        let cells =
            columns.iter().zip(values).map(|(column, value)| Cell { column, value: *value });
        table.row(buffer, cells);
    }

    /// What a sample of processes, with their counts and bytes, writes.
    fn sample(table: &mut Table, rows: &[(&str, i128, i128)]) -> String {
        let mut buffer = Vec::new();
        for (process, count, bytes) in rows {
            let (process, count) = (Value::Text(process.as_bytes()), Value::Int(*count));
            let values = [Value::Text(TIME_OF_DAY), process, count, Value::Int(*bytes)];
            row(table, &mut buffer, &values);
        }
        // Not `end`, which asks the terminal of the tests for its size.
        table.redraw(&mut buffer, TIME_OF_DAY);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn changes_stand_beside_the_numbers() {
        let mut table = table(Mode::Change, &COLUMNS, (80, 24));
        let text = sample(&mut table, &[("nginx", 17, 2_000_000), ("sshd", 1, 0)]);
        let first = "2026-11-29 04:05:06 UTC\n\
                     PROCESS  COUNT sockets  +/-  RECV QUEUE bytes  +/-\n\
                     nginx               17                 1.9 MB\n\
                     sshd                 1                    0 B\n";
        assert_eq!(text, first);
        let rows = [("nginx", 20, 1_000_000), ("日本", 3, 4096), ("sshd", 1, 0)];
        let second = "\r\x1b[4A\x1b[J2026-11-29 04:05:06 UTC\n\
                      PROCESS  COUNT sockets  +/-  RECV QUEUE bytes      +/-\n\
                      nginx               20   +3            976 KB  -976 KB\n\
                      日本                 3  new            4.0 KB      new\n\
                      sshd                 1                    0 B\n";
        assert_eq!(sample(&mut table, &rows), second);
        let none = "\r\x1b[5A\x1b[J2026-11-29 04:05:06 UTC\nno sockets match\n";
        assert_eq!(sample(&mut table, &[]), none);
        // What had gone is new.
        let text = sample(&mut table, &[("sshd", 1, 0)]);
        assert!(text.starts_with("\r\x1b[2A\x1b[J") && text.contains(" 1  new "), "{text}");
    }

    #[test]
    fn a_table_that_is_longer_than_the_screen_says_how_much_is_missing() {
        let mut table = table(Mode::Change, &COLUMNS, (80, 6));
        let rows = ["a", "b", "c", "d", "e", "f"].map(|name| (name, 1, 0));
        for rest in [4, 3, 2, 0] {
            let text = sample(&mut table, &rows[..2 + rest]);
            let last = match rest {
                0 => "b                    1                    0 B",
                _ => &format!("{rest} more rows"),
            };
            assert_eq!(text.lines().last(), Some(last), "{text}");
            assert!(table.drawn <= 5);
        }
    }

    #[test]
    fn rows_of_events_follow_at_once() {
        let mut table = table(Mode::Event, &COLUMNS, (80, 24));
        let mut shown = Vec::new();
        let names = ["a", "e\u{301}", "cupsd", "longer-than-the-heading", "b"];
        for (process, count) in names.iter().cycle().zip(1..=30) {
            let values = [
                Value::Text(TIME_OF_DAY),
                Value::Text(process.as_bytes()),
                Value::Int(count),
                Value::Absent,
            ];
            row(&mut table, &mut shown, &values);
        }
        let shown = String::from_utf8(shown).unwrap();
        let lines: Vec<_> = shown.lines().collect();
        let heads = (0..32).filter(|line| lines[*line].contains("PROCESS")).collect::<Vec<_>>();
        assert_eq!((lines.len(), heads), (32, vec![0, 23]), "{shown}");
        assert_eq!(lines[1], "04:05:06.789  a                    1                 -");
        // A longer name moves the columns from its line on.
        assert_eq!(
            lines[5],
            "04:05:06.789  b                                    5                 -"
        );
        assert_eq!(
            lines[23],
            "UTC           PROCESS                  COUNT sockets  RECV QUEUE bytes"
        );
    }
}
