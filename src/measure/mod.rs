//! Numbers with their scope and meaning, which several applets show.

pub mod machine;
mod rows;
pub(crate) mod sockets;
pub(crate) mod sockstat;
pub(crate) mod summary;

use std::borrow::Cow;

use crate::error::Error;
use crate::frame::{Call, Report, Sample, Table};
use crate::model::{Machine, Sockstat};
use crate::out::{Column, Out, Value};
use crate::source::Source;
use crate::source::files::counts;
use crate::source::homes::{self, Others};
use crate::source::netns::{Missing, Namespaces};
use summary::Readings;

/// The scopes of a number.
pub(crate) const NETNS: &str = "netns";
pub(crate) const HOST: &str = "host";
/// The scope of the difference of a number of the host and a number of the namespace.
pub(crate) const HOST_MINUS_NETNS: &str = "host-netns";

/// The measures that are differences, which may rightly be below zero.
pub(crate) const DIFFERENCES: [&str; 2] = ["closed", "unhashed"];

/// What is said where sockstat6 is missing, and nothing tells that IPv6 is off.
pub(crate) const NO_IPV6: &str = "sockstat6 is missing, and IPv6 is not known to be off: its sockets are not in these \
    numbers, and closed and unhashed count them; read sockstat6, too, or accept that with --quiet-gaps";

/// Whether a number is wrong without those of sockstat6.
fn needs_ipv6(name: &&'static str) -> bool {
    let mut parts = summary::TRANSPORT.iter().flat_map(|(names, _)| [names[0], names[2]]);
    *name == "inuse6" || is_difference(name) || parts.any(|part| part == *name)
}

/// Says, once, that numbers of IPv6 are missing which the measures `names` need; gives whether that is so and not
/// accepted.
#[cold]
pub(crate) fn lacks_ipv6(
    names: &[&'static str],
    source: &Source,
    sockstat: &Sockstat,
    report: &mut Report,
) -> bool {
    let lacks = !report.accepts_gaps
        && names.iter().any(needs_ipv6)
        && counts::lacks_ipv6(source, sockstat);
    if lacks {
        report.lack(NO_IPV6);
    }
    lacks
}

/// A number, if it is known, and its meaning.
#[derive(Debug)]
pub(crate) struct Measure {
    pub value: Option<i128>,
    pub scope: &'static str,
    pub source: Cow<'static, str>,
    pub meaning: &'static str,
}

impl Measure {
    pub(crate) fn of(
        value: Option<i128>,
        scope: &'static str,
        source: impl Into<Cow<'static, str>>,
        meaning: &'static str,
    ) -> Measure {
        Measure { value, scope, source: source.into(), meaning }
    }

    fn row(&self, name: &'static str, out: &mut Out) -> Result<(), Error> {
        let values = [
            Value::Word(name),
            self.value.map(|value| out.level(value)).map_or(Value::Absent, Value::Int),
            Value::Word(self.scope),
            Value::Text(self.source.as_bytes()),
            Value::Text(self.meaning.as_bytes()),
        ];
        if self.scope == HOST { out.constant(values) } else { out.row(values) }
    }
}

/// A table of measures by name. With `--netns all`, some of them describe the whole machine.
pub(crate) trait Measures: Sync {
    /// The measures that have one row of the whole machine.
    const OF_MACHINE: &'static [&'static str];
    /// The measures that mix numbers of the machine and of the namespace; a note says so.
    const MIXED: &'static [&'static str];
    /// How rows of groups without keys are read, if the applet makes such.
    const WITHOUT_KEYS: &'static str;

    /// Reads the inputs of one namespace's measures.
    fn read(
        &self,
        names: &[&'static str],
        source: &Source,
        report: &mut Report,
    ) -> Result<Readings, Error>;

    /// One measure by name; for the whole machine, `readings` hold the sums over its namespaces.
    fn measure(readings: &Readings, name: &str, of_machine: bool) -> Result<Measure, Error>;
}

/// The error for an unknown measure: another measure's number in its place would go unnoticed.
pub(crate) fn no_measure(name: &str) -> Error {
    Error::failed(name, "no number of that name")
}

/// Prints the measures called `names`.
pub(crate) fn run<M: Measures>(
    call: &mut Call,
    columns: &[Column],
    names: Vec<&'static str>,
    measures: M,
) -> Result<(), Error> {
    let machine = None;
    let (is_named, explains) = (!call.names().is_empty(), call.common().explain);
    let mut table = MeasureTable { measures, names, is_named, explains, machine, has_noted: false };
    call.table(columns, &[], &mut table)
}

struct MeasureTable<M> {
    measures: M,
    names: Vec<&'static str>,
    is_named: bool,
    /// Whether the columns of `--explain` are shown.
    explains: bool,
    /// The sums over all namespaces; `None` if the numbers of one are not known.
    machine: Option<Machine>,
    /// Whether a note said what the differences include.
    has_noted: bool,
}

