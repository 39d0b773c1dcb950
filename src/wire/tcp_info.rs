//! `struct tcp_info`: what the kernel counts for a connection (include/uapi/linux/tcp.h). It has grown with
//! the kernels, so a shorter one lacks the later fields.

use super::netlink::u32_at;

/// The kernel's counters of a connection; `None` for fields that an older kernel lacks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpInfo {
    /// Payload bytes that the peer has acknowledged. While something is in flight the SYN may be
    /// counted as one.
    pub acknowledged_bytes: Option<u64>,
    /// The sequence numbers that the peer has acknowledged: payload, a SYN and a FIN.
    pub acknowledged_numbers: Option<u64>,
    /// Payload bytes sent, each counted once; since Linux 4.19.
    pub sent_bytes: Option<u64>,
    /// Payload bytes received from the peer, in order; of a socket in CLOSE also its FIN.
    pub received_bytes: Option<u64>,
    /// The smoothed round-trip time in microseconds; 0 before the first measurement.
    pub rtt_microseconds: Option<u32>,
    /// Segments sent again since the connection began.
    pub retransmits_total: Option<u32>,
    /// Segments sent and received; since Linux 4.2.
    pub segments: Option<[u32; 2]>,
    /// How long the connection has been idle: no data in either direction, no acknowledgment.
    pub idle_milliseconds: Option<u32>,
}

/// Reads the structure of a socket in the state with this number.
///
/// The kernel counts acknowledged and received sequence numbers, and the SYN and the FIN take one each: our
/// SYN is counted if we opened the connection (which no field tells), a FIN once it has arrived or was
/// acknowledged. So the acknowledged bytes are limited to the bytes sent minus those retransmitted (since
/// Linux 4.19), which are payload only; and one is subtracted from the received bytes after a FIN. In CLOSE no
/// field tells whether a FIN has arrived.
pub fn tcp_info(bytes: &[u8], state: u8) -> TcpInfo {
    // CLOSE_WAIT, LAST_ACK, CLOSING: the peer's FIN has arrived.
    let fin = u64::from(matches!(state, 8 | 9 | 11));
    let sent = u64_at(bytes, 200).zip(u64_at(bytes, 208));
    let sent_bytes = sent.map(|(sent, again)| sent.saturating_sub(again));
    let acknowledged_numbers = u64_at(bytes, 120);
    let most = sent_bytes.unwrap_or(u64::MAX);
    let idle = [44, 52, 56].map(|place| u32_at(bytes, place));
    TcpInfo {
        acknowledged_bytes: acknowledged_numbers.map(|acknowledged| acknowledged.min(most)),
        acknowledged_numbers,
        sent_bytes,
        received_bytes: u64_at(bytes, 128).map(|received| received.saturating_sub(fin)),
        rtt_microseconds: u32_at(bytes, 68),
        retransmits_total: u32_at(bytes, 100),
        segments: u32_at(bytes, 136).zip(u32_at(bytes, 140)).map(<[u32; 2]>::from),
        idle_milliseconds: idle.into_iter().flatten().min(),
    }
}

fn u64_at(bytes: &[u8], place: usize) -> Option<u64> {
    bytes.get(place..)?.first_chunk().map(|chunk| u64::from_ne_bytes(*chunk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shorter_structure_says_less() {
        let mut bytes = vec![0u8; 232];
        for (place, number) in
            [(44, 9u32), (52, 7), (56, 8), (68, 1500), (100, 3), (136, 12), (140, 11)]
        {
            bytes[place..place + 4].copy_from_slice(&number.to_ne_bytes());
        }
        for (place, number) in [(120, 1001u64), (128, 501), (200, 1200), (208, 200)] {
            bytes[place..place + 8].copy_from_slice(&number.to_ne_bytes());
        }
        let whole = TcpInfo {
            acknowledged_bytes: Some(1000),
            acknowledged_numbers: Some(1001),
            sent_bytes: Some(1000),
            received_bytes: Some(501),
            rtt_microseconds: Some(1500),
            retransmits_total: Some(3),
            segments: Some([12, 11]),
            idle_milliseconds: Some(7),
        };
        assert_eq!(tcp_info(&bytes, 1), whole);
        assert_eq!(tcp_info(&bytes, 8), TcpInfo { received_bytes: Some(500), ..whole });
        for end in 0..bytes.len() {
            let cut = tcp_info(&bytes[..end], 1);
            assert!(cut.acknowledged_bytes.is_none_or(|bytes| [1000, 1001].contains(&bytes)));
            assert_eq!(cut.acknowledged_bytes.is_some(), end >= 128, "{end}");
            assert_eq!(cut.received_bytes, (end >= 136).then_some(501));
            assert_eq!(cut.rtt_microseconds, (end >= 72).then_some(1500));
            assert_eq!(cut.retransmits_total, (end >= 104).then_some(3));
            assert_eq!(cut.segments, (end >= 144).then_some([12, 11]));
        }
    }
}
