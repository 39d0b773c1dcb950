//! `conntrackd`: statistics of connection tracking that you can trust, with the command line of
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
    about: "statistics of connection tracking that you can trust: a daemon and its client",
    details: &DETAILS,
    options: &DOCS,
    filters: &[],
    columns: &COLUMNS,
    examples: &[
        Example {
            about: "The traffic since the daemon started",
            command: "conntrackd -s || echo \"status $?\"",
        },
        Example {
            about: "Whether events were lost, and whether the missed changes were found",
            command: "conntrackd -s --tsv | grep -E '^(events|resync)' || echo \"status $?\"",
        },
    ],
    needs: "The daemon needs CAP_NET_ADMIN in its network namespace, and a directory of its own for the \
        socket: /run/connbox, which root can create, or that of --socket. A client must run as the daemon's \
        user or as root.",
    rows: "-s: one row per number, with its section and its name. -i: one row per flow.",
    names: &[],
    keys: &[],
    original: Some(&ORIGINAL),
    run,
};

const DETAILS: [&str; 10] = [
    "With -d, --foreground or no command it follows the flows of its network namespace by their events, and \
     counts them. It changes nothing in the kernel: -F, -c, -B, -n, -t and -f are refused. -s, -i, -R and -k \
     talk to the daemon through its socket.",
    "It reads no configuration file except that of -C: the daemon works without one, so \
     /etc/conntrackd/conntrackd.conf is not read by default. -C reads the keywords of conntrackd.conf(5) \
     that have a meaning here: HashLimit, LockFile, Path, NetlinkBufferSize (2097152 bytes), \
     NetlinkBufferSizeMaxGrowth (8388608), NetlinkOverrunResync (1 second), Filter, and LogFile of Stats. \
     The others, such as Sync, are skipped, and a warning names them; a keyword that conntrackd does not \
     know is an error. An option overrides the file.",
    "Every --reconcile SECONDS (60), one second after each loss of events, and on -R, it compares the flows \
     it knows with a dump of the kernel's table, while it continues to read events and to answer. This also \
     removes flows whose end the kernel does not report (with nf_conntrack_events=2: flows older than the \
     first listener). resync.missed_new, missed_update and missed_destroy count the differences found this \
     way. active is always created - destroyed.",
    "events.lost is the exact number, from SO_MEMINFO, of the events that the kernel dropped because the \
     socket's buffer was full; the buffer is then doubled, up to 8 MiB. flows.failed counts how often a flow \
     was not stored because of --hash-limit. A flow takes at most 200 bytes.",
    "The section traffic counts the packets and bytes of flows that have ended, in 64 bits, if \
     nf_conntrack_acct is 1: the numbers in the event of the end or, for a flow without such an event, those \
     in the last dump.",
    "The log of --log has one line per flow that has ended: as conntrackd writes it, with the date in local \
     time, or a time and a row of connbox-conntrack(1). SIGHUP reopens it. If it cannot be written (a full \
     disk), lines are lost, -s --tsv shows their number as log.lost, and the daemon tries again after five \
     seconds.",
    "The socket is /run/connbox/conntrackd.sock; only the daemon's user and root can open it. Only one \
     daemon can hold the lock beside it; the lock ends with the process, so the remains of a kill -9 do not \
     hinder the next daemon. At most 64 clients are served at once. A client that sends no request within \
     five seconds, or reads nothing for thirty, is dropped; if there are more than 64, the one that has \
     waited longest is dropped.",
    "Differences from conntrackd 1.4.7: bytes are added up in 64 bits, not in 32; active falls when the \
     table shrinks; scheduling is normal, not SCHED_RR; -s runtime counts every loss of events; -R waits \
     until the comparison has ended; -i never shows counters or a mark of 0, and may show a flow twice if \
     its place changes while the list is read. -e, -i expect and -s with topics of replication show nothing, \
     as in conntrackd's statistics mode. A wrong command line gives status 1, where conntrackd 1.4.7 \
     sometimes ends with 0.",
    "The rates of -s are those of the last 1, 10 and 60 seconds, updated once a second. table.entries and \
     table.limit are the kernel's numbers. events.received includes events that the filter skips.",
    "With Type=notify it tells systemd when it is ready, that it is alive (twice per WatchdogSec) and when \
     it stops. SIGTERM and SIGINT end it with status 0.",
];

