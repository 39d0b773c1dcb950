//! The sources of connections: the kernel's counters, packets, or tracked flows.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use crate::capture_filter::{Expression, PacketFacts};
use crate::error::Error;
use crate::model::{Endpoint, Ends, Flow, FlowFilter, Proto, Query, Socket, StateSet, TcpState};
use crate::source::flows::conntrack::{self, FlowTable};
use crate::source::packets::capture::{Capture, Request};
use crate::source::packets::{Frame, segment};
use crate::source::sockets::tcp_info;
use crate::source::{Collector, Method, Source, TcpInfo, collect, sockets};
use crate::sys::{Kernel, Netlink};
use crate::track::tcp::{Counters, State, Tracker};

/// What to watch.
#[derive(Debug, Default)]
pub struct Watched {
    /// Selects the connections.
    pub expression: Expression,
    /// Whether to skip connections that began earlier.
    pub only_new: bool,
    /// The interface to capture on, if any.
    pub interface: Option<Vec<u8>>,
    /// Whether the interface also takes packets for other machines.
    pub is_promiscuous: bool,
    /// Whether to read the flows of connection tracking.
    pub conntrack: bool,
    /// How many threads may share a dump; see [`Source`].
    pub threads: usize,
}

impl Watched {
    /// Whether the expression matches a connection with these ends.
    fn has(&self, client: &Endpoint, server: &Endpoint) -> bool {
        let address = |end: &Endpoint| SocketAddr::new(end.address, end.port);
        self.expression.has_connection(address(client), address(server))
    }

    /// The segment in a frame, if the expression matches it.
    pub fn segment(&self, frame: &Frame<'_>) -> Option<crate::model::Segment> {
        let packet = frame.packet()?;
        if self.expression.is_empty() {
            return segment(&packet);
        }
        let facts = PacketFacts {
            source: packet.source,
            destination: packet.destination,
            protocol: packet.protocol,
            is_later_fragment: packet.is_fragment && packet.ports.is_none(),
            ports: packet.ports,
        };
        if self.expression.has(&facts) { segment(&packet) } else { None }
    }
}

/// A running source.
#[derive(Debug)]
pub struct Feed<'a> {
    wanted: &'a Watched,
    from: From,
    /// Connections that began earlier and are skipped.
    old: HashSet<(Endpoint, Endpoint)>,
    is_first: bool,
}

#[derive(Debug)]
enum From {
    Sockets(Source),
    Flows(Netlink),
    Packets(Box<Capture>),
}

/// How much of a packet is captured: the headers up to TCP's, with the options of both.
const SNAP_BYTES: u32 = 128;

impl<'a> Feed<'a> {
    /// Opens the source.
    ///
    /// # Errors
    /// If the interface does not exist, a privilege is missing, or the filter is too long for the kernel.
    pub fn open(wanted: &'a Watched, tracker: &mut Tracker) -> Result<Feed<'a>, Error> {
        let from = if let Some(interface) = &wanted.interface {
            listeners(tracker)?;
            From::Packets(Box::new(capture(wanted, interface)?))
        } else if wanted.conntrack {
            From::Flows(conntrack::open()?)
        } else {
            From::Sockets(Source { threads: wanted.threads, ..Source::default() })
        };
        Ok(Feed { wanted, from, old: HashSet::new(), is_first: true })
    }

    /// What to poll besides the clock.
    pub fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.from {
            From::Packets(capture) => Some(capture.as_fd()),
            From::Sockets(_) | From::Flows(_) => None,
        }
    }

    /// Takes the pending packets, if packets are captured.
    ///
    /// # Errors
    /// If the interface has disappeared.
    pub fn drain(&mut self, tracker: &mut Tracker) -> Result<(), Error> {
        let From::Packets(capture) = &mut self.from else { return Ok(()) };
        let wanted = self.wanted;
        capture.each(&mut |frame| {
            if let Some(segment) = wanted.segment(frame) {
                tracker.segment(frame.time, &segment);
            }
        })
    }

    /// Brings the tracker up to `now`: reads all counters, or the pending packets.
    pub fn tick(&mut self, now: Duration, tracker: &mut Tracker) -> Result<(), Error> {
        let (wanted, is_first) = (self.wanted, std::mem::take(&mut self.is_first));
        let old = &mut self.old;
        let mut take = |counters: &Counters, tracker: &mut Tracker| {
            let Counters { local, remote, .. } = *counters;
            if !wanted.has(&local, &remote) {
                return;
            }
            if wanted.only_new && is_first {
                old.insert((local, remote));
            } else if old.is_empty() || !old.contains(&(local, remote)) {
                tracker.counters(now, counters);
            }
        };
        match &mut self.from {
            From::Sockets(source) => read_sockets(source, tracker, &mut take)?,
            From::Flows(kernel) => read_flows(kernel, |flow| {
                if let Some(counters) = counters_of(flow) {
                    take(&counters, tracker);
                }
                Ok(())
            })?,
            From::Packets(_) => return self.drain(tracker),
        }
        tracker.end_of_counters(now);
        Ok(())
    }

