//! Every filter picks the flows that Debian's conntrack picks, and says the same of how many they are.

use crate::both::{Bench, Form};

/// What picks some flows of the router, and not all.
const FILTERS: &[&str] = &[
    "-p tcp",
    "-p udp",
    "-p sctp",
    "-p icmp",
    "-p icmpv6",
    "-p gre",
    "-p udplite",
    "-p dccp",
    "-p 253",
    "-p 50",
    "-p 17",
    "-p TCP",
    "-f ipv4",
    "-f ipv6",
    "-p tcp --sport 1001",
    "-p tcp --dport 80",
    "-p tcp --orig-port-src 1002",
    "-p tcp --orig-port-dst 9001",
    "-p tcp --reply-port-src 9001",
    "-p tcp --reply-port-dst 1003",
    "-p udp --dport 8002",
    "-p sctp --dport 3868 --sport 2001",
    "-p udplite --sport 3000",
    "-p icmp --icmp-type 8",
    "-p icmp --icmp-type 13 --icmp-code 0",
    "-p icmp --icmp-id 77",
    "-p icmpv6 --icmpv6-type 128",
    "-p icmpv6 --icmpv6-id 78",
    "-p icmpv6 --icmpv6-code 0",
    "-p gre --dstkey 2748",
    "-p gre --srckey 0 --dstkey 0",
    "-p gre --reply-key-src 2748",
    "-s 10.1.0.2",
    "-s 10.1.0.0/24",
    "-s 10.1.0.0/255.255.255.0",
    "-d 10.2.0.0/24",
    "-d 10.2.0.50",
    "-s fd01::2",
    "-s fd01::/64",
    "-d fd02::50",
    "-r 10.2.0.2",
    "-q 10.2.0.1",
    "-q fd02::1",
    "--src 10.1.0.2",
    "--orig-src 10.1.0.2 --orig-dst 10.2.0.2",
    "--reply-src 10.2.0.2 -p udp",
    "-u ASSURED",
    "-u SEEN_REPLY",
    "-u UNREPLIED",
    "-u EXPECTED",
    "-u FIXED_TIMEOUT",
    "-u UNSET",
    "-u ASSURED,SEEN_REPLY",
    "-u assured -p udp",
    "-u UNREPLIED -f ipv6",
    "-m 16",
    "-m 0x10",
    "-m 16/16",
    "-m 0/1",
    "-m 4294967295",
    "-m 0",
    "-w 7",
    "-w 65535",
    "--orig-zone 8",
    "--reply-zone 9",
    "-w 0",
    "--orig-zone 7",
    "--zone 7 -p udp",
    "-l one",
    "-l last,one",
    "-l three",
    "--label last",
    "-n",
    "-g",
    "-j",
    "--src-nat",
    "-n 10.2.0.1",
    "-g 10.2.0.2",
    "-g 10.2.0.2:9001",
    "-j 10.2.0.2",
    "-j 10.2.0.1",
    "-g fd02::2",
    "-n fd02::1",
    "-n -f ipv6",
    "-g 10.2.0.2:1",
    "-s 10.1.0.2 -p tcp --dport 9001 -u ASSURED",
    "-s 192.0.2.1",
];

#[test]
fn dbg() {
    let Some(bench) = Bench::new("dbg") else { return };
    for filter in ["-g", "-n", "-l one", "-p gre --dstkey 2748", "-s fd01::2"] {
        let words: Vec<_> = ["-L", "-o", "id"].into_iter().chain(filter.split(' ')).collect();
        println!("## {filter}\n{}--\n{}", bench.theirs(&words).stdout, bench.ours(&words).stdout);
    }
}
#[test]
fn every_filter_picks_what_debians_conntrack_picks() {
    let Some(bench) = Bench::new("every_filter_picks_what_debians_conntrack_picks") else { return };
    let mut wrong = Vec::new();
    let states = [
        "SYN_SENT",
        "SYN_RECV",
        "ESTABLISHED",
        "FIN_WAIT",
        "CLOSE_WAIT",
        "LAST_ACK",
        "TIME_WAIT",
        "CLOSE",
        "SYN_SENT2",
        "LISTEN",
    ];
    let tcp = states.map(|state| format!("-p tcp --state {state}"));
    let states = [
        "CLOSED",
        "COOKIE_WAIT",
        "COOKIE_ECHOED",
        "ESTABLISHED",
        "SHUTDOWN_SENT",
        "SHUTDOWN_RECD",
        "SHUTDOWN_ACK_SENT",
    ];
    let sctp = states.map(|state| format!("-p sctp --state {state}"));
    let named = tcp.iter().chain(&sctp).map(String::as_str);
    for filter in FILTERS.iter().copied().chain(named) {
        let words: Vec<_> = ["-L", "-o", "id"].into_iter().chain(filter.split(' ')).collect();
        let (theirs, ours) = bench.both(&words);
        let lines = theirs.stdout.lines().map(|line| crate::both::corrected(line, Form::Line));
        let lines: Vec<_> = lines.collect();
        let is_same = lines == ours.stdout.lines().collect::<Vec<_>>()
            && (theirs.status, &theirs.stderr) == (ours.status, &ours.stderr);
        if !is_same {
            wrong.push(format!(
                "{filter}: {} of {} lines, status {} {}\n  ours: {} lines, status {} {}",
                lines.len(),
                0,
                theirs.status,
                theirs.stderr.trim_end(),
                ours.stdout.lines().count(),
                ours.status,
                ours.stderr.trim_end()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
