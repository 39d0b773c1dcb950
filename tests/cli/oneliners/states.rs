//! Sockets by state: awk on /proc/net/tcp, ss, netstat.

use super::run::{bash, can_mount, same};
use super::worlds;
use crate::support;

/// Turns tab-separated rows `STATE COUNT` into blank-separated ones, without zeros, sorted.
const AS_AWK: &str = "awk '$2 {print $1, $2}' | sort";

#[test]
fn awk_on_the_states_of_one_table() {
    let awks = ["gawk", "mawk", "busybox awk", "awk"];
    if !support::needs("awk_on_the_states_of_one_table", &["gawk", "mawk", "busybox", "awk"]) {
        return;
    }
    for awk in awks {
        for (file, family) in [("tcp", "-4"), ("tcp6", "-6")] {
            let program = "'NR>1{c[$4]++} END{for(s in c) print s, c[s]}'";
            same(
                &format!("{awk} {program} /proc/net/{file} | sort"),
                &format!("tcpstates --hex {family} | {AS_AWK}"),
            );
        }
    }
}

#[test]
fn awk_on_the_states_of_both_tables() {
    if !support::needs("awk_on_the_states_of_both_tables", &["gawk", "mawk", "busybox"]) {
        return;
    }
    for awk in ["gawk", "mawk", "busybox awk"] {
        let program = "'FNR>1{c[$4]++} END{for(s in c) print s, c[s]}'";
        let old = format!("{awk} {program} /proc/net/tcp /proc/net/tcp6 | sort");
        same(&old, &format!("tcpstates --hex | {AS_AWK}"));
        // The saved tables in one pipe, as if from another host.
        let piped =
            format!("cat /proc/net/tcp /proc/net/tcp6 | tcpstates --hex --from - | {AS_AWK}");
        same(&old, &piped);
    }
}

#[test]
fn grep_wc_and_uniq_on_the_table() {
    if !support::needs("grep_wc_and_uniq_on_the_table", &["bash", "awk"]) {
        return;
    }
    for (old, new) in [
        ("grep -c ' 01 ' /proc/net/tcp", "tcpstates -4 -v ESTABLISHED"),
        ("grep -c ' 0A ' /proc/net/tcp6", "tcpstates -6 -v LISTEN"),
        ("awk '$4==\"08\"' /proc/net/tcp | wc -l", "tcpstates -4 -v close-wait"),
        ("cat /proc/net/tcp /proc/net/tcp6 | awk '$4 == \"06\"' | wc -l", "tcpstates -v 06"),
        ("tail -n +2 /proc/net/tcp | wc -l", "tcpstates -4 -v | awk '{n += $1} END {print n}'"),
        (
            "awk 'NR>1{print $4}' /proc/net/tcp | sort | uniq -c | awk '{print $2, $1}'",
            "tcpstates --hex -4 | awk '$2 {print $1, $2}'",
        ),
        (
            // The name for each number, spelled out as people do in awk.
            "awk 'BEGIN {split(\"ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE \
             CLOSE_WAIT LAST_ACK LISTEN CLOSING\", n, \" \"); for (i = 1; i <= 11; i++) \
             h[sprintf(\"%02X\", i)] = n[i]} FNR > 1 {c[h[$4]]++} END {for (s in c) print s, c[s]}\
             ' /proc/net/tcp /proc/net/tcp6 | sort",
            "tcpstates | awk '$2 {print $1, $2}' | sort",
        ),
    ] {
        same(old, new);
    }
}

#[test]
fn ss_by_one_state() {
    if !support::needs("ss_by_one_state", &["ss"]) {
        return;
    }
    for (old, new) in [
        ("ss -Htan state established | wc -l", "tcpstates -v established"),
        ("ss -Htan state time-wait | wc -l", "tcpstates -v time-wait"),
        ("ss -Htan4 state fin-wait-2 | wc -l", "tcpstates -4 -v fin-wait-2"),
        ("ss -Htan6 state established | wc -l", "tcpstates -6 -v estab"),
        ("ss -tan | grep -c ESTAB", "tcpstates -v ESTAB"),
        ("ss -Htln | wc -l", "tcpstates -v LISTEN"),
        ("ss -Htan | wc -l", "tcpstates all -v | awk '{n += $1} END {print n}'"),
        (
            "ss -Htan state connected | wc -l",
            "tcpstates connected -v | awk '{n += $1} END {print n}'",
        ),
        ("ss -Htan state synchronized | wc -l", "tcpstates -v synchronized | paste -sd+ | bc"),
        ("ss -Htan state bucket | wc -l", "tcpstates bucket -v | awk '{n += $1} END {print n}'"),
        ("ss -Htan state big | wc -l", "tcpstates big -v | awk '{n += $1} END {print n}'"),
    ] {
        same(old, new);
    }
}

#[test]
fn ss_by_all_states_in_its_own_spelling() {
    if !support::needs("ss_by_all_states_in_its_own_spelling", &["ss"]) {
        return;
    }
    for list in ["sort | uniq -c", "awk '{++S[$1]} END {for(a in S) print S[a], a}'"] {
        let old = format!("ss -Htan | awk '{{print $1}}' | {list}");
        // Each of its words is a NAME of ours.
        let line =
            format!("{old} | while read -r n state; do echo $n $(tcpstates -v $state); done");
        for world in worlds::all() {
            let printed = bash(&world, &line);
            assert!(printed.lines().count() >= 9, "{printed}");
            for pair in printed.lines() {
                let (theirs, ours) = pair.split_once(' ').unwrap();
                assert_eq!(theirs, ours, "{line}");
            }
        }
    }
}

#[test]
fn netstat_by_state() {
    let test = "netstat_by_state";
    if !support::needs(test, &["netstat", "busybox"]) || !can_mount(test) {
        return;
    }
    for netstat in ["netstat", "in_world busybox netstat"] {
        same(
            &format!(
                "{netstat} -tan | awk '/^tcp/{{print $6}}' | sort | uniq -c | \
                 awk '{{print $2, $1}}'"
            ),
            &format!("tcpstates | {AS_AWK}"),
        );
        // Without -a, netstat skips the listening sockets.
        same(
            &format!(
                "{netstat} -tn | awk '/^tcp/ {{++S[$NF]}} END {{for(a in S) print a, S[a]}}' | sort"
            ),
            &format!("tcpstates | grep -v LISTEN | {AS_AWK}"),
        );
    }
    same(
        "netstat -n | awk '/^tcp/ {++S[$NF]} END {for(a in S) print a, S[a]}' | sort",
        &format!("tcpstates | grep -v LISTEN | {AS_AWK}"),
    );
    same("netstat -tan | grep -c ESTABLISHED", "tcpstates -v ESTABLISHED");
    same("netstat -tn | grep -c TIME_WAIT", "tcpstates -v TIME_WAIT");
}
