//! `connbox --install`: links that bear the applets' names.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Output};

use super::calls::{copy_program, root};
use crate::support::scratch::{names_in, scratch};
use crate::support::{self, CONNBOX};

/// Runs `connbox --install` with these operands, the directory among them.
fn install(operands: &[&str]) -> Output {
    support::run(&[&["--install"], operands].concat())
}

/// The run must succeed and say nothing.
fn assert_quiet(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
}

/// The run must end with status 1 and one line that names `path`.
fn assert_said(output: &Output, path: &Path) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty());
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("connbox: ") && said.contains(path.to_str().unwrap()), "{said}");
}

/// Whether `link` is a relative link to the program, which works.
fn is_ours(link: &Path) -> bool {
    let Ok(target) = fs::read_link(link) else { return false };
    let leads_home = fs::canonicalize(link).unwrap() == fs::canonicalize(CONNBOX).unwrap();
    let works = Command::new(link).arg("--help").output().unwrap().stdout.starts_with(b"usage: ");
    target.is_relative() && leads_home && works
}

#[test]
fn a_relative_link_for_each_applet() {
    let directory = scratch("all");
    assert_quiet(&install(&[directory.to_str().unwrap()]));
    assert_eq!(names_in(&directory), support::all_names());
    assert!(support::all_names().iter().all(|name| is_ours(&directory.join(name))));
}

#[test]
fn a_second_run_finds_all_done() {
    let directory = scratch("again");
    let operands = [directory.to_str().unwrap()];
    assert_quiet(&install(&operands));
    let times = || {
        support::all_names()
            .iter()
            .map(|n| fs::symlink_metadata(directory.join(n)).unwrap().modified().unwrap())
            .collect::<Vec<_>>()
    };
    let before = times();
    assert_quiet(&install(&operands));
    assert_quiet(&install(&["--force", operands[0]]));
    assert_eq!(times(), before);
    assert_eq!(names_in(&directory), support::all_names());
}

#[test]
fn only_the_named_applets() {
    let directory = scratch("named");
    assert_quiet(&install(&[directory.to_str().unwrap(), "tcpstates", "conncount", "tcpstates"]));
    assert_eq!(names_in(&directory), ["conncount", "tcpstates"]);
}

