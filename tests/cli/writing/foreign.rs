//! What another user has put into a directory that others may write: links, pipes and files where the name of
//! the output should be.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use super::output::{OLD, root};
use crate::support::scratch::{names_in, scratch};
use crate::support::{self, CONNBOX};

/// The other user, and one more.
const OTHER: u32 = 65_533;
const THIRD: u32 = 65_532;
/// The message about a link.
const LINK: &str = "leads through another user's link in a directory that others may write; \
                    name the file itself\n";
/// The message about a pipe.
const FILE: &str =
    "belongs to another user in a directory that others may write; write elsewhere\n";

/// A directory with a file `secret` that only root may read, and a directory `st` like /tmp. `None` if `test` is skipped.
#[track_caller]
fn place(test: &str) -> Option<PathBuf> {
    if !support::needs(test, &["root"]) {
        return None;
    }
    let directory = scratch(test);
    fs::write(directory.join("secret"), OLD).unwrap();
    set_mode(&directory.join("secret"), 0o600);
    fs::create_dir(directory.join("st")).unwrap();
    set_mode(&directory.join("st"), 0o1777);
    Some(directory)
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn link(target: impl AsRef<Path>, link: &Path, owner: u32) {
    let _ = fs::remove_file(link);
    symlink(target, link).unwrap();
    lchown(link, Some(owner), Some(owner)).unwrap();
}

/// A pipe that `owner` has made.
fn pipe(path: &Path, owner: u32) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    chown(path, Some(owner), Some(owner)).unwrap();
}

fn write(file: &Path) -> Output {
    let mut command = support::command("closedcalc");
    command.args(["-v", "tw", "--root", &root(), "--output"]).arg(file);
    support::within(60, &mut command)
}

fn textfile(file: &Path) -> Output {
    let mut command = support::command(CONNBOX);
    command.env("CONNBOX_ROOT", root()).arg("--textfile").arg(file).arg("closedcalc");
    support::within(60, &mut command)
}

/// Makes or removes links: what these words say.
fn links(words: &[&str], directory: &Path) -> Output {
    let mut command = support::command(CONNBOX);
    support::within(60, command.args(words).arg(directory))
}

/// The run must end with status 1 and this message about `path`.
#[track_caller]
fn assert_refused(output: &Output, path: &Path, message: &str) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    let (_, said) = said.split_once(": ").unwrap();
    assert_eq!(said, format!("{}: {message}", path.display()));
    assert!(output.stdout.is_empty());
}

