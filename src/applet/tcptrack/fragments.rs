//! Fragmented packets of TCP: only the first fragment has numbers, and only the last tells how long the packet was.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use crate::model::{Segment, TcpFlags};
use crate::wire::packet::{Fragment, Packet};

/// Those seen last.
#[derive(Debug, Default)]
pub(super) struct Fragments {
    parts: HashMap<(IpAddr, IpAddr, u32), Parts>,
    /// How many were forgotten before they were complete.
    forgotten: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Parts {
    seen: Duration,
    /// The segment as far as it is in the first fragment.
    first: Option<Segment>,
    /// How many bytes the headers of IP precede, if the last fragment was seen, and in the first one.
    total: Option<u32>,
    first_bytes: u32,
}

/// How many are kept. A sender uses a number again after 65536 packets.
const MOST: usize = 4096;

impl Fragments {
    /// Takes a first fragment, and gives its segment: the whole, if the last fragment came before.
    pub(super) fn first(
        &mut self,
        now: Duration,
        packet: &Packet,
        fragment: Fragment,
        segment: Segment,
    ) -> Segment {
        let parts = self.entry(now, packet, fragment);
        // The number of another packet, or a copy.
        if parts.first.is_some_and(|first| first != segment) {
            let is_lacking = parts.total.is_none();
            *parts = Parts::default();
            self.forgotten += u64::from(is_lacking);
        }
        let parts = self.entry(now, packet, fragment);
        (parts.first, parts.first_bytes) = (Some(segment), fragment.bytes);
        let rest = parts.total.unwrap_or_default().saturating_sub(fragment.bytes);
        Segment { payload_bytes: segment.payload_bytes.saturating_add(rest), ..segment }
    }

    /// Whether the first fragment of its packet, or another one, was taken.
    pub(super) fn knows(&self, packet: &Packet, fragment: Fragment) -> bool {
        self.parts.contains_key(&key(packet, fragment))
    }

    /// Takes a later fragment, and gives what the first one lacks, if this is the last.
    pub(super) fn later(
        &mut self,
        now: Duration,
        packet: &Packet,
        fragment: Fragment,
    ) -> Option<Segment> {
        let parts = self.entry(now, packet, fragment);
        if !fragment.is_last {
            return None;
        }
        let total = fragment.offset.saturating_add(fragment.bytes);
        parts.total = Some(total);
        let first = parts.first?;
        let numbers = first.payload_bytes.saturating_add(first.flags.has(TcpFlags::SYN).into());
        Some(Segment {
            sequence: first.sequence.wrapping_add(numbers),
            flags: TcpFlags(first.flags.0 & !TcpFlags::SYN.0),
            payload_bytes: total.saturating_sub(parts.first_bytes),
            ..first
        })
    }

    /// How many packets of which the last fragment before `end` was captured lack the first fragment or the last.
    pub(super) fn incomplete(&self, end: Duration) -> u64 {
        let parts = self.parts.values().filter(|parts| parts.seen <= end && parts.is_lacking());
        self.forgotten + parts.count() as u64
    }

    fn entry(&mut self, now: Duration, packet: &Packet, fragment: Fragment) -> &mut Parts {
        let key = key(packet, fragment);
        if self.parts.len() >= MOST && !self.parts.contains_key(&key) {
            self.forgotten = self.incomplete(Duration::MAX);
            self.parts.clear();
        }
        let parts = self.parts.entry(key).or_default();
        parts.seen = now;
        parts
    }
}

impl Parts {
    fn is_lacking(&self) -> bool {
        self.first.is_none() || self.total.is_none()
    }
}

fn key(packet: &Packet, fragment: Fragment) -> (IpAddr, IpAddr, u32) {
    (packet.source, packet.destination, fragment.id)
}
