//! One test for each table of docs/peers.md.

use std::collections::BTreeSet;

use super::run::check;
use super::worlds::{counters, ended, flows, holders, sockets};

#[test]
#[ignore = "installs tools: cargo test --test peers -- --ignored"]
fn established() {
    check("How many are established?", sockets);
}

#[test]
#[ignore = "installs tools"]
fn time_wait() {
    check("How many are in TIME_WAIT?", sockets);
}

#[test]
#[ignore = "installs tools"]
fn syn_recv() {
    check("How many are in SYN_RECV?", sockets);
}

#[test]
#[ignore = "installs tools"]
fn udp() {
    check("How many UDP sockets?", sockets);
}

#[test]
#[ignore = "installs tools"]
fn who_holds_them() {
    check("Who holds them?", holders);
}

#[test]
#[ignore = "installs tools"]
fn which_counters() {
    check("Which counters?", counters);
}

#[test]
#[ignore = "installs tools"]
fn how_full_is_the_tracker() {
    check("How full is the tracker?", flows);
}

#[test]
#[ignore = "installs tools"]
fn what_ended() {
    check("What ended?", ended);
}

/// A table that no test above names would never be compared, and a test without a table would compare nothing.
#[test]
fn every_table_has_a_test() {
    let text = include_str!("questions.rs").replace("\n", "");
    let tested =
        text.split(concat!("check", "(\"")).skip(1).filter_map(|rest| rest.split('"').next());
    let tested: BTreeSet<&str> = tested.collect();
    let rows = super::page::rows();
    assert_eq!(tested, rows.iter().map(|row| row.question.as_str()).collect());
}
