//! Live: what the packet ring and the kernel's own counters report about transfers of known size.

use crate::support::needs;
use crate::world;

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use connbox::error::Error;
use connbox::model::{Proto, Query, Socket, TcpState};
use connbox::source::packets::capture::{Capture, Instruction, Request};
use connbox::source::packets::segment;
use connbox::source::sockets::tcp_info;
use connbox::source::{self, Collector, Method, Source};
use connbox::sys;
use connbox::track::Listeners;
use connbox::track::tcp::{Connection, Options, State, Tracker};
use connbox::wire::tcp_info::TcpInfo;
use rustix::event::{PollFd, PollFlags, poll};
use world::World;

const LO: Request<'_> = Request {
    interface: b"lo",
    program: &[],
    snap_bytes: 128,
    is_raw: false,
    is_promiscuous: false,
    decapsulates: false,
};

/// A connection of this process to itself: the client's end and the server's.
fn connected(address: impl Into<IpAddr>) -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(SocketAddr::new(address.into(), 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (server, _) = listener.accept().unwrap();
    (client, server)
}

/// Sends `bytes` from one end to the other, and waits until all have arrived.
fn send(from: &TcpStream, to: &TcpStream, bytes: usize) {
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut from = from;
            from.write_all(&vec![7; bytes]).unwrap();
        });
        let mut to = to;
        to.read_exact(&mut vec![0; bytes]).unwrap();
    });
}

/// Closes both ends, the client's first, and waits until the server has received its FIN.
fn close(client: &TcpStream, server: &TcpStream) {
    client.shutdown(Shutdown::Write).unwrap();
    let mut end = server;
    assert_eq!(end.read(&mut [0]).unwrap(), 0);
    server.shutdown(Shutdown::Write).unwrap();
    let mut end = client;
    assert_eq!(end.read(&mut [0]).unwrap(), 0);
}

/// Passes the captured frames to the tracker until its state is as wanted.
fn until(capture: &mut Capture, tracker: &mut Tracker, is_wanted: impl Fn(&Tracker) -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_wanted(tracker) {
        let seen: Vec<_> = tracker.connections().collect();
        assert!(Instant::now() < end, "not reached: {seen:?}");
        let timeout = rustix::time::Timespec { tv_sec: 0, tv_nsec: 100_000_000 };
        let fd = capture.as_fd();
        poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&timeout)).unwrap();
        take(capture, tracker);
    }
}

fn take(capture: &mut Capture, tracker: &mut Tracker) {
    let each = &mut |frame: &connbox::source::packets::Frame<'_>| {
        if let Some(segment) = frame.packet().as_ref().and_then(segment) {
            tracker.segment(frame.time, &segment);
        }
    };
    capture.each(each).unwrap();
}

fn are_closed(tracker: &Tracker, count: usize) -> bool {
    tracker.len() == count && tracker.connections().all(|one| one.state == State::Closed)
}

fn of_port(tracker: &Tracker, port: u16) -> &Connection {
    tracker.connections().find(|one| one.server.port == port).unwrap()
}

#[test]
fn a_capture_counts_the_bytes_of_a_transfer() {
    let Some(world) = World::quiet("a_capture_counts_the_bytes_of_a_transfer") else { return };
    world.inside(|| {
        for interface in [&b"lo"[..], b"any"] {
            let mut capture = Capture::open(&Request { interface, ..LO }).unwrap();
            let mut tracker = Tracker::new(Options::default());
            let mut servers = Vec::new();
            for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
                let (client, server) = connected(address);
                send(&client, &server, 123_457);
                send(&server, &client, 1_000_003);
                send(&client, &server, 1);
                close(&client, &server);
                servers.push((client.local_addr().unwrap(), server.local_addr().unwrap()));
            }
            until(&mut capture, &mut tracker, |tracker| are_closed(tracker, 2));
            assert_eq!(capture.dropped(), 0);
            for (client, server) in servers {
                let one = of_port(&tracker, server.port());
                assert_eq!((one.client.address, one.client.port), (client.ip(), client.port()));
                assert_eq!((one.tx.bytes_total, one.rx.bytes_total), (123_458, 1_000_003));
                assert_eq!(one.tx.missed_bytes_total + one.rx.missed_bytes_total, 0);
                assert!(one.rtt().is_some_and(|rtt| rtt < Duration::from_secs(1)));
                assert!(one.last_seen() <= sys::monotonic());
                assert!(one.idle(sys::monotonic()).unwrap() < Duration::from_secs(10));
            }
        }
    });
}

