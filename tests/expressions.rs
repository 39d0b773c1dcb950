//! The filter expression of tcptrack: tcpdump must pick the same packets, the compiled program must pick
//! what the matcher picks, and the running kernel must take the program and agree.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "expressions/bpf.rs"]
mod bpf;
#[path = "expressions/made.rs"]
mod made;
#[path = "expressions/packets.rs"]
mod packets;
mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use connbox::model::expression::{Expression, WrongExpression};
use packets::{Dice, Packet, facts, packets};

/// The names of ports that the expressions use, as every /etc/services has them.
fn services(name: &[u8]) -> Option<u16> {
    let names: [(&[u8], u16); 5] =
        [(b"http", 80), (b"https", 443), (b"ssh", 22), (b"ftp-data", 20), (b"domain", 53)];
    names.iter().find(|(known, _)| *known == name).map(|(_, port)| *port)
}

fn parse(text: &str) -> Result<Expression, WrongExpression> {
    Expression::parse(text.as_bytes(), &services)
}

/// The packets of TCP that an expression picks, by the matcher; the program must pick the same.
fn picked(text: &str, packets: &[Packet]) -> BTreeSet<usize> {
    let expression = parse(text).unwrap_or_else(|wrong| panic!("{text}: {wrong}"));
    let program = expression.program(128).unwrap();
    assert!(bpf::is_sound(&program), "{text}: {program:?}");
    let mut picked = BTreeSet::new();
    for (number, packet) in packets.iter().enumerate() {
        let facts = facts(packet).filter(|facts| facts.protocol == 6);
        let is_meant = facts.is_some_and(|facts| expression.has(&facts));
        let (answer, _) = bpf::run(&program, packet.ethertype, &packet.bytes);
        assert_eq!(answer, if is_meant { 128 } else { 0 }, "{text}: {facts:?} {packet:?}");
        picked.extend(is_meant.then_some(number));
    }
    picked
}

/// Constructs, each with its traps, that libpcap takes too.
const TAKEN: &[&str] = &[
    "",
    "  \t\n",
    "tcp",
    "ip",
    "ip6",
    "not ip",
    "(tcp)",
    "dst port 80",
    "port 80 or 443",
    "not port 80 or 443",
    "port 80 or 443 and 22",
    "port 80 and ip or ip6",
    "ip6 or port 80 and ip",
    "ip or ip6 and port 443 or port 80",
    "not port 80 and tcp or ip6",
    "not (port 80 or 443) and ip",
    "port not 80",
    "port (80)",
    "port (80 or 81 and not 443)",
    "not port (80 or 81)",
    "port 80 or (port 443) or 22",
    "port 80 and not (ip6) or 22",
    "port 80 or (443 and 22)",
    "tcp src port 80",
    "tcp dst or src port http",
    "src and dst port 80",
    "src port 80 and dst port 443",
    "src port 80 or dst port 80",
    "src host 10.0.0.1 and 10.1.2.3",
    "host 10.0.0.1 and 10.1.2.3",
    "src 10.0.0.1 or dst 10.0.0.1",
    "dst 10.0.0.1 and port 80 or 443",
    "src or dst 10.0.0.1",
    "src and dst 10.1.2.3",
    "src or dst (10.0.0.1 or 192.168.1.1)",
    "ip host 10.0.0.1",
    "ip6 host ::1",
    "ip src 10.0.0.1",
    "ip6 dst net fe80::/10",
    "host 10.1",
    "host 192.168.1",
    "host 010.0.0.1",
    "host ::ffff:10.0.0.1",
    "host 1:2:3:4:5:6:7:8",
    "net 10",
    "net 0",
    "net 0x0a",
    "net 192.168",
    "net 192.168.1",
    "net 10.0.0.0/8",
    "net 10.0/8",
    "net 10.0.0.0 / 0x8",
    "net 0.0.0.0/0",
    "net 0.0/0",
    "net ::/0",
    "src net ::/1",
    "src net fe80::/10 or 10.0.0.0/8",
    "net 10.0.0.0 mask 255.0.0.0",
    "net 10.0.0.0 mask 255.0.0.0 or 192.168.1",
    "net 10.0.0.1 mask 255.0.0.255",
    "net ::1",
    "net 192.168.1.1",
    "port 0120",
    "port 0x50",
    "port http-alt or http",
    "portrange 1-1024",
    "portrange 1024-1",
    "portrange 010-20",
    "portrange http-443 or 8080",
    "portrange 0-65535",
    "portrange 80",
    "not portrange 0-65535",
    "port 80&&port 443",
    "port 80||port 443",
    "!port 80",
    "!!port 80",
    "port 80 &&! port 443",
    "(port 80)or(port 443)",
    "not(port 80)",
    "port 80\n or 443",
    "not host 10.0.0.1 and not 10.1.2.3",
    "ip and net fe80::/10",
    "not net fe80::/10",
];

