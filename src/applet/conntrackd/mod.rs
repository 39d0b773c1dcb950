//! `conntrackd`: statistics of connection tracking that one can trust, with the command line of
//! conntrackd's statistics mode.

mod client;
mod clients;
pub mod config;
mod daemon;
mod encode;
mod filter;
mod layout;
mod ledger;
mod log;
mod log_rows;
mod options;
pub mod protocol;
mod reconcile;
mod statistics;

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::io::Errno;

use config::Config;
use daemon::Daemon;
use filter::Filter;
use log_rows::Form;
use options::{Action, Args, DOCS, OPTIONS};

use crate::cli::Original;
use crate::error::Error;
use crate::frame::{Applet, Call, Example};
use crate::out::{Column, Format};
use crate::source::flows::labels::Labels;
use crate::sys;

pub(super) static APPLET: Applet = Applet {
    name: "conntrackd",
    aliases: &[],
    about: "statistics of connection tracking that one can trust: a daemon, and what asks it",
    details: &DETAILS,
    options: &DOCS,
    filters: &[],
    columns: &COLUMNS,
    examples: &[
        Example {
            about: "What has passed since the daemon began",
            command: "conntrackd -s || echo \"status $?\"",
        },
        Example {
            about: "Has it missed anything, and was that found?",
            command: "conntrackd -s --tsv | grep -E '^(events|resync)' || echo \"status $?\"",
        },
    ],
    needs: "The daemon needs CAP_NET_ADMIN in its network namespace, and a directory of its own for the \
            socket: /run/connbox, which root can make, or that of --socket. Who asks it needs to be its \
            user, or root.",
    rows: "-s: one row for each number, with its section and its name. -i: one row for each flow.",
    names: &[],
    keys: &[],
    original: Some(&ORIGINAL),
    run,
};

const DETAILS: [&str; 10] = [
    "With -d, --foreground or without a command it follows the flows of its network namespace by events, \
     and counts. It changes nothing in the kernel: -F, -c, -B, -n, -t and -f are refused. -s, -i, -R and \
     -k ask the daemon by its socket.",
    "No file is read but that of -C: /etc/conntrackd/conntrackd.conf is not, since a daemon without any file \
     works. -C reads the keywords of conntrackd.conf(5) that mean something here: HashLimit, LockFile, Path, \
     NetlinkBufferSize (2097152 bytes), NetlinkBufferSizeMaxGrowth (8388608), NetlinkOverrunResync (1 second), \
     Filter, and LogFile of Stats. The others, Sync among them, are named on standard error and passed over; a \
     keyword that conntrackd does not know is an error. What an option says goes before what the file says.",
    "Truth: every SECONDS of --reconcile (60), one second after every loss of events, and with -R it compares \
     what it knows with a dump of the kernel's table, while it goes on to read events and to answer. So the \
     flows whose end the kernel does not tell (with nf_conntrack_events=2 those that are older than the first \
     listener) go, too. resync.missed_new, missed_update and missed_destroy count what was found so. \
     created - destroyed is active, always.",
    "events.lost counts exactly, by SO_MEMINFO, the events that the kernel dropped because the socket's \
     buffer was full; the buffer is then doubled, to 8 MiB at most. flows.failed counts how often a flow was \
     not kept because of --hash-limit. A flow takes at most 200 bytes.",
    "Traffic counts the packets and bytes of flows that have ended, in 64 bits, if nf_conntrack_acct is \
     1: those that the event of the end tells or, for a flow of which no end was told, those that the last \
     dump showed.",
    "The log of --log has a line for each flow that has ended: as conntrackd writes it, with its date in \
     local time, or a row of connbox-conntrack(1) after its time. It is opened anew at SIGHUP. If it \
     cannot be written (a full disk) lines are lost, counted and shown by -s with --tsv as log.lost, \
     and it is tried again after five seconds.",
    "The socket is /run/connbox/conntrackd.sock; only the daemon's user and root can open it. One daemon alone \
     holds the lock beside it, which ends with the process: what a kill -9 leaves does not hinder the next \
     one. At most 64 clients are served at once; who does not ask within five seconds, or reads nothing for \
     thirty, is dropped, and when there are more, who has waited longest.",
    "Differences from conntrackd 1.4.7: bytes are added in 64 bits, not in 32; active comes down when the \
     table does; normal scheduling, not SCHED_RR; -s runtime counts every loss of events; -R waits for its \
     end; -i never shows counters or a mark of 0, and may show a flow twice whose place changes while the list is \
     read. -e, -i expect and -s with topics of replication show nothing, as in conntrackd's statistics mode. \
     A wrong command line has status 1, where conntrackd 1.4.7 sometimes ends with 0.",
    "The rates of -s are those of the last 1, 10 and 60 seconds, taken once a second. table.entries and \
     table.limit are the kernel's. What events.received counts has passed the filter or not.",
    "With Type=notify systemd is told when it is ready, that it lives (at half of WatchdogSec) and that it \
     stops. SIGTERM and SIGINT end it with status 0.",
];

