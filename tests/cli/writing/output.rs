//! `--output FILE`: completely or not at all.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::support;
use crate::support::scratch::{names_in, scratch};

/// The content of the old file in these tests.
pub const OLD: &str = "the old file\n";

/// The saved kernel.
pub fn root() -> String {
    support::world("own-lab-6.18").to_str().unwrap().to_owned()
}

#[test]
fn the_file_holds_what_standard_output_would() {
    let directory = scratch("same");
    let (file, root) = (directory.join("file"), root());
    for applet in support::tables() {
        for format in ["--tsv", "--shell", "--json", "--prom", "-v", "-H"] {
            let words = [applet.as_str(), "--root", &root, format];
            let wanted = support::stdout_of(&words);
            let printed =
                support::stdout_of(&[&words[..], &["--output", file.to_str().unwrap()]].concat());
            assert_eq!(printed, "", "{words:?}");
            assert_eq!(fs::read_to_string(&file).unwrap(), wanted, "{words:?}");
        }
    }
    assert_eq!(names_in(&directory), ["file"]);
}

#[test]
fn a_new_file_is_for_those_who_could_read_the_old_one() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let directory = scratch("mode");
    let (file, root) = (directory.join("file"), root());
    for mode in [0o600, 0o644, 0o664, 0o440] {
        fs::write(directory.join("old"), OLD).unwrap();
        fs::set_permissions(directory.join("old"), fs::Permissions::from_mode(mode)).unwrap();
        fs::rename(directory.join("old"), &file).unwrap();
        support::stdout_of(&["closedcalc", "--root", &root, "--output", file.to_str().unwrap()]);
        assert_ne!(fs::read_to_string(&file).unwrap(), OLD);
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, mode, "{mode:o}");
    }
}

#[test]
fn standard_output_by_its_name_is_not_replaced() {
    if !support::needs("standard_output_by_its_name_is_not_replaced", &["bash"]) {
        return;
    }
    let file = scratch("dev_stdout").join("log");
    for (name, number) in [("/dev/stdout", 1), ("/dev/fd/1", 1), ("/proc/self/fd/2", 2)] {
        fs::write(&file, OLD).unwrap();
        let line = format!(
            "closedcalc -v tw --root {} --output {name} {number}>> {}",
            root(),
            file.display()
        );
        support::shell(&line);
        assert_eq!(fs::read_to_string(&file).unwrap(), format!("{OLD}12\n"), "{name}");
    }
}

#[test]
fn a_stream_is_one_file_at_its_end() {
    let file = scratch("stream").join("file");
    let arguments = ["closedcalc", "tw", "--interval", "0.001", "--count", "5", "--root", &root()];
    support::stdout_of(&[&arguments[..], &["--output", file.to_str().unwrap()]].concat());
    let text = fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 5, "{text}");
    assert!(text.lines().all(|line| line.ends_with("Z\ttw\t12")), "{text}");
}

#[test]
fn an_endless_stream_would_never_be_whole() {
    let directory = scratch("endless");
    let file = directory.join("file");
    let output =
        support::run(&["conncount", "--interval", "1", "--output", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).starts_with("conncount: --output: "));
    assert_eq!(names_in(&directory).len(), 0);
}

#[test]
fn an_error_leaves_the_old_file() {
    let directory = scratch("error");
    let file = directory.join("file");
    fs::write(&file, OLD).unwrap();
    fs::write(directory.join("saved"), "TCP: inuse 1\nnonsense\n").unwrap();
    let saved = directory.join("saved");
    for words in [
        ["sockstat", "--from", saved.to_str().unwrap()],
        ["closedcalc", "--from", saved.to_str().unwrap()],
        ["conncount", "--root", "/nonexistent"],
        ["snmpget-tcp", "--root", "/nonexistent"],
        ["tcpstates", "--root", "/nonexistent"],
        ["tcpstates", "NOSTATE", "--json"],
    ] {
        let output = support::run(&[&words[..], &["--output", file.to_str().unwrap()]].concat());
        assert!(matches!(output.status.code(), Some(1 | 2)), "{words:?}");
        assert_eq!(fs::read_to_string(&file).unwrap(), OLD, "{words:?}");
    }
    assert_eq!(names_in(&directory), ["file", "saved"]);
}

