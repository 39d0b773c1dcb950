//! Fragmented packets of TCP: all their bytes count, and what is missing of them is said.

use super::made::{ACK, FIN, TALK, ethernet, packet, pcap, replay, rows, said};

/// The three fragments of a segment with 3000 bytes.
fn fragments(is_ipv4: bool, id: u8, flags: u8, sequence: u32) -> [Vec<u8>; 3] {
    let whole = packet(is_ipv4, ('>', flags, sequence, 5000, 3000));
    let (header, data) = whole.split_at(if is_ipv4 { 20 } else { 40 });
    [0..1200, 1200..2400, 2400..3020].map(|range| {
        let (offset, more) = (range.start as u16 / 8, range.end < 3020);
        let part = &data[range];
        let mut header = header.to_vec();
        if is_ipv4 {
            header[2..4].copy_from_slice(&(20 + part.len() as u16).to_be_bytes());
            header[5] = id;
            header[6..8].copy_from_slice(&(offset | u16::from(more) << 13).to_be_bytes());
        } else {
            header[4..6].copy_from_slice(&(8 + part.len() as u16).to_be_bytes());
            header[6] = 44;
            header.extend([6, 0]);
            header.extend((offset << 3 | u16::from(more)).to_be_bytes());
            header.extend([0, 0, 0, id]);
        }
        ethernet(if is_ipv4 { 0x0800 } else { 0x86dd }, &[&header[..], part].concat())
    })
}

/// State and sent bytes, and what is said, of a handshake and the frames behind it.
fn told(name: &str, is_ipv4: bool, frames: &[Vec<u8>], options: &[&str]) -> (String, String) {
    let ethertype = if is_ipv4 { 0x0800 } else { 0x86dd };
    let begin = TALK[..3].iter().map(|row| ethernet(ethertype, &packet(is_ipv4, *row)));
    let all: Vec<_> = begin.chain(frames.iter().cloned()).collect();
    let output = replay(name, &pcap(1, &all), options);
    let said = said(name, &output);
    assert_eq!(output.status.code(), Some(i32::from(!said.is_empty())), "{said}");
    let row = rows(&output).concat();
    let words: Vec<_> = row.split(' ').collect();
    (format!("{} {}", words[0], words[2]), said)
}

fn lacking(count: usize) -> String {
    format!(
        "tcptrack: {count} fragmented packets of TCP were captured only in part: bytes of their connections may be missing\n"
    )
}

fn sent(bytes: u32) -> String {
    format!("ESTABLISHED {bytes}")
}

#[test]
fn bytes_of_all_fragments_count() {
    for is_ipv4 in [true, false] {
        let of = |id, sequence| fragments(is_ipv4, id, ACK, sequence);
        let [a, b, c] = of(1, 1000);
        let whole = (sent(3000), String::new());
        for options in [&[][..], &["port", "80"], &["host", "192.0.2.10", "or", "ip6"]] {
            assert_eq!(
                told("fragments.pcap", is_ipv4, &[a.clone(), b.clone(), c.clone()], options),
                whole
            );
        }
        // The last one first, and copies.
        for order in [[&c, &b, &a, &a], [&a, &c, &b, &b], [&a, &a, &c, &c], [&c, &a, &c, &a]] {
            let (row, said) = told("fragments.pcap", is_ipv4, &order.map(Clone::clone), &[]);
            assert_eq!((row, said), whole);
        }
        let three = [of(1, 1000), of(2, 4000), of(3, 7000)].concat();
        assert_eq!(told("fragments.pcap", is_ipv4, &three, &[]), (sent(9000), String::new()));
        // The number of another packet, later.
        let again = [of(1, 1000), of(2, 4000), of(1, 7000)].concat();
        assert_eq!(told("fragments.pcap", is_ipv4, &again, &[]), (sent(9000), String::new()));
        let last = [&of(1, 1000)[..], &fragments(is_ipv4, 2, ACK | FIN, 4000)].concat();
        let end = ("CLOSING 6000".to_owned(), String::new());
        assert_eq!(told("fragments.pcap", is_ipv4, &last, &[]), end);
    }
}

#[test]
fn what_lacks_fragments_is_said() {
    for is_ipv4 in [true, false] {
        let [a, b, c] = fragments(is_ipv4, 1, ACK, 1000);
        let told = |frames: &[&Vec<u8>], options: &[&str]| {
            let frames: Vec<_> = frames.iter().map(|frame| (*frame).clone()).collect();
            told("fragments-lacking.pcap", is_ipv4, &frames, options)
        };
        assert_eq!(told(&[&a], &[]), (sent(1180), lacking(1)));
        assert_eq!(told(&[&a, &b], &["port", "80"]), (sent(1180), lacking(1)));
        assert_eq!(told(&[&b, &c], &[]), (sent(0), lacking(1)));
        let [d, ..] = fragments(is_ipv4, 2, ACK, 4000);
        assert_eq!(told(&[&a, &d], &[]), (sent(2360), lacking(2)));
        // The last fragment says how long the packet was.
        assert_eq!(told(&[&a, &c], &[]), (sent(3000), String::new()));
        // Of other connections nothing is said.
        assert_eq!(told(&[&b, &c], &["port", "80"]), (sent(0), String::new()));
    }
}
