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
use crate::flow::ipfix::{self, Exporter};
use crate::frame::{Applet, Call, Example};
use crate::out::{Column, Format, Subject};
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
    files: &[
        ("ctnetlink (NETLINK_NETFILTER)", "flows and events"),
        ("/proc/sys/net/netfilter/nf_conntrack_acct", "with --ipfix: whether flows have counters"),
        (
            "/run/connbox/conntrackd.sock, /run/connbox/conntrackd.sock.lock",
            "the socket and the lock, made by the daemon",
        ),
        ("/etc/xtables/connlabel.conf", "the names of labels"),
    ],
    bugs: &[
        "All numbers start at 0 with the daemon.",
        "-i may show a flow twice if its place changes while the list is read.",
        "-e, -i expect and -s with topics of replication show nothing, as in conntrackd's statistics mode.",
    ],
    needs: "The daemon needs CAP_NET_ADMIN in its network namespace, and a directory of its own for the \
        socket: /run/connbox, which root can create, or that of --socket. A client must run as the daemon's \
        user, or as root.",
    rows: "-s: one row per number, with its section and its name. -i: one row per flow.",
    names: &[],
    keyboard: &[],
    original: Some(&ORIGINAL),
    run,
};

const DETAILS: [&str; 14] = [
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
     disk, or the limit on the size of files), lines are lost, a message on standard error says so \
     once, -s --tsv shows the number of those that are not whole in the file as log.lost, and the daemon tries \
     again after five seconds.",
    "With --ipfix, each flow that has ended goes to a collector (RFC 7011) as two records, one per direction, so that \
     sums per address are right in each collector: addresses, ports, protocol, type and code of ICMP, reason of the \
     end, start and end in milliseconds, packets and bytes and, in the record of the original direction, the \
     translated addresses and ports. The record of the reply has the original's ends, turned round. A direction \
     without packets has no record, nor has a flow without counters (ipfix.uncounted): set nf_conntrack_acct to 1, and \
     nf_conntrack_timestamp, too, since without it a flow begins when the daemon first saw it, to the second. With \
     --ipfix-active, flows that go on are exported as well, each time what they counted since the last \
     record; what they counted before the daemon began is not exported, and the table is compared at least as often. \
     When the daemon stops, it compares once more (at most 5 seconds; otherwise the last comparison counts), and exports \
     what flows that go on have counted since their last record, with the reason 4 (forced end). So the records of the daemon \
     before and after a restart add up, except for what flows count between the two; after a crash or SIGKILL \
     what they counted since their last record is missing. \
     --ipfix-marks adds the mark and the zone as elements 1 and 2 of enterprise 32473. Two exporters of one machine \
     need different numbers of --ipfix-domain: 1 is this daemon's, 2 that of connbox-tcptrack(1).",
    "HOST is an address or a name of /etc/hosts; an IPv6 address stands in brackets. Records leave within a second, in \
     messages of at most 1232 bytes. Templates are repeated every 60 seconds over UDP. While a collector is away \
     (no connection, or a datagram was refused), up to 16 MiB of messages wait, and the daemon tries again after 1, 2, 4 \
     and up to 30 seconds. A message on standard error names it and the reason, once for each outage and at most once a \
     minute. At its end the daemon waits until the collector has acknowledged everything (TCP), for a second without \
     progress and at most 5, and says how many records did not arrive. HOST cannot be a multicast or broadcast address; a \
     link-local one has its interface: [fe80::1%eth0]:4739. ipfix.lost counts the records that did not fit, and those known not to have \
     arrived: what a broken TCP connection had not acknowledged, and the datagrams of the last tenth of a second before \
     a refusal. Other datagrams may be lost unseen. These numbers, and the events that the kernel dropped, also go to the \
     collector every 60 seconds, as options records in a domain of their own: that of --ipfix-domain plus 2147483648, \
     since nfcapd takes options records for losses.",
    "The socket is /run/connbox/conntrackd.sock; only the daemon's user and root can open it. Only one \
     daemon can hold the lock beside it; the lock ends with the process, so the remains of a kill -9 do not \
     hinder the next daemon. At most 64 clients are served at once. A client that sends no request within \
     five seconds, reads nothing for thirty, or has not read its answer after 300, is dropped; if there are \
     more than 64, or no more descriptors, the one that has waited longest is dropped.",
    "Each directory on the way to the socket and to the lock must belong to root or to the daemon's user; where \
     others may write, it must be sticky, and a link in it is not followed. A lock with other names (hard links) \
     is refused. A client believes a daemon of root or of its own user only; root's also believes one of the \
     user to whom root has given the socket's directory, as systemd does, if nobody else may write on the way \
     there.",
    "After its start the daemon gives up what it does not need. It keeps CAP_NET_ADMIN and, if the log or its \
     directory belongs to another user at the start, CAP_DAC_OVERRIDE, in its bounding set, too. It can read no file, can write and make \
     files only below the log's directory, or that of the file to which the log is a link, and can remove files only below the \
     directories of the socket and the lock (Landlock). It can make only system calls that it needs: it can neither run a program, nor connect to anything but the \
     kernel (and, with --ipfix, to collectors: over TCP to the one port, of any host, where the kernel has Landlock's rules for ports, since Linux \
     6.7; over UDP to any), nor trace a process (no_new_privs and seccomp, on x86_64 and aarch64). So a file that logrotate \
     creates must have the owner of the one before it. If the kernel lacks a part, a line of -s runtime says \
     so, and sandbox.capabilities, sandbox.files, sandbox.ports and sandbox.calls of -s --tsv are 0 instead of 1; with \
     --no-sandbox they are absent, and sandbox.ports is without a collector of TCP.",
    "Differences from conntrackd 1.4.7: bytes are added up in 64 bits, not in 32; active falls when the \
     table shrinks; scheduling is normal, not SCHED_RR; -s runtime counts every loss of events; -R waits \
     until the comparison has ended; -i never shows counters or a mark of 0. A wrong command line gives status 1, where conntrackd 1.4.7 \
     sometimes ends with 0.",
    "The rates of -s are those of the last 1, 10 and 60 seconds, updated once a second. table.entries and \
     table.limit are the kernel's numbers. events.received includes events that the filter skips. \
     events.foreign counts messages that were ignored because another process had sent them, not the kernel; \
     -s runtime shows it, too, if there were any, as it shows numbers of --ipfix.",
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
        ("from-command", "no text of ss is read"),
        ("byte-order", "no table of sockets is read"),
        ("quiet-gaps", "the daemon looks at no processes"),
        ("explain", "this table has no columns that explain a row"),
    ],
    renamed: &[],
    status_of_help: 0,
    status_of_usage: 1,
    status_of_failure: 1,
    statuses: "0 on success, also after SIGTERM, SIGINT and -k, even if lines of --log or records of --ipfix were lost \
        (messages and -s say so): a service manager takes another status for a crash, and with Restart=on-failure it would start \
        again what -k has stopped; 1 after a wrong command line or \
        configuration, if another daemon runs, if no daemon answers, or if a privilege is missing.",
};

