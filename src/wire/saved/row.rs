//! A row of a table of sockets, as ss(8) and netstat(8) print it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::wire::text::{Fields, unsigned};

/// A row: what all these tables show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The number of the protocol, 0 for one whose sockets connbox does not count; `None` if the row does not tell.
    pub protocol: Option<u8>,
    /// Whether it is a socket of IPv6; `None` if the row does not tell.
    pub is_v6: Option<bool>,
    /// The kernel's number of the state; `None` if the row does not tell.
    pub state: Option<u8>,
    pub recv_queue: u32,
    pub send_queue: u32,
    pub local: End<'a>,
    pub remote: End<'a>,
    /// What follows behind them.
    pub rest: Rest<'a>,
}

impl Row<'_> {
    /// Whether its state is one of a protocol: UDP has two.
    pub fn may_be_of(&self, protocol: u8) -> bool {
        protocol != 17 || self.state.is_none_or(|state| matches!(state, 1 | 7))
    }
}

/// The part of a row that options of the tool add.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest<'a> {
    Ss(&'a [u8]),
    Netstat(&'a [u8], Columns),
}

/// Which of the optional columns a table of netstat has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Columns {
    pub has_users: bool,
    pub has_programs: bool,
    pub has_timer: bool,
    /// Whether an address was seen that is longer than its column: none is cut then (`-W`).
    pub is_wide: bool,
}

/// What options of the tool add to a row.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Details<'a> {
    pub holders: Holders<'a>,
    /// Who made the socket.
    pub uid: Option<u32>,
    /// 0 for a socket that no process holds.
    pub inode: Option<u64>,
    /// The path of the control group.
    pub cgroup: Option<&'a [u8]>,
    pub is_v6_only: bool,
    /// Whether a timer shows that it is a minisocket.
    pub is_minisocket: bool,
}

/// The processes that hold a socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Holders<'a> {
    /// None is shown.
    #[default]
    None,
    /// The entries of ss.
    Of(&'a [u8]),
    /// The only one that netstat shows.
    One(Holder<'a>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder<'a> {
    pub pid: u32,
    pub name: &'a [u8],
}

/// How a word names the process that a row shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named {
    No,
    Yes,
    /// As far as the row shows its name, which is cut: others may begin like it.
    SoFar,
}

/// One end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End<'a> {
    pub host: Host<'a>,
    /// The interface behind a percent sign, or nothing.
    pub zone: &'a [u8],
    pub port: Port<'a>,
    /// Whether the address is in brackets.
    pub is_bracketed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Host<'a> {
    /// `*`: any address.
    Any,
    Address(IpAddr),
    Name(&'a [u8]),
    /// An address that fills its column, and may be longer.
    Cut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Port<'a> {
    /// `*`: none, or any.
    Any,
    Number(u16),
    /// A name of /etc/services.
    Name(&'a [u8]),
}

/// Reads `ADDRESS:PORT`, where IPv6 may be in brackets, and a zone before or behind the closing one.
#[inline]
pub fn end(token: &[u8]) -> Option<End<'_>> {
    if let Some((address, rest)) = ipv4(token) {
        let (host, port) = (Host::Address(address.into()), port(rest.strip_prefix(b":")?)?);
        return Some(End { host, zone: b"", port, is_bracketed: false });
    }
    other_end(token)
}

/// The same for any other address.
#[inline(never)]
fn other_end(token: &[u8]) -> Option<End<'_>> {
    let colon = token.iter().rposition(|byte| *byte == b':')?;
    let (host, port) = (token.get(..colon)?, port(token.get(colon.checked_add(1)?..)?)?);
    let (host, zone) = match host.iter().rposition(|byte| *byte == b'%') {
        Some(place) => (host.get(..place)?, host.get(place.checked_add(1)?..)?),
        None => (host, &b""[..]),
    };
    let bracketed = host.strip_prefix(b"[");
    let (host, zone) = match (bracketed, zone.strip_suffix(b"]")) {
        (Some(host), Some(zone)) if !host.ends_with(b"]") => (host, zone),
        (Some(host), _) => (host.strip_suffix(b"]")?, zone),
        (None, _) => (host, zone),
    };
    let host = match host {
        b"*" if bracketed.is_none() => Host::Any,
        host => match (ipv4(host).filter(|(_, rest)| rest.is_empty()), bracketed) {
            (Some((address, _)), None) => Host::Address(address.into()),
            _ if host.contains(&b':') => Host::Address(ipv6(host)?.into()),
            (_, None) => Host::Name(word(host)?),
            _ => return None,
        },
    };
    Some(End { host, zone, port, is_bracketed: bracketed.is_some() })
}

