//! The times of rows: those of the readings, and how long connections have been idle.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
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

/// The client's end is a minisocket, of which the kernel tells neither the idle time nor the bytes; the server's end is
/// on the same machine and tells both, whichever of them is read first.
#[test]
fn connections_that_are_equally_old_have_been_idle_equally_long() {
    let test = "connections_that_are_equally_old_have_been_idle_equally_long";
    let Some(world) = World::quiet(test) else { return };
    let servers: Vec<TcpStream> = world.inside(|| {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 9999)).unwrap();
        let one = || {
            let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, 9999)).unwrap();
            client.write_all(b"hello").unwrap();
            listener.accept().unwrap().0
        };
        (0..16).map(|_| one()).collect()
    });
    std::thread::sleep(Duration::from_secs(2));
    let rows = world.connbox(&["tcptrack", "--once", "--tsv", "--rate-interval", "0.1"]).clean();
    assert_eq!(rows.lines().count(), servers.len(), "{rows}");
    for row in rows.lines() {
        let row: Vec<_> = row.split('\t').collect();
        assert_eq!((row[4], row[8], row[9]), ("CLOSING", "0", "5"), "{row:?}");
        assert!(row[5].parse::<f64>().unwrap() >= 1.9, "{row:?}");
    }
}
