//! `connbox --install` and `--uninstall`: links with the applets' names.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use super::calls::{copy_program, root};
use crate::support::scratch::{names_in, scratch};
use crate::support::{self, CONNBOX};

/// A run of `program` with a search path that has no other programs.
fn alone(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", support::bin_dir());
    command
}

/// Runs `connbox --install` with these operands, one of which is the directory.
fn install(operands: &[&str]) -> Output {
    alone(CONNBOX.as_ref()).arg("--install").args(operands).output().unwrap()
}

fn uninstall(operands: &[&str]) -> Output {
    alone(CONNBOX.as_ref()).arg("--uninstall").args(operands).output().unwrap()
}

/// The run must succeed without a trouble, and report one line per link; returns these lines.
fn assert_quiet(output: &Output) -> Vec<String> {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect()
}

/// The run must end with status 1 and one line that names `path`.
fn assert_said(output: &Output, path: &Path) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("connbox: ") && said.contains(path.to_str().unwrap()), "{said}");
}

/// Whether `link` is a working relative link to the program.
fn is_ours(link: &Path) -> bool {
    let Ok(target) = fs::read_link(link) else { return false };
    let leads_home = fs::canonicalize(link).unwrap() == fs::canonicalize(CONNBOX).unwrap();
    let works = Command::new(link).arg("--help").output().unwrap().stdout.starts_with(b"usage: ");
    target.is_relative() && leads_home && works
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

/// The line about each of these links.
fn each(verb: &str, directory: &Path, names: Vec<String>) -> Vec<String> {
    let directory = fs::canonicalize(directory).unwrap();
    names.iter().map(|name| format!("{verb}{}", directory.join(name).display())).collect()
}

#[test]
fn a_relative_link_for_each_applet() {
    let directory = scratch("all");
    let lines = assert_quiet(&install(&[directory.to_str().unwrap()]));
    assert_eq!(names_in(&directory), support::all_names());
    assert_eq!(sorted(lines), each("linked ", &directory, support::all_names()));
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
    let lines = assert_quiet(&install(&operands));
    assert_eq!(sorted(lines), each("linked already: ", &directory, support::all_names()));
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

/// Puts something that is not ours in place of a link.
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
        // The others are still made.
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
            "the others are made, and nothing else is"
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
    let mut command = alone(&binary);
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
    let mut command = alone(&directory.join("connbox-link"));
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
    let line = "PATH= exec -a connbox ./conncount --install --force .";
    assert_quiet(&command.current_dir(&directory).args(["-c", line]).output().unwrap());
    assert!(fs::symlink_metadata(&binary).unwrap().is_file());
    assert_eq!(names_in(&directory), support::all_names());
}

/// Puts a program, or what is none, into a directory of the search path.
fn put_program(place: &Path, mode: u32) {
    fs::write(place, "#!/bin/sh\n").unwrap();
    fs::set_permissions(place, fs::Permissions::from_mode(mode)).unwrap();
}

/// Runs `connbox --install` with these directories as its search path.
fn install_beside(path: &[&Path], operands: &[&str]) -> Output {
    let path = std::env::join_paths(path).unwrap();
    alone(CONNBOX.as_ref()).env("PATH", path).arg("--install").args(operands).output().unwrap()
}

#[test]
fn the_name_of_another_program_is_skipped_unless_it_is_given() {
    let directory = scratch("other_program");
    let [bin, others, empty] = ["bin", "others", "empty"].map(|name| directory.join(name));
    [&bin, &others, &empty].iter().for_each(|folder| fs::create_dir(folder).unwrap());
    put_program(&others.join("conntrack"), 0o755);
    put_program(&others.join("sockstat"), 0o755);
    let path = [&*empty, &directory.join("missing"), &others];
    let skipped = ["conntrack", "sockstat"].map(|name| {
        let (other, bin) = (others.join(name), bin.display());
        let cure = format!("to link it: connbox --install {bin} {name}");
        format!("skipped {name}: {} has this name; {cure}", other.display())
    });
    let operand = bin.to_str().unwrap();
    for force in [&[][..], &["--force"]] {
        let lines = assert_quiet(&install_beside(&path, &[force, &[operand]].concat()));
        assert_eq!(lines.len(), support::all_names().len());
        assert!(skipped.iter().all(|line| lines.contains(line)), "{lines:?}");
        let names = support::all_names().into_iter();
        let others: Vec<_> = names.filter(|n| n != "conntrack" && n != "sockstat").collect();
        assert_eq!(names_in(&bin), others);
    }
    let lines = assert_quiet(&install_beside(&path, &[operand, "conntrack"]));
    assert_eq!(lines, [format!("linked {operand}/conntrack")]);
    // What was linked by name stays, and is not called skipped.
    let lines = assert_quiet(&install_beside(&path, &[operand]));
    assert!(lines.contains(&format!("linked already: {operand}/conntrack")), "{lines:?}");
    assert!(lines.contains(&skipped[1]) && is_ours(&bin.join("conntrack")), "{lines:?}");
}

#[test]
fn what_is_not_another_program_does_not_make_it_skip() {
    let directory = scratch("no_other_program");
    let [bin, others] = ["bin", "others"].map(|name| directory.join(name));
    [&bin, &others].iter().for_each(|folder| fs::create_dir(folder).unwrap());
    // A file that cannot be run, a directory, a dangling link, this program, and another version of it.
    put_program(&others.join("conntrack"), 0o644);
    fs::create_dir(others.join("conntrackd")).unwrap();
    symlink("nowhere", others.join("sockstat")).unwrap();
    symlink(CONNBOX, others.join("tcptrack")).unwrap();
    put_program(&others.join("connbox-0.1"), 0o755);
    symlink("connbox-0.1", others.join("conncount")).unwrap();
    assert_quiet(&install_beside(&[&others], &[bin.to_str().unwrap()]));
    assert_eq!(names_in(&bin), support::all_names());
}

#[test]
fn another_program_in_the_directory_itself_stays() {
    let bin = scratch("beside_another");
    put_program(&bin.join("conntrack"), 0o755);
    let operand = bin.to_str().unwrap();
    for force in [&[][..], &["--force"]] {
        assert_quiet(&install_beside(&[&bin], &[force, &[operand]].concat()));
        assert_eq!(fs::read(bin.join("conntrack")).unwrap(), b"#!/bin/sh\n");
    }
    assert_said(&install_beside(&[&bin], &[operand, "conntrack"]), &bin.join("conntrack"));
    assert_quiet(&install_beside(&[&bin], &["--force", operand, "conntrack"]));
    assert!(is_ours(&bin.join("conntrack")));
}

#[test]
fn the_report_obeys_no_terminal() {
    let directory = scratch("a\nb\x1b[31m");
    let lines = assert_quiet(&install(&[directory.to_str().unwrap(), "conncount"]));
    assert!(lines.len() == 1 && lines[0].ends_with("a\\x0ab\\x1b[31m/conncount"), "{lines:?}");
}

#[test]
fn uninstall_removes_what_leads_here_and_nothing_else() {
    let directory = scratch("uninstall");
    let operand = directory.to_str().unwrap();
    assert_quiet(&install(&[operand]));
    // What is not ours: a program, a link to one, a dangling link, a directory; and a link of another name.
    for name in ["conntrack", "conntrackd", "sockstat", "tcptrack"] {
        fs::remove_file(directory.join(name)).unwrap();
    }
    put_program(&directory.join("conntrack"), 0o755);
    symlink("conntrack", directory.join("conntrackd")).unwrap();
    symlink("nowhere", directory.join("sockstat")).unwrap();
    fs::create_dir(directory.join("tcptrack")).unwrap();
    symlink(CONNBOX, directory.join("connbox")).unwrap();
    // A link to a link, which goes with it.
    fs::remove_file(directory.join("tcpstates")).unwrap();
    symlink("conncount", directory.join("tcpstates")).unwrap();
    let lines = assert_quiet(&uninstall(&[operand]));
    let stay = ["connbox", "conntrack", "conntrackd", "sockstat", "tcptrack"];
    assert_eq!(names_in(&directory), stay);
    let here = fs::canonicalize(&directory).unwrap();
    let (kept, gone): (Vec<_>, Vec<_>) = lines.into_iter().partition(|l| l.starts_with("kept "));
    let names = support::all_names().into_iter();
    let names = names.filter(|name| !stay.contains(&name.as_str())).collect();
    assert_eq!(sorted(gone), each("removed ", &here, names));
    let why = format!(": not a link to {}", fs::canonicalize(CONNBOX).unwrap().display());
    let wanted = each("kept ", &here, stay[1..].iter().map(|&name| name.to_owned()).collect());
    assert_eq!(sorted(kept), wanted.iter().map(|line| line.to_owned() + &why).collect::<Vec<_>>());
}

#[test]
fn uninstall_takes_names_and_says_that_there_is_nothing() {
    let directory = scratch("uninstall_named");
    let operand = directory.to_str().unwrap();
    assert_quiet(&install(&[operand, "conncount", "tcpstates"]));
    let lines = assert_quiet(&uninstall(&[operand, "conncount", "conncount"]));
    assert_eq!(names_in(&directory), ["tcpstates"]);
    assert!(lines.contains(&format!("removed {operand}/conncount")), "{lines:?}");
    // Other links of ours are there.
    for named in [&["conncount"][..], &["conncount", "sockstat"]] {
        let lines = assert_quiet(&uninstall(&[&[operand], named].concat()));
        assert_eq!(lines.len(), named.len());
        for (line, name) in lines.iter().zip(named) {
            assert!(line.starts_with(&format!("{operand}/{name}: no link to /")), "{lines:?}");
        }
    }
    for wrong in [&["--force", operand][..], &[operand, "--force"]] {
        assert_eq!(uninstall(wrong).status.code(), Some(2));
    }
    assert_said(&uninstall(&["/no/such"]), Path::new("/no/such"));
    assert_eq!(names_in(&directory), ["tcpstates"]);
    let lines = assert_quiet(&uninstall(&[operand, "conncount", "tcpstates"]));
    assert!(
        lines.contains(&format!("removed {operand}/tcpstates")) && lines.len() == 2,
        "{lines:?}"
    );
    let lines = assert_quiet(&uninstall(&[operand]));
    assert!(lines.len() == 1 && lines[0].contains(" has no links to /"), "{lines:?}");
}

#[test]
fn a_report_that_cannot_be_written_is_a_failure() {
    let directory = scratch("full");
    let mut command = alone(CONNBOX.as_ref());
    command.args(["--install", directory.to_str().unwrap()]);
    let full = fs::File::options().write(true).open("/dev/full").unwrap();
    assert_eq!(command.stdout(full).status().unwrap().code(), Some(1));
    assert_eq!(names_in(&directory), support::all_names());
}