    /// How many packets the kernel has dropped so far.
    pub fn dropped(&mut self) -> u64 {
        match &mut self.from {
            From::Packets(capture) => capture.dropped(),
            From::Sockets(_) | From::Flows(_) => 0,
        }
    }
}

fn capture(wanted: &Watched, interface: &[u8]) -> Result<Capture, Error> {
    let program = wanted.expression.program(SNAP_BYTES).map_err(|_| {
        Error::usage(
            "filter",
            "is too long: the kernel takes programs of at most 4096 instructions",
        )
    })?;
    let program: Vec<_> = program.iter().map(|one| (one.code, one.jt, one.jf, one.k)).collect();
    let is_promiscuous = wanted.is_promiscuous;
    Capture::open(&Request { interface, program: &program, is_promiscuous })
}

/// Tells the tracker the listeners of this machine: in connections that began earlier, they are the servers.
fn listeners(tracker: &mut Tracker) -> Result<(), Error> {
    let states = Some(StateSet::only(TcpState::LISTEN));
    let query = Query { protos: vec![Proto::Tcp], states, ..Query::default() };
    sockets(&Source::default(), Method::Auto, &query, |socket| {
        tracker.listener(socket.local);
        Ok(())
    })?;
    Ok(())
}

/// The states of connections and listeners. Connections in TIME_WAIT are over, and there may be very many.
const STATES: StateSet =
    StateSet::ALL.without(StateSet::TIME_WAIT).without(StateSet::only(TcpState::CLOSE));

/// The content of a dump: listeners, which the tracker must know before the connections.
#[derive(Default)]
struct Shown {
    listeners: Vec<Endpoint>,
    connections: Vec<Counters>,
}

impl Collector for Shown {
    const WANTS_INFO: bool = true;

    fn take(&mut self, socket: &Socket, info: Option<&TcpInfo>) -> Result<(), Error> {
        if socket.is_listening() {
            self.listeners.push(socket.local);
        }
        self.connections.extend(tcp_info::counters(socket, info));
        Ok(())
    }

    fn merge(&mut self, other: Shown) {
        self.listeners.extend(other.listeners);
        self.connections.extend(other.connections);
    }
}

fn read_sockets(
    source: &Source,
    tracker: &mut Tracker,
    take: &mut dyn FnMut(&Counters, &mut Tracker),
) -> Result<(), Error> {
    let query = Query { protos: vec![Proto::Tcp], states: Some(STATES), ..Query::default() };
    let (shown, _) = collect(source, Method::Netlink, &query, Shown::default)?;
    shown.listeners.into_iter().for_each(|listener| tracker.listener(listener));
    shown.connections.iter().for_each(|counters| take(counters, tracker));
    Ok(())
}

/// Reads the TCP flows, one family after the other, since the kernel's filter (Linux 5.8) needs a family.
fn read_flows(
    kernel: &mut Netlink,
    mut each: impl FnMut(&Flow<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    for family in [2, 10] {
        let of_tcp =
            FlowFilter { protocol: Some(TCP), family: Some(family), ..FlowFilter::default() };
        conntrack::matching(kernel, FlowTable::Tracked, &of_tcp, &mut each)?;
    }
    Ok(())
}

const TCP: u8 = 6;

/// The counters of a flow; `None` for another protocol. Bytes are those of whole IP packets.
fn counters_of(flow: &Flow<'_>) -> Option<Counters> {
    let Ends::Ports { source, destination } = flow.orig.ends else { return None };
    let end = |address, port| Endpoint { address, port };
    // enum tcp_conntrack (include/uapi/linux/netfilter/nf_conntrack_tcp.h).
    let state = match flow.state? {
        1 | 9 => State::SynSent,
        2 => State::SynAck,
        3 => State::Established,
        4..=6 => State::Closing,
        7 => State::Closed,
        _ => State::Reset,
    };
    let [sent, received] = flow.traffic.map(|traffic| traffic.map(|traffic| traffic.bytes));
    (flow.orig.protocol == TCP).then_some(Counters {
        local: end(flow.orig.source, source),
        remote: end(flow.orig.destination, destination),
        is_client: Some(true),
        state,
        sent_bytes_total: sent,
        received_bytes_total: received,
        retransmits_total: None,
        rtt: None,
        idle: None,
    })
}

/// Whether connection tracking counts bytes in the running kernel.
pub fn has_accounting() -> bool {
    Kernel::default().sysctl("net/netfilter/nf_conntrack_acct").is_none_or(|text| text != b"0")
}
