//! A large saved /proc/net/tcp, in the kernel's own format.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

const HEADER: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                      uid  timeout inode";
/// The kernel pads rows to this many bytes, plus a newline.
const WIDTH: usize = 149;

/// Writes a table of that many rows.
pub fn write(path: &Path, rows: u64) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    writeln!(out, "{HEADER:<WIDTH$}")?;
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    for number in 0..rows {
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        writeln!(out, "{:<WIDTH$}", row(number, dice))?;
    }
    out.flush()
}

/// The formats of the kernel's `get_tcp4_sock` and `get_timewait4_sock`. A wider number before the colon
/// moves the other columns to the right.
fn row(number: u64, dice: u64) -> String {
    let state = state((dice >> 32) % 1000);
    let (local, port) = (0x0100_000a | (dice >> 8) & 0xff_0000, 1024 + (dice >> 16) % 60_000);
    let (remote, remote_port) = (dice & 0xffff_ff00 | 0x0a, if dice & 1 == 0 { 443 } else { 8080 });
    let head =
        format!("{number:4}: {local:08X}:{port:04X} {remote:08X}:{remote_port:04X} {state:02X}");
    match state {
        6 => format!(
            "{head} 00000000:00000000 03:{:08X} 00000000     0        0 0 3 {:016x}",
            dice % 6000,
            dice
        ),
        _ => {
            let (inode, pointer) = (1_000_000 + dice % 9_000_000, dice);
            let queues = format!("{:08X}:{:08X}", 0, dice % 3);
            format!(
                "{head} {queues} 00:00000000 00000000  1000        0 {inode} 1 {pointer:016x} 20 4 30 10 -1"
            )
        }
    }
}

/// States in the proportions of a busy server, in an unpredictable order.
fn state(permille: u64) -> u8 {
    match permille {
        0..900 => 1,
        900..960 => 6,
        960..980 => 8,
        980..990 => 5,
        990..994 => 4,
        994..996 => 2,
        996..998 => 9,
        998 => 10,
        _ => 11,
    }
}
