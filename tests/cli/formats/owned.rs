//! No variable that `--shell` sets is one that a shell uses itself, in upper or lower case. Some of these are
//! read-only, so that `eval` fails; some belong to the process (setting UID in a root zsh changes the user);
//! and some are read by the next command (PATH, IFS).

use std::collections::BTreeSet;

use connbox::out::OWNED;

use super::variants::{self, Variant};
use crate::support;

/// Shell lines that print the names of all variables that the shell has at its start.
const DUMPS: [(&str, &[&str]); 6] = [
    ("dash", &["-c", "set | sed -n 's/^\\([A-Za-z_0-9]*\\)=.*/\\1/p'"]),
    (
        "bash",
        &["--norc", "-c", "compgen -v; readonly -p | sed 's/.* \\([^ =]*\\)\\(=.*\\)*$/\\1/'"],
    ),
    ("ksh", &["-c", "typeset +p | sed 's/.* //'"]),
    ("zsh", &["-f", "-c", "print -l ${(k)parameters}"]),
    ("busybox", &["sh", "-c", "set | sed -n 's/^\\([A-Za-z_0-9]*\\)=.*/\\1/p'"]),
    ("fish", &["--no-config", "-c", "set -n"]),
];

/// The names on the list, in upper case.
pub fn listed() -> BTreeSet<String> {
    OWNED.split_whitespace().map(str::to_owned).collect()
}

/// The names that a shell sets itself, in upper case; none if it is not installed.
fn dumped(program: &str, arguments: &[&str]) -> BTreeSet<String> {
    let mut command = support::command(program);
    // Without the tester's own environment, whose names do not belong to the shell.
    let output = command.env_clear().env("PATH", "/usr/bin:/bin").args(arguments).output();
    let output = String::from_utf8(output.unwrap().stdout).unwrap();
    let is_name = |name: &&str| name.chars().all(|l| l.is_ascii_alphanumeric() || l == '_');
    let is_word = |name: &&str| name.starts_with(|first: char| !first.is_ascii_digit());
    output.lines().filter(is_name).filter(is_word).map(str::to_ascii_uppercase).collect()
}

/// The names before `="…"` in the output of `--shell`.
pub fn names(text: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for (place, _) in text.match_indices("=\"") {
        let start = text[..place].rfind([' ', '\n', '"']).map_or(0, |before| before + 1);
        names.insert(text[start..place].to_owned());
    }
    names
}

/// All names that the applets can set, including those of streams and rates.
fn all_names() -> BTreeSet<String> {
    let mut all: BTreeSet<_> =
        variants::all().iter().flat_map(|variant| names(&variant.run(&["--shell"]))).collect();
    let words = "snmpget-tcp --rate --interval 0.001 --count 1 --oid --explain";
    let stream = Variant::new(words, &["--root", variants::world()]).run(&["--shell"]);
    all.extend(names(&stream));
    assert!(all.contains("TIME") && all.contains("PER_SECOND") && all.len() > 250, "{all:?}");
    all
}

#[test]
fn names_are_valid_in_every_shell() {
    for name in all_names() {
        let is_valid = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        assert!(name.chars().all(is_valid), "{name}");
        assert!(!name.starts_with(|first: char| first.is_ascii_digit()), "{name}");
    }
}

#[test]
fn no_name_is_one_that_the_manuals_list() {
    let owned = listed();
    for name in all_names() {
        assert!(!owned.contains(&name.to_ascii_uppercase()), "{name} belongs to a shell");
    }
}

#[test]
fn no_name_is_one_that_a_shell_has_at_its_start() {
    if !support::needs("no_name_is_one_that_a_shell_has_at_its_start", &DUMPS.map(|(name, _)| name))
    {
        return;
    }
    let names = all_names();
    for (program, arguments) in DUMPS {
        let owned = dumped(program, arguments);
        // A dump without the most common name was not read correctly.
        assert!(owned.contains("IFS") || program == "fish", "{program}: {owned:?}");
        for name in &names {
            assert!(!owned.contains(&name.to_ascii_uppercase()), "{name} belongs to {program}");
        }
    }
}

#[test]
fn the_list_holds_what_the_shells_have() {
    if !support::needs("the_list_holds_what_the_shells_have", &DUMPS.map(|(name, _)| name)) {
        return;
    }
    let listed = listed();
    // fish is excluded: it does not evaluate our output, and it keeps most of its state in functions.
    for (program, arguments) in DUMPS.into_iter().filter(|(program, _)| *program != "fish") {
        let has = dumped(program, arguments);
        let inner = ["DIS_", "FUNC", "ZSH_", "KSH_", "BASH_", ".SH"];
        let missing: Vec<_> = has
            .difference(&listed)
            .filter(|name| !inner.iter().any(|start| name.starts_with(start)))
            .collect();
        assert!(missing.is_empty(), "{program} has names that the list misses: {missing:?}");
    }
}
