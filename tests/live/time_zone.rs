//! Local time against coreutils' date, which asks glibc: every zone of tzdata, rules of POSIX, and
//! values of TZ that are neither.

use crate::support;
use crate::world;

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use connbox::calendar::DateTime;
use connbox::source::time_zone::TimeZone;
use connbox::wire::tzif;

const ZONES: &str = "/usr/share/zoneinfo";
/// 1900-01-01 and 2400-01-01, UTC.
const YEARS: [i64; 2] = [-2_208_988_800, 13_569_465_600];

/// Moments of all years, about five months apart and at any time of the day, and those about a new year.
fn moments() -> Vec<i64> {
    let steps = (YEARS[0]..YEARS[1]).step_by(13_333_333);
    let turns = (1900..2400).step_by(9).flat_map(|year| {
        let turn = connbox::calendar::days_to_month(year, 1) * 86_400;
        (-12..=12).step_by(3).map(move |hour| turn + hour * 3600)
    });
    steps.chain(turns).collect()
}

/// What `date` says of some moments, under a value of TZ, with the zones of a directory: `2026-11-21 11:33:36 6`.
fn theirs(tz: &OsStr, directory: &str, moments: &[i64]) -> Vec<String> {
    let mut words = String::new();
    moments.iter().for_each(|moment| writeln!(words, "@{moment}").unwrap());
    let mut date = Command::new("date");
    date.env("TZ", tz).env("TZDIR", directory).env("LC_ALL", "C").args([
        "-f",
        "-",
        "+%-Y-%m-%d %T %w",
    ]);
    let output = support::feed(&mut date, words.as_bytes());
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

fn text(time: DateTime) -> String {
    let DateTime { year, month, day, hour, minute, second, weekday } = time;
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} {weekday}")
}

/// Asserts that ours is `date`'s.
fn same(tz: &OsStr, moments: &[i64]) {
    are_same(tz, theirs(tz, ZONES, moments), moments);
}

fn are_same(tz: &OsStr, theirs: Vec<String>, moments: &[i64]) {
    let zone = TimeZone::of(Some(tz));
    assert_eq!(theirs.len(), moments.len());
    for (moment, theirs) in moments.iter().zip(theirs) {
        assert_eq!(text(zone.local(*moment)), theirs, "TZ={} @{moment}", tz.display());
    }
}

/// The files of tzdata, each once: not its copies, nor those whose clocks count leap seconds.
fn zones(test: &str) -> Option<Vec<PathBuf>> {
    let mut open = vec![PathBuf::from(ZONES)];
    let mut zones = BTreeSet::new();
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten() {
            let path = fs::canonicalize(entry.unwrap().path()).unwrap();
            if path.is_dir() && !["right", "posix"].iter().any(|name| path.ends_with(name)) {
                open.push(path);
            } else if path.is_file() && fs::read(&path).unwrap().starts_with(b"TZif") {
                zones.insert(path);
            }
        }
    }
    if zones.len() < 100 {
        world::skip(test, "no tzdata");
        return None;
    }
    Some(zones.into_iter().collect())
}

/// Just before and at every change that a file lists, as its offsets tell them.
fn changes(zone: &Path) -> Vec<i64> {
    let file = fs::read(zone).unwrap();
    let at = |moment| tzif::offset(&file, moment).unwrap();
    let mut changes = Vec::new();
    let mut last = (YEARS[0], at(YEARS[0]));
    for moment in (YEARS[0]..4_102_444_800).step_by(20 * 86_400) {
        let next = (moment, at(moment));
        if last.1 != next.1 {
            let (mut low, mut high) = (last.0, next.0);
            while high - low > 1 {
                let middle = low.midpoint(high);
                *(if at(middle) == last.1 { &mut low } else { &mut high }) = middle;
            }
            changes.extend([low, high]);
        }
        last = next;
    }
    changes
}

#[test]
fn every_zone_of_tzdata() {
    let Some(zones) = zones("every_zone_of_tzdata") else { return };
    let usual = moments();
    for zone in &zones {
        same(zone.as_os_str(), &[changes(zone), usual.clone()].concat());
    }
}

