//! A captured frame, live or from a file.

use std::time::Duration;

use crate::model::{Endpoint, Segment, TcpFlags};
use crate::wire::link::Link;
use crate::wire::packet::{
    LinkType, Packet, Plain, innermost_of, is_cut_in_ip, lan_within, packet_of, plain_of,
};

#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The time: in a file since 1970; live, on the clock of [`crate::sys::monotonic`].
    pub time: Duration,
    /// The protocol of its first header.
    pub link: LinkType,
    /// Its length in bytes before it was truncated.
    pub original_bytes: u32,
    /// The interface: its index if live, its number from 1 in a pcapng file; 0 if unknown.
    pub interface: u32,
    pub bytes: &'a [u8],
    pub seen: Seen<'a>,
}

/// What the kernel or the file tells of a frame beside its bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen<'a> {
    /// The index of its interface, if live.
    pub index: Option<u32>,
    /// The name of its interface, in a pcapng file.
    pub interface_name: Option<&'a [u8]>,
    /// Whether this machine sent it, if live.
    pub is_outgoing: Option<bool>,
    /// The VLAN tag that it has removed: ethertype and content.
    pub tag: Option<(u16, u16)>,
}

impl Frame<'_> {
    /// The IP packet in the frame, if there is one.
    #[inline]
    pub fn packet(&self) -> Option<Packet> {
        self.known(packet_of(self.link, self.bytes, self.original_bytes))
    }

    /// The same for the packet inside, if the packet is a tunnel.
    #[inline]
    pub fn innermost(&self) -> Option<Packet> {
        self.known(innermost_of(self.link, self.bytes, self.original_bytes))
    }

    /// The TCP segment in a frame of the usual kind; `None` says nothing.
    #[inline(always)]
    pub fn plain_segment(&self) -> Option<Segment> {
        let Plain { addresses, ports, id, tcp } =
            plain_of(self.link, self.bytes, self.original_bytes)?;
        let end = |side: usize| Endpoint { address: addresses[side].into(), port: ports[side] };
        Some(Segment {
            source: end(0),
            destination: end(1),
            sequence: tcp.sequence,
            acknowledgment: tcp.acknowledgment,
            flags: TcpFlags(tcp.flags),
            payload_bytes: tcp.payload_bytes,
            interface: self.interface,
            lan: self.lan(0),
            id,
            checksum: tcp.checksum,
        })
    }

    /// Whether it gives no packet because it was cut before the end of the header of IP, and may be TCP.
    #[cold]
    pub fn is_cut_in_ip(&self, decapsulates: bool) -> bool {
        is_cut_in_ip(self.link, self.bytes, self.original_bytes, decapsulates)
    }

    fn known(&self, packet: Option<Packet>) -> Option<Packet> {
        let packet = packet?;
        let interface = if self.interface == 0 { packet.interface } else { self.interface };
        Some(Packet { interface, lan: self.lan(packet.lan), ..packet })
    }

    /// The number of the network, with that of the tag that the kernel has removed.
    fn lan(&self, inner: u32) -> u32 {
        self.seen.tag.map_or(inner, |(_, content)| lan_within(inner, u32::from(content & 0xfff)))
    }

    /// The bytes from the IP header on, of a packet of this frame.
    pub fn ip(&self, packet: &Packet) -> &[u8] {
        let start = self.bytes.len().saturating_sub(packet.captured_bytes as usize);
        self.bytes.get(start..).unwrap_or_default()
    }

    /// Its bytes with the VLAN tag where it was on the wire, if the kernel has removed one from an Ethernet header.
    pub fn tagged(&self) -> Option<Vec<u8>> {
        /// Two addresses.
        const BEFORE: usize = 12;
        let (ethertype, content) = self.seen.tag?;
        let (before, after) = self.bytes.split_at_checked(BEFORE)?;
        Some([before, &ethertype.to_be_bytes(), &content.to_be_bytes(), after].concat())
    }

    /// What stands before the IP header of a packet of this frame.
    pub fn link(&self, packet: &Packet) -> Link {
        let end = self.bytes.len().saturating_sub(packet.captured_bytes as usize);
        let mut link = Link::read(self.link, self.bytes.get(..end).unwrap_or_default());
        link.interface = self.seen.index.or(link.interface);
        link.is_outgoing = self.seen.is_outgoing.or(link.is_outgoing);
        if let Some((ethertype, content)) = self.seen.tag {
            link.add_outer(ethertype, u32::from(content & 0xfff));
        }
        link
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
        lan: packet.lan,
        id: packet.id,
        checksum: tcp.checksum,
    })
}
