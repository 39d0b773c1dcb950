//! The filter expression of tcptrack: tcpdump must select the same packets, the compiled program must select
//! what the matcher selects, and the running kernel must accept the program and agree.

mod bpf;
mod frames;
mod kernel;
mod made;
mod packets;
use crate::support;
mod wrong;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use connbox::capture_filter::{Expression, Names, WrongExpression};
use packets::{Dice, Packet, facts, packets};

/// The names that the expressions use; every system has them.
struct Known;

impl Names for Known {
    fn port(&self, name: &[u8]) -> Option<u16> {
        let names: [(&[u8], u16); 5] =
            [(b"http", 80), (b"https", 443), (b"ssh", 22), (b"ftp-data", 20), (b"domain", 53)];
        names.iter().find(|(known, _)| *known == name).map(|(_, port)| *port)
    }

    fn listed(&self, file: &'static str, name: &[u8]) -> Vec<Vec<u8>> {
        let text = match (file, name) {
            ("protocols", b"ospf") => "89",
            ("networks", b"lab") => "192.168.0.0 10.0.0.0",
            ("networks", b"all") => "0.0.0.0",
            ("hosts", b"many") => "10.0.0.1 no-address 192.168.1.77 fe80::1 fe80::1%lo",
            ("hosts", b"first" | b"tcp") => "10.0.0.1",
            _ => return Vec::new(),
        };
        text.split(' ').map(|value| value.as_bytes().to_vec()).collect()
    }
}

fn parse(text: &str) -> Result<Expression, WrongExpression> {
    Expression::parse(text.as_bytes(), &Known)
}

/// The TCP packets that the matcher selects; the program must select the same.
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

/// Constructs with pitfalls that libpcap accepts, too.
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
    "udp",
    "not udp",
    "icmp or icmp6 or sctp or arp or ah or port 80",
    "not (icmp or arp) and port 443",
    "udp port 80 or tcp port 443",
    "not udp port 80",
    "not arp host 10.0.0.1 and ip",
    "not ether proto \\arp",
    "ether proto \\ip",
    "ether proto 0x86dd",
    "proto 6",
    "ip proto 6",
    "ip proto \\tcp",
    "ip6 proto 6",
    "not ip proto 17",
    "not proto ospf",
    "ip proto 6 or 17",
    "ip multicast or ip6 multicast",
    "not ip multicast",
    "not ip broadcast",
    "ip broadcast or ip",
    "tcp[13] = 2",
    "tcp[13] == 18",
    "tcp[13] != 2",
    "not tcp[13] = 2",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn",
    "tcp[tcpflags] = tcp-push|tcp-ack",
    "port 80 and tcp[tcpflags] & tcp-ack != 0 or port 443",
    "tcp[tcpflags] & 0x10 > 0 and (port 80 or 443)",
    "not (tcp[13] & 2 = 2 or port 80)",
    "tcp[0:2] = 80 or tcp[2:2] = 80",
    "tcp[4:4] > 100",
    "tcp[4:4] >= 0144 and tcp[4:4] < 0x90",
    "tcp[4:4] <= 200",
    "200 <= tcp[4:4]",
    "((tcp[12:1] & 0xf0) >> 2) = 20",
    "tcp[((tcp[12:1] & 0xf0) >> 2)] = 104",
    "tcp[(tcp[12]>>2):4] = 0x68692c20",
    "not tcp[20] = 104",
    "tcp[28] > 0 or ip",
    "ip[0] & 0xf != 5",
    "ip[2:2] - ((ip[0]&0xf)<<2) - ((tcp[12]&0xf0)>>2) != 0",
    "(ip[6:2] & 0x1fff) = 0",
    "ip[8] = 64 and port 80",
    "ip[16] >= 224 or ip6[24] = 255",
    "ip[0] = 69 or ip6[0] = 96 or port 80",
    "ip6[6] = 6",
    "ip6[4:2] + 40 > 60",
    "ip[9] = 6 and ip6[6] = 6 or port 22",
    "udp[0] = 1 or port 22",
    "not icmp[icmptype] = icmp-echo",
    "not icmp6[icmp6type] = icmp6-neighborsolicit",
    "1 = 1",
    "1 + 2 * 3 = 7 and ip",
    "5 % 3 + 1 = 1 and ip",
    "tcp[7] % 3 + 4 = 0",
    "2 ^ 3 & 1 = 3 and ip6",
    "tcp[7] ^ 3 = 5 or tcp[7] ^ tcp[13] = 9",
    "- tcp[13] = -2",
    "-(2 - 4) = 2 and ip",
    "tcp[7] - 100 > 0x80000000",
    "tcp[7] / 10 = 5 or tcp[7] * 0x1000000 = 0x0a000000",
    "100 / tcp[7] = 10",
    "not 100 / tcp[7] = 10",
    "100 % tcp[7] = 10 or port 80",
    "port 80 or 100 % tcp[7] = 10",
    "1 << tcp[7] = 16 or 1 << tcp[7] = 0",
    "0x80000000 >> tcp[7] = 1 or ip",
    "tcp[tcp[7]] = 0x50",
    "tcp[tcp[7] - 40] = 6",
    "ip[tcp[7]] = 6",
    "ip[ip[0] & 0xf] > 3",
    "tcp[7]*(tcp[7]+(tcp[7]-(tcp[7]&(tcp[7]|tcp[13])))) > 300",
    "tcp[1:2] & 0xff<<4|3 = 3 or ip",
];

