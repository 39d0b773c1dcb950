//! `--json`, accepted by jq and compared with TSV.
//!
//! jq 1.6 reads numbers as doubles, so our own reader compares the numbers. It also finds duplicate names in an
//! object.

use super::variants::{self, Kind, Table, Variant};
use crate::support;

/// A JSON value; numbers stay as they are written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Json {
    Null,
    Number(String),
    Text(String),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// Reads one line, which must be one object.
    pub fn object(line: &str) -> Json {
        let mut rest = line;
        let value = value(&mut rest);
        assert!(rest.is_empty() && matches!(value, Json::Object(_)), "{line}");
        value
    }

    /// The member called `name`, which must exist.
    pub fn get(&self, name: &str) -> &Json {
        let Json::Object(members) = self else { panic!("{self:?} has no {name}") };
        let member = members.iter().find(|(other, _)| other == name);
        &member.unwrap_or_else(|| panic!("no {name} in {self:?}")).1
    }

    /// The number of values that are neither objects nor arrays.
    fn leaves(&self) -> usize {
        match self {
            Json::Object(members) => members.iter().map(|(_, member)| member.leaves()).sum(),
            _ => 1,
        }
    }
}

fn value(rest: &mut &str) -> Json {
    match rest.chars().next() {
        Some('{') => Json::Object(members(rest)),
        Some('"') => Json::Text(text(rest)),
        _ => {
            let end = rest.find([',', '}']).unwrap();
            let (word, after) = rest.split_at(end);
            *rest = after;
            if word == "null" { Json::Null } else { Json::Number(word.to_owned()) }
        }
    }
}

fn members(rest: &mut &str) -> Vec<(String, Json)> {
    let mut members: Vec<(String, Json)> = Vec::new();
    *rest = &rest[1..];
    while let Some(after) = rest.strip_prefix(',').or(Some(*rest)).filter(|r| r.starts_with('"')) {
        *rest = after;
        let name = text(rest);
        assert!(members.iter().all(|(other, _)| *other != name), "{name} is there twice");
        *rest = rest.strip_prefix(':').unwrap();
        members.push((name, value(rest)));
    }
    *rest = rest.strip_prefix('}').unwrap();
    members
}

fn text(rest: &mut &str) -> String {
    let mut text = String::new();
    let mut letters = rest[1..].char_indices();
    loop {
        let (place, letter) = letters.next().unwrap();
        match letter {
            '"' => {
                *rest = &rest[place + 2..];
                return text;
            }
            '\\' => match letters.next().unwrap().1 {
                'n' => text.push('\n'),
                'r' => text.push('\r'),
                't' => text.push('\t'),
                'u' => {
                    let digits: String = letters.by_ref().take(4).map(|(_, digit)| digit).collect();
                    let code = u32::from_str_radix(&digits, 16).unwrap();
                    text.push(char::from_u32(code).unwrap());
                }
                itself => text.push(itself),
            },
            _ => text.push(letter),
        }
    }
}

/// Whether jq accepts `text`; it does not accept an empty text.
pub fn jq_takes(text: &str) -> bool {
    let output = support::feed(support::command("jq").args(["-e", "."]), text.as_bytes());
    output.status.success() && output.stderr.is_empty()
}

/// The JSON value of a TSV field.
fn wanted(column: &str, field: Option<&str>) -> Json {
    match (field, variants::kind(column)) {
        (None, _) => Json::Null,
        (Some(number), Kind::Number) => Json::Number(number.to_owned()),
        (Some(text), _) => Json::Text(text.to_owned()),
    }
}

/// Compares one object with a table whose rows are named by Keys.
pub fn check_nested(json: &Json, table: &Table) {
    let mut leaves = 0;
    for row in &table.rows {
        let found = table.keys(row).into_iter().fold(json, |object, key| object.get(key));
        let numbers = table.fields(row, Kind::Number);
        leaves += numbers.len();
        match numbers.as_slice() {
            [(column, number)] => assert_eq!(*found, wanted(column, *number), "{row:?}"),
            _ => numbers.iter().for_each(|(column, number)| {
                assert_eq!(*found.get(column), wanted(column, *number), "{row:?}");
            }),
        }
    }
    assert_eq!(json.leaves(), leaves);
}

