//! The last packets of a capture, to tell a packet that was captured twice (at a mirror port, or by two taps) from
//! one that was sent again.

use crate::model::{Segment, TcpFlags};

/// What a packet is known by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Packet {
    /// The hash of its connection.
    hash: u64,
    sequence: u32,
    acknowledgment: u32,
    payload_bytes: u32,
    id: u16,
    checksum: u16,
}

impl Packet {
    fn of(hash: u64, segment: &Segment) -> Packet {
        let Segment { sequence, acknowledgment, payload_bytes, id, checksum, .. } = *segment;
        Packet { hash, sequence, acknowledgment, payload_bytes, id, checksum }
    }
}

/// So many packets may be between a packet and its copy.
const MOST: usize = 16;
/// A copy comes within this time, in nanoseconds. Nothing is sent again as fast: that takes a round trip at least.
const SOON: u64 = 1_000_000;

#[derive(Debug, Default)]
pub(super) struct Recent {
    packets: [(u64, Packet); MOST],
    next: usize,
}

impl Recent {
    /// Notes a packet that was captured at `now`.
    #[inline]
    pub(super) fn add(&mut self, now: u64, hash: u64, segment: &Segment) {
        self.packets[self.next % MOST] = (now, Packet::of(hash, segment));
        self.next = self.next.wrapping_add(1);
    }

    /// Whether this is a copy of one of them. What is sent again has another IP ID: in Linux, each packet of a connection
    /// has the next number. Without one (IPv6) it mostly has another time stamp of TCP, and so another checksum; as that
    /// is not sure, such a packet is a copy only if its time is the same, too. Linux sends a SYN|ACK without an ID, but
    /// nobody sends a SYN again as soon.
    #[cold]
    pub(super) fn has(&self, now: u64, hash: u64, segment: &Segment) -> bool {
        let packet = Packet::of(hash, segment);
        let is_sure = segment.id != 0 || segment.flags.has(TcpFlags::SYN);
        let is_soon = |at: u64| at == now || is_sure && now.abs_diff(at) < SOON;
        self.packets.iter().any(|(at, one)| *one == packet && is_soon(*at))
    }
}
