//! The times of rows: those of the readings, and how long connections have been idle.

use std::io::{BufRead, BufReader};
use std::time::Duration;

use rustix::process::Signal;

use crate::world::World;

/// The milliseconds of the day in a time of RFC 3339.
fn milliseconds(time: &str) -> u64 {
    let clock = time.split('T').nth(1).unwrap().replace(['Z', '.'], ":");
    let parts: Vec<u64> = clock
        .splitn(4, ':')
        .map(|part| part[..part.len().min(3)].trim_end_matches(':'))
        .map(|part| part.parse().unwrap())
        .collect();
    ((parts[0] * 60 + parts[1]) * 60 + parts[2]) * 1000 + parts[3]
}

#[test]
fn missed_ticks_are_not_made_up_for() {
    let Some(world) = World::quiet("missed_ticks_are_not_made_up_for") else { return };
    let mut script = world.companion("transfer");
    script.go();
    for words in [&["tcptrack", "--tsv"][..], &["conncount", "--tsv"]] {
        let words = [words, &["--interval", "0.4", "--count", "4"]].concat();
        let (stdout, mut running) = world.connbox_running(&words);
        let mut rows = BufReader::new(stdout).lines().map(Result::unwrap);
        let first = rows.next();
        running.wait_until_it_sleeps();
        running.signal(Signal::STOP);
        std::thread::sleep(Duration::from_millis(1500));
        running.signal(Signal::CONT);
        let rows = first.into_iter().chain(rows);
        let mut times: Vec<_> =
            rows.map(|row| milliseconds(row.split('\t').next().unwrap())).collect();
        times.dedup();
        assert_eq!(running.end(), 0, "{words:?}");
        assert_eq!(times.len(), 4, "{words:?}");
        // One is late; the next one comes at its time, and the last one an interval after it.
        let last = times[3] - times[2];
        assert!((200..5000).contains(&last), "{words:?}: {times:?}");
    }
}
