//! Slow, silent or hostile clients neither block the daemon nor make it grow.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use connbox::applet::conntrackd::protocol::VERSION;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

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

/// Everything received until the connection ends.
fn rest(mut stream: UnixStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    bytes
}

/// A request of connbox's clients: a length in four bytes, the version, the command.
fn request(command: u8) -> [u8; 6] {
    [2, 0, 0, 0, VERSION, command]
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
        // The daemon may close it before everything is written.
        let _ = stream.write_all(bytes);
        let answer = rest(stream);
        // A frame of the kind that gives the reason.
        assert!(answer.len() > 5 && answer[4] == 4, "{answer:?}");
    }
    assert_eq!(place.number("clients", "bad_requests"), bad.len() as u64);
    // Clients that send nothing, and leave.
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
    // The others are dropped after five seconds, even if they send nothing.
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
    // Events are still counted, and a client that reads on gets all flows that exist then.
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

/// The processor time that a process has taken, in hundredths of a second.
fn ticks(pid: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = text.rsplit(") ").next().unwrap().split(' ').collect();
    fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum()
}

/// Limits the numbers of a process's descriptors.
fn limit(pid: u32, current: Option<u64>) {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    prlimit(Some(pid), Resource::Nofile, Rlimit { current, maximum: Some(1024) }).unwrap();
}

#[test]
fn without_descriptors_the_daemon_rests_until_the_next_tick() {
    let Some(place) = Place::new("no_descriptors") else { return };
    let daemon = place.daemon(&[]);
    let pid = daemon.pid();
    // The client that found it alive leaves first. The limit is one of numbers, and there may be gaps.
    let free = || (0..).find(|number| !Path::new(&format!("/proc/{pid}/fd/{number}")).exists());
    let mut seen = Vec::new();
    until("its descriptors stay the same", || {
        seen.push(free().unwrap());
        seen.len() > 10
            && seen[seen.len() - 10..].iter().all(|number| number == &seen[seen.len() - 1])
    });
    let open = free().unwrap();
    limit(pid, Some(open));
    let waiting = connect(&place);
    let before = ticks(pid);
    std::thread::sleep(Duration::from_secs(3));
    let taken = ticks(pid) - before;
    assert!(taken < 30, "{taken} hundredths of a second");
    // With room for one client, a silent one makes room for the next.
    limit(pid, Some(open + 1));
    let silent = connect(&place);
    let start = Instant::now();
    let ran = place.ask(&["-s"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    assert!(start.elapsed() < Duration::from_secs(4));
    // Nobody else waits, so that a client alone keeps the only room.
    let ran = place.ask(&["-s"]);
    assert_eq!(ran.status, 0, "{ran:?}");
    limit(pid, Some(1024));
    assert!(place.number("clients", "dropped") >= 2);
    drop((waiting, silent));
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
    // Meanwhile, small requests are answered, and so are requests for everything.
    while flood.has_ended().is_none() {
        assert_eq!(place.ask(&["-s"]).status, 0);
        assert_eq!(place.ask(&["-i"]).status, 0);
        answers += 1;
    }
    assert!(answers > 0);
    until("all flows", || place.number("flows", "active") == place.kernel_count());
    assert!(resident_bytes(daemon.pid()) < 64 << 20);
}
