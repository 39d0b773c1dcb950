//! The tables of docs/peers.md.

use std::path::Path;

/// One row: a tool, what it was asked, what it printed, and how connbox is asked the same.
#[derive(Debug)]
pub struct Row {
    /// The heading of its table.
    pub question: String,
    pub tool: String,
    pub command: String,
    pub prints: String,
    pub connbox: String,
    /// Why no test compares it.
    pub unchecked: Option<String>,
}

/// The first cells of a table of rows.
const COLUMNS: [&str; 6] =
    ["Tool", "Command", "Prints", "What it counts, from where", "Skips, or adds", "connbox"];
/// The mark of a row that no test compares; the reason follows.
const MARK: &str = "not checked: ";

/// All rows of the page.
pub fn rows() -> Vec<Row> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/peers.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (mut rows, mut question, mut is_table) = (Vec::new(), String::new(), false);
    for line in text.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            heading.clone_into(&mut question);
        }
        let Some(cells) = cells(line) else {
            is_table = false;
            continue;
        };
        if is_table && !cells[0].starts_with("---") {
            rows.push(row(&question, &cells, line));
        }
        is_table |= cells == COLUMNS;
        assert!(cells[0] != COLUMNS[0] || is_table, "docs/peers.md: other columns: {line}");
    }
    rows
}

/// The cells of a line of a table.
fn cells(line: &str) -> Option<Vec<String>> {
    let inside = line.strip_prefix('|')?.strip_suffix('|')?;
    // A bar inside a cell has a backslash.
    let inside = inside.replace("\\|", "\0");
    Some(inside.split('|').map(|cell| cell.trim().replace('\0', "|")).collect())
}

fn row(question: &str, cells: &[String], line: &str) -> Row {
    assert_eq!(cells.len(), COLUMNS.len(), "docs/peers.md: the cells of {line}");
    let unchecked = line.split_once(MARK).map(|(_, why)| why.trim_end_matches(" |").to_owned());
    Row {
        question: question.to_owned(),
        tool: cells[0].clone(),
        command: cells[1].replace('`', ""),
        prints: cells[2].replace('`', ""),
        connbox: cells[5].clone(),
        unchecked,
    }
}

/// A command of connbox, and what it prints if that is not what the tool prints.
#[derive(Debug, PartialEq, Eq)]
pub struct Ours {
    pub words: Vec<String>,
    pub prints: Option<String>,
}

impl Row {
    /// The commands of the last cell. After "none" and "see" they are only a pointer.
    pub fn ours(&self) -> Vec<Ours> {
        if self.connbox.starts_with("none") || self.connbox.starts_with("see") {
            return Vec::new();
        }
        let parts: Vec<&str> = self.connbox.split('`').collect();
        let codes = parts.iter().enumerate().skip(1).step_by(2);
        // What begins with a dash is an option or a cell of the output.
        let codes = codes.filter(|(_, code)| !code.starts_with('-'));
        let ours = codes.map(|(place, code)| {
            let after = parts.get(place + 1).and_then(|text| text.strip_prefix(" = "));
            let word = after.and_then(|text| text.split([' ', ',', ';', ':']).next());
            Ours {
                words: code.split(' ').map(str::to_owned).collect(),
                prints: word.map(str::to_owned),
            }
        });
        ours.collect()
    }
}

#[test]
fn a_row_is_read() {
    let cells =
        cells("| ss 6.1 | `ss \\| wc` | 18 | a | b | `conncount -4` = 7, or none |").unwrap();
    let row = row("How", &cells, "");
    assert_eq!((row.command.as_str(), row.prints.as_str()), ("ss | wc", "18"));
    let words = ["conncount", "-4"].map(str::to_owned).to_vec();
    assert_eq!(row.ours(), [Ours { words, prints: Some("7".into()) }]);
}
