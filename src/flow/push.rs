//! Numbers, addresses and outside bytes, appended fast: a table of flows has hundreds of thousands of
//! lines, and writing them must take less time than reading them from the kernel.

use std::net::{IpAddr, Ipv6Addr};

use crate::error::is_hidden;

#[inline]
pub(super) fn number(buffer: &mut Vec<u8>, number: u64) {
    buffer.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

/// Appends words and the number that follows them.
#[inline]
pub(super) fn field(buffer: &mut Vec<u8>, words: &str, value: u32) {
    buffer.extend_from_slice(words.as_bytes());
    buffer.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a number of two digits.
pub(super) fn two(buffer: &mut Vec<u8>, number: u8) {
    buffer.extend_from_slice(&[b'0' + number / 10 % 10, b'0' + number % 10]);
}

/// Appends a number in hexadecimal, without `0x`.
pub(super) fn hex(buffer: &mut Vec<u8>, number: u16) {
    let digits = [12, 8, 4, 0].map(|shift| HEX[usize::from(number >> shift & 15)]);
    let zeros = digits[..3].iter().take_while(|digit| **digit == b'0').count();
    buffer.extend_from_slice(&digits[zeros..]);
}

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends an address as inet_ntop(3) writes it.
#[inline]
pub(super) fn address(buffer: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => v4(buffer, address.octets()),
        IpAddr::V6(address) => v6(buffer, address),
    }
}

/// The digits of every octet with a full stop after them, and their length in bytes.
const OCTETS: [([u8; 4], u8); 256] = {
    let mut all = [([0; 4], 0); 256];
    let mut octet = 0;
    while octet < 256 {
        let n = octet as u8;
        let (a, b, c) = (b'0' + n / 100, b'0' + n / 10 % 10, b'0' + n % 10);
        all[octet] = match n {
            0..10 => ([c, b'.', 0, 0], 2),
            10..100 => ([b, c, b'.', 0], 3),
            _ => ([a, b, c, b'.'], 4),
        };
        octet += 1;
    }
    all
};

#[inline]
fn v4(buffer: &mut Vec<u8>, octets: [u8; 4]) {
    let mut text = [0; 16];
    let mut length = 0;
    for octet in octets {
        let (digits, used) = &OCTETS[usize::from(octet)];
        text[length..length + 4].copy_from_slice(digits);
        length += usize::from(*used);
    }
    // Copying a constant length needs no call; the surplus is removed afterwards, with the last full stop.
    buffer.extend_from_slice(&text);
    buffer.truncate(buffer.len() + length - 1 - text.len());
}

/// The longest run of zeros, if longer than one, becomes `::` (of equal ones, the first); an IPv6 address
/// that contains an IPv4 address ends with it.
fn v6(buffer: &mut Vec<u8>, address: Ipv6Addr) {
    let words = address.segments();
    let (start, length) = longest_zeros(&words);
    let [.., a, b, c, d] = address.octets();
    let holds_v4 = start == 0 && (length == 6 || (length == 5 && words[5] == 0xffff));
    let shown = if holds_v4 { &words[..6] } else { &words[..] };
    let mut place = 0;
    while place < shown.len() {
        if place == start && length > 1 {
            buffer.extend_from_slice(b"::");
            place += length;
            continue;
        }
        hex(buffer, shown[place]);
        place += 1;
        let is_before_zeros = place == start && length > 1;
        if !is_before_zeros && (place < shown.len() || holds_v4) {
            buffer.push(b':');
        }
    }
    if holds_v4 {
        v4(buffer, [a, b, c, d]);
    }
}

/// Where the longest run of zeros begins, and how long it is.
fn longest_zeros(words: &[u16; 8]) -> (usize, usize) {
    let run = |start: usize| words[start..].iter().take_while(|word| **word == 0).count();
    let mut best = (0, 0);
    for start in 0..words.len() {
        if run(start) > best.1 {
            best = (start, run(start));
        }
    }
    best
}

/// The target of outside bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Into {
    Line,
    Xml,
}

/// Appends outside bytes: control characters, those of the order of text, and invalid UTF-8 as `\xNN`.
pub(super) fn outside(buffer: &mut Vec<u8>, text: &[u8], into: Into) {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.:/ ,()".contains(byte);
    if text.iter().all(is_plain) {
        return buffer.extend_from_slice(text);
    }
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            one(buffer, character, into);
        }
        chunk.invalid().iter().for_each(|byte| escaped(buffer, *byte));
    }
}

