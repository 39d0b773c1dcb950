//! `tcptrack`: live connections, on a screen or as rows.

mod connections;
mod details;
mod feed;
mod history;
mod holders;
mod keyboard;
mod layout;
mod live;
mod scene;
mod screen;
mod stream;
mod text;
mod view;

use std::cell::OnceCell;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use connections::Connections;
use feed::Watched;
use text::Units;
use view::Sort;

use crate::capture_filter::Expression;
use crate::cli::{self, Opt, OptDoc, Original};
use crate::error::Error;
use crate::frame::{Applet, Call, Example};
use crate::out::Format;
use crate::select::grouping::{self, Grouping, TakesGrouping};
use crate::source::files::names::Services;
use crate::sys::{self, Kernel, terminal};
use crate::track::tcp::Options;

pub static APPLET: Applet = Applet {
    name: "tcptrack",
    aliases: &[],
    about: "watch TCP connections live: who, how far, how fast",
    details: &DETAILS,
    options: &DOCS,
    filters: &[],
    columns: &connections::ALL_COLUMNS,
    examples: &[
        Example { about: "The connections of this host, live", command: "tcptrack" },
        Example {
            about: "Connections through a router to web servers",
            command: "tcptrack -i eth0 'dst port 80 or 443'",
        },
        Example { about: "The ten fastest connections now", command: "tcptrack --once | head" },
        Example {
            about: "Which processes transfer most, ten times",
            command: "tcptrack --count 10 --by process,pid --top 5",
        },
        Example {
            about: "The connections in a capture, the largest first",
            command: "tcptrack -T capture.pcap --header",
        },
    ],
    needs: "No privileges for the kernel's own counters; CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE to find the \
        processes of other users; CAP_NET_RAW for -i; CAP_NET_ADMIN for --conntrack.",
    rows: "One row per connection, in the order of --sort; with --by one row per group, the largest first. \
        The last arguments are the filter expression.",
    names: &[],
    keys: &details::KEYS,
    original: Some(&ORIGINAL),
    run,
};

const DETAILS: [&str; 9] = [
    "Shows the TCP connections, with tcptrack's columns: client, server, state, idle time, whether something \
     arrived since the last tick (A), and the speed of both directions together, in payload bytes, each \
     counted once. If the terminal is wide enough, more columns follow: the speed of each direction (Rx is \
     what the client receives, Tx what it sends), the process, the totals, the round-trip time, \
     retransmitted segments and a sparkline of the last 60 ticks. Below 64 columns a connection takes two \
     lines.",
    "Without -i, tcptrack reads the kernel's own counters at each tick, through sock_diag(7): it shows all \
     connections of this host from the start, whether they transfer data or not, without a capture and \
     without root. Sent bytes count when they are acknowledged. A connection that has disappeared is shown \
     as CLOSED.",
    "With -i it captures packets on an interface, or on all with -i any: on a router, or at a mirror port. \
     The kernel's filter passes only TCP headers. A connection that began earlier is shown at its first \
     packet; the server is then the end where this host has a listener, otherwise the end with the lower \
     port. Promiscuous mode, the default in the original tcptrack, must be requested here.",
    "With --conntrack it reads the flows of the connection tracking table: for routers, without a capture. \
     They count bytes of whole IP packets, and only with net.netfilter.nf_conntrack_acct=1.",
    "With -T it reads a capture from a file (pcap or pcapng, - is standard input), with the capture's own \
     clock. The result is one row per connection, including those that have ended unless -r removes them. \
     Idle times are those at the end of the capture.",
    "The last arguments are an expression, quoted or not: the connection part of pcap-filter(7) with host, \
     net, port, portrange, src, dst, tcp, ip, ip6, and, or, not, parentheses. It selects the captured \
     packets or, for counters and flows, the connections that match in at least one direction.",
    "tcptrack writes rows instead of a screen, one set per tick, if standard output is not a terminal, or \
     with --once, --count, --interval, --by, or a format. Speeds are those since the previous set, so the \
     first set comes after one tick, with -i after the first complete one. rx and tx are from the client's \
     point of view.",
    "The number of connections is limited: those idle longest are removed to make room, and counted.",
    "A terminal without cursor control (TERM=dumb or unset) gets rows, too. NO_COLOR turns colours off.",
];

