//! Dates compared with those of coreutils' date, which uses its own libc.

use std::fmt::Write;
use std::process::Command;

use connbox::flow;

use super::in_zones;
use crate::support::{feed, needs};

#[test]
fn dates_are_those_of_date() {
    // Rules, files, invalid values, and none.
    let zones = [
        "NST3:30NDT,M3.2.0,M11.1.0",
        "<+1245>-12:45<+1345>,M9.5.0/2:45,M4.1.0/3:45",
        "Europe/Berlin",
        ":Australia/Lord_Howe",
        "/usr/share/zoneinfo/Asia/Kathmandu",
        "Europe/Nowhere",
        "/etc/passwd",
        ":",
        "",
    ];
    let test = "dates_are_those_of_date";
    if !needs(test, &["date", "zoneinfo"]) || !in_zones(&format!("dates::{test}"), &zones) {
        return;
    }
    // About five months apart, at any time of the day, up to the end of nanoseconds in 64 bits.
    let moments = (0..u64::MAX / 1_000_000_000).step_by(13_333_333);
    let (mut words, mut ours) = (String::new(), Vec::new());
    for moment in moments {
        writeln!(words, "@{moment}").unwrap();
        flow::date(&mut ours, moment);
        ours.push(b'\n');
    }
    let mut date = Command::new("date");
    date.env("LC_ALL", "C").args(["-f", "-", "+%a %b %e %H:%M:%S %Y"]);
    let theirs = feed(&mut date, words.as_bytes());
    assert!(theirs.status.success(), "{theirs:?}");
    assert!(theirs.stdout == ours, "{}", String::from_utf8_lossy(&ours));
}
