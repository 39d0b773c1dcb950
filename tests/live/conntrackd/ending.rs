//! What the export does at its end: flows that go on, and a collector that no longer answers.

use std::collections::BTreeMap;
use std::io::Read;
use std::net::{TcpListener, UdpSocket};
use std::process::Child;
use std::time::Duration;

use rustix::process::Signal;

use super::{Place, signal, until};
use crate::world::Rights;

/// Starts a daemon whose messages can be read, and waits until it answers.
fn daemon(place: &Place, words: &[&str]) -> Child {
    let socket = place.path("sock");
    let own = ["conntrackd", "--foreground", "--socket", &socket];
    let child = place.world.connbox_piped(Rights::Root, &[&own, words].concat());
    until("the daemon answers", || place.ask(&["-s"]).status == 0);
    child
}

/// Ends it, and returns its messages. Whatever was lost, it was stopped, and did not fail.
fn ended(child: Child) -> String {
    signal(child.id(), Signal::TERM);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    String::from_utf8(output.stderr).unwrap()
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

/// The reason, packets and bytes of each record of IPv4 without translation between these ports, by its source port.
fn records(socket: &UdpSocket, ports: [u16; 2]) -> BTreeMap<u16, Vec<[u64; 3]>> {
    let mut all = BTreeMap::<u16, Vec<[u64; 3]>>::new();
    let mut bytes = [0; 2000];
    while let Ok(length) = socket.recv(&mut bytes) {
        let mut sets = &bytes[16..length];
        while !sets.is_empty() {
            let (set, behind) = sets.split_at(number(&sets[2..4]) as usize);
            let of_flows = if number(&set[..2]) == 256 { &set[4..] } else { &[] };
            for one in of_flows.chunks(47) {
                let [source, destination] = [8, 10].map(|at| number(&one[at..at + 2]) as u16);
                if ports.contains(&source) && ports.contains(&destination) {
                    let counts = [number(&one[14..15]), number(&one[31..39]), number(&one[39..47])];
                    all.entry(source).or_default().push(counts);
                }
            }
            sets = behind;
        }
    }
    all
}

#[test]
fn records_before_and_after_a_restart_add_up() {
    let Some(place) = Place::new("ipfix_restart") else { return };
    let [collector, one, other] = place.world.inside(|| {
        ["127.0.0.1:4739", "127.0.0.1:0", "127.0.0.1:0"].map(|at| UdpSocket::bind(at).unwrap())
    });
    collector.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    let [to, back] = [&other, &one].map(|socket| socket.local_addr().unwrap());
    let exchange = |count: usize| {
        for _ in 0..count {
            one.send_to(&[0; 72], to).unwrap();
            other.send_to(&[0; 12], back).unwrap();
        }
    };
    let words = ["--ipfix", "127.0.0.1:4739", "--ipfix-active", "60"];
    let first = daemon(&place, &words);
    // The first comparison has passed, so only that at the end sees these.
    exchange(100);
    assert_eq!(ended(first), "");
    let second = daemon(&place, &words);
    exchange(3);
    assert_eq!(ended(second), "");
    let third = daemon(&place, &words);
    exchange(1);
    place.world.tool("sh", &["-c", "conntrack -F 2>/dev/null"]);
    assert_eq!(ended(third), "");
    let ports = [back.port(), to.port()];
    let wanted = ports.map(|port| {
        let bytes = if port == ports[0] { 100 } else { 40 };
        (port, [[4, 100], [4, 3], [1, 1]].map(|[reason, count]| [reason, count, count * bytes]))
    });
    let wanted = wanted.map(|(port, parts)| (port, parts.to_vec()));
    assert_eq!(records(&collector, ports), BTreeMap::from(wanted));
}

/// From the sandbox.
#[test]
fn what_a_collector_has_not_acknowledged_at_the_end_is_said() {
    let Some(place) = Place::new("ipfix_silent") else { return };
    let listener = place.world.inside(|| TcpListener::bind("127.0.0.1:4739").unwrap());
    let daemon = daemon(&place, &["--ipfix", "127.0.0.1:4739/tcp"]);
    let mut connection = listener.accept().unwrap().0;
    let reader = std::thread::spawn(move || {
        let mut bytes = [0; 4000];
        while connection.read(&mut bytes).is_ok_and(|count| count > 0) {}
    });
    let export = |count: u32| {
        let before = place.number("ipfix", "records");
        place.flows(4000, count);
        until("the flows", || place.number("flows", "active") >= count.into());
        place.world.tool("sh", &["-c", "conntrack -D -p udp --sport 4000 >/dev/null 2>&1"]);
        let wanted = before + u64::from(count);
        until("the records", || place.number("ipfix", "records") >= wanted);
        assert_eq!(place.number("ipfix", "records"), wanted);
    };
    export(20);
    let rule = "add chain inet t hole { type filter hook input priority -1; }; \
                add rule inet t hole tcp dport 4739 drop";
    place.world.tool("nft", &[rule]);
    export(15);
    let shown = place.ask(&["-s", "runtime"]).clean();
    assert!(shown.contains("\n\tIPFIX records sent:\t                  35\n"), "{shown}");
    let wanted = "conntrackd: --ipfix: 15 records did not reach the collector 127.0.0.1:4739/tcp: \
                  it acknowledged nothing more\n";
    assert_eq!(ended(daemon), wanted);
    place.world.tool("nft", &["delete chain inet t hole"]);
    drop(listener);
    reader.join().unwrap();
}

#[test]
fn a_collector_that_cannot_be_reached_is_named_once_with_the_reason() {
    let Some(place) = Place::new("ipfix_nobody") else { return };
    for (target, reason) in [
        ("127.0.0.1:4739/tcp", "Connection refused"),
        ("127.0.0.1:4739/udp", "Connection refused"),
        ("192.0.2.1:4739/udp", "Network is unreachable"),
        ("192.0.2.1:4739/tcp", "Network is unreachable"),
    ] {
        let daemon = daemon(&place, &["--ipfix", target]);
        // With UDP, the first datagrams are refused.
        until("failures", || {
            place.flows(4000, 3);
            place.world.tool("sh", &["-c", "conntrack -D -p udp --sport 4000 >/dev/null 2>&1"]);
            place.number("ipfix", "failures") >= 2 && place.number("ipfix", "waiting") > 0
        });
        let said = ended(daemon);
        let lines: Vec<_> = said.lines().collect();
        let first =
            format!("conntrackd: --ipfix: {target}: {reason}: records wait for the collector");
        let last = format!(" records did not reach the collector {target}: {reason}");
        assert!(lines.len() == 2 && lines[0] == first && lines[1].ends_with(&last), "{said}");
    }
}
