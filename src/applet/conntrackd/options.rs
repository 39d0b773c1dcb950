//! The command line of `conntrackd`.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::EXPECT;
use super::layout::{TOPICS, topic};
use super::log_rows::Form;
use crate::cli::{self, Opt, OptDoc};

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Be the daemon, in the background if so.
    Run { is_background: bool },
    /// Show the statistics of a topic.
    Statistics(&'static str),
    /// Show the flows, or expectations.
    Flows(&'static str),
    /// Show what other machines would have sent: nothing.
    External,
    /// Compare with the kernel's table.
    Resync,
    /// End the daemon.
    Stop,
}

/// What the command line says.
#[derive(Debug, Default)]
pub struct Args {
    pub actions: Vec<Action>,
    pub is_xml: bool,
    pub config: Option<PathBuf>,
    pub socket: Option<PathBuf>,
    pub limit: Option<usize>,
    pub log: Option<PathBuf>,
    pub form: Option<Form>,
    pub reconcile_seconds: Option<u32>,
}

/// Why what changes something is refused.
const LOOKS: &str = "connbox only looks: this would change the kernel's table or another machine's";
/// Why -f is.
const CACHE: &str =
    "connbox only looks, and its cache is true: -R compares it with the kernel's table";

const TABLES: [&str; 2] = ["ct", EXPECT];
const FORMS: [(&str, Form); 3] =
    [("conntrackd", Form::Original), ("json", Form::Json), ("tsv", Form::Tsv)];

pub const OPTIONS: [Opt<Args>; 20] = [
    Opt::<Args>::switch("daemon", "run as a daemon in the background", |args| {
        args.actions.push(Action::Run { is_background: true });
    })
    .short('d'),
    Opt::switch("foreground", "run as a daemon in the foreground, for systemd", |args| {
        args.actions.push(Action::Run { is_background: false });
    }),
    Opt::<Args>::value("config", "FILE", "read a conntrackd.conf", |args, value| {
        args.config = Some(value.into());
        Ok(())
    })
    .short('C'),
    Opt::<Args>::optional("stats", "[TOPIC]", &TOPICS, "show the statistics", |args, value| {
        let word = value.map_or("ct", |value| value.to_str().unwrap_or_default());
        let topic =
            topic(word).ok_or_else(|| format!("'{word}' is none of {}", TOPICS.join(", ")))?;
        args.actions.push(Action::Statistics(topic));
        Ok(())
    })
    .short('s'),
    Opt::<Args>::optional(
        "internal",
        "[TABLE]",
        &TABLES,
        "show the flows it knows",
        |args, value| {
            let table = table(value)?;
            args.actions.push(Action::Flows(table));
            Ok(())
        },
    )
    .short('i'),
    Opt::<Args>::optional(
        "external",
        "[TABLE]",
        &TABLES,
        "show nothing: for scripts",
        |args, value| {
            table(value)?;
            args.actions.push(Action::External);
            Ok(())
        },
    )
    .short('e'),
    Opt::<Args>::switch("xml", "show the flows of -i as XML", |args| args.is_xml = true).short('x'),
    Opt::<Args>::optional(
        "resync",
        "[TABLE]",
        &TABLES,
        "compare with the kernel's table now, and wait for the end of it",
        |args, value| {
            table(value)?;
            args.actions.push(Action::Resync);
            Ok(())
        },
    )
    .short('R'),
    Opt::<Args>::switch("kill", "end the daemon", |args| args.actions.push(Action::Stop))
        .short('k'),
    Opt::value("socket", "PATH", "the socket of the daemon", |args, value| {
        args.socket = Some(absolute(value)?);
        Ok(())
    }),
    Opt::value(
        "reconcile",
        "SECONDS",
        "compare with the kernel's table so often",
        |args, value| {
            args.reconcile_seconds = Some(seconds(value)?);
            Ok(())
        },
    ),
    Opt::value("hash-limit", "N", "know at most N flows", |args, value| {
        args.limit = Some(cli::number(value)?);
        Ok(())
    }),
    Opt::value("log", "FILE", "append the flows that have ended to FILE", |args, value| {
        args.log = Some(absolute(value)?);
        Ok(())
    }),
    Opt::word(
        "log-format",
        "FORMAT",
        &["conntrackd", "json", "tsv"],
        "what a line of the log looks like: conntrackd's, or a row",
        |args, value| {
            args.form = Some(cli::choose(&FORMS, value)?);
            Ok(())
        },
    ),
    Opt::<Args>::optional("flush-cache", "[WHICH]", &[], "refused", |_, _| Err(CACHE.into()))
        .short('f'),
    Opt::<Args>::optional("flush-kernel", "[TABLE]", &[], "refused", |_, _| Err(LOOKS.into()))
        .short('F'),
    Opt::<Args>::optional("commit", "[TABLE]", &[], "refused", |_, _| Err(LOOKS.into())).short('c'),
    Opt::<Args>::optional("bulk", "[TABLE]", &[], "refused", |_, _| Err(LOOKS.into())).short('B'),
    Opt::<Args>::optional("request", "[TABLE]", &[], "refused", |_, _| Err(LOOKS.into()))
        .short('n'),
    Opt::<Args>::optional("reset-timers", "[TABLE]", &[], "refused", |_, _| Err(LOOKS.into()))
        .short('t'),
];

pub const DOCS: [OptDoc; OPTIONS.len()] = cli::docs(&OPTIONS);

/// The table of that name; the first if none is named.
fn table(value: Option<&OsStr>) -> Result<&'static str, String> {
    let Some(value) = value else { return Ok(TABLES[0]) };
    let found = TABLES.into_iter().find(|table| value == *table);
    found.ok_or_else(|| format!("'{}' is none of {}", value.display(), TABLES.join(", ")))
}

/// A daemon in the background has another directory.
fn absolute(value: &OsStr) -> Result<PathBuf, String> {
    let path = PathBuf::from(value);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("'{}' is no absolute path", value.display()))
    }
}

/// Seconds, a day at most.
fn seconds(value: &OsStr) -> Result<u32, String> {
    const MOST: u32 = 86_400;
    let number = cli::number(value).ok().filter(|number: &u32| *number <= MOST);
    number.ok_or_else(|| format!("'{}' is no number of seconds from 1 to {MOST}", value.display()))
}
