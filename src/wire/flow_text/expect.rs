//! The lines of `conntrack -L expect`: flows that other flows have announced.

use super::super::ctnetlink::Tuple;
use super::{Cursor, family_of, plain};

/// An expectation, as a line of text has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectText<'a> {
    /// 2 for IPv4, 10 for IPv6.
    pub family: u8,
    pub timeout_seconds: Option<u32>,
    /// The first packet that is expected, the bits of it that matter, and the flow that announced it.
    pub tuples: [Tuple; 3],
    pub zone: Option<u16>,
    /// The names of its flags, between commas.
    pub flags: Option<&'a [u8]>,
    pub class: Option<u32>,
    pub helper: Option<&'a [u8]>,
}

/// Reads a line: `299 proto=6 src=… sport=0 dport=5000 mask-src=… master-src=… class=0 helper=ftp`; `None` if it is another
/// one, as those of /proc/net/nf_conntrack_expect, which show neither masks nor masters.
pub fn expectation(line: &[u8]) -> Option<ExpectText<'_>> {
    let (mut text, mut cursor) = (ExpectText::default(), Cursor { rest: line });
    cursor.skip();
    // `-o timestamp` puts the time before it.
    if cursor.take(b"[") && !cursor.word().ends_with(b"]") {
        return None;
    }
    if cursor.rest.first().is_some_and(u8::is_ascii_digit) {
        text.timeout_seconds = Some(cursor.number()?);
    }
    let protocol = cursor.field(b"proto=")??;
    let [expected, mask, master] = &mut text.tuples;
    read(expected, [b"src=", b"dst="], &mut cursor)?;
    read(mask, [b"mask-src=", b"mask-dst="], &mut cursor)?;
    let is_keyed = read(master, [b"master-src=", b"master-dst="], &mut cursor)?;
    text.family = family_of(&[*expected, *mask])?;
    family_of(&[*expected, *master])?;
    if has_ends(expected) && !(has_ends(mask) && has_ends(master)) {
        return None;
    }
    // The line does not name the protocol of the master: of those with helpers, TCP announces what has no ports, as PPTP
    // does GRE.
    let has_ports = master.ports != [None; 2] && !is_keyed;
    let is_tcp = has_ports && matches!(protocol, ICMP | GRE | ICMPV6);
    (expected.protocol, mask.protocol) = (protocol, protocol);
    master.protocol = if is_tcp { 6 } else { protocol };
    text.zone = cursor.field(b"zone=")?;
    if cursor.rest.first().is_some_and(u8::is_ascii_uppercase) {
        text.flags = Some(cursor.word());
    }
    text.class = cursor.field(b"class=")?;
    if cursor.take(b"helper=") {
        text.helper = Some(cursor.word());
    }
    cursor.rest.is_empty().then_some(text)
}

const ICMP: u8 = 1;
const GRE: u8 = 47;
const ICMPV6: u8 = 58;

/// Whether there is anything behind the addresses.
fn has_ends(tuple: &Tuple) -> bool {
    tuple.ports != [None; 2] || tuple.icmp != [None; 2]
}

/// Reads a tuple whose addresses have these names; gives whether it has keys for ports.
fn read<const N: usize>(
    tuple: &mut Tuple,
    [source, destination]: [&[u8; N]; 2],
    cursor: &mut Cursor<'_>,
) -> Option<bool> {
    cursor.take(source).then_some(())?;
    tuple.source = Some(cursor.address()?);
    cursor.take(destination).then_some(())?;
    tuple.destination = Some(cursor.address()?);
    let is_keyed = cursor.rest.starts_with(b"srckey=");
    plain::ports(tuple, cursor)?;
    Some(is_keyed)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &str = "299 proto=6 src=10.1.0.2 dst=10.2.0.2 sport=0 dport=5002 mask-src=255.255.255.255 \
        mask-dst=255.255.255.255 sport=0 dport=65535 master-src=10.1.0.2 master-dst=10.2.0.2 sport=40001 dport=21 zone=5 \
        PERMANENT,USERSPACE class=0 helper=ftp";

    #[test]
    fn a_line_tells_what_is_expected_and_by_whom() {
        let text = expectation(LINE.as_bytes()).unwrap();
        assert_eq!((text.family, text.timeout_seconds, text.zone), (2, Some(299), Some(5)));
        let of =
            |tuple: Tuple| (tuple.protocol, tuple.destination.unwrap().to_string(), tuple.ports);
        let wanted = [
            (6, "10.2.0.2".to_owned(), [Some(0), Some(5002)]),
            (6, "255.255.255.255".to_owned(), [Some(0), Some(65_535)]),
            (6, "10.2.0.2".to_owned(), [Some(40_001), Some(21)]),
        ];
        assert_eq!(text.tuples.map(of), wanted);
        assert_eq!(text.flags, Some(&b"PERMANENT,USERSPACE"[..]));
        assert_eq!((text.class, text.helper), (Some(0), Some(&b"ftp"[..])));
        // What need not be there.
        for part in ["299 ", " zone=5", " PERMANENT,USERSPACE", " class=0", " helper=ftp"] {
            let line = LINE.replace(part, "");
            let less = expectation(line.as_bytes()).unwrap();
            assert_eq!(less.tuples, text.tuples, "{line}");
            assert_ne!(less, text, "{line}");
        }
        // PPTP announces GRE.
        let keyed = LINE
            .replace("proto=6", "proto=47")
            .replace("sport=0 dport=5002", "srckey=0x0 dstkey=0x9");
        let keyed = keyed.replace("sport=0 dport=65535", "srckey=0x0 dstkey=0xffff");
        let protocols = expectation(keyed.as_bytes()).unwrap().tuples.map(|tuple| tuple.protocol);
        assert_eq!(protocols, [47, 47, 6]);
        let timed = ["[1700000000.123456]\t", LINE].concat();
        assert_eq!(expectation(timed.as_bytes()), Some(text));
    }

    #[test]
    fn no_part_of_a_line_is_a_line_that_lacks_what_must_be_there() {
        // A number that is cut is one, too.
        let least = LINE.find("dport=21").unwrap() + "dport=2".len();
        for length in 0..LINE.len() {
            let is_some = expectation(&LINE.as_bytes()[..length]).is_some();
            assert!(!is_some || length >= least, "{length}");
        }
        for (part, other) in [
            ("proto=6", "proto=600"),
            ("mask-dst=255.255.255.255", "mask-dst=::1"),
            ("master-dst=10.2.0.2", "master-dst=::1"),
            (" mask-src", " src"),
            ("class=0", "class=x"),
            ("helper=ftp", "helper=ftp more"),
        ] {
            assert_eq!(expectation(LINE.replace(part, other).as_bytes()), None, "{other}");
        }
        let proc = "299 l3proto = 2 proto=6 src=10.1.0.2 dst=10.2.0.2 sport=0 dport=5002 ftp";
        assert_eq!(expectation(proc.as_bytes()), None);
    }
}