#[test]
fn nothing_passes_the_program_that_it_does_not_pick() {
    let test = "nothing_passes_the_program_that_it_does_not_pick";
    let Some(world) = World::quiet(test) else { return };
    world.inside(|| {
        let (client, server) = connected(Ipv4Addr::LOCALHOST);
        let port = server.local_addr().unwrap().port();
        // ldh [20]: the source port of a packet that begins with an IPv4 header without options.
        let program: [Instruction; 4] =
            [(0x28, 0, 0, 20), (0x15, 0, 1, port.into()), (0x06, 0, 0, 100), (0x06, 0, 0, 0)];
        let all = std::thread::scope(|scope| {
            // Packets pass while the capture is being opened.
            let flood = scope.spawn(|| send(&client, &server, 10_000_000));
            let mut capture = Capture::open(&Request { program: &program, ..LO }).unwrap();
            flood.join().unwrap();
            send(&server, &client, 50_000);
            let mut all = Vec::new();
            let end = Instant::now() + Duration::from_secs(10);
            let mut bytes = 0;
            while bytes < 50_000 && Instant::now() < end {
                capture
                    .each(&mut |frame| {
                        let tcp = frame.packet().unwrap().tcp.unwrap();
                        bytes += tcp.payload_bytes;
                        all.push((frame.packet().unwrap().ports.unwrap().0, frame.bytes.len()));
                    })
                    .unwrap();
            }
            assert_eq!(bytes, 50_000);
            all
        });
        assert!(all.iter().all(|(source, length)| *source == port && *length <= 100), "{all:?}");
    });
}

#[test]
fn a_lossy_path_does_not_change_the_bytes() {
    let test = "a_lossy_path_does_not_change_the_bytes";
    if !needs(test, &["connection tracking", "nft"]) {
        return;
    }
    let (Some(one), Some(other)) = (World::quiet(test), World::quiet(test)) else { return };
    one.veth("v0", "v1", Some(&other));
    for (world, name, last) in [(&one, "v0", 1), (&other, "v1", 2)] {
        world.set_address(name, Ipv4Addr::new(198, 18, 1, last));
        world.set_up(name, true);
    }
    let listener = other.inside(|| TcpListener::bind("198.18.1.2:9001").unwrap());
    // A packet lost after the capture is seen twice; one lost before it is seen once, and late.
    for (lossy, hook, watched, name) in
        [(&other, "input", &one, b"v0"), (&one, "output", &other, b"v1")]
    {
        let rule = format!(
            "table ip lossy {{ chain c {{ type filter hook {hook} priority 0; \
             tcp flags & (syn | fin) == 0 numgen inc mod 10 3 drop; }}; }}"
        );
        lossy.tool("nft", &[&rule]);
        let open = || Capture::open(&Request { interface: name, ..LO }).unwrap();
        let mut capture = watched.inside(open);
        let mut tracker = Tracker::new(Options::default());
        let client = one.inside(|| TcpStream::connect("198.18.1.2:9001").unwrap());
        let (server, _) = listener.accept().unwrap();
        send(&client, &server, 2_000_000);
        send(&server, &client, 300_000);
        close(&client, &server);
        // Where the last acknowledgment of the pass before was lost, its server sends its FIN again, and is seen too.
        let port = client.local_addr().unwrap().port();
        let find =
            |tracker: &Tracker| tracker.connections().find(|it| it.client.port == port).cloned();
        let is_closed =
            |tracker: &Tracker| find(tracker).is_some_and(|it| it.state == State::Closed);
        until(&mut capture, &mut tracker, is_closed);
        lossy.tool("nft", &["delete", "table", "ip", "lossy"]);
        let one = find(&tracker).unwrap();
        assert_eq!((one.tx.bytes_total, one.rx.bytes_total), (2_000_000, 300_000), "{one:?}");
        assert_eq!((one.tx.missed_bytes_total, one.rx.missed_bytes_total), (0, 0));
        assert!(hook == "output" || one.tx.retransmits_total > 0, "{one:?}");
        assert!(one.tx.retransmits_total < 500, "{one:?}");
    }
}

