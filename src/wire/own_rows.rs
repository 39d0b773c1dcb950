//! Rows of a table that connbox has printed, by its columns: TSV with a header, JSON Lines, the array of
//! `--json=array`, and the object of a table whose rows have fixed names.

use super::rows::{self, string};

/// A column of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    pub name: &'static str,
    pub role: Role,
}

/// What a column is in an object that names its rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A part of the row's name.
    Name,
    Number,
    Other,
}

/// A row: its columns and what stands in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    cells: Vec<Cell>,
    /// How many of the cells are this row's: the others are kept for longer ones.
    used: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Cell {
    column: &'static str,
    is_there: bool,
    text: Vec<u8>,
}

impl Row {
    /// What stands in a column, `None` if nothing does; the outer `None` if there is no such column.
    pub fn get(&self, column: &str) -> Option<Option<&[u8]>> {
        let cell = self.cells.iter().take(self.used).find(|cell| cell.column == column)?;
        Some(cell.is_there.then_some(cell.text.as_slice()))
    }

    /// The names of its columns.
    pub fn columns(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.cells.iter().take(self.used).map(|cell| cell.column)
    }

    /// The columns in which something stands, each with that.
    pub fn told(&self) -> impl Iterator<Item = (&'static str, &[u8])> + '_ {
        let told = self.cells.iter().take(self.used).filter(|cell| cell.is_there);
        told.map(|cell| (cell.column, cell.text.as_slice()))
    }

    fn push(&mut self, column: &'static str, value: Option<&[u8]>) {
        if self.used == self.cells.len() {
            self.cells.push(Cell::default());
        }
        if let Some(cell) = self.cells.get_mut(self.used) {
            (cell.column, cell.is_there) = (column, value.is_some());
            cell.text.clear();
            cell.text.extend_from_slice(value.unwrap_or_default());
            self.used = self.used.saturating_add(1);
        }
    }
}

/// Why a line is not one of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// The table has no such column.
    Column(Vec<u8>),
    /// A column stands there twice.
    Twice(&'static str),
    /// A row has another number of cells than the header.
    Cells,
    /// Neither a header, nor a row, nor a part of JSON.
    Shape,
}

/// What the first line has told.
#[derive(Clone, Debug, Default)]
enum Form {
    #[default]
    None,
    /// TSV with these columns.
    Tsv(Vec<&'static str>),
    Json,
}

/// Reads the lines of a text, one after another.
#[derive(Clone, Debug, Default)]
pub struct Reader<'a> {
    columns: &'a [Known],
    form: Form,
    /// Whether an array has begun that has not ended.
    is_open: bool,
    rows: Vec<Row>,
    scratch: [Vec<u8>; 2],
}

/// Whether a line may be the first one of such a text, of any table: a header, or JSON.
pub fn begins(line: &[u8]) -> bool {
    let is_name = |cell: &[u8]| {
        let is_part = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_');
        cell.first().is_some_and(u8::is_ascii_lowercase) && cell.iter().all(is_part)
    };
    let is_json = matches!(line, b"[" | b"[]" | b"{}") || line.starts_with(b"{\"");
    // A header of one word is that of a number.
    is_json
        || line == b"count"
        || line.contains(&b'\t') && line.split(|byte| *byte == b'\t').all(is_name)
}

impl<'a> Reader<'a> {
    /// A reader of rows of a table with these columns; of equal names the first one counts.
    pub fn of(columns: &'a [Known]) -> Reader<'a> {
        Reader { columns, ..Reader::default() }
    }

    /// Whether the text ends in the middle of an array.
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Reads a line, and gives its rows: one, of a header none, of an object of names all.
    ///
    /// # Errors
    /// Why it is not a line of the table.
    pub fn line(&mut self, line: &[u8]) -> Result<&[Row], Wrong> {
        let is_first = matches!(self.form, Form::None);
        if line.is_empty() {
            return Ok(&[]);
        }
        if is_first && matches!(line.first(), Some(b'{' | b'[')) {
            self.form = Form::Json;
        }
        match &self.form {
            Form::Json => self.json(line),
            // The same table once more, from another file.
            _ if is_first || begins(line) && self.is_header(line) => self.header(line),
            _ => self.tsv(line),
        }
    }

    fn column(&self, name: &[u8]) -> Option<&'static str> {
        self.columns.iter().map(|known| known.name).find(|known| known.as_bytes() == name)
    }

