//! What the kernel tells of a socket when it frees it.

use super::counters::Counters;
use super::missing::Numbers;

/// The last counters of a socket.
#[derive(Clone, Copy, Debug)]
pub struct Ended {
    /// The received bytes include a FIN; a remote port of 0 stands for a socket that forgot its connection, by a
    /// reset (SO_LINGER of 0 seconds), and the counters with it.
    pub counters: Counters,
    /// The sequence numbers that the peer has acknowledged: payload, the client's SYN, and a FIN.
    pub acknowledged: u64,
    /// Payload bytes sent, each counted once; `None` before Linux 4.19.
    pub sent: Option<u64>,
    /// Segments that it sent and received.
    pub segments: Option<[u32; 2]>,
    /// A small socket in FIN_WAIT2 took its place: this end has closed, and the peer's FIN has not come.
    pub awaits_fin: bool,
}

impl Ended {
    /// Whether the connection was ever established. The kernel measures the time of the handshake.
    pub(super) fn was_open(&self) -> bool {
        let Counters { received_bytes_total, rtt, .. } = self.counters;
        self.acknowledged > 0 || received_bytes_total > Some(0) || rtt.is_some()
    }

    /// Only a client has a SYN and a FIN acknowledged.
    pub(super) fn is_client(&self) -> Option<bool> {
        self.sent.is_some_and(|sent| self.acknowledged >= sent.saturating_add(2)).then_some(true)
    }

    pub(super) fn numbers(&self, active_at: u64, late: u64) -> Numbers {
        let Counters { cookie, received_bytes_total, .. } = self.counters;
        Numbers {
            cookie,
            sent: self.sent.unwrap_or(u64::MAX),
            received: received_bytes_total.unwrap_or_default(),
            acknowledged: self.acknowledged.saturating_sub(2),
            active_at,
            late,
        }
    }
}
