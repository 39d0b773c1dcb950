//! A large saved /proc/net/tcp, in the kernel's own format, and the text of `ss -Htan` of as many sockets.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use crate::answer;
use crate::contest::{Contender, FLOOR, Race};
use crate::listing::{applet, contender};
use crate::report::Goal;
use crate::scratch::Scratch;

const HEADER: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   \
                      uid  timeout inode";
/// The kernel pads rows to this many bytes, plus a newline.
const WIDTH: usize = 149;

/// The next number of a series that looks random and is always the same.
fn roll(dice: &mut u64) {
    *dice ^= *dice << 13;
    *dice ^= *dice >> 7;
    *dice ^= *dice << 17;
}

/// Writes a table of this many rows.
pub fn write(path: &Path, rows: u64) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    writeln!(out, "{HEADER:<WIDTH$}")?;
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    for number in 0..rows {
        roll(&mut dice);
        writeln!(out, "{:<WIDTH$}", row(number, dice))?;
    }
    out.flush()
}

/// Writes a list of this many flows, as `conntrack -L` prints it.
pub fn write_flows(path: &Path, flows: u64) -> io::Result<()> {
    const STATES: [&str; 6] =
        ["ESTABLISHED", "ESTABLISHED", "TIME_WAIT", "SYN_SENT", "CLOSE_WAIT", "CLOSE"];
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..flows {
        roll(&mut dice);
        let (port, timeout) = (1024 + (dice >> 16) % 60_000, (dice >> 40) % 432_000);
        let [from, to] = [dice >> 8, dice >> 24]
            .map(|dice| format!("10.{}.{}.{}", dice & 3, dice >> 2 & 255, dice >> 10 & 255));
        let (head, port_to, is_udp) = match dice % 4 {
            0 => (format!("udp      17 {}", timeout % 180), 53, true),
            _ => (
                format!("tcp      6 {timeout} {}", STATES[(dice >> 32) as usize % STATES.len()]),
                443,
                false,
            ),
        };
        let (unreplied, assured) =
            if is_udp && dice & 8 == 0 { ("[UNREPLIED] ", "") } else { ("", "[ASSURED] ") };
        writeln!(
            out,
            "{head} src={from} dst={to} sport={port} dport={port_to} {unreplied}src={to} dst=203.0.113.7 sport={port_to} \
             dport={port} {assured}mark=0 use=1"
        )?;
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

/// Where the text of ss is, beside the table of the kernel.
pub fn text_of_ss(table: &Path) -> PathBuf {
    table.with_file_name("ss.txt")
}

/// Writes the text of ss, whose rows are as long as the longest one: 100 MB with a million rows.
pub fn write_ss(path: &Path, rows: u64) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut dice = 0x2545_f491_4f6c_dd1d_u64;
    for number in 0..rows {
        roll(&mut dice);
        let name = match state((dice >> 32) % 1000) {
            // Listeners come first.
            _ if number < 20 => "LISTEN",
            6 => "TIME-WAIT",
            8 => "CLOSE-WAIT",
            5 => "FIN-WAIT-2",
            4 => "FIN-WAIT-1",
            _ => "ESTAB",
        };
        let local = format!("10.0.{}.{}:443", dice >> 8 & 3, dice >> 16 & 0xff);
        // 20,000 addresses, as in R4.
        let address = dice >> 20 & 0xff_ffff;
        let address = address % 20_000;
        let remote =
            format!("203.{}.{}.9:{}", address >> 8, address & 0xff, 1024 + (dice >> 40) % 60_000);
        let row = format!("{name:<10} {:<6} {:<6} {local:>25} {remote:>25}", 0, 0);
        writeln!(out, "{row:<99}")?;
    }
    out.flush()
}

const PIPELINE: &str = "awk '{ print $5 }' FILE | cut -d : -f 1 | sort | uniq -c | sort -rn | head";
const ARRAY: &str = r#"mawk '{ split($5, end, ":"); c[end[1]]++ } END { for (a in c) print a, c[a] }' FILE | sort -k 2rn | head"#;

/// The race of those who count what somebody saved.
pub fn race(scratch: &Scratch, table: &Path) -> Race {
    let saved = text_of_ss(table).display().to_string();
    let shell = |line: &str| ["sh".to_owned(), "-c".to_owned(), line.replace("FILE", &saved)];
    let [pipeline, array] = [PIPELINE, ARRAY].map(shell);
    let peer = |name, line: &[String; 3], parse| {
        contender(name, &line.each_ref().map(String::as_str), parse)
    };
    Race {
        id: "R15",
        title: "conncount --from ss.txt --by raddr --top 10, 1,000,000 rows".into(),
        ours: applet(
            scratch,
            &["conncount", "--from", &saved, "--by", "raddr", "--top", "10"],
            answer::top_groups,
        ),
        peers: vec![
            peer("awk+cut+sort+uniq", &pipeline, answer::top_of_uniq),
            peer("mawk array", &array, answer::top_groups),
        ],
        floor: Some(Contender::new(FLOOR, ["wc", "-l", &saved].map(str::to_owned).to_vec())),
        goals: vec![
            Goal::new("≤ 1/8 of the pipeline", "the pipeline", &["awk+cut+sort+uniq"], 0.125),
            Goal::new("≤ 1/3 of mawk with an array", "mawk", &["mawk array"], 1.0 / 3.0),
        ],
    }
}