    fn is_header(&self, line: &[u8]) -> bool {
        line.split(|byte| *byte == b'\t').all(|name| self.column(name).is_some())
    }

    /// Why rows with columns of these names are not of the table. Of several unknown ones the first tells most, such as
    /// the time; only a resident tells more, since the namespace beside it may also be a key.
    fn unknown<'n>(&self, names: impl Iterator<Item = &'n [u8]>) -> Wrong {
        let mut unknown = names.filter(|name| self.column(name).is_none());
        let Some(first) = unknown.next() else { return Wrong::Shape };
        let of_namespaces = unknown.find(|name| first == b"netns" && *name == b"resident");
        Wrong::Column(of_namespaces.unwrap_or(first).to_vec())
    }

    fn header(&mut self, line: &[u8]) -> Result<&[Row], Wrong> {
        let names = || line.split(|byte| *byte == b'\t');
        let mut header = Vec::new();
        for name in names() {
            let Some(known) = self.column(name) else { return Err(self.unknown(names())) };
            if header.contains(&known) {
                return Err(Wrong::Twice(known));
            }
            header.push(known);
        }
        self.form = Form::Tsv(header);
        Ok(&[])
    }

    fn tsv(&mut self, line: &[u8]) -> Result<&[Row], Wrong> {
        let Form::Tsv(header) = &self.form else { return Err(Wrong::Shape) };
        emptied(&mut self.rows);
        let ([row, ..], [scratch, _]) = (self.rows.as_mut_slice(), &mut self.scratch) else {
            return Err(Wrong::Shape);
        };
        let mut cells = line.split(|byte| *byte == b'\t');
        for column in header {
            row.push(column, rows::cell(cells.next().ok_or(Wrong::Cells)?, scratch));
        }
        if cells.next().is_some() { Err(Wrong::Cells) } else { Ok(&self.rows) }
    }

    fn json(&mut self, line: &[u8]) -> Result<&[Row], Wrong> {
        // Those of an array stand between its brackets, with commas between them.
        if matches!(line, b"[" | b"]" | b"[]" | b"{}") {
            self.is_open = line == b"[";
            return Ok(&[]);
        }
        let line = line.strip_suffix(b",").filter(|_| self.is_open).unwrap_or(line);
        let Reader { columns, rows, scratch, .. } = self;
        emptied(rows);
        let [row, ..] = rows.as_mut_slice() else { return Err(Wrong::Shape) };
        let mut twice = None;
        let flat = rows::json(line, scratch, &mut |name, value| {
            let known = columns.iter().find(|known| known.name.as_bytes() == name)?;
            if row.get(known.name).is_some() {
                twice = Some(known.name);
                return None;
            }
            row.push(known.name, value);
            Some(())
        });
        match (flat, twice) {
            (Some(()), _) => Ok(&self.rows),
            (None, Some(name)) => Err(Wrong::Twice(name)),
            (None, None) => self.named(line),
        }
    }

    /// Reads an object whose members are named by the rows' names.
    fn named(&mut self, line: &[u8]) -> Result<&[Row], Wrong> {
        let (object, rest) = members(line, 0).ok_or(Wrong::Shape)?;
        let of = |role| self.columns.iter().filter(move |known| known.role == role);
        let mut names: Vec<_> = Vec::new();
        for known in of(Role::Name) {
            if !names.contains(&known.name) {
                names.push(known.name);
            }
        }
        let number = of(Role::Number).next().map(|known| known.name);
        let is_of_row =
            |(name, node): &Member| self.column(name).is_some() || matches!(node, Node::Text(_));
        let is_row = names.is_empty() || object.iter().any(is_of_row);
        let (Some(number), true, false) = (number, rest.is_empty(), is_row) else {
            return Err(self.unknown(object.iter().map(|(name, _)| name.as_slice())));
        };
        let mut found = Vec::new();
        let mut path = Vec::new();
        let table = Named { columns: self.columns, names: &names, number };
        table.rows(&object, &mut path, &mut found)?;
        self.rows = found;
        Ok(&self.rows)
    }
}

