//! Capture files: for every connection, connbox counts the same bytes as tshark, whatever the file's format,
//! byte order, clock and link type, and finds as many packets as tcpdump.

use crate::support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use connbox::error::Error;
use connbox::source::packets::{self, pcap_file, segment};
use connbox::track::tcp::{Connection, Options, Tracker};

/// By client and server: payload bytes from the client and from the server.
type Totals = BTreeMap<(String, String), [u64; 2]>;

fn own_lab() -> PathBuf {
    support::world("own-lab-6.18/pcap/mixed-v4-v6.pcap")
}

/// The tracker's result for a capture: totals, TCP packets, retransmitted segments, the last time.
fn track(file: &Path) -> Result<(Totals, usize, u64, Duration), Error> {
    let mut tracker = Tracker::new(Options::default());
    let (mut packets, mut last) = (0, Duration::ZERO);
    let ending = pcap_file::read(file, &mut |frame: &packets::Frame<'_>| {
        if let Some(segment) = frame.packet().as_ref().and_then(segment) {
            tracker.segment(frame.time, &segment);
            (packets, last) = (packets + 1, frame.time);
        }
    })?;
    if let Some(trouble) = ending.trouble {
        return Err(trouble);
    }
    let again = tracker.connections().filter_map(Connection::retransmits_total).sum();
    let totals = tracker.connections().map(|one| {
        let name = |end: &connbox::model::Endpoint| format!("{} {}", end.address, end.port);
        assert_eq!(one.tx.missed_bytes_total + one.rx.missed_bytes_total, 0);
        let bytes = [one.tx.bytes_total, one.rx.bytes_total];
        ((name(&one.client), name(&one.server)), bytes)
    });
    Ok((totals.collect(), packets, again, last))
}

/// tshark's result: the payload of all segments except those that it considers retransmitted.
fn tshark(file: &Path) -> Totals {
    let mut words = vec!["-r", file.to_str().unwrap(), "-T", "fields"];
    let fields =
        ["ip.src", "ipv6.src", "tcp.srcport", "ip.dst", "ipv6.dst", "tcp.dstport", "tcp.len"];
    fields.iter().for_each(|field| words.extend(["-e", field]));
    words.extend(["-Y", "tcp && !tcp.analysis.retransmission"]);
    let output = std::process::Command::new("tshark").args(words).output().unwrap();
    let mut totals = Totals::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let end = |place: usize| {
            let port: u16 = fields[place + 2].parse().unwrap();
            (port, format!("{}{} {port}", fields[place], fields[place + 1]))
        };
        let ((from_port, from), (to_port, to)) = (end(0), end(3));
        let is_tx = from_port > to_port;
        let key = if is_tx { (from, to) } else { (to, from) };
        totals.entry(key).or_default()[usize::from(!is_tx)] += fields[6].parse::<u64>().unwrap();
    }
    totals
}

/// How many packets tcpdump prints.
fn tcpdump(file: &Path, filter: &str) -> usize {
    let mut tcpdump = std::process::Command::new("tcpdump");
    let output = tcpdump.args(["-n", "-r", file.to_str().unwrap(), filter]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{stderr}");
    output.stdout.iter().filter(|byte| **byte == b'\n').count()
}

#[test]
fn the_bytes_of_own_lab_are_those_of_tshark() {
    let (totals, packets, again, _) = track(&own_lab()).unwrap();
    let bytes: Vec<_> = totals.values().copied().collect();
    assert_eq!(bytes, [[600_000; 2], [0; 2], [1; 2], [30_000; 2]]);
    assert_eq!((packets, again), (453, 0));
    if support::needs("the_bytes_of_own_lab_are_those_of_tshark", &["tshark", "tcpdump"]) {
        assert_eq!(totals, tshark(&own_lab()));
        assert_eq!(packets, tcpdump(&own_lab(), "tcp"));
    }
}

/// A frame of own-lab: seconds, microseconds, original length, and captured bytes.
type Frame<'a> = (u32, u32, u32, &'a [u8]);

