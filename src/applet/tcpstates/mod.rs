//! `tcpstates`: how many TCP sockets are in each state.

mod saved;

use std::ffi::OsString;

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::frame::{Applet, Call, Example, MEANING, Report, SCOPE, SOURCE, Sample, Table};
use crate::measure::{NETNS, sockets};
use crate::model::{Family, Proto, Query, StateCounts, StateSet, TcpState};
use crate::out::{Column, Out, Value};
use crate::select::facts::{Facts, Shared};
use crate::select::grouping::{self, Grouping, TakesGrouping};
use crate::select::options;
use crate::select::passing;
use crate::select::socket_keys::{self, Sockets};
use crate::source::netns::{Missing, Namespaces};
use crate::source::sockets::sock_diag::Dumped;
use crate::source::{self, Method, Source};

pub(super) static APPLET: Applet = Applet {
    name: "tcpstates",
    aliases: &[],
    about: "count TCP sockets by state",
    details: &[
        "Counts the TCP sockets of the network namespace in each of the twelve states, in the \
         kernel's order, zeros included.",
        "The numbers come from one walk of the kernel's socket table through sock_diag(7), which skips the \
         two states with the most sockets: ESTABLISHED is inuse minus the full sockets in the other states, \
         TIME_WAIT is tw minus the minisockets in FIN_WAIT2. This is exact, and several times faster than a \
         dump of all sockets; reading /proc/net/tcp is slower still. If sock_diag is refused (by a sandbox), \
         tcpstates reads /proc/net/tcp and tcp6 instead. A socket that they list twice counts once; with --strict \
         their rows must also be as many as inuse and tw say.",
        "With a filter it counts only matching sockets. With --by it counts them by the keys of connbox-conncount(1) and \
         by state: one row per group and state, the largest first, without those of 0. --by family alone keeps the table: \
         one row per family, tcp or tcp6, and state. --from also reads saved text of ss(8) and netstat(8); see \
         connbox-from(7).",
        "NAME or --state bound-inactive, ss's name for it, adds BOUND_INACTIVE: the sockets that have a port and are \
         neither connected nor listening. The kernel lists them since Linux 6.8, only through sock_diag(7), and \
         only if asked; all and the other groups of states do not include them.",
        "An IPv4-mapped socket (an IPv6 socket that talks to an IPv4 peer) counts as tcp6, as in \
         /proc/net.",
    ],
    options: &DOCS,
    filters: &options::DOCS,
    columns: &ALL_COLUMNS,
    examples: &[
        Example { about: "All states", command: "tcpstates" },
        Example {
            about: "Connections that the program has yet to close",
            command: "tcpstates -v close-wait",
        },
        Example {
            about: "The states as variables in a script",
            command: "eval \"$(tcpstates --shell)\" && echo \"$ESTABLISHED $TIME_WAIT\"",
        },
        Example { about: "By family, as Prometheus text", command: "tcpstates --by family --prom" },
        Example {
            about: "Which peers have the most sockets in which state",
            command: "tcpstates --by peer --top 10",
        },
        Example {
            about: "The states of one service's connections",
            command: "tcpstates --lport 22",
        },
        Example {
            about: "From a table saved on another machine",
            command: "cat /proc/net/tcp /proc/net/tcp6 | tcpstates --from -",
        },
    ],
    files: &[
        ("sock_diag(7)", "the sockets"),
        ("/proc/net/tcp, /proc/net/tcp6", "the sockets, where sock_diag is refused"),
        (
            "/proc/net/sockstat, /proc/net/sockstat6",
            "how many there are, for the states that are counted by subtraction, and with --strict",
        ),
        ("/proc/net/snmp", "with --strict: whether connections were made meanwhile"),
        (
            "/proc/PID",
            "for keys and filters by process and control group, as connbox-conncount(1) reads it",
        ),
    ],
    bugs: &[
        "NEW_SYN_RECV is always 0: the kernel shows connection requests as SYN_RECV.",
        "Sockets that are neither connected nor listening are in no table and in none of the twelve states; \
         connbox-closedcalc(1) counts them.",
        "A count may be off, and processes may be hidden: see BUGS of connbox(1) and of connbox-conncount(1).",
    ],
    needs: "No privileges.",
    rows: "One row per state; with --by family one row per family and state; with other keys one \
           row per group and state. NAME is a state in any tool's \
           spelling (estab, ESTABLISHED, fin-wait-1, FIN_WAIT1, 01) or a group of ss(8): all, \
           connected, synchronized, bucket, big.",
    names: &StateSet::NAMES,
    keyboard: &[],
    original: None,
    run,
};

const COLUMNS: [Column; 6] = [
    Column::fixed("family", "tcp or tcp6"),
    Column::fixed("state", "the TCP state"),
    Column::gauge("count", "tcp_sockets", "TCP sockets in the state"),
    SCOPE,
    SOURCE,
    MEANING,
];

