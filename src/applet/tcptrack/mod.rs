//! `tcptrack`: connections live, on a screen or as rows.

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
            about: "What goes through a router to web servers",
            command: "tcptrack -i eth0 'dst port 80 or 443'",
        },
        Example { about: "The ten fastest connections now", command: "tcptrack --once | head" },
        Example {
            about: "Who moves most, by process, ten times",
            command: "tcptrack --count 10 --by process,pid --top 5",
        },
        Example {
            about: "What was in a capture, the largest first",
            command: "tcptrack -T capture.pcap --header",
        },
    ],
    needs: "None for the kernel's own counters, but CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE to find the \
            processes of other users; CAP_NET_RAW for -i, CAP_NET_ADMIN for --conntrack.",
    rows: "One row a connection, in the order of --sort; with --by one row a group, the largest first. \
           The last arguments are the filter expression.",
    names: &[],
    keys: &details::KEYS,
    original: Some(&ORIGINAL),
    run,
};

const DETAILS: [&str; 9] = [
    "Shows the TCP connections, with tcptrack's columns: client, server, state, how long idle, whether \
     something came since the last tick (A), and the speed of both directions together: payload bytes, \
     each counted once. Where the terminal is wide enough there follow both directions apart (Rx is what \
     the client receives, Tx what it sends), the process, the totals, the round-trip time, segments sent \
     again and a sparkline of the last 60 ticks; below 64 columns a connection takes two lines.",
    "Without -i the kernel's own counters are read at each tick, by sock_diag(7): all connections of this \
     host are there from the first picture on, whether they talk or not, without capture and without root. \
     Sent bytes count when they are acknowledged. A connection of which nothing is left is shown as CLOSED.",
    "With -i packets are captured on an interface, or on all with -i any: of a router, of a mirror port. The \
     kernel's filter lets only the headers of TCP through. A connection that was there before is shown when \
     it is heard; then known listeners of this host, else the lower port, are the server. Promiscuous mode, \
     which is tcptrack's default, is on request here.",
    "With --conntrack the flows of the connection tracking table are read, for routers without a capture. \
     They count bytes of whole IP packets, and only with net.netfilter.nf_conntrack_acct=1.",
    "With -T a capture is read from a file (pcap or pcapng, - is standard input), by its own clock; the \
     result is a row for each connection in it, also those that have ended, unless -r removes them. Their \
     idle time is that at the end of the capture.",
    "The last arguments are an expression, quoted or not: the connection part of pcap-filter(7) with host, \
     net, port, portrange, src, dst, tcp, ip, ip6, and, or, not, parentheses. It picks what is \
     captured; of counters and flows those connections of which it holds in one direction at least.",
    "Rows are written instead, one set a tick, if standard output is no terminal, with --once, --count, \
     --interval, --by, or a format. A speed is that since the set before, so that the first one comes \
     after a tick, with -i after the first whole one. rx and tx are seen from the client.",
    "Connections are bounded in number: the ones longest idle make room, which is counted.",
    "A terminal that can do nothing (TERM=dumb, or not set) gets rows, too. With NO_COLOR there is no \
     colour.",
];

