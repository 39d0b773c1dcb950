//! Headers before the IP header: links, tags, labels, sessions, and tunnels with `--decapsulate`. tshark and tcpdump find the
//! same segments.

use super::around::{Around, steps, talk, tunnels};
use super::made::{ethernet, pcap, place, replay, rows, said};
use crate::support;

const ROW: &str = "CLOSED 200 100 0.200000";

/// How many TCP segments a program finds in frames, and how many bytes in them.
fn found(program: &str, frames: &[Vec<u8>]) -> (usize, u64) {
    let file = place(&format!("{program}-{}.pcap", frames.len()));
    std::fs::write(&file, pcap(1, frames)).unwrap();
    let file = file.to_str().unwrap();
    if program == "tshark" {
        let words =
            ["-r", file, "-Y", "tcp", "-T", "fields", "-E", "occurrence=l", "-e", "tcp.len"];
        let output = std::process::Command::new("tshark").args(words).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let bytes = text.lines().map(|line| line.trim().parse::<u64>().unwrap_or_default());
        return (text.lines().count(), bytes.sum());
    }
    let output = std::process::Command::new("tcpdump").args(["-nvr", file]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let lengths = text.match_indices("Flags [").map(|(at, _)| {
        let length = text[at..].split_once(", length ").unwrap().1;
        length.split(|c: char| !c.is_ascii_digit()).next().unwrap().parse::<u64>().unwrap()
    });
    lengths.fold((0, 0), |(count, sum), length| (count + 1, sum + length))
}

#[test]
fn what_stands_before_ip_is_stepped_over() {
    let test = "what_stands_before_ip_is_stepped_over";
    let judges = ["tshark", "tcpdump"].map(|judge| (judge, support::needs(test, &[judge])));
    let mut all = [Vec::new(), Vec::new()];
    for is_ipv4 in [true, false] {
        for (what, around, who) in steps() {
            let name = "stepped.pcap";
            let frames = talk(is_ipv4, &around);
            let output = replay(name, &pcap(1, &frames), &[]);
            assert_eq!(rows(&output), [ROW], "{what}");
            assert_eq!(said(name, &output), "", "{what}");
            let filtered = replay(name, &pcap(1, &frames), &["tcp", "and", "port", "80"]);
            assert_eq!(filtered.stdout, output.stdout, "{what}");
            for ((judge, _), all) in judges.iter().zip(&mut all) {
                if who.contains(judge) {
                    all.extend(frames.clone());
                }
            }
        }
    }
    for ((judge, is_here), all) in judges.into_iter().zip(&all) {
        if is_here {
            assert_eq!(found(judge, all), (all.len(), all.len() as u64 / 9 * 300), "{judge}");
        }
    }
}

#[test]
fn tunnels_are_entered_on_request() {
    let mut all = Vec::new();
    for (is_outer_ipv4, is_ipv4) in [(true, true), (true, false), (false, true), (false, false)] {
        for (what, around) in tunnels(is_outer_ipv4) {
            let name = "tunnels.pcap";
            let frames = talk(is_ipv4, &around);
            let file = pcap(1, &frames);
            let output = replay(name, &file, &["--decapsulate"]);
            assert_eq!(
                (rows(&output), said(name, &output)),
                (vec![ROW.into()], String::new()),
                "{what}"
            );
            // The filter is for the packets inside.
            let other = ["--decapsulate", "port", "4789", "or", "host", "203.0.113.1"];
            assert!(replay(name, &file, &other).stdout.is_empty(), "{what}");
            let same = ["--decapsulate", "port", "80"];
            assert_eq!(replay(name, &file, &same).stdout, output.stdout, "{what}");
            let closed = replay(name, &file, &[]);
            let wanted = "tcptrack: FILE: none of its 9 packets is TCP over IP (9 are in tunnels; to look into them: \
                          --decapsulate)\n";
            assert_eq!((rows(&closed), said(name, &closed)), (vec![], wanted.into()), "{what}");
            assert_eq!(closed.status.code(), Some(0));
            // tshark does not know Linux' own port.
            if !what.contains("Linux") {
                all.extend(frames);
            }
        }
    }
    if support::needs("tunnels_are_entered_on_request", &["tshark"]) {
        assert_eq!(found("tshark", &all), (all.len(), all.len() as u64 / 9 * 300));
    }
    let plain: Around = Box::new(ethernet);
    let output = replay("tunnels.pcap", &pcap(1, &talk(true, &plain)), &["--decapsulate"]);
    assert_eq!(rows(&output), [ROW]);
    let wrong = support::run(&["tcptrack", "--once", "--decapsulate"]);
    let text = String::from_utf8(wrong.stderr).unwrap();
    assert_eq!(
        (wrong.status.code(), text.as_str()),
        (Some(2), "tcptrack: --decapsulate: needs packets: -i or -T\n")
    );
}
