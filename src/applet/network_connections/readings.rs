//! The numbers of rules: how each is read, and what is to be said about it.

use super::check::{Amount, Finding};
use super::counts;
use super::rules::{Key, Rule};
use crate::error::{self, Error, Status};
use crate::frame::Report;
use crate::measure::{DIFFERENCES, machine, sockets, sockstat, summary};
use crate::model::{Machine, Patience, Proto, Query, StateCounts, StateSet, TcpState};
use crate::select::interfaces::NO_INTERFACE;
use crate::source::Source;
use crate::source::files::tables::Doubts;
use crate::source::flows::conntrack;
use crate::source::netns::Namespaces;
use crate::sys;

/// The number of a rule, if it is known.
#[derive(Clone, Debug)]
pub(super) struct Reading {
    amount: Result<Amount, String>,
    bounds: [Option<i128>; 2],
    /// What is to be said about the number.
    remarks: Vec<String>,
    /// Whether a namespace has the interfaces that are asked for.
    has_interface: bool,
}

impl Reading {
    fn new(amount: Result<Amount, String>, bounds: [Option<i128>; 2]) -> Reading {
        Reading { amount, bounds, remarks: Vec::new(), has_interface: true }
    }

    /// Takes what was reported while the number was read: doubts make it unknown.
    fn hear(&mut self, report: &mut Report) {
        for (is_doubt, text) in report.heard() {
            match &mut self.amount {
                Ok(_) if is_doubt => self.amount = Err(in_rule(&text)),
                Ok(_) if !self.remarks.contains(&text) => self.remarks.push(text),
                _ => {}
            }
        }
        self.has_interface = !self.remarks.iter().any(|remark| remark == NO_INTERFACE);
    }

    /// Adds the reading of another namespace.
    fn add(&mut self, other: Reading) {
        match (&mut self.amount, other.amount) {
            (Ok(Amount::Count(sum)), Ok(Amount::Count(more))) => *sum += more,
            (Ok(_), amount) => self.amount = amount,
            (Err(_), _) => {}
        }
        self.has_interface |= other.has_interface;
        for remark in other.remarks {
            if !self.remarks.contains(&remark) {
                self.remarks.push(remark);
            }
        }
    }

    /// A number of an earlier check.
    pub(super) fn saved(
        amount: Result<Amount, String>,
        bounds: [Option<i128>; 2],
        remark: Option<String>,
    ) -> Reading {
        Reading { remarks: remark.into_iter().collect(), ..Reading::new(amount, bounds) }
    }

    pub(super) fn unknown(reason: String) -> Reading {
        Reading::new(Err(reason), [Some(0), None])
    }
}

fn count(number: i128, limit: Option<u64>) -> Reading {
    Reading::new(Amount::Count(number).sound(), [Some(0), limit.map(i128::from)])
}

fn percent(number: i128, limit: u64) -> Reading {
    // The first socket exceeds a limit of 0; no percentage expresses that.
    let amount = Amount::Count(number).sound().and_then(|_| match limit {
        0 => Err("its limit is 0".to_owned()),
        limit => Ok(Amount::Percent(number * 100_000 / i128::from(limit))),
    });
    Reading::new(amount, [Some(0), Some(100)])
}

/// All rules of a call, and their readings so far.
#[derive(Debug)]
pub(super) struct Rules<'a> {
    rules: &'a [Rule],
    readings: Vec<Reading>,
    /// With `--netns all`, what the numbers of the machine are calculated from, or why that is not known.
    machine: Option<Result<Machine, String>>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(rules: &'a [Rule]) -> Rules<'a> {
        Rules { rules, readings: Vec::new(), machine: None }
    }

    /// Reads what the numbers of the machine are calculated from, if a rule asks for one.
    pub(super) fn read_machine(&mut self, all: &Namespaces, source: &Source) -> Result<(), Error> {
        let is_one =
            |rule: &Rule| matches!(rule.key, Key::Summary(row) if summary::is_of_machine(row));
        if self.rules.iter().any(is_one) {
            self.machine = Some(match machine::read(all, source) {
                Err(Error::Fault { status: Status::Failed, text }) => Err(error::visible(&text)),
                numbers => Ok(numbers?.whole),
            });
        }
        Ok(())
    }

    /// Adds the readings of all rules; those of several namespaces are added up.
    pub(super) fn add(&mut self, readings: Vec<Reading>) {
        if self.readings.is_empty() {
            self.readings = readings;
            return;
        }
        for (sum, reading) in self.readings.iter_mut().zip(readings) {
            sum.add(reading);
        }
    }

    /// The findings, in the order of the rules. `doubt` says why no number is certain.
    pub(super) fn findings(&self, doubt: Option<&str>) -> Vec<Finding> {
        let rules = self.rules.iter().zip(&self.readings);
        rules
            .map(|(rule, reading)| {
                let Reading { mut amount, bounds, remarks, has_interface } = reading.clone();
                if let (Key::Summary(row), Some(machine)) = (&rule.key, &self.machine)
                    && summary::is_of_machine(row)
                {
                    amount = amount.and_then(|_| of_machine(row, machine.as_ref()));
                }
                if !has_interface {
                    amount = Err("no network namespace has an interface of that name".into());
                }
                if let Some(doubt) = doubt {
                    amount = amount.and(Err(doubt.to_owned()));
                }
                let finding = Finding::of_rule(&rule.label, amount, &rule.thresholds, bounds);
                finding.with_remarks(remarks.iter().map(|remark| bare(remark)).collect())
            })
            .collect()
    }
}