/// Reads a port: digits, a name, or `*`.
#[inline]
pub(super) fn port(text: &[u8]) -> Option<Port<'_>> {
    match text {
        b"*" => Some(Port::Any),
        [b'0'..=b'9', ..] if text.len() < 6 => small(text).map(Port::Number),
        _ => word(text).map(Port::Name),
    }
}

/// A number of at most 16 bits.
#[inline]
fn small(digits: &[u8]) -> Option<u16> {
    let mut number = 0u32;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        number = number.wrapping_mul(10).wrapping_add(digit.into());
    }
    u16::try_from(number).ok()
}

/// A name of a host or service, which has a letter.
fn word(text: &[u8]) -> Option<&[u8]> {
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._+/".contains(byte);
    (text.iter().all(is_part) && text.iter().any(u8::is_ascii_alphabetic)).then_some(text)
}

/// Reads an address of IPv4, and gives what is behind it: nothing, or a colon and a port.
#[inline]
fn ipv4(text: &[u8]) -> Option<(Ipv4Addr, &[u8])> {
    // A loop of a few steps for each byte: this is most of the time that a row takes.
    let (mut bits, mut part, mut digits, mut dots, mut rest) = (0u32, 0u32, 0u32, 0u32, text);
    while let Some((byte, behind)) = rest.split_first() {
        let digit = byte.wrapping_sub(b'0');
        if digit < 10 {
            part = part.wrapping_mul(10).wrapping_add(digit.into());
            digits = digits.wrapping_add(1);
        } else if *byte == b':' {
            break;
        } else if *byte == b'.' && digits.wrapping_sub(1) < 3 && part < 256 {
            bits = bits << 8 | part;
            (part, digits, dots) = (0, 0, dots.wrapping_add(1));
        } else {
            return None;
        }
        rest = behind;
    }
    let is_whole = dots == 3 && digits.wrapping_sub(1) < 3 && part < 256;
    is_whole.then(|| (Ipv4Addr::from_bits(bits << 8 | part), rest))
}

#[inline(never)]
fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// A number of at most 32 bits.
pub(super) fn number(token: &[u8]) -> Option<u32> {
    u32::try_from(unsigned(token)?).ok()
}

/// Whether the columns of a row of sockets lie somewhere in a line, or of a header: the size of a queue and two ends.
#[cold]
pub(super) fn holds_row(line: &[u8]) -> bool {
    let words: Vec<_> = Fields::new(line).collect();
    words.windows(3).any(|words| {
        let [queue, ends @ ..] = words else { return false };
        let is_row = unsigned(queue).is_some() && ends.iter().all(|end| end.contains(&b':'));
        is_row || queue.ends_with(b"Recv-Q") && ends.first() == Some(&&b"Send-Q"[..])
    })
}

/// Splits the first token off a text, which may begin with blanks; both are empty at the end.
#[inline]
pub(super) fn token(text: &[u8]) -> (&[u8], &[u8]) {
    let text = text.get(blanks(text)..).unwrap_or_default();
    text.split_at_checked(blank_at(text)).unwrap_or_default()
}

const SPACES: u64 = u64::from_ne_bytes([b' '; 8]);
const TABS: u64 = u64::from_ne_bytes([b'\t'; 8]);

