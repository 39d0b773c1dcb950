//! `--interval`, `--count` and `--rate` in every format.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::process::{Pid, Signal, kill_process};

use super::json::{self, Json};
use super::variants::{self, Kind, Table, Variant};
use crate::support;
use crate::support::scratch::scratch;

/// The applets, each with arguments that make it repeat.
fn streams(extra: &str) -> Vec<Variant> {
    let source = ["--root", variants::world()];
    let applets = variants::applets().into_iter();
    applets.map(|applet| Variant::new(&format!("{} {extra}", applet.words[0]), &source)).collect()
}

/// Whether `text` has the form `2026-11-21T11:33:36.123Z`.
fn is_rfc3339(text: &str) -> bool {
    let shape: String =
        text.chars().map(|letter| if letter.is_ascii_digit() { '0' } else { letter }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}

fn unix_milliseconds() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()
}

/// `time` in milliseconds since 1970, read by date(1).
fn read_by_date(time: &str) -> u128 {
    support::shell(&format!("date -d {time} +%s%3N")).trim().parse().unwrap()
}

#[test]
fn a_count_of_snapshots_each_with_its_time() {
    if !support::needs("a_count_of_snapshots_each_with_its_time", &["bash", "date"]) {
        return;
    }
    std::thread::scope(|scope| {
        for variant in streams("--interval 0.2 --count 3 --header") {
            scope.spawn(move || {
                let before = unix_milliseconds();
                let table = Table::parse(&variant.run(&[]));
                let after = unix_milliseconds();
                check_times(&table, before, after);
                let single = Variant::new(&variant.words[0], &["--root", variants::world()]);
                check_snapshots(&table, &single.table());
            });
        }
    });
}

/// Every snapshot has its own time, which is in UTC and lies within the run.
fn check_times(table: &Table, before: u128, after: u128) {
    assert_eq!(table.columns[0], "time");
    let mut times: Vec<_> = table.rows.iter().map(|row| row[0].as_str()).collect();
    times.dedup();
    assert_eq!(times.len(), 3, "{times:?}");
    assert!(times.is_sorted(), "{times:?}");
    for time in times {
        assert!(is_rfc3339(time), "{time}");
        assert!((before..=after).contains(&read_by_date(time)), "{time}");
    }
}

/// Each snapshot is the whole table, after its time.
fn check_snapshots(table: &Table, single: &Table) {
    assert_eq!(table.columns[1..], single.columns);
    let rows: Vec<_> = table.rows.iter().map(|row| row[1..].to_vec()).collect();
    assert_eq!(rows, [&single.rows[..], &single.rows, &single.rows].concat());
}

#[test]
fn a_stream_of_json_is_one_object_a_row() {
    let has_jq = support::needs("a_stream_of_json_is_one_object_a_row", &["jq"]);
    for variant in streams("--interval 0.001 --count 3") {
        let text = variant.run(&["--json"]);
        let rows = Variant::new(&variant.words[0], &["--root", variants::world()]).table().rows;
        assert_eq!(text.lines().count(), 3 * rows.len(), "{variant:?}");
        for line in text.lines() {
            let Json::Text(time) = Json::object(line).get("time").clone() else { panic!("{line}") };
            assert!(is_rfc3339(&time), "{line}");
        }
        assert!(!has_jq || json::jq_takes(&text), "{variant:?}");
    }
}

#[test]
fn an_array_that_a_signal_ends_is_whole() {
    for signal in [Signal::INT, Signal::TERM] {
        for variant in streams("--interval 0.05 --count 1000000 --json=array") {
            let mut command = support::command(support::CONNBOX);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let mut child = command.args(variant.with(&[])).spawn().unwrap();
            let mut stdout = BufReader::new(child.stdout.take().unwrap());
            let mut text = String::new();
            while stdout.read_line(&mut text).unwrap() == 0 || text.lines().count() < 3 {}
            kill_process(Pid::from_child(&child), signal).unwrap();
            stdout.read_to_string(&mut text).unwrap();
            // The samples that --count asked for are not all there.
            let ended = child.wait_with_output().unwrap();
            let said = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(ended.status.code(), Some(1), "{variant:?}");
            let early = ": a signal ended the run early: samples are missing\n";
            assert!(said.ends_with(early), "{variant:?} {said}");
            let rows = text.strip_prefix("[\n").and_then(|text| text.strip_suffix("\n]\n"));
            for row in rows.expect(&text).split(",\n") {
                Json::object(row);
            }
        }
    }
}

