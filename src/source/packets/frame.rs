//! A captured frame, whoever captured it.

use std::time::Duration;

use crate::model::{Endpoint, Segment, TcpFlags};
use crate::wire::packet::{LinkType, Packet, packet_of};

/// A captured frame.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// When: since 1970 in a file, on the clock of [`crate::sys::monotonic`] live.
    pub time: Duration,
    /// What it begins with.
    pub link: LinkType,
    /// Its length in bytes before it was cut.
    pub original_bytes: u32,
    /// The interface: its index live, its number from 1 on in a pcapng file; 0 where that is not known.
    pub interface: u32,
    /// What was captured.
    pub bytes: &'a [u8],
}

impl Frame<'_> {
    /// The IP packet in it, if there is one.
    #[inline]
    pub fn packet(&self) -> Option<Packet> {
        let packet = packet_of(self.link, self.bytes, self.original_bytes)?;
        let interface = if self.interface == 0 { packet.interface } else { self.interface };
        Some(Packet { interface, ..packet })
    }
}

/// The TCP segment in a packet, if there is one.
#[inline]
pub fn segment(packet: &Packet) -> Option<Segment> {
    let (Some((source, destination)), Some(tcp)) = (packet.ports, packet.tcp) else { return None };
    Some(Segment {
        source: Endpoint { address: packet.source, port: source },
        destination: Endpoint { address: packet.destination, port: destination },
        sequence: tcp.sequence,
        acknowledgment: tcp.acknowledgment,
        flags: TcpFlags(tcp.flags),
        payload_bytes: tcp.payload_bytes,
        interface: packet.interface,
    })
}