#[test]
fn what_the_ring_cannot_hold_is_counted() {
    let Some(world) = World::quiet("what_the_ring_cannot_hold_is_counted") else { return };
    world.inside(|| {
        let mut capture = Capture::open(&LO).unwrap();
        let mut tracker = Tracker::new(Options::default());
        let (client, server) = connected(Ipv4Addr::LOCALHOST);
        let is_open =
            |tracker: &Tracker| tracker.connections().any(|one| one.state == State::Established);
        until(&mut capture, &mut tracker, is_open);
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let end = Instant::now() + Duration::from_secs(10);
        // One packet may be dropped before: a processor finds no room while another one, or the kernel's timer, takes the
        // next block. Of a batch that finds the ring full, all are.
        let mut before = 0;
        while capture.dropped() < before + 1000 {
            assert!(Instant::now() < end, "the ring did not fill up");
            before = capture.dropped();
            for _ in 0..1000 {
                let _ = socket.send_to(b"x", "127.0.0.1:9");
            }
        }
        // None of these bytes is in the ring, but acknowledgments show later that they arrived.
        let before = capture.dropped();
        send(&client, &server, 1_000_003);
        assert!(capture.dropped() > before);
        let mut taken = 0;
        capture.each(&mut |_| taken += 1).unwrap();
        assert!(taken > 1000, "{taken}");
        take(&mut capture, &mut tracker);
        send(&client, &server, 1);
        send(&server, &client, 77);
        close(&client, &server);
        until(&mut capture, &mut tracker, |tracker| are_closed(tracker, 1));
        let one = of_port(&tracker, server.local_addr().unwrap().port());
        assert_eq!((one.tx.bytes_total, one.rx.bytes_total), (1_000_004, 77));
        assert_eq!((one.tx.missed_bytes_total, one.rx.missed_bytes_total), (1_000_003, 0));
    });
}

fn text_of(error: Error) -> String {
    let Error::Fault { text, .. } = error else { panic!("{error:?}") };
    String::from_utf8_lossy(&text).into_owned()
}

#[test]
fn what_cannot_be_captured_is_said() {
    let Some(world) = World::quiet("what_cannot_be_captured_is_said") else { return };
    let open = |interface: &[u8]| text_of(Capture::open(&Request { interface, ..LO }).unwrap_err());
    world.inside(|| {
        assert_eq!(open(b"nosuch0"), "nosuch0: No such device");
        assert_eq!(open(b"a name longer than any"), "a name longer than any: No such device");
        assert_eq!(open(b"\xff"), "\u{fffd}: No such device");
    });
    world.inside_as_nobody(|| {
        assert_eq!(open(b"nosuch0"), "nosuch0: No such device");
        for interface in [&b"lo"[..], b"any"] {
            let text = open(interface);
            assert!(text.ends_with(": Operation not permitted (needs CAP_NET_RAW)"), "{text}");
        }
    });
}

#[test]
fn an_interface_that_goes_is_noticed() {
    let Some(world) = World::quiet("an_interface_that_goes_is_noticed") else { return };
    world.veth("v0", "v1", None);
    let open = || Capture::open(&Request { interface: b"v0", is_promiscuous: true, ..LO });
    world.inside(|| {
        assert_eq!(text_of(open().unwrap_err()), "v0: Network is down");
    });
    world.set_up("v0", true);
    let mut capture = world.inside(|| open().unwrap());
    assert_eq!(world.promiscuity("v0"), 1);
    world.set_up("v0", false);
    let each = |capture: &mut Capture| world.inside(|| capture.each(&mut |_| ()).map_err(text_of));
    assert_eq!(each(&mut capture), Ok(()));
    world.delete_interface("v0");
    assert_eq!(each(&mut capture), Err(String::from("v0: No such device")));
}

/// The payload bytes of every connected socket, by local port: sent and received.
fn counted(state: TcpState) -> Vec<(u16, u64, u64)> {
    let mut all = Vec::new();
    for (socket, info) in dump() {
        if socket.tcp_state() == Some(state) {
            let info = info.unwrap();
            assert!(info.rtt_microseconds.is_some() && info.retransmits_total.is_some());
            assert!(info.idle_milliseconds.unwrap() < 10_000, "{info:?}");
            let bytes = (info.acknowledged_bytes.unwrap(), info.received_bytes.unwrap());
            all.push((socket.local.port, bytes.0, bytes.1));
        }
    }
    all.sort_unstable();
    all
}

