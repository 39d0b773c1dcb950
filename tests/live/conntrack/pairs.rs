//! Every pair of conntrack's options, with every command: the status must be that of Debian's conntrack.

use super::flows::table;
use super::words;
use crate::world::{Ran, Rights, World};

/// Each option with a value. Those that are another option's second name, and those that change the table, are
/// not among them.
const OPTIONS: [&str; 44] = [
    "-s 10.0.0.1",
    "-s fd00::1",
    "-d 10.1.0.2",
    "-r 10.1.0.2",
    "-q 10.0.0.1",
    "-p tcp",
    "-p tcp --sport 1",
    "-p tcp --dport 443",
    "-p tcp --reply-port-src 443",
    "-p tcp --reply-port-dst 1",
    "-p tcp --state ESTABLISHED",
    "-p icmp --icmp-type 8",
    "-p icmpv6 --icmpv6-id 5",
    "-p gre --dstkey 2",
    "-p sctp --orig-vtag 1",
    "-p dccp --role client",
    "-t 5",
    "-u ASSURED",
    "-z",
    "-e NEW",
    "--tuple-src 1.1.1.1",
    "--tuple-dst 1.1.1.1",
    "--mask-src 255.255.255.0",
    "--mask-dst 255.255.255.0",
    "-a 1.1.1.1",
    "-m 7",
    "-i 5",
    "-f ipv4",
    "-n",
    "-g",
    "-j",
    "-n 9.9.9.9",
    "-g 8.8.8.8",
    "-j 9.9.9.9",
    "-o id",
    "-o save",
    "-c 0",
    "-b 4096",
    "-w 5",
    "-l foo",
    "--label-add foo",
    "--label-del",
    "--orig-zone 8",
    "--reply-zone 9",
];

/// A tuple that names a flow.
const TUPLE: &str = "-G -s 10.0.0.1 -d 10.1.0.2 -p tcp --sport 1 --dport 443";

/// The commands that are tried with all pairs, and those with single options only.
const WITH_PAIRS: [&str; 5] = ["-L", "-L expect", "-C", TUPLE, "-E"];
const WITH_ONE: [&str; 6] =
    ["-L dying", "-L unconfirmed", "-C expect", "-G expect", "-S", "-E expect"];

/// What differs: words of the manual about it, and the command lines that it holds for, with their status
/// and ours.
type Difference = (&'static str, fn(&str, [i32; 2]) -> bool);

const DIFFERENCES: [Difference; 6] = [
    ("options that would change the table (-D -I -U -A -F -R -z) are refused", |line, status| {
        line.contains(" -z") && status == [0, 2]
    }),
    ("-C takes filters", |line, status| line.starts_with("-C -") && status == [2, 0]),
    ("-G takes a zone", |line, [theirs, ours]| {
        line.starts_with("-G") && has_zone(line) && theirs == 2 && ours < 2
    }),
    ("-E takes -u", |line, [theirs, ours]| {
        line.starts_with("-E -") && line.contains(" -u") && theirs == 2 && ours < 2
    }),
    ("--mask-src needs --src, and --mask-dst needs --dst, with every command", |line, status| {
        line.contains(" --mask-") && status[1] == 2
    }),
    ("With options of two protocols, no flow matches", |line, [theirs, ours]| {
        line.matches(" -p ").count() == 2 && theirs == 2 && ours < 2
    }),
];

fn has_zone(line: &str) -> bool {
    [" -w", " --orig-zone", " --reply-zone"].iter().any(|zone| line.contains(zone))
}

/// All command lines.
fn lines() -> Vec<String> {
    let mut lines = Vec::new();
    for command in WITH_PAIRS.into_iter().chain(WITH_ONE) {
        // A second protocol would make another tuple.
        let is_it = |option: &&str| command != TUPLE || !option.starts_with("-p");
        let options: Vec<&str> = OPTIONS.into_iter().filter(is_it).collect();
        for (place, option) in options.iter().enumerate() {
            lines.push(format!("{command} {option}"));
            if WITH_PAIRS.contains(&command) {
                let others = options[place + 1..].iter();
                lines.extend(others.map(|other| format!("{command} {option} {other}")));
            }
        }
    }
    lines
}

/// Events have no end: what would wait for them is refused for want of rights instead.
fn statuses(world: &World, line: &str) -> [i32; 2] {
    let rights = if line.starts_with("-E") { Rights::Nobody } else { Rights::Root };
    let theirs = world.ran_as(rights, "conntrack", &words(line));
    let ours = world.connbox_as(rights, &[&["conntrack"], &words(line)[..]].concat());
    [theirs, ours].map(|Ran { status, .. }| status)
}

#[test]
fn every_pair_of_options_has_the_status_of_debians_conntrack() {
    let test = "every_pair_of_options_has_the_status_of_debians_conntrack";
    let Some(world) = table(test) else { return };
    let lines = lines();
    assert!(lines.len() > 4000, "{}", lines.len());
    let seen: Vec<(&str, [i32; 2])> = lines
        .iter()
        .map(|line| (line.as_str(), statuses(&world, line)))
        .filter(|(_, [theirs, ours])| theirs != ours)
        .collect();
    let is_told = |(line, status): &(&str, [i32; 2])| {
        DIFFERENCES.iter().any(|(_, holds)| holds(line, *status))
    };
    let wrong = seen.iter().filter(|one| !is_told(one)).map(|one| format!("{one:?}\n"));
    let wrong: String = wrong.collect();
    assert!(wrong.is_empty(), "command line, their status, ours:\n{wrong}");
    // Every difference is one, and the manual tells of it.
    let manual = connbox::applet::find("conntrack").unwrap().details.concat();
    for (words, holds) in DIFFERENCES {
        assert!(seen.iter().any(|(line, status)| holds(line, *status)), "{words}: no difference");
        assert!(manual.contains(words), "{words}: not in the manual");
    }
}
