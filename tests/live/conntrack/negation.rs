//! `!` before the value of a filter: what the value selects and what it excludes are all flows, whoever filters, the
//! kernel or connbox.

use super::flows::table;
use super::ours;
use crate::support::scratch::scratch;
use crate::world::World;

/// What must precede a filter, the filter, and two of its values.
const FILTERS: [(&str, &str, &str, &str); 34] = [
    ("", "-s", "10.0.0.1", "10.0.0.4"),
    ("", "-s", "10.0.0.0/29", "fd00::/15"),
    ("", "--orig-src", "fd00::1", "fd00:1::1"),
    ("-f ipv6 ", "-s", "fd00::1", "10.0.0.1"),
    ("", "-d", "10.1.0.2", "10.1.0.1"),
    ("-d 10.1.0.2 ", "-s", "10.0.0.5", "10.0.0.6"),
    ("", "-r", "10.1.0.2", "8.8.8.8"),
    ("", "-q", "10.0.0.1", "9.9.9.9"),
    ("", "-p", "tcp", "udp"),
    ("", "--protonum", "icmpv6", "50"),
    ("-m 0 ", "-p", "TCP", "gre"),
    ("-p tcp ", "--state", "ESTABLISHED", "SYN_SENT"),
    ("-p sctp ", "--state", "COOKIE_WAIT", "CLOSED"),
    ("-p tcp ", "--sport", "1", "1000-1005"),
    ("-p udp ", "--dport", "53", "54"),
    ("-p tcp ", "--reply-port-src", "53", "80"),
    ("-p icmp ", "--icmp-type", "8", "13"),
    ("-p icmp ", "--icmp-code", "0", "1"),
    ("-p icmpv6 ", "--icmpv6-id", "5", "6"),
    ("-p gre ", "--srckey", "0x11", "1"),
    ("-p gre ", "--reply-key-dst", "1", "2"),
    ("", "-m", "7", "16"),
    ("", "-m", "0x10/0x10", "1/1"),
    ("", "-m", "3/1", "0/0"),
    ("-m 7/7 ", "-m", "0x10/0x10", "0/8"),
    ("", "-c", "0", "1"),
    ("", "-w", "5", "6"),
    ("", "-w", "0", "5"),
    ("", "--orig-zone", "8", "0"),
    ("", "--reply-zone", "9", "0"),
    ("", "-l", "5", "127"),
    ("", "--src-nat", "9.9.9.9", "9.9.9.9:44"),
    ("-p udp ", "-g", "8.8.8.8", "1.1.1.1"),
    ("", "-j", "9.9.9.9", "fd00::99"),
];

fn count(world: &World, line: &str) -> i64 {
    ours(world, line).clean().trim().parse().unwrap()
}

#[test]
fn what_is_excluded_and_what_is_not_are_all() {
    let test = "what_is_excluded_and_what_is_not_are_all_flows";
    let Some(world) = table(test) else { return };
    let saved = scratch(test).join("flows");
    let list = ours(&world, "-L -o extended,id,labels").stdout;
    // No flow has labels: the text tells so only where one has.
    std::fs::write(&saved, list).unwrap();
    let from = format!(" --from {}", saved.display());
    let mut found = 0;
    for (before, option, one, other) in FILTERS {
        // Of marks that must be, and of states of the kernel only, the last counts.
        let is_twice = before.contains(option);
        for source in ["", from.as_str()] {
            if !source.is_empty() && ["-l", "-c"].contains(&option) {
                continue;
            }
            let count =
                |value: &str| count(&world, &format!("-C {before}{option} {value}{source}"));
            let all = self::count(&world, format!("-C {before}{}", source.trim()).trim());
            let (with, without) = (count(one), count(&format!("!{one}")));
            let line = format!("{before}{option} {one}{source}");
            assert!(is_twice || with + without == all, "{line}: {with} + {without}, not {all}");
            // A word that must match, less one that must not; and two that must not.
            let neither = count(&format!("!{one},!{other}"));
            let apart = count(&format!("!{one} {option} !{other}"));
            assert_eq!(apart, neither, "{line}, {other}");
            if !is_twice && !["--sport", "--dport", "--reply-port-src", "-l"].contains(&option) {
                let less = count(&format!("{one},!{other}"));
                let kept = count(&format!("!{other}"));
                assert_eq!(kept - neither, less, "{line} less {other}");
            }
            found += usize::from(with > 0 && without > 0);
        }
    }
    assert!(found > 40, "almost all filters select nothing, or all: {found}");
}

#[test]
fn flows_without_a_translation_are_found() {
    let Some(world) = table("flows_without_a_translation_are_found") else { return };
    let all = count(&world, "-C");
    for option in ["-n", "-g", "-j", "--any-nat"] {
        let (with, without) =
            (count(&world, &format!("-C {option}")), count(&world, &format!("-C {option} !")));
        assert!(with > 0 && with + without == all, "{option}: {with} + {without}, not {all}");
    }
    let both = count(&world, "-C -n -g !");
    assert_eq!(both, count(&world, "-C -n") - count(&world, "-C -n -g"));
}
