//! One TCP segment, as captured.

use super::Endpoint;

/// The flags of a TCP header, its fourteenth byte (RFC 9293, 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: TcpFlags = TcpFlags(0x01);
    /// The sequence number is the first of its direction.
    pub const SYN: TcpFlags = TcpFlags(0x02);
    /// The connection is reset.
    pub const RST: TcpFlags = TcpFlags(0x04);
    /// The acknowledgment number is valid.
    pub const ACK: TcpFlags = TcpFlags(0x10);

    /// Whether all of `flags` are set.
    #[inline]
    pub fn has(self, flags: TcpFlags) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// These flags together with `flags`.
    pub const fn with(self, flags: TcpFlags) -> TcpFlags {
        TcpFlags(self.0 | flags.0)
    }
}

/// A TCP segment: what its headers say, without the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub source: Endpoint,
    pub destination: Endpoint,
    /// The sequence number of its first byte, or of its SYN.
    pub sequence: u32,
    /// The next sequence number that the sender expects; valid only with ACK.
    pub acknowledgment: u32,
    pub flags: TcpFlags,
    /// The payload in bytes, computed from the headers: bytes that were not captured are included.
    pub payload_bytes: u32,
    /// The index of the interface on which it was seen, 0 if unknown.
    pub interface: u32,
    /// The number of its network, of several that may have the same addresses: VLANs, tunnels. 0 if it has none.
    pub lan: u32,
    /// The identification of its IPv4 packet; 0 if there is none.
    pub id: u16,
    /// The checksum of TCP, 0 if it was not captured.
    pub checksum: u16,
}

impl Segment {
    /// Whether it takes sequence numbers: it has payload, or a SYN or FIN.
    #[inline]
    pub fn has_numbers(&self) -> bool {
        self.payload_bytes > 0 || self.flags.0 & (TcpFlags::SYN.0 | TcpFlags::FIN.0) != 0
    }
}