#[test]
fn rules_of_posix() {
    // To glibc every year before 1970 changes its clocks on the days of 1970.
    let usual: Vec<i64> = moments().into_iter().filter(|moment| *moment >= 0).collect();
    for rule in [
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "EST5EDT,M3.2.0,M11.1.0",
        "XST5XDT",
        "XST5XDT4,",
        "AEST-10AEDT,M10.1.0,M4.1.0/3",
        "NZST-12NZDT,M9.5.0,M4.1.0/3",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "IST-1GMT0,M10.5.0,M3.5.0/1",
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
        "IST-2IDT,M3.4.4/26,M10.5.0",
        "EET-2EEST,M3.4.4/50,M10.4.4/50",
        "<+0330>-3:30<+0430>,J79/24,J263/24",
        "ABC3DEF,59,J61/1:02:03",
        "ABC3DEF,J59/0,300/22:59",
        "ABC-3:04:05",
        "UTC0",
        "<-12>12",
        "ABC+24",
        "ABC-24:59:59",
        ":CET-1CEST,M3.5.0,M10.5.0/3",
    ] {
        // A rule without dates would have those of tzdata's posixrules, which only glibc still reads.
        let theirs = theirs(rule.as_ref(), "/nonexistent", &usual);
        are_same(rule.as_ref(), theirs, &usual);
    }
}

#[test]
fn values_that_name_no_zone_are_utc() {
    let moments = [YEARS[0], -1, 0, 1_795_260_816, 1_780_000_000];
    let zones = [
        "",
        ":",
        "UTC",
        "GMT0",
        "Europe/Nowhere",
        "/dev/null",
        "/etc",
        "/etc/passwd",
        "?",
        "\u{e9}",
    ];
    for tz in zones {
        same(tz.as_ref(), &moments);
        assert_eq!(text(TimeZone::of(Some(tz.as_ref())).local(0)), "1970-01-01 00:00:00 4");
    }
}

#[test]
fn names_stand_for_files() {
    if zones("names_stand_for_files").is_none() {
        return;
    }
    let moments = moments();
    for tz in [
        "Europe/Berlin",
        ":Europe/Berlin",
        "/usr/share/zoneinfo/Australia/Lord_Howe",
        ":/usr/share/zoneinfo/Asia/Kathmandu",
        "Africa/../America/St_Johns",
    ] {
        same(tz.as_ref(), &moments);
        assert_ne!(text(TimeZone::of(Some(tz.as_ref())).local(0)), "1970-01-01 00:00:00 4");
    }
}

/// Without TZ it is /etc/localtime that counts.
#[test]
fn the_machines_zone() {
    let usual = moments();
    let zone = TimeZone::of(None);
    let theirs = theirs("/etc/localtime".as_ref(), ZONES, &usual);
    for (moment, theirs) in usual.iter().zip(theirs) {
        assert_eq!(text(zone.local(*moment)), theirs, "@{moment}");
    }
}

/// Files that are cut off or damaged give a time within two days of UTC's, whatever they say.
#[test]
fn no_damage_to_a_file_matters() {
    let Some(zones) = zones("no_damage_to_a_file_matters") else { return };
    let names = ["Europe/Berlin", "Africa/Casablanca", "America/Nuuk", "Etc/UTC"];
    let files = zones.iter().filter(|zone| names.iter().any(|name| zone.ends_with(name)));
    let check = |file: &[u8]| {
        for moment in [i64::MIN, YEARS[0], 0, 1_795_260_816, YEARS[1], i64::MAX] {
            let offset = tzif::offset(file, moment);
            assert!(offset.is_none_or(|offset| offset.abs() < 2 * 86_400), "{offset:?}");
        }
    };
    for file in files {
        let mut file = fs::read(file).unwrap();
        for place in 0..file.len() {
            check(&file[..place]);
            let byte = file[place];
            for other in (0..8).map(|bit| byte ^ 1 << bit).chain([0, 127, 128, 255]) {
                file[place] = other;
                check(&file);
            }
            file[place] = byte;
        }
    }
}