/// Every column that any run may show.
const ALL_COLUMNS: [Column; COLUMNS.len() + socket_keys::COLUMNS.len() + 1] =
    Column::joined(&[&COLUMNS, &socket_keys::COLUMNS, &[COUNT]]);

const COUNT: Column =
    Column::gauge("count", "tcpstates_matching_sockets", "TCP sockets of the group and state");

#[derive(Default)]
struct Args {
    grouping: Grouping<Sockets>,
    hex: bool,
    method: Method,
}

const METHODS: [(&str, Method); 3] =
    [("auto", Method::Auto), ("netlink", Method::Netlink), ("procfs", Method::Procfs)];

impl TakesGrouping for Args {
    type Of = Sockets;
    fn grouping(&mut self, _: &'static str) -> &mut Grouping<Sockets> {
        &mut self.grouping
    }
}

impl Args {
    fn is_by_family(&self) -> bool {
        self.grouping.has("family")
    }
}

static OPTIONS: [Opt<Args>; 6] = [
    grouping::by("count by these keys, too"),
    grouping::top("show at most N groups; with --netns all and no --by, N namespaces"),
    grouping::max(),
    grouping::min("show only groups of at least COUNT sockets"),
    Opt::switch("hex", "write states as in /proc/net/tcp: 01 to 0C", |args| args.hex = true),
    Opt::word(
        "source",
        "SOURCE",
        const { &cli::words_of(&METHODS) },
        "how to count",
        |args, value| {
            args.method = cli::choose(&METHODS, value)?;
            Ok(())
        },
    ),
];
static DOCS: [&OptDoc; OPTIONS.len()] = cli::docs(&OPTIONS);

fn run(call: &mut Call) -> Result<(), Error> {
    let (args, query) = call.args_and(&OPTIONS, &options::FILTERS)?;
    let states = states(call.names(), &query)?;
    let needs = query.needs.with(args.grouping.needs());
    grouping::check_pods(call, query.pods_file.as_deref(), needs)?;
    let grouping = &args.grouping;
    if grouping.has_keys() && !grouping.is_among(&["family"]) {
        return by_keys(call, args, query, states);
    }
    let without = "needs --by with another key than family";
    let of_namespaces = grouping.picks_namespaces(call)?;
    cli::refuse([
        (grouping.top.is_some() && !of_namespaces, "--top", without),
        (grouping.min.is_some(), "--min", without),
        (grouping.has_limit(), grouping::MAX, without),
    ])?;
    let shown = [("family", args.is_by_family())];
    let is_named = !call.names().is_empty() || query.states.is_some();
    call.table(&COLUMNS, &shown, &mut StateTable { args, query, states, is_named })
}

/// Counts by other keys than the family.
fn by_keys(
    call: &mut Call,
    mut args: Args,
    query: Query,
    states: Vec<TcpState>,
) -> Result<(), Error> {
    const REASON: &str = "cannot be combined with --by, but for --by family";
    cli::refuse([
        (args.hex, "--hex", REASON),
        (args.method != Method::Auto, "--source", REASON),
        (call.common().explain, "--explain", REASON),
    ])?;
    if call.is_of_all_namespaces() {
        args.grouping.lead_with("netns");
    }
    args.grouping.end_with_name("state");
    let grouping = &args.grouping;
    let wanted: StateSet =
        states.into_iter().filter(|state| query.has_state(Some(*state))).collect();
    let needs = query.needs.with(grouping.needs());
    let query = Query { states: Some(wanted), needs, ..query };
    let mut columns = grouping.columns();
    let count = columns.iter_mut().find(|column| column.name == COUNT.name);
    count.into_iter().for_each(|column| *column = COUNT);
    sockets::table(call, grouping, &query, &columns)
}

struct StateTable {
    args: Args,
    query: Query,
    states: Vec<TcpState>,
    /// Whether the states were asked for by name.
    is_named: bool,
}

impl Table for StateTable {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        options::must_be_possible(&self.query)?;
        if let Some((states, counts)) = saved::read(self, source, report)? {
            return self.rows(&states, &(self.query.clone(), counts), out);
        }
        let shared = Shared::read(source, &self.query)?;
        self.rows(&self.states, &self.read(source, &shared, report)?, out)
    }

    fn namespaces(&mut self, all: &Namespaces, sample: Sample<'_>) -> Result<Missing, Error> {
        let shared = Shared::read_whole(sample.source, &self.query)?;
        let read =
            |source: &Source, _: &[u8], report: &mut Report| self.read(source, &shared, report);
        sample.everywhere(all, read, |seen, out| {
            shared.interfaces.check()?;
            self.rows(&self.states, &seen, out)
        })
    }
}

/// What is asked, as its names are known in a namespace, and the answer there.
type Found = (Query, StateCounts);

impl StateTable {
    fn read(&self, source: &Source, shared: &Shared, report: &mut Report) -> Result<Found, Error> {
        let query = options::looked_up(&self.query, source)?;
        let (counts, dumped) =
            source::confirmed(source, query.strict, || self.count(source, &query, shared))?;
        shared.note_gaps(&query, dumped, report)?;
        Ok((query, counts))
    }

