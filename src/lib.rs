//! connbox: count and watch network connections on Linux, one multicall binary.
//!
//! # The map
//!
//! ```text
//! main, lib                  dispatch; the only stderr, the only exit status
//!   doc, install             people: help, man pages, completions, links    (read the applet table)
//!   textfile                 several applets into one file, for Prometheus
//!     applet                 what the user runs, and the one table of it: one applet, one file or folder
//!       measure              numbers with scope and meaning, which several applets show
//!         select             which rows, in which groups: filter options, keys, what is known of a socket
//!       flow                 the text of conntrack-tools, what flows are shown as, and their export
//!           frame            what runs an applet: Applet, Call, Table, Report
//!             cli   out      words in, rows out
//!               source       where facts come from: sockets, flows, packets, processes, files
//!                 track      what follows from facts over time       (pure)
//!                 capture_filter   the expressions of pcap-filter(7) (pure)
//!                   model    what the facts are                      (pure)
//!                 wire       bytes to fields                         (pure)
//!                   sys      the kernel, and all that is unsafe
//!                     error  what can go wrong, and the exit statuses
//! ```
//!
//! A line uses only lines below it, and of these only the ones that `ARROWS` in `tests/house/tidy.rs` lists
//! for it (`flow` does not use `frame`, nor `track` the `wire`); a test holds that. Data flows one way: kernel bytes → `wire`
//! views → `model` values → a closure of the applet → `out::Out::row`. A newcomer's route: the
//! applet's file in `src/applet/`, `tests/transcripts/<name>.txt`, `man/connbox-<name>.1`. To add an
//! applet: its file, one `mod` line, one entry in `applet::APPLETS`; help, man page, completions,
//! schema and tests follow from that entry.
//!
//! The library exists so that tests, benches and fuzz targets reach the parsers; it promises
//! nothing to other crates.

// What no other crate reaches says so.
#![warn(unreachable_pub)]

// Hidden: tests, benches and fuzz targets reach them, other crates have no business here.
#[doc(hidden)]
pub mod applet;
#[doc(hidden)]
pub mod capture_filter;
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod doc;
#[doc(hidden)]
pub mod error;
#[doc(hidden)]
pub mod flow;
#[doc(hidden)]
pub mod frame;
mod install;
#[doc(hidden)]
pub mod measure;
#[doc(hidden)]
pub mod model;
#[doc(hidden)]
pub mod out;
mod select;
#[doc(hidden)]
pub mod source;
#[doc(hidden)]
pub mod sys;
#[doc(hidden)]
pub mod textfile;
#[doc(hidden)]
pub mod track;
#[doc(hidden)]
pub mod wire;

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use doc::{BOX_OPTIONS, BoxTask};
use error::{Error, Status};
use frame::{Applet, Call};

/// Runs the program with its arguments, its own name first, and gives the exit status.
pub fn main(arguments: Vec<OsString>) -> i32 {
    sys::prepare_process();
    let mut arguments = arguments.into_iter();
    let own = arguments.next().unwrap_or_default();
    let rest: Vec<OsString> = arguments.collect();
    let name = Path::new(&own).file_name().unwrap_or(&own).to_string_lossy().into_owned();
    // A renamed binary (connbox-0.1, connbox.static) is still the box.
    let status = match applet::find(&name) {
        Some(applet) => run(applet, rest),
        None if name.starts_with("connbox") => the_box(rest),
        None => no_applet(&name),
    };
    status.number()
}

/// Runs one applet and reports how it ended.
fn run(applet: &'static Applet, arguments: Vec<OsString>) -> Status {
    let mut call = Call::new(arguments, applet, say);
    let result = (applet.run)(&mut call);
    call.report.foreign();
    let is_asked = matches!(result, Err(Error::Help | Error::ShortHelp | Error::Version));
    let result = match result {
        Err(Error::Help) => sys::write_stdout(doc::help::applet(applet).as_bytes()),
        Err(Error::ShortHelp) => sys::write_stdout(doc::help::short(applet).as_bytes()),
        Err(Error::Version) => version(),
        result => result,
    };
    let status = report(applet.name, result);
    // An applet that bears the name of an existing tool keeps that tool's statuses.
    match (applet.original, status) {
        (Some(original), Status::Done) if is_asked => Status::Of(original.status_of_help),
        (Some(original), Status::Failed) => Status::Of(original.status_of_failure),
        (Some(original), Status::Usage | Status::NotThere) => Status::Of(original.status_of_usage),
        (_, status) => status,
    }
}

/// Runs the box itself: `connbox APPLET …` or one of its options.
fn the_box(mut arguments: Vec<OsString>) -> Status {
    if arguments.is_empty() {
        return report("connbox", sys::write_stdout(doc::help::the_box().as_bytes()));
    }
    let word = arguments.remove(0);
    let text = word.to_string_lossy().into_owned();
    match applet::find(&text) {
        Some(applet) => run(applet, arguments),
        None if text.starts_with('-') || text == "help" => {
            report("connbox", box_option(&text, &arguments))
        }
        None => no_applet(&text),
    }
}

