//! The screen in groups, and the screen of a capture that is still being written.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use super::screen::{rows, talking};
use super::support;
use super::terminal::{Terminal, has_tmux};
use crate::world::World;

#[test]
fn groups_are_live_at_every_width() {
    let Some((world, mut script, _)) = talking("groups_are_live_at_every_width") else { return };
    for (columns, headings) in [
        (40, " Process    Count     Speed  Rx speed"),
        (80, " Process    Count     Speed  Rx speed  Tx speed Rx total Tx total     Last ticks"),
        (120, " Process    Count     Speed  Rx speed  Tx speed Rx total Tx total  "),
        (200, " Process    Count     Speed  Rx speed  Tx speed Rx total Tx total  "),
    ] {
        let terminal = Terminal::tcptrack(&world, (columns, 12), "--by process");
        let is_one = |lines: &[String]| {
            rows(lines).first().is_some_and(|row| row.starts_with(" companion      2 "))
        };
        let lines = terminal.wait("a group of two connections", is_one);
        assert!(lines[1].starts_with(headings), "{columns}: {lines:#?}");
        assert!(lines[9].starts_with(" TOTAL          2 "), "{lines:#?}");
        script.go();
        terminal.wait("activity", |lines| {
            is_one(lines) && rows(lines)[0].contains("KB/s") && lines[9].contains("KB/s")
        });
        terminal.press(&["q"]);
        assert_eq!(terminal.end(), "0");
    }
}

#[test]
fn g_goes_through_all_keys() {
    let Some((world, _script, _)) = talking("g_goes_through_all_keys") else { return };
    let terminal = Terminal::tcptrack(&world, (100, 14), "");
    terminal.wait_for("Connections 1-2 of 2");
    for (status, row) in [
        ("Groups 1-1 of 1 by process", " companion "),
        ("Groups 1-2 of 2 by client", " 127.0.0.1 "),
        ("Groups 1-2 of 2 by server", " 127.0.0.1 "),
        ("Groups 1-2 of 2 by service", " 9001 "),
        ("Groups 1-1 of 1 by cgroup", " "),
        ("Connections 1-2 of 2", " 127.0.0.1:"),
        ("Groups 1-1 of 1 by process", " companion "),
    ] {
        terminal.press(&["g"]);
        let lines = terminal.wait_for(status);
        assert!(rows(&lines).iter().any(|line| line.starts_with(row)), "{lines:#?}");
    }
    terminal.press(&["s", "s", "s", "s"]);
    terminal.wait_for("Sorted by count");
    terminal.press(&["/", "n", "o", "n", "e"]);
    terminal.wait_for(" None of the 1 groups contains 'none'; Esc clears the filter");
    terminal.press(&["Escape", "d"]);
    terminal.wait_for(" groups have no details; g ungroups");
    // What the command line asks for, with its limits, comes after the usual keys.
    let options = "--by server/8/16,state --top 1 --sort bytes";
    let terminal = Terminal::tcptrack(&world, (100, 14), options);
    let lines = terminal.wait_for("Groups 1-1 of 1 (2 in all) by server,state");
    let row = rows(&lines)[0];
    assert!(
        row.starts_with(" 127.0.0.0/8 ESTABLISHED      1 ") || row.starts_with(" ::/16 "),
        "{row}"
    );
    for status in ["Connections 1-1 of 1 (2 in all)", "by process"] {
        terminal.press(&["g"]);
        terminal.wait_for(status);
    }
    for _ in 0..5 {
        terminal.press(&["g"]);
    }
    terminal.wait_for("by server,state");
    let terminal = Terminal::tcptrack(&world, (100, 14), "--by client --max-groups 1");
    terminal.wait_for("tcptrack: --max-groups: there are more than 1 group");
    assert_eq!(terminal.end(), "1");
}

/// The beginning of a capture, and all of it.
fn capture() -> (usize, Vec<u8>) {
    (20_000, std::fs::read(support::world("own-lab-6.18/pcap/mixed-v4-v6.pcap")).unwrap())
}