/// A capture in a directory of this process.
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

/// What tcpdump selects from a capture of [`capture`]; an error if it rejects the expression.
///
/// Its optimiser is off: libpcap 1.10.3's selects the wrong packets for rare expressions (`tcp and (ip6 dst net
/// 2001:db8::/65 or (!src and dst host ::1)&&not 2001:db8::/65)`).
fn tcpdump(capture: &Path, text: &str) -> Result<BTreeSet<usize>, String> {
    let filter =
        if text.trim().is_empty() { "tcp".to_owned() } else { format!("tcp and ({text})") };
    let mut command = support::command("tcpdump");
    command.arg("-O").arg("-r").arg(capture).args(["-w", "-"]).arg(filter).stdin(Stdio::null());
    let output = command.env("LC_ALL", "C").output().unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // An expression that can never match is grammatically correct.
        let is_empty = said.contains("expression rejects all packets");
        return if is_empty { Ok(BTreeSet::new()) } else { Err(said) };
    }
    Ok(frames(&output.stdout).map(|(seconds, _)| seconds).collect())
}

/// The seconds and the bytes of each frame of a capture.
fn frames(capture: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut rest = capture.get(24..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (header, behind) = rest.split_first_chunk::<16>()?;
        let word = |at: usize| u32::from_le_bytes(header[at..at + 4].try_into().unwrap()) as usize;
        let (frame, behind) = behind.split_at(word(8));
        rest = behind;
        Some((word(0), frame))
    })
}

/// Whether we pick the packets that tcpdump picks. Where bytes of a header are read, only those with this header
/// count: libpcap does not look whether it is there if it follows a sign, and finds TCP in IPv4 only.
fn agree(text: &str, packets: &[Packet], theirs: &BTreeSet<usize>) -> bool {
    let reads = |header: &str| text.contains(&format!("{header}["));
    let has_tcp = |packet| facts(packet).is_some_and(|facts| !facts.is_later_fragment);
    let compared = |number: &&usize| {
        let packet = &packets[**number];
        let is_ipv4 = packet.ethertype == 0x0800;
        (!reads("tcp") || is_ipv4 && has_tcp(packet))
            && (!reads("ip") || is_ipv4)
            && (!reads("ip6") || packet.ethertype == 0x86dd)
    };
    let ours: Vec<usize> = picked(text, packets).iter().filter(compared).copied().collect();
    let theirs: Vec<usize> = theirs.iter().filter(compared).copied().collect();
    if ours != theirs {
        eprintln!("{text}: {ours:?}, tcpdump {theirs:?}");
    }
    ours == theirs
}