/// The columns of `-s`.
const STATISTICS: [Column; 3] = [
    Column::fixed("section", "-s: what the number is about: flows, table, protocol, tcp, events"),
    Column::fixed("name", "-s: the name of the number"),
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
const SOCKET: &str = "/run/connbox/conntrackd.sock";
/// The requested receive buffer of events, the same as conntrackd's.
const BUFFER_BYTES: usize = 2 << 20;
/// How far the buffer may grow.
const MOST_BUFFER_BYTES: usize = 8 << 20;
/// How soon after a loss the table is compared.
const OVERRUN: Duration = Duration::from_secs(1);
/// How often the table is compared otherwise.
const RECONCILE_SECONDS: u32 = 60;

/// Whether the kernel counts packets and bytes of flows.
const ACCOUNTING: &str = "net/netfilter/nf_conntrack_acct";
const UNCOUNTED: &str = "--ipfix: flows have no counters, so none is exported; for those that begin from now on: \
    sysctl -w net.netfilter.nf_conntrack_acct=1";

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
    has_sandbox: bool,
    ipfix: Option<ipfix::Settings>,
}

impl Settings {
    fn of(args: Args, config: Config, socket: PathBuf) -> Settings {
        let mut beside = socket.clone().into_os_string();
        beside.push(".lock");
        let form = args.form.unwrap_or_default();
        let buffer_bytes = config.buffer_bytes.unwrap_or(BUFFER_BYTES);
        // Only a comparison with the table tells what flows that go on have counted.
        let seconds = args.reconcile_seconds.unwrap_or(RECONCILE_SECONDS);
        let seconds = seconds.min(args.ipfix_active.unwrap_or(seconds));
        let ipfix = args.ipfix.map(|target| ipfix::Settings {
            target,
            domain: args.ipfix_domain.unwrap_or(1),
            active: args.ipfix_active.map(|seconds| Duration::from_secs(seconds.into())),
            has_marks: args.has_ipfix_marks,
        });
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
            has_sandbox: !args.no_sandbox,
            ipfix,
        }
    }
}

fn run(call: &mut Call) -> Result<(), Error> {
    let mut args = call.args(&OPTIONS)?;
    call.is_about(Subject::Flows);
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
    const NEEDS_IPFIX: &str = "needs --ipfix";
    let has_no_ipfix = args.ipfix.is_none();
    crate::cli::refuse([
        (!has_no_ipfix && !is_run, "--ipfix", "needs -d or --foreground"),
        (args.ipfix_active.is_some() && has_no_ipfix, "--ipfix-active", NEEDS_IPFIX),
        (args.ipfix_domain.is_some() && has_no_ipfix, "--ipfix-domain", NEEDS_IPFIX),
        (args.has_ipfix_marks && has_no_ipfix, "--ipfix-marks", NEEDS_IPFIX),
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
        (args.no_sandbox && !is_run, "--no-sandbox", "needs -d or --foreground"),
    ])
}

fn read_config(path: &Path) -> Result<Config, Error> {
    const MOST_BYTES: usize = 1 << 20;
    let name = path.as_os_str().as_bytes();
    let text = sys::open_input(path).and_then(|fd| sys::read_all(fd, MOST_BYTES));
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

fn serve(call: &mut Call, settings: Settings, is_background: bool) -> Result<(), Error> {
    // Its socket, lock and log are files.
    sys::refuse_borrowed_rights("the daemon")?;
    let source = call.source()?;
    let labels = Labels::read(&source.kernel)?;
    let exporter = match &settings.ipfix {
        Some(settings) => Some(Exporter::new(settings, &source.kernel)?),
        None => None,
    };
    if exporter.is_some() && source.kernel.sysctl(ACCOUNTING).is_some_and(|text| text == b"0") {
        call.report.say(UNCOUNTED);
    }
    let daemon = Daemon::start(settings, labels, exporter)?;
    if is_background {
        let is_child = sys::daemon::detach();
        if !is_child.map_err(|error| Error::system("fork", error))? {
            // The socket and the lock are the child's now.
            std::mem::forget(daemon);
            return Ok(());
        }
    }
    daemon.run(&mut call.report)
}
