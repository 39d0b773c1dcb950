//! The same events, in every form, from Debian's conntrack and from ours.

use std::io::{BufRead, BufReader};
use std::process::ChildStdout;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use super::both::{Bench, Form, corrected};
use crate::world::wait_until;

/// The address of the flow that ends a run.
const MARKER: &str = "192.0.2.99";

/// The lines of a program, read in a thread so that waiting for one can time out.
fn lines(output: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        lines.try_for_each(|line| sender.send(line).map_err(drop))
    });
    receiver
}

/// The lines up to the first one with the marker.
fn up_to_marker(lines: &Receiver<String>) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    while !seen.last().is_some_and(|line| line.contains(MARKER)) {
        let line = lines.recv_timeout(Duration::from_secs(20));
        seen.push(line.unwrap_or_else(|_| panic!("no marker after {seen:#?}")));
    }
    seen
}

/// A line without what differs between two readers: the time of reading, and whether the program that caused
/// the event still ran then.
fn settled(line: &str) -> String {
    let line = match line.split_once("]\t") {
        Some((time, rest)) => {
            let (seconds, micros) = time.strip_prefix('[').unwrap().split_once('.').unwrap();
            assert!(seconds.parse::<u64>().is_ok() && micros.len() == 6, "{line}");
            rest
        }
        None => line,
    };
    let line = line.split(" progname=").next().unwrap();
    match (line.split_once("<when>"), line.split_once("</when>")) {
        (Some((before, _)), Some((_, after))) => [before, "<when/>", after].concat(),
        _ => line.to_owned(),
    }
}

/// Lets both watch while there is traffic, and compares what they saw; returns our lines.
fn watch(bench: &mut Bench, options: &str, form: Form) -> Vec<String> {
    let words: Vec<_> = ["-E"].into_iter().chain(options.split_ascii_whitespace()).collect();
    let running = bench.running(&words);
    let listening = |text: &str| {
        // Columns: sk Eth Pid Groups …; Eth 12 is netfilter.
        let columns = text.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
        columns.filter(|line| line[1] == "12" && line[3] != "00000000").count()
    };
    let router = &bench.router;
    wait_until("both listen", || Ok(listening(&router.proc_net("netlink")) == 2))
        .unwrap_or_else(|error| panic!("{options}: {error}"));
    let both = running.map(|(output, process)| (lines(output), process));
    bench.router.more_traffic();
    let marker = ["-s", MARKER, "-d", "192.0.2.1", "-p", "tcp", "--sport", "1", "--dport", "2"];
    let state = ["--state", "SYN_SENT", "-t", "100"];
    bench.router.ran("conntrack", &[&["-I"], &marker[..], &state].concat());
    bench.router.ran("conntrack", &["-U", "-s", MARKER, "-m", "5"]);
    bench.router.ran("conntrack", &["-D", "-s", MARKER]);
    let [theirs, ours] = both.each_ref().map(|(lines, _)| up_to_marker(lines));
    assert_eq!(theirs.len(), ours.len(), "{options}: {theirs:#?} {ours:#?}");
    for (theirs, ours) in theirs.iter().zip(&ours) {
        assert_eq!(corrected(&settled(theirs), form), settled(ours), "{options}");
    }
    ours
}

#[test]
fn events_are_those_of_debians_conntrack() {
    let Some(mut bench) = Bench::new("events_are_those_of_debians_conntrack") else { return };
    for (options, form) in [
        ("", Form::Line),
        ("-o extended,id", Form::Line),
        ("-o timestamp", Form::Line),
        ("-o ktimestamp,labels", Form::Line),
        ("-o xml", Form::Xml),
        ("-o xml,timestamp,ktimestamp", Form::Xml),
        ("-o save", Form::Save),
    ] {
        let seen = watch(&mut bench, options, form);
        assert!(seen.len() > 50, "{options}: {seen:#?}");
    }
    for options in [
        "-e NEW",
        "-e UPDATES",
        "-e DESTROY",
        "-e NEW,DESTROY -o id",
        "-p tcp --state SYN_SENT",
        "-p tcp -e ALL",
        "-f ipv4",
        "-m 5 -o id",
    ] {
        let seen = watch(&mut bench, options, Form::Line);
        assert!(!seen.is_empty(), "{options}");
    }
}
