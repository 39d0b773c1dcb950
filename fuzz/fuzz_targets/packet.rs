//! Frames of any bytes, one after the other: each field lies in its frame, a shorter part of a frame never
//! contradicts the whole, and a tracker that reads the frames counts no byte that cannot have been sent.
#![no_main]

use std::net::IpAddr;
use std::time::Duration;

use connbox::source::packets::segment;
use connbox::track::tcp::{Options, State, Tracker};
use connbox::wire::packet::{LinkType, Packet, packet, packet_of};
use connbox::wire::ring;
use libfuzzer_sys::fuzz_target;

const LINKS: [LinkType; 8] = [
    LinkType::Ethernet,
    LinkType::CookedV1,
    LinkType::CookedV2,
    LinkType::Raw,
    LinkType::Null,
    LinkType::Loop,
    LinkType::Network(0x0800),
    LinkType::Network(0x8100),
];

fuzz_target!(|data: &[u8]| {
    for frame in ring::frames(data) {
        within(data, frame.bytes);
        let _ = packet_of(LinkType::Network(frame.ethertype), frame.bytes, frame.original_bytes);
    }
    let Some((&choice, mut rest)) = data.split_first() else { return };
    let options = Options {
        only_new: choice & 1 != 0,
        is_sliding: choice & 2 != 0,
        max_connections: 3,
        ..Options::default()
    };
    let mut tracker = Tracker::new(options);
    let mut now = Duration::ZERO;
    let mut most = 0;
    // Each frame: the link type and how far the clock moves, the original length, the captured length, and the
    // bytes.
    while let Some((&[head, a, b, length], behind)) = rest.split_first_chunk() {
        let (bytes, behind) = behind.split_at(usize::from(length).min(behind.len()));
        rest = behind;
        let link = LINKS[usize::from(head & 7)];
        now += Duration::from_millis(1 << (head >> 3 & 15));
        let original = u32::from(u16::from_be_bytes([a, b])) << (head >> 4);
        frame(link, bytes, original);
        if let Some(segment) = packet_of(link, bytes, original).as_ref().and_then(segment) {
            tracker.segment(now, &segment);
            // An acknowledgment covers at most 1 GiB of payload; one sequence number more is the SYN's.
            most += u64::from(segment.payload_bytes) + (1 << 30);
        }
        if head & 0x80 != 0 {
            tracker.tick(now);
        }
    }
    assert!(tracker.len() <= 3);
    for one in tracker.connections() {
        assert!(one.tx.bytes_total + one.rx.bytes_total <= most);
        assert!(one.tx.missed_bytes_total <= one.tx.bytes_total);
        assert!(one.rx.missed_bytes_total <= one.rx.bytes_total);
        let _ = (one.rtt(), one.idle(now), one.retransmits_total(), one.state.name());
        assert!(one.state >= State::SynSent && one.last_seen() <= now);
    }
    tracker.tick(now + Duration::from_secs(100_000));
    assert!(tracker.is_empty());
});

fn frame(link: LinkType, bytes: &[u8], original: u32) {
    let Some(whole) = packet(link, bytes) else { return };
    for address in [whole.source, whole.destination] {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        assert!(bytes.windows(octets.len()).any(|window| window == octets));
    }
    assert!(whole.tcp.is_none() || whole.ports.is_some() && whole.protocol == 6);
    let ends = |packet: &Packet| (packet.source, packet.destination);
    for end in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
        let Some(cut) = packet(link, &bytes[..end]) else { continue };
        assert_eq!(ends(&cut), ends(&whole));
        assert!(cut.ports.is_none() || cut.ports == whole.ports);
    }
    if let Some(known) = packet_of(link, bytes, original) {
        // On a packet socket the length helps to tell a VLAN tag from an IP header.
        if !matches!(link, LinkType::Network(_)) {
            assert_eq!(ends(&known), ends(&whole));
            // The parser stops early where a frame is shorter than its headers say.
            assert!(whole.fragment.is_some() || known.fragment.is_none());
        }
        let payload = known.tcp.map_or(0, |tcp| tcp.payload_bytes);
        assert!(payload <= original);
    }
}

/// Checks that `part` lies inside `whole`.
fn within(whole: &[u8], part: &[u8]) {
    let start = part.as_ptr() as usize - whole.as_ptr() as usize;
    assert_eq!(&whole[start..start + part.len()], part);
}
