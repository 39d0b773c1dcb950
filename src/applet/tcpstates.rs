//! `tcpstates`: how many TCP sockets are in each state.

use std::ffi::OsString;

use crate::cli::{self, Opt, OptDoc};
use crate::error::Error;
use crate::frame::{Applet, Call, Example, MEANING, Report, SCOPE, SOURCE, Sample, Table};
use crate::measure::NETNS;
use crate::model::{Family, Query, StateCounts, StateSet, TcpState};
use crate::out::{Column, Out, Value};
use crate::select::facts::{self, Facts, Shared};
use crate::select::options;
use crate::source::netns::{Missing, Namespaces};
use crate::source::sockets::sock_diag::Dumped;
use crate::source::{self, Method, Source};

pub static APPLET: Applet = Applet {
    name: "tcpstates",
    aliases: &[],
    about: "count TCP sockets by state",
    details: &[
        "Counts the TCP sockets of the network namespace in each of the twelve states, in the \
         kernel's order, zeros included. NEW_SYN_RECV is always 0: the kernel shows connection \
         requests as SYN_RECV.",
        "The numbers come from one walk of the kernel's socket table through sock_diag(7), which skips the \
         two states with the most sockets: ESTABLISHED is inuse minus the full sockets in the other states, \
         TIME_WAIT is tw minus the minisockets in FIN_WAIT2. This is exact, and several times faster than a \
         dump of all sockets; reading /proc/net/tcp is slower still. If sock_diag is refused (by a sandbox), \
         tcpstates reads /proc/net/tcp and tcp6 instead.",
        "With a filter it counts only matching sockets; to group by anything but states use conncount --by.",
        "An IPv4-mapped socket (an IPv6 socket that talks to an IPv4 peer) counts as tcp6, as in \
         /proc/net. Sockets that are neither connected nor listening are in no table and in no \
         state; connbox-closedcalc(1) counts them.",
    ],
    options: &DOCS,
    filters: &options::DOCS,
    columns: &COLUMNS,
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
            about: "The states of one service's connections",
            command: "tcpstates --lport 22",
        },
        Example {
            about: "From a table saved on another machine",
            command: "cat /proc/net/tcp /proc/net/tcp6 | tcpstates --from -",
        },
    ],
    needs: "No privileges.",
    rows: "One row per state; with --by family one row per family and state. NAME is a state in any tool's \
           spelling (estab, ESTABLISHED, fin-wait-1, FIN_WAIT1, 01) or a group of ss(8): all, \
           connected, synchronized, bucket, big.",
    names: &StateSet::NAMES,
    keys: &[],
    original: None,
    run,
};

const COLUMNS: [Column; 6] = [
    Column::key("family", "tcp or tcp6"),
    Column::key("state", "the TCP state"),
    Column::gauge("count", "tcp_sockets", "TCP sockets in the state"),
    SCOPE,
    SOURCE,
    MEANING,
];

#[derive(Default)]
struct Args {
    by_family: bool,
    hex: bool,
    method: Method,
}

const METHODS: [(&str, Method); 3] =
    [("auto", Method::Auto), ("netlink", Method::Netlink), ("procfs", Method::Procfs)];

const OPTIONS: [Opt<Args>; 3] = [
    Opt::word("by", "KEY", &["family"], "count by family too", |args, value| {
        args.by_family = cli::choose(&[("family", true)], value)?;
        Ok(())
    }),
    Opt::switch("hex", "write states as in /proc/net/tcp: 01 to 0C", |args| args.hex = true),
    Opt::word("source", "SOURCE", &["auto", "netlink", "procfs"], "how to count", |args, value| {
        args.method = cli::choose(&METHODS, value)?;
        Ok(())
    }),
];
const DOCS: [OptDoc; 3] = cli::docs(&OPTIONS);

fn run(call: &mut Call) -> Result<(), Error> {
    let (args, query) = call.args_and(&OPTIONS, &options::FILTERS)?;
    let states = states(call.names(), query.states())?;
    let shown = [("family", args.by_family)];
    call.table(&COLUMNS, &shown, &mut Counting { args, query, states })
}

struct Counting {
    args: Args,
    query: Query,
    states: Vec<TcpState>,
}

impl Table for Counting {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let shared = Shared::read(source, &self.query)?;
        self.rows(&self.read(source, &shared, report)?, out)
    }

    fn namespaces(&mut self, all: &Namespaces, sample: Sample<'_>) -> Result<Missing, Error> {
        let shared = Shared::read_whole(sample.source, &self.query)?;
        let read =
            |source: &Source, _: &[u8], report: &mut Report| self.read(source, &shared, report);
        sample.everywhere(all, read, |seen, out| self.rows(&seen, out))
    }
}

/// What is asked, as its names are known in a namespace, and the answer there.
type Found = (Query, StateCounts);

impl Counting {
    fn read(&self, source: &Source, shared: &Shared, report: &mut Report) -> Result<Found, Error> {
        let query = options::looked_up(&self.query, &source.kernel)?;
        let (counts, dumped) =
            source::confirmed(source, query.is_strict, || self.count(source, &query, shared))?;
        shared.note_gaps(&query, dumped, report);
        Ok((query, counts))
    }

    /// Counts the sockets that are meant: by subtraction if only states and families matter.
    fn count(
        &self,
        source: &Source,
        query: &Query,
        shared: &Shared,
    ) -> Result<(StateCounts, Dumped), Error> {
        let wanted: StateSet = self.states.iter().copied().collect();
        let method = self.args.method;
        if !query.looks_at_ends() && !query.looks_at_holders() {
            let split = self.args.by_family || query.family.is_some();
            return source::tcp_states(source, method, wanted, split);
        }
        let query = Query { states: Some(wanted), ..query.clone() };
        let facts = Facts::read(source, shared, &query)?;
        facts::collect(source, method, &query, &facts, StateCounts::default)
    }

    fn rows(&self, (query, counts): &Found, out: &mut Out) -> Result<(), Error> {
        let (args, only, meant) = (&self.args, query.family, query.states());
        // A NAME that --state excludes still has a row, since a script may ask for it.
        let count = |family, state| if meant.has(state) { counts.get(family, state) } else { 0 };
        let families: Vec<Family> = Family::ALL
            .into_iter()
            .filter(|family| only.is_none_or(|only| only == *family))
            .collect();
        if !args.by_family {
            return self.states.iter().try_for_each(|state| {
                let all = families.iter().map(|family| count(*family, *state)).sum();
                row(args, "", *state, all, out)
            });
        }
        for family in families {
            for state in &self.states {
                row(args, family.tcp_name(), *state, count(family, *state), out)?;
            }
        }
        Ok(())
    }
}

/// The states that the NAMEs select, in the given order, each once; without NAMEs those of the filter.
fn states(names: &[OsString], filter: StateSet) -> Result<Vec<TcpState>, Error> {
    let mut states = Vec::with_capacity(12);
    for name in names {
        let set = StateSet::parse(name.as_encoded_bytes())
            .map_err(|_| cli::unknown_name(name, StateSet::NAMES.into_iter()))?;
        for state in set.iter() {
            if !states.contains(&state) {
                states.push(state);
            }
        }
    }
    if names.is_empty() {
        states.extend(filter.iter());
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
        _ => "sock_diag, or /proc/net/tcp",
    }
}

/// What a socket in a state is doing (RFC 9293, 3.3.2).
fn meaning(state: TcpState) -> &'static str {
    const MEANINGS: [&str; 12] = [
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
    ];
    TcpState::all().zip(MEANINGS).find(|(other, _)| *other == state).map_or("", |(_, text)| text)
}
