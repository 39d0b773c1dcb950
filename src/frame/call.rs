//! One run of an applet: its arguments in, its table out.

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Applet, Ending, MEANING, Report, SCOPE, SOURCE, Sample, Say, Table};
use crate::cli::{self, Common, Opt, Original};
use crate::error::{Error, Status};
use crate::out::{Column, Format, Kind, Metrics, Out, Style, Subject};
use crate::source::files::rows;
use crate::source::files::saved::words::Words;
use crate::source::files::sosreport::{Files, Folder, HOST, Reader};
use crate::source::{Source, netns};
use crate::sys::{self, Kernel};

/// What `--top` does where there are no groups.
pub(crate) const TOP_NAMESPACES: &str =
    "with --netns all, show only the N namespaces whose first number is the largest";
const NEEDS_NAMESPACES: &str = "needs --netns all: it counts network namespaces";

/// The variable of the environment that stands for `--root`.
const ROOT: &str = "CONNBOX_ROOT";

/// One run of an applet.
#[derive(Debug)]
pub struct Call {
    applet: &'static str,
    columns: &'static [Column],
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
    pub fn new(arguments: Vec<OsString>, applet: &Applet, say: Say) -> Call {
        let report = Report::new(applet.name, say);
        let (original, common) = (applet.original, Common::default());
        Call {
            applet: applet.name,
            columns: applet.columns,
            original,
            arguments,
            common,
            report,
            is_understood: false,
            collected: None,
        }
    }

    /// A run that keeps its samples and messages, for a file of several applets.
    pub fn collecting(arguments: Vec<OsString>, applet: &Applet, say: Say) -> Call {
        let mut call = Call::new(arguments, applet, say);
        call.common.is_collected = true;
        call.report.kept = Some(Vec::new());
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
        if let Some(path) = &common.style.output {
            sys::refuse_borrowed_rights(path.as_os_str().as_bytes())?;
        }
        self.common = common;
        if self.original.is_none() && !self.common.style.is_chosen && !self.common.is_collected {
            self.common.style.choose_rows();
        }
        self.report.accepts_gaps = self.common.quiet_gaps;
        self.is_understood = true;
        Ok((args, others))
    }

