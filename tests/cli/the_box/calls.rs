//! The ways to call the box and its applets, and what it prints about itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::scratch::scratch;
use crate::support::{self, CONNBOX};

/// The names of the applets.
pub fn applets() -> Vec<String> {
    support::stdout_of(&["--list"]).lines().map(str::to_owned).collect()
}

/// The saved kernel.
pub fn root() -> String {
    support::world("own-lab-6.18").to_str().unwrap().to_owned()
}

#[test]
fn the_list_names_the_five_and_is_sorted() {
    let names = applets();
    assert!(names.is_sorted(), "{names:?}");
    for name in ["closedcalc", "conncount", "snmpget-tcp", "sockstat", "tcpstates"] {
        assert!(names.iter().any(|listed| listed == name), "{name}");
    }
}

#[test]
fn the_box_alone_lists_the_applets_one_line_each() {
    let text = support::stdout_of(&[]);
    for words in [&["--help"][..], &["-h"], &["help"]] {
        assert_eq!(support::stdout_of(words), text, "{words:?}");
    }
    for name in applets() {
        let lines = text.lines().filter(|line| line.split_whitespace().next() == Some(&name));
        assert_eq!(lines.count(), 1, "{name} in {text}");
    }
}

#[test]
fn help_on_an_applet_is_its_own_help() {
    if !support::needs("help_on_an_applet_is_its_own_help", &["bash"]) {
        return;
    }
    for name in support::tables() {
        let text = support::stdout_of(&["help", &name]);
        assert!(text.contains(&name), "{text}");
        for words in [&[&name, "--help"][..], &[&name, "--json", "x", "--help"]] {
            assert_eq!(support::stdout_of(words), text, "{words:?}");
        }
        assert_eq!(support::shell(&format!("{name} --help")), text);
        let short = support::stdout_of(&[&name, "-h"]);
        assert!(short.lines().count() <= 40 && short.starts_with("usage: "), "{short}");
    }
}

#[test]
fn help_names_every_option_that_completions_and_people_use() {
    for name in support::tables() {
        let text = support::stdout_of(&[&name, "--help"]);
        for option in [
            "--tsv",
            "--shell",
            "--json",
            "--prom",
            "--format",
            "-H, --header",
            "--prefix",
            "-v, --value",
            "--output",
            "--interval",
            "--count",
            "--rate",
            "--root",
            "--netns",
            "--from",
            "--explain",
            "--help",
            "--version",
        ] {
            assert!(text.contains(option), "{name} --help lacks {option}");
        }
    }
}

#[test]
fn the_version_is_the_packages() {
    if !support::needs("the_version_is_the_packages", &["bash"]) {
        return;
    }
    let version = concat!("connbox ", env!("CARGO_PKG_VERSION"), "\n");
    for words in [&["--version"][..], &["-V"], &["conncount", "--version"]] {
        assert_eq!(support::stdout_of(words), version, "{words:?}");
    }
    assert_eq!(support::shell("sockstat --version"), version);
}

/// Copies the program to `file`, but not in this process: while it is open for writing here, another thread may
/// start a child, which inherits the open file; then running it fails with "busy".
pub fn copy_program(file: &Path) {
    assert!(Command::new("cp").arg(CONNBOX).arg(file).status().unwrap().success());
}

/// The program as a file called `name`: a symbolic link, a hard link or a copy.
fn program(test: &str, name: &str, how: &str) -> PathBuf {
    let file = scratch(test).join(name);
    let binary = Path::new(CONNBOX);
    match how {
        "symlink" => symlink(binary, &file).unwrap(),
        "hard link" => fs::hard_link(binary, &file).unwrap(),
        _ => copy_program(&file),
    }
    file
}