/// The one row of a line, empty.
fn emptied(rows: &mut Vec<Row>) {
    rows.resize_with(1, Row::default);
    rows.iter_mut().for_each(|row| row.used = 0);
}

/// A member of an object, and what it holds.
type Member = (Vec<u8>, Node);

enum Node {
    Text(Vec<u8>),
    /// A number, a word, or null.
    Value(Option<Vec<u8>>),
    Object(Vec<Member>),
}

/// How deep objects may be: two names, and the columns of a row.
const MOST_DEPTH: usize = 3;

/// Reads an object, and gives what follows.
fn members(text: &[u8], depth: usize) -> Option<(Vec<Member>, &[u8])> {
    let mut rest = text.strip_prefix(b"{").filter(|_| depth < MOST_DEPTH)?;
    let mut all = Vec::new();
    loop {
        let mut name = Vec::new();
        rest = string(rest, &mut name)?.strip_prefix(b":")?;
        let node = match rest.first()? {
            b'{' => {
                let (object, after) = members(rest, depth.saturating_add(1))?;
                rest = after;
                Node::Object(object)
            }
            b'"' => {
                let mut value = Vec::new();
                rest = string(rest, &mut value)?;
                Node::Text(value)
            }
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b'}');
                let (word, after) = rest.split_at_checked(rest.iter().position(is_end)?)?;
                rest = after;
                Node::Value((word != b"null").then(|| word.to_vec()))
            }
        };
        all.push((name, node));
        rest = match rest.split_first()? {
            (b',', after) => after,
            (b'}', after) => return Some((all, after)),
            _ => return None,
        };
    }
}

/// What an object of names becomes rows by.
struct Named<'a> {
    columns: &'a [Known],
    names: &'a [&'static str],
    /// The column of a number that stands alone.
    number: &'static str,
}

