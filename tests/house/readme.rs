//! What README.md says about the tests.

use std::collections::BTreeSet;
use std::path::Path;

use crate::support::{self, install_line, told};

fn readme() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

/// The last test program prints this line, and .ci/run takes its packages from it.
#[test]
fn it_has_the_line_that_brings_all_programs() {
    // A backslash at the end of a line joins it with the next.
    let joined: Vec<String> =
        readme().split(" \\\n").map(|part| part.trim_start().to_owned()).collect();
    let joined = joined.join(" ");
    let lines: Vec<_> = joined.lines().map(|line| line.trim().to_owned()).collect();
    let is_it = |line: &&String| line.contains("apt-get install --no-install-recommends");
    let found: Vec<_> = lines.iter().filter(is_it).collect();
    assert_eq!(found, [&install_line()]);
}

#[test]
fn what_was_skipped_is_told_in_one_line() {
    assert_eq!(told(""), "no test was skipped");
    let line = told("a\tss\nb\troot\nb\tss\na\tss\n");
    let wanted = "2 tests were skipped, wholly or in part, for want of ss (2), root (1); ";
    assert_eq!(line, wanted.to_owned() + &install_line());
    let line = told("a\troot\n");
    assert_eq!(line, "1 test was skipped, wholly or in part, for want of root (1)");
}

/// If a test asked for a program under a name that the tables do not have, it would be skipped everywhere.
#[test]
fn what_tests_ask_for_is_in_the_tables() {
    let mut open = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("tests")];
    let mut asked = BTreeSet::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                asked.extend(asked_in(&std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    assert!(asked.len() > 40, "{asked:?}");
    asked.iter().for_each(|thing| assert!(support::is_known(thing), "{thing} is in no table"));
}

/// The things in the literal lists of a file's calls.
fn asked_in(text: &str) -> BTreeSet<String> {
    let mut asked = BTreeSet::new();
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for call in text.split(concat!("needs", "(")).skip(1) {
        let call = call.split(')').next().unwrap();
        if let Some((_, list)) = call.split_once("&[") {
            asked.extend(list.split('"').skip(1).step_by(2).map(str::to_owned));
        }
    }
    asked
}
