//! Counts the selected sockets, in groups.

use crate::error::Error;
use crate::frame::Report;
use crate::model::{Endpoint, Family, Groups, Proto, Query, Socket, Tally, TcpState};
use crate::select::facts::{self, Facts, Shared};
use crate::select::grouping::Grouping;
use crate::select::options::looked_up;
use crate::select::socket_keys::Sockets;
use crate::source::sockets::sock_diag::Dumped;
use crate::source::{self, Collector, Method, Source, TcpInfo};

/// Counts the sockets of the namespace that the process is in, named `netns`. `shared` holds what was read
/// once for all namespaces of a snapshot.
pub fn groups(
    source: &Source,
    query: &Query,
    grouping: &Grouping<Sockets>,
    shared: &Shared,
    netns: Vec<u8>,
    report: &mut Report,
) -> Result<Groups, Error> {
    let query = &looked_up(query, &source.kernel)?;
    let mut facts = Facts::read(source, shared, query)?;
    facts.netns = netns;
    let counting = Counting { source, query, grouping, facts: &facts };
    let (groups, dumped) = source::confirmed(source, query.is_strict, || counting.groups())?;
    shared.note_gaps(query, dumped, report);
    Ok(groups)
}

/// Counts the sockets as one group.
pub fn number(source: &Source, query: &Query, report: &mut Report) -> Result<u64, Error> {
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
        let (mut groups, mut dumped) = (Groups::default(), Dumped::default());
        for proto in protos {
            let (one, of_one) = match proto {
                Proto::Tcp => self.by_subtraction()?,
                Proto::Udp => self.by_dump(&[Proto::Udp])?,
            };
            groups.merge(one);
            dumped.is_interrupted |= of_one.is_interrupted;
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
            let (key, groups) = (Vec::with_capacity(128), Groups::default());
            ByKey { grouping, facts, key, groups }
        };
        let (by_key, dumped) = facts::collect(source, Method::Auto, &query, facts, new)?;
        Ok((by_key.groups, dumped))
    }

    fn by_subtraction(&self) -> Result<(Groups, Dumped), Error> {
        let (states, only) = (self.query.states(), self.query.family);
        let (counts, dumped) =
            source::tcp_states(self.source, Method::Auto, states, only.is_some())?;
        let (mut groups, mut key) = (Groups::default(), Vec::with_capacity(32));
        for state in states.iter() {
            let count = only.map_or(counts.both(state), |family| counts.get(family, state));
            if count > 0 {
                self.grouping.key(&mut key, (&in_state(state), self.facts));
                groups.add_all(&key, Tally { count, sums: [0; 2] });
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