/// A remark without the option that it is about, which the rule's key names.
#[cold]
fn bare(remark: &str) -> String {
    let of_option = remark.strip_prefix("--").and_then(|rest| rest.split_once(": "));
    in_rule(of_option.map_or(remark, |(_, text)| text))
}

/// A message about options, for a rule, where they are words in brackets.
#[cold]
fn in_rule(text: &str) -> String {
    let words = [
        "--process",
        "--cgroup",
        "--pod",
        "--container",
        "--iface",
        "--laddr",
        "--raddr",
        "--lport",
        "--rport",
        "--uid",
        "--inode",
        "--state",
    ];
    words.iter().fold(text.to_owned(), |text, word| text.replace(word, &word[2..]))
}

/// Reads the number of every rule.
///
/// # Errors
/// If a rule names an unknown user or service. A failed read is a finding instead.
pub(super) fn read(
    rules: &[Rule],
    strict: Patience,
    source: &Source,
    report: &Report,
) -> Result<Vec<Reading>, Error> {
    let states = states(rules, source, strict, &mut apart(report));
    let read = |rule: &Rule| {
        let mut report = apart(report);
        let mut reading = match number(&rule.key, strict, source, &states, &mut report) {
            // To who monitors an interface it is no wrong option that there is none now.
            Err(Error::Fault { status: Status::Failed | Status::NotThere, text }) => {
                Reading::unknown(in_rule(&error::visible(&text)))
            }
            Err(Error::Fault { status, text }) => {
                let reason = in_rule(&error::visible(&text));
                return Err(Error::of(status, ["--rule ", &rule.label].concat(), reason));
            }
            reading => reading?,
        };
        reading.hear(&mut report);
        Ok(reading)
    };
    rules.iter().map(read).collect()
}

/// A report whose messages become those of a number.
fn apart(report: &Report) -> Report {
    let mut apart = report.apart();
    apart.hold();
    apart
}

/// Walks the socket table once for all rules of states.
fn states(
    rules: &[Rule],
    source: &Source,
    strict: Patience,
    report: &mut Report,
) -> Result<(StateCounts, Doubts), String> {
    let (mut set, mut by_family) = (StateSet::default(), false);
    for rule in rules {
        if let Key::States(family, states) = rule.key
            && !states.has(TcpState::BOUND_INACTIVE)
        {
            set = set.with(states);
            by_family |= family.is_some();
        }
    }
    if set.is_empty() {
        return Ok(Default::default());
    }
    let counts = counts::states(source, set, by_family, strict, report);
    match (counts, report.heard().find(|(is_doubt, _)| *is_doubt)) {
        (Ok(counts), None) => Ok(counts),
        (Ok(_), Some((_, doubt))) => Err(doubt),
        (Err(Error::Fault { text, .. }), _) => Err(error::visible(&text)),
        (Err(_), _) => Err("cannot be counted".to_owned()),
    }
}

