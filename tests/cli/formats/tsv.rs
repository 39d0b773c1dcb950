//! TSV, bare values, and which rows NAMEs select.

use super::variants::{self, Kind, Variant};
use crate::support;

/// NAMEs of each applet, the rows that they select by their Keys, a wrong NAME, and a correct one close to it.
const NAMES: [(&str, &str, &[&str], &str, &str); 5] = [
    ("closedcalc", "tw CLOSED tw alloc", &["tw", "closed", "alloc"], "unhashd", "unhashed"),
    ("conncount", "timewait estab ESTAB tcp", &["timewait", "estab", "tcp"], "timewat", "timewait"),
    (
        "snmpget-tcp",
        "InSegs tcpCurrEstab.0 TcpInSegs MaxConn",
        &["TcpInSegs", "TcpCurrEstab", "TcpMaxConn"],
        "CurEstab",
        "CurrEstab",
    ),
    (
        "sockstat",
        "udp.inuse TCP.tw TCP UDP.inuse",
        &["UDP inuse", "TCP tw", "TCP inuse", "TCP orphan", "TCP alloc", "TCP mem"],
        "TPC.inuse",
        "TCP.inuse",
    ),
    (
        "tcpstates",
        "time-wait estab 01 bucket",
        &["TIME_WAIT", "ESTABLISHED", "SYN_RECV", "NEW_SYN_RECV"],
        "ESTABLISHD",
        "ESTABLISHED",
    ),
];

#[test]
fn a_header_names_the_columns_and_changes_nothing_else() {
    for variant in variants::all() {
        let (with, without) = (variant.run(&["-H"]), variant.run(&[]));
        let (header, rest) = with.split_once('\n').unwrap();
        assert_eq!(rest, without, "{variant:?}");
        assert_eq!(variant.run(&["--header", "--tsv"]), with);
        let is_name = |letter: char| letter.is_ascii_lowercase() || letter == '_';
        for column in header.split('\t') {
            assert!(!column.is_empty() && column.chars().all(is_name), "{header}");
        }
    }
}

#[test]
fn no_field_is_empty() {
    let mut absent = 0;
    for variant in variants::all() {
        let table = variant.table();
        let fields: Vec<_> = table.rows.iter().flatten().collect();
        assert!(fields.iter().all(|field| !field.is_empty()), "{variant:?}");
        absent += fields.iter().filter(|field| *field == &"-").count();
        // Numbers consist of digits, a sign and a point.
        for row in &table.rows {
            for (_, number) in table.fields(row, Kind::Number) {
                let is_number = |text: &str| text.parse::<f64>().is_ok() && !text.contains('e');
                assert!(number.is_none_or(is_number), "{row:?}");
            }
        }
    }
    assert!(absent > 0, "no absent value was tested");
}

#[test]
fn a_format_can_be_named_and_the_last_one_wins() {
    for applet in variants::applets() {
        for format in ["tsv", "human", "shell", "fish", "json", "json=array", "prom"] {
            let wanted = applet.run(&[&format!("--{format}")]);
            assert_eq!(applet.run(&[&format!("--format={format}")]), wanted);
            assert_eq!(applet.run(&["--prom", "--json", "--format", format]), wanted);
            assert_eq!(applet.run(&["--format=shell", "-v", &format!("--{format}")]), wanted);
        }
    }
}

#[test]
fn bare_values_stand_one_row_a_line() {
    for variant in variants::all() {
        let table = variant.table();
        let values = |row: &Vec<String>| {
            let fields = table.fields(row, Kind::Number);
            let fields: Vec<_> = fields.into_iter().map(|(_, f)| f.unwrap_or("-")).collect();
            fields.join("\t") + "\n"
        };
        let wanted: String = table.rows.iter().map(values).collect();
        assert_eq!(variant.run(&["-v"]), wanted, "{variant:?}");
        assert_eq!(variant.run(&["--value"]), wanted, "{variant:?}");
    }
}

#[test]
fn names_pick_rows_in_their_order_and_each_once() {
    for (applet, names, rows, ..) in NAMES {
        let variant = Variant::new(&format!("{applet} {names}"), &["--root", variants::world()]);
        let table = variant.table();
        let found: Vec<_> = table.rows.iter().map(|row| table.keys(row).join(" ")).collect();
        assert_eq!(found, rows, "{applet}");
    }
}

#[test]
fn names_pick_the_rows_that_the_whole_table_has() {
    for applet in variants::applets() {
        let whole = applet.run(&[]);
        for (_, names, ..) in NAMES.iter().filter(|(name, ..)| *name == applet.words[0]) {
            let names: Vec<_> = names.split(' ').collect();
            for line in applet.run(&names).lines() {
                assert!(whole.lines().any(|other| other == line), "{line}");
            }
        }
    }
}

#[test]
fn an_unknown_name_is_an_error_that_lists_near_ones() {
    for (applet, known, _, wrong, near) in NAMES {
        for format in ["--tsv", "--shell", "--json", "--prom", "-v"] {
            // A correct NAME does not help: no row is printed before the error.
            let known = known.split(' ').next().unwrap();
            let root = variants::world();
            let output = support::run(&[applet, format, "--root", root, known, wrong]);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{applet} {wrong}: {said}");
            assert!(output.stdout.is_empty(), "{applet} {wrong}");
            assert!(said.starts_with(&format!("{applet}: {wrong}: ")), "{said}");
            assert!(said.contains(near) && said.lines().count() == 1, "{said}");
        }
    }
}

#[test]
fn every_applet_has_its_names_tested() {
    for applet in variants::applets() {
        assert!(NAMES.iter().any(|(name, ..)| *name == applet.words[0]), "{applet:?}");
    }
}
