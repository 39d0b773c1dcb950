//! `connbox --textfile`: writes several applets to one file, for node_exporter's textfile collector.

mod head;

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use head::{Head, head};
use rustix::io::Errno;

use crate::applet;
use crate::cli::Original;
use crate::error::{Error, Status, reason};
use crate::frame::{Applet, Call, Say, next_moment};
use crate::out::{Column, Exposition, Metrics};
use crate::source::flows::conntrack;
use crate::sys::netns::NetworkNamespace;
use crate::sys::{self, AtomicFile, Kernel, PathError};

/// The metrics about the collection itself.
pub const COLUMNS: [Column; 6] = [
    Column::label("applet", "the applet"),
    Column::label("file", "the path of the file"),
    ENTRIES,
    LIMIT,
    Column::gauge("seconds", "collect_seconds", "how long the applet took, in seconds"),
    Column::gauge(
        "success",
        "collect_success",
        "whether the applet delivered everything it was asked for",
    ),
];
const ENTRIES: Column =
    Column::gauge("entries", "conntrack_entries", "flows that the kernel tracks in the namespace");
const LIMIT: Column =
    Column::gauge("limit", "conntrack_entries_limit", "how many it tracks at most");

/// What is collected by default; the numbers of conntrack are added where they exist. On a machine with
/// containers conncount would warn every minute, and cron mail that.
pub const DEFAULT: [&[&str]; 4] =
    [&["tcpstates"], &["sockstat", "--limits"], &["snmpget-tcp"], &["conncount", "--quiet-gaps"]];

/// Without options, it is not the applet of the same name.
const CONNTRACK: &str = "conntrack";

/// Writes the numbers of several applets to one file, once or every so many seconds:
/// `[--interval SECONDS] [--quiet-gaps] FILE [APPLET OPTIONS [+ APPLET OPTIONS …]]`. An applet that fails is reported
/// and does not affect the others.
///
/// # Errors
/// If the command line is wrong or asks for help, the file cannot be written, or an applet failed in the only run.
pub fn textfile(operands: &[OsString], say: Say) -> Result<(), Error> {
    let Head { interval, accepts_gaps, file, words } = head(operands)?;
    let file = Path::new(&file);
    sys::refuse_borrowed_rights(file.as_os_str().as_bytes())?;
    check(file)?;
    let (sections, start) = (sections(&words)?, sys::monotonic());
    let mut messages = Messages { say, before: Vec::new(), now: Vec::new() };
    let mut is_first = true;
    loop {
        let mut collection = Collection::new(&mut messages, accepts_gaps, is_first);
        for section in &sections {
            collection.collect(section)?;
        }
        let is_troubled = collection.runs.iter().any(|run| !run.is_good);
        write(file, &collection.text(file))?;
        messages.before = std::mem::take(&mut messages.now);
        is_first = false;
        match interval {
            Some(interval) => sys::sleep_until(next_moment(start, interval, sys::monotonic())),
            None if is_troubled => return Err(Error::Said),
            None => break,
        }
    }
    Ok(())
}

fn fault(reason: impl Display) -> Error {
    Error::usage("--textfile", reason)
}

/// What is said on standard error. A message that the writing before gave, too, is not repeated.
struct Messages {
    say: Say,
    before: Vec<(String, Vec<u8>)>,
    now: Vec<(String, Vec<u8>)>,
}

impl Messages {
    fn tell(&mut self, name: &str, text: &[u8]) {
        let message = (name.to_owned(), text.to_vec());
        if !self.before.contains(&message) {
            (self.say)(name, text);
        }
        self.now.push(message);
    }
}

/// Refuses file names that node_exporter would not read. A pipe or device may have any name.
fn check(file: &Path) -> Result<(), Error> {
    let name = file.as_os_str().as_bytes();
    if file.is_dir() {
        return Err(Error::usage(name, "is a directory: name a file in it, such as connbox.prom"));
    }
    let is_special = file.exists() && !file.is_file();
    if !is_special && file.extension() != Some(OsStr::new("prom")) {
        return Err(Error::usage(name, "must end in .prom: node_exporter reads no other file"));
    }
    Ok(())
}

/// One applet, or the numbers of conntrack.
struct Section {
    what: What,
    arguments: Vec<OsString>,
}

