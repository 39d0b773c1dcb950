//! Words about frames, by the whole program: it must show the connections of the frames that tcpdump selects.
//! Each frame is a connection of its own, whose client has the port 10000 and the frame's number.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::packets::Dice;
use super::{frames, support};

const MACS: [[u8; 6]; 5] = [
    [2, 0, 0, 0, 0, 1],
    [2, 0, 0, 0, 0, 2],
    [1, 0, 0x5e, 0, 0, 1],
    [0xff; 6],
    [0x52, 0x54, 0, 0x12, 0x34, 0x56],
];
/// Tags, with the ethertype of the first before them; the last two follow the kinds that tcpdump shifts by.
const TAGS: [&[u8]; 5] =
    [&[], &[], &[0x81, 0, 0, 5], &[0x81, 0, 0xe0, 6], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6]];

struct Frame {
    header: Vec<u8>,
    packet: Vec<u8>,
    original: usize,
    has_tags: bool,
}

fn made(count: u16) -> Vec<Frame> {
    made_with(count, &TAGS)
}

fn made_with(count: u16, all_tags: &[&'static [u8]]) -> Vec<Frame> {
    let mut dice = Dice(0x1357_9bdf_0246_8ace);
    let mut all = Vec::new();
    for number in 0..count {
        let payload = dice.of(&[0, 6, 100, 1000]);
        let tags = dice.of(all_tags);
        let mut header = [&dice.of(&MACS)[..], &dice.of(&MACS), tags].concat();
        // Labels and PPP name IP themselves.
        if !matches!(tags, [.., 64] | [.., 0x21]) {
            header.extend([8, 0]);
        }
        let length = 40 + payload;
        let mut packet = vec![0x45, 0];
        packet.extend((length as u16).to_be_bytes());
        packet.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packet.extend((10_000 + number).to_be_bytes());
        packet.extend([0, 80, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0]);
        packet.resize(length.min(dice.of(&[40, 60, 2000])), 7);
        let original = header.len() + length;
        all.push(Frame { header, packet, original, has_tags: !tags.is_empty() });
    }
    all
}

fn write(name: &str, link: u32, frames: &[Frame]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("frames-{name}-{}.pcap", std::process::id()));
    let mut bytes: Vec<u8> = [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65535, link]
        .iter()
        .flat_map(|word| word.to_le_bytes())
        .collect();
    for (number, frame) in frames.iter().enumerate() {
        let captured = frame.header.len() + frame.packet.len();
        for word in [number, 0, captured, frame.original] {
            bytes.extend((word as u32).to_le_bytes());
        }
        bytes.extend([&frame.header[..], &frame.packet].concat());
    }
    std::fs::write(&path, bytes).unwrap();
    path
}

/// The numbers of the frames that tcptrack selects, its messages, and its status.
fn shown(path: &Path, filter: &str) -> (BTreeSet<usize>, String, i32) {
    let output = support::run(&["tcptrack", "-T", path.to_str().unwrap(), filter]);
    let rows = String::from_utf8(output.stdout).unwrap();
    let number = |row: &str| row.split('\t').nth(1).unwrap().parse::<usize>().unwrap() - 10_000;
    let mut said = String::from_utf8(output.stderr).unwrap();
    if said.ends_with("matches the filter, which TCP packets alone can match\n") {
        // An empty result has a reason.
        assert!(rows.is_empty(), "{said}");
        let line = said.trim_end().rfind('\n').map_or(0, |end| end + 1);
        said.truncate(line);
    }
    (rows.lines().map(number).collect(), said, output.status.code().unwrap())
}

/// Those that tcpdump selects by any of the expressions.
fn tcpdump(path: &Path, filters: &[&str]) -> BTreeSet<usize> {
    let mut all = BTreeSet::new();
    for filter in filters {
        let mut command = support::command("tcpdump");
        command.arg("-O").arg("-r").arg(path).args(["-w", "-", filter]);
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{filter}: {said}");
        all.extend(frames(&output.stdout).map(|(seconds, _)| seconds));
    }
    all
}