#[test]
fn a_reader_never_sees_a_part() {
    let directory = scratch("atomic");
    let (file, root) = (directory.join("file"), root());
    // Alternately long and short, so that a file written in place would show a mixture.
    let long = support::stdout_of(&["snmpget-tcp", "--all", "--explain", "--root", &root]);
    let short = support::stdout_of(&["closedcalc", "--root", &root]);
    fs::write(&file, &short).unwrap();
    let is_done = AtomicBool::new(false);
    let seen = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = 0;
            while !is_done.load(Ordering::Relaxed) {
                let text = fs::read_to_string(&file).expect("the file is always there");
                assert!(text == long || text == short, "incomplete: {text}");
                seen += 1;
            }
            seen
        });
        let path = file.to_str().unwrap();
        for _ in 0..40 {
            support::stdout_of(&[
                "snmpget-tcp",
                "--all",
                "--explain",
                "--root",
                &root,
                "--output",
                path,
            ]);
            support::stdout_of(&["closedcalc", "--root", &root, "--output", path]);
        }
        is_done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(seen > 0);
    assert_eq!(names_in(&directory), ["file"]);
}

/// Starts a run that writes `file` for a long time: more than any buffer holds, without ever reaching the end.
pub fn start_long_run(file: &Path) -> Child {
    let mut command = support::command("snmpget-tcp");
    command.args(["--all", "--explain", "--interval", "0.001", "--count", "1000000", "--root"]);
    command.arg(root()).arg("--output").arg(file).stdout(Stdio::null()).spawn().unwrap()
}

/// Waits until `child` has written to a file without a name, which /proc shows as deleted, and gives its properties.
pub fn wait_for_unnamed(child: &Child) -> fs::Metadata {
    let start = Instant::now();
    let files = format!("/proc/{}/fd", child.id());
    while start.elapsed() < Duration::from_secs(60) {
        for file in fs::read_dir(&files).unwrap().flatten() {
            let target = fs::read_link(file.path()).unwrap_or_default();
            if target.to_string_lossy().ends_with(" (deleted)")
                && let Ok(found) = fs::metadata(file.path())
                && found.is_file()
                && found.len() > 0
            {
                return found;
            }
        }
        thread::sleep(Duration::from_millis(2));
    }
    panic!("no file without a name in {files}");
}

#[test]
fn a_killed_run_leaves_the_old_file_and_no_other() {
    let directory = scratch("killed");
    let file = directory.join("file");
    for old in [None, Some(OLD)] {
        if let Some(old) = old {
            fs::write(&file, old).unwrap();
        }
        let before = names_in(&directory);
        let mut child = start_long_run(&file);
        wait_for_unnamed(&child);
        assert_eq!(names_in(&directory), before, "the new file has a name before it is complete");
        // SIGKILL leaves no chance to clean up.
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(names_in(&directory), before);
        assert_eq!(fs::read_to_string(&file).ok().as_deref(), old);
    }
}

#[test]
fn two_runs_at_once_leave_one_whole_file() {
    let directory = scratch("two");
    let (file, root) = (directory.join("file"), root());
    let wanted = support::stdout_of(&["snmpget-tcp", "--all", "--root", &root]);
    for _ in 0..10 {
        let children: Vec<_> = (0..4)
            .map(|_| {
                let mut command = support::command("snmpget-tcp");
                command.args(["--all", "--root", &root, "--output"]).arg(&file).spawn().unwrap()
            })
            .collect();
        for mut child in children {
            assert!(child.wait().unwrap().success());
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), wanted);
    }
    assert_eq!(names_in(&directory), ["file"]);
}