fn one(buffer: &mut Vec<u8>, character: char, into: Into) {
    let bytes = &mut [0; 4];
    let bytes = character.encode_utf8(bytes).as_bytes();
    match character {
        hidden if is_hidden(hidden) => bytes.iter().for_each(|byte| escaped(buffer, *byte)),
        '&' if into == Into::Xml => buffer.extend_from_slice(b"&amp;"),
        '<' if into == Into::Xml => buffer.extend_from_slice(b"&lt;"),
        '>' if into == Into::Xml => buffer.extend_from_slice(b"&gt;"),
        '"' if into == Into::Xml => buffer.extend_from_slice(b"&quot;"),
        _ => buffer.extend_from_slice(bytes),
    }
}

fn escaped(buffer: &mut Vec<u8>, byte: u8) {
    let digits = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
    buffer.extend_from_slice(b"\\x");
    buffer.extend_from_slice(&digits);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut buffer = Vec::new();
        write(&mut buffer);
        String::from_utf8(buffer).unwrap()
    }

    #[test]
    fn every_octet_is_written() {
        for octet in 0..=255u8 {
            for octets in [[octet, 0, 10, 255], [255, 100, 99, octet]] {
                let text = written(|buffer| v4(buffer, octets));
                assert_eq!(text, std::net::Ipv4Addr::from(octets).to_string());
            }
        }
    }

    /// Where glibc's inet_ntop differs from Rust's `Display`, recorded with glibc 2.36.
    #[test]
    fn ipv6_addresses_are_written_as_by_inet_ntop() {
        for text in [
            "::",
            "::1",
            "::ffff",
            "1::",
            "1::8",
            "0:2:3:4:5:6:7:8",
            "1:2:3:4:5:6:7:0",
            "1:0:3::6:7:8",
            "1:0:3:0:5::",
            "1::4:0:0:7:8",
            "::ffff:1.2.3.4",
            "::1.2.3.4",
            "::1:0:0",
            "::0.1.0.2",
            "::ffff:0.0.0.0",
            "::fffe:102:304",
            "fd88:1::2",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
            "::1:ffff:102:304",
            "64:ff9b::102:304",
            "::255.255.0.0",
            "0:1::",
        ] {
            assert_eq!(written(|buffer| v6(buffer, text.parse().unwrap())), text);
        }
    }

    /// Addresses of words that are often 0 agree with `Display`, but for those that hold IPv4.
    #[test]
    fn all_patterns_of_zeros_agree_with_rust() {
        for pattern in 0..256u32 {
            let word = |place: u32| if pattern >> place & 1 != 0 { 0x10 + place as u16 } else { 0 };
            let address = Ipv6Addr::from([0, 1, 2, 3, 4, 5, 6, 7].map(word));
            let is_compatible = address.segments()[..6] == [0; 6] && address.segments()[6] != 0;
            if !is_compatible {
                assert_eq!(written(|buffer| v6(buffer, address)), address.to_string());
            }
        }
    }

    #[test]
    fn hexadecimal_numbers_have_no_leading_zeros() {
        for number in 0..=u16::MAX {
            assert_eq!(written(|buffer| hex(buffer, number)), format!("{number:x}"));
        }
    }

    #[test]
    fn outside_bytes_reach_no_terminal_as_commands() {
        let text = b"ok \xc3\xa9 \x1b[2J\x7f\n\xc2\x9b\xe2\x80\xae \xff <&>\"";
        let line = written(|buffer| outside(buffer, text, Into::Line));
        assert_eq!(line, "ok é \\x1b[2J\\x7f\\x0a\\xc2\\x9b\\xe2\\x80\\xae \\xff <&>\"");
        let xml = written(|buffer| outside(buffer, text, Into::Xml));
        assert_eq!(
            xml,
            "ok é \\x1b[2J\\x7f\\x0a\\xc2\\x9b\\xe2\\x80\\xae \\xff &lt;&amp;&gt;&quot;"
        );
        for byte in 0..=255 {
            let line = written(|buffer| outside(buffer, &[byte], Into::Line));
            assert!(line.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{byte}: {line:?}");
        }
    }
}
