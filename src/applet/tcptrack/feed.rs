//! The sources of connections: the kernel's counters, packets, or tracked flows.

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use super::flows;
use super::replay::Replay;
use super::watched::Watched;
use crate::error::Error;
use crate::frame::Report;
use crate::model::{Endpoint, Proto, Query, Socket, StateSet, TcpState};
use crate::source::flows::conntrack;
use crate::source::multicast::{Pace, Step};
use crate::source::packets::capture::{Capture, MOST_INSTRUCTIONS, Request};
use crate::source::sockets::ended::Endings;
use crate::source::sockets::tcp_info;
use crate::source::{Collector, Method, Source, TcpInfo, collect, sockets};
use crate::sys::sandbox::Sandbox;
use crate::sys::{self, Netlink};
use crate::track::Listeners;
use crate::track::tcp::{Counters, Tracker};

#[derive(Debug)]
pub(super) struct Feed<'a> {
    wanted: &'a Watched,
    from: Supply,
    /// The ends and zones of connections that began earlier and are skipped, and the cookies of their sockets.
    old: HashMap<(Endpoint, Endpoint, u16), u64>,
    is_first: bool,
    /// Whether a flow had no counters.
    has_uncounted: bool,
    pace: Pace,
    /// How many ends of connections were lost since the last report.
    lost: Option<u64>,
    /// The same since the beginning.
    lost_in_all: u64,
}

#[derive(Debug)]
enum Supply {
    Sockets(Box<Source>, Result<Endings, Error>),
    Flows(Netlink),
    Packets(Box<Capture>),
    Replay(Box<Replay>),
}

const REFUSED: &str = "the sandbox was refused, or a part of it: the capture keeps rights that it does not need; \
    --no-sandbox accepts that";

/// How many ends of connections are taken before the caller can do something else.
const ENDS_A_TURN: usize = 1024;
/// No buffer holds more.
const MOST_ENDS: usize = 1 << 17;

/// How much of a packet is captured: the headers up to TCP's, with the options of both.
const SNAP_BYTES: u32 = 128;
/// What may stand before it: Ethernet, tags.
const LINK_BYTES: u32 = 64;

impl<'a> Feed<'a> {
    /// Opens the source.
    ///
    /// # Errors
    /// If the interface does not exist, a privilege is missing, or the filter is too long for the kernel.
    pub(super) fn open(wanted: &'a Watched, tracker: &mut Tracker) -> Result<Feed<'a>, Error> {
        let from = if let Some(path) = &wanted.capture {
            Supply::Replay(Box::new(Replay::open(path, wanted)?))
        } else if let Some(interface) = &wanted.interface {
            listeners(tracker)?;
            Supply::Packets(Box::new(capture(wanted, interface)?))
        } else if wanted.conntrack {
            Supply::Flows(conntrack::open()?)
        } else {
            // Before the first dump: nothing that ends later is missed.
            let ends = Endings::open().map_err(Error::from);
            let source = Source { threads: wanted.threads, ..Source::default() };
            Supply::Sockets(Box::new(source), ends)
        };
        let (old, pace) = (HashMap::new(), Pace::default());
        let (is_first, has_uncounted) = (true, false);
        Ok(Feed { wanted, from, old, is_first, has_uncounted, pace, lost: None, lost_in_all: 0 })
    }

    /// Gives up what is not needed to read the packets and to show them; everything else must be open.
    pub(super) fn confine(&self, report: &mut Report) {
        if self.wanted.is_confined && !Sandbox::of_capture() {
            report.note(REFUSED);
        }
    }

    /// What to poll besides the clock.
    pub(super) fn fd(&self) -> Option<BorrowedFd<'_>> {
        match &self.from {
            Supply::Packets(capture) => Some(capture.as_fd()),
            Supply::Replay(replay) => Some(replay.fd()),
            Supply::Sockets(_, Ok(ends)) => Some(ends.as_fd()),
            Supply::Sockets(..) | Supply::Flows(_) => None,
        }
    }

    /// Whether packets are captured.
    pub(super) fn is_capture(&self) -> bool {
        matches!(self.from, Supply::Packets(_))
    }

    /// Why the kernel does not tell which connections have ended, if it should.
    pub(super) fn refusal(&self) -> Option<String> {
        let Supply::Sockets(_, Err(Error::Fault { text, .. })) = &self.from else { return None };
        let text = String::from_utf8_lossy(text);
        Some(format!(
            "{text}: the kernel does not report which connections end, so that those shorter than a tick are \
             missing, and the last bytes of others"
        ))
    }