#[test]
fn an_unknown_applet_installs_nothing() {
    let directory = scratch("unknown_applet");
    let output = install(&[directory.to_str().unwrap(), "conncount", "conncuont"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(127), "{said}");
    assert!(
        said.starts_with("connbox: conncuont: ") && said.contains("did you mean conncount?"),
        "{said}"
    );
    assert_eq!(names_in(&directory).len(), 0);
}

/// Puts something that is not ours in the place of a link.
fn put_foreign(place: &Path, what: &str) {
    match what {
        "file" => fs::write(place, "foreign").unwrap(),
        "link" => symlink("/bin/true", place).unwrap(),
        _ => symlink("nowhere", place).unwrap(),
    }
}

#[test]
fn what_is_not_ours_stays_and_is_said() {
    for what in ["file", "link", "dangling link"] {
        let directory = scratch("foreign");
        let place = directory.join("conncount");
        put_foreign(&place, what);
        let before = (fs::read_link(&place).ok(), fs::read(&place).ok());
        assert_said(&install(&[directory.to_str().unwrap()]), &place);
        assert_eq!((fs::read_link(&place).ok(), fs::read(&place).ok()), before, "{what}");
        // The others are made all the same.
        assert_eq!(names_in(&directory), support::all_names());
        let others = support::all_names().into_iter().filter(|name| name != "conncount");
        assert!(others.into_iter().all(|name| is_ours(&directory.join(name))), "{what}");
    }
}

#[test]
fn force_replaces_what_is_not_ours() {
    for what in ["file", "link", "dangling link"] {
        let directory = scratch("force");
        put_foreign(&directory.join("conncount"), what);
        assert_quiet(&install(&["--force", directory.to_str().unwrap()]));
        assert!(is_ours(&directory.join("conncount")), "{what}");
        assert_eq!(names_in(&directory), support::all_names());
    }
}

#[test]
fn force_does_not_write_through_a_link() {
    let directory = scratch("through");
    fs::write(directory.join("precious"), "precious").unwrap();
    symlink("precious", directory.join("sockstat")).unwrap();
    assert_quiet(&install(&["--force", directory.to_str().unwrap(), "sockstat"]));
    assert_eq!(fs::read_to_string(directory.join("precious")).unwrap(), "precious");
    assert!(is_ours(&directory.join("sockstat")));
}

#[test]
fn a_directory_is_never_replaced() {
    for force in [&[][..], &["--force"]] {
        let directory = scratch("directory");
        let place = directory.join("sockstat");
        fs::create_dir(&place).unwrap();
        fs::write(place.join("precious"), "").unwrap();
        assert_said(&install(&[force, &[directory.to_str().unwrap()]].concat()), &place);
        assert_eq!(names_in(&place), ["precious"]);
        assert_eq!(
            names_in(&directory),
            support::all_names(),
            "the others are made, and nothing else"
        );
        assert!(is_ours(&directory.join("tcpstates")));
    }
}

#[test]
fn an_empty_directory_is_not_replaced_either() {
    let directory = scratch("empty_directory");
    let place = directory.join("sockstat");
    fs::create_dir(&place).unwrap();
    assert_said(&install(&["--force", directory.to_str().unwrap(), "sockstat"]), &place);
    assert!(fs::symlink_metadata(&place).unwrap().is_dir());
    assert_eq!(names_in(&directory), ["sockstat"]);
}

#[test]
fn a_directory_that_is_not_there_is_not_made() {
    let missing = scratch("missing").join("no/such");
    for force in [&[][..], &["--force"]] {
        assert_said(&install(&[force, &[missing.to_str().unwrap()]].concat()), &missing);
        assert!(!missing.exists());
    }
}

#[test]
fn a_file_in_the_place_of_the_directory() {
    let file = scratch("no_directory").join("file");
    fs::write(&file, "precious").unwrap();
    let output = install(&["--force", file.to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains(file.to_str().unwrap()), "{said}");
    assert_eq!(fs::read_to_string(&file).unwrap(), "precious");
}

#[test]
fn wrong_operands_are_usage_errors() {
    let directory = scratch("operands");
    let path = directory.to_str().unwrap();
    for operands in [&[][..], &["--force"], &["--frce", path], &[path, "--frce"], &["-f", path]] {
        let output = install(operands);
        assert_eq!(output.status.code(), Some(2), "{operands:?} {output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("connbox: "));
    }
    assert_eq!(names_in(&directory).len(), 0);
}

#[test]
fn links_through_a_linked_directory_find_home() {
    let directory = scratch("linked");
    fs::create_dir_all(directory.join("a/b/c")).unwrap();
    symlink("a/b/c", directory.join("short")).unwrap();
    assert_quiet(&install(&[directory.join("short").to_str().unwrap()]));
    assert!(is_ours(&directory.join("a/b/c/conncount")));
    assert!(is_ours(&directory.join("short/conncount")));
}

#[test]
fn a_tree_may_be_moved_with_its_links() {
    if !support::needs("a_tree_may_be_moved_with_its_links", &["cp"]) {
        return;
    }
    let directory = scratch("moved");
    for folder in ["old/lib", "old/bin"] {
        fs::create_dir_all(directory.join(folder)).unwrap();
    }
    let binary = directory.join("old/lib/connbox");
    copy_program(&binary);
    let mut command = Command::new(&binary);
    command.current_dir(&directory).args(["--install", "old/bin"]);
    assert_quiet(&command.output().unwrap());
    assert_eq!(
        fs::read_link(directory.join("old/bin/sockstat")).unwrap(),
        Path::new("../lib/connbox")
    );
    fs::rename(directory.join("old"), directory.join("new")).unwrap();
    let mut moved = Command::new(directory.join("new/bin/closedcalc"));
    let output = moved.args(["-v", "tw", "--root", &root()]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "12\n");
}

#[test]
fn links_beside_the_binary_and_by_a_link_of_it() {
    if !support::needs("links_beside_the_binary_and_by_a_link_of_it", &["cp"]) {
        return;
    }
    let directory = scratch("beside");
    copy_program(&directory.join("connbox"));
    // Called through one of its own links, in the current directory.
    symlink("connbox", directory.join("connbox-link")).unwrap();
    let mut command = Command::new(directory.join("connbox-link"));
    assert_quiet(&command.current_dir(&directory).args(["--install", "."]).output().unwrap());
    assert_eq!(fs::read_link(directory.join("sockstat")).unwrap(), Path::new("connbox"));
}

#[test]
fn the_binary_itself_is_not_replaced_by_a_link_to_itself() {
    if !support::needs("the_binary_itself_is_not_replaced_by_a_link_to_itself", &["bash", "cp"]) {
        return;
    }
    let directory = scratch("itself");
    let binary = directory.join("conncount");
    copy_program(&binary);
    let mut command = Command::new("bash");
    let line = "exec -a connbox ./conncount --install --force .";
    assert_quiet(&command.current_dir(&directory).args(["-c", line]).output().unwrap());
    assert!(fs::symlink_metadata(&binary).unwrap().is_file());
    assert_eq!(names_in(&directory), support::all_names());
}