/// How many blanks a text begins with: columns are padded with many.
#[inline]
fn blanks(text: &[u8]) -> usize {
    let mut start = 0usize;
    while let Some(eight) = text.get(start..).and_then(|rest| rest.first_chunk::<8>()) {
        let others = u64::from_le_bytes(*eight) ^ SPACES;
        if others != 0 {
            start = start.wrapping_add((others.trailing_zeros() / 8) as usize);
            break;
        }
        start = start.wrapping_add(8);
    }
    while text.get(start).is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
        start = start.wrapping_add(1);
    }
    start
}

/// Where the first blank is, or the end.
#[inline]
fn blank_at(text: &[u8]) -> usize {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    // The lowest bit that is left is that of the first byte of 0.
    let zeros = |eight: u64| eight.wrapping_sub(ONES) & !eight & (ONES << 7);
    let mut place = 0usize;
    while let Some(eight) = text.get(place..).and_then(|rest| rest.first_chunk::<8>()) {
        let eight = u64::from_le_bytes(*eight);
        let found = zeros(eight ^ SPACES) | zeros(eight ^ TABS);
        if found != 0 {
            return place.wrapping_add((found.trailing_zeros() / 8) as usize);
        }
        place = place.wrapping_add(8);
    }
    while text.get(place).is_some_and(|byte| !matches!(byte, b' ' | b'\t')) {
        place = place.wrapping_add(1);
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_end_at_any_blank() {
        let text = b"a  bc\tdefghijk         lmnopqrstu\t v   \xff\x80\x1f!        ";
        let (mut all, mut rest) = (Vec::new(), &text[..]);
        loop {
            let (one, behind) = token(rest);
            if one.is_empty() {
                assert!(behind.is_empty());
                break;
            }
            (rest, _) = (behind, all.push(one));
        }
        let wanted: [&[u8]; 6] = [b"a", b"bc", b"defghijk", b"lmnopqrstu", b"v", b"\xff\x80\x1f!"];
        assert_eq!(all, wanted);
    }

    #[test]
    fn ends_are_read_as_every_tool_writes_them() {
        let read = |text: &'static str| end(text.as_bytes()).unwrap();
        let address = |text: &str| Host::Address(text.parse().unwrap());
        for (text, host, zone, port) in [
            ("127.0.0.1:80", address("127.0.0.1"), "", Port::Number(80)),
            ("0.0.0.0:*", address("0.0.0.0"), "", Port::Any),
            ("*:22", Host::Any, "", Port::Number(22)),
            ("*%eth0:60011", Host::Any, "eth0", Port::Number(60011)),
            ("[::]:7009", address("::"), "", Port::Number(7009)),
            ("[fe80::1]%eth0:7010", address("fe80::1"), "eth0", Port::Number(7010)),
            ("[fe80::1%eth0]:7010", address("fe80::1"), "eth0", Port::Number(7010)),
            ("10.1.2.3%eth0:7012", address("10.1.2.3"), "eth0", Port::Number(7012)),
            ("[::ffff:127.0.0.1]:5360", address("::ffff:127.0.0.1"), "", Port::Number(5360)),
            (":::7008", address("::"), "", Port::Number(7008)),
            (":::*", address("::"), "", Port::Any),
            ("::1:631", address("::1"), "", Port::Number(631)),
            ("127.0.0.1:http", address("127.0.0.1"), "", Port::Name(b"http")),
            ("localhost:5360", Host::Name(b"localhost"), "", Port::Number(5360)),
            ("10.0.0.1:65535", address("10.0.0.1"), "", Port::Number(65535)),
        ] {
            let is_bracketed = text.starts_with('[');
            assert_eq!(
                read(text),
                End { host, zone: zone.as_bytes(), port, is_bracketed },
                "{text}"
            );
        }
        for wrong in [
            "",
            ":",
            "*",
            "80",
            "127.0.0.1",
            "127.0.0.1:",
            ":80",
            "127.0.0.1:65536",
            "[::1:80",
            "::1]:80",
            "[*]:80",
            "[a]:80",
            "1.2.3:80",
            "1.2.3.256:80",
            "1.2.3.4.5:80",
            "a b:80",
            "1.2.3.4:-1",
            "[::g]:1",
        ] {
            assert_eq!(end(wrong.as_bytes()), None, "{wrong}");
        }
    }
}
