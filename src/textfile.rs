//! `connbox --textfile`: writes several applets to one file, for node_exporter's textfile collector.

use std::ffi::{OsStr, OsString};
use std::fmt::Display;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use rustix::io::Errno;

use crate::applet;
use crate::cli::Original;
use crate::error::{Error, Status, reason};
use crate::frame::{Applet, Call, Say};
use crate::out::{Column, Exposition, Metrics};
use crate::source::flows::conntrack;
use crate::sys::netns::NetworkNamespace;
use crate::sys::{self, AtomicFile, Kernel};

/// The metrics about the collection itself.
pub const COLUMNS: [Column; 5] = [
    Column::label("applet", "the applet"),
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

/// What is collected by default; the numbers of conntrack are added where they exist.
pub const DEFAULT: [&[&str]; 4] =
    [&["tcpstates"], &["sockstat", "--limits"], &["snmpget-tcp"], &["conncount"]];

/// Without options, this part is not the applet of the same name.
const CONNTRACK: &str = "conntrack";

/// Writes the numbers of several applets to one file: `FILE [APPLET OPTIONS [+ APPLET OPTIONS …]]`. An
/// applet that fails is reported and does not affect the others.
///
/// # Errors
/// If the command line is wrong, the file cannot be written, or an applet failed.
pub fn textfile(operands: &[OsString], say: Say) -> Result<(), Error> {
    let (file, words) = operands.split_first().ok_or_else(|| fault("needs a file"))?;
    let file = Path::new(file);
    check(file)?;
    let mut collection = Collection::new(say);
    for part in parts(words)? {
        collection.collect(&part)?;
    }
    let is_troubled = collection.runs.iter().any(|run| !run.is_good);
    write(file, &collection.text())?;
    if is_troubled { Err(Error::Said) } else { Ok(()) }
}

fn fault(reason: impl Display) -> Error {
    Error::usage("--textfile", reason)
}

/// Refuses file names that node_exporter would not read. A pipe or device may have any name.
fn check(file: &Path) -> Result<(), Error> {
    let name = file.as_os_str().as_bytes();
    if name.starts_with(b"-") {
        return Err(fault(format_args!("needs a file, and '{}' is an option", file.display())));
    }
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
struct Part {
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

/// The parts between the words `+`.
fn parts(words: &[OsString]) -> Result<Vec<Part>, Error> {
    if words.is_empty() {
        let mut parts = Vec::with_capacity(DEFAULT.len() + 1);
        for words in DEFAULT {
            parts.push(part(&words.iter().map(OsString::from).collect::<Vec<_>>())?);
        }
        let what = What::Conntrack { is_wanted: false };
        parts.push(Part { what, arguments: Vec::new() });
        return Ok(parts);
    }
    words.split(|word| word == "+").map(part).collect()
}

fn part(words: &[OsString]) -> Result<Part, Error> {
    let (name, arguments) =
        words.split_first().ok_or_else(|| fault("+ must stand between two applets"))?;
    let what = match applet::find(&name.to_string_lossy()) {
        // The applet needs a command; `conntrack` alone stands for the two numbers that every user may
        // read.
        Some(_) if name == CONNTRACK && arguments.is_empty() => What::Conntrack { is_wanted: true },
        Some(applet) => What::Applet(applet),
        None => return Err(applet::unknown(name)),
    };
    Ok(Part { what, arguments: arguments.to_vec() })
}

/// The result of an applet, over all its parts.
struct Run {
    name: &'static str,
    took: Duration,
    is_good: bool,
}

/// What has been collected so far.
struct Collection {
    say: Say,
    home: Option<NetworkNamespace>,
    exposition: Exposition,
    runs: Vec<Run>,
}

impl Collection {
    fn new(say: Say) -> Collection {
        let home = NetworkNamespace::own().ok();
        Collection { say, home, exposition: Exposition::default(), runs: Vec::new() }
    }

    /// Collects one part.
    ///
    /// # Errors
    /// Its arguments are wrong, or the process cannot return from its network namespace.
    fn collect(&mut self, part: &Part) -> Result<(), Error> {
        let start = sys::monotonic();
        let (name, metrics, mut is_good) = match &part.what {
            What::Applet(applet) => {
                let (metrics, is_good) = self.run(applet, &part.arguments)?;
                (applet.name, metrics, is_good)
            }
            What::Conntrack { is_wanted } => match conntrack(*is_wanted) {
                Ok(None) => return Ok(()),
                Ok(Some(metrics)) => (CONNTRACK, metrics, true),
                Err(error) => {
                    self.say(CONNTRACK, &error);
                    (CONNTRACK, Metrics::default(), false)
                }
            },
        };
        let repeated = self.exposition.add(metrics);
        if let Some(error) = repetition(&repeated) {
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
        let mut call = Call::collecting(arguments.to_vec(), applet, self.say);
        let result = (applet.run)(&mut call);
        if call.common().netns.is_some() {
            self.go_home()?;
        }
        match result {
            Err(error) if !call.is_understood() => Err(misunderstood(applet, error)),
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
    fn is_good(&self, applet: &Applet, result: &Result<(), Error>) -> bool {
        let Err(Error::Ended(status)) = result else { return result.is_ok() };
        let is_failure = |original: &Original| *status == Status::Of(original.status_of_failure);
        let is_failure = applet.original.is_some_and(is_failure);
        if is_failure {
            let reason = format_args!(
                "ended with status {}: its numbers may be incomplete",
                status.number()
            );
            self.say(applet.name, &Error::failed("--textfile", reason));
        }
        !is_failure
    }

    fn go_home(&self) -> Result<(), Error> {
        let home = self.home.as_ref().ok_or(Errno::NOENT);
        home.and_then(NetworkNamespace::enter)
            .map_err(|error| Error::system("the return from --netns", error))
    }

    fn say(&self, name: &str, error: &Error) {
        if let Error::Fault { text, .. } = error {
            (self.say)(name, text);
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

    /// The text of all parts, and the result of each applet.
    fn text(mut self) -> Vec<u8> {
        let mut own = Metrics::default();
        let [label, .., seconds, success] = COLUMNS;
        for run in &self.runs {
            let labels = [(label.name, run.name)];
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
        Error::Help | Error::Version => {
            (Status::Usage, b"--help and --version cannot be combined with --textfile".to_vec())
        }
        other => return other,
    };
    let text = [applet.name.as_bytes(), b": ", &text].concat();
    Error::Fault { status, text }
}

/// The error for repeated series.
fn repetition(repeated: &[Vec<u8>]) -> Option<Error> {
    let (first, others) = repeated.split_first()?;
    let more = match others.len() {
        0 => String::new(),
        more => format!(", as are {more} others"),
    };
    Some(Error::failed(first, format_args!("is already given by another part{more}")))
}

/// The number of tracked flows and its limit; `None` if connection tracking is not active and the numbers
/// are not `is_wanted` (net/netfilter/nf_conntrack_standalone.c).
fn conntrack(is_wanted: bool) -> Result<Option<Metrics>, Error> {
    let kernel = Kernel::new(sys::environment("CONNBOX_ROOT").map(Into::into))?;
    let Some(fill) = conntrack::fill_of_proc(&kernel) else {
        let file = kernel.sysctl_path(conntrack::COUNT_FILE);
        let error = Error::of_file(&file, "cannot be read: connection tracking is not active here");
        return if is_wanted { Err(error) } else { Ok(None) };
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
    let out = AtomicFile::create(file).map_err(|error| match error {
        Errno::NOENT | Errno::NOTDIR => in_directory(&"no such directory"),
        Errno::ACCESS | Errno::PERM | Errno::ROFS => in_directory(&format_args!(
            "{} (a temporary file is written here, then renamed)",
            reason(error)
        )),
        error => Error::system(name, error),
    })?;
    out.write(text).and_then(|()| out.finish()).map_err(|error| match error {
        Errno::PIPE => Error::ClosedPipe,
        error => Error::system(name, error),
    })
}
