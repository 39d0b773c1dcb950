//! The applet table is well formed, and no line of the public schema disappears.

use crate::support;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use connbox::applet::APPLETS;
use connbox::cli::{OptDoc, common_docs};
use connbox::frame::Applet;
use connbox::out::{Kind, NAMESPACE, RATE, RESIDENT, TIME};

fn options(applet: &Applet) -> impl Iterator<Item = OptDoc> {
    let common = common_docs(applet.original, applet.options);
    applet.options.iter().chain(applet.filters).map(|doc| **doc).chain(common)
}

#[test]
fn the_table_is_sorted_and_its_names_are_unique() {
    let names: Vec<_> = APPLETS.iter().map(|applet| applet.name).collect();
    assert!(names.is_sorted());
    let all: Vec<_> = APPLETS.iter().flat_map(|a| a.aliases.iter().chain([&a.name])).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len());
}

#[test]
fn no_option_is_called_as_another() {
    for applet in APPLETS {
        let longs: Vec<_> = options(applet).flat_map(|option| option.longs()).collect();
        assert_eq!(longs.iter().collect::<BTreeSet<_>>().len(), longs.len(), "{}", applet.name);
        let shorts: Vec<_> = options(applet).filter_map(|option| option.short).collect();
        assert_eq!(shorts.iter().collect::<BTreeSet<_>>().len(), shorts.len(), "{}", applet.name);
    }
}

#[test]
fn texts_are_clauses() {
    for applet in APPLETS {
        let columns = applet.columns.iter().map(|column| column.help);
        for text in options(applet).map(|option| option.help).chain(columns).chain([applet.about]) {
            assert!(!text.is_empty() && !text.ends_with('.'), "{}: {text}", applet.name);
            assert!(!text.contains(['"', '\\', '\n']), "{}: {text}", applet.name);
        }
        for text in applet.details.iter().chain(applet.bugs).chain([&applet.rows, &applet.needs]) {
            assert!(text.ends_with('.') && !text.contains("  "), "{}: {text}", applet.name);
        }
        assert!(!applet.examples.is_empty(), "{}", applet.name);
    }
}

#[test]
fn columns_fit_the_formats() {
    for applet in APPLETS {
        for column in applet.columns.iter().chain([&TIME, &NAMESPACE, &RESIDENT, &RATE]) {
            let is_snake = column
                .name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b == b'_' || b.is_ascii_digit());
            assert!(is_snake, "{} {}", applet.name, column.name);
            // The names give the units: percent here, ratios for Prometheus.
            let names = [column.name.ends_with("percent"), column.metric.ends_with("_ratio")];
            assert_eq!(names, [column.is_percent; 2], "{} {}", applet.name, column.name);
        }
        let metrics: Vec<_> =
            applet.columns.iter().map(|c| c.metric).filter(|m| !m.is_empty()).collect();
        let numbers =
            applet.columns.iter().filter(|c| matches!(c.kind, Kind::Gauge | Kind::Counter));
        assert_eq!(metrics.len(), numbers.count(), "{}", applet.name);
        assert_eq!(metrics.iter().collect::<BTreeSet<_>>().len(), metrics.len(), "{}", applet.name);
    }
}

/// Applet, column, kind: the contract with everyone who parses the output.
#[test]
fn the_schema_only_grows() {
    let mut schema = String::new();
    for applet in APPLETS {
        for column in applet.columns {
            schema += &format!("{}\t{}\t{}\n", applet.name, column.name, column.kind.name());
        }
    }
    // Before the file may be written anew: what it held, here and in the last commit.
    for old in [std::fs::read_to_string(home().join(SCHEMA)).unwrap(), committed(SCHEMA)] {
        assert_eq!(lost(&old, &schema), None, "{SCHEMA}: this line may not go or move");
    }
    support::same_as_file(SCHEMA, &schema);
}

const SCHEMA: &str = "tests/schema.tsv";

fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file as in the last commit; empty where there is no repository.
fn committed(file: &str) -> String {
    let mut git = Command::new("git");
    let output = git.args(["show", &format!("HEAD:./{file}")]).current_dir(home()).output();
    let text = output.ok().filter(|output| output.status.success()).map(|output| output.stdout);
    String::from_utf8(text.unwrap_or_default()).unwrap()
}

/// The first line of `old` that `new` does not have, or not in that order.
fn lost<'a>(old: &'a str, new: &str) -> Option<&'a str> {
    let mut rest = new.lines();
    old.lines().find(|line| !rest.any(|other| other == *line))
}

#[test]
fn a_line_that_goes_or_moves_is_noticed() {
    assert_eq!(lost("a\nb\n", "a\nx\nb\ny\n"), None);
    assert_eq!(lost("a\nb\nc\n", "a\nc\nd\n"), Some("b"));
    assert_eq!(lost("a\nb\n", "b\na\n"), Some("b"));
    assert_eq!(lost("", "a\n"), None);
}