/// Compares many expressions, on all processors.
fn compare(name: &str, texts: &[String], packets: &[Packet]) {
    if !support::needs(name, &["tcpdump"]) {
        return;
    }
    let capture = capture(name, packets);
    let check = |text: &String| {
        let known = ["division by 0", "a shift is at most 31 bits"];
        if parse(text).is_err_and(|wrong| known.contains(&wrong.reason)) {
            // libpcap finds that only where a number stands alone.
            return 0;
        }
        let theirs = match tcpdump(&capture, text) {
            Ok(theirs) => theirs,
            // libpcap takes the index 0 of a divisor for the divisor.
            Err(said) if said.contains("by zero") || said.contains("31 bits") => return 0,
            Err(said) => panic!("{text}: {said}"),
        };
        assert!(agree(text, packets, &theirs), "{text}");
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
    assert!(found > texts.len() / 2, "{found} of {} match any packet", texts.len());
}

#[test]
fn tcpdump_picks_the_same_packets_by_every_construct() {
    let texts: Vec<String> = TAKEN.iter().map(|text| (*text).replace("http-alt", "8080")).collect();
    compare("tcpdump_picks_the_same_packets_by_every_construct", &texts, &packets(500, false));
}

#[test]
fn tcpdump_finds_the_tcp_header_in_the_same_packets_of_ipv4() {
    let test = "tcpdump_finds_the_tcp_header_in_the_same_packets_of_ipv4";
    if !support::needs(test, &["tcpdump"]) {
        return;
    }
    let packets: Vec<Packet> =
        packets(800, false).into_iter().filter(|packet| packet.ethertype == 0x0800).collect();
    let capture = capture("headers", &packets);
    for text in [
        "tcp[13] = 2",
        "not tcp[13] = 2",
        "tcp[tcpflags] & tcp-syn != 0 or ip[8] = 64",
        "tcp[25] = 104",
        "not tcp[25] = 104",
        "not (tcp[7] > 100 or port 80)",
        "tcp[7] ^ tcp[13] > 16",
        "tcp[tcp[7] & 0x1f] > 16 or port 80",
    ] {
        assert_eq!(picked(text, &packets), tcpdump(&capture, text).unwrap(), "{text}");
    }
    std::fs::remove_file(&capture).unwrap();
}

#[test]
fn tcpdump_finds_ip_headers_in_the_same_packets() {
    let test = "tcpdump_finds_ip_headers_in_the_same_packets";
    if !support::needs(test, &["tcpdump"]) {
        return;
    }
    let packets = packets(500, false);
    let capture = capture("ip", &packets);
    for text in [
        "ip[16] >= 224 or ip6[24] = 255",
        "ip[0] = 69 or ip6[0] = 96 or port 80",
        "not ip6[6] = 6",
        "not ip[8] = 63 and not ip6[7] = 3",
        "ip[9] = 6 and ip6[6] = 6 or port 22",
        "ip6[4:2] + 40 > 60 or ip and port 80",
        "udp[0] = 1 or port 22",
        "not udp[0] + 4 = 4",
    ] {
        assert_eq!(picked(text, &packets), tcpdump(&capture, text).unwrap(), "{text}");
    }
    std::fs::remove_file(&capture).unwrap();
}

#[test]
fn tcp_headers_are_found_behind_those_of_ipv6_and_beyond_is_nothing() {
    let packets = packets(1500, true);
    let count = |text: &str| picked(text, &packets).len();
    // All sides of a comparison, and both sides of a negation, have the same header to be found.
    let all = count("ip6 and tcp[13] >= 0");
    assert!(all > 200, "{all}");
    assert_eq!(count("ip6 and tcp[13] & 2 = 2") + count("ip6 and tcp[13] & 2 = 0"), all);
    assert_eq!(count("ip6 and tcp[0:2] = 80"), count("ip6 and src port 80"));
    assert_eq!(count("ip6 and tcp[tcp[7]*0+2:2] = 443"), count("ip6 and dst port 443"));
    assert_eq!(
        (count("tcp[1000] = 1"), count("ip and not tcp[1000] = 1 and not port 80")),
        (0, count("ip and not tcp[13] >= 0 and not port 80"))
    );
    assert_eq!(
        count("ip6[0 - tcp[13]] = 1 or not ip6[0 - tcp[13]] = 1"),
        count("not (ip6 and tcp[13] >= 0)")
    );
    assert_eq!(count("1 << (tcp[13] + 32) = 0"), count("tcp[13] >= 0"));
}

#[test]
fn tcpdump_picks_the_same_packets_by_generated_expressions() {
    let mut dice = Dice(0x1234_5678_9abc_def1);
    let texts: Vec<String> = (0..1500).map(|_| made::expression(&mut dice, 3)).collect();
    compare(
        "tcpdump_picks_the_same_packets_by_generated_expressions",
        &texts,
        &packets(500, false),
    );
}

/// Random words: most are not an expression.
fn soup(dice: &mut Dice) -> String {
    let made = made::expression(dice, 2).replace('(', " ( ").replace(')', " ) ");
    let mut words: Vec<&str> = made.split_whitespace().collect();
    let other = dice.of(&[
        "port",
        "host",
        "net",
        "src",
        "dst",
        "or",
        "and",
        "not",
        "(",
        ")",
        "tcp",
        "ip",
        "ip6",
        "80",
        "10.1",
        "10.0.0.0 mask 255.0.0.0",
        "fe80::1",
        "/ 8",
        "portrange",
        "1-1024",
        "::",
        "http",
        "tcp[13]",
        "tcp[tcpflags] & 2 = 2",
        "=",
        "!= 4",
        "-",
        "+ 2",
        "& 3",
        "proto",
        "udp",
        "icmp",
        "arp",
        "ip multicast",
    ]);
    let place = dice.below(words.len());
    match dice.below(3) {
        0 => words.insert(place, other),
        1 => words[place] = other,
        _ => drop(words.remove(place)),
    }
    words.join(" ")
}

#[test]
fn what_tcpdump_takes_is_taken_and_means_the_same() {
    let test = "what_tcpdump_takes_is_taken_and_means_the_same";
    if !support::needs(test, &["tcpdump"]) {
        return;
    }
    let packets = packets(300, false);
    let capture = capture("soup", &packets);
    let mut dice = Dice(0x7777_1234_9abc_def1);
    let mut taken = 0;
    for text in (0..600).map(|_| soup(&mut dice)) {
        match (parse(&text), tcpdump(&capture, &text)) {
            (Ok(_), Ok(theirs)) => {
                taken += 1;
                assert!(agree(&text, &packets, &theirs), "{text}");
            }
            // libpcap takes `host 80` for 0.0.0.80.
            (Err(wrong), Ok(_)) => {
                let known = [wrong::NUMBER, "division by 0", "a shift is at most 31 bits"];
                assert!(known.contains(&wrong.reason), "{text}: {wrong}");
            }
            (_, Err(_)) => {}
        }
    }
    std::fs::remove_file(&capture).unwrap();
    assert!(taken > 50, "{taken}");
}

#[test]
fn tcpdump_picks_the_same_packets_of_a_recorded_capture() {
    let test = "tcpdump_picks_the_same_packets_of_a_recorded_capture";
    let recorded = support::world("own-lab-6.18").join("pcap/mixed-v4-v6.pcap");
    let bytes = std::fs::read(&recorded).unwrap();
    let packets: Vec<Packet> = frames(&bytes)
        .map(|(_, frame)| Packet {
            ethertype: u16::from_be_bytes([frame[12], frame[13]]),
            bytes: frame[14..].to_vec(),
        })
        .collect();
    let (mut ports, mut hosts) = (BTreeSet::new(), BTreeSet::new());
    for facts in packets.iter().filter_map(facts) {
        ports.extend(facts.ports.map(|(source, _)| source));
        hosts.insert(facts.source);
    }
    let mut texts: Vec<String> = ["", "ip", "ip6", "portrange 1-1024"].map(String::from).into();
    for (port, host) in ports.iter().take(20).zip(hosts.iter().cycle()) {
        texts.push(format!("dst port {port}"));
        texts.push(format!("not port {port} and src host {host}"));
        texts.push(format!("src and dst host {host} or dst or src port {port}"));
    }
    compare(test, &texts, &packets);
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
    // Some are selected by a port that follows other headers.
    let by_port = picked("ip6 and port 80", &packets);
    assert!(by_port.iter().any(|number| packets[*number].bytes[6] != 6));
}

/// Checks that the running kernel passes what the matcher selects, cut to the snap length.
fn kernel_agrees(text: &str, packets: &[Packet]) {
    let expression = parse(text).unwrap();
    let program = expression.program(128).unwrap();
    let socket = kernel::filtered(&program);
    let socket = socket.unwrap_or_else(|error| panic!("{text}: {}: {error}", program.len()));
    let sender = kernel::Sender::new().unwrap();
    for packet in packets {
        sender.send(packet).unwrap();
        let facts = facts(packet).filter(|facts| facts.protocol == 6);
        let is_meant = facts.is_some_and(|facts| expression.has(&facts));
        let cut = packet.bytes[..packet.bytes.len().min(128)].to_vec();
        // The kernel also processes these packets itself, and may answer some.
        let has_come = kernel::drain(&socket).contains(&cut);
        assert_eq!(has_come, is_meant, "{text}: {facts:?} {packet:?}");
    }
}

#[test]
fn the_kernel_takes_the_programs_and_agrees() {
    let test = "the_kernel_takes_the_programs_and_agrees";
    let mut texts: Vec<String> = TAKEN.iter().map(|text| text.replace("http-alt", "22")).collect();
    let mut dice = Dice(0x5555_aaaa_1234_4321);
    texts.extend((0..40).map(|_| made::expression(&mut dice, 3)));
    texts.push(hosts(30));
    if !support::needs(test, &["network namespaces", "raw sockets"]) {
        return;
    }
    let work = move || {
        kernel::enter_new_namespace().unwrap();
        let packets = packets(150, true);
        for text in &texts {
            kernel_agrees(text, &packets);
        }
    };
    std::thread::spawn(work).join().unwrap();
}

/// A list of hosts and ports that is too long for jumps.
fn hosts(count: u32) -> String {
    let host = |number| {
        let address = std::net::Ipv4Addr::from_bits(0x0b00_0000 + number * 7);
        format!("(ip6 and port {number} and not dst host fe80::{number:x} or host {address})")
    };
    let list: Vec<String> = (1..count).map(host).collect();
    format!("{} or port 80 or host 10.0.0.1", list.join(" or "))
}

#[test]
fn long_lists_jump_far_and_longer_ones_are_refused() {
    let packets = packets(1000, true);
    for count in [10, 30, 60, 190] {
        assert!(picked(&hosts(count), &packets).len() > 30, "{count}");
    }
    let ports: Vec<String> = (1..2500).map(|port| port.to_string()).collect();
    let text = format!("port {}", ports.join("||"));
    let reason = parse(&text).unwrap().program(128).unwrap_err().to_string();
    assert_eq!(reason, "needs more than the 4096 instructions that the kernel accepts");
}

#[test]
fn programs_are_short() {
    let packets = packets(300, false);
    // The number of instructions in all, and the most that one packet executes (libpcap's `dst port 80`
    // executes 12 for one). More than 60 of all instructions walk over extension headers; other packets skip
    // them.
    let wanted = [
        ("", 76, 11),
        ("ip", 7, 5),
        ("dst port 80", 83, 11),
        ("ip and dst port 80", 12, 10),
        ("ip host 10.0.0.1 and not port 22", 22, 16),
        ("host 10.0.0.1 and not port 22", 22, 16),
        ("port 80 or 443", 95, 16),
    ];
    let measured = wanted.map(|(text, ..)| {
        let program = parse(text).unwrap().program(128).unwrap();
        let steps = |packet: &Packet| bpf::run(&program, packet.ethertype, &packet.bytes).1;
        (text, program.len(), packets.iter().map(steps).max().unwrap())
    });
    assert_eq!(measured, wanted);
}

#[test]
fn words_in_any_order_are_an_error_or_mean_one_thing() {
    const WORDS: &str = "tcp ip ip6 udp icmp arp ether src dst host net port portrange proto 80 10 10.0.0.1 fe80::1 \
        1-1024 / 8 mask and or not ! ( ) ( ) [ ] [ : 2 4 13 0 7 = != < >= + - * % & | ^ << >> tcp[13] \
        tcp[ ip[ ip6[6] tcp[7] (tcp[12]&0xf0) = 2 tcpflags tcp-syn broadcast multicast vlan mpls 5 pppoes less \
        greater len inbound outbound ifindex ifname gateway many first lab \\tcp 0x50 077 099 1:2:3:4:5:6";
    let words: Vec<&str> = WORDS.split_whitespace().collect();
    let packets = packets(60, true);
    let mut dice = Dice(0x2468_ace0_1357_9bdf);
    let (mut taken, mut compared) = (0, 0);
    for _ in 0..60_000 {
        let count = 1 + dice.below(9);
        let blank = dice.of(&[" ", " ", ""]);
        let text = (0..count).map(|_| dice.of(&words)).collect::<Vec<_>>().join(blank);
        match parse(&text) {
            Ok(expression) => {
                taken += 1;
                if !expression.needs_link() {
                    picked(&text, &packets);
                    compared += 1;
                }
            }
            Err(wrong) => assert!(text[wrong.place..].starts_with(&wrong.word), "{text}: {wrong}"),
        }
    }
    assert!(taken > 1000 && compared > 500, "{taken} {compared}");
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    for (text, place, word, reason) in wrong::WRONG {
        let wrong = parse(text).map(|_| text).unwrap_err();
        assert_eq!(
            (&wrong.place, wrong.word.as_str(), &wrong.reason),
            (place, *word, reason),
            "{text}"
        );
    }
    let said = |text: &str| parse(text).unwrap_err().to_string();
    assert_eq!(said("src (1.2.3.4 or x)"), format!("\"x\" at byte 17: {}", wrong::NO_ADDRESS));
    assert_eq!(said("port"), format!("at its end: {}", wrong::NO_VALUE));
}

#[test]
fn what_libpcap_leaves_off_is_taken() {
    let packets = packets(500, true);
    for (ours, theirs) in [
        ("10.0.0.1", "host 10.0.0.1"),
        ("fe80::1 or 10.0.0.1", "host fe80::1 or host 10.0.0.1"),
        ("tcp and 10.0.0.1", "host 10.0.0.1"),
        ("10.0.0.0/8", "net 10.0.0.0/8"),
        ("src 192.168.1.0/24 or fe80::/10", "src net 192.168.1.0/24 or src net fe80::/10"),
        ("10/8", "net 10"),
        ("net 10/8", "net 10"),
        ("net 0/0", "net 0.0.0.0/0"),
        ("net 10 mask 255", "net 10"),
        ("10.0.0.0 mask 255.0.0.0", "net 10"),
        ("port 80 or (443 or host 10.0.0.1)", "port 80 or port 443 or host 10.0.0.1"),
        ("host first", "host 10.0.0.1"),
        ("dst host many", "dst host 10.0.0.1 or dst host 192.168.1.77 or dst host fe80::1"),
        ("ip host many", "host 10.0.0.1 or 192.168.1.77"),
        ("not (src or dst many)", "not host 10.0.0.1 and not 192.168.1.77 and not fe80::1"),
        (
            "src and dst many",
            "src and dst 10.0.0.1 or src and dst 192.168.1.77 or src and dst fe80::1",
        ),
        ("ip6 src \\many or port 80", "src fe80::1 or port 80"),
        ("host \\tcp", "host 10.0.0.1"),
        ("net lab", "net 192.168"),
        ("net lab mask 255.255.0.0", "net 192.168"),
        ("src net lab or port 80", "src net 192.168 or port 80"),
        ("net all", "ip"),
        ("proto tcp", "tcp"),
        ("ip proto tcp", "ip"),
        ("ip6 proto 6 or not ip proto udp", "tcp"),
        ("ether proto ip6", "ip6"),
        ("tcp[13] = 2 or tcp[13] = 18", "tcp[tcpflags] & tcp-syn != 0 and tcp[13] < 0x20"),
        ("host 10.0.0.1 and (not port 80 or 443)", "host 10.0.0.1 and (not port 80 or port 443)"),
    ] {
        let wanted = picked(theirs, &packets);
        assert!(!wanted.is_empty() && picked(ours, &packets) == wanted, "{ours}");
    }
}

#[test]
fn neither_depth_nor_length_hurts() {
    let nested = |depth: usize| format!("{}tcp{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(64)).is_ok());
    for depth in [65, 5_000, 8_000, 10_000, 1_000_000] {
        let wrong = parse(&nested(depth)).unwrap_err();
        let reasons = ["parentheses are nested too deeply", "an expression is at most 16 KiB long"];
        assert_eq!(wrong.reason, reasons[usize::from(depth > 8_000)], "{depth}");
        assert_eq!(wrong.place, if depth > 8_000 { 16_384 } else { 64 });
    }
    assert_eq!(parse(&format!("{}tcp", "!".repeat(16_000))), parse("tcp"));
    assert_eq!(parse(&format!("{}tcp", "not ".repeat(4_001))), parse("not tcp"));
    // The largest number of tests that fits.
    let longest = format!("tcp port {}1", "1||".repeat(5_458));
    assert!(parse(&longest).unwrap().program(128).is_err());
}

#[test]
fn a_connection_is_meant_in_either_direction() {
    let ends = |client: &str, server: &str| (client.parse().unwrap(), server.parse().unwrap());
    let (client, server) = ends("10.0.0.1:40000", "[::ffff:192.168.1.1]:80");
    for (text, wanted) in [
        ("", true),
        ("dst port 80", true),
        ("src port 80", true),
        ("src port 40000 and dst port 80", true),
        ("src and dst port 80", false),
        ("net 192.168.1", true),
        ("ip", true),
        ("ip6", false),
        ("not tcp", false),
        ("udp or icmp", false),
        ("not udp and proto 6 and not ip proto 17", true),
        ("ip multicast or ip broadcast or ip6 multicast", false),
        ("udp[4:2] > 8 or 1 = 2", false),
        ("host many", true),
        ("not port 80", false),
        ("src 10.0.0.1 and src port 80", false),
    ] {
        assert_eq!(parse(text).unwrap().has_connection(client, server), wanted, "{text}");
    }
}