/// All TCP sockets with their counters.
fn dump() -> Vec<(Socket, Option<TcpInfo>)> {
    #[derive(Default)]
    struct All(Vec<(Socket, Option<TcpInfo>)>);

    impl Collector for All {
        const WANTS_INFO: bool = true;

        fn take(&mut self, socket: &Socket, info: Option<&TcpInfo>) -> Result<(), Error> {
            self.0.push((*socket, info.copied()));
            Ok(())
        }

        fn merge(&mut self, other: All) {
            self.0.extend(other.0);
        }
    }
    let query = Query { protos: vec![Proto::Tcp], ..Query::default() };
    source::collect(&Source::default(), Method::Netlink, &query, All::default).unwrap().0.0
}

#[test]
fn the_kernel_counts_the_same_bytes() {
    let Some(world) = World::quiet("the_kernel_counts_the_same_bytes") else { return };
    world.inside(|| {
        for address in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
            let (client, server) = connected(address);
            let [c, s] = [&client, &server].map(|end| end.local_addr().unwrap().port());
            let both = |tx, rx| {
                let mut both = vec![(c, tx, rx), (s, rx, tx)];
                both.sort_unstable();
                both
            };
            let is = |state, wanted: Vec<(u16, u64, u64)>| {
                let end = Instant::now() + Duration::from_secs(10);
                while counted(state) != wanted {
                    assert!(Instant::now() < end, "{:?}, not {wanted:?}", counted(state));
                    std::thread::sleep(Duration::from_millis(5));
                }
            };
            is(TcpState::ESTABLISHED, both(0, 0));
            send(&client, &server, 123_457);
            is(TcpState::ESTABLISHED, both(123_457, 0));
            send(&server, &client, 3_000_001);
            is(TcpState::ESTABLISHED, both(123_457, 3_000_001));
            client.shutdown(Shutdown::Write).unwrap();
            is(TcpState::FIN_WAIT2, vec![(c, 123_457, 3_000_001)]);
            is(TcpState::from_number(8).unwrap(), vec![(s, 3_000_001, 123_457)]);
            send(&server, &client, 7);
            is(TcpState::FIN_WAIT2, vec![(c, 123_457, 3_000_008)]);
            is(TcpState::from_number(8).unwrap(), vec![(s, 3_000_008, 123_457)]);
        }
    });
}

#[test]
fn the_kernels_counters_make_connections() {
    let Some(world) = World::quiet("the_kernels_counters_make_connections") else { return };
    world.inside(|| {
        // The server's port is the higher one; it is known to be the server because it listens.
        let listener = TcpListener::bind("127.0.0.1:65000").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (server, _) = listener.accept().unwrap();
        let mut tracker = Tracker::new(Options::default());
        let mut round = || {
            let (sockets, now, mut all) = (dump(), sys::monotonic(), Vec::new());
            let mut listeners = Listeners::default();
            for (socket, info) in sockets {
                if socket.is_listening() {
                    listeners.add(&socket);
                }
                all.extend(tcp_info::counters(&socket, info.as_ref()));
            }
            tracker.set_listeners(listeners);
            all.iter().for_each(|counters| tracker.counters(now, counters));
            tracker.end_of_counters(now);
            let all: Vec<_> = tracker.connections().cloned().collect();
            all
        };
        let all = round();
        assert_eq!((all.len(), all[0].state, all[0].server.port), (1, State::Established, 65000));
        send(&client, &server, 100_001);
        send(&server, &client, 5);
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let one = round().remove(0);
            if (one.tx.bytes_total, one.rx.bytes_total) == (100_001, 5) {
                assert!(one.rtt().is_some() && one.idle(sys::monotonic()).unwrap().as_secs() < 10);
                break;
            }
            assert!(Instant::now() < end, "{one:?}");
        }
        close(&client, &server);
        drop((client, server));
        while round()[0].state != State::Closed {
            assert!(Instant::now() < end);
        }
        assert_eq!(round()[0].tx.bytes_total, 100_001);
    });
}

