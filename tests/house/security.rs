//! The tests that SECURITY.md names exist, and every promise has one.

use std::path::Path;

/// The texts between backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The rows of the table of promises: promise, and what holds it.
fn promises(text: &str) -> Vec<(&str, &str)> {
    let rows = text.lines().skip_while(|line| !line.starts_with("| promise |")).skip(2);
    rows.take_while(|line| line.starts_with('|'))
        .map(|row| {
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [promise, tests] = cells[..] else { panic!("not two cells: {row}") };
            (promise, tests)
        })
        .collect()
}

/// What is wrong with the tests that a promise names: files, each followed by its tests.
fn fault(tests: &str, read: impl Fn(&str) -> Option<String>) -> Option<String> {
    let (mut file, mut count) = (None, 0);
    for word in quoted(tests) {
        if word.ends_with(".rs") {
            let Some(text) = read(word) else { return Some(format!("no file {word}")) };
            file = Some(text);
            continue;
        }
        let Some(text) = &file else { return Some(format!("no file before {word}")) };
        // After its attribute, of which there may be more.
        let is_test = text.split("#[test]").skip(1).any(|rest| {
            let (_, rest) = rest.split_once("fn ").unwrap_or_default();
            rest.strip_prefix(word).is_some_and(|rest| rest.starts_with("()"))
        });
        if !is_test {
            return Some(format!("no test {word}"));
        }
        count += 1;
    }
    (count == 0).then(|| "no test".to_owned())
}

#[test]
fn every_promise_has_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(root.join("SECURITY.md")).unwrap();
    let promises = promises(&text);
    assert!(promises.len() > 10, "{}", promises.len());
    for (promise, tests) in promises {
        let why = fault(tests, |file| std::fs::read_to_string(root.join(file)).ok());
        assert_eq!(why, None, "SECURITY.md: {promise}");
    }
}

#[test]
fn the_test_of_promises_would_notice() {
    let read = |file: &str| (file == "a.rs").then(|| "#[test]\nfn one() {}\nfn two() {}".into());
    assert_eq!(fault("`a.rs`: `one`", read), None);
    for (tests, why) in [
        ("`b.rs`: `one`", "no file b.rs"),
        ("`a.rs`: `two`", "no test two"),
        ("`a.rs`: `one`, `on`", "no test on"),
        ("`one`", "no file before one"),
        ("`a.rs`", "no test"),
    ] {
        assert_eq!(fault(tests, read).as_deref(), Some(why));
    }
}