const ORIGINAL: Original = Original {
    tool: "conntrackd of conntrack-tools, in statistics mode",
    help: Some('h'),
    version: Some('v'),
    refused: &[
        ("root", "the daemon follows the running kernel"),
        ("from", "the daemon follows the running kernel"),
        ("explain", "this table has no column for it"),
    ],
    renamed: &[],
    status_of_help: 0,
    status_of_usage: 1,
    status_of_failure: 1,
    statuses: "0 if all went well, also after SIGTERM, SIGINT and -k; 1 after a wrong command line or \
               configuration, if another daemon runs, if there is none to ask, or if a right is missing.",
};

/// The columns of `-s`.
const STATISTICS: [Column; 3] = [
    Column::key("section", "-s: what the number is about: flows, table, protocol, tcp, events"),
    Column::key("name", "-s: what it counts"),
    Column::counter(
        "value",
        "conntrackd",
        "the number; of the section rate, how much a second; see section and name",
    ),
];

/// All columns that `conntrackd` may show.
const COLUMNS: [Column; STATISTICS.len() + log_rows::LISTED.len()] =
    Column::joined(&[&STATISTICS, &log_rows::LISTED]);

/// The table of expectations.
const EXPECT: &str = "expect";
/// The socket, if nothing names another one.
const SOCKET: &str = "/run/connbox/conntrackd.sock";
/// The receive buffer of events, as it is asked for, as conntrackd's.
const BUFFER_BYTES: usize = 2 << 20;
/// How large it may become.
const MOST_BUFFER_BYTES: usize = 8 << 20;
/// How soon a loss is repaired.
const OVERRUN: Duration = Duration::from_secs(1);
/// How often the table is compared.
const RECONCILE_SECONDS: u32 = 60;

/// How the daemon is to be.
#[derive(Debug)]
pub struct Settings {
    socket: PathBuf,
    lock: PathBuf,
    limit: Option<usize>,
    log: Option<(PathBuf, Form)>,
    buffer_bytes: usize,
    most_buffer_bytes: usize,
    /// How soon a loss is repaired, if by a comparison of its own.
    overrun: Option<Duration>,
    reconcile: Duration,
    filter: Filter,
}

impl Settings {
    fn of(args: Args, config: Config, socket: PathBuf) -> Settings {
        let mut beside = socket.clone().into_os_string();
        beside.push(".lock");
        let form = args.form.unwrap_or_default();
        let buffer_bytes = config.buffer_bytes.unwrap_or(BUFFER_BYTES);
        let seconds = args.reconcile_seconds.unwrap_or(RECONCILE_SECONDS);
        let overrun = config.overrun_seconds.map_or(Some(OVERRUN), |seconds| {
            seconds.map(|seconds| Duration::from_secs(seconds.into()))
        });
        Settings {
            lock: config.lock.unwrap_or(beside.into()),
            socket,
            limit: args.limit.or(config.limit),
            log: args.log.or(config.log).map(|path| (path, form)),
            buffer_bytes,
            most_buffer_bytes: config.most_buffer_bytes.unwrap_or(MOST_BUFFER_BYTES),
            overrun,
            reconcile: Duration::from_secs(seconds.into()),
            filter: config.filter,
        }
    }
}

