//! `conncount`: the summary of `ss -s` as rows, with the real number behind its "closed".

mod groups;

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::frame::{Applet, Call, Example, MEANING, SCOPE, SOURCE};
use crate::measure;
use crate::measure::summary::{self, Summary};
use crate::model::{Proto, StateSet};
use crate::out::Column;
use crate::select::grouping::{self, Grouping, TakesGrouping};
use crate::select::options;
use crate::select::socket_keys::{self, NUMBERS, Sockets};

pub static APPLET: Applet = Applet {
    name: "conncount",
    aliases: &[],
    about: "count connections: the summary of ss -s, or the sockets you choose, by any key",
    details: &[
        "Prints the numbers of ss -s(8) as rows, in this order: total (sockets of every kind), tcp \
         (alloc + tw), estab (CurrEstab of /proc/net/snmp: ESTABLISHED and CLOSE_WAIT), closed, \
         orphaned, synrecv, timewait (tw, which includes orphaned FIN_WAIT2), unhashed.",
        "The first seven have the same meaning as in ss, so eval \"$(conncount --shell)\" gives scripts the \
         variables TOTAL TCP ESTAB CLOSED ORPHANED SYNRECV TIMEWAIT. closed keeps the formula of ss and may \
         be negative; unhashed is the number you want, see connbox-closedcalc(1). synrecv, for which ss \
         prints nothing or 0, is the exact number of sockets in SYN_RECV, counted in one walk of the \
         kernel's socket table.",
        "total, estab, synrecv and timewait count the network namespace; orphaned counts the whole machine. \
         tcp, closed and unhashed mix the two: in a namespace other than the first, a warning says so. With \
         --netns all, tcp, closed, unhashed and orphaned have one row each, for the whole machine, and the \
         others have one row per namespace. For the number of sockets in each state, or of one family, use \
         connbox-tcpstates(1).",
        "With --from, synrecv is absent unless the files include a table of TCP sockets.",
        "With a filter (see FILTERS below) conncount prints one number instead: how many sockets match. With \
         --by it counts them in groups: one row per group, the largest first, groups of equal size in the \
         order of their keys. Keys: state, proto, family (inet, inet6, inet6-mapped: an IPv6 socket that \
         uses IPv4), laddr and raddr (with /LEN networks: raddr/24, or raddr/24/64 for IPv4 and IPv6), \
         lport, rport, direction (listen; in, if a socket listens on the local port; otherwise out), service \
         (the name in /etc/services of the local port, or of the remote port if the direction is out), uid, \
         user, pid, process, cgroup, iface, netns. IPv4-mapped addresses are written as IPv4.",
        "Processes are found in one pass over /proc/*/fd. A socket that several processes hold counts for \
         the lowest pid or, with --process, for the process you named. Sockets that no process holds \
         (TIME_WAIT, SYN_RECV, connections not yet accepted, orphans) are in the group '-'. So are those of \
         processes you have no permission to inspect; a warning says so. The control group is the one in \
         which the socket was created, as the kernel reports it (since Linux 5.9), otherwise that of its \
         process. --sum adds up the same queues as ss shows; the kernel counts a received FIN as one byte.",
        "The kernel itself filters by port, address and state, so asking for a few sockets among many is \
         quick. A filter by state alone counts by subtraction, as connbox-tcpstates(1) does.",
    ],
    options: &DOCS,
    filters: &options::DOCS,
    columns: &ALL_COLUMNS,
    examples: &[
        Example { about: "The summary", command: "conncount" },
        Example {
            about: "As variables in a script",
            command: "eval $(conncount --shell) && echo \"$ESTAB established, $TIMEWAIT in TIME_WAIT\"",
        },
        Example { about: "One number, in constant time", command: "conncount --quick -v estab" },
        Example {
            about: "The table below the summary of ss -s",
            command: "conncount --transport --json",
        },
        Example {
            about: "Who holds the most connections to port 443",
            command: "conncount --lport 443 --state established --by raddr --top 10",
        },
        Example {
            about: "Networks with more than 100 half-open connections: a SYN flood",
            command: "conncount --state syn-recv --by raddr/24/64 --min 101",
        },
        Example {
            about: "The classic leak: who forgets to close",
            command: "conncount --state close-wait --by process,pid",
        },
        Example {
            about: "Connections by unit, pod or container",
            command: "conncount --state connected --by cgroup",
        },
        Example {
            about: "Which remote ports have connections in TIME_WAIT",
            command: "conncount --state time-wait --by rport",
        },
        Example {
            about: "Bytes waiting in queues, by process",
            command: "conncount --by process --sum recv_queue,send_queue",
        },
    ],
    needs: "No privileges. The keys pid and process, --process, and cgroup before Linux 5.9 need \
        CAP_DAC_READ_SEARCH and CAP_SYS_PTRACE to find the sockets of other users' processes.",
    rows: "Without a filter and --by: total, tcp, estab, closed, orphaned, synrecv, timewait, unhashed; with \
           --transport also raw, udp, tcp_inuse, inet and frag, each followed by its IPv4 and IPv6 part \
           (raw_ip, raw_ip6, ..., tcp_ip, tcp_ip6, ...). NAME is one of them.",
    names: &summary::NAMES,
    keys: &[],
    original: None,
    run,
};