#[test]
fn a_capture_on_standard_input_is_live_on_a_terminal() {
    const TEST: &str = "a_capture_on_standard_input_is_live_on_a_terminal";
    if !has_tmux(TEST) {
        return;
    }
    let Some(world) = World::quiet(TEST) else { return };
    let lab = support::world("own-lab-6.18/pcap/mixed-v4-v6.pcap");
    let (begin, _) = capture();
    let slowly =
        format!("(head -c {begin} {0}; sleep 4; tail -c +{1} {0})", lab.display(), begin + 1);
    let line = |options: &str| {
        let program = support::CONNBOX;
        // ^C is for all of them, and not for the shell.
        format!(
            "trap : INT; {slowly} | {program} tcptrack -T - {options}; echo status $?; exec sleep 100"
        )
    };
    let is_row = |line: &&String| line.starts_with("10.77.0.1") || line.starts_with("fd77::1");
    for (key, state) in [("C-c", "ESTABLISHED"), ("q", "ESTABLISHED"), ("", "CLOSED")] {
        let terminal = Terminal::run(&world, (200, 24), &line(""));
        let lines = terminal.wait_for(" Connections 1-4 of 4 ");
        assert_eq!(lines[0], " Capture on standard input: all TCP");
        assert_eq!(terminal.knows("alternate_on"), "1");
        if !key.is_empty() {
            terminal.press(&[key]);
        }
        assert_eq!(terminal.end(), "0");
        assert_eq!(terminal.knows("alternate_on"), "0");
        let lines = terminal.lines();
        let left = lines.iter().filter(is_row).filter(|line| line.contains(state));
        assert_eq!(left.count(), 4, "{key} {lines:#?}");
    }
    let terminal = Terminal::run(&world, (200, 24), &line("--by server_port port 9001"));
    terminal.wait_for(" Groups 1-1 of 1 by server_port");
    assert_eq!(terminal.lines()[0], " Capture on standard input: port 9001");
    assert_eq!(terminal.end(), "0");
    let is_group = |line: &String| line.split_whitespace().take(2).eq(["9001", "3"]);
    terminal.wait("the group", |lines| lines.iter().any(is_group));
    // What comes at once has no screen.
    let line = format!("cat {} | {} tcptrack -T -; read x", lab.display(), support::CONNBOX);
    let terminal = Terminal::run(&world, (200, 24), &line);
    terminal.wait("all rows", |lines| {
        assert!(lines.iter().all(|line| !line.contains("q quit")));
        lines.iter().filter(is_row).count() == 4
    });
}

/// ^C ends the writer in the middle of a packet, and tcptrack, which is told both: that is not damage.
#[test]
fn control_c_for_the_writer_too_is_not_damage() {
    let (begin, bytes) = capture();
    for _ in 0..20 {
        let mut command = Command::new(support::CONNBOX);
        command.args(["tcptrack", "-T", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut running = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut stdin = running.stdin.take().unwrap();
        stdin.write_all(&bytes[..begin]).unwrap();
        super::rows::wait("an empty pipe", || rustix::io::ioctl_fionread(&stdin).unwrap() == 0);
        kill_process(Pid::from_raw(running.id().cast_signed()).unwrap(), Signal::INT).unwrap();
        drop(stdin);
        let output = running.wait_with_output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), stderr.as_str()), (Some(0), ""));
        assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 4);
    }
}

#[test]
fn control_c_leaves_the_rows_so_far_in_a_pipe_too() {
    let (begin, bytes) = capture();
    let tcptrack = || {
        let mut command = Command::new(support::CONNBOX);
        command.args(["tcptrack", "-T", "-"]).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped()).spawn().unwrap()
    };
    for length in [begin, bytes.len(), 24, 10] {
        let part = &bytes[..length];
        let mut whole = tcptrack();
        whole.stdin.take().unwrap().write_all(part).unwrap();
        let wanted = whole.wait_with_output().unwrap();
        let mut running = tcptrack();
        let mut stdin = running.stdin.take().unwrap();
        stdin.write_all(part).unwrap();
        let pid = running.id();
        // It has taken all bytes when it waits for more.
        super::rows::wait("an empty pipe", || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
            rustix::io::ioctl_fionread(&stdin).unwrap() == 0 && stat.contains(") S ")
        });
        kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), Signal::INT).unwrap();
        let mut rows = String::new();
        running.stdout.take().unwrap().read_to_string(&mut rows).unwrap();
        assert_eq!(running.wait().unwrap().code(), Some(0), "{length}");
        assert_eq!(rows, String::from_utf8(wanted.stdout).unwrap(), "{length}");
    }
}

/// Warnings appear while the screen is shown, and wrapped as it is narrow.
#[test]
fn warnings_appear_at_once() {
    const TEST: &str = "warnings_appear_at_once";
    if !support::needs(TEST, &["connection tracking", "setpriv", "sysctl"]) {
        return;
    }
    let Some((world, _script, _)) = talking(TEST) else { return };
    let is_there = |terminal: &Terminal<'_>, text: &str| {
        let lines = terminal.wait(text, |lines| {
            let joined: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
            joined.join(" ").contains(text)
        });
        assert!(lines.iter().any(|line| line.contains("q quit")), "{lines:#?}");
    };
    world.tool("sysctl", &["-qw", "net.netfilter.nf_conntrack_acct=0"]);
    for columns in [40, 80] {
        let terminal = Terminal::tcptrack(&world, (columns, 20), "--conntrack");
        is_there(
            &terminal,
            "Warning: net.netfilter.nf_conntrack_acct is 0: the kernel counts no bytes",
        );
    }
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all";
    let line = format!("exec {nobody} {} tcptrack --by process", support::CONNBOX);
    let terminal = Terminal::run(&world, (60, 20), &line);
    is_there(&terminal, ": their sockets are shown as '-' (no owner found)");
}
