//! `struct tcp_info`, what the kernel counts for a connection (include/uapi/linux/tcp.h).

/// What the kernel says of a connection; `None` is what an older kernel does not say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// Payload bytes that the peer has acknowledged.
    pub acknowledged_bytes: Option<u64>,
    /// Payload bytes that have come from the peer.
    pub received_bytes: Option<u64>,
    /// The smoothed round-trip time in microseconds; 0 before the first measurement.
    pub rtt_microseconds: Option<u32>,
    /// Segments sent again since the connection began.
    pub retransmits_total: Option<u32>,
}