impl<M: Measures> Table for MeasureTable<M> {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let MeasureTable { names, is_named, explains, .. } = self;
        if let Some(saved) = rows::measures::<M>(source, names, *is_named, *explains, report)? {
            return saved.iter().try_for_each(|(name, measure)| measure.row(name, out));
        }
        let readings = self.measures.read(&self.names, source, report)?;
        if self.names.iter().any(|name| M::MIXED.contains(name)) {
            let mut names = self.names.iter();
            let is_calculated = names.any(|name| summary::CALCULATED.contains(name));
            let say = if self.is_named && is_calculated { Report::lack } else { Report::note };
            if !self.has_noted {
                let has_rest = is_calculated && summary::has_rest(&readings);
                self.has_noted = note_namespace(source, has_rest, report, say)?;
            }
        }
        let mut names = self.names.iter();
        names.try_for_each(|name| M::measure(&readings, name, false)?.row(name, out))
    }

    fn namespaces(&mut self, all: &Namespaces, sample: Sample<'_>) -> Result<Missing, Error> {
        let MeasureTable { measures, names, machine, .. } = self;
        let is_of_machine = |name: &&str| M::OF_MACHINE.contains(name);
        let numbers = names.iter().any(is_of_machine).then(|| machine::read(all, sample.source));
        let of_one = |label: &[u8]| numbers.as_ref()?.as_ref().ok()?.of.get(label).copied();
        let mut is_known = true;
        let read = |source: &Source, label: &[u8], report: &mut Report| {
            let mut readings = measures.read(names, source, report)?;
            readings.tcp = readings.tcp.map(|later| of_one(label).unwrap_or(later));
            Ok(readings)
        };
        let missing = sample.everywhere(all, read, |readings, out| {
            is_known &= readings.tcp.is_some();
            // The others have one row for the whole machine.
            let mut names = names.iter().filter(|name| !is_of_machine(name));
            names.try_for_each(|name| M::measure(&readings, name, false)?.row(name, out))
        })?;
        // Why they are not was said.
        *machine = numbers.filter(|_| is_known).transpose()?.map(|numbers| numbers.whole);
        Ok(missing)
    }

    fn machine(&mut self, Sample { out, report, .. }: Sample<'_>) -> Result<(), Error> {
        let machine = self.machine.take();
        let tcp = machine.map(|machine| machine.tcp);
        let readings = Readings { tcp, ..Readings::default() };
        if report.partial.is_some() && self.names.iter().any(is_difference) {
            report.note("closed and unhashed count the sockets of the missing namespaces too");
        }
        let mut names = self.names.iter().filter(|name| M::OF_MACHINE.contains(name));
        names.try_for_each(|name| {
            let measure = M::measure(&readings, name, true)?;
            let value = measure.value.filter(|_| is_difference(name));
            let doubt = machine.zip(value).and_then(|(machine, value)| machine.doubt(value));
            doubt.iter().for_each(|doubt| report.lack(doubt));
            measure.row(name, out)
        })
    }
}

/// Whether the measure is a difference between numbers of the machine and of one namespace.
fn is_difference(name: &&'static str) -> bool {
    DIFFERENCES.contains(name)
}

/// Notes that numbers of this network namespace are subtracted from numbers of the whole machine, if the
/// machine has other namespaces, whose sockets may be what is left (`has_rest`). Returns whether it did;
/// `--quiet-gaps` accepts that without a look. Among all rows that is a remark, where one of them was asked for by its
/// name it is no answer: `say` tells the two apart.
#[cold]
fn note_namespace(
    source: &Source,
    has_rest: bool,
    report: &mut Report,
    say: fn(&mut Report, &str),
) -> Result<bool, Error> {
    if !source.saved.is_empty() || report.accepts_gaps {
        return Ok(false);
    }
    if source.kernel.is_other_namespace() {
        say(
            report,
            "not the machine's first network namespace: alloc and orphan count the whole machine, \
             inuse and tw this namespace only; their difference includes sockets of other namespaces; \
             for the whole machine use --netns all",
        );
        return Ok(true);
    }
    if !has_rest || !source.kernel.is_running() {
        return Ok(false);
    }
    if !source.is_live() {
        say(
            report,
            "--root: other network namespaces are not looked for: tcp, closed and unhashed may include their TCP sockets",
        );
        return Ok(true);
    }
    let others = homes::others()?;
    match &others {
        Others::Exist => say(
            report,
            "this machine has other network namespaces (containers): alloc counts their TCP sockets, too, and so do \
             tcp, closed and unhashed, which are calculated from it; for the whole machine use --netns all",
        ),
        Others::Unseen(sight) if sight.is_clear() => {}
        Others::Unseen(sight) => {
            const OUTCOME: &str =
                ": tcp, closed and unhashed may include TCP sockets of other network namespaces";
            say(report, &[&sight.reasons(), OUTCOME].concat());
        }
    }
    Ok(matches!(others, Others::Exist))
}
