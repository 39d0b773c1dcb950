//! `--rule KEY;WARNING;CRITICAL`: the meaning of a key, and its number.

use std::ffi::OsStr;

use super::check::{Amount, Finding, Threshold};
use super::counts::{CHANGED, NONE, TYPES};
use crate::cli;
use crate::error::{Error, Status};
use crate::frame::{Call, Report};
use crate::measure::{sockets, sockstat, summary};
use crate::model::{Family, Proto, Query, StateCounts, StateSet};
use crate::select::facts;
use crate::select::options::FILTERS;
use crate::source::flows::conntrack;
use crate::source::{self, Method, Source};

/// A rule: which number to check, and when to alert.
#[derive(Clone, Debug)]
pub struct Rule {
    label: String,
    key: Key,
    /// Warning and critical.
    thresholds: [Option<Threshold>; 2],
}

/// The number that a rule checks.
#[derive(Clone, Debug)]
enum Key {
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
pub fn add(rules: &mut Vec<Rule>, value: &OsStr) -> Result<(), String> {
    let text = value.to_str().ok_or_else(|| format!("'{}' is not UTF-8", value.display()))?;
    let rule = Rule::parse(text).map_err(|reason| format!("'{text}': {reason}"))?;
    if rules.iter().any(|other| other.label == rule.label) {
        return Err(format!("'{}' is given twice", rule.label));
    }
    rules.push(rule);
    Ok(())
}

/// Refuses rules that the chosen source cannot answer.
pub fn refuse(rules: &[Rule], call: &Call) -> Result<(), Error> {
    let is_sum = |rule: &Rule| matches!(rule.key, Key::States(..) | Key::Udp(_) | Key::Filters(..));
    if let Some(rule) = rules.iter().find(|rule| call.is_of_all_namespaces() && !is_sum(rule)) {
        let reason =
            format_args!("cannot be {} with --netns all: only states and filters can", rule.label);
        return Err(Error::usage("--rule", reason));
    }
    let is_piped = call.common().from.iter().any(|path| path.as_os_str() == "-");
    if rules.len() > 1 && is_piped {
        return Err(Error::usage(
            "--from",
            "- cannot be combined with several rules: standard input can be read only once",
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
        let threshold = |text| Threshold::parse(text).map_err(|reason| reason.to_string());
        let thresholds = [threshold(warning)?, threshold(critical)?];
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
            let percents = PERCENTS.iter().map(|(name, _)| *name);
            let known = StateSet::NAMES.into_iter().chain(percents).chain(summary::names());
            format!("no such key{}", cli::hint(text, known))
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
        cli::set(&FILTERS, &mut query, name, Some(OsStr::new(&value)))?;
    }
    query.protos = protos;
    Ok(query)
}

/// The number of a rule, if it is known.
#[derive(Clone, Debug)]
pub struct Reading {
    amount: Result<Amount, String>,
    bounds: [Option<i128>; 2],
}

fn count(number: u64, limit: Option<u64>) -> Reading {
    let amount = Ok(Amount::Count(number.into()));
    Reading { amount, bounds: [Some(0), limit.map(i128::from)] }
}

fn percent(number: u64, limit: u64) -> Reading {
    // The first socket exceeds a limit of 0; no percentage expresses that.
    let amount = match limit {
        0 => Err("its limit is 0".to_owned()),
        limit => Ok(Amount::Percent(i128::from(number) * 100_000 / i128::from(limit))),
    };
    Reading { amount, bounds: [Some(0), Some(100)] }
}

/// All rules of a call, and their readings so far.
#[derive(Debug)]
pub struct Rules<'a> {
    rules: &'a [Rule],
    readings: Vec<Reading>,
}

impl<'a> Rules<'a> {
    /// Without readings.
    pub fn new(rules: &'a [Rule]) -> Rules<'a> {
        Rules { rules, readings: Vec::new() }
    }

    /// Adds the readings of all rules; those of several namespaces are added up.
    pub fn add(&mut self, readings: Vec<Reading>) {
        if self.readings.is_empty() {
            self.readings = readings;
            return;
        }
        for (sum, reading) in self.readings.iter_mut().zip(readings) {
            match (&mut sum.amount, reading.amount) {
                (Ok(Amount::Count(sum)), Ok(Amount::Count(more))) => *sum += more,
                (Ok(_), other) => sum.amount = other,
                (Err(_), _) => {}
            }
        }
    }

    /// The findings, in the order of the rules.
    pub fn findings(&self) -> Vec<Finding> {
        let rules = self.rules.iter().zip(&self.readings);
        rules
            .map(|(rule, reading)| {
                let Reading { amount, bounds } = reading.clone();
                Finding::of_rule(&rule.label, amount, &rule.thresholds, bounds)
            })
            .collect()
    }
}

/// Reads the number of every rule.
///
/// # Errors
/// If a rule names an unknown user or service. A failed read is a finding instead.
pub fn read(rules: &[Rule], source: &Source, report: &mut Report) -> Result<Vec<Reading>, Error> {
    let states = states(rules, source, report);
    let read = |rule: &Rule| match number(&rule.key, source, &states, report) {
        Err(Error::Fault { status: Status::Failed, text }) => {
            let reason = String::from_utf8_lossy(&text).into_owned();
            Ok(Reading { amount: Err(reason), bounds: [Some(0), None] })
        }
        reading => reading,
    };
    rules.iter().map(read).collect()
}

/// Walks the socket table once for all rules of states.
fn states(rules: &[Rule], source: &Source, report: &mut Report) -> Result<StateCounts, String> {
    let (mut set, mut by_family) = (StateSet::default(), false);
    for rule in rules {
        if let Key::States(family, states) = rule.key {
            set = set.with(states);
            by_family |= family.is_some();
        }
    }
    if set.is_empty() {
        return Ok(StateCounts::default());
    }
    match source::tcp_states(source, Method::Auto, set, by_family) {
        Ok((counts, dumped)) => {
            if dumped.is_interrupted {
                report.note(CHANGED);
            }
            Ok(counts)
        }
        Err(Error::Fault { text, .. }) => Err(String::from_utf8_lossy(&text).into_owned()),
        Err(_) => Err("cannot be counted".to_owned()),
    }
}

fn number(
    key: &Key,
    source: &Source,
    states: &Result<StateCounts, String>,
    report: &mut Report,
) -> Result<Reading, Error> {
    match key {
        Key::States(family, set) => Ok(match states {
            Ok(counts) => {
                let of = |state| family.map_or(counts.both(state), |one| counts.get(one, state));
                count(set.iter().map(of).sum(), None)
            }
            Err(reason) => Reading { amount: Err(reason.clone()), bounds: [Some(0), None] },
        }),
        Key::Udp(family) => {
            let (family, protos) = (Some(*family), vec![Proto::Udp]);
            let mut sockets = 0;
            let query = Query { protos, family, ..Query::default() };
            let dumped = source::sockets(source, Method::Auto, &query, |_| {
                sockets += 1;
                Ok(())
            })?;
            if dumped.is_interrupted {
                report.note(CHANGED);
            }
            Ok(count(sockets, None))
        }
        Key::Summary(row) => summary(row, source, report),
        Key::Sockstat(name) => {
            let (number, limit) = sockstat::number(source, name)?;
            Ok(count(number, limit.and_then(|limit| limit.number)))
        }
        Key::SockstatPercent(name) => {
            let (number, limit) = sockstat::number(source, name)?;
            let file = limit.map_or("", |limit| limit.file);
            limit_is_there(source, file, limit.and_then(|limit| limit.number))
                .map(|limit| percent(number, limit))
        }
        Key::ConntrackPercent => {
            let read = |file: &str, number: Option<u64>| limit_is_there(source, file, number);
            let fill = conntrack::fill_of_proc(&source.kernel);
            let number = read(conntrack::COUNT_FILE, fill.map(|fill| fill.entries))?;
            Ok(percent(number, read(conntrack::LIMIT_FILE, fill.and_then(|fill| fill.limit))?))
        }
        Key::Filters(query) => filters(query, source, report),
    }
}

/// A number of /proc/sys, or the reason why it is missing.
fn limit_is_there(source: &Source, file: &str, number: Option<u64>) -> Result<u64, Error> {
    if !source.saved.is_empty() {
        return Err(Error::failed("--from", "saved files do not contain the limits"));
    }
    let path = || source.kernel.sysctl_path(file);
    number.ok_or_else(|| Error::of_file(&path(), "does not exist, or does not contain a number"))
}

fn summary(row: &'static str, source: &Source, report: &mut Report) -> Result<Reading, Error> {
    let number = summary::number(row, source, report)?;
    let amount = number.map(Amount::Count).ok_or_else(|| "is unknown here".to_owned());
    // Differences may be negative.
    let least = Some(0).filter(|_| !matches!(row, "closed" | "unhashed"));
    let name = match row {
        "orphaned" => "TCP.orphan",
        "timewait" => "TCP.tw",
        _ => return Ok(Reading { amount, bounds: [least, None] }),
    };
    let limit = sockstat::number(source, name).ok().and_then(|(_, limit)| limit?.number);
    Ok(Reading { amount, bounds: [least, limit.map(i128::from)] })
}

fn filters(query: &Query, source: &Source, report: &mut Report) -> Result<Reading, Error> {
    let number = sockets::number(source, query, report)?;
    if query.looks_at_holders() && report.has_said(facts::UNREADABLE) {
        return Err(Error::failed("/proc", "the descriptors of some processes cannot be read"));
    }
    Ok(count(number, None))
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let filter =
            crate::select::options::looked_up(&query, &crate::sys::Kernel::default()).unwrap();
        assert_eq!((filter.protos(), filter.family), (&[Proto::Udp][..], Some(Family::Inet6)));
        assert_eq!((filter.lport.len(), filter.states().iter().count()), (2, 2));
        let query = filters_of("process=a,b=").unwrap_or_default();
        assert!(query.processes.is_empty(), "b is not a filter");
        let query = filters_of("process=a,b").unwrap();
        assert_eq!(query.processes, [b"a,b"]);
    }

    #[test]
    fn wrong_rules_have_a_reason() {
        for (text, reason) in [
            ("", "'': no such key"),
            ("ESTABLISHD", "'ESTABLISHD': no such key; did you mean ESTABLISHED?"),
            ("udp_LISTEN", "'udp_LISTEN': no such key"),
            ("tw_percnt;1", "'tw_percnt;1': no such key; did you mean tw_percent?"),
            ("LISTEN;1;2;3", "'LISTEN;1;2;3': a rule is KEY;WARNING;CRITICAL"),
            ("LISTEN;abc", "'LISTEN;abc': Range format incorrect"),
            ("LISTEN;;2:1", "'LISTEN;;2:1': Start 2 must not be greater than end 1"),
            ("[lport=22", "'[lport=22': the bracket is not closed"),
            ("[]", "'[]': '' is not a filter"),
            ("[22]", "'[22]': '22' is not a filter"),
            ("[port=22]", "'[port=22]': 'port' is not a filter; did you mean lport?"),
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
    }

    #[test]
    fn percents_are_exact() {
        let of = |number, limit| percent(number, limit).amount;
        assert_eq!(of(1, 3), Ok(Amount::Percent(33_333)));
        assert_eq!(of(u64::MAX, 1), Ok(Amount::Percent(i128::from(u64::MAX) * 100_000)));
        assert!(of(1, 0).is_err());
    }
}