fn frames(mut file: &[u8]) -> Vec<Frame<'_>> {
    let number =
        |file: &[u8], place: usize| u32::from_le_bytes(file[place..place + 4].try_into().unwrap());
    file = &file[24..];
    let mut frames = Vec::new();
    while !file.is_empty() {
        let end = 16 + number(file, 8) as usize;
        frames.push((number(file, 0), number(file, 4), number(file, 12), &file[16..end]));
        file = &file[end..];
    }
    frames
}

#[derive(Clone, Copy)]
struct Writing {
    is_big: bool,
    is_nanoseconds: bool,
    link: u32,
}

impl Writing {
    fn words(self, numbers: &[u32]) -> Vec<u8> {
        let bytes = |n: &u32| if self.is_big { n.to_be_bytes() } else { n.to_le_bytes() };
        numbers.iter().flat_map(bytes).collect()
    }

    /// The two halves of a word, in the byte order of the file.
    fn halves(self, first: u32, second: u32) -> Vec<u8> {
        let pair = if self.is_big { first << 16 | second } else { second << 16 | first };
        self.words(&[pair])
    }

    fn pcap(self, frames: &[(u32, u32, u32, Vec<u8>)]) -> Vec<u8> {
        let (magic, unit) =
            if self.is_nanoseconds { (0xa1b2_3c4d, 1000) } else { (0xa1b2_c3d4, 1) };
        let mut file = self.words(&[magic]);
        file.extend(self.halves(2, 4));
        file.extend(self.words(&[0, 0, 262_144, self.link]));
        for (seconds, microseconds, original, bytes) in frames {
            let head = [*seconds, microseconds * unit, bytes.len() as u32, *original];
            file.extend(self.words(&head));
            file.extend(bytes);
        }
        file
    }

    fn block(self, kind: u32, body: &[u8]) -> Vec<u8> {
        let length = 12 + body.len().next_multiple_of(4);
        let mut block = [self.words(&[kind, length as u32]), body.to_vec()].concat();
        block.resize(length - 4, 0);
        block.extend(self.words(&[length as u32]));
        block
    }

    fn pcapng(self, frames: &[(u32, u32, u32, Vec<u8>)]) -> Vec<u8> {
        let section = [self.words(&[0x1a2b_3c4d]), self.halves(1, 0), vec![0xff; 8]].concat();
        let mut file = self.block(0x0a0d_0d0a, &section);
        let mut interface = [self.halves(self.link, 0), self.words(&[262_144])].concat();
        if self.is_nanoseconds {
            interface.extend([self.halves(9, 1), vec![9, 0, 0, 0], self.words(&[0])].concat());
        }
        file.extend(self.block(1, &interface));
        for (seconds, microseconds, original, bytes) in frames {
            let time = u64::from(*seconds) * 1_000_000 + u64::from(*microseconds);
            let time = if self.is_nanoseconds { time * 1000 } else { time };
            let head = [0, (time >> 32) as u32, time as u32, bytes.len() as u32, *original];
            file.extend(self.block(6, &[self.words(&head), bytes.clone()].concat()));
        }
        file
    }
}

