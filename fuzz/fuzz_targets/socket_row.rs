//! Rows of /proc/net/tcp, udp and the like: each value read equals the text of its field.
#![no_main]

use std::net::IpAddr;

use connbox::wire::socket_row::{ByteOrder, socket_row};
use libfuzzer_sys::fuzz_target;

const ROW: &[u8] = b"   0: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5161857 1 00000000a196f2aa 100 0 0 10 0                   ";
const ROW6: &[u8] = b"   4: 0000000000000000FFFF00000100007F:2198 0000000000000000FFFF00000100007F:AE60 01 00000000:00000000 00:00000000 00000000     0        0 5160941 1 00000000668ee070 20 0 0 10 -1";

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let row = if choice & 1 == 0 { ROW } else { ROW6 };
    match choice & 2 {
        0 => data.split(|byte| *byte == b'\n').for_each(check),
        _ => check(&edited(row, data)),
    }
});

/// A real row with another number and some changed bytes. The input: `NUMBER:`, then pairs of place and byte.
fn edited(row: &[u8], data: &[u8]) -> Vec<u8> {
    let (number, edits) = match data.iter().position(|byte| *byte == b':') {
        Some(colon) if colon < 80 => data.split_at(colon),
        _ => (&b"   0"[..], data),
    };
    let mut line = [number, &row[4..]].concat();
    for pair in edits.get(1..).unwrap_or_default().chunks_exact(2) {
        let place = number.len() + usize::from(pair[0]);
        match line.get_mut(place) {
            Some(byte) => *byte = pair[1],
            None => line.truncate(place.saturating_sub(usize::from(pair[1]))),
        }
    }
    line
}

fn check(line: &[u8]) {
    in_order(line, ByteOrder::Little, u32::from_le_bytes);
    in_order(line, ByteOrder::Big, u32::from_be_bytes);
}

fn in_order(line: &[u8], order: ByteOrder, number: fn([u8; 4]) -> u32) {
    let Some(found) = socket_row(line) else { return };
    let Some(row) = found.columns(order) else { return };
    let text = String::from_utf8_lossy(line);
    let fields: Vec<&str> = text.split([' ', ':']).filter(|field| !field.is_empty()).collect();
    let hex = |place: usize| u64::from_str_radix(fields[place], 16).unwrap();
    for (place, (address, port)) in [(1, row.local), (3, row.remote)] {
        let bytes = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let words = bytes.as_chunks::<4>().0.iter().map(|word| number(*word));
        let words: String = words.map(|word| format!("{word:08X}")).collect();
        assert!(words.eq_ignore_ascii_case(fields[place]), "{words}");
        assert_eq!(u64::from(port), hex(place + 1));
    }
    let read: [u64; 4] =
        [row.state.into(), row.send_queue.into(), row.recv_queue.into(), row.timer.into()];
    assert_eq!((found.state, found.is_v4), (row.state, row.local.0.is_ipv4()));
    assert_eq!(read, [5, 6, 7, 8].map(hex));
    assert_eq!(u64::from(row.uid), fields[11].parse::<u64>().unwrap());
    assert_eq!(row.inode, fields[13].parse::<u64>().unwrap());
}
