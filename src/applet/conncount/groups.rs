//! `conncount` with a filter or `--by`: how many sockets pass, by group.

use super::by::{self, Key};
use super::{Args, COLUMNS};
use crate::cli;
use crate::error::Error;
use crate::frame::{Call, Report, Sample, Table};
use crate::model::{Endpoint, Family, Filter, Groups, Proto, Socket, Tally, TcpState};
use crate::out::{Column, Out};
use crate::select::cells;
use crate::select::facts::{self, Facts, Needs, Shared};
use crate::select::options::Picked;
use crate::source::sockets::sock_diag::Dumped;
use crate::source::{self, Method, Source};

pub const COUNT: Column =
    Column::gauge("count", "conncount_matching_sockets", "sockets that pass the filters");
pub const RECV_QUEUE: Column = Column::gauge(
    "recv_queue_bytes",
    "conncount_recv_queue_bytes",
    "bytes that wait to be read, without those of listening sockets",
);
pub const SEND_QUEUE: Column = Column::gauge(
    "send_queue_bytes",
    "conncount_send_queue_bytes",
    "bytes that wait to be sent or acknowledged, without those of listening sockets",
);

/// What `--sum` may add up.
pub const SUMS: [&str; 2] = ["recv_queue", "send_queue"];

/// Counts the sockets that pass, in groups if there are keys.
///
/// # Errors
/// As [`Call::table`].
pub fn run(call: &mut Call, mut args: Args, picked: &Picked) -> Result<(), Error> {
    check(call, &args)?;
    let of_all = call.is_of_all_namespaces();
    if of_all && !args.by.contains(&Key::Netns) {
        args.by.insert(0, Key::Netns);
    }
    let sums = [COUNT, RECV_QUEUE, SEND_QUEUE];
    let columns: Vec<Column> = args.by.iter().map(|key| key.column()).chain(sums).collect();
    let shown = [(RECV_QUEUE.name, args.sums[0]), (SEND_QUEUE.name, args.sums[1])];
    let mut needs = Needs::default();
    args.by.iter().for_each(|key| key.note_needs(&mut needs));
    let groups = Groups::default();
    let mut grouping = Grouping { args: &args, picked, needs, of_all, groups, shared: None };
    call.table(&columns, &shown, &mut grouping)
}

/// Counts the sockets that pass, all together.
///
/// # Errors
/// If they cannot be counted.
pub fn count(
    args: &Args,
    picked: &Picked,
    source: &Source,
    report: &mut Report,
) -> Result<u64, Error> {
    let (needs, groups) = (Needs::default(), Groups::default());
    let mut grouping = Grouping { args, picked, needs, of_all: false, groups, shared: None };
    grouping.count(source, &[], report)?;
    Ok(grouping.groups.sorted(0, 1).first().map_or(0, |(_, tally)| tally.count))
}

/// One table of groups.
struct Grouping<'a> {
    args: &'a Args,
    picked: &'a Picked,
    needs: Needs,
    /// Whether the groups are those of all namespaces together.
    of_all: bool,
    groups: Groups,
    /// What was read once for the namespaces of this snapshot.
    shared: Option<Shared>,
}

impl Table for Grouping<'_> {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let netns = match out.namespace() {
            Some(name) => name.to_vec(),
            None if self.args.by.contains(&Key::Netns) => source::netns::own_name(),
            None => Vec::new(),
        };
        self.count(source, &netns, report)?;
        if self.of_all { Ok(()) } else { self.rows(out) }
    }

    fn machine(&mut self, Sample { out, .. }: Sample<'_>) -> Result<(), Error> {
        self.rows(out)
    }
}

impl Grouping<'_> {
    /// Adds the sockets of one namespace.
    fn count(&mut self, source: &Source, netns: &[u8], report: &mut Report) -> Result<(), Error> {
        let Grouping { args, picked, needs, .. } = *self;
        let filter = Filter { protos: args.protos(), ..picked.filter(&source.kernel)? };
        let shared = match self.shared.take() {
            Some(shared) => shared,
            None => Shared::read(source, picked, needs)?,
        };
        let facts = Facts::read(source, &shared, &filter, needs)?;
        let counting = Counting { source, args, picked, filter: &filter, facts: &facts, netns };
        let (groups, dumped) = source::confirmed(source, picked.is_strict, || counting.groups())?;
        self.groups.merge(groups);
        shared.note_gaps(picked, dumped, report);
        self.shared = Some(shared);
        Ok(())
    }

    fn rows(&mut self, out: &mut Out) -> Result<(), Error> {
        self.shared = None;
        let groups = std::mem::take(&mut self.groups);
        let args = self.args;
        cells::rows(&groups, &args.by, (args.min, args.top), Key::value, out)
    }
}

