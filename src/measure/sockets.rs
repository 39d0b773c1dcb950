//! Counts the selected sockets, in groups.

use std::cell::Cell;
use std::net::Ipv4Addr;

use crate::cli;
use crate::error::Error;
use crate::frame::{Call, Report, Sample, Table};
use crate::model::{
    Choice, Endpoint, Family, Groups, Ports, Proto, Query, Socket, Tally, TcpState,
};
use crate::out::Column;
use crate::select::facts::{Facts, Shared};
use crate::select::grouping::{Grouping, NAMED};
use crate::select::options::looked_up;
use crate::select::passing;
use crate::select::socket_keys::Sockets;
use crate::source::files::rows::Row;
use crate::source::netns::{Missing, Namespaces};
use crate::source::sockets::sock_diag::Dumped;
use crate::source::{self, Collector, Method, Source, TcpInfo};
use crate::wire::text::unsigned;

/// Makes the table of the sockets that match, in groups: without keys one row per namespace, with keys the groups of all
/// namespaces together.
pub(crate) fn table(
    call: &mut Call,
    grouping: &Grouping<Sockets>,
    query: &Query,
    columns: &[Column],
) -> Result<(), Error> {
    let mut table = Grouped { grouping, query, groups: grouping.groups() };
    call.table(columns, &grouping.shown(), &mut table)
}

struct Grouped<'a> {
    grouping: &'a Grouping<Sockets>,
    query: &'a Query,
    /// The groups of all namespaces together.
    groups: Groups,
}

impl Table for Grouped<'_> {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let Grouped { grouping, query, .. } = *self;
        if let Some(groups) = saved_groups(source, query, grouping, report)? {
            return grouping.rows(&groups, out);
        }
        let mut netns = Vec::new();
        if grouping.has("netns") {
            // A sosreport's folder has files for each namespace, and other files do not tell theirs.
            netns = match out.namespace().filter(|_| !source.saved.is_empty()) {
                Some(name) => name.to_vec(),
                None => {
                    const NOT_TOLD: &str =
                        "--by netns: files do not say of which network namespace they are";
                    source.must_be_live(NOT_TOLD)?;
                    crate::source::netns::own_name()?
                }
            };
        }
        let shared = Shared::read(source, query)?;
        grouping.rows(&groups(source, query, grouping, &shared, netns, report)?, out)
    }

    fn namespaces(&mut self, all: &Namespaces, sample: Sample<'_>) -> Result<Missing, Error> {
        let Grouped { grouping, query, groups: merged } = self;
        let shared = Shared::read_whole(sample.source, query)?;
        let read = |source: &Source, netns: &[u8], report: &mut Report| {
            groups(source, query, grouping, &shared, netns.to_vec(), report)
        };
        sample.everywhere(all, read, |more, out| {
            shared.interfaces.check()?;
            if !grouping.has_keys() {
                return grouping.rows(&more, out);
            }
            merged.merge(more);
            Ok(())
        })
    }

    fn machine(&mut self, Sample { out, .. }: Sample<'_>) -> Result<(), Error> {
        if !self.grouping.has_keys() {
            return Ok(());
        }
        let groups = std::mem::replace(&mut self.groups, self.grouping.groups());
        self.grouping.rows(&groups, out)
    }
}

/// The groups of saved rows; `None` if the files are no rows.
fn saved_groups(
    source: &Source,
    query: &Query,
    grouping: &Grouping<Sockets>,
    report: &mut Report,
) -> Result<Option<Groups>, Error> {
    if source.saved.is_empty() {
        return Ok(None);
    }
    let query = &looked_up(query, source)?;
    let has_addresses = !(query.laddr.is_empty() && query.raddr.is_empty());
    let has_others =
        !(query.uids.is_empty() && query.interfaces.is_empty() && query.inodes.is_empty());
    let is_refused = query.looks_at_holders() || has_addresses || has_others;
    let seen = Cell::new(SeenRows::default());
    let groups = grouping.saved(source, report, &|row| {
        if is_refused {
            return Err(Error::usage("--from", SUMS));
        }
        let socket = socket_of(query, row)?;
        let mut now = seen.get();
        now.see(query, row, &socket)?;
        seen.set(now);
        if query.has(&socket) { grouping.tally(row).map(Some) } else { Ok(None) }
    })?;
    cli::refuse([(groups.is_some() && query.pods_file.is_some(), "--pods", NAMED)])?;
    seen.get().report(query, report);
    Ok(groups)
}

/// What saved rows tell of their protocol and family.
#[derive(Clone, Copy, Default)]
struct SeenRows {
    /// Rows without it: of sockets of any protocol, or of conntrack's flows.
    is_untold: bool,
    /// Whether the states of such rows are all of those that UDP has, too; `None` without states.
    may_be_udp: Option<bool>,
    /// The protocols of those that tell it.
    protos: [bool; 2],
    /// The families, of the protocols that are asked for, if one is asked for.
    families: [bool; 2],
}

