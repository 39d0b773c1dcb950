//! The command line of `conntrackd`.

use std::ffi::OsStr;
use std::path::PathBuf;

use super::EXPECT;
use super::layout::{TOPICS, topic};
use super::log_rows::Form;
use crate::cli::{self, Opt, OptDoc};
use crate::flow::ipfix::{self, Target};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Run {
        is_background: bool,
    },
    /// Show the statistics of this topic.
    Statistics(&'static str),
    /// Show the flows of this table.
    Flows(&'static str),
    /// Show the flows of other machines: none.
    External,
    /// Compare with the kernel's table.
    Resync,

    Stop,
}

#[derive(Debug, Default)]
pub(super) struct Args {
    pub actions: Vec<Action>,
    pub is_xml: bool,
    pub config: Option<PathBuf>,
    pub socket: Option<PathBuf>,
    pub limit: Option<usize>,
    pub log: Option<PathBuf>,
    pub form: Option<Form>,
    pub reconcile_seconds: Option<u32>,
    pub no_sandbox: bool,
    pub ipfix: Option<Target>,
    pub ipfix_active: Option<u32>,
    pub ipfix_domain: Option<u32>,
    pub has_ipfix_marks: bool,
}

/// Why commands that change something are refused.
const LOOKS: &str = "refused: connbox only reads, and this would change the kernel's table or another \
    machine's";
/// Why `-f` is refused.
const CACHE: &str = "refused: the cache needs no flush; -R compares it with the kernel's table";

const TABLES: [&str; 2] = ["ct", EXPECT];
const FORMS: [(&str, Form); 3] =
    [("conntrackd", Form::Original), ("json", Form::Json), ("tsv", Form::Tsv)];

pub(super) static OPTIONS: [Opt<Args>; 25] = [
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
            topic(word).ok_or_else(|| format!("'{word}' is not one of {}", TOPICS.join(", ")))?;
        args.actions.push(Action::Statistics(topic));
        Ok(())
    })
    .short('s'),
    Opt::<Args>::optional(
        "internal",
        "[TABLE]",
        &TABLES,
        "show the flows that the daemon knows",
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
        "compare with the kernel's table now, and wait until that has ended",
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
        "compare with the kernel's table every SECONDS",
        |args, value| {
            args.reconcile_seconds = Some(seconds(value)?);
            Ok(())
        },
    ),
    Opt::value("hash-limit", "N", "store at most N flows", |args, value| {
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
        const { &cli::words_of(&FORMS) },
        "the format of the log: conntrackd's lines, or rows",
        |args, value| {
            args.form = Some(cli::choose(&FORMS, value)?);
            Ok(())
        },
    ),
    Opt::value(
        "ipfix",
        ipfix::VALUE,
        "export the flows that have ended to a collector of IPFIX (UDP)",
        |args, value| {
            args.ipfix = Some(Target::parse(value)?);
            Ok(())
        },
    ),
    Opt::value(
        "ipfix-active",
        "SECONDS",
        "with --ipfix, export flows that go on, too, every SECONDS",
        |args, value| {
            args.ipfix_active = Some(seconds(value)?);
            Ok(())
        },
    ),
    Opt::value(
        "ipfix-domain",
        "N",
        "with --ipfix, the number of the observation domain (1)",
        |args, value| {
            args.ipfix_domain = Some(ipfix::domain(value)?);
            Ok(())
        },
    ),
    Opt::switch("ipfix-marks", "with --ipfix, export marks and zones, too", |args| {
        args.has_ipfix_marks = true;
    }),
    Opt::switch("no-sandbox", "keep all privileges after the start", |args| args.no_sandbox = true),
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

pub(super) static DOCS: [&OptDoc; OPTIONS.len()] = cli::docs(&OPTIONS);

/// The table of this name; the first if none is given.
fn table(value: Option<&OsStr>) -> Result<&'static str, String> {
    let Some(value) = value else { return Ok(TABLES[0]) };
    let found = TABLES.into_iter().find(|table| value == *table);
    found.ok_or_else(|| format!("'{}' is not one of {}", value.display(), TABLES.join(", ")))
}

/// A path must be absolute, since a daemon in the background has another working directory.
fn absolute(value: &OsStr) -> Result<PathBuf, String> {
    let path = PathBuf::from(value);
    if path.is_absolute() {
        Ok(path)
    } else {
        Err(format!("'{}' is not an absolute path", value.display()))
    }
}

/// Seconds, at most a day.
fn seconds(value: &OsStr) -> Result<u32, String> {
    const MOST: u32 = 86_400;
    let number = cli::number(value).ok().filter(|number: &u32| *number <= MOST);
    number
        .ok_or_else(|| format!("'{}' is not a number of seconds from 1 to {MOST}", value.display()))
}