#[test]
fn tcpdump_picks_the_same_frames() {
    let test = "tcpdump_picks_the_same_frames";
    if !support::needs(test, &["tcpdump"]) {
        return;
    }
    let all = made(300);
    let path = write("ethernet", 1, &all);
    for text in [
        "less 60",
        "greater 200",
        "len > 150",
        "length <= 94",
        "len & 1 = 0",
        "not (len - 14 = 46)",
        "ether host 02:00:00:00:00:01",
        "ether host 2-0-0-0-0-1",
        "ether src 0200.0000.0002",
        "ether dst 525400123456",
        "ether src or dst host 02:00:00:00:00:02",
        "ether src and dst 02:00:00:00:00:02",
        "not ether host 02:00:00:00:00:01 and not 02:00:00:00:00:02",
        "ether src (02:00:00:00:00:01 or 02:00:00:00:00:02)",
        "ether broadcast",
        "broadcast",
        "ether multicast",
        "not multicast",
        "not ether proto 0x88a8",
        "ether[0] & 1 = 1",
        "link[6:4] = 0x52540012",
        "ether[12:2] = 0x8100",
        "ether[len - 1] = 7",
        "not ether[100] = 1",
        "ether[12:2] = 0x800 and ether[len - 1] >= 0",
        "vlan and ether[0] = 2",
    ] {
        let (ours, said, status) = shown(&path, text);
        assert_eq!((said.as_str(), status), ("", 0), "{text}");
        assert_eq!(ours, tcpdump(&path, &[text]), "{text}");
        assert!(!ours.is_empty(), "{text}");
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn tags_shift_nothing() {
    let test = "tags_shift_nothing";
    if !support::needs(test, &["tcpdump"]) {
        return;
    }
    let all = made(300);
    let path = write("tags", 1, &all);
    // They shift what follows in tcpdump.
    let inner = "vlan 5 and vlan 6";
    for (ours, theirs) in [
        ("tcp", &["tcp", "vlan and tcp", "vlan and vlan and tcp"][..]),
        ("vlan", &["vlan"]),
        ("not vlan", &["tcp"]),
        ("vlan 5", &["vlan 5"]),
        ("vlan 6", &["vlan 6", inner]),
        ("vlan 5 and 6 = 6", &["vlan 5"]),
        ("vlan 6 and vlan 5", &[inner]),
        ("vlan (5)", &["vlan 5"]),
        ("vlan 7 or tcp[13] != 16", &["vlan 7"]),
        ("port 80 and vlan 6", &["vlan 6", inner]),
        ("vlan and port 80", &["vlan"]),
        ("tcp[13] = 16 and src port 10007", &["tcp or vlan"]),
        ("ether proto 0x8100", &["ether proto 0x8100", inner]),
        ("ether proto \\ip", &["tcp or vlan"]),
        ("ether proto 0x0800 and not vlan", &["tcp"]),
        ("mpls or pppoes", &["mpls"]),
    ] {
        let mut wanted = tcpdump(&path, theirs);
        if ours.ends_with("10007") {
            wanted.retain(|number| *number == 7);
        }
        let (ours_shown, said, status) = shown(&path, ours);
        assert_eq!((ours_shown, said.as_str(), status), (wanted, "", 0), "{ours}");
    }
    let tagged: BTreeSet<usize> = (0..300).filter(|number| all[*number].has_tags).collect();
    assert_eq!(shown(&path, "vlan").0, tagged);
    std::fs::remove_file(path).unwrap();
}

#[test]
fn labels_and_sessions_are_seen_through() {
    let test = "labels_and_sessions_are_seen_through";
    if !support::needs(test, &["tcpdump"]) {
        return;
    }
    const LONGEST: u8 = 4;
    let tags: [&[u8]; 7] = [
        &[],
        &[0x81, 0, 0, 5],
        &[0x88, 0x47, 0, 6, 0x41, 64],
        &[0x88, 0x47, 0, 6, 0x40, 64, 0, 12, 0x81, 64],
        &[0x88, 0x64, 0x11, 0, 0, 7, LONGEST, 18, 0, 0x21],
        &[0x88, 0x64, 0x11, 0, 0, 8, LONGEST, 18, 0, 0x21],
        &[0x81, 0, 0, 5, 0x88, 0x64, 0x11, 0, 0, 7, LONGEST, 18, 0, 0x21],
    ];
    let path = write("labels", 1, &made_with(200, &tags));
    for (ours, theirs) in [
        ("mpls", &["mpls"][..]),
        ("mpls 100", &["mpls 100"]),
        ("mpls 200", &["mpls 100 and mpls 200"]),
        ("mpls 200 and mpls 100", &["mpls 100 and mpls 200"]),
        ("mpls and src net 10 and port 80", &["mpls"]),
        ("mpls 100 and tcp[13] = 16 and ip[8] = 64", &["mpls 100"]),
        ("pppoes", &["pppoes", "vlan and pppoes"]),
        ("pppoes 7", &["pppoes 7", "vlan and pppoes 7"]),
        ("pppoes 8 and dst port 80", &["pppoes 8"]),
        ("vlan 5 and pppoes 7", &["vlan 5 and pppoes 7"]),
        ("pppoes (7) and not vlan", &["pppoes 7"]),
        ("vlan", &["vlan"]),
        ("not mpls and not pppoes and not vlan", &["tcp"]),
        ("ether proto 0x8864", &["pppoes", "vlan and pppoes"]),
        ("ether proto 0x8847 or ether proto 0x8100", &["mpls", "vlan"]),
        ("host 10.0.0.1", &["tcp", "mpls", "pppoes", "vlan"]),
        ("pppoes and greater 200", &["greater 200 and pppoes", "greater 200 and vlan and pppoes"]),
    ] {
        let wanted = tcpdump(&path, theirs);
        assert!(!wanted.is_empty(), "{ours}");
        let (ours_shown, said, status) = shown(&path, ours);
        assert_eq!((ours_shown, said.as_str(), status), (wanted, "", 0), "{ours}");
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn cooked_captures_tell_the_direction_and_the_interface() {
    let test = "cooked_captures_tell_the_direction_and_the_interface";
    if !support::needs(test, &["tcpdump"]) {
        return;
    }
    for link in [113, 276] {
        let mut all = made(60);
        for (number, frame) in all.iter_mut().enumerate() {
            let kind = [0, 1, 2, 3, 4][number % 5];
            frame.header = match link {
                113 => vec![0, kind, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0],
                _ => vec![
                    8,
                    0,
                    0,
                    0,
                    0,
                    0,
                    0,
                    (number % 3) as u8,
                    0,
                    1,
                    kind,
                    6,
                    2,
                    0,
                    0,
                    0,
                    0,
                    1,
                    0,
                    0,
                ],
            };
            frame.original = frame.header.len() + frame.packet.len();
        }
        let path = write("cooked", link, &all);
        let mut texts = vec!["inbound", "outbound", "not outbound", "outbound and less 70"];
        texts.extend(["link[0] < 9", "ether[14:2] < 0x900 or ip6", "not link[6] = 77"]);
        if link == 276 {
            texts.extend(["ifindex 2", "not ifindex 1 and inbound"]);
        }
        for text in texts {
            let (ours, said, status) = shown(&path, text);
            assert_eq!((said.as_str(), status), ("", 0), "{text}");
            assert_eq!(ours, tcpdump(&path, &[text]), "{text}");
            assert!(!ours.is_empty(), "{text}");
        }
        assert_eq!(shown(&path, "ether src 02:00:00:00:00:01").0.len(), 60);
        let (none, said, status) = shown(&path, "ether dst 02:00:00:00:00:01");
        assert_eq!((none.len(), status), (0, 1), "{said}");
        assert!(said.contains("some frames do not tell: these were skipped"), "{said}");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn what_a_capture_does_not_tell_is_said() {
    let path = write("untold", 1, &made(20));
    for text in ["inbound", "not outbound", "ifindex 1", "ifname eth0", "port 80 and not ifindex 1"]
    {
        let (none, said, status) = shown(&path, text);
        assert_eq!((none.len(), status), (0, 1), "{text}");
        assert!(said.starts_with("tcptrack: the filter asks for an Ethernet address, "), "{said}");
    }
    // What is decided before is decided.
    assert_eq!(shown(&path, "port 80 or inbound").0.len(), 20);
    assert_eq!(shown(&path, "port 81 and inbound"), (BTreeSet::new(), String::new(), 0));
    std::fs::remove_file(path).unwrap();
}

#[test]
fn the_interfaces_of_a_pcapng_file_have_names() {
    let block = |kind: u32, body: &[u8]| {
        let length = (12 + body.len().next_multiple_of(4)) as u32;
        let mut bytes = [kind.to_le_bytes(), length.to_le_bytes()].concat();
        bytes.extend(body);
        bytes.resize(length as usize - 4, 0);
        bytes.extend(length.to_le_bytes());
        bytes
    };
    let section = [&0x1a2b_3c4d_u32.to_le_bytes()[..], &[1, 0, 0, 0], &[0xff; 8]].concat();
    let mut file = block(0x0a0d_0d0a, &section);
    for name in [&b"eth0"[..], b"wlan0", b""] {
        let mut body = vec![1, 0, 0, 0, 0, 0, 4, 0];
        if !name.is_empty() {
            body.extend([2, 0, name.len() as u8, 0]);
            body.extend(name);
            body.resize(body.len().next_multiple_of(4), 0);
            body.extend([0; 4]);
        }
        file.extend(block(1, &body));
    }
    for (number, frame) in made(30).iter().enumerate() {
        let bytes = [&frame.header[..], &frame.packet].concat();
        let words =
            [(number % 3) as u32, 0, number as u32, bytes.len() as u32, frame.original as u32];
        let head: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        file.extend(block(6, &[head, bytes].concat()));
    }
    let path = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("frames-names-{}.pcapng", std::process::id()));
    std::fs::write(&path, file).unwrap();
    let every = |rest: usize| (0..30).filter(|number| number % 3 == rest).collect::<BTreeSet<_>>();
    for (text, rest) in [("ifname eth0", 0), ("on wlan0", 1), ("not ifname eth0", 1)] {
        let (ours, said, status) = shown(&path, text);
        assert_eq!((ours, status), (every(rest), 1), "{text} {said}");
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn connections_are_not_selected_by_words_about_packets() {
    for text in [
        "tcp[13] = 2",
        "ip[8] > 3",
        "len > 5",
        "less 100",
        "vlan 5",
        "mpls",
        "pppoes",
        "ether host 2:0:0:0:0:1",
        "broadcast",
        "ether proto 0x8100",
        "inbound",
        "ifname lo",
    ] {
        for words in [&["--once"][..], &["--once", "--conntrack"]] {
            let text = format!("port 80 or {text}");
            let output = support::run(&[&["tcptrack"], words, &[&text]].concat());
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(2), "{text}: {said}");
            assert!(
                said.starts_with("tcptrack: filter: \"") && said.contains(" at byte "),
                "{said}"
            );
            let cure = "concerns single packets, and counters and flows have none; use -i to capture packets or -T to read a capture";
            assert!(said.trim_end().ends_with(cure), "{said}");
        }
    }
    // A bare machine lists no hosts.
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    let listed = if hosts.contains("localhost") { "host localhost" } else { "host 127.0.0.1" };
    for text in ["udp", "not icmp", "proto 6", "ip multicast", "udp[0] = 1", "1 = 1", listed] {
        let output = support::run(&["tcptrack", "--once", "--rate-interval", "0.01", text]);
        assert_ne!(output.status.code(), Some(2), "{text}");
    }
}