fn number(
    key: &Key,
    strict: Patience,
    source: &Source,
    states: &Result<(StateCounts, Doubts), String>,
    report: &mut Report,
) -> Result<Reading, Error> {
    match key {
        Key::States(family, set) => {
            // Not every source lists them: that must not cost the other rules.
            let own = match set.has(TcpState::BOUND_INACTIVE) {
                true => Some(counts::states(source, *set, family.is_some(), strict, report)?),
                false => None,
            };
            Ok(match own.as_ref().map_or(states.as_ref(), Ok) {
                Ok((counts, doubts)) => {
                    let mut doubts = *doubts;
                    if let Some(family) = family {
                        doubts.ask(Proto::Tcp, *family, true);
                        report.notes(doubts.notes_of_tables());
                    }
                    let of =
                        |state| family.map_or(counts.both(state), |one| counts.get(one, state));
                    count(set.iter().map(of).map(i128::from).sum(), None)
                }
                Err(reason) => Reading::unknown(reason.clone()),
            })
        }
        Key::Udp(family) => {
            let sockets = counts::udp(source, Some(*family), strict, report)?;
            Ok(count(sockets[*family as usize].into(), None))
        }
        Key::Summary(row) => summary(row, strict, source, report),
        Key::Sockstat(name) => {
            let (number, limit) = sockstat::number(source, name, report)?;
            Ok(count(number, limit.and_then(|limit| limit.number)))
        }
        Key::SockstatPercent(name) => {
            let (number, limit) = sockstat::number(source, name, report)?;
            let file = limit.map_or("", |limit| limit.file);
            limit_is_there(source, file, limit.and_then(|limit| limit.number))
                .map(|limit| percent(number, limit))
        }
        Key::ConntrackPercent => {
            let read = |file: &str, number: Option<u64>| limit_is_there(source, file, number);
            let fill = conntrack::fill_of_proc(&source.kernel);
            let number = read(conntrack::COUNT_FILE, fill.map(|fill| fill.entries))?;
            if number == 0 {
                report.note(conntrack::UNTRACKED);
            }
            Ok(percent(
                number.into(),
                read(conntrack::LIMIT_FILE, fill.and_then(|fill| fill.limit))?,
            ))
        }
        Key::Filters(query) => {
            let query = Query { strict: strict.or(query.strict), ..Query::clone(query) };
            Ok(count(sockets::number(source, &query, report)?.into(), None))
        }
    }
}

/// A number of /proc/sys, or the reason why it is missing.
fn limit_is_there(source: &Source, file: &str, number: Option<u64>) -> Result<u64, Error> {
    if !source.saved.is_empty() {
        return Err(Error::failed("--from", "saved files do not contain the limits"));
    }
    const OF_FIRST: &str = "only the machine's first network namespace has it: run connbox there (in Kubernetes with \
        hostNetwork: true)";
    number.ok_or_else(|| {
        let is_of_first = ["net/ipv4/tcp_mem", "net/ipv4/tcp_max_orphans"].contains(&file);
        let reason = match is_of_first && source.kernel.is_other_namespace() {
            true => OF_FIRST,
            false if !source.kernel.shows_settings() => sys::OF_READER,
            false => "does not exist, or does not contain a number",
        };
        Error::of_file(&source.kernel.sysctl_path(file), reason)
    })
}

fn summary(
    row: &'static str,
    strict: Patience,
    source: &Source,
    report: &mut Report,
) -> Result<Reading, Error> {
    let number = summary::number(row, source, strict, report)?;
    let least = Some(0).filter(|_| !DIFFERENCES.contains(&row));
    let name = match row {
        "orphaned" => "TCP.orphan",
        "timewait" => "TCP.tw",
        _ => "",
    };
    let limit = match name {
        "" => None,
        name => sockstat::number(source, name, report).ok().and_then(|(_, limit)| limit?.number),
    };
    let amount = Amount::Count(number);
    // What a namespace subtracts from the machine's number is not asked for.
    let is_asked = !(source.is_one_of_all && summary::is_of_machine(row));
    let amount = if is_asked { amount.sound() } else { Ok(amount) };
    Ok(Reading::new(amount, [least, limit.map(i128::from)]))
}

/// The number of a row of the machine.
fn of_machine(row: &str, machine: Result<&Machine, &String>) -> Result<Amount, String> {
    let machine = machine.map_err(String::clone)?;
    let number = summary::of_machine(row, machine.tcp).unwrap_or_default();
    let doubt = DIFFERENCES.contains(&row).then(|| machine.doubt(number)).flatten();
    doubt.map_or_else(|| Amount::Count(number).sound(), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percents_are_exact() {
        let of = |number, limit| percent(number, limit).amount;
        assert_eq!(of(1, 3), Ok(Amount::Percent(33_333)));
        let most = i128::from(u64::MAX);
        assert_eq!(of(most, 1), Ok(Amount::Percent(most * 100_000)));
        assert!(of(1, 0).is_err());
        assert_eq!(of(-2, 5), Err("is below zero: -2".to_owned()));
    }
}
