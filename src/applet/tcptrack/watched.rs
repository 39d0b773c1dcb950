//! What is watched: which connections, and how their packets are judged.

use std::net::SocketAddr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::fragments::Fragments;
use super::text::number;
use super::{Args, filter};
use crate::capture_filter::{Expression, LinkFacts, PacketFacts, Undecided};
use crate::error::Error;
use crate::frame::{Call, Report};
use crate::model::{Endpoint, Segment};
use crate::source::Source;
use crate::source::packets::{Frame, segment};
use crate::sys;
use crate::wire::packet::{LinkType, Packet};

#[derive(Debug, Default)]
pub(super) struct Watched {
    /// Selects the connections.
    pub expression: Expression,
    /// Its words, as they were given.
    pub text: Vec<u8>,
    /// The capture to read, if any.
    pub capture: Option<PathBuf>,
    /// Whether connections of a capture that have ended are removed.
    pub is_removing: bool,
    /// Whether to skip connections that began earlier.
    pub only_new: bool,
    /// The interface to capture on, if any.
    pub interface: Option<Vec<u8>>,
    /// Whether the interface also takes packets for other machines.
    pub is_promiscuous: bool,
    /// Whether to look into tunnels.
    pub decapsulates: bool,
    /// Whether to read the flows of connection tracking.
    pub conntrack: bool,
    /// Whether the process gives up what it does not need once it captures.
    pub is_confined: bool,
    /// How many threads may share a dump; see [`crate::source::Source`].
    pub threads: usize,
    /// How many frames do not tell something that the expression asks.
    pub untold: AtomicU64,
    /// How many packets that are wanted or may be were captured without the numbers of TCP.
    pub cut: AtomicU64,
    /// The parts of fragmented packets.
    pub fragments: Mutex<Fragments>,
}

impl Watched {
    /// What the command line asks for.
    ///
    /// # Errors
    /// If the filter is malformed, or an interface is unknown.
    pub(super) fn of(call: &Call, args: &Args, source: &Source) -> Result<Watched, Error> {
        let text = call.names().iter().map(|word| word.as_bytes()).collect::<Vec<_>>().join(&b' ');
        Ok(Watched {
            expression: filter::expression(&text, args, &source.kernel)?,
            text,
            capture: args.file.clone(),
            is_removing: args.remove_after.is_some(),
            only_new: args.only_new,
            interface: args.interface.as_ref().map(|name| name.as_bytes().to_vec()),
            is_promiscuous: args.is_promiscuous,
            decapsulates: args.decapsulates,
            conntrack: args.conntrack,
            threads: source.threads,
            // What follows in a file of several applets may need more.
            is_confined: args.interface.is_some()
                && !args.no_sandbox
                && !call.common().is_collected,
            ..Watched::default()
        })
    }

    /// How many frames were skipped because they do not tell what the expression asks.
    pub(super) fn skipped(&self) -> u64 {
        self.untold.load(Ordering::Relaxed)
    }