    /// Counts the sockets that match: by subtraction if only states and families matter.
    fn count(
        &self,
        source: &Source,
        query: &Query,
        shared: &Shared,
    ) -> Result<(StateCounts, Dumped), Error> {
        let wanted: StateSet = self.states.iter().copied().collect();
        let method = self.args.method;
        // Of one family in files, only its table is read: the other one may be missing.
        let is_of_files = query.family.is_some() && !source.is_live();
        if !query.looks_at_ends() && !query.looks_at_holders() && !is_of_files {
            let split = self.args.is_by_family() || query.family.is_some();
            let (counts, mut dumped) = source::tcp_states(source, method, wanted, split)?;
            // Each family has rows then, those of 0 included.
            if self.args.is_by_family() {
                Family::ALL.iter().for_each(|family| dumped.doubts.ask(Proto::Tcp, *family, false));
            }
            return Ok((counts, dumped));
        }
        let query = Query { states: Some(wanted), ..query.clone() };
        let facts = Facts::read(source, shared, &query)?;
        passing::collect(source, method, &query, &facts, StateCounts::default)
    }

    fn rows(
        &self,
        states: &[TcpState],
        (query, counts): &Found,
        out: &mut Out,
    ) -> Result<(), Error> {
        let (args, only) = (&self.args, query.family);
        // A state of a group that --state excludes still has a row, since a script may ask for it.
        let matches = |state| query.has_state(Some(state));
        let count = |family, state| if matches(state) { counts.get(family, state) } else { 0 };
        let families: Vec<Family> = Family::ALL
            .into_iter()
            .filter(|family| only.is_none_or(|only| only == *family))
            .collect();
        if !args.is_by_family() {
            return states.iter().try_for_each(|state| {
                let of = families.iter().map(|family| count(*family, *state));
                let all = of.fold(0, u64::saturating_add);
                row(args, "", *state, all, out)
            });
        }
        for family in families {
            for state in states {
                row(args, family.tcp_name(), *state, count(family, *state), out)?;
            }
        }
        Ok(())
    }
}

/// The states that the NAMEs select, in the given order, each once; without NAMEs those of the filter.
///
/// # Errors
/// For a NAME that is none, or of which the filter leaves nothing: a 0 would hide that.
fn states(names: &[OsString], query: &Query) -> Result<Vec<TcpState>, Error> {
    let mut states = Vec::with_capacity(12);
    for name in names {
        let set = StateSet::parse(name.as_encoded_bytes())
            .map_err(|_| cli::unknown_name(name, StateSet::NAMES.into_iter()))?;
        if set.iter().all(|state| !query.has_state(Some(state))) {
            return Err(Error::usage(name.as_encoded_bytes(), "is left out by --state"));
        }
        for state in set.iter() {
            if !states.contains(&state) {
                states.push(state);
            }
        }
    }
    if names.is_empty() {
        states.extend(query.states().iter());
    }
    Ok(states)
}

fn row(
    args: &Args,
    family: &'static str,
    state: TcpState,
    count: u64,
    out: &mut Out,
) -> Result<(), Error> {
    out.row([
        Value::Word(family),
        Value::Word(if args.hex { state.hex() } else { state.name() }),
        Value::Int(i128::from(count)),
        Value::Word(NETNS),
        Value::Text(formula(state).as_bytes()),
        Value::Text(meaning(state).as_bytes()),
    ])
}

/// The source of a state's number.
fn formula(state: TcpState) -> &'static str {
    match state {
        TcpState::ESTABLISHED => {
            "sockstat inuse minus sock_diag's full sockets in other states, or /proc/net/tcp"
        }
        TcpState::TIME_WAIT => {
            "sockstat tw minus sock_diag's minisockets in FIN_WAIT2, or /proc/net/tcp"
        }
        TcpState::BOUND_INACTIVE => "sock_diag",
        _ => "sock_diag, or /proc/net/tcp",
    }
}

/// What a socket in a state is doing (RFC 9293, 3.3.2).
fn meaning(state: TcpState) -> &'static str {
    const MEANINGS: [&str; 13] = [
        "open: data can flow both ways",
        "we requested a connection and wait for an answer",
        "a peer requested a connection, was answered, and has yet to confirm",
        "we closed; the peer has not acknowledged that yet",
        "we closed and the peer knows; it has not closed yet",
        "both closed; the pair of ports is reserved until no old packet can arrive",
        "closed",
        "the peer closed; our program has not: if these grow, it leaks sockets",
        "the peer closed, then we did; the peer has not acknowledged that yet",
        "waits for connections",
        "both closed at the same time; the peer has not acknowledged ours yet",
        "kernel-internal; shown as SYN_RECV",
        "has a local port, and is neither connected nor listening",
    ];
    TcpState::each().zip(MEANINGS).find(|(other, _)| *other == state).map_or("", |(_, text)| text)
}
