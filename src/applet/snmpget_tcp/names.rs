//! The forms of a counter's name on the command line.

use std::ffi::{OsStr, OsString};

use super::Counter;
use super::mib::OBJECTS;
use crate::cli;
use crate::error::Error;

/// The group tcp of RFC 4022.
pub const TCP_GROUP_OID: &str = "1.3.6.1.2.1.6";

/// A NAME of the command line.
pub struct Name {
    given: OsString,
    kind: Kind,
}

enum Kind {
    /// A counter or field, without the prefix and suffix of SNMP tools.
    Word(String),
    /// A pattern with `*` and `?` for whole names.
    Pattern(String),
}

impl Name {
    /// Parses a NAME in any of its forms.
    pub fn parse(given: &OsStr) -> Name {
        let text = given.to_string_lossy();
        let kind = if text.contains(['*', '?']) {
            Kind::Pattern(text.to_ascii_lowercase())
        } else {
            Kind::Word(by_oid(&text).unwrap_or_else(|| bare(&text).to_owned()))
        };
        Name { given: given.to_os_string(), kind }
    }

    /// Whether the counter is among these; `false` for a pattern, which needs all counters.
    pub fn is_in(&self, counters: &[Counter]) -> bool {
        matches!(self.kind, Kind::Word(_))
            && self.find(counters).is_ok_and(|found| !found.is_empty())
    }

    /// The indices of the counters with this name.
    fn find(&self, counters: &[Counter]) -> Result<Vec<usize>, Error> {
        let places = |is_it: &dyn Fn(&Counter) -> bool| -> Vec<usize> {
            (0..counters.len()).filter(|place| is_it(&counters[*place])).collect()
        };
        let word = match &self.kind {
            Kind::Pattern(pattern) => {
                return Ok(places(&|counter| {
                    let name = counter.name.to_ascii_lowercase();
                    matches(pattern.as_bytes(), name.as_bytes())
                        || matches(pattern.as_bytes(), &name.as_bytes()[counter.field..])
                }));
            }
            Kind::Word(word) => word,
        };
        // Stricter readings first: a whole name may be another group's field in a different case.
        let readings: [&dyn Fn(&Counter) -> bool; 4] = [
            &|counter| counter.name == *word,
            &|counter| counter.field() == word,
            &|counter| counter.name.eq_ignore_ascii_case(word),
            &|counter| counter.field().eq_ignore_ascii_case(word),
        ];
        let found = readings.into_iter().map(places).find(|found| !found.is_empty());
        match found {
            Some(found) if found.len() > 1 => {
                let names: Vec<_> =
                    found.iter().map(|place| counters[*place].name.as_str()).collect();
                let reason = format!("is ambiguous: {}", names.join(", "));
                Err(Error::usage(self.given.as_encoded_bytes(), reason))
            }
            found => Ok(found.unwrap_or_default()),
        }
    }
}

/// The indices of the counters that `names` select, in the given order, each once; all without names.
pub fn pick(counters: &[Counter], names: &[Name]) -> Result<Vec<usize>, Error> {
    if names.is_empty() {
        return Ok((0..counters.len()).collect());
    }
    let mut picked = Vec::with_capacity(names.len());
    for name in names {
        let found = name.find(counters)?;
        if found.is_empty() {
            let known =
                counters.iter().flat_map(|counter| [counter.name.as_str(), counter.field()]);
            return Err(cli::unknown_name(&name.given, known));
        }
        for place in found {
            if !picked.contains(&place) {
                picked.push(place);
            }
        }
    }
    Ok(picked)
}

/// The counter of an object identifier: `.1.3.6.1.2.1.6.9.0`, with or without the leading dot and
/// the instance, `iso` for the first number.
fn by_oid(text: &str) -> Option<String> {
    let text = text.strip_prefix('.').unwrap_or(text);
    let below = match text.strip_prefix("iso.") {
        Some(rest) => rest.strip_prefix(TCP_GROUP_OID.strip_prefix("1.")?)?,
        None => text.strip_prefix(TCP_GROUP_OID)?,
    };
    let number = below.strip_prefix('.')?;
    let number: u32 = cli::digits(number.strip_suffix(".0").unwrap_or(number))?;
    let object = OBJECTS.iter().find(|object| object.number == number)?;
    Some(format!("Tcp{}", object.field))
}

/// A name without a leading `TCP-MIB::` and a trailing `.0`.
fn bare(text: &str) -> &str {
    const MODULE: &str = "TCP-MIB::";
    let text = match text.get(..MODULE.len()) {
        Some(start) if start.eq_ignore_ascii_case(MODULE) => &text[MODULE.len()..],
        _ => text,
    };
    text.strip_suffix(".0").unwrap_or(text)
}

/// Whether `pattern`, in which `*` is any run of bytes and `?` any byte, matches all of `text`.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to continue if the text after the last star does not match: the star takes one more byte.
    let mut retry = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                retry = Some((p, t));
                p += 1;
            }
            Some(&byte) if byte == b'?' || byte == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match retry {
                Some((star, start)) => {
                    retry = Some((star, start + 1));
                    p = star + 1;
                    t = start + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&byte| byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_whole_names() {
        for (pattern, text, fits) in [
            ("*retrans*", "tcpretranssegs", true),
            ("tcp*", "tcpinsegs", true),
            ("*segs", "tcpinsegs", true),
            ("in?egs", "insegs", true),
            ("insegs", "tcpinsegs", false),
            ("*a*b*c", "xaxbxbxc", true),
            ("*a*b*c", "xaxbxbxcx", false),
            ("", "", true),
            ("*", "", true),
            ("?", "", false),
        ] {
            assert_eq!(matches(pattern.as_bytes(), text.as_bytes()), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn every_form_of_a_name_is_the_same_counter() {
        let counter = |group: &str, field: &str| Counter {
            name: format!("{group}{field}"),
            field: group.len(),
            value: 0,
            source: String::new(),
        };
        let counters = [
            counter("Tcp", "InSegs"),
            counter("Tcp", "CurrEstab"),
            counter("TcpExt", "Same"),
            counter("MPTcpExt", "Same"),
        ];
        for form in [
            "CurrEstab",
            "TcpCurrEstab",
            "tcpCurrEstab",
            "tcpCurrEstab.0",
            "TCP-MIB::tcpCurrEstab.0",
            "tcp-mib::TCPCURRESTAB.0",
            "currestab",
            "1.3.6.1.2.1.6.9.0",
            ".1.3.6.1.2.1.6.9.0",
            ".1.3.6.1.2.1.6.9",
            "iso.3.6.1.2.1.6.9.0",
            "*estab",
        ] {
            let picked = pick(&counters, &[Name::parse(OsStr::new(form))]).unwrap();
            assert_eq!(picked, [1], "{form}");
        }
        for wrong in ["Estab", "1.3.6.1.2.1.6.99.0", "1.3.6.1.2.1.66.9.0", "Same", "same", ""] {
            assert!(pick(&counters, &[Name::parse(OsStr::new(wrong))]).is_err(), "{wrong}");
        }
        assert_eq!(pick(&counters, &[Name::parse(OsStr::new("MPTcpExtSame"))]).unwrap(), [3]);
    }
}
