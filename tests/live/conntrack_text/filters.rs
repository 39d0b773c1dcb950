//! Every filter selects the flows that Debian's conntrack selects, and reports the same number.

use connbox::model::{SCTP_STATES, TCP_STATES};

use super::both::{Bench, Form, corrected};
use crate::world::{Ran, at_a_quiet_point};

/// Filters that select some flows of the router, but not all.
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
    "--label last",
    "-l one -o extended",
    "-l one -o labels",
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

/// A line without the numbers that change with time.
fn timeless(line: &str) -> String {
    let is_timeless =
        |(place, word): &(usize, &str)| *place != 2 && !word.starts_with("delta-time=");
    let words = line.split_ascii_whitespace().enumerate().filter(is_timeless);
    words.map(|(_, word)| word).collect::<Vec<_>>().join(" ")
}

/// Whether conntrack shows a flow by mistake: it takes the types of an echo and its answer for translated
/// ports, and ignores the keys of GRE.
fn is_wrong(filter: &str, line: &str) -> bool {
    let asks_nat = ["-n", "-g", "-j", "--src-nat"].iter().any(|option| filter.starts_with(option));
    let keys = filter.strip_prefix("-p gre ").unwrap_or_default().split(' ').collect::<Vec<_>>();
    let has_key = |pair: &[&str]| {
        let names = [("--srckey", 0), ("--dstkey", 1), ("--reply-key-src", 2)];
        let place = names.iter().find(|(name, _)| *name == pair[0]).unwrap().1;
        let shown = line.split(' ').filter_map(|word| word.split_once("key=0x")).nth(place);
        u16::from_str_radix(shown.unwrap().1, 16) == pair[1].parse()
    };
    (asks_nat && line.starts_with("icmp")) || !keys.chunks_exact(2).all(has_key)
}

/// The difference between the two; normally `None`.
fn difference(bench: &Bench, filter: &str) -> Option<String> {
    let words: Vec<_> = ["-L", "-o", "id"].into_iter().chain(filter.split(' ')).collect();
    let theirs = || {
        let Ran { status, stdout, .. } = bench.theirs(&words);
        let right = stdout.lines().filter(|line| !is_wrong(filter, line));
        let lines = right.map(|line| timeless(&corrected(line, Form::Line)));
        Ok((status, lines.collect::<Vec<_>>()))
    };
    let (theirs, ours) = at_a_quiet_point(theirs, || bench.ours(&words));
    let count = theirs.1.len();
    let trailer =
        format!("conntrack v1.4.7 (conntrack-tools): {count} flow entries have been shown.\n");
    let seen = (ours.status, ours.stdout.lines().map(timeless).collect());
    (theirs != seen || ours.stderr != trailer)
        .then(|| format!("{filter}: {theirs:#?}\nours: {seen:#?}\n{}", ours.stderr))
}

#[test]
fn every_filter_picks_what_debians_conntrack_picks() {
    let Some(bench) = Bench::new("every_filter_picks_what_debians_conntrack_picks") else { return };
    let tcp = TCP_STATES[1..].iter().map(|state| format!("-p tcp --state {state}"));
    // 1.4.7 does not accept the names of the last two.
    let sctp = SCTP_STATES[1..8].iter().map(|state| format!("-p sctp --state {state}"));
    let states: Vec<_> = tcp.chain(sctp).chain(["-p tcp --state LISTEN".to_owned()]).collect();
    let all = FILTERS.iter().copied().chain(states.iter().map(String::as_str));
    let wrong: Vec<_> = all.filter_map(|filter| difference(&bench, filter)).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