const COLUMNS: [Column; 5] = [
    Column::key("name", "the row's name"),
    Column::gauge("value", "conncount_sockets", "sockets"),
    SCOPE,
    SOURCE,
    MEANING,
];

/// Every column that any run may show.
const ALL_COLUMNS: [Column; 24] = Column::joined(&[&COLUMNS, &socket_keys::COLUMNS, &NUMBERS]);

#[derive(Default)]
struct Args {
    quick: bool,
    transport: bool,
    tcp: bool,
    udp: bool,
    grouping: Grouping<Sockets>,
}

impl TakesGrouping for Args {
    type Of = Sockets;
    fn grouping(&mut self, _: &'static str) -> &mut Grouping<Sockets> {
        &mut self.grouping
    }
}

impl Args {
    /// The chosen protocols; TCP if none is named.
    fn protos(&self) -> Vec<Proto> {
        let named = [(Proto::Tcp, self.tcp || !self.udp), (Proto::Udp, self.udp)];
        named.into_iter().filter(|(_, is_meant)| *is_meant).map(|(proto, _)| proto).collect()
    }

    /// Whether sockets are counted one by one instead of printing the summary.
    fn counts_sockets(&self) -> bool {
        self.tcp || self.udp || self.grouping.is_given()
    }
}

const OPTIONS: [Opt<Args>; 8] = [
    Opt::switch("transport", "add the table of protocols and families of ss -s", |args| {
        args.transport = true;
    }),
    Opt::switch("quick", "skip synrecv, which needs a walk of the socket table", |args| {
        args.quick = true
    }),
    Opt::<Args>::switch("tcp", "count TCP sockets (the default)", |args| args.tcp = true)
        .short('t'),
    Opt::<Args>::switch("udp", "count UDP sockets; with -t both", |args| args.udp = true)
        .short('u'),
    grouping::by("count in groups, the largest first"),
    grouping::top("show at most N groups"),
    grouping::min("show only groups of at least COUNT sockets"),
    grouping::sum("QUEUE[,...]", "add the bytes in these queues"),
];
const DOCS: [OptDoc; 8] = cli::docs(&OPTIONS);

fn run(call: &mut Call) -> Result<(), Error> {
    let (args, mut query) = call.args_and(&OPTIONS, &options::FILTERS)?;
    if query.is_given || args.counts_sockets() {
        query.protos = args.protos();
        return groups::run(call, args, query);
    }
    let names = picked_rows(call, &args)?;
    measure::run(call, &COLUMNS, names, Summary { is_strict: query.is_strict })
}

fn picked_rows(call: &Call, args: &Args) -> Result<Vec<&'static str>, Error> {
    let mut known: Vec<&str> = summary::NAMES.to_vec();
    known.retain(|name| !(args.quick && *name == "synrecv"));
    if args.transport {
        known.extend(summary::TRANSPORT.iter().flat_map(|(names, _)| names));
    }
    for name in call.names() {
        let is_row =
            known.iter().any(|row| row.as_bytes().eq_ignore_ascii_case(name.as_encoded_bytes()));
        if args.quick && name.eq_ignore_ascii_case("synrecv") {
            return Err(Error::usage(
                "synrecv",
                "this row cannot be combined with --quick, which skips it",
            ));
        }
        if !is_row && StateSet::parse(name.as_encoded_bytes()).is_ok() {
            let reason = format!(
                "is a state, not a row of the summary; use tcpstates {0}, or --state {0}",
                name.display()
            );
            return Err(Error::usage(name.as_encoded_bytes(), reason));
        }
    }
    cli::pick(call.names(), &known)
}