impl SeenRows {
    fn see(&mut self, query: &Query, row: &Row<'_>, socket: &Socket) -> Result<(), Error> {
        let is_tcp = !row.has("proto") || socket.proto == Proto::Tcp;
        if row.has("state") && is_tcp {
            let text = row.text("state")?;
            // A state that was not known when the rows were saved is a number.
            if unsigned(text).is_none() {
                let may_be = may_be_udp(state_of(row)?);
                self.may_be_udp = Some(may_be && self.may_be_udp.unwrap_or(true));
            }
        }
        self.families[socket.family as usize] |= query.protos().contains(&socket.proto);
        if row.has("proto") {
            self.protos[socket.proto as usize] = true;
            return Ok(());
        }
        let option = match query.protos[..] {
            [Proto::Tcp] => "-t",
            [Proto::Udp] => "-u",
            _ => {
                self.is_untold |= query.protos.is_empty();
                return Ok(());
            }
        };
        Err(row.error(format_args!(
            "{option} cannot be answered: the rows do not say of which protocol they are; save them with the key \
             proto, or take them as they are with -t -u"
        )))
    }

    fn report(self, query: &Query, report: &mut Report) {
        if self.protos[Proto::Udp as usize] && query.protos.is_empty() {
            report.note("--from: rows of udp are left out: -u counts them, -t -u both");
        }
        if let [proto] = query.protos[..]
            && self.protos[1 - proto as usize]
            && !self.protos[proto as usize]
        {
            let name = proto.name();
            report.lack(&format!(
                "--from: no row is of {name}, which may not have been counted: count it with -t -u"
            ));
        }
        if let Some(family) = query.family
            && self.families[1 - family as usize]
            && !self.families[family as usize]
        {
            report.lack(no_row_of(family));
        }
        // Who asks for such a state by name knows what was saved.
        let is_doubtful = self.may_be_udp == Some(true) && query.states.is_none();
        match self.is_untold {
            true if is_doubtful => report.lack(UDP_OR_TCP),
            true => report.note(UNTOLD),
            false => {}
        }
    }
}

/// What is said where rows of the other family alone are there.
pub(crate) fn no_row_of(family: Family) -> &'static str {
    match family {
        Family::Inet => {
            "--from: no row is of inet, which may not have been counted: count without -6"
        }
        Family::Inet6 => {
            "--from: no row is of inet6, which may not have been counted: count without -4"
        }
    }
}

/// Whether sockets of UDP, too, are in a state.
pub(crate) fn may_be_udp(state: TcpState) -> bool {
    matches!(state, TcpState::ESTABLISHED | TcpState::CLOSE)
}

const UNTOLD: &str = "--from: the rows do not say of which protocol they are, and count as sockets of TCP: save them with \
    the key proto (conncount --by proto,...)";

/// What is said where all rows may be of UDP.
pub(crate) const UDP_OR_TCP: &str = "--from: the rows do not say of which protocol they are, and have only states that UDP has, too: they \
    count as sockets of TCP; save them with the key proto (conncount --by proto,...)";

pub(crate) const SUMS: &str = "rows of connbox are sums: only filters by state, family and port look into them, where they have such a \
    column; filter the rows themselves, or the sockets when they are counted";

/// A socket of a saved row, as far as the query asks.
fn socket_of(query: &Query, row: &Row<'_>) -> Result<Socket, Error> {
    let proto = match row.has("proto") {
        true => {
            let text = row.text("proto")?;
            let proto = Proto::ALL.into_iter().find(|proto| proto.name().as_bytes() == text);
            proto.ok_or_else(|| row.wrong("proto", text))?
        }
        // Then the rows do not tell, and are those that were asked for.
        false => query.protos().first().copied().unwrap_or(Proto::Tcp),
    };
    let family = match query.family {
        None => Family::Inet,
        Some(_) => match row.text("family")? {
            b"inet" => Family::Inet,
            b"inet6" | b"inet6-mapped" => Family::Inet6,
            text => return Err(row.wrong("family", text)),
        },
    };
    let has_states = query.states.is_some() || !query.other_states.is_empty();
    let state = if has_states { state_of(row)?.number() } else { 0 };
    let port = |ports: &Choice<Ports>, column| match ports.is_empty() {
        true => Ok(0),
        false => row.number(column),
    };
    let end = |port| Endpoint { address: Ipv4Addr::UNSPECIFIED.into(), port };
    let (local, remote) = (port(&query.lport, "lport")?, port(&query.rport, "rport")?);
    Ok(Socket::of(proto, family, state, end(local), end(remote)))
}

/// The state of a saved row: its name, or the digits of `--hex`.
pub(crate) fn state_of(row: &Row<'_>) -> Result<TcpState, Error> {
    let text = row.text("state")?;
    let is_it = |state: &TcpState| [state.name(), state.hex()].map(str::as_bytes).contains(&text);
    TcpState::each().find(is_it).ok_or_else(|| row.wrong("state", text))
}

