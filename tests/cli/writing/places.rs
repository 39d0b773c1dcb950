//! Places that `--output` cannot write, or must not replace.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;
use std::process::{Command, Output};

use super::output::{OLD, root};
use crate::support;
use crate::support::scratch::{names_in, scratch};

/// Runs `closedcalc -v tw --output FILE`, which writes `12`.
fn write(file: &Path) -> Output {
    let mut command = support::command("closedcalc");
    command.args(["-v", "tw", "--root", &root(), "--output"]).arg(file).output().unwrap()
}

/// The run must end with status 1 and one message that names the applet and the file.
fn assert_failed(output: &Output, file: &Path) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(output.stdout.is_empty());
    assert!(said.starts_with(&format!("closedcalc: {}: ", file.display())), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[test]
fn a_directory_that_is_not_there() {
    let directory = scratch("missing");
    for name in ["no/file", "no/", "file/"] {
        assert_failed(&write(&directory.join(name)), &directory.join(name));
    }
    assert_eq!(names_in(&directory).len(), 0);
}

#[test]
fn a_directory_in_the_place_of_the_file() {
    let directory = scratch("directory");
    fs::create_dir(directory.join("file")).unwrap();
    assert_failed(&write(&directory.join("file")), &directory.join("file"));
    assert_failed(&write(Path::new("/")), Path::new("/"));
    assert_eq!(names_in(&directory), ["file"]);
    assert_eq!(names_in(&directory.join("file")).len(), 0);
}

#[test]
fn a_directory_that_may_not_be_written() {
    let directory = scratch("read_only");
    let file = directory.join("file");
    fs::write(&file, OLD).unwrap();
    // Root can write anywhere, unless it drops that capability.
    let line = format!(
        "humbly() {{ [ $(id -u) = 0 ] || exec \"$@\"; exec setpriv --bounding-set -dac_override \
         --inh-caps -dac_override \"$@\"; }}; \
         chmod 555 {0}; (humbly closedcalc -v tw --root {1} --output {0}/file); \
         status=$?; chmod 755 {0}; exit $status",
        directory.display(),
        root(),
    );
    if !support::needs("a_directory_that_may_not_be_written", &["setpriv"]) {
        return;
    }
    let output = support::command("bash").args(["-c", &line]).output().unwrap();
    assert_failed(&output, &file);
    assert!(String::from_utf8_lossy(&output.stderr).contains("Permission denied"));
    assert_eq!(fs::read_to_string(&file).unwrap(), OLD);
    assert_eq!(names_in(&directory), ["file"]);
}

#[test]
fn an_empty_name_is_a_usage_error() {
    let output = support::run(&["closedcalc", "--output", ""]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("closedcalc: --output: "));
}

#[test]
fn a_file_of_the_current_directory() {
    let directory = scratch("current");
    for name in ["file", "-", "a b", "ä\"$"] {
        let mut command = support::command("closedcalc");
        command.current_dir(&directory).args(["-v", "tw", "--root", &root()]);
        let output = command.arg(format!("--output={name}")).output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty(), "{output:?}");
        assert_eq!(fs::read_to_string(directory.join(name)).unwrap(), "12\n", "{name}");
    }
    assert_eq!(names_in(&directory), ["-", "a b", "file", "ä\"$"]);
}

#[test]
fn a_link_stays_and_its_target_is_replaced() {
    let directory = scratch("link");
    fs::create_dir(directory.join("far")).unwrap();
    fs::write(directory.join("far/target"), OLD).unwrap();
    symlink("far/target", directory.join("near")).unwrap();
    symlink("near", directory.join("link")).unwrap();
    assert!(write(&directory.join("link")).status.success());
    assert_eq!(fs::read_link(directory.join("link")).unwrap(), Path::new("near"));
    assert_eq!(fs::read_link(directory.join("near")).unwrap(), Path::new("far/target"));
    assert!(fs::symlink_metadata(directory.join("far/target")).unwrap().is_file());
    assert_eq!(fs::read_to_string(directory.join("far/target")).unwrap(), "12\n");
    assert_eq!(names_in(&directory.join("far")), ["target"]);
}

#[test]
fn a_link_to_a_file_that_is_to_come_stays_too() {
    // Like `> link`: the first run creates the target, later ones replace it.
    let directory = scratch("dangling");
    fs::create_dir(directory.join("far")).unwrap();
    symlink("far/target", directory.join("link")).unwrap();
    assert!(write(&directory.join("link")).status.success());
    assert!(fs::symlink_metadata(directory.join("link")).unwrap().is_symlink(), "replaced");
    assert_eq!(fs::read_to_string(directory.join("far/target")).unwrap(), "12\n");
}

