//! Packets to select from, and the facts about each.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use connbox::capture_filter::PacketFacts;

/// A packet, starting at its network header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    pub ethertype: u16,
    pub bytes: Vec<u8>,
}

/// The same numbers in every run: xorshift.
pub struct Dice(pub u64);

impl Dice {
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }

    pub fn of<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }
}

const V4: [[u8; 4]; 9] = [
    [10, 0, 0, 1],
    [10, 1, 0, 0],
    [10, 1, 2, 3],
    [10, 2, 0, 9],
    [192, 168, 1, 1],
    [192, 168, 1, 77],
    [192, 168, 2, 1],
    [172, 16, 0, 1],
    [0, 0, 0, 10],
];
const V6: [&str; 8] = [
    "fe80::1",
    "fe80::2",
    "2001:db8::1",
    "2001:db8:1::5",
    "2001:db8::1:0:0:1",
    "::1",
    "::ffff:10.0.0.1",
    "ff02::1",
];
const PORTS: [u16; 14] = [0, 1, 20, 22, 53, 79, 80, 81, 443, 1023, 1024, 8080, 65534, 65535];
/// Mostly TCP; also UDP, SCTP, ICMP, and a protocol that no one uses.
const PROTOCOLS: [u8; 9] = [6, 6, 6, 6, 6, 17, 132, 1, 253];

/// Packets of all kinds, each different; with or without the IPv6 extension headers, which libpcap does not
/// walk.
pub fn packets(count: usize, extended: bool) -> Vec<Packet> {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut packets = Vec::new();
    for number in 0..count {
        let protocol = dice.of(&PROTOCOLS);
        let mut load = dice.of(&PORTS).to_be_bytes().to_vec();
        load.extend(dice.of(&PORTS).to_be_bytes());
        load.extend((number as u32).to_be_bytes());
        // Long enough for every protocol's header; the TCP header says that it has 20 bytes.
        let flags = dice.of(&[0x10, 0x10, 0x02, 0x12, 0x11, 0x18, 0x04, 0x29, 0xc2]);
        load.extend([0, 0, 0, 0, 0x50, flags, 0, number as u8, 0, 0, 0, 0]);
        load.extend(&b"hi, there"[..dice.below(10)]);
        packets.push(match dice.below(20) {
            0 => Packet { ethertype: 0x0806, bytes: arp(&mut dice) },
            1..=9 => Packet { ethertype: 0x0800, bytes: ipv4(&mut dice, protocol, &load) },
            _ => {
                let bytes = ipv6(&mut dice, protocol, &load, extended);
                Packet { ethertype: 0x86dd, bytes }
            }
        });
    }
    packets
}

fn arp(dice: &mut Dice) -> Vec<u8> {
    let mut bytes = vec![0, 1, 8, 0, 6, 4, 0, 1];
    for _ in 0..2 {
        bytes.extend([2, 0, 0, 0, 0, 1]);
        bytes.extend(dice.of(&V4));
    }
    bytes
}

fn ipv4(dice: &mut Dice, protocol: u8, load: &[u8]) -> Vec<u8> {
    let options = dice.of(&[0, 0, 0, 4, 40]);
    // First fragments, later fragments, and packets that are not fragments.
    let fragment: u16 = dice.of(&[0, 0, 0x4000, 0x2000, 0x2001, 0x1fff, 1]);
    let length = (20 + options + load.len()) as u16;
    let mut bytes = vec![0x45 + (options / 4) as u8, 0];
    bytes.extend(length.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(fragment.to_be_bytes());
    bytes.extend([64, protocol, 0, 0]);
    bytes.extend(dice.of(&V4));
    bytes.extend(dice.of(&V4));
    bytes.extend(std::iter::repeat_n(1, options));
    bytes.extend(load);
    bytes
}

fn ipv6(dice: &mut Dice, protocol: u8, load: &[u8], extended: bool) -> Vec<u8> {
    let count = if extended { dice.below(6) } else { 0 };
    let chain: Vec<u8> = (0..count).map(|_| dice.of(&[0, 43, 44, 60, 60, 44, 51])).collect();
    let mut behind = Vec::new();
    for (at, header) in chain.iter().enumerate() {
        let next = chain.get(at + 1).copied().unwrap_or(protocol);
        if *header == 44 {
            // The reserved byte must not be taken for a length.
            let fragment: u16 = dice.of(&[0, 1, 1, 6, 0xfff8, 0x0009]);
            behind.extend([next, dice.of(&[0, 0, 3])]);
            behind.extend(fragment.to_be_bytes());
            behind.extend([0, 0, 0, 9]);
        } else {
            let length = dice.of(&[0, 0, 1, 2, 31]);
            behind.extend([next, length]);
            behind.extend(std::iter::repeat_n(1, 6 + 8 * usize::from(length)));
        }
    }
    behind.extend(load);
    let mut bytes = vec![0x60, 0, 0, 0];
    bytes.extend((behind.len() as u16).to_be_bytes());
    bytes.extend([chain.first().copied().unwrap_or(protocol), 64]);
    for _ in 0..2 {
        bytes.extend(dice.of(&V6).parse::<Ipv6Addr>().unwrap().octets());
    }
    bytes.extend(behind);
    bytes
}

/// The facts about a packet: None if it is not an IP packet, or too short.
pub fn facts(packet: &Packet) -> Option<PacketFacts<'_>> {
    let bytes = &packet.bytes;
    let byte = |at: usize| bytes.get(at).copied();
    let half = |at: usize| Some(u16::from_be_bytes([byte(at)?, byte(at + 1)?]));
    let (source, destination): (IpAddr, IpAddr);
    let (mut protocol, mut start, mut is_later_fragment);
    match packet.ethertype {
        0x0800 => {
            let address =
                |at: usize| Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[at..at + 4]).unwrap());
            bytes.get(..20)?;
            (source, destination) = (address(12).into(), address(16).into());
            (protocol, start) = (byte(9)?, usize::from(byte(0)? & 0xf) * 4);
            is_later_fragment = half(6)? & 0x1fff != 0;
        }
        0x86dd => {
            let address =
                |at: usize| Ipv6Addr::from(<[u8; 16]>::try_from(&bytes[at..at + 16]).unwrap());
            bytes.get(..40)?;
            (source, destination) = (address(8).into(), address(24).into());
            (protocol, start, is_later_fragment) = (byte(6)?, 40, false);
            for _ in 0..4 {
                match protocol {
                    44 if half(start + 2)? & 0xfff8 != 0 => {
                        (protocol, is_later_fragment) = (byte(start)?, true);
                        break;
                    }
                    44 => (protocol, start) = (byte(start)?, start + 8),
                    0 | 43 | 60 => {
                        let length = 8 + 8 * usize::from(byte(start + 1)?);
                        (protocol, start) = (byte(start)?, start + length);
                    }
                    _ => break,
                }
            }
        }
        _ => return None,
    }
    let has_ports = [6, 17, 132].contains(&protocol) && !is_later_fragment;
    let ports = if has_ports { Some((half(start)?, half(start + 2)?)) } else { None };
    let (bytes, transport, link) = (&bytes[..], start as u32, None);
    Some(PacketFacts {
        source,
        destination,
        protocol,
        is_later_fragment,
        ports,
        bytes,
        transport,
        link,
    })
}