    /// Takes the pending packets or ends of connections, and then lets more of them gather.
    ///
    /// # Errors
    /// If the interface has disappeared.
    pub(super) fn drain(&mut self, tracker: &mut Tracker) -> Result<(), Error> {
        self.pace.wakes(sys::monotonic());
        self.take_pending(tracker, ENDS_A_TURN)?;
        if let Supply::Sockets(_, Ok(ends)) = &self.from {
            let now = sys::monotonic();
            if let (Some(nap), true) = (ends.nap(), self.pace.wants_nap(now)) {
                sys::sleep_until(now + nap);
            }
        }
        Ok(())
    }

    /// Takes all packets or ends of connections that wait.
    pub(super) fn take_all(&mut self, tracker: &mut Tracker) -> Result<(), Error> {
        self.take_pending(tracker, MOST_ENDS)
    }

    fn take_pending(&mut self, tracker: &mut Tracker, most: usize) -> Result<(), Error> {
        let wanted = self.wanted;
        let ends = match &mut self.from {
            Supply::Packets(capture) => {
                return capture.each(&mut |frame| {
                    if let Some(segment) = wanted.segment(frame) {
                        tracker.segment(frame.time, &segment);
                    }
                });
            }
            Supply::Replay(replay) if replay.is_over => return Ok(()),
            Supply::Replay(replay) => return replay.step(wanted, tracker).map(|_| ()),
            Supply::Sockets(_, Ok(ends)) => ends,
            Supply::Sockets(..) | Supply::Flows(_) => return Ok(()),
        };
        let old = &self.old;
        for _ in 0..most {
            // The ages that messages tell are those before this moment, however long this takes.
            let now = sys::monotonic();
            let step = ends.next(&mut |last| {
                let Counters { local, remote, cookie, .. } = last.counters;
                let is_old = || old.get(&(local, remote, 0)) == Some(&cookie);
                if remote.port == 0 || wanted.has(&local, &remote) && !is_old() {
                    tracker.ended(now, last);
                }
            });
            match step? {
                Step::Read => {}
                Step::Lost(lost) => {
                    self.lost = Some(self.lost.unwrap_or_default() + lost);
                    self.lost_in_all += lost;
                }
                Step::Idle => {
                    tracker.drained(now);
                    break;
                }
            }
        }
        Ok(())
    }

    /// The warning if ends of connections were lost since the last call; at the end also those that are known only
    /// now.
    pub(super) fn losses(&mut self, is_end: bool) -> Option<String> {
        if let (Supply::Sockets(_, Ok(ends)), true) = (&mut self.from, is_end)
            && let more @ 1.. = ends.newly_lost()
        {
            self.lost = Some(self.lost.unwrap_or_default() + more);
            self.lost_in_all += more;
        }
        let number = match self.newly_lost()? {
            0 => "an unknown number of".to_owned(),
            lost => lost.to_string(),
        };
        const REASON: &str =
            "the receive buffer was full; CAP_NET_ADMIN or net.core.rmem_max makes it larger";
        Some(format!(
            "{number} reports of ends lost (a connection within this machine has two): {REASON}"
        ))
    }

    /// How many ends of connections were lost since the beginning.
    pub(super) fn lost_in_all(&self) -> u64 {
        self.lost_in_all
    }

    /// How many ends of connections were lost since the last call; 0 if the kernel does not say.
    pub(super) fn newly_lost(&mut self) -> Option<u64> {
        self.lost.take()
    }

    /// Brings the tracker up to `now`: reads all counters, or the pending packets.
    pub(super) fn tick(&mut self, now: Duration, tracker: &mut Tracker) -> Result<(), Error> {
        let (wanted, is_first) = (self.wanted, std::mem::take(&mut self.is_first));
        if let Supply::Replay(replay) = &self.from {
            // Its packets come when they come.
            replay.settle(tracker);
            return Ok(());
        }
        // The first reading tells the listeners, and what is old; what has ended until then can wait. Later what
        // waits has ended since the last reading, and would look older after this one.
        if !is_first {
            self.take_all(tracker)?;
        }
        let (old, has_uncounted) = (&mut self.old, &mut self.has_uncounted);
        let mut take = |counters: &Counters, tracker: &mut Tracker| {
            let Counters { local, remote, zone, flow, cookie, .. } = *counters;
            let cookie = flow.map_or(cookie, u64::from);
            if !wanted.has(&local, &remote) {
                return;
            }
            if wanted.only_new && is_first {
                old.insert((local, remote, zone), cookie);
            } else if old.is_empty() || old.get(&(local, remote, zone)) != Some(&cookie) {
                *has_uncounted |= flow.is_some() && counters.sent_bytes_total.is_none();
                tracker.counters(now, counters);
            }
        };
        match &mut self.from {
            Supply::Sockets(source, _) => read_sockets(source, tracker, &mut take)?,
            Supply::Flows(kernel) => flows::read(kernel, |flow| {
                if let Some(counters) = flows::counters_of(flow) {
                    take(&counters, tracker);
                }
                Ok(())
            })?,
            Supply::Packets(_) | Supply::Replay(_) => {
                return if is_first { self.take_all(tracker) } else { Ok(()) };
            }
        }
        tracker.end_of_counters(now);
        Ok(())
    }

