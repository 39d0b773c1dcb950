//! How the tests get the number of a row: `checks.txt`.

use std::collections::BTreeMap;

use super::page;
use crate::support::all_names;

const CHECKS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/checks.txt");

/// A question and a command, and the lines of bash that print what the row says.
pub type Checks = BTreeMap<(String, String), String>;

/// Reads `checks.txt`: `# question`, then for each row its command and, indented, lines of bash. A line that begins with a bar
/// continues the command.
pub fn checks() -> Checks {
    let mut checks = Checks::new();
    let (mut question, mut command) = (String::new(), String::new());
    let text = std::fs::read_to_string(CHECKS).unwrap();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        if let Some(heading) = line.strip_prefix("# ") {
            heading.clone_into(&mut question);
        } else if let Some(code) = line.strip_prefix("    ") {
            let code =
                if code.starts_with('|') { format!("{command} {code}") } else { code.to_owned() };
            let lines = checks.entry((question.clone(), command.clone())).or_default();
            *lines += &(code + "\n");
        } else {
            line.clone_into(&mut command);
            let before = checks.insert((question.clone(), command.clone()), String::new());
            assert!(before.is_none(), "checks.txt: twice: {question}: {line}");
        }
    }
    checks
}

/// This one needs no tool, and so is not ignored.
#[test]
fn every_row_has_a_check_or_says_why_not() {
    let (rows, mut checks) = (page::rows(), checks());
    assert!(rows.len() > 80, "{} rows", rows.len());
    for row in &rows {
        let check = checks.remove(&(row.question.clone(), row.command.clone()));
        match &row.unchecked {
            Some(why) => assert!(why.len() > 5 && check.is_none(), "not checked, but why? {row:?}"),
            None => assert!(check.is_some_and(|lines| !lines.is_empty()), "no check for {row:?}"),
        }
        for ours in row.ours() {
            assert!(all_names().contains(&ours.words[0]), "not an applet: {ours:?}");
        }
        let says_something = row.connbox.contains('`') || row.connbox.starts_with("none: ");
        assert!(says_something, "neither a command of connbox nor why there is none: {row:?}");
    }
    assert!(checks.is_empty(), "checks without a row: {:?}", checks.keys());
}
