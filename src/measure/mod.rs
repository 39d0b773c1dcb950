//! Numbers with their scope and meaning, which several applets show.

pub(crate) mod sockets;
pub(crate) mod sockstat;
pub(crate) mod summary;

use std::borrow::Cow;

use crate::error::Error;
use crate::frame::{Call, Report, Sample, Table};
use crate::model::TcpSockstat;
use crate::out::{Column, Out, Value};
use crate::source::Source;
use crate::source::netns::{Missing, Namespaces};
use summary::Readings;

/// The scopes of a number.
pub const NETNS: &str = "netns";
pub const HOST: &str = "host";
/// The scope of the difference of a number of the host and a number of the namespace.
pub const HOST_MINUS_NETNS: &str = "host-netns";

/// A number, if it is known, and its meaning.
#[derive(Debug)]
pub struct Measure {
    pub value: Option<i128>,
    pub scope: &'static str,
    pub source: Cow<'static, str>,
    pub meaning: &'static str,
}

impl Measure {
    pub fn of(
        value: Option<i128>,
        scope: &'static str,
        source: impl Into<Cow<'static, str>>,
        meaning: &'static str,
    ) -> Measure {
        Measure { value, scope, source: source.into(), meaning }
    }

    fn row(&self, name: &'static str, out: &mut Out) -> Result<(), Error> {
        out.row([
            Value::Word(name),
            self.value.map_or(Value::Absent, Value::Int),
            Value::Word(self.scope),
            Value::Text(self.source.as_bytes()),
            Value::Text(self.meaning.as_bytes()),
        ])
    }
}

/// A table of measures by name. With `--netns all`, some of them describe the whole machine.
pub trait Measures: Sync {
    /// The measures that have one row of the whole machine.
    const OF_MACHINE: &'static [&'static str];
    /// The measures that mix numbers of the machine and of the namespace; a note says so.
    const MIXED: &'static [&'static str];

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
pub fn no_measure(name: &str) -> Error {
    Error::failed(name, "no number of that name")
}

/// Prints the measures called `names`.
pub fn run<M: Measures>(
    call: &mut Call,
    columns: &[Column],
    names: Vec<&'static str>,
    measures: M,
) -> Result<(), Error> {
    call.table(columns, &[], &mut MeasureTable { measures, names, machine: TcpSockstat::default() })
}

struct MeasureTable<M> {
    measures: M,
    names: Vec<&'static str>,
    /// The namespaces that were visited so far.
    machine: TcpSockstat,
}

impl<M: Measures> Table for MeasureTable<M> {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let readings = self.measures.read(&self.names, source, report)?;
        if self.names.iter().any(|name| M::MIXED.contains(name)) {
            note_namespace(source, report);
        }
        let mut names = self.names.iter();
        names.try_for_each(|name| M::measure(&readings, name, false)?.row(name, out))
    }

    fn namespaces(&mut self, all: &Namespaces, sample: Sample<'_>) -> Result<Missing, Error> {
        let MeasureTable { measures, names, machine } = self;
        let read =
            |source: &Source, _: &[u8], report: &mut Report| measures.read(names, source, report);
        sample.everywhere(all, read, |readings, out| {
            machine.add_namespace(&readings.tcp);
            // The others have one row for the whole machine.
            let mut names = names.iter().filter(|name| !M::OF_MACHINE.contains(name));
            names.try_for_each(|name| M::measure(&readings, name, false)?.row(name, out))
        })
    }

    fn machine(&mut self, Sample { out, report, .. }: Sample<'_>) -> Result<(), Error> {
        let tcp = std::mem::take(&mut self.machine);
        let readings = Readings { tcp, ..Readings::default() };
        let is_difference = |name: &&str| matches!(*name, "closed" | "unhashed");
        if report.is_partial && self.names.iter().any(is_difference) {
            report.note("closed and unhashed count the sockets of the missing namespaces too");
        }
        let mut names = self.names.iter().filter(|name| M::OF_MACHINE.contains(name));
        names.try_for_each(|name| M::measure(&readings, name, true)?.row(name, out))
    }
}

/// Notes once that numbers of this network namespace are subtracted from numbers of the whole machine, if
/// the machine has other namespaces.
fn note_namespace(source: &Source, report: &mut Report) {
    if source.saved.is_empty() && source.kernel.is_other_namespace() {
        report.note(
            "not the machine's first network namespace: alloc and orphan count the whole machine, \
             inuse and tw this namespace only; their difference includes sockets of other namespaces",
        );
    }
}
