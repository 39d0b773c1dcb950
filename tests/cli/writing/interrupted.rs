//! Runs that a signal or a limit ends: they leave the old file, and nothing else.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use super::output::{OLD, root};
use crate::support;
use crate::support::scratch::{names_in, scratch};

#[test]
fn a_signal_at_any_moment_leaves_no_temporary_file() {
    let directory = scratch("signals");
    let (file, root) = (directory.join("file"), root());
    let words = ["closedcalc", "tw", "--interval", "0.001", "--count", "5", "--root", &root];
    let whole = |text: &str| text == OLD || text.lines().count() == 5;
    let mut ended = [0, 0];
    for run in 0..200 {
        // With and without a file to replace.
        if run % 4 == 0 {
            let _ = fs::remove_file(&file);
        } else if run % 4 == 1 {
            fs::write(&file, OLD).unwrap();
        }
        let mut command = support::command(support::CONNBOX);
        command.args(words).arg("--output").arg(&file);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        // The steps are no fraction of the time that a run takes.
        thread::sleep(Duration::from_micros(run * 1237 % 20_000));
        let signal = if run % 2 == 0 { Signal::TERM } else { Signal::INT };
        kill_process(Pid::from_child(&child), signal).unwrap();
        let status = child.wait().unwrap();
        ended[usize::from(status.success())] += 1;
        assert!(status.success() || status.signal().is_some(), "{status}");
        let names = names_in(&directory);
        assert!(names.iter().all(|name| name == "file"), "{names:?}");
        if let Ok(text) = fs::read_to_string(&file) {
            assert!(whole(&text), "{text}");
        }
    }
    assert!(ended[0] > 0, "no run was interrupted");
}

/// Runs `line` in a shell with the applets, under a limit on the size of files: status and standard error.
fn limited(line: &str) -> (Option<i32>, String) {
    // One block, of 512 or 1,024 bytes.
    let line = format!("ulimit -f 1; {line}");
    let mut command = support::command("sh");
    let output = support::within(60, command.env("CONNBOX_ROOT", root()).args(["-c", &line]));
    assert!(output.stdout.is_empty());
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_limit_on_the_size_of_files_is_an_error() {
    let directory = scratch("limit");
    let file = |name: &str| {
        fs::write(directory.join(name), OLD).unwrap();
        directory.join(name).display().to_string()
    };
    let (plain, metrics, redirected) = (file("file"), file("file.prom"), file("stdout"));
    let said = limited(&format!("exec snmpget-tcp --all --explain --output {plain}"));
    assert_eq!(said, (Some(1), format!("snmpget-tcp: {plain}: File too large\n")));
    let said = limited(&format!("exec connbox --textfile {metrics} snmpget-tcp --all"));
    assert_eq!(said, (Some(1), format!("connbox: {metrics}: File too large\n")));
    let said = limited(&format!("exec snmpget-tcp --all --explain > {redirected}"));
    assert_eq!(said, (Some(1), "snmpget-tcp: standard output: File too large\n".into()));
    assert_eq!(names_in(&directory), ["file", "file.prom", "stdout"]);
    assert_eq!(fs::read_to_string(plain).unwrap(), OLD);
    assert_eq!(fs::read_to_string(metrics).unwrap(), OLD);
}

#[test]
fn a_name_may_be_as_long_as_the_file_system_allows() {
    let directory = scratch("names");
    let write = |name: &str| {
        let mut command = support::command("closedcalc");
        command.args(["-v", "tw", "--root", &root(), "--output"]).arg(directory.join(name));
        support::within(60, &mut command)
    };
    for length in 200..=255 {
        let name = "x".repeat(length);
        // To create and to replace.
        for _ in 0..2 {
            let output = write(&name);
            assert!(output.status.success() && output.stderr.is_empty(), "{length}: {output:?}");
            assert_eq!(fs::read_to_string(directory.join(&name)).unwrap(), "12\n");
        }
        assert_eq!(names_in(&directory), [name.as_str()]);
        fs::remove_file(directory.join(name)).unwrap();
    }
    let output = write(&"x".repeat(256));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(said.ends_with(": File name too long\n"), "{said}");
    // Bytes that are not UTF-8 are a name as well.
    let odd = Path::new(std::ffi::OsStr::from_bytes(b"\xff\xfe\n"));
    for _ in 0..2 {
        let mut command = support::command("closedcalc");
        command.args(["-v", "tw", "--root", &root(), "--output"]).arg(directory.join(odd));
        assert!(command.status().unwrap().success());
    }
    assert_eq!(fs::read_to_string(directory.join(odd)).unwrap(), "12\n");
}