const ORIGINAL: Original = Original {
    tool: "tcptrack",
    help: Some('h'),
    version: Some('v'),
    renamed: &[],
    refused: &[
        ("rate", "speeds are columns already"),
        ("from", "use -T to read a capture"),
        ("root", "tcptrack reads the running kernel"),
        ("explain", "there is nothing to explain"),
    ],
    status_of_help: 0,
    status_of_usage: 2,
    status_of_failure: 1,
    statuses: "0 on success, also after q or Ctrl-C; 1 after a failure, such as an unknown interface or a \
        missing privilege; 2 after a wrong command line or filter, where the original tcptrack has 0; 128 \
        plus the signal's number after SIGTERM, SIGHUP or SIGQUIT on the screen.",
};

#[derive(Default)]
struct Args {
    interface: Option<OsString>,
    only_new: bool,
    is_fast: bool,
    remove_after: Option<Duration>,
    file: Option<PathBuf>,
    rate_interval: Option<Duration>,
    sort: Option<Sort>,
    units: Units,
    once: bool,
    count: Option<u64>,
    interval: Option<Duration>,
    conntrack: bool,
    max_connections: Option<usize>,
    is_promiscuous: bool,
    grouping: Grouping<Connections>,
}

impl TakesGrouping for Args {
    type Of = Connections;
    fn grouping(&mut self, _: &'static str) -> &mut Grouping<Connections> {
        &mut self.grouping
    }
}

const SORTS: [&str; 9] = {
    let mut names = [""; 9];
    let mut place = 0;
    while place < names.len() {
        names[place] = Sort::ALL[place].0;
        place += 1;
    }
    names
};

const OPTIONS: [Opt<Args>; 18] = [
    Opt::<Args>::value("interface", "IFACE", "capture on this interface, or any", |args, value| {
        args.interface = Some(value.to_os_string());
        Ok(())
    })
    .short('i'),
    Opt::<Args>::switch("only-new", "skip connections that began earlier", |args| {
        args.only_new = true;
    })
    .short('d'),
    Opt::<Args>::switch(
        "fast",
        "ten ticks a second; with -i or -T each shows the speed of the last second",
        |args| {
            args.is_fast = true;
        },
    )
    .short('f'),
    Opt::<Args>::switch(
        "no-promiscuous",
        "do not set the interface promiscuous (the default)",
        |args| {
            args.is_promiscuous = false;
        },
    )
    .short('p'),
    Opt::switch("promiscuous", "set the interface promiscuous", |args| {
        args.is_promiscuous = true;
    }),
    Opt::<Args>::value(
        "remove-after",
        "SECONDS",
        "remove closed connections after SECONDS (2)",
        |args, value| {
            args.remove_after = Some(cli::seconds(value)?);
            Ok(())
        },
    )
    .short('r'),
    Opt::<Args>::value("read", "FILE", "read a capture file instead, to its end", |args, value| {
        args.file = Some(value.into());
        Ok(())
    })
    .short('T'),
    Opt::value(
        "rate-interval",
        "SECONDS",
        "the length of a tick, over which speeds are measured (1)",
        |args, value| {
            args.rate_interval = Some(cli::seconds(value)?);
            Ok(())
        },
    ),
    Opt::word(
        "sort",
        "ORDER",
        &SORTS,
        "the order of the rows (rate; with -T bytes)",
        |args, value| {
            args.sort = Some(cli::choose(&Sort::ALL, value)?);
            Ok(())
        },
    ),
    Opt::word("units", "UNIT", &["bytes", "bits"], "units on the screen", |args, value| {
        args.units = cli::choose(&[("bytes", Units::Bytes), ("bits", Units::Bits)], value)?;
        Ok(())
    }),
    Opt::switch("once", "write one set of rows and exit", |args| args.once = true),
    Opt::value("count", "N", "write N sets of rows and exit", |args, value| {
        args.count = Some(cli::number(value)?);
        Ok(())
    }),
    Opt::value(
        "interval",
        "SECONDS",
        "write a set of rows every SECONDS, with a leading time",
        |args, value| {
            args.interval = Some(cli::seconds(value)?);
            Ok(())
        },
    ),
    Opt::switch("conntrack", "read the flows of connection tracking instead", |args| {
        args.conntrack = true;
    }),
    Opt::value("max-connections", "N", "keep at most N connections (100000)", |args, value| {
        args.max_connections = Some(cli::number(value)?);
        Ok(())
    }),
    grouping::by("count in groups, the largest first"),
    grouping::top("show at most N rows"),
    grouping::min("show only groups of at least COUNT connections"),
];
const DOCS: [OptDoc; 18] = cli::docs(&OPTIONS);