enum What {
    Applet(&'static Applet),
    Conntrack {
        /// Whether it was asked for.
        is_wanted: bool,
    },
}

/// The sections between the words `+`.
fn sections(words: &[OsString]) -> Result<Vec<Section>, Error> {
    if words.is_empty() {
        let mut sections = Vec::with_capacity(DEFAULT.len() + 1);
        for words in DEFAULT {
            sections.push(section(&words.iter().map(OsString::from).collect::<Vec<_>>())?);
        }
        let what = What::Conntrack { is_wanted: false };
        sections.push(Section { what, arguments: Vec::new() });
        return Ok(sections);
    }
    let parts: Vec<&[OsString]> = words.split(|word| word == "+").collect();
    let sections = parts.iter().map(|words| section(words)).collect::<Result<_, Error>>()?;
    let twice = (0..parts.len()).find(|place| parts[..*place].contains(&parts[*place]));
    match twice.and_then(|place| parts[place].first()) {
        Some(name) => {
            Err(fault(format_args!("{} is given twice with the same words", name.display())))
        }
        None => Ok(sections),
    }
}

fn section(words: &[OsString]) -> Result<Section, Error> {
    let (name, arguments) =
        words.split_first().ok_or_else(|| fault("+ must stand between two applets"))?;
    let what = match applet::find(&name.to_string_lossy()) {
        // The applet needs a command; `conntrack` alone stands for the two numbers that every user may
        // read.
        Some(_) if name == CONNTRACK && arguments.is_empty() => What::Conntrack { is_wanted: true },
        Some(applet) => What::Applet(applet),
        None => return Err(applet::unknown(name)),
    };
    Ok(Section { what, arguments: arguments.to_vec() })
}

/// The result of an applet, over all its sections.
struct Run {
    name: &'static str,
    took: Duration,
    is_good: bool,
}

/// What has been collected so far.
struct Collection<'a> {
    messages: &'a mut Messages,
    accepts_gaps: bool,
    /// Whether nothing was written before. Later, what the command line names may have gone, as a user has.
    is_first: bool,
    home: Option<NetworkNamespace>,
    exposition: Exposition,
    runs: Vec<Run>,
}

impl Collection<'_> {
    fn new(messages: &mut Messages, accepts_gaps: bool, is_first: bool) -> Collection<'_> {
        let (home, exposition) = (NetworkNamespace::own().ok(), Exposition::default());
        Collection { messages, accepts_gaps, is_first, home, exposition, runs: Vec::new() }
    }

    /// Collects one section.
    ///
    /// # Errors
    /// Its arguments are wrong, or the process cannot return from its network namespace.
    fn collect(&mut self, section: &Section) -> Result<(), Error> {
        let start = sys::monotonic();
        let (name, metrics, mut is_good) = match &section.what {
            What::Applet(applet) => {
                let (metrics, is_good) = self.run(applet, &section.arguments)?;
                (applet.name, metrics, is_good)
            }
            What::Conntrack { is_wanted } => match conntrack(*is_wanted) {
                Ok(None) => return Ok(()),
                Ok(Some(metrics)) => (CONNTRACK, metrics, true),
                Err(_) if self.accepts_gaps && !is_wanted => return Ok(()),
                Err(error) => {
                    self.say(CONNTRACK, &error);
                    (CONNTRACK, Metrics::default(), false)
                }
            },
        };
        let repeated = self.exposition.add(metrics);
        if let Some(error) = repetition(&repeated, name) {
            self.say(name, &error);
            is_good = false;
        }
        self.note(name, sys::monotonic().saturating_sub(start), is_good);
        Ok(())
    }

    /// Runs an applet: returns its samples, and whether they are complete.
    fn run(
        &mut self,
        applet: &'static Applet,
        arguments: &[OsString],
    ) -> Result<(Metrics, bool), Error> {
        let quiet = self.accepts_gaps.then(|| OsString::from("--quiet-gaps"));
        let arguments = quiet.into_iter().chain(arguments.iter().cloned()).collect();
        let mut call = Call::collecting(arguments, applet, self.messages.say);
        let result = (applet.run)(&mut call);
        call.report.foreign();
        for (name, text) in call.report.kept.take().into_iter().flatten() {
            self.messages.tell(name, &text);
        }
        if call.common().netns.is_some() {
            self.go_home()?;
        }
        let is_wrong = |error: &Error| match error.status() {
            Status::Usage => self.is_first,
            _ => !call.is_understood(),
        };
        match result {
            Err(error) if is_wrong(&error) => Err(misunderstood(applet, error)),
            Err(error @ Error::Fault { .. }) => {
                self.say(applet.name, &error);
                Ok((Metrics::default(), false))
            }
            // Errors were printed already; the rest is valid.
            result => match call.into_metrics() {
                Some(metrics) => Ok((metrics, self.is_good(applet, &result))),
                None => {
                    self.say(applet.name, &Error::failed("--textfile", "gives no samples"));
                    Ok((Metrics::default(), false))
                }
            },
        }
    }

    /// Whether an applet that gave samples gave all of them. A check that raises an alert did; one with the
    /// status of a failure did not, and may not have said so.
    fn is_good(&mut self, applet: &Applet, result: &Result<(), Error>) -> bool {
        let Err(Error::Ended(status)) = result else { return result.is_ok() };
        let is_failure = |original: &Original| *status == Status::Of(original.status_of_failure);
        let is_failure = applet.original.is_some_and(is_failure);
        if is_failure {
            let error = Error::failed(
                "--textfile",
                format_args!(
                    "ended with status {}: its numbers may be incomplete",
                    status.number()
                ),
            );
            self.say(applet.name, &error);
        }
        !is_failure
    }

    fn go_home(&self) -> Result<(), Error> {
        let home = self.home.as_ref().ok_or(Errno::NOENT);
        home.and_then(NetworkNamespace::enter)
            .map_err(|error| Error::system("the return from --netns", error))
    }

    fn say(&mut self, name: &str, error: &Error) {
        if let Error::Fault { text, .. } = error {
            self.messages.tell(name, text);
        }
    }

    fn note(&mut self, name: &'static str, took: Duration, is_good: bool) {
        match self.runs.iter_mut().find(|run| run.name == name) {
            Some(run) => {
                run.took += took;
                run.is_good &= is_good;
            }
            None => self.runs.push(Run { name, took, is_good }),
        }
    }

    /// The text of all sections, and the result of each applet in this file. Two files in one directory must
    /// not have equal series: node_exporter drops those of the second in silence, and with them its failures.
    fn text(mut self, file: &Path) -> Vec<u8> {
        let mut own = Metrics::default();
        let [applet, path, .., seconds, success] = COLUMNS;
        let file = std::path::absolute(file).unwrap_or_else(|_| file.to_path_buf());
        for run in &self.runs {
            let labels =
                [(applet.name, run.name.as_bytes()), (path.name, file.as_os_str().as_bytes())];
            own.number(&seconds, &labels, format_args!("{:.6}", run.took.as_secs_f64()));
            own.number(&success, &labels, u8::from(run.is_good));
        }
        self.exposition.add(own);
        self.exposition.text()
    }
}

