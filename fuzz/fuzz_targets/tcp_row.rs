//! Rows of /proc/net/tcp and tcp6: what a row says does not depend on the rows before it, whether
//! it is read by place or by splitting.
#![no_main]

use connbox::wire::text::{Columns, TcpRow};
use libfuzzer_sys::fuzz_target;

const ROW: &[u8] = b"   0: 0100007F:1F41 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5161857 1 00000000a196f2aa 100 0 0 10 0                   ";
const ROW6: &[u8] = b"   4: 0000000000000000FFFF00000100007F:2198 0000000000000000FFFF00000100007F:AE60 01 00000000:00000000 00:00000000 00000000     0        0 5160941 1 00000000668ee070 20 0 0 10 -1";

/// The length of a row of /proc/net/tcp, whose end is not looked at when it is read by place
/// (`PADDED_ROW`).
const PADDED: usize = 149;

fuzz_target!(|data: &[u8]| {
    let Some((&choice, data)) = data.split_first() else { return };
    let (columns, row) = if choice & 1 == 0 { (Columns::TCP, ROW) } else { (Columns::TCP6, ROW6) };
    let edited = edited(row, data);
    let lines: Vec<&[u8]> = match choice & 2 {
        0 => data.split(|byte| *byte == b'\n').collect(),
        _ => vec![&edited],
    };
    let padded = if choice & 1 == 0 { Some(PADDED) } else { None };
    let agree = |one, other, line| agree(one, other, line, padded);
    let mut warm = columns;
    for line in lines {
        let seen = warm.row(line);
        let mut fresh = columns;
        agree(seen, fresh.row(line), line);
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or_default();
        let by_split = warmed(columns, row, if colon == 1 { 2 } else { 1 }).row(line);
        agree(seen, by_split, line);
        if (1..=64).contains(&colon) {
            agree(warmed(columns, row, colon).row(line), by_split, line);
        }
    }
});

/// A real row with another number and some bytes changed: `NUMBER:` and pairs of place and byte.
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

/// Columns after a row whose colon stands at `colon`.
fn warmed(mut columns: Columns, row: &[u8], colon: usize) -> Columns {
    let number = format!("{:>colon$}", 7);
    let row = [number.as_bytes(), &row[4..]].concat();
    assert!(columns.row(&row).is_some());
    columns
}

fn agree(one: Option<TcpRow>, other: Option<TcpRow>, line: &[u8], padded: Option<usize>) {
    let is_lax = Some(line.len()) == padded && (one.is_none() || other.is_none());
    assert!(one == other || is_lax, "{one:?} {other:?} {:?}", line.escape_ascii().to_string());
}
