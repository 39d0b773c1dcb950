//! Clients that are slow, silent or hostile neither hold the daemon nor make it grow.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use super::{Place, until};

/// Resident memory of a process in bytes.
fn resident_bytes(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/statm")).unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn connect(place: &Place) -> UnixStream {
    let stream = UnixStream::connect(place.path("sock")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    stream
}

/// What comes till the end of the connection.
fn rest(mut stream: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    bytes
}

/// A request of connbox's clients: a length of four bytes, the version, the command.
fn request(command: u8) -> [u8; 6] {
    [2, 0, 0, 0, 1, command]
}

#[test]
fn garbage_is_answered_and_closed() {
    let Some(place) = Place::new("garbage") else { return };
    let _daemon = place.daemon(&[]);
    let long = vec![b'x'; 1 << 20];
    let bad: [&[u8]; 7] = [
        b"GET / HTTP/1.0\r\n\r\n",
        &[0xff; 4],
        &[0; 6],
        &request(9),
        &[2, 0, 0, 0, 77, 0],
        &[request(0), request(0)].concat(),
        &long,
    ];
    for bytes in bad {
        let mut stream = connect(&place);
        // It may be closed before all was written.
        let _ = stream.write_all(bytes);
        let answer = rest(stream);
        // A frame of the kind that says why not.
        assert!(answer.len() > 5 && answer[4] == 4, "{answer:?}");
    }
    assert_eq!(place.number("clients", "bad_requests"), bad.len() as u64);
    // Those who say nothing, and go.
    drop(connect(&place));
    let half = connect(&place);
    (&half).write_all(&request(0)[..3]).unwrap();
    drop(half);
    assert_eq!(place.ask(&["-s"]).status, 0);
}

#[test]
fn a_request_may_come_byte_by_byte() {
    let Some(place) = Place::new("byte_by_byte") else { return };
    let _daemon = place.daemon(&[]);
    let mut stream = connect(&place);
    for byte in request(0) {
        stream.write_all(&[byte]).unwrap();
        assert_eq!(place.ask(&["-s"]).status, 0);
    }
    let answer = rest(stream);
    assert_eq!(answer[4], 1);
    assert_eq!(answer[answer.len() - 5..], [1, 0, 0, 0, 3]);
}

#[test]
fn a_thousand_silent_clients_hinder_nobody() {
    let Some(place) = Place::new("thousand_clients") else { return };
    let daemon = place.daemon(&[]);
    let before = resident_bytes(daemon.pid());
    let mut silent = Vec::new();
    for number in 0..1000 {
        let stream = connect(&place);
        if number % 2 == 0 {
            (&stream).write_all(&request(0)[..5]).unwrap();
        }
        silent.push(stream);
        if number % 100 == 0 {
            assert_eq!(place.ask(&["-s"]).status, 0);
        }
    }
    assert_eq!(place.ask(&["-s"]).status, 0);
    assert!(place.number("clients", "connected") <= 64);
    assert!(place.number("clients", "dropped") >= 900);
    let grown = resident_bytes(daemon.pid()).saturating_sub(before);
    assert!(grown < 4 << 20, "{grown} bytes");
    // The others are dropped after five seconds, without a word from anybody.
    until("the silent are dropped", || place.number("clients", "connected") == 1);
}

#[test]
fn who_never_reads_gets_no_more_than_a_portion() {
    let Some(place) = Place::new("never_reads") else { return };
    let daemon = place.daemon(&["--reconcile", "1"]);
    place.flows(4000, 20_000);
    until("the flows", || place.number("flows", "active") == 20_000);
    let before = resident_bytes(daemon.pid());
    let idle: Vec<_> = (0..50)
        .map(|_| {
            let stream = connect(&place);
            (&stream).write_all(&request(1)).unwrap();
            stream
        })
        .collect();
    until("all are served", || place.number("clients", "connected") >= 51);
    assert_eq!(place.ask(&["-i"]).clean().lines().count(), 20_000);
    let grown = resident_bytes(daemon.pid()).saturating_sub(before);
    assert!(grown < 16 << 20, "{grown} bytes");
    // Events go on to be counted, and one who goes on to read gets all that lives then.
    place.flows(4001, 100);
    until("more flows", || place.number("flows", "active") == 20_100);
    let mut kinds = [0usize; 5];
    let answer = rest(idle.into_iter().next().unwrap());
    let mut frames = answer.as_slice();
    while let Some((length, after)) = frames.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length) as usize;
        kinds[usize::from(after[0])] += 1;
        frames = &after[length..];
    }
    assert_eq!((kinds[2], kinds[3]), (20_000, 1));
}

#[test]
fn a_flood_of_events_keeps_nobody_waiting() {
    let Some(place) = Place::new("flood") else { return };
    let daemon = place.daemon(&["--reconcile", "1"]);
    let text = "import socket,time\n\
         s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n\
         s.bind(('127.0.0.1',4000))\n\
         for n in range(100000):\n\
         \x20 try: s.sendto(b'x',('127.%d.%d.%d'%(1+n//62500,n//250%250,1+n%250),53))\n\
         \x20 except OSError: pass\n";
    let mut flood = place.world.running_with(Path::new("python3"), &[], &["-S", "-c", text]);
    let mut answers = 0;
    // One who asks meanwhile is answered, and so is one who wants all.
    while flood.has_ended().is_none() {
        assert_eq!(place.ask(&["-s"]).status, 0);
        assert_eq!(place.ask(&["-i"]).status, 0);
        answers += 1;
    }
    assert!(answers > 0);
    until("all flows", || place.number("flows", "active") == place.kernel_count());
    assert!(resident_bytes(daemon.pid()) < 64 << 20);
}