fn box_option(word: &str, operands: &[OsString]) -> Result<(), Error> {
    match (word, operands) {
        ("help", [name, ..]) => return help(name),
        ("--help" | "-h", [name]) if applet::find(&name.to_string_lossy()).is_some() => {
            return help(name);
        }
        _ => {}
    }
    let name = if word == "help" { "--help" } else { word };
    let Some(option) = BOX_OPTIONS.iter().find(|option| option.is_called(name)) else {
        let known = BOX_OPTIONS.iter().map(|option| option.name);
        let hint = match cli::hint(word, known) {
            _ if word == "--interval" || word.starts_with("--textfile=") => {
                "; its form is: connbox --textfile [--interval SECONDS] FILE".to_owned()
            }
            hint if hint.is_empty() => "; --help lists them".to_owned(),
            hint => hint,
        };
        return Err(Error::usage(word, format!("no such option{hint}")));
    };
    let text = match (option.task, operands) {
        (BoxTask::Textfile, operands) => match textfile::textfile(operands, say) {
            Err(Error::Help) => doc::help::the_box(),
            result => return result,
        },
        (BoxTask::Install, operands) => return links(install::install, operands),
        (BoxTask::Uninstall, operands) => return links(install::uninstall, operands),
        (BoxTask::Completions, [shell]) => completions(shell)?,
        (BoxTask::Completions, _) => {
            let shells = doc::completions::SHELLS.join(", ");
            return Err(Error::usage("--completions", format_args!("needs one of {shells}")));
        }
        (BoxTask::Man, [page]) => man(page)?,
        (BoxTask::Man, []) => doc::man::the_box(),
        (BoxTask::Help, []) => doc::help::the_box(),
        (BoxTask::List, []) => doc::help::list(),
        (BoxTask::Version, []) => return version(),
        (BoxTask::Man | BoxTask::Help | BoxTask::List | BoxTask::Version, _) => {
            return Err(Error::usage(word, "too many operands"));
        }
    };
    sys::write_stdout(text.as_bytes())
}

fn version() -> Result<(), Error> {
    sys::write_stdout(version_line(option_env!("CONNBOX_COMMIT")).as_bytes())
}

/// Name, version, and the commit, if the build was given one.
fn version_line(commit: Option<&str>) -> String {
    let commit = commit.filter(|commit| !commit.is_empty());
    let commit = commit.map(|commit| format!(" ({commit})")).unwrap_or_default();
    format!("connbox {}{commit}\n", env!("CARGO_PKG_VERSION"))
}

/// Makes or removes links: the report goes to standard output, trouble to standard error.
fn links(
    task: fn(&[OsString], install::Tell<'_>) -> Result<(), Error>,
    operands: &[OsString],
) -> Result<(), Error> {
    let mut text = String::new();
    let result = task(operands, &mut |is_trouble, line| {
        if is_trouble {
            say("connbox", line);
        } else {
            text += &error::visible(line);
            text.push('\n');
        }
    });
    let written = sys::write_stdout(text.as_bytes());
    result.and(written)
}

fn help(name: &OsStr) -> Result<(), Error> {
    match applet::find(&name.to_string_lossy()) {
        Some(applet) => sys::write_stdout(doc::help::applet(applet).as_bytes()),
        None => Err(applet::unknown(name)),
    }
}

fn man(page: &OsStr) -> Result<String, Error> {
    let name = page.to_string_lossy();
    let name = name.strip_suffix(".1").or(name.strip_suffix(".7")).unwrap_or(&name);
    match name.strip_prefix("connbox").map(|rest| rest.strip_prefix('-').unwrap_or(rest)) {
        Some("") => return Ok(doc::man::the_box()),
        Some("from") => return Ok(doc::man::saved_text()),
        Some(name) => applet::find(name),
        None => applet::find(name),
    }
    .map(doc::man::applet)
    .ok_or_else(|| match &*name {
        "from" => Error::of(
            Status::NoApplet,
            b"from",
            format_args!("no such applet; did you mean connbox-from?"),
        ),
        _ => applet::unknown(page),
    })
}

fn completions(shell: &OsStr) -> Result<String, Error> {
    doc::completions::script(&shell.to_string_lossy()).ok_or_else(|| {
        let shells = doc::completions::SHELLS.join(", ");
        Error::usage(
            shell.as_bytes(),
            format_args!("no completions for this shell, only for {shells}"),
        )
    })
}

fn no_applet(name: &str) -> Status {
    report("connbox", Err(applet::unknown(OsStr::new(name))))
}

/// Says how a run ended, if there is something to say, and gives its status.
fn report(name: &str, result: Result<(), Error>) -> Status {
    let Err(error) = result else { return Status::Done };
    if let Error::Fault { text, .. } = &error {
        say(name, text);
    }
    error.status()
}

/// Writes `name: text`, or `text` alone without a name, to standard error in one write, with everything made visible
/// that a terminal would not show.
fn say(name: &str, text: &[u8]) {
    let mut line = error::visible(name.as_bytes());
    if !name.is_empty() {
        line.push_str(": ");
    }
    line.push_str(&error::visible(text));
    line.push('\n');
    sys::write_stderr(line.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_has_the_commit_of_the_build() {
        let plain = concat!("connbox ", env!("CARGO_PKG_VERSION"), "\n");
        assert_eq!(version_line(None), plain);
        assert_eq!(version_line(Some("")), plain);
        assert_eq!(version_line(Some("0a1b2c3")), plain.replace('\n', " (0a1b2c3)\n"));
    }
}
