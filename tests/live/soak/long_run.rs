//! connbox running for a long time: its output must be complete to the end, and it must not grow.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::ChildStdout;
use std::thread::{self, JoinHandle};

use crate::world::{Resident, World};

/// The heap may be rearranged, and hold more groups, once in a while; a leak of 300 bytes per snapshot is more.
const SLACK_KIB: u64 = 128;
/// Standard streams, a netlink socket, a file that is being read, and its directory.
const MOST_DESCRIPTORS: usize = 8;

/// One measurement of the process.
#[derive(Clone, Copy, Debug)]
struct Look {
    /// Its own memory: pages of the program file come and go with the machine's free memory.
    anonymous_kib: u64,
    resident_kib: u64,
    descriptors: usize,
}

/// A run with `--interval` and `--count`.
pub struct LongRun {
    words: String,
    process: Resident,
    reader: JoinHandle<u64>,
    looks: Vec<Look>,
    /// The number of rows expected at the end; 0 if it varies by snapshot.
    rows: u64,
}

impl LongRun {
    /// Starts it: a snapshot of `rows` rows (0 if they vary) every `interval` seconds.
    pub fn start(world: &World, words: &[&str], interval: f64, count: u64, rows: u64) -> Self {
        let (interval, times) = (interval.to_string(), count.to_string());
        let words = [words, &["--interval", &interval, "--count", &times]].concat();
        let (output, process) = world.connbox_running(&words);
        let reader = thread::spawn(move || read(output));
        Self { words: words.join(" "), process, reader, looks: Vec::new(), rows: rows * count }
    }

    /// Measures memory and descriptors, if it still runs.
    pub fn look(&mut self) {
        self.looks.extend(look(self.process.pid()));
    }

    /// Waits for the end, and sums up the run.
    pub fn end(mut self) -> String {
        let words = &self.words;
        let rows = self.reader.join().unwrap_or_else(|_| panic!("{words}: see above"));
        assert_eq!(self.process.end(), 0, "{words}");
        assert!(rows > 0 && (self.rows == 0 || rows == self.rows), "{words}: {rows} rows");
        let (warm, late) = self.looks.split_at(self.looks.len() / 3);
        let most = |looks: &[Look]| looks.iter().map(|look| look.anonymous_kib).max().unwrap_or(0);
        let (before, after) = (most(warm), most(late));
        assert!(before > 0 && after <= before + SLACK_KIB, "{words}: {before}, then {after} KiB");
        let descriptors = self.looks.iter().map(|look| look.descriptors).max().unwrap_or(0);
        assert!(descriptors <= MOST_DESCRIPTORS, "{words}: {descriptors} descriptors");
        let resident = self.looks.iter().map(|look| look.resident_kib).max().unwrap_or(0);
        format!(
            "{words}: {rows} rows, own memory at most {before} KiB in the first third and {after} KiB later, \
             resident at most {resident} KiB, at most {descriptors} descriptors"
        )
    }
}

/// Reads rows to the end, each with a time, some words, and a number; returns their number.
fn read(output: ChildStdout) -> u64 {
    let mut rows = 0;
    for line in BufReader::new(output).lines() {
        let line = line.expect("UTF-8");
        let fields: Vec<&str> = line.split('\t').collect();
        let is_time =
            fields[0].len() == "2026-11-21T15:46:24.000Z".len() && fields[0].ends_with('Z');
        let is_number = fields.last().is_some_and(|last| last.parse::<i64>().is_ok());
        assert!(fields.len() >= 3 && is_time && is_number, "{line}");
        rows += 1;
    }
    rows
}

/// None once the process has ended.
fn look(pid: u32) -> Option<Look> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim_start_matches(':').trim().strip_suffix(" kB")?.parse().ok()
    };
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
    let look = Look { anonymous_kib: kib("RssAnon")?, resident_kib: kib("VmRSS")?, descriptors };
    Some(look)
}
