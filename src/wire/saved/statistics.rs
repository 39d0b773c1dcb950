//! The text of `netstat -s` and `-st`: sections of sentences, each about one counter of /proc/net/snmp or netstat.
//!
//! `statistics.tsv` has one row per sentence, in byte order: the sentence with `%` for its number, tab, the kernel's
//! field. The sentences are those of net-tools 1.60 to 2.10; a field that the program has no sentence for stands
//! as `TCPLossProbes: 5`.

use crate::wire::text::{self, Fields};

/// The sections that netstat prints, any of which may be the first one: it depends on its options, and on what the
/// kernel has counted (`IcmpMsg:` stands before `Tcp:` once there was a message of ICMP). Those of /proc/net/netstat follow.
const SECTIONS: &str = "Ip Icmp IcmpMsg Tcp Udp UdpLite Ip6 Icmp6 Udp6 UdpLite6 Sctp";

/// Whether a line is the first one.
pub fn begins(line: &[u8]) -> bool {
    let mut known = SECTIONS.split(' ');
    section(line).is_some_and(|group| known.any(|known| known.as_bytes() == group))
}

/// Whether such a line may stand in a file of the kernel, too, as a group without fields; there none of these is empty.
pub fn may_be_of_kernel(line: &[u8]) -> bool {
    begins(line) && !matches!(section(line), Some(b"Ip" | b"Tcp"))
}

/// The group that begins with a line, `TcpExt:`.
pub fn section(line: &[u8]) -> Option<&[u8]> {
    let group = line.trim_ascii_end().strip_suffix(b":")?;
    text::is_name(group).then_some(group)
}

/// Whether a line belongs to a section.
pub fn is_inside(line: &[u8]) -> bool {
    line.first().is_some_and(|byte| matches!(byte, b' ' | b'\t'))
}

/// The field and the number of a line inside a section about TCP; `None` if no such sentence is known.
pub fn counter(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.trim_ascii();
    let line = line.strip_suffix(b".").unwrap_or(line);
    let mut words = Fields::new(line);
    if let (Some(name), Some(number), None) = (words.next(), words.next(), words.next())
        && let Some(name) = name.strip_suffix(b":")
    {
        let is_counter = text::is_name(name) && text::number(number).is_some();
        return is_counter.then_some((name, number));
    }
    let number = Fields::new(line).find(|word| text::unsigned(word).is_some())?;
    let rows = include_str!("statistics.tsv").lines();
    let found = rows.filter_map(|row| row.split_once('\t')).find(|(sentence, _)| {
        let Some((before, after)) = sentence.split_once('%') else { return false };
        let rest = line.strip_prefix(before.as_bytes());
        rest.and_then(|rest| rest.strip_suffix(after.as_bytes())) == Some(number)
    });
    found.map(|(_, name)| (name.as_bytes(), number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_that_of_one_counter() {
        let mut last = "";
        for row in include_str!("statistics.tsv").lines() {
            let (sentence, name) = row.split_once('\t').unwrap();
            assert!(last < sentence, "{sentence}");
            let line = format!("    {}", sentence.replace('%', "12345"));
            assert_eq!(counter(line.as_bytes()), Some((name.as_bytes(), &b"12345"[..])), "{line}");
            assert_eq!(sentence.matches('%').count(), 1);
            last = sentence;
        }
    }

    #[test]
    fn lines_are_told_apart() {
        let pair = |line: &'static str| counter(line.as_bytes());
        assert_eq!(pair("    TCPLossProbes: 5"), Some((&b"TCPLossProbes"[..], &b"5"[..])));
        assert_eq!(pair("    12 segments retransmited"), Some((&b"RetransSegs"[..], &b"12"[..])));
        assert_eq!(pair("    2 bad segments received."), Some((&b"InErrs"[..], &b"2"[..])));
        for line in [
            "",
            "  ",
            "    12",
            "    12 apples",
            "    x: y",
            "    TCPLossProbes: 5 6",
            "    segments received",
        ] {
            assert_eq!(pair(line), None, "{line}");
        }
        assert_eq!(section(b"TcpExt:"), Some(&b"TcpExt"[..]));
        assert!(begins(b"Udp6:\r") && !begins(b"Foo:") && !begins(b"Udp6: 1"));
        for line in ["TcpExt: 1 2", "", ":", "    Tcp:", "a b:"] {
            assert_eq!(section(line.as_bytes()), None, "{line}");
        }
    }
}
