//! `tcptrack`: live connections, on a screen or as rows.

mod check;
mod connections;
mod details;
mod ended;
mod export;
mod extras;
mod feed;
mod filter;
mod foot;
mod grouped;
mod groups;
mod history;
mod holders;
mod keyboard;
mod layout;
mod live;
mod names;
mod original;
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
use crate::frame::{Applet, Call, Example};
use crate::out::{Format, Subject};
use crate::select::grouping::{self, Grouping, TakesGrouping};
use crate::sys::terminal;
use crate::track::tcp::Options;

pub(super) static APPLET: Applet = Applet {
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
        Example { about: "Which processes transfer most, live", command: "tcptrack --by process" },
        Example {
            about: "The same as rows, ten times",
            command: "tcptrack --count 10 --by process,pid --top 5",
        },
        Example {
            about: "Every connection of this host when it ends, however short it was",
            command: "tcptrack --ended --header",
        },
        Example {
            about: "How many connections end in ten seconds, by service and peer, and their bytes",
            command: "tcptrack --ended --by service,peer --interval 10",
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
    keyboard: &details::KEYBOARD,
    files: &details::FILES,
    bugs: &BUGS,
    original: Some(&original::ORIGINAL),
    run,
};

const DETAILS: [&str; 16] = [
    "Shows the TCP connections, with tcptrack's columns: client, server, state, idle time, whether something \
     arrived since the last tick (A), and the speed of both directions together, in payload bytes, each \
     counted once. If the terminal is wide enough, more columns follow: the speed of each direction (Rx is \
     what the client receives, Tx what it sends), the process, the totals, the round-trip time, \
     retransmitted segments and a sparkline of the last 60 ticks; a full bar is the same speed in all rows, \
     and the heading says which. Below 64 columns a connection takes two lines. The first line says what is \
     watched, the last one names keys and shows the filter in force; above it stand warnings.",
    "With --by, or after the key g, the screen shows groups of connections: how many each has, their speeds and \
     totals. --top and --min limit the rows of the screen, too. The keys laddr, lport, raddr \
     and rport are also called src or local, sport, dst or remote, and dport, as in ss, and process is name. Pods and containers are \
     named as in conncount.",
    "Without -i, tcptrack reads the kernel's own counters at each tick, through sock_diag(7): it shows all \
     connections of this host from the start, whether they transfer data or not, without a capture and \
     without root. Sent bytes count when they are acknowledged. A connection that has disappeared is shown \
     as CLOSED. The kernel also reports each connection that ends (sock_diag, since Linux 4.4): short \
     ones are shown as well, and the totals of those that have ended are final. How many reports of ends were lost (a \
     connection within this machine has two) is a warning on the screen, or on standard error.",
    "With -i it captures packets on an interface, or on all with -i any: on a router, or at a mirror port. \
     The kernel's filter passes only TCP headers. A connection that began earlier is shown at its first \
     packet; the server is then the end where this host has a listener, otherwise the end with the lower \
     port. Promiscuous mode, the default in the original tcptrack, must be requested here.",
    "Once it captures, it gives up what it does not need (not with --output, nor in connbox --textfile, which \
     write a file at the end). Of the capabilities it keeps CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE, if it had \
     them, to find the processes of other users. It can make only system calls that it needs: it can neither \
     write, make or remove a file, nor run a program, nor send to anything but the kernel, nor trace a process \
     (no_new_privs and seccomp, on x86_64 and aarch64). It uses no Landlock, which hides processes.",
    "With --conntrack it reads the flows of the connection tracking table: for routers, without a capture. \
     They count bytes of whole IP packets, and only with net.netfilter.nf_conntrack_acct=1.",
    "With -T it reads a capture from a file (pcap or pcapng, - is standard input), with the capture's own \
     clock. The result is one row per connection, including those that have ended unless -r removes them; \
     connections that used the same ports one after the other have a row each. Idle times are those at the \
     end of the capture. If a capture is cut or damaged, the rows of what could be read come first, then a \
     message with the byte, and the status is 1; so it is if packets have an unknown link type. An empty \
     result has a reason on standard error. Long readings show their progress there, if it is a terminal. \
     A capture that still comes from a pipe (tcpdump -U -w - | tcptrack -T -) is shown live on a terminal; \
     at its end, after q and after Ctrl-C, the rows so far are written.",
    "A packet that was captured twice, at a mirror port or by two taps, counts once, with -T and with -i. It has the \
     numbers, the checksum and the IP ID of one of the 16 packets before it and comes within a millisecond, while \
     what is sent again has another ID, as in Linux. Without an ID (IPv6, some BSDs) only a packet with the very \
     same time is a copy, others are retransmits.",
    "VLAN tags, PPPoE sessions, MPLS labels, 802.1ah and LLC/SNAP are stepped over, in captures and with -i. \
     With --decapsulate, GRE, IP in IP, VXLAN and GENEVE are looked into, too; the expression then selects \
     the packets inside.",
    "The last arguments are an expression, quoted or not, in the language of pcap-filter(7): host, net, port, \
     portrange and proto after src, dst, tcp, ip, ip6 or ether; broadcast, multicast; vlan, mpls, pppoes; less, \
     greater, len; comparisons such as 'tcp[tcpflags] & (tcp-syn|tcp-rst) != 0'; inbound, outbound, ifindex, ifname; \
     and, or, not, parentheses. It selects the captured packets or, for counters and flows, the connections that \
     match in at least one direction; there, words that concern single packets are refused.",
    "The differences from libpcap: only TCP is watched, so udp, icmp, arp and other protocols match nothing, except \
     after not. vlan, mpls and pppoes hold if a frame has such a header, with this number, at any depth, and shift \
     nothing: 'port 80' also finds tagged packets, and 'vlan 5 and port 80' those of one VLAN; ether proto holds for \
     every ethertype in the frame. tcp[...] also reads TCP over IPv6, and proto means the protocol behind IPv6 \
     extension headers. A comparison is false for a packet that lacks a header which it reads. ip broadcast means \
     255.255.255.255 and 0.0.0.0. Names come from /etc/hosts, /etc/networks, /etc/protocols and /etc/services; DNS is \
     never asked, and gateway, which would need it, is refused. ifname also names the interfaces of a pcapng file. As \
     in libpcap, a packet does not match, even after not, if a comparison reads beyond the captured bytes or divides \
     by 0; of a packet in a file, the first 2048 bytes are read. For lengths and what precedes the IP header, -i \
     takes all frames from the kernel and filters them itself.",
    "tcptrack writes rows instead of a screen, one set per tick, if standard output is not a terminal, or \
     with --once, --count, --interval, or a format. Speeds are those since the previous set, so the \
     first set comes after one tick, with -i after the first complete one. rx and tx are from the client's \
     point of view.",
    ended::DETAILS,
    export::DETAILS,
    saved::DETAILS,
    "A terminal without cursor control (TERM=dumb or unset) gets rows, too. NO_COLOR turns colours off.",
];

const BUGS: [&str; 2] = [
    "The number of connections is limited (--max-connections): those idle longest are removed to make room, and counted.",
    ended::BUGS,
];

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
        // The result of a capture includes closed connections.
        let keep = if self.file.is_some() { Duration::MAX } else { usual.remove_after };
        Options {
            only_new: self.only_new,
            remove_after: self.remove_after.unwrap_or(keep),
            rate_interval: self.rate_interval.unwrap_or(usual.rate_interval),
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
    if args.conntrack && !feed::has_accounting() {
        call.report.note("net.netfilter.nf_conntrack_acct is 0: the kernel counts no bytes");
    }
    match has_screen {
        true => live::run(call, &args, &wanted),
        false if args.ended => ended::run(call, &args, &wanted),
        false => stream::run(call, &args, &wanted),
    }
}
