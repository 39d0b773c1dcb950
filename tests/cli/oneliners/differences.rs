//! Cases where a common one-liner gives a different number from the one you want, and the difference.

use std::path::Path;

use super::run::{bash, same};
use super::worlds;
use crate::support;

/// The number that a line prints; it prints nothing else.
fn number(world: &Path, line: &str) -> i64 {
    bash(world, line).trim().parse().unwrap()
}

#[test]
fn closed_counts_every_minisocket_as_a_closed_socket() {
    // ss subtracts tw from inuse, which never included it.
    if !support::needs("closed_counts_every_minisocket_as_a_closed_socket", &["ss"]) {
        return;
    }
    for world in worlds::all() {
        let closed = number(&world, "ss -s | sed -n 's/.*closed \\(-*[0-9]*\\).*/\\1/p'");
        let unhashed = number(&world, "closedcalc -v unhashed");
        let tw = number(&world, "sockstat -v TCP.tw");
        assert_eq!(closed - unhashed, tw);
        assert_eq!(number(&world, "conncount -v unhashed"), unhashed);
    }
}

#[test]
fn estab_counts_close_wait_too() {
    if !support::needs("estab_counts_close_wait_too", &["bash", "awk"]) {
        return;
    }
    // estab of ss -s and "connections established" of netstat are CurrEstab.
    for world in worlds::all() {
        let estab = number(&world, "conncount -v estab");
        let established = number(&world, "tcpstates -v ESTABLISHED");
        assert!(estab > established);
        assert_eq!(estab, established + number(&world, "tcpstates -v CLOSE_WAIT"));
    }
}

#[test]
fn timewait_counts_orphaned_fin_wait_2_too() {
    if !support::needs("timewait_counts_orphaned_fin_wait_2_too", &["bash", "awk"]) {
        return;
    }
    // Timer 03 marks the minisockets: TIME_WAIT, and FIN_WAIT2 without an owner.
    let minisockets = "cat /proc/net/tcp /proc/net/tcp6 | awk '$6 ~ /^03:/' | wc -l";
    same(minisockets, "conncount -v timewait");
    same(minisockets, "sockstat -v TCP.tw");
    for world in worlds::all() {
        let timewait = number(&world, "conncount -v timewait");
        assert!(timewait > number(&world, "tcpstates -v TIME_WAIT"));
    }
}

#[test]
fn wc_counts_the_header_of_ss_as_a_socket() {
    if !support::needs("wc_counts_the_header_of_ss_as_a_socket", &["ss"]) {
        return;
    }
    for (old, state) in [
        ("ss -o state time-wait | wc -l", "time-wait"),
        ("ss -tan state established | wc -l", "established"),
    ] {
        same(old, &format!("expr $(tcpstates -v {state}) + 1"));
    }
}

#[test]
fn awk_counts_the_second_header_as_a_state() {
    if !support::needs("awk_counts_the_second_header_as_a_state", &["bash", "awk"]) {
        return;
    }
    // NR continues from file to file, so the header of the second file becomes a row of state `st`.
    same(
        "awk 'NR>1{c[$4]++} END{for(s in c) print s, c[s]}' /proc/net/tcp /proc/net/tcp6 | sort",
        "(tcpstates --hex | awk '$2 {print $1, $2}'; echo st 1) | sort",
    );
}

#[test]
fn grep_finds_the_state_of_ipv4_alone() {
    if !support::needs("grep_finds_the_state_of_ipv4_alone", &["bash", "awk"]) {
        return;
    }
    // /proc/net/tcp has no IPv6 sockets, not even v4-mapped ones.
    for world in worlds::all() {
        let v4 = number(&world, "grep -c ' 01 ' /proc/net/tcp");
        let v6 = number(&world, "tcpstates -6 -v established");
        assert!(v6 > 0);
        assert_eq!(v4 + v6, number(&world, "tcpstates -v established"));
    }
}

#[test]
fn synrecv_is_counted_where_ss_prints_nothing() {
    if !support::needs("synrecv_is_counted_where_ss_prints_nothing", &["bash", "awk"]) {
        return;
    }
    // ss no longer prints synrecv, and never had the right number: it took it from a slab cache.
    for world in worlds::all() {
        let rows = number(&world, "cat /proc/net/tcp /proc/net/tcp6 | awk '$4==\"03\"' | wc -l");
        assert!(rows > 0);
        assert_eq!(number(&world, "conncount -v synrecv"), rows);
    }
}