#[test]
fn an_exposition_is_one_snapshot() {
    for applet in variants::applets() {
        for extra in
            [&["--prom", "--interval", "0.2"][..], &["--interval=1", "--format=prom", "--count=1"]]
        {
            let output = applet.output(extra);
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{said}");
            assert!(output.stdout.is_empty());
            assert!(said.starts_with(&format!("{}: --prom: ", applet.words[0])), "{said}");
        }
    }
}

#[test]
fn rates_follow_counters_and_never_levels() {
    const LEVELS: [&str; 6] = [
        "TcpRtoAlgorithm",
        "TcpRtoMin",
        "TcpRtoMax",
        "TcpMaxConn",
        "TcpCurrEstab",
        "MPTcpExtMPCurrEstab",
    ];
    let words = "snmpget-tcp --all --header --rate --interval 0.01 --count 3";
    let table = Table::parse(&Variant::new(words, &["--root", variants::world()]).run(&[]));
    assert_eq!(table.columns, ["time", "name", "value", "per_second"]);
    for (place, row) in table.rows.iter().enumerate() {
        let is_first = place < table.rows.len() / 3;
        // The saved counters do not change.
        let wanted = if is_first || LEVELS.contains(&row[1].as_str()) { "-" } else { "0.000" };
        assert_eq!(row[3], wanted, "{row:?}");
    }
}

#[test]
fn a_rate_is_the_growth_by_the_time_that_went_by() {
    let world = scratch("growing");
    fs::create_dir_all(world.join("proc/net")).unwrap();
    let put = |segments: u64| {
        let text = format!("Tcp: CurrEstab InSegs\nTcp: 3 {segments}\n");
        fs::write(world.join("new"), text).unwrap();
        fs::rename(world.join("new"), world.join("proc/net/snmp")).unwrap();
    };
    put(0);
    let arguments = ["--rate", "--interval", "0.05", "--root", world.to_str().unwrap()];
    let mut command = support::command("snmpget-tcp");
    let mut child =
        command.args(arguments).args(["InSegs"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    put(5_000_000);
    // The counter grows after one of the next snapshots; the scheduler decides which.
    let grown = lines.map(Result::unwrap).find(|line| line.contains("5000000")).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(first.ends_with("\tTcpInSegs\t0\t-"), "{first}");
    let rate = grown.rsplit('\t').next().unwrap();
    assert_eq!(rate.split_once('.').unwrap().1.len(), 3, "{grown}");
    // The rate depends on when the snapshots came, which no one can promise.
    assert!(rate.parse::<f64>().unwrap() > 0.0, "{grown}");
}

#[test]
fn a_table_without_counters_has_no_rates() {
    for variant in streams("--interval 0.001 --count 2 --rate --header") {
        let output = variant.output(&[]);
        assert!(output.status.success());
        let table = Table::parse(&String::from_utf8(output.stdout).unwrap());
        let has_rates = table.columns.iter().any(|column| column == "per_second");
        assert_eq!(has_rates, variant.words[0] == "snmpget-tcp", "{variant:?}");
        assert_eq!(has_rates, output.stderr.is_empty(), "a missing rate gives a warning");
    }
}

#[test]
fn a_stream_picks_rows_by_name_too() {
    let words = "snmpget-tcp InSegs CurrEstab --header --interval 0.001 --count 4";
    let table = Variant::new(words, &["--root", variants::world()]).run(&[]);
    let table = Table::parse(&table);
    let numbers: Vec<_> =
        table.rows.iter().map(|row| table.fields(row, Kind::Number)[0].1.unwrap()).collect();
    assert_eq!(numbers, ["109", "17"].repeat(4));
}