/// The error for invalid arguments; nothing is then written.
fn misunderstood(applet: &Applet, error: Error) -> Error {
    let (status, text) = match error {
        Error::Fault { status, text } => (status, text),
        Error::Help | Error::ShortHelp | Error::Version => {
            (Status::Usage, b"--help and --version cannot be combined with --textfile".to_vec())
        }
        other => return other,
    };
    let text = [applet.name.as_bytes(), b": ", &text].concat();
    Error::Fault { status, text }
}

/// The error for repeated series.
fn repetition(repeated: &[Vec<u8>], applet: &str) -> Option<Error> {
    let (first, others) = repeated.split_first()?;
    let more = match others.len() {
        0 => String::new(),
        more => format!(", as are {more} others"),
    };
    // Filters are no labels.
    let cure = match applet {
        "conncount" | "tcpstates" => {
            "; for several filters: network-connections --rule '[state=established]' --rule '[state=listen]'"
        }
        _ => "",
    };
    Some(Error::failed(first, format_args!("is already given by another part{more}{cure}")))
}

/// The number of tracked flows and its limit; `None` if connection tracking is not active and the numbers
/// are not `is_wanted` (net/netfilter/nf_conntrack_standalone.c). Where /proc does not tell, the kernel is asked.
fn conntrack(is_wanted: bool) -> Result<Option<Metrics>, Error> {
    let kernel = Kernel::new(sys::environment("CONNBOX_ROOT").map(Into::into))?;
    let refusal = |reason| Error::of_file(&kernel.sysctl_path(conntrack::COUNT_FILE), reason);
    let fill = match conntrack::fill_of_proc(&kernel) {
        Some(fill) => fill,
        None if conntrack::is_off(&kernel) && !is_wanted => return Ok(None),
        None if conntrack::is_off(&kernel) => {
            return Err(refusal("cannot be read: connection tracking is not active here"));
        }
        None if kernel.is_live() => {
            let mut kernel = conntrack::open()?;
            conntrack::fill(&mut kernel)?
        }
        None => {
            return Err(refusal("does not exist: whether connections are tracked is not known"));
        }
    };
    let mut metrics = Metrics::default();
    metrics.number(&ENTRIES, &[], fill.entries);
    // 0 means no limit.
    if let Some(limit) = fill.limit.filter(|limit| *limit > 0) {
        metrics.number(&LIMIT, &[], limit);
    }
    Ok(Some(metrics))
}

/// Writes the complete file or nothing.
fn write(file: &Path, text: &[u8]) -> Result<(), Error> {
    let name = file.as_os_str().as_bytes();
    let directory = match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let in_directory = |why: &dyn Display| Error::failed(directory.as_os_str().as_bytes(), why);
    let written = AtomicFile::create(file).and_then(|mut out| {
        out.write(text)?;
        Ok(out.finish()?)
    });
    written.map_err(|error| match error {
        PathError::System(Errno::NOENT | Errno::NOTDIR) => in_directory(&"no such directory"),
        PathError::System(error @ (Errno::ACCESS | Errno::PERM | Errno::ROFS)) => in_directory(
            &format_args!("{} (a temporary file is written here, then renamed)", reason(error)),
        ),
        error => error.at(name),
    })
}
