//! Captures, packet by packet.

use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support;

pub const FIN: u8 = 1;
pub const SYN: u8 = 2;
pub const RST: u8 = 4;
pub const ACK: u8 = 16;

/// A segment between 192.0.2.10:40000 (`>`) and 198.51.100.20:80 (`<`): flags, sequence and acknowledgment number, bytes of
/// payload.
pub type Row = (char, u8, u32, u32, u16);

/// A handshake, 100 bytes up, 200 bytes down, and both FINs.
pub const TALK: [Row; 9] = [
    ('>', SYN, 999, 0, 0),
    ('<', SYN | ACK, 4999, 1000, 0),
    ('>', ACK, 1000, 5000, 0),
    ('>', ACK, 1000, 5000, 100),
    ('<', ACK, 5000, 1100, 200),
    ('>', ACK, 1100, 5200, 0),
    ('>', ACK | FIN, 1100, 5200, 0),
    ('<', ACK | FIN, 5200, 1101, 0),
    ('>', ACK, 1101, 5201, 0),
];

/// The IP packet of a row, of IPv4 or IPv6.
pub fn packet(is_ipv4: bool, (way, flags, sequence, acknowledgment, payload): Row) -> Vec<u8> {
    let ports = if way == '>' { [40000u16, 80] } else { [80, 40000] };
    let mut tcp: Vec<u8> = ports.into_iter().flat_map(u16::to_be_bytes).collect();
    tcp.extend([sequence, acknowledgment].into_iter().flat_map(u32::to_be_bytes));
    tcp.extend([0x50, flags, 1, 0, 0, 0, 0, 0]);
    tcp.resize(20 + usize::from(payload), b'x');
    let (mut one, mut other) = ([192u8, 0, 2, 10], [198u8, 51, 100, 20]);
    if way == '<' {
        (one, other) = (other, one);
    }
    if is_ipv4 { ipv4(6, one, other, &tcp) } else { ipv6(6, one[3], other[3], &tcp) }
}

/// A packet of a protocol over IPv4, with a right checksum.
pub fn ipv4(protocol: u8, from: [u8; 4], to: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x45, 0];
    packet.extend((20 + data.len() as u16).to_be_bytes());
    packet.extend([0, 1, 0x40, 0, 64, protocol, 0, 0]);
    packet.extend(from.into_iter().chain(to));
    let words = packet.chunks(2).map(|two| u32::from(two[0]) << 8 | u32::from(two[1]));
    let sum: u32 = words.sum();
    let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
    packet.extend(data);
    packet
}

/// A packet of a protocol from 2001:db8::`from` to 2001:db8::`to`.
pub fn ipv6(protocol: u8, from: u8, to: u8, data: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((data.len() as u16).to_be_bytes());
    packet.extend([protocol, 64]);
    for last in [from, to] {
        packet.extend([0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, last]);
    }
    packet.extend(data);
    packet
}

/// An Ethernet header with an ethertype, or a length.
pub fn ethernet(ethertype: u16, data: &[u8]) -> Vec<u8> {
    [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2], &ethertype.to_be_bytes()[..], data].concat()
}

/// The frames of rows, with IPv4 in Ethernet.
pub fn frames(rows: &[Row]) -> Vec<Vec<u8>> {
    rows.iter().map(|row| ethernet(0x0800, &packet(true, *row))).collect()
}

pub fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// A pcap file of frames that are 0.1 s apart.
pub fn pcap(link: u32, frames: &[Vec<u8>]) -> Vec<u8> {
    let whole: Vec<_> = frames.iter().map(|frame| (frame.len(), frame.clone())).collect();
    pcap_cut(link, &whole)
}

/// The same with only the first bytes of each frame.
pub fn pcap_cut(link: u32, frames: &[(usize, Vec<u8>)]) -> Vec<u8> {
    let mut file = words(&[0xa1b2_c3d4, 0x0004_0002, 0, 0, 262_144, link]);
    for (tenth, (captured, frame)) in (0..).zip(frames) {
        let captured = frame.len().min(*captured);
        let [length, original] = [captured, frame.len()].map(|length| length as u32);
        file.extend(words(&[1000 + tenth / 10, tenth % 10 * 100_000, length, original]));
        file.extend(&frame[..captured]);
    }
    file
}

pub fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = 12 + body.len().next_multiple_of(4);
    let mut block = [words(&[kind, length as u32]), body.to_vec()].concat();
    block.resize(length - 4, 0);
    block.extend(words(&[length as u32]));
    block
}

/// The beginning of a section of a pcapng file.
pub fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &[words(&[0x1a2b_3c4d, 1]), vec![0xff; 8]].concat())
}

/// A pcapng file of frames that are 0.1 s apart: for each link type an interface, and the frames by interface.
pub fn pcapng(links: &[u16], frames: &[(u32, Vec<u8>)]) -> Vec<u8> {
    let mut file = section();
    for link in links {
        file.extend(block(1, &words(&[u32::from(*link), 262_144])));
    }
    for (tenth, (interface, frame)) in (0..).zip(frames) {
        let length = frame.len() as u32;
        let head = [*interface, 0, 1_000_000_000 + tenth * 100_000, length, length];
        file.extend(block(6, &[words(&head), frame.clone()].concat()));
    }
    file
}

/// Where a capture of this name lies.
pub fn place(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

/// The result of `tcptrack -T` for a file, with options.
pub fn replay(name: &str, file: &[u8], options: &[&str]) -> Output {
    let path = place(name);
    std::fs::write(&path, file).unwrap();
    let words = ["tcptrack", "-T", path.to_str().unwrap()];
    support::run(&[&words, options].concat())
}

/// The rows of a result, sorted: state, rx and tx bytes, rtt.
pub fn rows(output: &Output) -> Vec<String> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let row = |line: &str| {
        let columns: Vec<_> = line.split('\t').collect();
        [columns[4], columns[8], columns[9], columns[10]].join(" ")
    };
    let mut rows: Vec<_> = text.lines().map(row).collect();
    rows.sort();
    rows
}

/// What a run printed on standard error, without the name of the file.
pub fn said(name: &str, output: &Output) -> String {
    let text = String::from_utf8(output.stderr.clone()).unwrap();
    text.replace(place(name).to_str().unwrap(), "FILE")
}