#[track_caller]
fn assert_done(output: &Output) {
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_link_of_another_user_is_not_followed() {
    let Some(directory) = place("links") else { return };
    let shared = directory.join("st");
    let before = names_in(&directory);
    let (file, metrics) = (shared.join("out.txt"), shared.join("out.prom"));
    let (secret, missing) = (directory.join("secret"), directory.join("missing"));
    // To a file, to none, relative and absolute, and to what is not a regular file.
    for target in ["../secret", "../missing", "../st", "/dev/null", "/proc/self/fd/1"] {
        for target in [Path::new(target), &secret, &missing] {
            link(target, &file, OTHER);
            assert_refused(&write(&file), &file, LINK);
            link(target, &metrics, OTHER);
            let output = textfile(&metrics);
            // What leads to a directory is a usage error already.
            if target != Path::new("../st") {
                assert_refused(&output, &metrics, LINK);
            }
        }
    }
    // In the middle of the path, and after a link of ours.
    link("..", &shared.join("up"), OTHER);
    for path in ["up/secret", "up/missing", "up/st/new", "up/st/../secret"] {
        let path = shared.join(path);
        assert_refused(&write(&path), &path, LINK);
    }
    link("st/out.txt", &directory.join("ours"), 0);
    assert_refused(&write(&directory.join("ours")), &directory.join("ours"), LINK);
    fs::remove_file(directory.join("ours")).unwrap();
    // --install would fill a directory of the other user's choice, and --uninstall empty it.
    let bin = directory.join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(CONNBOX, bin.join("conncount")).unwrap();
    link("../bin", &shared.join("bin"), OTHER);
    for words in [&["--install", "--force"][..], &["--uninstall"]] {
        assert_refused(&links(words, &shared.join("bin")), &shared.join("bin"), LINK);
        assert_eq!(names_in(&bin), ["conncount"]);
    }
    fs::remove_dir_all(bin).unwrap();
    assert_eq!(names_in(&directory), before);
    assert_eq!(fs::read_to_string(&secret).unwrap(), OLD);
    assert_eq!(fs::metadata(&secret).unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn who_may_be_followed_is_what_the_kernel_says() {
    let Some(directory) = place("whose") else { return };
    let shared = directory.join("st");
    let file = shared.join("out");
    for (mode, host, owner, is_followed) in [
        (0o1777, 0, 0, true),
        (0o1777, OTHER, 0, true),
        (0o1777, OTHER, OTHER, true),
        (0o1777, 0, OTHER, false),
        (0o1777, THIRD, OTHER, false),
        // Only members of a group may write there.
        (0o1775, 0, OTHER, false),
        (0o1775, OTHER, OTHER, true),
        // These may be users that this user namespace has no numbers for, and not the same.
        (0o1777, 65_534, 65_534, false),
        // Nobody but the owner may write there, or everybody may replace anything there.
        (0o1755, 0, OTHER, true),
        (0o755, 0, OTHER, true),
        (0o777, 0, OTHER, true),
    ] {
        set_mode(&shared, mode);
        chown(&shared, Some(host), Some(host)).unwrap();
        set_mode(&shared, mode);
        link("../target", &file, owner);
        let output = write(&file);
        if is_followed {
            assert_done(&output);
            assert_eq!(fs::read_to_string(directory.join("target")).unwrap(), "12\n");
            fs::remove_file(directory.join("target")).unwrap();
        } else {
            assert_refused(&output, &file, LINK);
            assert!(!directory.join("target").exists(), "{mode:o} {host} {owner}");
        }
    }
}

#[test]
fn a_path_that_cannot_be_looked_at_is_not_a_new_file() {
    let test = "a_path_that_cannot_be_looked_at_is_not_a_new_file";
    let Some(directory) = place("stat") else { return };
    if !support::needs(test, &["setpriv"]) {
        return;
    }
    let closed = directory.join("closed");
    fs::create_dir(&closed).unwrap();
    fs::write(closed.join("file"), OLD).unwrap();
    set_mode(&closed, 0o700);
    let mut run = support::command("setpriv");
    run.args(["--bounding-set", "-dac_override,-dac_read_search"]);
    run.args(["--inh-caps", "-dac_override,-dac_read_search", "--reuid", "0", "closedcalc"]);
    run.args(["-v", "tw", "--root", &root(), "--output"]).arg(closed.join("file"));
    chown(&closed, Some(OTHER), Some(OTHER)).unwrap();
    let output = support::within(60, &mut run);
    assert_refused(&output, &closed.join("file"), "Permission denied\n");
    // A loop of links, a name that is too long, and a file where a directory should be.
    symlink("loop", directory.join("loop")).unwrap();
    for (name, reason) in [
        ("loop".to_owned(), "Too many levels of symbolic links\n"),
        ("x".repeat(256), "File name too long\n"),
        ("secret/x".to_owned(), "Not a directory\n"),
        ("secret/".to_owned(), "Not a directory\n"),
        ("none/x".to_owned(), "No such file or directory\n"),
        ("none/".to_owned(), "No such file or directory\n"),
    ] {
        assert_refused(&write(&directory.join(&name)), &directory.join(&name), reason);
    }
    assert_eq!(names_in(&closed), ["file"]);
    assert_eq!(fs::read_to_string(closed.join("file")).unwrap(), OLD);
}

#[test]
fn a_pipe_of_another_user_is_not_waited_for() {
    let test = "a_pipe_of_another_user_is_not_waited_for";
    let Some(directory) = place("pipe") else { return };
    if !support::needs(test, &["mkfifo"]) {
        return;
    }
    let shared = directory.join("st");
    let (file, metrics) = (shared.join("fifo"), shared.join("fifo.prom"));
    for path in [&file, &metrics] {
        pipe(path, OTHER);
        let start = Instant::now();
        let output = if *path == file { write(path) } else { textfile(path) };
        assert_refused(&output, path, FILE);
        assert!(start.elapsed() < Duration::from_secs(4), "it waited");
        // Nor is what comes through it given to its reader.
        let mut reader = Command::new("cat").arg(path).spawn().unwrap();
        let output = if *path == file { write(path) } else { textfile(path) };
        assert_refused(&output, path, FILE);
        reader.kill().unwrap();
        reader.wait().unwrap();
    }
    // The directory's owner may do that, and so may we.
    chown(&shared, Some(OTHER), Some(OTHER)).unwrap();
    set_mode(&shared, 0o1777);
    for owner in [0, OTHER] {
        pipe(&file, owner);
        let reader = Command::new("cat").arg(&file).stdout(std::process::Stdio::piped()).spawn();
        assert_done(&write(&file));
        assert_eq!(reader.unwrap().wait_with_output().unwrap().stdout, b"12\n", "{owner}");
    }
}

#[test]
fn a_pipe_that_nobody_reads_is_an_error() {
    if !support::needs("a_pipe_that_nobody_reads_is_an_error", &["mkfifo"]) {
        return;
    }
    let directory = scratch("no_reader");
    let fifo = directory.join("fifo");
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    assert_refused(&write(&fifo), &fifo, "no process reads this pipe\n");
    assert_eq!(names_in(&directory), ["fifo"]);
}

#[test]
fn a_file_of_another_user_is_replaced_and_not_handed_over() {
    let Some(directory) = place("handed_over") else { return };
    let file = directory.join("st/out");
    // The mode of the old file, the umask, and the mode of the new file.
    for (mode, umask, wanted) in [
        (0o666, "022", 0o644),
        (0o666, "077", 0o600),
        (0o666, "000", 0o666),
        (0o600, "000", 0o600),
        (0o444, "022", 0o444),
        (0o4777, "022", 0o755),
    ] {
        let _ = fs::remove_file(&file);
        fs::write(&file, OLD).unwrap();
        chown(&file, Some(OTHER), Some(OTHER)).unwrap();
        set_mode(&file, mode);
        let held = fs::File::open(&file).unwrap();
        let line = format!("umask {umask}; exec closedcalc -v tw --root {} --output", root());
        let mut command = support::command("sh");
        command.args(["-c", &format!("{line} {}", file.display())]);
        assert_done(&support::within(60, &mut command));
        let now = fs::symlink_metadata(&file).unwrap();
        assert_eq!((now.uid(), now.gid()), (0, 0));
        assert_eq!(now.mode() & 0o7777, wanted, "{mode:o} {umask}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "12\n");
        // The other user's own file is as it was.
        assert_eq!(held.metadata().unwrap().len(), OLD.len() as u64);
    }
    assert_eq!(names_in(&directory.join("st")), ["out"]);
}

/// It may lead to connbox today.
#[test]
fn a_link_of_another_user_is_not_taken_for_installed() {
    let Some(directory) = place("a_link_of_another_user_is_not_taken_for_installed") else {
        return;
    };
    let (shared, name) = (directory.join("st"), directory.join("st/conncount"));
    let run = |words: &[&str]| {
        let mut command = support::command(CONNBOX);
        let output = support::within(60, command.args(words).arg(&shared).arg("conncount"));
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    };
    link(CONNBOX, &name, OTHER);
    let (status, said) = run(&["--install"]);
    assert!(status == Some(1) && said.contains("is not a link to connbox"), "{said}");
    let (_, said) = run(&["--uninstall"]);
    assert!(said.starts_with("kept ") && said.contains(": not a link to "), "{said}");
    assert_eq!(fs::symlink_metadata(&name).unwrap().uid(), OTHER);
    assert_eq!(run(&["--install", "--force"]), (Some(0), format!("linked {}\n", name.display())));
    assert_eq!(fs::symlink_metadata(&name).unwrap().uid(), 0);
    // What is ours is there.
    assert_eq!(run(&["--install"]).0, Some(0));
    // Whoever owns the directory may link what he wants.
    link(CONNBOX, &name, OTHER);
    chown(&shared, Some(OTHER), Some(OTHER)).unwrap();
    assert!(run(&["--install"]).1.starts_with("linked already: "));
}
