//! Connections on the same ports, and short ones in long ticks: each is a row, with exact bytes.

use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::set_socket_reuseaddr;
use rustix::net::{AddressFamily, SocketType, bind, connect, socket};

use super::ended::{read_end, reset, text, transfer, wait_for_group};
use super::rows::{captures, wait};
use crate::world::{Rights, World};

/// A connection to port 9001 from this port, whichever connection had it before, once the kernel lets it go.
fn connect_from(port: u16) -> TcpStream {
    let [from, to] = [port, 9001].map(|port| SocketAddrV4::new(Ipv4Addr::LOCALHOST, port));
    let mut made = None;
    wait("a free port", || {
        let client = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        set_socket_reuseaddr(&client, true).unwrap();
        bind(&client, &from).unwrap();
        let connected = connect(&client, &to);
        assert!(matches!(connected, Ok(()) | Err(Errno::ADDRNOTAVAIL)), "{connected:?}");
        made = connected.is_ok().then_some(client);
        made.is_some()
    });
    made.unwrap().into()
}

/// Makes connections with the same ends, one after the other, and gives the bytes to the server and back, sorted.
fn make(listener: &TcpListener, port: u16, number: u64) -> Vec<[u64; 2]> {
    let mut sent = Vec::new();
    for place in 0..number {
        let client = connect_from(port);
        let server = listener.accept().unwrap().0;
        let bytes = [3000 + place * 7, 2000 + place * 13];
        transfer(&client, &server, bytes[0]);
        transfer(&server, &client, bytes[1]);
        match place % 3 {
            0 => reset(&client),
            1 => reset(&server),
            // The server's end waits in TIME_WAIT, from which a SYN takes it.
            _ => {
                drop(server);
                read_end(&client);
            }
        }
        sent.push(bytes);
    }
    sent.sort_unstable();
    sent
}

/// The fields of each row.
fn fields(rows: &str) -> Vec<Vec<&str>> {
    rows.lines().map(|row| row.split('\t').collect()).collect()
}

fn numbers(row: &[&str], places: [usize; 2]) -> [u64; 2] {
    places.map(|place| row[place].parse().unwrap())
}

#[test]
fn every_connection_on_the_same_ports_is_a_row() {
    let Some(world) = World::quiet("every_connection_on_the_same_ports_is_a_row") else { return };
    let listener = world.inside(|| TcpListener::bind("127.0.0.1:9001").unwrap());
    let words = ["tcptrack", "--once", "--rate-interval", "3"];
    let all = [&[][..], &["--by", "server_port,state"], &["-r", "0.001", "--json"]];
    let running = all.map(|more| world.connbox_piped(Rights::Root, &[&words[..], more].concat()));
    thread::sleep(Duration::from_millis(1000));
    let sent = world.inside(|| make(&listener, 40_001, 60));
    let [rows, groups, gone] = running.map(|child| {
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        text(&output.stdout).to_owned()
    });
    let rows = fields(&rows);
    let mut seen: Vec<_> = rows.iter().map(|row| numbers(row, [9, 8])).collect();
    seen.sort_unstable();
    assert_eq!(seen, sent);
    assert!(rows.iter().all(|row| row[4] == "CLOSED" && row[..2] == ["127.0.0.1", "40001"]));
    // Nor do groups lack one. The tick takes as long as it takes.
    let groups = fields(&groups);
    let [group] = &groups[..] else { panic!("{groups:?}") };
    assert_eq!(group[..3], ["9001", "CLOSED", "60"]);
    for (place, which) in [(3, 1), (4, 0)] {
        let bytes: u64 = sent.iter().map(|bytes| bytes[which]).sum();
        let of_rows: u64 = rows.iter().map(|row| row[place + 3].parse::<u64>().unwrap()).sum();
        for speed in [group[place].parse().unwrap(), of_rows] {
            assert!((bytes * 2 / 3..bytes + 200).contains(&(speed * 3)), "{speed} of {bytes}");
        }
    }
    assert_eq!(gone, "");
}

/// Whatever the source, and although closed connections leave after two seconds otherwise.
#[test]
fn rows_of_a_long_tick_have_all_that_ended_in_it() {
    let Some(world) = World::quiet("rows_of_a_long_tick_have_all_that_ended_in_it") else { return };
    let listener = world.inside(|| TcpListener::bind("127.0.0.1:9001").unwrap());
    let words = ["tcptrack", "--interval", "4", "--count", "2"];
    let running = [&[][..], &["-i", "lo"]]
        .map(|more| world.connbox_piped(Rights::Root, &[&words[..], more].concat()));
    wait_for_group(&world);
    wait("the capture", || captures(&world) == 1);
    thread::sleep(Duration::from_millis(300));
    let first = world.inside(|| make(&listener, 40_001, 1));
    // The ticks of packets are those of the clock.
    let clock = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic).tv_sec;
    thread::sleep(Duration::from_secs(4 - clock as u64 % 4));
    let second = world.inside(|| make(&listener, 40_002, 1));
    let wanted = [("40001", first), ("40002", second)];
    for (child, (port, sent)) in running.into_iter().zip(wanted) {
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), ""));
        let rows = fields(text(&output.stdout));
        // The set of its tick is the first or the second one.
        let is_it = |row: &&Vec<&str>| row[2] == port && row[7] != "0";
        let row = rows.iter().find(is_it).unwrap_or_else(|| panic!("{rows:?}"));
        assert_eq!(numbers(row, [10, 9]), sent[0], "{row:?}");
        let speeds = numbers(row, [8, 7]).map(|speed| speed * 4);
        assert!((0..2).all(|way| sent[0][way] * 2 / 3 < speeds[way]), "{row:?}");
    }
}