fn run(call: &mut Call) -> Result<(), Error> {
    let mut args = call.args(&OPTIONS)?;
    if let Some(name) = call.names().first() {
        return Err(Error::usage(name.as_bytes(), "no such word: a topic stands behind -s"));
    }
    let action = match args.actions.as_slice() {
        [] => Action::Run { is_background: false },
        [action] => *action,
        _ => return Err(Error::usage("arguments", "only one of -d, -s, -i, -e, -R and -k")),
    };
    check(call, &args, action)?;
    let config = match &args.config {
        Some(path) => read_config(path)?,
        None => Config::default(),
    };
    let socket = args.socket.take().or(config.socket.clone()).unwrap_or(SOCKET.into());
    match action {
        Action::Run { is_background } => {
            tell_ignored(call, args.config.as_deref(), &config);
            serve(call, Settings::of(args, config, socket), is_background)
        }
        Action::Statistics(topic) => client::statistics(call, &socket, topic),
        Action::Flows(table) => client::flows(call, &socket, table, args.is_xml),
        Action::External => client::nothing(call),
        Action::Resync => client::resync(&socket),
        Action::Stop => client::stop(&socket),
    }
}

/// Refuses what cannot stand together.
fn check(call: &Call, args: &Args, action: Action) -> Result<(), Error> {
    let common = call.common();
    let is_run = matches!(action, Action::Run { .. });
    let is_list = matches!(action, Action::Flows(_) | Action::External);
    let has_rows = is_list || matches!(action, Action::Statistics(_));
    let format = common.style.format;
    let is_rows = format != Format::Original;
    crate::cli::refuse([
        (is_rows && !has_rows, format.option(), "needs -s or -i"),
        (common.interval.is_some() && !has_rows, "--interval", "needs -s or -i"),
        (args.is_xml && !is_list, "-x", "needs -i"),
        (args.is_xml && is_rows, "-x", "not together with another format"),
        (call.is_of_all_namespaces(), "--netns", "a daemon follows one network namespace"),
        (args.log.is_some() && !is_run, "--log", "needs -d or --foreground"),
        (args.limit.is_some() && !is_run, "--hash-limit", "needs -d or --foreground"),
        (args.reconcile_seconds.is_some() && !is_run, "--reconcile", "needs -d or --foreground"),
        (args.form.is_some() && !is_run, "--log-format", "needs -d or --foreground"),
    ])
}

/// Reads a configuration.
fn read_config(path: &Path) -> Result<Config, Error> {
    const MOST_BYTES: usize = 1 << 20;
    let name = path.as_os_str().as_bytes();
    let text = sys::open(path).and_then(|fd| sys::read_all(fd, MOST_BYTES));
    let text = text.map_err(|error| match error {
        Errno::FBIG => Error::failed(name, "is too long for a configuration"),
        error => Error::system(name, error),
    })?;
    config::read(&String::from_utf8_lossy(&text)).map_err(|(line, reason)| {
        let mut place = name.to_vec();
        place.extend_from_slice(format!(":{line}").as_bytes());
        Error::usage(place, reason)
    })
}

/// Says which keywords mean nothing here.
fn tell_ignored(call: &mut Call, path: Option<&Path>, config: &Config) {
    let (Some(path), [_, ..]) = (path, config.ignored.as_slice()) else { return };
    let words: Vec<String> =
        config.ignored.iter().map(|(line, word)| format!("{word} (line {line})")).collect();
    let words = words.join(", ");
    call.report.say(&format!("{}: means nothing here: {words}", path.display()));
}

/// Is the daemon.
fn serve(call: &mut Call, settings: Settings, is_background: bool) -> Result<(), Error> {
    let source = call.source()?;
    let labels = Labels::read(&source.kernel)?;
    let daemon = Daemon::start(settings, labels)?;
    if is_background {
        let is_child = sys::daemon::detach();
        if !is_child.map_err(|error| Error::system("fork", error))? {
            return Ok(());
        }
    }
    daemon.run()
}
