//! Packet sockets with a ring that the kernel fills (packet(7), TPACKET_V3).

/// A packet socket and its ring.
#[derive(Debug)]
pub struct Ring {}