impl Named<'_> {
    fn rows(
        &self,
        object: &[Member],
        path: &mut Vec<Vec<u8>>,
        found: &mut Vec<Row>,
    ) -> Result<(), Wrong> {
        for (name, node) in object {
            path.push(name.clone());
            match node {
                Node::Text(_) => return Err(Wrong::Shape),
                Node::Value(value) => {
                    let mut row = self.row(path)?;
                    row.push(self.number, value.as_deref());
                    found.push(row);
                }
                Node::Object(members) if path.len() == self.names.len() => {
                    found.push(self.whole(path, members)?);
                }
                Node::Object(members) => self.rows(members, path, found)?,
            }
            path.pop();
        }
        Ok(())
    }

    /// A row of several columns beside its names.
    fn whole(&self, path: &[Vec<u8>], members: &[Member]) -> Result<Row, Wrong> {
        let mut row = self.row(path)?;
        for (name, node) in members {
            let known = self.columns.iter().find(|known| known.name.as_bytes() == name.as_slice());
            let known = known.ok_or_else(|| Wrong::Column(name.clone()))?.name;
            let value = match node {
                Node::Text(text) => Some(text.as_slice()),
                Node::Value(value) => value.as_deref(),
                Node::Object(_) => return Err(Wrong::Shape),
            };
            if row.get(known).is_some() {
                return Err(Wrong::Twice(known));
            }
            row.push(known, value);
        }
        Ok(row)
    }

    /// A row with its names. Where there are fewer than the table can have, they are the last ones.
    fn row(&self, path: &[Vec<u8>]) -> Result<Row, Wrong> {
        let skipped = self.names.len().checked_sub(path.len()).ok_or(Wrong::Shape)?;
        let mut row = Row::default();
        for (column, name) in self.names.iter().skip(skipped).zip(path) {
            row.push(column, Some(name));
        }
        Ok(row)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Known; 5] = [
        Known { name: "protocol", role: Role::Name },
        Known { name: "item", role: Role::Name },
        Known { name: "value", role: Role::Number },
        Known { name: "limit", role: Role::Number },
        Known { name: "source", role: Role::Other },
    ];

    /// The rows of a text: `item=mem value=1; ...`, or why a line is none.
    fn read(text: &[u8]) -> Result<String, Wrong> {
        let (mut reader, mut all) = (Reader::of(&COLUMNS), Vec::new());
        for line in text.split(|byte| *byte == b'\n') {
            for row in reader.line(line)? {
                let cell = |column| {
                    let value = row.get(column).unwrap().unwrap_or(b"(absent)");
                    format!("{column}={}", value.escape_ascii())
                };
                all.push(row.columns().map(cell).collect::<Vec<_>>().join(" "));
            }
        }
        Ok(all.join("; "))
    }

    #[test]
    fn rows_are_read_by_their_columns() {
        for (text, wanted) in [
            ("item\tvalue\nmem\t1\n\ntw\t-\n", "item=mem value=1; item=tw value=(absent)"),
            ("item\tvalue\n{a\t1\n[\t2\n", "item={a value=1; item=[ value=2"),
            ("item\tvalue\na\t1\nvalue\titem\n2\tb\n", "item=a value=1; value=2 item=b"),
            ("{\"item\":\"a\\u0009\\\\xff\",\"value\":null}", "item=a\\t\\xff value=(absent)"),
            ("[\n{\"item\":\"a\"},\n{\"item\":\"b\"}\n]", "item=a; item=b"),
            ("[]", ""),
            ("{\"mem\":1,\"tw\":null}", "item=mem value=1; item=tw value=(absent)"),
            (
                "{\"TCP\":{\"mem\":{\"value\":1,\"limit\":2},\"tw\":-3}}",
                "protocol=TCP item=mem value=1 limit=2; protocol=TCP item=tw value=-3",
            ),
        ] {
            assert_eq!(read(text.as_bytes()).as_deref(), Ok(wanted), "{text}");
            assert!(begins(text.lines().next().unwrap().as_bytes()), "{text}");
        }
        let column = |name: &str| Wrong::Column(name.into());
        for (text, wanted) in [
            ("item\tval", column("val")),
            ("item\titem", Wrong::Twice("item")),
            ("item\tvalue\na", Wrong::Cells),
            ("item\tvalue\na\t1\t2", Wrong::Cells),
            ("{\"item\":\"a\"}\nitem\tvalue", Wrong::Shape),
            ("{\"item\":1,\"item\":2}", Wrong::Twice("item")),
            ("{\"item\":\"a\"}x", Wrong::Shape),
            ("{\"item\":\"a\"},", Wrong::Shape),
            ("{\"a\":{\"b\":{\"c\":1}}}", column("c")),
            // A row, not names with numbers.
            ("{\"time\":\"5\",\"item\":\"a\",\"value\":1}", column("time")),
            ("{\"netns\":\"a\",\"resident\":null,\"item\":\"a\"}", column("resident")),
            ("netns\tresident\titem", column("resident")),
            ("netns\titem", column("netns")),
            ("{\"a\":1,\"value\":2}", column("a")),
            ("{\"a\":\"b\"}", column("a")),
            ("{\"a\":{\"b\":\"c\"}}", Wrong::Shape),
            ("{\"a\":{\"b\":{\"value\":{\"c\":1}}}}", Wrong::Shape),
        ] {
            assert_eq!(read(text.as_bytes()), Err(wanted), "{text}");
        }
        for text in ["", "a", "count1", "TCP\tmem", "item\t", "{", "{ \"a\"", "[NEW] tcp", "1\t2"] {
            assert!(!begins(text.as_bytes()), "{text}");
        }
        assert!(begins(b"count") && begins(b"laddr\tcount"));
    }

    #[test]
    fn damage_is_read_without_a_panic() {
        for text in [
            "protocol\titem\tvalue\nTCP\tm\\x1b\\u{202e}\t1\n".as_bytes(),
            b"{\"TCP\":{\"mem\":{\"value\":1,\"limit\":null},\"tw\":-3}}\n",
            b"[\n{\"item\":\"a\\u202e\\\\xff\",\"value\":1},\n{\"item\":null}\n]\n",
        ] {
            for place in 0..text.len() {
                let mut damaged = text.to_vec();
                let _ = read(&text[..place]);
                for byte in 0..=u8::MAX {
                    damaged[place] = byte;
                    let _ = read(&damaged);
                }
            }
        }
    }
}