/// Compares JSON Lines with a table, row by row.
pub fn check_lines(text: &str, table: &Table) {
    assert_eq!(text.lines().count(), table.rows.len());
    for (line, row) in text.lines().zip(&table.rows) {
        let members = table.columns.iter().zip(row).map(|(column, field)| {
            (column.clone(), wanted(column, Some(field.as_str()).filter(|field| *field != "-")))
        });
        assert_eq!(Json::object(line), Json::Object(members.collect()));
    }
}

#[test]
fn json_holds_the_numbers_of_the_table() {
    let has_jq = support::needs("json_holds_the_numbers_of_the_table", &["jq"]);
    for variant in variants::all() {
        let (table, text) = (variant.table(), variant.run(&["--json"]));
        assert!(text.ends_with("}\n"), "{variant:?}");
        assert!(!has_jq || jq_takes(&text), "{variant:?}");
        if table.is_keyed() {
            check_nested(&Json::object(text.strip_suffix('\n').unwrap()), &table);
        } else {
            check_lines(&text, &table);
        }
    }
}

/// Compares the array of `--json=array` with a table, row by row.
fn check_array(text: &str, table: &Table) {
    let rows = text.strip_prefix("[\n").unwrap().strip_suffix("\n]\n").unwrap();
    check_lines(&rows.replace("},\n", "}\n"), table);
}

#[test]
fn an_array_has_one_object_per_row_of_every_table() {
    let has_jq = support::needs("an_array_has_one_object_per_row_of_every_table", &["jq"]);
    for variant in variants::all() {
        let (table, text) = (variant.table(), variant.run(&["--json=array"]));
        assert_eq!(variant.run(&["--tsv", "--format", "json=array"]), text);
        assert!(!has_jq || jq_takes(&text), "{variant:?}");
        check_array(&text, &table);
    }
}

#[test]
fn an_array_is_whole_without_rows_and_over_samples() {
    let root = ["--root", variants::world()];
    let none = Variant::new("conncount --by raddr --lport 1 --json=array", &root);
    assert_eq!(none.run(&[]), "[]\n");
    let samples = Variant::new("snmpget-tcp --interval 0.001 InSegs", &root);
    let text = samples.run(&["--json=array", "--count", "3"]);
    assert!(text.starts_with("[\n{\"time\":\"20") && text.ends_with(":109}\n]\n"), "{text}");
    assert_eq!(text.matches("},\n").count(), 2, "{text}");
    let output = samples.output(&["--json=array"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("snmpget-tcp: --json=array: needs --count"), "{said}");
    assert_eq!(output.status.code(), Some(2));
    // The next word is a NAME, and no other variant exists.
    assert_eq!(Variant::new("conncount --json estab", &root).run(&[]), "{\"estab\":17}\n");
    for word in ["--json=lines", "--json=", "--tsv=array", "--shell=array"] {
        let output = support::run(&["conncount", word]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(said.contains(": takes no value, but '"), "{word}: {said}");
    }
}

#[test]
fn names_that_split_a_group_do_not_repeat_its_key() {
    let order = ["TCP.inuse", "UDP.inuse", "TCP.mem", "sockets", "UDP.mem"];
    let source = ["--root", variants::world()];
    for words in ["sockstat", "sockstat --limits"] {
        let variant = Variant::new(&format!("{words} {}", order.join(" ")), &source);
        let (text, table) = (variant.run(&["--json"]), variant.table());
        assert_eq!(text.matches("\"TCP\"").count(), 1, "{text}");
        assert_eq!(table.rows[0][..2], ["TCP", "inuse"]);
        check_nested(&Json::object(text.trim_end()), &table);
    }
}

#[test]
fn jq_finds_a_value_by_its_keys() {
    if !support::needs("jq_finds_a_value_by_its_keys", &["jq"]) {
        return;
    }
    for (words, path, value) in [
        ("sockstat", ".TCP.inuse", "25"),
        ("sockstat --limits", ".TCP.mem.limit", "188604"),
        ("tcpstates --by family", ".tcp6.ESTABLISHED", "5"),
        ("snmpget-tcp", ".TcpMaxConn", "-1"),
        ("conncount", ".estab", "17"),
        ("closedcalc --explain", "select(.name == \"tw\").value", "12"),
    ] {
        let json = Variant::new(words, &["--root", variants::world()]).run(&["--json"]);
        let output = support::feed(support::command("jq").args(["-r", path]), json.as_bytes());
        assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{value}\n"), "{words} {path}");
    }
}