/// The link-layer header for an ethertype, by link type and variant, and tcpdump's expression for TCP in it.
fn headers(ethertype: [u8; 2]) -> [(u32, Vec<u8>, &'static str); 10] {
    // For IPv6, the number is that of macOS; libpcap looks for those of the BSDs.
    let family = if ethertype == [8, 0] { 2 } else { 30 };
    let mac = [2; 12];
    let cooked = [0, 0, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0];
    let cooked2 = [0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 2, 2, 2, 2, 2, 0, 0];
    [
        (1, [&mac[..], &ethertype].concat(), "tcp"),
        (1, [&mac[..], &[0x81, 0, 0, 5], &ethertype].concat(), "vlan and tcp"),
        (
            1,
            [&mac[..], &[0x88, 0xa8, 0, 5, 0x81, 0, 0, 6], &ethertype].concat(),
            "vlan and vlan and tcp",
        ),
        (113, [&cooked[..], &ethertype].concat(), "tcp"),
        (276, [&ethertype[..], &cooked2].concat(), "tcp"),
        (101, vec![], "tcp"),
        (12, vec![], "tcp"),
        (0, vec![family, 0, 0, 0], "tcp"),
        (0, vec![0, 0, 0, family], "tcp"),
        (108, vec![0, 0, 0, family], "tcp"),
    ]
}

#[test]
fn every_format_and_link_type_gives_the_same() {
    let test = "every_format_and_link_type_gives_the_same";
    let has_tcpdump = support::needs(test, &["tcpdump"]);
    let text = std::fs::read(own_lab()).unwrap();
    let frames = frames(&text);
    let wanted = track(&own_lab()).unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("every-format.pcap");
    for variant in 0..headers([8, 0]).len() {
        let (link, _, filter) = headers([8, 0])[variant].clone();
        let relinked = |&(seconds, microseconds, original, bytes): &Frame<'_>| {
            let (ethernet, packet) = bytes.split_at(14);
            let (_, header, _) = &headers([ethernet[12], ethernet[13]])[variant];
            let original = original - 14 + header.len() as u32;
            (seconds, microseconds, original, [header, packet].concat())
        };
        let frames: Vec<_> = frames.iter().map(relinked).collect();
        for (is_big, is_nanoseconds) in [(false, false), (false, true), (true, false), (true, true)]
        {
            let writing = Writing { is_big, is_nanoseconds, link };
            for file in [writing.pcap(&frames), writing.pcapng(&frames)] {
                std::fs::write(&path, &file).unwrap();
                assert_eq!(track(&path).unwrap(), wanted, "{link} {variant} {is_big}");
                // libpcap reads the family only if the capture has its own byte order.
                let is_foreign = link == 0 && (variant == 8) != is_big;
                if has_tcpdump && link != 12 && !is_foreign {
                    assert_eq!(tcpdump(&path, filter), wanted.1, "{link} {variant} {is_big}");
                }
            }
        }
    }
}

#[test]
fn what_editcap_writes_is_read() {
    if !support::needs("what_editcap_writes_is_read", &["editcap", "mergecap"]) {
        return;
    }
    let wanted = track(&own_lab()).unwrap();
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (one, other) = (directory.join("editcap.1"), directory.join("editcap.2"));
    let run = |program: &str, words: &[&str]| {
        let status = std::process::Command::new(program).args(words).status().unwrap();
        assert!(status.success(), "{program} {words:?}");
    };
    let (lab, one_name, other_name) =
        (own_lab(), one.to_str().unwrap().to_owned(), other.to_str().unwrap().to_owned());
    for format in ["pcap", "nsecpcap", "pcapng"] {
        run("editcap", &["-F", format, lab.to_str().unwrap(), &one_name]);
        assert_eq!(track(&one).unwrap(), wanted, "{format}");
    }
    // Two interfaces: one direction on the first, the other direction on the second.
    let filter = |name: &str, filter: &str| {
        run("tcpdump", &["-r", lab.to_str().unwrap(), "-w", name, filter]);
    };
    filter(&one_name, "src port 9001 or src port 9002");
    filter(&other_name, "dst port 9001 or dst port 9002");
    let merged = directory.join("editcap.merged");
    run(
        "mergecap",
        &["-F", "pcapng", "-I", "none", "-w", merged.to_str().unwrap(), &one_name, &other_name],
    );
    assert_eq!(track(&merged).unwrap(), wanted);
}

/// What two files hold that cat puts together was sent once, if the second repeats the first.
#[test]
fn a_copy_of_a_packet_was_not_sent_again() {
    let text = std::fs::read(own_lab()).unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("twice.pcapng");
    let frames = frames(&text);
    let writing = Writing { is_big: false, is_nanoseconds: false, link: 1 };
    let frames: Vec<_> = frames
        .into_iter()
        .map(|(seconds, microseconds, original, bytes)| {
            (seconds, microseconds, original, bytes.to_vec())
        })
        .collect();
    let file = |from: usize, to: usize| writing.pcapng(&frames[from..to]);
    for end in 1..=frames.len() {
        let of = |files: &[Vec<u8>]| {
            std::fs::write(&path, files.concat()).unwrap();
            let (totals, _, again, last) = track(&path).unwrap();
            (totals, again, last)
        };
        let once = of(&[file(0, end)]);
        // The same again, a part of it, and the rest.
        let half = end / 2;
        assert_eq!(of(&[file(0, end), file(0, end)]), once, "{end}");
        assert_eq!(of(&[file(0, half), file(0, end)]), once, "{end}");
        assert_eq!(of(&[file(0, half), file(half, end)]), once, "{end}");
    }
}