impl Args {
    /// The time between two screens or sets of rows.
    fn tick(&self) -> Duration {
        let interval = self.rate_interval.unwrap_or(Duration::from_secs(1));
        self.interval.unwrap_or(if self.is_fast { interval / 10 } else { interval })
    }

    fn options(&self) -> Options {
        let usual = Options::default();
        // The result of a capture includes closed connections.
        let keep = if self.file.is_some() { Duration::MAX } else { usual.remove_after };
        Options {
            only_new: self.only_new,
            remove_after: self.remove_after.unwrap_or(keep),
            rate_interval: self.rate_interval.unwrap_or(usual.rate_interval),
            is_sliding: self.is_fast,
            max_connections: self.max_connections.unwrap_or(usual.max_connections),
        }
    }

    fn wants_rows(&self) -> bool {
        let Args { once, count, interval, file, grouping, .. } = self;
        *once
            || count.is_some()
            || interval.is_some()
            || file.is_some()
            || grouping.has_keys()
            || grouping.top.is_some()
    }

    fn sort(&self) -> Sort {
        let usual = if self.file.is_some() { Sort::Bytes } else { Sort::Rate };
        self.sort.unwrap_or(usual)
    }
}

fn run(call: &mut Call) -> Result<(), Error> {
    let args = call.args(&OPTIONS)?;
    refuse(call, &args)?;
    let source = call.source()?;
    if args.file.is_none() {
        source.must_be_live("tcptrack reads the running kernel")?;
    }
    let wanted = Watched {
        expression: expression(call.names(), &source.kernel)?,
        only_new: args.only_new,
        interface: args.interface.as_ref().map(|name| name.as_bytes().to_vec()),
        is_promiscuous: args.is_promiscuous,
        conntrack: args.conntrack,
        threads: source.threads,
    };
    if args.conntrack && !feed::has_accounting() {
        call.report.note("net.netfilter.nf_conntrack_acct is 0: the kernel counts no bytes");
    }
    let wants_rows = args.wants_rows() || call.common().style.format != Format::Original;
    if wants_rows || call.common().style.output.is_some() || !terminal::is_terminal() {
        return stream::run(call, &args, &wanted);
    }
    if sys::environment("TERM").is_none_or(|term| term == "dumb") {
        call.report.note("the terminal (TERM) has no cursor control: writing rows instead");
        return stream::run(call, &args, &wanted);
    }
    live::run(&args, &wanted)
}

fn refuse(call: &Call, args: &Args) -> Result<(), Error> {
    let is_replay = args.file.is_some();
    let is_one = args.once || is_replay || args.count == Some(1) && args.interval.is_none();
    let style = &call.common().style;
    let is_prometheus = style.format == Format::Prometheus;
    cli::refuse([
        (is_replay && args.interface.is_some(), "-i", "cannot be combined with -T"),
        (args.conntrack && args.interface.is_some(), "-i", "cannot be combined with --conntrack"),
        (args.conntrack && is_replay, "--conntrack", "cannot be combined with -T"),
        (
            args.once && args.count.is_some_and(|count| count > 1),
            "--count",
            "cannot be combined with --once",
        ),
        (
            is_replay && args.interval.is_some(),
            "--interval",
            "cannot be combined with -T, which has one result",
        ),
        (
            is_replay && args.count.is_some(),
            "--count",
            "cannot be combined with -T, which has one result",
        ),
        (args.grouping.lacks_keys(), "--min", grouping::NEEDS_KEYS),
        (args.is_promiscuous && args.interface.is_none(), "--promiscuous", "needs -i"),
        (
            call.is_of_all_namespaces(),
            "--netns",
            "all is not possible: tcptrack watches one namespace at a time",
        ),
        (is_prometheus && !is_one && !call.common().is_collected, "--prom", "needs --once"),
        (
            style.output.is_some() && !is_one && args.count.is_none(),
            "--output",
            "needs --once or --count, otherwise the file would never be complete",
        ),
    ])
}

/// The filter: all operands, joined.
fn expression(words: &[OsString], kernel: &Kernel) -> Result<Expression, Error> {
    let text = words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>().join(&b' ');
    let services = OnceCell::new();
    let port = |name: &[u8]| {
        let services = services.get_or_init(|| Services::read(kernel).unwrap_or_default());
        services.port(std::str::from_utf8(name).ok()?, "tcp")
    };
    Expression::parse(&text, &port).map_err(|wrong| Error::usage("filter", wrong))
}