/// Counts the sockets of the namespace that the process is in, named `netns`. `shared` holds what was read
/// once for all namespaces of a snapshot.
pub(crate) fn groups(
    source: &Source,
    query: &Query,
    grouping: &Grouping<Sockets>,
    shared: &Shared,
    netns: Vec<u8>,
    report: &mut Report,
) -> Result<Groups, Error> {
    let query = &looked_up(query, source)?;
    let (groups, dumped) = source::confirmed(source, query.strict, || {
        let mut facts = Facts::read(source, shared, query)?;
        facts.netns.clone_from(&netns);
        Counting { source, query, grouping, facts: &facts }.groups()
    })?;
    shared.note_gaps(query, dumped, report)?;
    Ok(groups)
}

/// Counts the sockets as one group; what is to be said about it is reported.
pub(crate) fn number(source: &Source, query: &Query, report: &mut Report) -> Result<u64, Error> {
    let shared = Shared::read(source, query)?;
    let groups = groups(source, query, &Grouping::default(), &shared, Vec::new(), report)?;
    Ok(groups.sorted(0, 1).first().map_or(0, |(_, tally)| tally.count))
}

/// One way to count and all that it needs.
struct Counting<'a> {
    source: &'a Source,
    query: &'a Query,
    grouping: &'a Grouping<Sockets>,
    facts: &'a Facts<'a>,
}

impl Counting<'_> {
    fn groups(&self) -> Result<(Groups, Dumped), Error> {
        let protos = self.query.protos();
        if !(self.needs_states_alone() && self.source.is_live()) {
            return self.by_dump(protos);
        }
        let (mut groups, mut dumped) = (self.grouping.groups(), Dumped::default());
        for proto in protos {
            let (one, of_one) = match proto {
                Proto::Tcp => self.by_subtraction()?,
                Proto::Udp => self.by_dump(&[Proto::Udp])?,
            };
            groups.merge(one);
            dumped.add(of_one);
        }
        Ok((groups, dumped))
    }

    /// Whether the number of sockets in each state is enough: it is many times faster to read.
    fn needs_states_alone(&self) -> bool {
        self.grouping.is_among(&["state", "proto", "netns"])
            && !self.grouping.has_sums()
            && !self.query.looks_at_ends()
            && !self.query.looks_at_holders()
    }

    fn by_dump(&self, protos: &[Proto]) -> Result<(Groups, Dumped), Error> {
        let Counting { source, grouping, facts, .. } = *self;
        let query = Query { protos: protos.to_vec(), ..self.query.clone() };
        let new = || {
            let (key, groups) = (Vec::with_capacity(128), grouping.groups());
            ByKey { grouping, facts, key, groups }
        };
        let (by_key, dumped) = passing::collect(source, Method::Auto, &query, facts, new)?;
        Ok((by_key.groups, dumped))
    }

    fn by_subtraction(&self) -> Result<(Groups, Dumped), Error> {
        let (states, only) = (self.query.states(), self.query.family);
        let (counts, dumped) =
            source::tcp_states(self.source, Method::Auto, states, only.is_some())?;
        let (mut groups, mut key) = (self.grouping.groups(), Vec::with_capacity(32));
        for state in states.iter() {
            let count = only.map_or(counts.both(state), |family| counts.get(family, state));
            if count > 0 {
                self.grouping.key(&mut key, (&in_state(state), self.facts));
                groups.add_all(&key, Tally { count, ..Tally::default() });
            }
        }
        Ok((groups, dumped))
    }
}

/// Puts sockets into groups.
struct ByKey<'a> {
    grouping: &'a Grouping<Sockets>,
    facts: &'a Facts<'a>,
    key: Vec<u8>,
    groups: Groups,
}

impl Collector for ByKey<'_> {
    #[inline]
    fn take(&mut self, socket: &Socket, _: Option<&TcpInfo>) -> Result<(), Error> {
        self.grouping.key(&mut self.key, (socket, self.facts));
        // The queues of a listening socket hold connections, not bytes.
        let is_listener = socket.tcp_state() == Some(TcpState::LISTEN);
        let bytes = |queue: u32| if is_listener { 0 } else { queue.into() };
        let sums = [bytes(socket.recv_queue_bytes), bytes(socket.send_queue_bytes)];
        self.groups.add(&self.key, sums);
        Ok(())
    }

    fn merge(&mut self, other: Self) {
        self.groups.merge(other.groups);
    }
}

/// A TCP socket of which only the state matters.
fn in_state(state: TcpState) -> Socket {
    let nowhere = Endpoint { address: std::net::Ipv4Addr::UNSPECIFIED.into(), port: 0 };
    Socket::of(Proto::Tcp, Family::Inet, state.number(), nowhere, nowhere)
}