/// What two taps have captured, merged: each packet twice, with the same time or a little later, and up to eight
/// others between the two.
#[test]
fn a_packet_that_two_taps_have_captured_was_not_sent_again() {
    let text = std::fs::read(own_lab()).unwrap();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("taps.pcapng");
    let writing = Writing { is_big: false, is_nanoseconds: false, link: 1 };
    let frames = frames(&text);
    let of = |frames: &[(u32, u32, u32, Vec<u8>)]| {
        std::fs::write(&path, writing.pcapng(frames)).unwrap();
        let (totals, _, again, _) = track(&path).unwrap();
        (totals, again)
    };
    // From the beginning, and from the middle of connections.
    for start in [0, frames.len() / 3] {
        for later in [0, 5] {
            for at_once in [1, 2, 8] {
                let (mut once, mut twice) = (Vec::new(), Vec::new());
                for (second, few) in (0u32..).zip(frames[start..].chunks(at_once)) {
                    let made = |later: u32| {
                        let one = move |(.., original, bytes): &(u32, u32, u32, &[u8])| {
                            (second / 100, second % 100 * 10_000 + later, *original, bytes.to_vec())
                        };
                        few.iter().map(one).collect::<Vec<_>>()
                    };
                    once.extend(made(0));
                    // Without an IP ID (IPv6) only the time tells.
                    let copies = made(later).into_iter().filter(|one| later == 0 || one.3[12] == 8);
                    twice.extend(made(0).into_iter().chain(copies));
                }
                assert_eq!(of(&twice), of(&once), "{start} {later} {at_once}");
            }
        }
    }
}

/// The text of the error for a file.
fn error_of(file: &[u8]) -> String {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("damaged.pcap");
    std::fs::write(&path, file).unwrap();
    let Err(Error::Fault { text, .. }) = track(&path) else { panic!("no error") };
    let text = String::from_utf8(text).unwrap();
    text.strip_prefix(path.to_str().unwrap()).unwrap().to_owned()
}

#[test]
fn damage_is_said_with_its_place() {
    let text = std::fs::read(own_lab()).unwrap();
    let last = text.len() - 16 - frames(&text).last().unwrap().3.len();
    let cut = format!(": at byte {last}: what begins here is cut short");
    assert_eq!(error_of(&text[..text.len() - 1]), cut);
    assert_eq!(error_of(b""), ": is empty");
    let gzip = ": is compressed by gzip: pipe it through zcat, and read that with -T -";
    assert_eq!(error_of(b"\x1f\x8b\x08\0 and so on"), gzip);
    assert_eq!(error_of(b"GET / HTTP/1.1"), ": at byte 0: not a capture file (pcap or pcapng)");
}

#[test]
fn the_size_of_packets_does_not_matter() {
    // A packet longer than the buffer, and one after it.
    let text = std::fs::read(own_lab()).unwrap();
    let (seconds, microseconds, original, bytes) = frames(&text)[16];
    let mut long = bytes.to_vec();
    long.resize(300_000, 0);
    // Sent again: the IP ID is another one.
    let mut again = bytes.to_vec();
    again[19] ^= 1;
    let frames =
        [(seconds, microseconds, original, long), (seconds, microseconds, original, again)];
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("long.pcap");
    for writing in [false, true].map(|is_big| Writing { is_big, is_nanoseconds: false, link: 1 }) {
        for file in [writing.pcap(&frames), writing.pcapng(&frames)] {
            std::fs::write(&path, file).unwrap();
            let (totals, packets, again, _) = track(&path).unwrap();
            assert_eq!((packets, again), (2, 1));
            assert_eq!(totals.values().next(), Some(&[7240, 0]));
        }
    }
}