#[test]
fn a_link_that_goes_round_is_an_error() {
    let directory = scratch("loop");
    symlink("link", directory.join("link")).unwrap();
    assert_failed(&write(&directory.join("link")), &directory.join("link"));
    assert_eq!(fs::read_link(directory.join("link")).unwrap(), Path::new("link"));
}

#[test]
fn a_hard_link_keeps_the_old_text_under_its_other_name() {
    let directory = scratch("hard_link");
    fs::write(directory.join("file"), OLD).unwrap();
    fs::hard_link(directory.join("file"), directory.join("other")).unwrap();
    assert!(write(&directory.join("file")).status.success());
    assert_eq!(fs::read_to_string(directory.join("other")).unwrap(), OLD);
}

#[test]
fn the_rights_of_a_new_file_follow_the_umask() {
    if !support::needs("the_rights_of_a_new_file_follow_the_umask", &["bash"]) {
        return;
    }
    let directory = scratch("umask");
    for (umask, mode) in [("022", 0o644), ("027", 0o640), ("077", 0o600)] {
        let file = directory.join(umask);
        let line =
            format!("umask {umask}; closedcalc --root {} --output {}", root(), file.display());
        support::shell(&line);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, mode, "{umask}");
    }
}

#[test]
fn a_pipe_is_written_and_not_replaced() {
    if !support::needs("a_pipe_is_written_and_not_replaced", &["mkfifo"]) {
        return;
    }
    let fifo = scratch("fifo").join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let inode = fs::metadata(&fifo).unwrap().ino();
    let reader = {
        let fifo = fifo.clone();
        std::thread::spawn(move || fs::read_to_string(fifo).unwrap())
    };
    let output = write(&fifo);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(reader.join().unwrap(), "12\n");
    let after = fs::symlink_metadata(&fifo).unwrap();
    assert!(after.file_type().is_fifo() && after.ino() == inode);
    assert_eq!(names_in(fifo.parent().unwrap()), ["fifo"]);
}

#[test]
fn a_device_is_written_and_not_replaced() {
    let test = "a_device_is_written_and_not_replaced";
    if !support::needs(test, &["mknod"]) {
        return;
    }
    let directory = scratch("device");
    // Our own nodes like /dev/null and /dev/full: a failure must not destroy the machine's.
    for (name, minor, works) in [("null", "3", true), ("full", "7", false)] {
        let node = directory.join(name);
        let made = Command::new("mknod").arg(&node).args(["c", "1", minor]).output().unwrap();
        if !made.status.success() || fs::OpenOptions::new().write(true).open(&node).is_err() {
            return support::lacks(test, "device nodes", "they cannot be made or used here");
        }
        let inode = fs::metadata(&node).unwrap().ino();
        let output = write(&node);
        if works {
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        } else {
            assert_failed(&output, &node);
            assert!(String::from_utf8_lossy(&output.stderr).contains("No space left on device"));
        }
        let after = fs::symlink_metadata(&node).unwrap();
        assert!(after.file_type().is_char_device() && after.ino() == inode, "{name}");
    }
    assert_eq!(names_in(&directory), ["full", "null"]);
}

/// In its own mount namespace: a file system of a few pages, an old file, and no space left.
const FULL_DISK: &str = "
    mount -t tmpfs -o size=64k,mode=755 tmpfs \"$1\" || exit 99
    echo the old file > \"$1/file\"
    cat /dev/zero > \"$1/filler\" 2> /dev/null
    snmpget-tcp --all --root \"$2\" --output \"$1/file\"
    echo \"status $?\"
    cat \"$1/file\"
    ls -A \"$1\"";

#[test]
fn a_full_disk_leaves_the_old_file() {
    let test = "a_full_disk_leaves_the_old_file";
    let directory = scratch("full_disk");
    if !support::needs(test, &["unshare", "mount"]) {
        return;
    }
    // Root needs no user namespace, which some machines forbid; other users need one.
    let run = |options: &[&str]| {
        let mut command = support::command("unshare");
        command.args(options).args(["--mount", "sh", "-c", FULL_DISK, "sh"]);
        command.arg(&directory).arg(root()).output().unwrap()
    };
    let outputs = [run(&[]), run(&["--user", "--map-root-user"])];
    let Some(output) = outputs.into_iter().find(|output| output.status.success()) else {
        return support::lacks(test, "mount namespaces", "no file system can be mounted");
    };
    let said = String::from_utf8_lossy(&output.stderr);
    let printed = String::from_utf8_lossy(&output.stdout);
    assert_eq!(printed, format!("status 1\n{OLD}file\nfiller\n"));
    let file = directory.join("file");
    assert_eq!(said, format!("snmpget-tcp: {}: No space left on device\n", file.display()));
}
