//! `tcptrack`: live connections, on a screen or as rows.

mod check;
mod connections;
mod details;
mod ended;
mod export;
mod extras;
mod feed;
mod filter;
mod flows;
mod foot;
mod fragments;
mod grouped;
mod groups;
mod history;
mod holders;
mod keyboard;
mod layout;
mod live;
mod names;
mod original;
mod page;
mod replay;
mod row;
mod saved;
mod scene;
mod screen;
mod sort;
mod stream;
mod text;
mod view;
mod watched;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use connections::Connections;
use sort::Sort;
use text::Units;
use watched::Watched;

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::flow::ipfix::{self, Target};
use crate::frame::{Applet, Call};
use crate::out::{Format, Subject};
use crate::select::grouping::{self, Grouping, TakesGrouping};
use crate::sys::terminal;
use crate::track::tcp::Options;

pub(super) static APPLET: Applet = Applet {
    name: "tcptrack",
    aliases: &[],
    about: "watch TCP connections live: who, how far, how fast",
    details: &page::DETAILS,
    options: &DOCS,
    filters: &[],
    columns: &connections::ALL_COLUMNS,
    examples: &page::EXAMPLES,
    needs: "No privileges for the kernel's own counters; CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE to find the \
        processes of other users; CAP_NET_RAW for -i; CAP_NET_ADMIN for --conntrack.",
    rows: "One row per connection, in the order of --sort; with --by one row per group, the largest first. \
        The last arguments are the filter expression.",
    names: &[],
    keyboard: &details::KEYBOARD,
    files: &page::FILES,
    bugs: &page::BUGS,
    original: Some(&original::ORIGINAL),
    run,
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
    decapsulates: bool,
    ended: bool,
    ipfix: Option<Target>,
    ipfix_domain: Option<u32>,
    max_connections: Option<usize>,
    is_promiscuous: bool,
    no_sandbox: bool,
    grouping: Grouping<Connections>,
}

impl TakesGrouping for Args {
    type Of = Connections;
    fn grouping(&mut self, _: &'static str) -> &mut Grouping<Connections> {
        &mut self.grouping
    }
}

const UNITS: [(&str, Units); 2] = [("bytes", Units::Bytes), ("bits", Units::Bits)];

static OPTIONS: [Opt<Args>; 25] = [
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
        "remove closed connections after SECONDS (2, or two ticks if they take longer)",
        |args, value| {
            // As tcpdump -r FILE.
            let wrong = |reason| match crate::sys::is_regular(std::path::Path::new(value)) {
                true => format!("'{}' is a file; to read a capture: -T FILE", value.display()),
                false => reason,
            };
            args.remove_after = Some(cli::seconds(value).map_err(wrong)?);
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
        const { &cli::words_of(&Sort::ALL) },
        "the order of the rows (rate; with -T bytes)",
        |args, value| {
            args.sort = Some(cli::choose(&Sort::ALL, value)?);
            Ok(())
        },
    ),
    Opt::word(
        "units",
        "UNIT",
        const { &cli::words_of(&UNITS) },
        "units on the screen",
        |args, value| {
            args.units = cli::choose(&UNITS, value)?;
            Ok(())
        },
    ),
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
    Opt::switch("no-sandbox", "with -i: keep all privileges while capturing", |args| {
        args.no_sandbox = true;
    }),
    Opt::switch("decapsulate", "look into tunnels: GRE, IP in IP, VXLAN, GENEVE", |args| {
        args.decapsulates = true;
    }),
    Opt::switch("ended", "write a row for each connection when it ends", |args| args.ended = true),
    Opt::value(
        "ipfix",
        ipfix::VALUE,
        "with --ended, export the connections to a collector of IPFIX (UDP), too",
        |args, value| {
            args.ipfix = Some(Target::parse(value)?);
            Ok(())
        },
    ),
    Opt::value(
        "ipfix-domain",
        "N",
        "with --ipfix, the number of the observation domain (2)",
        |args, value| {
            args.ipfix_domain = Some(ipfix::domain(value)?);
            Ok(())
        },
    ),
    Opt::value("max-connections", "N", "keep at most N connections (100000)", |args, value| {
        args.max_connections = Some(cli::number(value)?);
        Ok(())
    }),
    grouping::by("count in groups, the largest first"),
    grouping::top("show at most N rows"),
    grouping::max(),
    grouping::min("show only groups of at least COUNT connections"),
    grouping::pods(),
];
static DOCS: [&OptDoc; OPTIONS.len()] = cli::docs(&OPTIONS);

impl Args {
    /// The time between two screens or sets of rows.
    fn tick(&self) -> Duration {
        self.interval.unwrap_or_else(|| self.rate())
    }

    /// The time between two readings.
    fn rate(&self) -> Duration {
        let interval = self.rate_interval.unwrap_or(Duration::from_secs(1));
        if self.is_fast { interval / 10 } else { interval }
    }

    fn options(&self) -> Options {
        let usual = Options::default();
        // The result of a capture includes closed connections; a set of rows includes all that have ended since the
        // previous one.
        let tick = if self.ended { self.rate() } else { self.tick() };
        let keep = match self.file {
            Some(_) => Duration::MAX,
            None => usual.remove_after.max(tick.saturating_mul(2)),
        };
        // Speeds are those since the previous set.
        let interval = self.rate_interval.or(self.interval.filter(|_| !self.is_fast));
        Options {
            only_new: self.only_new,
            remove_after: self.remove_after.unwrap_or(keep),
            rate_interval: interval.unwrap_or(usual.rate_interval),
            is_sliding: self.is_fast,
            max_connections: self.max_connections.unwrap_or(usual.max_connections),
            ..usual
        }
    }

    fn wants_rows(&self) -> bool {
        let Args { once, count, interval, file, .. } = self;
        // What still comes from a pipe can be shown meanwhile.
        let is_piped =
            || file.as_ref().is_some_and(|file| file.as_os_str() == "-") && terminal::is_piped();
        *once || count.is_some() || interval.is_some() || file.is_some() && !is_piped()
    }

    fn sort(&self) -> Sort {
        let usual = if self.file.is_some() { Sort::Bytes } else { Sort::Rate };
        self.sort.unwrap_or(usual)
    }
}

fn run(call: &mut Call) -> Result<(), Error> {
    let args = call.args(&OPTIONS)?;
    call.is_about(Subject::Connections);
    if !call.common().from.is_empty() {
        return saved::run(call, &args);
    }
    if args.ended {
        ended::refuse(call, &args)?;
    }
    check::refuse(call, &args)?;
    grouping::check_pods(call, args.grouping.pods.as_deref(), args.grouping.needs())?;
    let source = call.source()?;
    if args.file.is_none() {
        source.must_be_live("tcptrack reads the running kernel")?;
    }
    let wanted = Watched::of(call, &args, &source)?;
    let style = &call.common().style;
    let wants_rows = args.ended
        || args.wants_rows()
        || style.format != Format::Original
        || style.output.is_some()
        || !terminal::is_terminal();
    let has_screen = !wants_rows && !terminal::is_dumb();
    if has_screen {
        // A message would be hidden behind the screen, which shows it instead.
        call.report.hold();
    } else if !wants_rows {
        call.report.note("the terminal (TERM) has no cursor control: writing rows instead");
    }
    if args.conntrack && !flows::has_accounting() {
        call.report.note("net.netfilter.nf_conntrack_acct is 0: the kernel counts no bytes");
    }
    match has_screen {
        true => live::run(call, &args, &wanted),
        false if args.ended => ended::run(call, &args, &wanted),
        false => stream::run(call, &args, &wanted),
    }
}
