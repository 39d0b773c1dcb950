//! `conncount` with a filter or `--by`: how many sockets pass, by group.

use super::Args;
use crate::cli;
use crate::error::Error;
use crate::frame::{Call, Report, Sample, Table};
use crate::model::{Endpoint, Family, Filter, Groups, Proto, Socket, Tally, TcpState};
use crate::out::Out;
use crate::select::facts::{self, Facts, Shared};
use crate::select::options::Picked;
use crate::source::sockets::sock_diag::Dumped;
use crate::source::{self, Method, Source};

/// Counts the sockets that pass, in groups if there are keys.
///
/// # Errors
/// As [`Call::table`].
pub fn run(call: &mut Call, mut args: Args, picked: &Picked) -> Result<(), Error> {
    check(call, &args)?;
    let of_all = call.is_of_all_namespaces();
    if of_all {
        args.grouping.lead_with("netns");
    }
    let grouping = &args.grouping;
    let mut table =
        Grouped { args: &args, picked, of_all, groups: Groups::default(), shared: None };
    call.table(&grouping.columns(), &grouping.shown(), &mut table)
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
    let groups = Groups::default();
    let mut table = Grouped { args, picked, of_all: false, groups, shared: None };
    table.count(source, Vec::new(), report)?;
    Ok(table.groups.sorted(0, 1).first().map_or(0, |(_, tally)| tally.count))
}

/// One table of groups.
struct Grouped<'a> {
    args: &'a Args,
    picked: &'a Picked,
    /// Whether the groups are those of all namespaces together.
    of_all: bool,
    groups: Groups,
    /// What was read once for the namespaces of this snapshot.
    shared: Option<Shared>,
}

impl Table for Grouped<'_> {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let netns = match out.namespace() {
            Some(name) => name.to_vec(),
            None if self.args.grouping.has("netns") => source::netns::own_name(),
            None => Vec::new(),
        };
        self.count(source, netns, report)?;
        if self.of_all { Ok(()) } else { self.rows(out) }
    }

    fn machine(&mut self, Sample { out, .. }: Sample<'_>) -> Result<(), Error> {
        self.rows(out)
    }
}

impl Grouped<'_> {
    /// Adds the sockets of one namespace.
    fn count(&mut self, source: &Source, netns: Vec<u8>, report: &mut Report) -> Result<(), Error> {
        let Grouped { args, picked, .. } = *self;
        let needs = args.grouping.needs();
        let filter = Filter { protos: args.protos(), ..picked.filter(&source.kernel)? };
        let shared = match self.shared.take() {
            Some(shared) => shared,
            None => Shared::read(source, picked, needs)?,
        };
        let mut facts = Facts::read(source, &shared, &filter, needs)?;
        facts.netns = netns;
        let counting = Counting { source, args, picked, filter: &filter, facts: &facts };
        let (groups, dumped) = source::confirmed(source, picked.is_strict, || counting.groups())?;
        self.groups.merge(groups);
        shared.note_gaps(picked, dumped, report);
        self.shared = Some(shared);
        Ok(())
    }

    fn rows(&mut self, out: &mut Out) -> Result<(), Error> {
        self.shared = None;
        self.args.grouping.rows(&std::mem::take(&mut self.groups), out)
    }
}

fn check(call: &Call, args: &Args) -> Result<(), Error> {
    let name = call.names().first().map(|name| name.as_encoded_bytes()).unwrap_or_default();
    cli::refuse([
        (!name.is_empty(), name, "is a row of the summary; with a filter or --by there is none"),
        (args.transport, b"--transport", "belongs to the summary: not with a filter or --by"),
        (args.quick, b"--quick", "belongs to the summary: not with a filter or --by"),
        (call.common().explain, b"--explain", "explains the summary: not with a filter or --by"),
    ])?;
    args.grouping.refuse_without_keys()
}

/// One way to count and all that it needs.
struct Counting<'a> {
    source: &'a Source,
    args: &'a Args,
    picked: &'a Picked,
    filter: &'a Filter,
    facts: &'a Facts<'a>,
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
        self.args.grouping.is_among(&["state", "proto", "netns"])
            && !self.args.grouping.has_sums()
            && !self.filter.looks_at_ends()
            && !self.picked.looks_at_holders()
    }

    fn by_dump(&self, protos: &[Proto], groups: &mut Groups) -> Result<Dumped, Error> {
        let filter = Filter { protos: protos.to_vec(), ..self.filter.clone() };
        let mut key = Vec::with_capacity(128);
        facts::sockets(self.source, Method::Auto, self.picked, &filter, self.facts, |socket| {
            self.args.grouping.key(&mut key, (socket, self.facts));
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
                self.args.grouping.key(&mut key, (&in_state(state), self.facts));
                groups.add_all(&key, Tally { count, sums: [0; 2] });
            }
        }
        Ok(dumped)
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
