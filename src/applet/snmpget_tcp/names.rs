//! The forms of a counter's name on the command line.

use std::ffi::{OsStr, OsString};

use super::Counter;
use super::mib::{Meanings, OBJECTS};
use crate::cli;
use crate::error::Error;
use crate::frame::Report;

/// The group tcp of RFC 4022.
pub(super) const TCP_GROUP_OID: &str = "1.3.6.1.2.1.6";

/// A NAME of the command line.
pub(super) struct Name {
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
    pub(super) fn parse(given: &OsStr) -> Name {
        let text = given.to_string_lossy();
        let kind = if text.contains(['*', '?']) {
            Kind::Pattern(text.to_ascii_lowercase())
        } else {
            Kind::Word(bare(&text))
        };
        Name { given: given.to_os_string(), kind }
    }

    /// Whether the counter is among these; `false` for a pattern, which needs all counters.
    pub(super) fn is_in(&self, counters: &[Counter]) -> bool {
        matches!(self.kind, Kind::Word(_))
            && self.find(counters).is_ok_and(|found| !found.is_empty())
    }

    /// The indices of the counters with this name.
    #[inline(never)]
    fn find(&self, counters: &[Counter]) -> Result<Vec<usize>, Error> {
        let places = |is_it: &dyn Fn(&Counter) -> bool| -> Vec<usize> {
            (0..counters.len()).filter(|place| is_it(&counters[*place])).collect()
        };
        let word = match &self.kind {
            Kind::Pattern(pattern) => {
                return Ok(places(&|counter| {
                    let name = counter.name.to_ascii_lowercase();
                    cli::matches(pattern.as_bytes(), name.as_bytes())
                        || cli::matches(pattern.as_bytes(), &name.as_bytes()[counter.field..])
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

/// Adds those of `names` that connbox knows and the kernel does not have, without a value.
///
/// # Errors
/// If a name is ambiguous.
pub(super) fn add_missing(
    counters: &mut Vec<Counter>,
    names: &[Name],
    is_live: bool,
    report: &mut Report,
) -> Result<(), Error> {
    let mut known = Vec::new();
    for name in names {
        if matches!(name.kind, Kind::Pattern(_)) || !name.find(counters)?.is_empty() {
            continue;
        }
        if known.is_empty() {
            known = Meanings::read().counters();
        }
        for place in name.find(&known)? {
            let counter = known.swap_remove(place);
            report.trouble(&Error::failed(
                counter.name.as_bytes(),
                match is_live {
                    true => "this kernel does not have this counter",
                    false => "the files do not contain this counter",
                },
            ));
            counters.push(counter);
        }
    }
    Ok(())
}

/// The indices of the counters that `names` select, in the given order, each once; all without names.
pub(super) fn pick(counters: &[Counter], names: &[Name]) -> Result<Vec<usize>, Error> {
    if names.is_empty() {
        return Ok((0..counters.len()).collect());
    }
    let mut picked = Vec::with_capacity(names.len());
    for name in names {
        let found = name.find(counters)?;
        if found.is_empty() {
            let known =
                counters.iter().flat_map(|counter| [counter.name.as_str(), counter.field()]);
            let is_elsewhere = !name.find(&Meanings::read().counters())?.is_empty();
            return Err(cli::unknown_name_or_part(&name.given, known, is_elsewhere));
        }
        for place in found {
            if !picked.contains(&place) {
                picked.push(place);
            }
        }
    }
    Ok(picked)
}

/// The modules in whose names SNMP tools print the objects, by what they have loaded.
const MODULES: [&str; 3] = ["TCP-MIB", "RFC1213-MIB", "SNMPv2-SMI"];

/// The forms in which they print the group tcp of RFC 4022, by what they have loaded and by `-O`.
const TCP_GROUP: [&str; 6] = [
    "1.3.6.1.2.1.6.",
    "iso.3.6.1.2.1.6.",
    "iso.org.dod.internet.mgmt.mib-2.tcp.",
    "mib-2.6.",
    "mib-2.tcp.",
    "tcp.",
];

/// The name in a word, without what SNMP tools put before and behind it: `.1.3.6.1.2.1.6.9.0`, with or without the
/// leading dot and the instance, is `TcpCurrEstab`.
fn bare(text: &str) -> String {
    let is_module = |name: &str| MODULES.iter().any(|known| known.eq_ignore_ascii_case(name));
    let text =
        text.split_once("::").filter(|(name, _)| is_module(name)).map_or(text, |(_, rest)| rest);
    let path = text.strip_prefix('.').unwrap_or(text);
    let below = TCP_GROUP.iter().find_map(|group| {
        let (start, rest) = path.split_at_checked(group.len())?;
        start.eq_ignore_ascii_case(group).then_some(rest)
    });
    let name = below.unwrap_or(text);
    let name = name.strip_suffix(".0").unwrap_or(name);
    let number = below.and_then(|_| cli::digits::<u32>(name));
    let object = OBJECTS.iter().find(|object| Some(object.number) == number);
    object.map_or_else(|| name.to_owned(), |object| ["Tcp", object.field].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_name_is_the_same_counter() {
        let counter = |group, field| Counter::new("", group, field, Some(0));
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
            // As snmpget and snmptranslate print it, by what they have loaded and by -O.
            "SNMPv2-SMI::mib-2.6.9.0",
            "RFC1213-MIB::tcpCurrEstab.0",
            "RFC1213-MIB::tcp.9.0",
            "mib-2.6.9.0",
            "tcp.tcpCurrEstab.0",
            ".iso.org.dod.internet.mgmt.mib-2.tcp.tcpCurrEstab.0",
            "*estab",
        ] {
            let picked = pick(&counters, &[Name::parse(OsStr::new(form))]).unwrap();
            assert_eq!(picked, [1], "{form}");
        }
        for wrong in [
            "Estab",
            "1.3.6.1.2.1.6.99.0",
            "1.3.6.1.2.1.66.9.0",
            "1.3.6.1.2.1.6.9.1",
            "1.3.6.1.2.1.6.9.0.0",
            "1.3.6.1.2.1.6",
            "mib-2.9.0",
            "UDP-MIB::tcpCurrEstab.0",
            "Same",
            "same",
            "",
        ] {
            assert!(pick(&counters, &[Name::parse(OsStr::new(wrong))]).is_err(), "{wrong}");
        }
        assert_eq!(pick(&counters, &[Name::parse(OsStr::new("MPTcpExtSame"))]).unwrap(), [3]);
    }
}
