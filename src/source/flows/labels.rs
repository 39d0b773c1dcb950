//! The names of labels, from /etc/xtables/connlabel.conf (connlabel in iptables-extensions(8)).

use crate::error::Error;
use crate::sys::Kernel;

/// The file below /etc.
pub const FILE: &str = "xtables/connlabel.conf";
/// The number of labels that a flow can have: `XT_CONNLABEL_MAXBIT` + 1.
pub const LABELS: usize = 128;

/// The names of labels, by bit number.
#[derive(Debug)]
pub struct Labels {
    names: [Option<Box<[u8]>>; LABELS],
}

impl Default for Labels {
    fn default() -> Labels {
        Labels { names: [const { None }; LABELS] }
    }
}

impl Labels {
    /// Reads the file; if it does not exist, no label has a name.
    pub fn read(kernel: &Kernel) -> Result<Labels, Error> {
        crate::source::files::names::file(kernel, FILE).map(|text| Labels::of(&text))
    }

    /// Parses the lines of such a file. A line that does not define a label is skipped; if several lines name
    /// the same bit or use the same name, the first counts.
    pub fn of(text: &[u8]) -> Labels {
        let mut labels = Labels::default();
        for line in text.split(|byte| *byte == b'\n') {
            // A line that does not define a label adds nothing.
            let _ = labels.add(line);
        }
        labels
    }

    /// Parses a line such as `5 eth0-in`: a number as in C, and a name of letters, digits, `-` and blanks.
    fn add(&mut self, line: &[u8]) -> Option<()> {
        let (bit, rest) = number(line.trim_ascii())?;
        let name = rest.trim_ascii();
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b' ');
        if name.is_empty() || !name.iter().all(is_name) || self.bit(name).is_some() {
            return None;
        }
        self.names.get_mut(bit)?.get_or_insert_with(|| name.into());
        Some(())
    }

    pub fn name(&self, bit: usize) -> Option<&[u8]> {
        self.names.get(bit)?.as_deref()
    }

    pub fn bit(&self, name: &[u8]) -> Option<usize> {
        self.names.iter().position(|known| known.as_deref() == Some(name))
    }

    pub fn is_empty(&self) -> bool {
        self.names.iter().all(Option::is_none)
    }

    /// The names of the bits that are set in `set`; bit 0 is the lowest bit of its first byte.
    pub fn names<'a>(&'a self, set: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let is_set = |bit: usize| set.get(bit / 8).is_some_and(|byte| byte >> (bit % 8) & 1 != 0);
        let named = self.names.iter().enumerate();
        named.filter(move |(bit, _)| is_set(*bit)).filter_map(|(_, name)| name.as_deref())
    }
}

/// The number at the beginning of a text, in C's notation, and the rest.
fn number(text: &[u8]) -> Option<(usize, &[u8])> {
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let (base, digits) = match text {
        [b'0', b'x' | b'X', rest @ ..] if rest.first().is_some_and(u8::is_ascii_hexdigit) => {
            (16, rest)
        }
        [b'0', ..] => (8, text),
        _ => (10, text),
    };
    let is_digit = |byte: &u8| char::from(*byte).is_digit(base);
    let length = digits.iter().take_while(|byte| is_digit(byte)).count();
    let (digits, rest) = digits.split_at_checked(length)?;
    let number = usize::from_str_radix(std::str::from_utf8(digits).ok()?, base).ok()?;
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &[u8]) -> Vec<(usize, String)> {
        let labels = Labels::of(text);
        let name = |bit| labels.name(bit).map(|name| String::from_utf8(name.to_vec()).unwrap());
        (0..LABELS).filter_map(|bit| name(bit).map(|name| (bit, name))).collect()
    }

    /// What libnetfilter_conntrack 1.0.9 makes of such lines.
    #[test]
    fn lines_are_read_as_the_library_of_conntrack_reads_them() {
        let one = |text: &[u8]| all(text).pop().map(|(bit, name)| format!("{bit} {name}"));
        for (line, wanted) in [
            (&b"0 zero"[..], Some("0 zero")),
            (b"  7\tlead and trail \t\r", Some("7 lead and trail")),
            (b"127a", Some("127 a")),
            (b"5x five", Some("5 x five")),
            (b"0x five", Some("0 x five")),
            (b"0x5five", Some("95 ive")),
            (b"010 eight", Some("8 eight")),
            (b"08 a", Some("0 8 a")),
            (b"+5 -a-", Some("5 -a-")),
            (b"5\ra", Some("5 a")),
        ] {
            assert_eq!(one(line).as_deref(), wanted, "{}", line.escape_ascii());
        }
        for line in [
            &b""[..],
            b"5",
            b"# 5 a",
            b"5 #a",
            b"5 a # b",
            b"5 a_b",
            b"5 a,b",
            b"5 a\tb",
            b"5 a\x1bb",
            b"5 \xc3\xa9",
            b"128 big",
            b"-1 neg",
            b"99999999999999999999 big",
            b"abc",
            b"+ a",
        ] {
            assert_eq!(one(line), None, "{}", line.escape_ascii());
        }
        assert_eq!(all(b"1 a\n1 b\n2 a\n3 b"), [(1, "a".into()), (3, "b".into())]);
    }

    #[test]
    fn the_bits_of_a_set_have_their_names() {
        let labels = Labels::of(b"0 zero\n9 nine\n127 last\n5 five");
        let names = |set: &[u8]| labels.names(set).map(<[u8]>::to_vec).collect::<Vec<_>>().concat();
        assert_eq!(names(&[0xff; 16]), b"zerofiveninelast");
        assert_eq!(names(&[0xff; 32]), b"zerofiveninelast");
        assert_eq!(
            (names(&[1 << 5, 2]), names(&[]), names(&[2])),
            (b"fivenine".into(), vec![], vec![])
        );
        assert_eq!((labels.bit(b"nine"), labels.bit(b"nin")), (Some(9), None));
    }
}
