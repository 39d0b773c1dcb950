//! Standard output whose reader stops early, that is full, or that is closed.

use std::io::Read;

use super::output::root;
use crate::support;

/// Runs a line of bash in which `$ROOT` is the saved kernel: status, standard output and error.
fn bash(line: &str) -> (Option<i32>, String, String) {
    let mut command = support::command("bash");
    let output = command.env("ROOT", root()).args(["-o", "pipefail", "-c", line]).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// One run of each applet, and runs of those that print more than a pipe holds.
const RUNS: [&str; 8] = [
    "closedcalc --root $ROOT",
    "conncount --root $ROOT --json",
    "sockstat --root $ROOT --shell",
    "tcpstates --root $ROOT --prom",
    "snmpget-tcp --root $ROOT --all --explain",
    "snmpget-tcp --root $ROOT --all --explain --interval 0.001 --count 40",
    "connbox --list",
    "connbox help conncount",
];

#[test]
fn a_reader_that_has_gone_is_a_quiet_end() {
    if !support::needs("a_reader_that_has_gone_is_a_quiet_end", &["bash"]) {
        return;
    }
    for run in RUNS {
        // The reader is gone before the first byte is written.
        let line = format!("{{ sleep 0.05; {run}; echo \"status $?\" >&2; }} | true");
        assert_eq!(bash(&line), (Some(0), String::new(), "status 0\n".into()), "{run}");
    }
}

#[test]
fn a_reader_that_takes_one_line_is_a_quiet_end() {
    if !support::needs("a_reader_that_takes_one_line_is_a_quiet_end", &["bash"]) {
        return;
    }
    for run in RUNS {
        let (status, out, err) = bash(&format!("{run} | head -n 1; echo \"${{PIPESTATUS[*]}}\""));
        let lines: Vec<_> = out.lines().collect();
        assert_eq!((status, err.as_str()), (Some(0), ""), "{run}");
        assert!(lines.len() == 2 && lines[1] == "0 0", "{run}: {out}");
    }
}

#[test]
fn an_endless_stream_ends_with_its_reader() {
    if !support::needs("an_endless_stream_ends_with_its_reader", &["bash"]) {
        return;
    }
    for applet in support::tables() {
        for format in ["--tsv", "--shell", "--json", "-v"] {
            let run = format!("{applet} --root $ROOT {format} --interval 0.001");
            let (status, out, err) = bash(&format!("set -e; {run} | head -n 1"));
            assert_eq!((status, err.as_str()), (Some(0), ""), "{run}");
            assert_eq!(out.lines().count(), 1, "{run}");
        }
    }
}

#[test]
fn a_pipe_for_output_whose_reader_has_gone_is_a_quiet_end() {
    if !support::needs("a_pipe_for_output_whose_reader_has_gone_is_a_quiet_end", &["bash"]) {
        return;
    }
    let line = "{ sleep 0.05; snmpget-tcp --root $ROOT --all --output /dev/stdout; \
                echo \"status $?\" >&2; } | true";
    assert_eq!(bash(line), (Some(0), String::new(), "status 0\n".into()));
}

/// Nor does it matter that there is no row to write to it, and that the next one would come in an hour.
#[test]
fn a_reader_that_has_gone_ends_what_has_no_rows() {
    let test = "a_reader_that_has_gone_ends_what_has_no_rows";
    if !support::needs(test, &["bash"]) {
        return;
    }
    for run in [
        "tcptrack --interval 1h port 1",
        "tcptrack --interval 1h --count 3 --by server --json=array port 1",
        "conncount --by raddr --lport 1 --rport 1 --interval 1h",
        "tcpstates --by raddr --lport 1 --rport 1 --interval 1h",
    ] {
        let line = format!("{{ timeout 60 {run}; echo \"status $?\" >&2; }} | true");
        let (_, _, err) = bash(&line);
        assert!(err.ends_with("status 0\n"), "{run}: {err}");
    }
}

#[test]
fn a_descriptor_by_its_name_is_written() {
    if !support::needs("a_descriptor_by_its_name_is_written", &["bash"]) {
        return;
    }
    // These are links in /proc whose text (`pipe:[123]`) is not a path.
    let run = "closedcalc -v tw --root $ROOT --output";
    let file = crate::support::scratch::scratch("descriptor").join("file");
    for line in [
        format!("{run} /dev/stdout | cat"),
        format!("{run} /proc/self/fd/1 | cat"),
        format!("{run} /dev/fd/3 3>&1 | cat"),
        format!("{run} >(cat) | cat"),
        format!("{run} /dev/stdout > {0}; cat {0}", file.display()),
    ] {
        assert_eq!(bash(&line), (Some(0), "12\n".into(), String::new()), "{line}");
    }
}

/// What follows "standard output" where it is closed or open for reading only.
const CLOSED: &str = " is closed, or not open for writing\n";

/// The run must end with status 1 and one message from `name` about standard output.
fn assert_said(line: &str, name: &str, said: &str) {
    let (status, out, err) = bash(line);
    assert_eq!((status, out.as_str()), (Some(1), ""), "{line}: {err}");
    assert!(err.starts_with(&format!("{name}: standard output{said}")), "{line}: {err}");
    assert_eq!(err.lines().count(), 1, "{line}: {err}");
}

/// The program's name at the beginning of a run's messages.
fn name_of(run: &str) -> &str {
    run.split(' ').next().unwrap()
}

#[test]
fn a_closed_standard_output_is_said() {
    if !support::needs("a_closed_standard_output_is_said", &["bash"]) {
        return;
    }
    for run in RUNS {
        assert_said(&format!("{run} >&-"), name_of(run), CLOSED);
        // The lower and higher numbers are closed as well; still no socket gets number 1.
        assert_said(&format!("{run} <&- >&-"), name_of(run), CLOSED);
        assert_said(&format!("{run} </dev/null >&0"), name_of(run), CLOSED);
    }
    let (status, _, err) = bash("conncount --root $ROOT --output /dev/stdout >&-");
    assert_eq!((status, err), (Some(1), format!("conncount: /dev/stdout:{CLOSED}")));
    let (status, ..) = bash("conncount --root $ROOT <&- >&- 2>&-");
    assert_eq!(status, Some(1));
}

#[test]
fn a_closed_standard_output_is_no_trouble_for_a_file() {
    if !support::needs("a_closed_standard_output_is_no_trouble_for_a_file", &["bash"]) {
        return;
    }
    let file = crate::support::scratch::scratch("closed_stdout").join("file");
    let line = format!("closedcalc -v tw --root $ROOT --output {} >&- <&- 2>&-", file.display());
    assert_eq!(bash(&line), (Some(0), String::new(), String::new()));
    assert_eq!(std::fs::read_to_string(file).unwrap(), "12\n");
}

#[test]
fn a_full_device_is_said() {
    if !support::needs("a_full_device_is_said", &["bash"]) {
        return;
    }
    for run in RUNS {
        assert_said(&format!("{run} > /dev/full"), name_of(run), ": ");
    }
}

#[test]
fn closed_standard_input_and_error_are_harmless() {
    if !support::needs("closed_standard_input_and_error_are_harmless", &["bash"]) {
        return;
    }
    for run in RUNS {
        let run = run.replace(" --interval 0.001 --count 40", "");
        let wanted = bash(&run);
        assert_eq!(wanted.0, Some(0), "{run}");
        for closed in ["<&-", "2>&-", "<&- 2>&-"] {
            assert_eq!(bash(&format!("{run} {closed}")), wanted, "{run} {closed}");
        }
    }
    // The message cannot be written, but the status is right.
    assert_eq!(bash("conncount --nonsense 2>&-").0, Some(2));
    assert_eq!(bash("connbox nonsense 2>&-").0, Some(127));
    assert_eq!(bash("closedcalc --from /nonexistent 2> /dev/full").0, Some(1));
}

#[test]
fn closed_standard_input_as_a_saved_file_is_empty() {
    if !support::needs("closed_standard_input_as_a_saved_file_is_empty", &["bash"]) {
        return;
    }
    // What replaces it is empty, and so has no sockstat.
    let (status, out, err) = bash("closedcalc --from - <&-");
    assert_eq!((status, out.as_str()), (Some(1), ""));
    assert!(err.starts_with("closedcalc: "), "{err}");
}

#[test]
fn a_pipe_that_does_not_block_is_waited_for() {
    // All holders of a pipe share the non-blocking flag: a terminal's or a daemon's, for example.
    let words = ["--root", &root(), "--all", "--explain", "--interval", "0.001", "--count", "5"];
    let rows = support::stdout_of(&["snmpget-tcp", "--root", &root(), "--all"]).lines().count();
    let (mut reader, writer) = std::io::pipe().unwrap();
    rustix::fs::fcntl_setfl(&writer, rustix::fs::OFlags::NONBLOCK).unwrap();
    let mut child = support::command("snmpget-tcp").args(words).stdout(writer).spawn().unwrap();
    // Long enough for the pipe to fill up; if it does not, the test checks nothing and succeeds.
    std::thread::sleep(std::time::Duration::from_millis(100));
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(text.lines().count(), 5 * rows);
}
