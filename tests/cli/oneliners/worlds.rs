//! The saved kernels: a recorded one, and a generated one with thousands of sockets.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::support;
use crate::support::scratch::scratch;

/// The worlds in which each one-liner runs.
pub fn all() -> [PathBuf; 2] {
    [support::world("own-lab-6.18"), generated()]
}

/// A world with 2000 IPv4 and 700 IPv6 sockets in all states, whose counts agree with its tables.
fn generated() -> PathBuf {
    static WORLD: OnceLock<PathBuf> = OnceLock::new();
    WORLD.get_or_init(generate).clone()
}

/// Pseudo-random numbers that are the same in every run (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What the kernel counts in addition to the rows of its tables (net/ipv4/proc.c).
#[derive(Default)]
struct Counts {
    inuse: u64,
    minisockets: u64,
    orphans: u64,
    established: u64,
}

/// A row's state, and the kind of its timer, which is 3 only for minisockets.
fn state(numbers: &mut Numbers) -> (u8, u8) {
    match numbers.below(100) {
        0..50 => (1, 0),
        50..70 => (6, 3),
        70..74 => (5, 3),
        74..76 => (5, 2),
        76..88 => (8, 0),
        88..92 => (10, 0),
        92..94 => (3, 1),
        94..96 => (2, 1),
        96..98 => (4, 1),
        98 => (9, 1),
        _ => (11, 1),
    }
}

/// One row as tcp4_seq_show and tcp6_seq_show print it, without padding.
fn row(numbers: &mut Numbers, place: u64, (state, timer): (u8, u8), is_v6: bool) -> String {
    let inode = if is_orphan(state) || timer == 3 { 0 } else { 5_000_000 + place };
    let mut row = format!("{place:4}:");
    for end in 0..2 {
        // A listening socket has no remote address; netstat takes any socket without one for listening.
        let (address, port) = match (end, state) {
            (1, 10) => ("00000000", 0),
            _ => ("0100007F", numbers.below(65535) + 1),
        };
        let _ = write!(row, " {}:{port:04X}", address.repeat(if is_v6 { 4 } else { 1 }));
    }
    let (tx, rx) = (numbers.below(100_000), numbers.below(100_000));
    let (when, uid) = (numbers.below(6000), numbers.below(70_000));
    let _ = write!(row, " {state:02X} {tx:08X}:{rx:08X} {timer:02X}:{when:08X} 00000000");
    let _ = write!(row, " {uid:5} {:8} {inode} 1 {:016x}", 0, 0);
    if timer != 3 {
        row.push_str(" 20 4 30 10 -1");
    }
    row
}

/// Whether sockets in this state have no owner here.
fn is_orphan(state: u8) -> bool {
    matches!(state, 4 | 9 | 11)
}

/// A table, and the counts of its rows.
fn table(numbers: &mut Numbers, rows: u64, is_v6: bool) -> (String, Counts) {
    const REST: &str = "st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode";
    let mut text = if is_v6 {
        format!("  sl  {:38}{:38}  {REST}\n", "local_address", "remote_address")
    } else {
        format!("{:149}\n", format!("  sl  local_address rem_address   {REST}"))
    };
    let width = if is_v6 { 0 } else { 149 };
    let mut counts = Counts::default();
    for place in 0..rows {
        let (state, timer) = state(numbers);
        let _ = writeln!(text, "{:width$}", row(numbers, place, (state, timer), is_v6));
        counts.inuse += u64::from(timer != 3 && state != 3);
        counts.minisockets += u64::from(timer == 3);
        counts.orphans += u64::from(is_orphan(state));
        counts.established += u64::from(matches!(state, 1 | 8));
    }
    (text, counts)
}

/// The recorded pairs of lines of a file, with other numbers and the right `CurrEstab`.
fn mib(numbers: &mut Numbers, file: &str, established: u64) -> String {
    let recorded = support::world("own-lab-6.18").join("proc/net").join(file);
    let recorded = fs::read_to_string(recorded).unwrap();
    let mut text = String::new();
    for names in recorded.lines().step_by(2) {
        let mut words = names.split(' ');
        let group = words.next().unwrap();
        let values: Vec<_> = words
            .map(|name| match name {
                "MaxConn" => "-1".to_owned(),
                "CurrEstab" => established.to_string(),
                _ => numbers.below(1 << (numbers.0 % 31)).to_string(),
            })
            .collect();
        let _ = writeln!(text, "{names}\n{group} {}", values.join(" "));
    }
    text
}

fn generate() -> PathBuf {
    let world = scratch("generated");
    let net = world.join("proc/net");
    fs::create_dir_all(&net).unwrap();
    let numbers = &mut Numbers(618);
    let (tcp, v4) = table(numbers, 2000, false);
    let (tcp6, v6) = table(numbers, 700, true);
    let (tw, orphan) = (v4.minisockets + v6.minisockets, v4.orphans + v6.orphans);
    let alloc = v4.inuse + v6.inuse + 37;
    let sockstat = format!(
        "sockets: used {}\nTCP: inuse {} orphan {orphan} tw {tw} alloc {alloc} mem 712\n\
         UDP: inuse 9 mem 4\nUDPLITE: inuse 0\nRAW: inuse 3\nFRAG: inuse 2 memory 4096\n",
        alloc + 500,
        v4.inuse,
    );
    let sockstat6 = format!(
        "TCP6: inuse {}\nUDP6: inuse 6\nUDPLITE6: inuse 0\nRAW6: inuse 2\n\
         FRAG6: inuse 1 memory 512\n",
        v6.inuse,
    );
    let established = v4.established + v6.established;
    for (name, text) in [
        ("tcp", tcp),
        ("tcp6", tcp6),
        ("sockstat", sockstat),
        ("sockstat6", sockstat6),
        ("snmp", mib(numbers, "snmp", established)),
        ("netstat", mib(numbers, "netstat", 0)),
    ] {
        fs::write(net.join(name), text).unwrap();
    }
    world
}