/// A TCP segment over IPv4 in an Ethernet frame with these VLAN tags.
fn tagged(port: u8, tags: &[u8]) -> Vec<u8> {
    let ip = [0x45, 0, 0, 47, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    let tcp = [0, port, 0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 16, 0, 9, 0, 0, 0, 0];
    [&[0xff; 6][..], &[2; 6], tags, &[8, 0], &ip, &tcp, b"payload"].concat()
}

#[test]
fn tagged_frames_are_seen_on_their_way_out_and_in() {
    let test = "tagged_frames_are_seen_on_their_way_out_and_in";
    let Some(world) = World::quiet(test) else { return };
    world.veth("v0", "v1", None);
    ["v0", "v1"].iter().for_each(|name| world.set_up(name, true));
    // For a tagged frame, a program may see the tag's ethertype, so it must accept tags.
    let ethertype = 0xffff_f000;
    let picking: [Instruction; 8] = [
        (0x28, 0, 0, ethertype),
        (0x15, 4, 0, 0x8100),
        (0x15, 3, 0, 0x88a8),
        (0x15, 0, 3, 0x0800),
        (0x30, 0, 0, 9),
        (0x15, 0, 1, 6),
        (0x06, 0, 0, 128),
        (0x06, 0, 0, 0),
    ];
    world.inside(|| {
        for interface in [&b"v0"[..], b"v1"] {
            for program in [&[][..], &picking] {
                let request = Request { interface, program, ..LO };
                let mut capture = Capture::open(&request).unwrap();
                for (port, tags) in
                    [(1, &[][..]), (2, &[0x81, 0, 0, 5]), (3, &[0x88, 0xa8, 0, 6, 0x81, 0, 0, 7])]
                {
                    world.send_frame("v0", &tagged(port, tags));
                }
                let mut seen = Vec::new();
                let end = Instant::now() + Duration::from_secs(10);
                while seen.len() < 3 && Instant::now() < end {
                    capture
                        .each(&mut |frame| {
                            let packet = frame.packet();
                            if let Some(segment) = packet.as_ref().and_then(segment) {
                                seen.push((segment.source.port, segment.payload_bytes));
                            }
                        })
                        .unwrap();
                }
                assert_eq!(seen, [(1, 7), (2, 7), (3, 7)], "{interface:?} {program:?}");
            }
        }
    });
}

#[test]
fn whole_frames_tell_their_tags_addresses_and_direction() {
    let test = "whole_frames_tell_their_tags_addresses_and_direction";
    let Some(world) = World::quiet(test) else { return };
    world.veth("v0", "v1", None);
    ["v0", "v1"].iter().for_each(|name| world.set_up(name, true));
    type Tags = &'static [(u16, u32)];
    let all: [(u8, &[u8], Tags); 3] = [
        (1, &[], &[]),
        (2, &[0x81, 0, 0xa0, 5], &[(0x8100, 5)]),
        (3, &[0x88, 0xa8, 0, 6, 0x81, 0, 0, 7], &[(0x88a8, 6), (0x8100, 7)]),
    ];
    world.inside(|| {
        for interface in [&b"v0"[..], b"v1"] {
            let request = Request { interface, is_raw: true, ..LO };
            let mut capture = Capture::open(&request).unwrap();
            let index = sys::packet::interface_index(interface).unwrap();
            for (port, tags, _) in all {
                world.send_frame("v0", &tagged(port, tags));
            }
            let mut seen = 0;
            let end = Instant::now() + Duration::from_secs(10);
            while seen < 3 && Instant::now() < end {
                capture
                    .each(&mut |frame| {
                        let Some(packet) = frame.packet() else { return };
                        let Some(segment) = segment(&packet) else { return };
                        let (port, bytes, tags) = all[usize::from(segment.source.port) - 1];
                        let link = frame.link(&packet);
                        assert_eq!(link.tags(), tags, "{port} {interface:?}");
                        assert_eq!(link.destination, Some([0xff; 6]));
                        assert_eq!(link.source, Some([2; 6]));
                        assert_eq!(link.is_outgoing, Some(interface == b"v0"));
                        assert_eq!(link.interface, Some(index));
                        let removed = if frame.seen.tag.is_some() { 4 } else { 0 };
                        assert_eq!(frame.original_bytes as usize + removed, 14 + 47 + bytes.len());
                        assert_eq!(frame.ip(&packet)[0], 0x45);
                        seen += 1;
                    })
                    .unwrap();
            }
            assert_eq!(seen, 3, "{interface:?}");
        }
    });
}
