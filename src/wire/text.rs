//! The text tables of /proc/net: sockstat, snmp, netstat, and the headers of socket tables.

/// The tokens of a line, separated by any run of spaces and tabs.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(line: &'a [u8]) -> Fields<'a> {
        Fields { rest: line }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.rest.iter().position(|&byte| !is_blank(byte))?;
        let token = self.rest.get(start..)?;
        let end = token.iter().position(|&byte| is_blank(byte)).unwrap_or(token.len());
        let (token, rest) = token.split_at_checked(end)?;
        self.rest = rest;
        Some(token)
    }
}

fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// An unsigned decimal number that fits 64 bits; at most 20 digits and nothing else.
pub fn unsigned(token: &[u8]) -> Option<u64> {
    if token.is_empty() || token.len() > 20 {
        return None;
    }
    token.iter().try_fold(0u64, |value, &byte| {
        let digit = byte.wrapping_sub(b'0');
        (digit < 10).then_some(())?;
        value.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A decimal number of 64 bits that may be negative: `Tcp: MaxConn` is -1.
pub fn number(token: &[u8]) -> Option<i128> {
    match token.strip_prefix(b"-") {
        Some(digits) => unsigned(digits)
            .filter(|&value| value <= i64::MIN.unsigned_abs())
            .map(|value| i128::from(value).wrapping_neg()),
        None => unsigned(token).map(i128::from),
    }
}

/// The number of sockets that is meant by a counter of 32 or 64 bits, which the kernel prints without a sign: a
/// fault may have brought it below zero.
pub fn level(number: i128) -> i128 {
    match number {
        // No kernel has so many sockets.
        0x8000_0000..=0xffff_ffff => number.wrapping_sub(1 << 32),
        0x8000_0000_0000_0000.. => number.wrapping_sub(1 << 64),
        _ => number,
    }
}

/// Whether `token` is a name in the kernel's form: a letter, then letters, digits and `_`.
pub fn is_name(token: &[u8]) -> bool {
    token.first().is_some_and(u8::is_ascii_alphabetic)
        && token.iter().all(|&byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// A line `GROUP: …` of sockstat, snmp or netstat.
#[derive(Clone, Debug)]
pub enum Group<'a> {
    /// `TCP: inuse 27 orphan 0`: names and numbers in turn.
    Counts {
        /// The protocol, `TCP`.
        protocol: &'a [u8],
        /// The rest of the line; see [`counts`].
        fields: &'a [u8],
    },
    /// `Tcp: RtoAlgorithm RtoMin`: the first line of a pair. Both lines of a group without fields are like
    /// this: `IcmpMsg:`.
    Names {
        /// The group, `Tcp`.
        group: &'a [u8],
        /// The rest of the line: names.
        fields: &'a [u8],
    },
    /// `Tcp: 1 200`: the second line of a pair.
    Values {
        /// The group, `Tcp`.
        group: &'a [u8],
        /// The rest of the line: numbers.
        fields: &'a [u8],
    },
}

/// Reads a line `GROUP: …`; its first two tokens decide its kind.
pub fn group(line: &[u8]) -> Option<Group<'_>> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let name = line.get(..colon)?;
    let fields = line.get(colon.checked_add(1)?..)?;
    // Not so in /etc/passwd.
    if !is_name(name) || fields.first().is_some_and(|byte| !byte.is_ascii_whitespace()) {
        return None;
    }
    let mut tokens = Fields::new(fields);
    // The first letter decides: a number that is too wide is still a number.
    let is_number = |token: &[u8]| token.first().is_some_and(|c| c.is_ascii_digit() || *c == b'-');
    if tokens.next().is_some_and(is_number) {
        return Some(Group::Values { group: name, fields });
    }
    if tokens.next().is_some_and(is_number) {
        return Some(Group::Counts { protocol: name, fields });
    }
    Some(Group::Names { group: name, fields })
}

/// The pairs `name number` of a [`Group::Counts`] line; a `None` item is a malformed pair and the last
/// item.
pub fn counts(fields: &[u8]) -> impl Iterator<Item = Option<(&[u8], i128)>> {
    let mut tokens = Fields::new(fields);
    let mut broken = false;
    std::iter::from_fn(move || {
        if broken {
            return None;
        }
        let name = tokens.next()?;
        let pair = tokens.next().and_then(number).map(|value| (name, value));
        let pair = pair.filter(|_| is_name(name));
        broken = pair.is_none();
        Some(pair)
    })
}

/// The pairs of a `Names` line and its `Values` line, or `None` if their counts differ, or if one is not a
/// name or not a number.
pub fn pairs<'a>(
    names: &'a [u8],
    values: &'a [u8],
) -> Option<impl Iterator<Item = (&'a [u8], i128)>> {
    // A repeated name would be written twice.
    let is_single = |(place, name)| !Fields::new(names).take(place).any(|other| other == name);
    let whole = Fields::new(names).count() == Fields::new(values).count()
        && Fields::new(names).enumerate().all(is_single)
        && Fields::new(names).all(is_name)
        && Fields::new(values).all(|value| number(value).is_some());
    let values = Fields::new(values).filter_map(number);
    whole.then(|| Fields::new(names).zip(values))
}

/// The kind of rows after a header line of a socket table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// Rows of TCP sockets, IPv4.
    Tcp,
    /// Rows of TCP sockets, IPv6.
    Tcp6,
    /// Rows of UDP, UDP-Lite or raw sockets, IPv4.
    Udp,
    /// The same, IPv6.
    Udp6,
}

/// Whether a line begins like the header of a socket table.
pub fn begins_header(line: &[u8]) -> bool {
    Fields::new(line).next() == Some(b"sl")
}

/// Reads the header line of a socket table. Only the columns `ref pointer drops` at its end distinguish udp from
/// tcp, and only the word `remote_address` tcp6 from tcp. A header that lacks its end is none: the rows behind it are
/// missing, too.
pub fn header(line: &[u8]) -> Option<Header> {
    let mut tokens = Fields::new(line);
    let known = begins_header(line) && tokens.nth(1)? == b"local_address";
    let remote = tokens.next().filter(|_| known)?;
    let is_udp = match tokens.last()? {
        b"inode" => false,
        b"drops" => true,
        _ => return None,
    };
    match remote {
        b"rem_address" => Some(if is_udp { Header::Udp } else { Header::Tcp }),
        b"remote_address" => Some(if is_udp { Header::Udp6 } else { Header::Tcp6 }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_bounds() {
        assert_eq!(unsigned(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(unsigned(b"18446744073709551616"), None);
        assert_eq!(unsigned(b"99999999999999999999"), None);
        assert_eq!(unsigned(b"000000000000000000001"), None);
        assert_eq!(unsigned(b""), None);
        assert_eq!(unsigned(b"+1"), None);
        assert_eq!(number(b"-1"), Some(-1));
        assert_eq!(number(b"-9223372036854775808"), Some(i128::from(i64::MIN)));
        assert_eq!(number(b"-9223372036854775809"), None);
        assert_eq!(number(b"--1"), None);
    }

    #[test]
    fn levels_may_be_below_zero() {
        for (number, meant) in [
            (0, 0),
            (-5, -5),
            (i128::from(i32::MAX), i128::from(i32::MAX)),
            (1 << 31, i128::from(i32::MIN)),
            (4_294_956_510, -10_786),
            (4_294_967_295, -1),
            (1 << 32, 1 << 32),
            ((1 << 63) - 1, (1 << 63) - 1),
            (1 << 63, -(1 << 63)),
            (18_446_744_073_709_540_830, -10_786),
            ((1 << 64) - 1, -1),
        ] {
            assert_eq!(level(number), meant, "{number}");
        }
    }

    #[test]
    fn groups_are_told_by_their_first_two_tokens() {
        assert!(matches!(
            group(b"TCP: inuse 27 orphan 0"),
            Some(Group::Counts { protocol: b"TCP", .. })
        ));
        assert!(matches!(
            group(b"Tcp: RtoAlgorithm RtoMin"),
            Some(Group::Names { group: b"Tcp", .. })
        ));
        assert!(matches!(group(b"Tcp: One"), Some(Group::Names { .. })));
        assert!(matches!(group(b"Tcp: 1 -1"), Some(Group::Values { group: b"Tcp", .. })));
        assert!(matches!(group(b"IcmpMsg: "), Some(Group::Names { group: b"IcmpMsg", .. })));
        assert!(group(b"TCP").is_none());
        assert!(group(b":").is_none());
        assert!(group(b"   0: 0100007F:1F41").is_none());
    }

    #[test]
    fn a_broken_pair_ends_the_counts() {
        let all: Vec<_> = counts(b" inuse 27 orphan x tw 3").collect();
        assert_eq!(all, [Some((b"inuse".as_slice(), 27)), None]);
        assert_eq!(counts(b" inuse 1 odd").last(), Some(None));
        assert_eq!(counts(b" mem -2").last(), Some(Some((b"mem".as_slice(), -2))));
    }

    #[test]
    fn pairs_of_different_length_are_none() {
        assert!(pairs(b" A B", b" 1").is_none());
        assert!(pairs(b" A B", b"").is_none());
        assert!(pairs(b"", b" ").is_some_and(|mut pairs| pairs.next().is_none()));
        assert!(pairs(b" A B", b" 1 x").is_none());
        let all: Vec<_> = pairs(b" A MaxConn", b" 1 -1").into_iter().flatten().collect();
        assert_eq!(all, [(b"A".as_slice(), 1), (b"MaxConn".as_slice(), -1)]);
    }

    #[test]
    fn headers_tell_their_tables() {
        assert_eq!(header(b"  sl  local_address rem_address   st inode  "), Some(Header::Tcp));
        assert_eq!(
            header(b"  sl  local_address                  remote_address st inode"),
            Some(Header::Tcp6)
        );
        let whole = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout \
            inode ref pointer drops";
        for cut in 0..whole.len() {
            let is_like_tcp = whole[..cut].trim_ascii().ends_with(b"inode");
            assert_eq!(header(&whole[..cut]), is_like_tcp.then_some(Header::Tcp), "{cut}");
        }
        assert_eq!(header(whole), Some(Header::Udp));
        assert_eq!(
            header(b"   sl  local_address rem_address   st inode ref pointer drops  "),
            Some(Header::Udp)
        );
        assert_eq!(header(b"  sl  local_address"), None);
    }
}