/// A folder of this process for a capture.
fn capture(name: &str, packets: &[Packet]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("expressions-{name}-{}.pcap", std::process::id()));
    let mut bytes = Vec::new();
    for word in [0xa1b2_c3d4_u32, 2 | 4 << 16, 0, 0, 65535, 1] {
        bytes.extend(if word == (2 | 4 << 16) { [2, 0, 4, 0] } else { word.to_le_bytes() });
    }
    for (number, packet) in packets.iter().enumerate() {
        let length = packet.bytes.len() as u32 + 14;
        for word in [number as u32, 0, length, length] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2]);
        bytes.extend(packet.ethertype.to_be_bytes());
        bytes.extend(&packet.bytes);
    }
    std::fs::File::create(&path).unwrap().write_all(&bytes).unwrap();
    path
}

/// What tcpdump picks from a capture of [`capture`]; the error if it does not take the expression.
fn tcpdump(capture: &Path, text: &str) -> Result<BTreeSet<usize>, String> {
    let filter =
        if text.trim().is_empty() { "tcp".to_owned() } else { format!("tcp and ({text})") };
    let mut command = Command::new("tcpdump");
    command.arg("-r").arg(capture).args(["-w", "-"]).arg(filter).stdin(Stdio::null());
    let output = command.env("LC_ALL", "C").output().unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // What can never hold is no mistake in its grammar.
        let is_empty = said.contains("expression rejects all packets");
        return if is_empty { Ok(BTreeSet::new()) } else { Err(said) };
    }
    let mut picked = BTreeSet::new();
    let mut rest = output.stdout.get(24..).unwrap_or_default();
    while let Some((header, behind)) = rest.split_first_chunk::<16>() {
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap()) as usize;
        picked.insert(word(0));
        rest = &behind[word(8)..];
    }
    Ok(picked)
}

/// Compares many expressions, on all processors.
fn compare(name: &str, texts: &[String]) {
    if Command::new("tcpdump").arg("--version").output().is_err() {
        return support::skip(name, "no tcpdump");
    }
    let packets = packets(500, false);
    let capture = capture(name, &packets);
    let check = |text: &String| {
        let theirs = tcpdump(&capture, text).unwrap_or_else(|said| panic!("{text}: {said}"));
        assert_eq!(picked(text, &packets), theirs, "{text}");
        usize::from(!theirs.is_empty())
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let found: usize = std::thread::scope(|scope| {
        let work = |part| scope.spawn(move || -> usize { Iterator::map(part, check).sum() });
        let workers: Vec<_> =
            texts.chunks(texts.len().div_ceil(threads)).map(|part| work(part.iter())).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    std::fs::remove_file(&capture).unwrap();
    assert!(found > texts.len() / 2, "{found} of {} find anything", texts.len());
}

#[test]
fn tcpdump_picks_the_same_packets_by_every_construct() {
    let texts: Vec<String> = TAKEN.iter().map(|text| (*text).replace("http-alt", "8080")).collect();
    compare("tcpdump_picks_the_same_packets_by_every_construct", &texts);
}

#[test]
fn tcpdump_picks_the_same_packets_by_generated_expressions() {
    let mut dice =
        Dice(std::env::var("SEED").map_or(0x1234_5678_9abc_def1, |n| n.parse().unwrap()));
    let texts: Vec<String> = (0..std::env::var("N").map_or(600, |n| n.parse().unwrap()))
        .map(|_| made::expression(&mut dice, 3))
        .collect();
    compare("tcpdump_picks_the_same_packets_by_generated_expressions", &texts);
}

#[test]
fn programs_agree_with_the_matcher_behind_extension_headers() {
    let packets = packets(1500, true);
    let mut dice = Dice(0x0fed_cba9_8765_4321);
    let mut found = 0;
    for text in (0..400).map(|_| made::expression(&mut dice, 3)) {
        found += picked(&text, &packets).len();
    }
    assert!(found > 10_000, "{found}");
    // Some are picked by a port that lies behind other headers.
    let by_port = picked("ip6 and port 80", &packets);
    assert!(by_port.iter().any(|number| packets[*number].bytes[6] != 6));
}