    /// The warning if a flow had no counters, although the kernel counts now; otherwise it has been given.
    pub(super) fn uncounted(&self) -> Option<&'static str> {
        (self.has_uncounted && flows::has_accounting()).then_some(flows::UNCOUNTED)
    }

    /// How many frames did not tell what the expression asks.
    pub(super) fn skipped(&self) -> u64 {
        self.wanted.skipped()
    }

    /// How many packets were captured without the numbers of TCP.
    pub(super) fn cut(&self) -> u64 {
        self.wanted.cut()
    }

    /// How many fragmented packets were captured only in part.
    pub(super) fn incomplete(&self) -> u64 {
        self.wanted.incomplete()
    }

    /// How many packets the kernel has dropped so far.
    pub(super) fn dropped(&mut self) -> u64 {
        match &mut self.from {
            Supply::Packets(capture) => capture.dropped(),
            Supply::Sockets(..) | Supply::Flows(_) | Supply::Replay(_) => 0,
        }
    }

    /// The capture, if one is read.
    pub(super) fn replay(&self) -> Option<&Replay> {
        if let Supply::Replay(replay) = &self.from { Some(replay) } else { None }
    }

    /// Is told of ^C.
    pub(super) fn interrupt(&mut self) {
        if let Supply::Replay(replay) = &mut self.from {
            replay.interrupt();
        }
    }

    /// The capture, to end it.
    pub(super) fn into_replay(self) -> Option<Replay> {
        if let Supply::Replay(replay) = self.from { Some(*replay) } else { None }
    }
}

fn capture(wanted: &Watched, interface: &[u8]) -> Result<Capture, Error> {
    let is_raw = wanted.expression.needs_frames();
    let link_bytes = if is_raw { LINK_BYTES } else { 0 };
    let snap_bytes = SNAP_BYTES.max(wanted.expression.most_bytes()) + link_bytes;
    let program = wanted.expression.program(snap_bytes).ok();
    let program =
        program.filter(|program| program.len() <= MOST_INSTRUCTIONS).ok_or_else(|| {
            Error::usage(
                "filter",
                "is too long: the kernel takes programs of at most 4096 instructions",
            )
        })?;
    let program: Vec<_> = program.iter().map(|one| (one.code, one.jt, one.jf, one.k)).collect();
    let Watched { is_promiscuous, decapsulates, .. } = *wanted;
    Capture::open(&Request {
        interface,
        program: &program,
        snap_bytes,
        is_raw,
        is_promiscuous,
        decapsulates,
    })
}

/// Tells the tracker the listeners of this machine: in connections that began earlier, they are the servers.
fn listeners(tracker: &mut Tracker) -> Result<(), Error> {
    let states = Some(StateSet::only(TcpState::LISTEN));
    let query = Query { protos: vec![Proto::Tcp], states, ..Query::default() };
    let mut listeners = Listeners::default();
    sockets(&Source::default(), Method::Auto, &query, |socket| {
        listeners.add(socket);
        Ok(())
    })?;
    tracker.set_listeners(listeners);
    Ok(())
}

/// The states of connections and listeners. Connections in TIME_WAIT are over, and there may be very many.
const STATES: StateSet =
    StateSet::ALL.without(StateSet::TIME_WAIT).without(StateSet::only(TcpState::CLOSE));

/// The content of a dump: listeners, which the tracker must know before the connections.
#[derive(Default)]
struct Shown {
    listeners: Listeners,
    connections: Vec<Counters>,
}

impl Collector for Shown {
    const WANTS_INFO: bool = true;

    fn take(&mut self, socket: &Socket, info: Option<&TcpInfo>) -> Result<(), Error> {
        if socket.is_listening() {
            self.listeners.add(socket);
        }
        self.connections.extend(tcp_info::counters(socket, info));
        Ok(())
    }

    fn merge(&mut self, other: Shown) {
        self.listeners.merge(other.listeners);
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
    tracker.set_listeners(shown.listeners);
    shown.connections.iter().for_each(|counters| take(counters, tracker));
    Ok(())
}
