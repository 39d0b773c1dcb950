//! One run of an applet: its arguments in, its table out.

use std::ffi::OsString;
use std::time::Duration;

use super::{Applet, MEANING, Report, SCOPE, SOURCE, Sample, Say, Table};
use crate::cli::{self, Common, Opt, Original};
use crate::error::Error;
use crate::out::{Column, Format, Kind, Metrics, Out};
use crate::source::{Source, netns};
use crate::sys::{self, Kernel};

/// The variable of the environment that stands for `--root`.
const ROOT: &str = "CONNBOX_ROOT";

/// One run of an applet.
#[derive(Debug)]
pub struct Call {
    original: Option<&'static Original>,
    arguments: Vec<OsString>,
    common: Common,
    pub(crate) report: Report,
    /// Whether the arguments were understood.
    is_understood: bool,
    /// The samples of a run that writes nothing itself.
    collected: Option<Metrics>,
}

impl Call {
    /// A run of `applet`.
    pub fn new(arguments: Vec<OsString>, applet: &Applet, say: Say) -> Call {
        let report = Report::new(applet.name, say);
        let (original, common) = (applet.original, Common::default());
        Call { original, arguments, common, report, is_understood: false, collected: None }
    }

    /// A run that keeps its samples, for a file of several applets.
    pub fn collecting(arguments: Vec<OsString>, applet: &Applet, say: Say) -> Call {
        let mut call = Call::new(arguments, applet, say);
        call.common.is_collected = true;
        call.common.style.format = Format::Prometheus;
        call
    }

    /// Whether the arguments were understood: what went wrong later is not their fault.
    pub fn is_understood(&self) -> bool {
        self.is_understood
    }

    /// The samples of a run that was to keep them; `None` if it made no table.
    pub fn into_metrics(self) -> Option<Metrics> {
        self.collected
    }

    /// Reads the arguments: the applet's own are the result, the common ones stay in the call.
    ///
    /// # Errors
    /// If they are wrong, or ask for help or the version.
    pub fn args<A: Default>(&mut self, options: &[Opt<A>]) -> Result<A, Error> {
        self.args_and::<A, ()>(options, &[]).map(|(args, ())| args)
    }

    /// The same with options that the applet shares with some others.
    pub fn args_and<A: Default, B: Default>(
        &mut self,
        options: &[Opt<A>],
        shared: &[Opt<B>],
    ) -> Result<(A, B), Error> {
        let common = self.common.clone();
        let (args, others, common) =
            cli::parse(&self.arguments, options, shared, self.original, common)?;
        self.common = common;
        self.is_understood = true;
        Ok((args, others))
    }

    /// The NAMEs among the arguments.
    pub fn names(&self) -> &[OsString] {
        &self.common.names
    }

    /// What the common options say.
    pub fn common(&self) -> &Common {
        &self.common
    }

    /// Whether the text of the tool is wanted whose name the applet bears.
    pub fn is_original(&self) -> bool {
        self.common.style.format == Format::Original
    }

    /// Says that the tool whose name the applet bears has no text for what is asked: the default is
    /// TSV then, as elsewhere.
    pub fn has_no_original(&mut self) {
        if self.is_original() {
            self.common.style.format = Format::Tsv;
        }
    }

    /// Whether every network namespace is wanted.
    pub fn is_of_all_namespaces(&self) -> bool {
        self.common.style.by_namespace
    }

    /// Makes the table, as often as `--interval` wants, with `--netns all` of every namespace.
    /// `optional` says of columns by name whether they are shown; those of `--explain` are if it
    /// was given, and all others are.
    ///
    /// # Errors
    /// If the source cannot be had, a snapshot fails, or writing does.
    pub fn table(
        &mut self,
        columns: &[Column],
        optional: &[(&str, bool)],
        table: &mut dyn Table,
    ) -> Result<(), Error> {
        let source = self.source()?;
        let explain = self.common.explain;
        let mut out = Out::new(self.common.style.clone(), columns, |column| {
            let said = optional.iter().find(|(name, _)| *name == column.name);
            let is_explanation = [SCOPE, SOURCE, MEANING].contains(column);
            said.map_or(!is_explanation || explain, |(_, is_shown)| *is_shown)
        });
        if self.common.style.rate && columns.iter().all(|column| column.kind != Kind::Counter) {
            self.report.note("--rate: no column of this table is a counter");
        }
        match self.common.interval {
            None => {
                self.snapshot(table, &source, &mut out)?;
                out.end()?;
            }
            Some(interval) => self.repeat(interval, &mut out, &source, table)?,
        }
        self.finish(out)?;
        if self.report.is_troubled { Err(Error::Said) } else { Ok(()) }
    }

    /// Takes a snapshot every `interval`, `--count` times or for ever.
    fn repeat(
        &mut self,
        interval: Duration,
        out: &mut Out,
        source: &Source,
        table: &mut dyn Table,
    ) -> Result<(), Error> {
        let start = sys::monotonic();
        for done in 1u64.. {
            out.begin(sys::unix_milliseconds(), sys::monotonic());
            self.snapshot(table, source, out)?;
            out.end()?;
            if self.common.count.is_some_and(|count| done >= count) {
                break;
            }
            sys::sleep_until(moment(start, interval, done));
        }
        Ok(())
    }

    /// Takes one snapshot, in every namespace of this moment if all are wanted.
    fn snapshot(
        &mut self,
        table: &mut dyn Table,
        source: &Source,
        out: &mut Out,
    ) -> Result<(), Error> {
        let report = &mut self.report;
        if !self.common.style.by_namespace {
            return table.snapshot(Sample { source, out, report });
        }
        let missing = table.namespaces(&netns::list()?, Sample { source, out, report })?;
        report.missing(missing);
        out.enter(None, None);
        table.machine(Sample { source, out, report })
    }

    /// Ends the output: it is written, or its samples are kept if this run is to keep them.
    pub(crate) fn finish(&mut self, out: Out) -> Result<(), Error> {
        if self.common.is_collected {
            self.collected = Some(out.into_metrics());
            return Ok(());
        }
        out.finish()
    }

    /// What the run reads, after it has entered the namespace of `--netns`.
    pub(crate) fn source(&self) -> Result<Source, Error> {
        if let Some(netns) = &self.common.netns {
            sys::enter_network_namespace(netns)?;
        }
        let Common { root, netns, from, style, .. } = &self.common;
        let (root, tree_of) = match root {
            Some(root) => (Some(root.clone()), "--root"),
            None if netns.is_some() || style.by_namespace || !from.is_empty() => (None, ""),
            None => (sys::environment(ROOT).map(Into::into), ROOT),
        };
        let (kernel, saved) = (Kernel::new(root)?, from.clone());
        let threads = self.common.threads.unwrap_or_default();
        Ok(Source { kernel, saved, tree_of, threads, ..Source::default() })
    }
}

/// The moment of the snapshot after `done` ones: counted from the start, so that no delay adds up.
pub(crate) fn moment(start: Duration, interval: Duration, done: u64) -> Duration {
    let nanoseconds = interval.as_nanos().saturating_mul(u128::from(done));
    let elapsed = Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
    start.saturating_add(elapsed)
}
