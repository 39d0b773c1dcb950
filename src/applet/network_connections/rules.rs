//! `--rule KEY;WARNING;CRITICAL`: the meaning of a key.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::check::Threshold;
use super::counts::{NONE, TYPES};
use super::text;
use crate::cli;
use crate::error::Error;
use crate::frame::Call;
use crate::measure::summary;
use crate::model::{Family, Proto, Query, StateSet};
use crate::select::grouping;
use crate::select::options::FILTERS;

/// A rule: which number to check, and when to alert.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) label: String,
    pub(super) key: Key,
    /// Warning and critical.
    pub(super) thresholds: [Option<Threshold>; 2],
}

/// The number that a rule checks.
#[derive(Clone, Debug)]
pub(super) enum Key {
    /// TCP sockets in these states, of one family or both.
    States(Option<Family>, StateSet),
    /// UDP sockets of a family.
    Udp(Family),
    /// A row of conncount.
    Summary(&'static str),
    /// A field of sockstat, by its name.
    Sockstat(String),
    /// A field of sockstat relative to its limit.
    SockstatPercent(&'static str),
    /// The conntrack table relative to its limit.
    ConntrackPercent,
    /// Sockets that match filters.
    Filters(Box<Query>),
}

/// The keys that compare with a limit; `None` is the conntrack table.
const PERCENTS: [(&str, Option<&str>); 4] = [
    ("conntrack_percent", None),
    ("orphan_percent", Some("TCP.orphan")),
    ("tcp_mem_percent", Some("TCP.mem")),
    ("tw_percent", Some("TCP.tw")),
];

/// Adds a value of `--rule`.
pub(super) fn add(rules: &mut Vec<Rule>, value: &OsStr) -> Result<(), String> {
    let text = value.to_str().ok_or_else(|| format!("'{}' is not UTF-8", value.display()))?;
    let rule = Rule::parse(text).map_err(|reason| format!("'{text}': {reason}"))?;
    if rules.iter().any(|other| other.label == rule.label) {
        return Err(format!("'{}' is given twice", rule.label));
    }
    rules.push(rule);
    text::clash(rules.iter().map(|rule| &*rule.label)).map_or(Ok(()), Err)
}

/// Refuses rules that the chosen source cannot answer.
pub(super) fn refuse(rules: &[Rule], call: &Call) -> Result<(), Error> {
    let is_sum = |rule: &Rule| match rule.key {
        Key::States(..) | Key::Udp(_) | Key::Filters(..) => true,
        Key::Summary(row) => summary::is_of_machine(row),
        Key::Sockstat(_) | Key::SockstatPercent(_) | Key::ConntrackPercent => false,
    };
    if let Some(rule) = rules.iter().find(|rule| call.is_of_all_namespaces() && !is_sum(rule)) {
        return Err(Error::usage(
            "--rule",
            format_args!(
                "cannot be {} with --netns all: only states, filters, tcp, closed, unhashed and orphaned can",
                rule.label
            ),
        ));
    }
    let is_input = |path: &PathBuf| path.as_os_str() == "-";
    let mut piped = call.common().from.iter().find(|path| is_input(path)).map(|_| "--from");
    for rule in rules {
        let Key::Filters(query) = &rule.key else { continue };
        grouping::check_pods(call, query.pods_file.as_deref(), query.needs)?;
        piped = piped.or(query.pods_file.as_ref().filter(|path| is_input(path)).map(|_| "--pods"));
    }
    if let Some(option) = piped.filter(|_| rules.len() > 1) {
        return Err(Error::usage(
            option,
            "- cannot be combined with several rules: standard input can be read only once; save it to a file, and name that",
        ));
    }
    Ok(())
}

impl Rule {
    fn parse(text: &str) -> Result<Rule, String> {
        // Brackets may contain a semicolon.
        let end = if text.starts_with('[') { text.rfind(']') } else { None };
        let (inside, rest) = text.split_at(end.unwrap_or_default());
        let (last, rest) = rest.split_once(';').unwrap_or((rest, ""));
        let key = [inside, last].concat();
        let (warning, critical) = rest.split_once(';').unwrap_or((rest, ""));
        if critical.contains(';') {
            return Err("a rule is KEY;WARNING;CRITICAL".into());
        }
        let threshold = |name, text| {
            Threshold::parse(text).map_err(|reason| {
                format!("{name} '{text}': {reason}; a range is one like 10, 10:20, @10:20, ~:10")
            })
        };
        let thresholds = [threshold("WARNING", warning)?, threshold("CRITICAL", critical)?];
        let (label, key) = Key::parse(key.trim())?;
        Ok(Rule { label, key, thresholds })
    }
}

impl Key {
    /// Parses a key; returns also its canonical text.
    fn parse(text: &str) -> Result<(String, Key), String> {
        let percent = PERCENTS.iter().find(|(name, _)| *name == text);
        if let Some(filters) = text.strip_prefix('[') {
            let filters = filters.strip_suffix(']').ok_or("the bracket is not closed")?;
            let query = filters_of(filters)?;
            return Ok((text.to_owned(), Key::Filters(Box::new(query))));
        } else if let Some((_, item)) = percent {
            let key = item.map_or(Key::ConntrackPercent, Key::SockstatPercent);
            return Ok((text.to_owned(), key));
        } else if let Some(row) = summary::names().find(|row| *row == text) {
            return Ok((text.to_owned(), Key::Summary(row)));
        } else if text.contains('.') {
            return Ok((text.to_owned(), Key::Sockstat(text.to_owned())));
        }
        Key::of_state(text).ok_or_else(|| {
            if text.contains('=') {
                return format!("no such key; filters stand in brackets: [{text}]");
            } else if text.contains([':', ',']) {
                return format!("no such key; did you mean {}?", text.replace([':', ','], ";"));
            }
            let percents = PERCENTS.iter().map(|(name, _)| *name);
            let known = StateSet::NAMES.into_iter().chain(percents).chain(summary::names());
            match cli::hint(text, known) {
                hint if hint.is_empty() => {
                    "no such key; connbox-network-connections(1) lists them".into()
                }
                hint => format!("no such key{hint}"),
            }
        })
    }

    /// Parses `tcp_TIME_WAIT`, `udp_NONE`, `ESTABLISHED`.
    fn of_state(text: &str) -> Option<(String, Key)> {
        let kinds = [
            (Proto::Tcp, Family::Inet),
            (Proto::Tcp, Family::Inet6),
            (Proto::Udp, Family::Inet),
            (Proto::Udp, Family::Inet6),
        ];
        let behind = |kind: &str| text.strip_prefix(kind)?.strip_prefix('_');
        let found =
            TYPES.iter().zip(kinds).find_map(|(kind, what)| Some((kind, what, behind(kind)?)));
        let (kind, family, word) = match found {
            Some((kind, (Proto::Udp, family), word)) => {
                let is_none = word.eq_ignore_ascii_case(NONE);
                return is_none.then(|| (format!("{kind}_{NONE}"), Key::Udp(family)));
            }
            Some((kind, (_, family), word)) => (Some(kind), Some(family), word),
            None => (None, None, text),
        };
        let set = StateSet::parse(word.as_bytes()).ok()?;
        let is_it = |name: &&str| StateSet::parse(name.as_bytes()) == Ok(set);
        let name = StateSet::NAMES.into_iter().find(is_it).unwrap_or(word);
        let label = kind.map_or(name.to_owned(), |kind| format!("{kind}_{name}"));
        Some((label, Key::States(family, set)))
    }
}

/// Parses switches, then `FILTER=VALUE` pairs; a word without `=` after a pair belongs to its value.
fn filters_of(text: &str) -> Result<Query, String> {
    let (mut protos, mut query) = (Vec::new(), Query::default());
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for word in text.split(',') {
        match (word.split_once('='), pairs.last_mut()) {
            (Some((name, value)), _) => pairs.push((name.trim(), value.to_owned())),
            (None, Some((_, value))) => {
                value.push(',');
                value.push_str(word);
            }
            (None, None) => match word.trim() {
                "tcp" => protos.push(Proto::Tcp),
                "udp" => protos.push(Proto::Udp),
                word => cli::set(&FILTERS, &mut query, word, None)?,
            },
        }
    }
    for (name, value) in pairs {
        if name == "pid" {
            return Err(format!("'pid' is not a filter; did you mean process={value}?"));
        }
        cli::set(&FILTERS, &mut query, name, Some(OsStr::new(&value)))?;
    }
    query.protos = protos;
    Ok(query)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    fn parsed(text: &str) -> Result<Rule, String> {
        let mut rules = Vec::new();
        add(&mut rules, OsStr::new(text))?;
        Ok(rules.remove(0))
    }

    #[test]
    fn keys_are_states_rows_fields_percents_and_filters() {
        for (text, label, key) in [
            ("tcp_TIME_WAIT;1;2", "tcp_TIME_WAIT", "States(Some(Inet)"),
            ("tcp6_time-wait", "tcp6_TIME_WAIT", "States(Some(Inet6)"),
            ("udp_none;5", "udp_NONE", "Udp(Inet)"),
            ("udp6_NONE;;5", "udp6_NONE", "Udp(Inet6)"),
            ("ESTABLISHED", "ESTABLISHED", "States(None"),
            ("ESTAB", "ESTABLISHED", "States(None"),
            ("estab", "estab", "Summary(\"estab\")"),
            ("timewait", "timewait", "Summary(\"timewait\")"),
            ("time-wait", "TIME_WAIT", "States(None"),
            ("connected", "connected", "States(None"),
            ("tcp6_connected", "tcp6_connected", "States(Some(Inet6)"),
            ("unhashed;@~:-1;", "unhashed", "Summary(\"unhashed\")"),
            ("tcp_inuse", "tcp_inuse", "Summary(\"tcp_inuse\")"),
            ("TCP.mem", "TCP.mem", "Sockstat(\"TCP.mem\")"),
            ("tw_percent", "tw_percent", "SockstatPercent(\"TCP.tw\")"),
            ("conntrack_percent;80;90", "conntrack_percent", "ConntrackPercent"),
            ("[lport=22,80];1;2", "[lport=22,80]", "Filters(Query { protos: []"),
            (
                "[udp,ipv6,process=a;b]x];1",
                "[udp,ipv6,process=a;b]x]",
                "Filters(Query { protos: [Udp]",
            ),
        ] {
            let rule = parsed(text).unwrap();
            assert_eq!(rule.label, label);
            let seen = format!("{:?}", rule.key);
            assert!(seen.starts_with(key), "{text}: {seen}");
        }
    }

    #[test]
    fn words_behind_a_pair_belong_to_its_value() {
        let query = filters_of("udp,ipv6,lport=22,80-90,state=estab,listen").unwrap();
        let filter = crate::select::options::looked_up(&query, &Source::default()).unwrap();
        assert_eq!((filter.protos(), filter.family), (&[Proto::Udp][..], Some(Family::Inet6)));
        assert_eq!((filter.lport.any.len(), filter.states().iter().count()), (2, 2));
        let query = filters_of("process=a,b=").unwrap_or_default();
        assert!(query.processes.is_empty(), "b is not a filter");
        let query = filters_of("process=a,b").unwrap();
        assert_eq!(query.processes.any, [b"a", b"b"]);
    }

    #[test]
    fn wrong_rules_have_a_reason() {
        for (text, reason) in [
            ("", "'': no such key; connbox-network-connections(1) lists them"),
            ("ESTABLISHD", "'ESTABLISHD': no such key; did you mean ESTABLISHED?"),
            ("udp_LISTEN", "'udp_LISTEN': no such key; connbox-network-connections(1) lists them"),
            ("tw_percnt;1", "'tw_percnt;1': no such key; did you mean tw_percent?"),
            ("CLOSE_WAIT,4,500", "'CLOSE_WAIT,4,500': no such key; did you mean CLOSE_WAIT;4;500?"),
            ("CLOSE_WAIT:4:500", "'CLOSE_WAIT:4:500': no such key; did you mean CLOSE_WAIT;4;500?"),
            (
                "lport=443;5;6",
                "'lport=443;5;6': no such key; filters stand in brackets: [lport=443]",
            ),
            ("LISTEN;1;2;3", "'LISTEN;1;2;3': a rule is KEY;WARNING;CRITICAL"),
            (
                "LISTEN;abc",
                "'LISTEN;abc': WARNING 'abc': Range format incorrect; a range is one like 10, 10:20, @10:20, ~:10",
            ),
            (
                "LISTEN;;2:1",
                "'LISTEN;;2:1': CRITICAL '2:1': Start 2 must not be greater than end 1; a range is one like 10, 10:20, @10:20, ~:10",
            ),
            ("[lport=22", "'[lport=22': the bracket is not closed"),
            ("[]", "'[]': '' is not a filter"),
            ("[22]", "'[22]': '22' is not a filter"),
            ("[port=22]", "'[port=22]': 'port' is not a filter; did you mean lport?"),
            ("[pid=1]", "'[pid=1]': 'pid' is not a filter; did you mean process=1?"),
            (
                "[lport=99999]",
                "'[lport=99999]': lport: '99999' is not a port or a port range (A-B) up to 65535",
            ),
            ("[ipv4=1]", "'[ipv4=1]': ipv4 takes no value"),
            ("[lport]", "'[lport]': lport needs a value: lport=VALUE"),
        ] {
            assert_eq!(parsed(text).unwrap_err(), reason);
        }
        let mut rules = vec![parsed("LISTEN").unwrap()];
        assert!(add(&mut rules, OsStr::new("listening;1")).is_err());
        add(&mut rules, OsStr::new("[process=a=b]")).unwrap();
        assert_eq!(
            add(&mut rules, OsStr::new("[process=a:b];1")).unwrap_err(),
            "'[process=a:b]' and '[process=a=b]' have the same label in performance \
             data: '[process:a:b]'"
        );
    }
}