const ORIGINAL: Original = Original {
    tool: "conntrackd of conntrack-tools, in statistics mode",
    help: Some('h'),
    version: Some('v'),
    refused: &[
        ("root", "the daemon follows the running kernel"),
        ("from", "the daemon follows the running kernel"),
        ("explain", "this table has no columns that explain a row"),
    ],
    renamed: &[],
    status_of_help: 0,
    status_of_usage: 1,
    status_of_failure: 1,
    statuses: "0 on success, also after SIGTERM, SIGINT and -k; 1 after a wrong command line or \
        configuration, if another daemon runs, if no daemon answers, or if a privilege is missing.",
};

/// The columns of `-s`.
const STATISTICS: [Column; 3] = [
    Column::key("section", "-s: what the number is about: flows, table, protocol, tcp, events"),
    Column::key("name", "-s: the name of the number"),
    Column::counter(
        "value",
        "conntrackd",
        "the number; in the section rate, per second; see section and name",
    ),
];

/// All columns that `conntrackd` may show.
const COLUMNS: [Column; STATISTICS.len() + log_rows::LISTED.len()] =
    Column::joined(&[&STATISTICS, &log_rows::LISTED]);

const EXPECT: &str = "expect";
/// The default socket.
const SOCKET: &str = "/run/connbox/conntrackd.sock";
/// The requested receive buffer of events, the same as conntrackd's.
const BUFFER_BYTES: usize = 2 << 20;
/// How far the buffer may grow.
const MOST_BUFFER_BYTES: usize = 8 << 20;
/// How soon after a loss the table is compared.
const OVERRUN: Duration = Duration::from_secs(1);
/// How often the table is compared otherwise.
const RECONCILE_SECONDS: u32 = 60;

/// The settings of the daemon.
#[derive(Debug)]
pub struct Settings {
    socket: PathBuf,
    lock: PathBuf,
    limit: Option<usize>,
    log: Option<(PathBuf, Form)>,
    buffer_bytes: usize,
    most_buffer_bytes: usize,
    /// How soon after a loss the table is compared; `None` if only at the regular time.
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
        return Err(Error::usage(name.as_bytes(), "unexpected argument; a topic follows -s"));
    }
    let action = match args.actions.as_slice() {
        [] => Action::Run { is_background: false },
        [action] => *action,
        _ => return Err(Error::usage("arguments", "use only one of -d, -s, -i, -e, -R and -k")),
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

/// Refuses options that cannot be combined.
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
        (args.is_xml && is_rows, "-x", "cannot be combined with another format"),
        (
            call.is_of_all_namespaces(),
            "--netns",
            "all is not possible: a daemon follows one network namespace",
        ),
        (args.log.is_some() && !is_run, "--log", "needs -d or --foreground"),
        (args.limit.is_some() && !is_run, "--hash-limit", "needs -d or --foreground"),
        (args.reconcile_seconds.is_some() && !is_run, "--reconcile", "needs -d or --foreground"),
        (args.form.is_some() && !is_run, "--log-format", "needs -d or --foreground"),
    ])
}

fn read_config(path: &Path) -> Result<Config, Error> {
    const MOST_BYTES: usize = 1 << 20;
    let name = path.as_os_str().as_bytes();
    let text = sys::open(path).and_then(|fd| sys::read_all(fd, MOST_BYTES));
    let text = text.map_err(|error| match error {
        Errno::FBIG => Error::failed(name, "is too long for a configuration file"),
        error => Error::system(name, error),
    })?;
    config::read(&String::from_utf8_lossy(&text)).map_err(|(line, reason)| {
        let mut place = name.to_vec();
        place.extend_from_slice(format!(":{line}").as_bytes());
        Error::usage(place, reason)
    })
}

/// Warns about the keywords that have no meaning here.
fn tell_ignored(call: &mut Call, path: Option<&Path>, config: &Config) {
    let (Some(path), [_, ..]) = (path, config.ignored.as_slice()) else { return };
    let words: Vec<String> =
        config.ignored.iter().map(|(line, word)| format!("{word} (line {line})")).collect();
    let words = words.join(", ");
    call.report.say(&format!("{}: skipped, has no meaning here: {words}", path.display()));
}

/// Runs as the daemon.
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