    /// How many packets were captured without the numbers of TCP.
    pub(super) fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }

    /// How many fragmented packets were captured only in part.
    pub(super) fn incomplete(&self) -> u64 {
        /// What the next fragments of a packet may take to come.
        const SOON: Duration = Duration::from_secs(1);
        let end = match self.capture {
            Some(_) => Duration::MAX,
            None => sys::monotonic().saturating_sub(SOON),
        };
        self.fragments().incomplete(end)
    }

    fn fragments(&self) -> MutexGuard<'_, Fragments> {
        self.fragments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports all of these, if any.
    pub(super) fn note_skipped(&self, report: &mut Report) {
        if self.skipped() > 0 {
            report.gap(SKIPPED);
        }
        for (count, what) in [(self.cut(), CUT), (self.incomplete(), INCOMPLETE)] {
            // How many there will be on an interface is not known yet, and it is said once.
            let words = if self.capture.is_some() { number(count) + " " } else { String::new() };
            if count > 0 {
                report.lack(&[&words, what].concat());
            }
        }
    }

    /// Whether the expression matches a connection with these ends.
    pub(super) fn has(&self, client: &Endpoint, server: &Endpoint) -> bool {
        let address = |end: &Endpoint| SocketAddr::new(end.address, end.port);
        self.expression.has_connection(address(client), address(server))
    }

    /// The segment in a frame, if the expression matches it.
    pub(super) fn segment(&self, frame: &Frame<'_>) -> Option<Segment> {
        self.plain_segment(frame).or_else(|| self.any_segment(frame))
    }

    /// The same for a frame of the usual kind, if all are wanted; `None` says nothing.
    #[inline(always)]
    pub(super) fn plain_segment(&self, frame: &Frame<'_>) -> Option<Segment> {
        if self.expression.is_empty() { frame.plain_segment() } else { None }
    }

    #[inline(never)]
    pub(super) fn any_segment(&self, frame: &Frame<'_>) -> Option<Segment> {
        let packet = if self.decapsulates { frame.innermost() } else { frame.packet() };
        let Some(packet) = packet else {
            let is_cut = frame.is_cut_in_ip(self.decapsulates);
            self.cut.fetch_add(is_cut.into(), Ordering::Relaxed);
            return None;
        };
        let fragment = packet.fragment.filter(|_| packet.protocol == 6);
        if let Some(fragment) = fragment.filter(|_| packet.is_later_fragment()) {
            let mut fragments = self.fragments();
            let is_wanted = fragments.knows(&packet, fragment) || self.has_packet(frame, &packet);
            return if is_wanted { fragments.later(frame.time, &packet, fragment) } else { None };
        }
        if !self.expression.is_empty() && !self.has_packet(frame, &packet) {
            return None;
        }
        let segment = segment(&packet);
        if let (Some(segment), Some(fragment)) = (segment, fragment) {
            return Some(self.fragments().first(frame.time, &packet, fragment, segment));
        }
        if segment.is_none() && packet.hides_tcp(self.decapsulates) {
            self.cut.fetch_add(1, Ordering::Relaxed);
        }
        segment
    }

    #[inline(never)]
    fn has_packet(&self, frame: &Frame<'_>, packet: &Packet) -> bool {
        /// tcpdump counts the VLAN tag that the kernel has removed.
        const TAG_BYTES: u32 = 4;
        let read = self.expression.needs_link().then(|| frame.link(packet));
        let tag_bytes = if frame.seen.tag.is_some() { TAG_BYTES } else { 0 };
        let tagged = read.is_some().then(|| frame.tagged()).flatten();
        let bytes = tagged.as_deref().unwrap_or(frame.bytes);
        let link = read.as_ref().map(|read| LinkFacts {
            bytes: (!matches!(frame.link, LinkType::Network(_))).then_some(bytes),
            original_bytes: frame.original_bytes.saturating_add(tag_bytes),
            addresses: [read.source, read.destination],
            tags: read.tags(),
            is_outbound: read.is_outgoing,
            interface: read.interface,
            interface_name: frame.seen.interface_name,
        });
        let facts = PacketFacts {
            source: packet.source,
            destination: packet.destination,
            protocol: packet.protocol,
            is_later_fragment: packet.is_later_fragment(),
            ports: packet.ports,
            bytes: frame.ip(packet),
            transport: packet.captured_bytes.saturating_sub(packet.transport_bytes),
            link: link.as_ref(),
        };
        let judged = self.expression.judge(&facts);
        if judged == Err(Undecided::Untold) && packet.tcp.is_some() {
            self.untold.fetch_add(1, Ordering::Relaxed);
        } else if judged.is_err() && packet.hides_tcp(self.decapsulates) {
            self.cut.fetch_add(1, Ordering::Relaxed);
        }
        judged == Ok(true)
    }
}

const CUT: &str = "packets of TCP end before its sequence numbers (a longer snapshot length of the capture keeps them): their \
    connections or bytes are missing";
const INCOMPLETE: &str = "fragmented packets of TCP were captured only in part: bytes of their connections may be missing";
const SKIPPED: &str = "the filter asks for an Ethernet address, the bytes of a link's header, a direction or an interface, which some frames do not \
    tell: these were skipped";