    /// All arguments, as they were given.
    pub fn words(&self) -> impl Iterator<Item = &[u8]> {
        self.arguments.iter().map(|word| word.as_bytes())
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
    /// that of other applets then.
    pub fn has_no_original(&mut self) {
        self.common.style.choose_rows_without_original();
    }

    /// Says what its rows are about.
    pub fn is_about(&mut self, subject: Subject) {
        self.common.style.subject = subject;
    }

    /// Whether every network namespace is wanted.
    pub fn is_of_all_namespaces(&self) -> bool {
        self.common.style.by_namespace
    }

    /// Of `--netns all`, shows only the namespaces with the largest first numbers, if `--top` says how many.
    ///
    /// # Errors
    /// If not all namespaces are visited.
    pub fn pick_namespaces(&mut self, top: Option<usize>) -> Result<(), Error> {
        let style = &mut self.common.style;
        cli::refuse([(top.is_some() && !style.by_namespace, "--top", NEEDS_NAMESPACES)])?;
        style.picks.top = top;
        Ok(())
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
        let mut out = Out::new(self.common.style.clone(), columns, &|column| {
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
        self.finish(out)
    }

    /// Takes a snapshot every `interval`, `--count` times or for ever.
    fn repeat(
        &mut self,
        interval: Duration,
        out: &mut Out,
        source: &Source,
        table: &mut dyn Table,
    ) -> Result<(), Error> {
        // Before the first row: whoever sees that may already send a signal.
        let ending = Ending::of(&self.common.style, self.common.is_collected)?;
        let start = sys::monotonic();
        for done in 1u64.. {
            out.begin(sys::unix_milliseconds(), sys::monotonic());
            self.snapshot(table, source, out)?;
            out.end()?;
            self.report.foreign();
            if self.common.count.is_some_and(|count| done >= count) {
                break;
            }
            if ending.sleep_until(next_moment(start, interval, sys::monotonic()))? {
                self.report.lack(Ending::EARLY);
                break;
            }
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
        if !source.saved.is_empty() {
            let reader = reader(self.applet, &self.common.style);
            return saved_namespaces(
                &self.common.from,
                reader,
                table,
                Sample { source, out, report },
            );
        }
        let missing = table.namespaces(&netns::list()?, Sample { source, out, report })?;
        report.missing(missing);
        out.leave()?;
        table.machine(Sample { source, out, report })
    }

    /// Ends the output: it is written, or its samples are kept if this run is to keep them.
    ///
    /// # Errors
    /// If writing fails; [`Error::Said`] if something was left out.
    pub(crate) fn finish(&mut self, out: Out) -> Result<(), Error> {
        if self.common.is_collected {
            self.collected = Some(out.into_metrics());
        } else {
            out.finish()?;
        }
        self.report.end()
    }

    /// The saved files, with those of a sosreport's folder in its place.
    fn saved(&mut self) -> Result<Files, Error> {
        let mut files = Files::default();
        let reader = reader(self.applet, &self.common.style);
        for path in &self.common.from {
            if sys::is_directory(path) {
                sys::refuse_borrowed_rights("--from")?;
                let found = Folder::open(path)?.files(reader, HOST)?;
                found.skipped.iter().for_each(|text| self.report.note(text));
                files.paths.extend(found.paths);
                files.empty.extend(found.empty);
                files.commands.extend(found.commands);
            } else if self.common.style.by_namespace {
                return Err(Error::usage("--from", cli::NOT_WITH_NETNS));
            } else {
                files.paths.push(path.clone());
            }
        }
        Ok(files)
    }

    /// What the run reads, after it has entered the namespace of `--netns`.
    pub(crate) fn source(&mut self) -> Result<Source, Error> {
        if let Some(netns) = &self.common.netns {
            sys::enter_network_namespace(netns)?;
        }
        let Common { root, netns, from, style, .. } = &self.common;
        let (root, tree_of) = match root {
            Some(root) => {
                sys::refuse_borrowed_rights("--root")?;
                (Some(root.clone()), "--root")
            }
            None if netns.is_some() || style.by_namespace || !from.is_empty() => (None, ""),
            None => (root_of_environment()?, ROOT),
        };
        let (kernel, Files { paths: saved, empty, commands, .. }) =
            (Kernel::new(root)?, self.saved()?);
        let threads = self.common.threads.unwrap_or_default();
        let byte_order = self.common.byte_order.unwrap_or_default();
        let (applet, command) = (self.applet, self.common.from_command.unwrap_or_default());
        let source = Source {
            kernel,
            saved,
            empty,
            applet,
            columns: self.columns.iter().map(known).collect(),
            command,
            commands,
            tree_of,
            threads,
            byte_order,
            ..Source::default()
        };
        if source.is_live() && self.common.byte_order.is_some() {
            return Err(Error::usage("--byte-order", "needs --from or --root"));
        }
        Ok(source)
    }
}

/// What the reader of saved rows must know of a column.
fn known(column: &Column) -> rows::Column {
    let role = match column.kind {
        Kind::Fixed => rows::Role::Name,
        Kind::Gauge | Kind::Counter => rows::Role::Number,
        Kind::Label => rows::Role::Other,
    };
    rows::Column { name: column.name, role }
}

/// Who reads the folders of sosreports.
fn reader(applet: &'static str, style: &Style) -> Reader {
    Reader { applet, is_of_expectations: style.subject == Subject::Expectations }
}

/// Takes one snapshot of each network namespace that the folders of sosreports have text of.
fn saved_namespaces(
    from: &[PathBuf],
    reader: Reader,
    table: &mut dyn Table,
    Sample { source, out, report }: Sample<'_>,
) -> Result<(), Error> {
    for path in from {
        let folder = Folder::open(path)?;
        for namespace in folder.namespaces() {
            let found = folder.files(reader, &namespace).and_then(|files| {
                let Files { paths: saved, empty, commands, skipped } = files;
                skipped.iter().for_each(|text| report.note(text));
                out.enter(namespace, None)?;
                let words = Words::of_one().into();
                let source = &Source { saved, empty, commands, words, ..source.clone() };
                table.part(Sample { source, out, report })
            });
            // A namespace without any text of what the applet reads, or with a broken one, is missing from the answer.
            match found {
                Err(error) if error.status() == Status::Failed => report.left_out(&error),
                found => found?,
            }
        }
    }
    out.leave()?;
    table.total(Sample { source, out, report })
}

/// The directory that the environment names instead of the running kernel.
fn root_of_environment() -> Result<Option<PathBuf>, Error> {
    let root = sys::environment(ROOT).map(PathBuf::from);
    root.map(|root| sys::refuse_borrowed_rights(ROOT).map(|()| root)).transpose()
}

/// The moment of the first snapshot after `now`: counted from the start, so that no delay adds up. Those that have passed
/// meanwhile are skipped: made up for, they would all tell of the same moment.
pub(crate) fn next_moment(start: Duration, interval: Duration, now: Duration) -> Duration {
    let interval = interval.as_nanos().max(1);
    let passed = now.saturating_sub(start).as_nanos() / interval;
    let elapsed = interval.saturating_mul(passed + 1);
    start.saturating_add(Duration::from_nanos(u64::try_from(elapsed).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missed_moments_are_skipped() {
        let [start, interval] = [100, 10].map(Duration::from_secs);
        for (now, next) in [(99, 110), (100, 110), (109, 110), (110, 120), (137, 140), (140, 150)] {
            let found = next_moment(start, interval, Duration::from_secs(now));
            assert_eq!(found, Duration::from_secs(next), "{now}");
        }
        // No interval divides by zero, and none is beyond the end of time.
        assert!(next_moment(start, Duration::ZERO, start) > start);
        assert_eq!(
            next_moment(start, Duration::MAX, start),
            start + Duration::from_nanos(u64::MAX)
        );
    }
}