const ORIGINAL: Original = Original {
    tool: "tcptrack",
    help: Some('h'),
    version: Some('v'),
    renamed: &[],
    refused: &[
        ("rate", "speeds are columns already"),
        ("from", "captures are read by -T"),
        ("root", "the running kernel is asked"),
        ("explain", "there is nothing to explain"),
    ],
    status_of_help: 0,
    status_of_usage: 2,
    status_of_failure: 1,
    statuses: "0 if all went well, also when q or Ctrl-C ended it; 1 after a failure, such as no such \
               interface or a missing right; 2 after a wrong command line or filter, which tcptrack \
               answers with 0; 128 and the signal's number after SIGTERM, SIGHUP or SIGQUIT on the screen.",
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
    Opt::<Args>::switch("only-new", "leave out connections that were there before", |args| {
        args.only_new = true;
    })
    .short('d'),
    Opt::<Args>::switch(
        "fast",
        "ten ticks a second; of packets each shows the speed of the last second",
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
        "remove what is closed after SECONDS (2)",
        |args, value| {
            args.remove_after = Some(cli::seconds(value)?);
            Ok(())
        },
    )
    .short('r'),
    Opt::<Args>::value("read", "FILE", "read a capture instead, to its end", |args, value| {
        args.file = Some(value.into());
        Ok(())
    })
    .short('T'),
    Opt::value(
        "rate-interval",
        "SECONDS",
        "a tick, over which speeds are taken (1)",
        |args, value| {
            args.rate_interval = Some(cli::seconds(value)?);
            Ok(())
        },
    ),
    Opt::word(
        "sort",
        "ORDER",
        &SORTS,
        "the order of the rows (rate; of -T bytes)",
        |args, value| {
            args.sort = Some(cli::choose(&Sort::ALL, value)?);
            Ok(())
        },
    ),
    Opt::word("units", "UNIT", &["bytes", "bits"], "units of the screen", |args, value| {
        args.units = cli::choose(&[("bytes", Units::Bytes), ("bits", Units::Bits)], value)?;
        Ok(())
    }),
    Opt::switch("once", "write one set of rows and end", |args| args.once = true),
    Opt::value("count", "N", "write N sets of rows and end", |args, value| {
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
    Opt::switch("conntrack", "read the flows of connection tracking", |args| {
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
    /// The time between two pictures or sets of rows.
    fn tick(&self) -> Duration {
        let interval = self.rate_interval.unwrap_or(Duration::from_secs(1));
        self.interval.unwrap_or(if self.is_fast { interval / 10 } else { interval })
    }

    fn options(&self) -> Options {
        let usual = Options::default();
        // What a capture has shown is its result.
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
        source.must_be_live("the running kernel is asked")?;
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
        call.report.note("net.netfilter.nf_conntrack_acct is 0: no bytes are counted");
    }
    let wants_rows = args.wants_rows() || call.common().style.format != Format::Original;
    if wants_rows || call.common().style.output.is_some() || !terminal::is_terminal() {
        return stream::run(call, &args, &wanted);
    }
    if sys::environment("TERM").is_none_or(|term| term == "dumb") {
        call.report.note("this terminal (TERM) has no screen, so there are rows");
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
        (
            is_replay && args.interface.is_some(),
            "-i",
            "not together with -T: a capture has its own",
        ),
        (args.conntrack && args.interface.is_some(), "-i", "not together with --conntrack"),
        (args.conntrack && is_replay, "--conntrack", "not together with -T"),
        (args.once && args.count.is_some_and(|count| count > 1), "--count", "not with --once"),
        (
            is_replay && args.interval.is_some(),
            "--interval",
            "not with -T, which ends with a result",
        ),
        (is_replay && args.count.is_some(), "--count", "not with -T, which ends with a result"),
        (args.grouping.lacks_keys(), "--min", grouping::NEEDS_KEYS),
        (
            args.is_promiscuous && args.interface.is_none(),
            "--promiscuous",
            "needs -i: only a capture can be",
        ),
        (call.is_of_all_namespaces(), "--netns", "one namespace at a time can be watched"),
        (is_prometheus && !is_one && !call.common().is_collected, "--prom", "needs --once"),
        (
            style.output.is_some() && !is_one && args.count.is_none(),
            "--output",
            "would never be whole: needs --once or --count",
        ),
    ])
}

/// The filter: all operands, in one piece or several.
fn expression(words: &[OsString], kernel: &Kernel) -> Result<Expression, Error> {
    let text = words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>().join(&b' ');
    let services = OnceCell::new();
    let port = |name: &[u8]| {
        let services = services.get_or_init(|| Services::read(kernel).unwrap_or_default());
        services.port(std::str::from_utf8(name).ok()?, "tcp")
    };
    Expression::parse(&text, &port).map_err(|wrong| Error::usage("filter", wrong))
}