fn run(command: &mut Command) -> (Option<i32>, String, String) {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_link_that_bears_an_applets_name_is_that_applet() {
    if !support::needs("a_link_that_bears_an_applets_name_is_that_applet", &["cp"]) {
        return;
    }
    for name in support::tables() {
        let wanted = support::stdout_of(&[&name, "--root", &root(), "--json"]);
        for how in ["symlink", "hard link", "copy"] {
            let file = program("links", &name, how);
            let found = run(Command::new(&file).args(["--root", &root(), "--json"]));
            assert_eq!(found, (Some(0), wanted.clone(), String::new()), "{name} by {how}");
        }
    }
}

#[test]
fn a_name_without_a_path_is_enough() {
    let wanted = support::stdout_of(&["closedcalc", "--root", &root()]);
    for own in ["closedcalc", "./closedcalc", "/x/y/closedcalc", "../closedcalc"] {
        let found = run(Command::new(CONNBOX).arg0(own).args(["--root", &root()]));
        assert_eq!(found, (Some(0), wanted.clone(), String::new()), "{own}");
    }
}

#[test]
fn a_renamed_binary_is_still_the_box() {
    if !support::needs("a_renamed_binary_is_still_the_box", &["cp"]) {
        return;
    }
    for name in ["connbox-0.1", "connbox.static", "connbox"] {
        let file = program("renamed", name, "copy");
        let words = ["closedcalc", "--root", &root(), "-v", "tw"];
        assert_eq!(run(Command::new(&file).args(words)), (Some(0), "12\n".into(), String::new()));
        let listed = run(Command::new(&file).arg("--list"));
        assert_eq!(listed.1, support::stdout_of(&["--list"]), "{name}");
    }
}

#[test]
fn a_link_of_an_unknown_name_is_no_applet() {
    for (name, near) in [("conncuont", "conncount"), ("tcpstate", "tcpstates"), ("xyzzy", "")] {
        for how in ["symlink", "hard link"] {
            let (status, out, err) = run(&mut Command::new(program("unknown", name, how)));
            assert_eq!((status, out.as_str()), (Some(127), ""), "{name} by {how}");
            assert!(err.starts_with(&format!("connbox: {name}: ")), "{err}");
            assert!(err.contains(near) && err.lines().count() == 1, "{err}");
        }
    }
}

#[test]
fn the_box_runs_without_a_name_of_its_own() {
    // A caller may pass anything as the program's name, or nothing.
    for own in ["", "/", ".", "..", "-"] {
        let (status, out, err) = run(Command::new(CONNBOX).arg0(own).arg("--list"));
        assert_eq!((status, out.as_str()), (Some(127), ""), "{own:?}");
        assert!(err.starts_with("connbox: ") && err.lines().count() == 1, "{own:?}: {err}");
    }
}

#[test]
fn an_unknown_applet_has_a_status_of_its_own_and_the_nearest_name() {
    for words in [&["sockstats"][..], &["help", "sockstats"], &["sockstats", "--help"]] {
        let output = support::run(words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(127), "{words:?}: {said}");
        assert!(output.stdout.is_empty());
        assert!(said.starts_with("connbox: sockstats: "), "{said}");
        assert!(said.contains("did you mean sockstat?"), "{said}");
    }
}

#[test]
fn an_unknown_option_of_the_box_is_answered_with_the_nearest_or_with_the_help() {
    for (word, cure) in [
        ("--xyzzy", "--help lists them"),
        ("-x", "--help lists them"),
        ("--instal", "did you mean --install?"),
    ] {
        let output = support::run(&[word]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(said, format!("connbox: {word}: no such option; {cure}\n"));
        assert_eq!(output.status.code(), Some(2));
    }
}

#[test]
fn an_empty_word_is_to_be_seen_in_an_error() {
    for words in [
        &[""][..],
        &["help", ""],
        &["--man", ""],
        &["--completions", ""],
        &["--install", ""],
        &["--uninstall", ""],
        &["--textfile", ""],
        &["--textfile", "x.prom", ""],
    ] {
        let said = String::from_utf8(support::run(words).stderr).unwrap();
        assert!(said.contains(": ''") && said.lines().count() == 1, "{words:?}: {said}");
    }
}

#[test]
fn an_unknown_option_of_the_box_is_a_usage_error() {
    let near = [("--lst", "--list"), ("--helb", "--help"), ("--xyzzy", ""), ("-q", "")];
    for (option, near) in near.into_iter().chain([("--help=1", "--help"), ("--version=1", "--ver")])
    {
        let output = support::run(&[option]);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{option}: {said}");
        assert!(output.stdout.is_empty());
        assert!(said.starts_with(&format!("connbox: {option}: ")), "{said}");
        assert!(said.contains(near), "{said}");
    }
}

#[test]
fn an_option_of_the_box_refuses_what_it_does_not_take() {
    for words in [
        &["--list", "x"][..],
        &["--version", "x"],
        &["--help", "x"],
        &["--textfile=x.prom"],
        &["--interval", "5", "--textfile", "x.prom"],
        &["--man", "conncount", "x"],
        &["--completions"],
        &["--completions", "bash", "zsh"],
        &["--completions", "tcsh"],
        &["--install"],
        &["--uninstall"],
    ] {
        let output = support::run(words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {said}");
        assert!(output.stdout.is_empty() && said.starts_with("connbox: "), "{words:?}: {said}");
    }
}

#[test]
fn help_about_an_applet_is_asked_for_in_either_way() {
    for word in ["--help", "-h"] {
        assert_eq!(
            support::stdout_of(&[word, "conncount"]),
            support::stdout_of(&["help", "conncount"])
        );
    }
}

/// The files of a directory of the project; none before they are generated.
fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).filter(|path| path.is_file()).collect()
}

#[test]
fn the_binary_holds_the_man_pages() {
    let pages: Vec<_> = files("man")
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "1"))
        .collect();
    if pages.is_empty() {
        return;
    }
    assert_eq!(pages.len(), applets().len() + 1, "{pages:?}");
    for page in &pages {
        let text = fs::read_to_string(page).unwrap();
        let name = page.file_name().unwrap().to_str().unwrap();
        let stem = name.strip_suffix(".1").unwrap();
        for operand in [name, stem, stem.strip_prefix("connbox-").unwrap_or(stem)] {
            assert_eq!(support::stdout_of(&["--man", operand]), text, "{operand}");
        }
    }
    let own = fs::read_to_string(pages[0].with_file_name("connbox.1")).unwrap();
    assert_eq!(support::stdout_of(&["--man"]), own);
    assert_eq!(support::run(&["--man", "nopage"]).status.code(), Some(127));
    for (words, status, reason) in [
        (["--man", "from"], 127, "from: no such applet; did you mean connbox-from?"),
        (["--completions", "tcsh"], 2, "no completions for this shell, only for bash, zsh, fish"),
    ] {
        let output = support::run(&words);
        assert_eq!(output.status.code(), Some(status), "{words:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(reason), "{words:?}");
    }
}

#[test]
fn the_binary_holds_the_completions() {
    let files = files("completions");
    if files.is_empty() {
        return;
    }
    for shell in ["bash", "zsh", "fish"] {
        let text = support::stdout_of(&["--completions", shell]);
        assert!(!text.is_empty());
        let is_it = |file: &&PathBuf| fs::read_to_string(file).unwrap() == text;
        assert_eq!(files.iter().filter(is_it).count(), 1, "{shell} differs from completions/");
    }
}