fn check(call: &Call, args: &Args) -> Result<(), Error> {
    let has_keys = !args.by.is_empty();
    let name = call.names().first().map(|name| name.as_encoded_bytes()).unwrap_or_default();
    cli::refuse([
        (!name.is_empty(), name, "is a row of the summary; with a filter or --by there is none"),
        (args.transport, b"--transport", "belongs to the summary: not with a filter or --by"),
        (args.quick, b"--quick", "belongs to the summary: not with a filter or --by"),
        (call.common().explain, b"--explain", "explains the summary: not with a filter or --by"),
        (args.top.is_some() && !has_keys, b"--top", "needs --by"),
        (args.min.is_some() && !has_keys, b"--min", "needs --by"),
    ])
}

/// One way to count and all that it needs.
struct Counting<'a> {
    source: &'a Source,
    args: &'a Args,
    picked: &'a Picked,
    filter: &'a Filter,
    facts: &'a Facts<'a>,
    netns: &'a [u8],
}

impl Counting<'_> {
    fn groups(&self) -> Result<(Groups, Dumped), Error> {
        let mut groups = Groups::default();
        let protos = self.filter.protos();
        if !(self.needs_states_alone() && self.source.is_live()) {
            let dumped = self.by_dump(protos, &mut groups)?;
            return Ok((groups, dumped));
        }
        let mut dumped = Dumped::default();
        for proto in protos {
            let one = match proto {
                Proto::Tcp => self.by_subtraction(&mut groups)?,
                Proto::Udp => self.by_dump(&[Proto::Udp], &mut groups)?,
            };
            dumped.is_interrupted |= one.is_interrupted;
        }
        Ok((groups, dumped))
    }

    /// Whether the number of sockets in each state says all: it is had many times faster.
    fn needs_states_alone(&self) -> bool {
        let is_plain = |key: &Key| matches!(key, Key::State | Key::Proto | Key::Netns);
        self.args.by.iter().all(is_plain)
            && !self.args.sums.contains(&true)
            && !self.filter.looks_at_ends()
            && !self.picked.looks_at_holders()
    }

    fn by_dump(&self, protos: &[Proto], groups: &mut Groups) -> Result<Dumped, Error> {
        let filter = Filter { protos: protos.to_vec(), ..self.filter.clone() };
        let mut key = Vec::with_capacity(128);
        facts::sockets(self.source, Method::Auto, self.picked, &filter, self.facts, |socket| {
            self.key(&mut key, socket);
            // A listening socket's numbers are connections, not bytes.
            let is_listener = socket.tcp_state() == Some(TcpState::LISTEN);
            let bytes = |queue: u32| if is_listener { 0 } else { queue.into() };
            groups.add(&key, [bytes(socket.recv_queue_bytes), bytes(socket.send_queue_bytes)]);
        })
    }

    fn by_subtraction(&self, groups: &mut Groups) -> Result<Dumped, Error> {
        let (states, only) = (self.filter.states(), self.filter.family);
        let (counts, dumped) =
            source::tcp_states(self.source, Method::Auto, states, only.is_some())?;
        let mut key = Vec::with_capacity(32);
        for state in states.iter() {
            let count = only.map_or(counts.both(state), |family| counts.get(family, state));
            if count > 0 {
                self.key(&mut key, &in_state(state));
                groups.add_all(&key, Tally { count, sums: [0; 2] });
            }
        }
        Ok(dumped)
    }

    fn key(&self, key: &mut Vec<u8>, socket: &Socket) {
        key.clear();
        for part in &self.args.by {
            part.push(key, socket, self.facts, self.netns);
        }
    }
}

/// A TCP socket of which only the state matters.
fn in_state(state: TcpState) -> Socket {
    let nowhere = Endpoint { address: std::net::Ipv4Addr::UNSPECIFIED.into(), port: 0 };
    Socket {
        proto: Proto::Tcp,
        family: Family::Inet,
        state: state.number(),
        timer: 0,
        local: nowhere,
        remote: nowhere,
        interface: 0,
        recv_queue_bytes: 0,
        send_queue_bytes: 0,
        uid: 0,
        inode: 0,
        cookie: 0,
        cgroup: None,
    }
}

/// All columns that `conncount` may show.
pub const ALL_COLUMNS: [Column; 24] =
    Column::joined(&[&COLUMNS, &by::COLUMNS, &[COUNT, RECV_QUEUE, SEND_QUEUE]]);
