//! One connection as it is known.

use std::time::Duration;

use crate::model::{Endpoint, TcpState};

/// How far a connection has come, in tcptrack's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The client asks.
    SynSent,
    /// The server has answered.
    SynAck,
    /// Data may flow.
    Established,
    /// One end has said that it is done.
    Closing,
    /// Both ends have, and both know.
    Closed,
    /// One end has broken it off.
    Reset,
}

impl State {
    /// The state as tcptrack names it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            State::SynSent => "SYN_SENT",
            State::SynAck => "SYN|ACK-ACK",
            State::Established => "ESTABLISHED",
            State::Closing => "CLOSING",
            State::Closed => "CLOSED",
            State::Reset => "RESET",
        }
    }

    /// The state of a connection one of whose sockets is in the kernel's `state`; `None` for a socket
    /// that belongs to no connection.
    #[must_use]
    pub fn of_socket(state: TcpState) -> Option<State> {
        Some(match state.name() {
            "SYN_SENT" => State::SynSent,
            "SYN_RECV" | "NEW_SYN_RECV" => State::SynAck,
            "ESTABLISHED" => State::Established,
            "FIN_WAIT1" | "FIN_WAIT2" | "CLOSE_WAIT" | "LAST_ACK" | "CLOSING" => State::Closing,
            "TIME_WAIT" => State::Closed,
            _ => return None,
        })
    }
}

/// What went one way.
#[derive(Clone, Debug, Default)]
pub struct Direction {
    /// Payload bytes, none of them counted twice.
    pub bytes_total: u64,
    /// Those of them that the capture has missed: the other end has acknowledged them.
    pub missed_bytes_total: u64,
    /// The speed, as of the last tick.
    pub bytes_per_second: u64,
    /// Segments sent again.
    pub retransmits_total: u32,
}

/// One connection.
#[derive(Clone, Debug)]
pub struct Connection {
    /// What tells it from all others of this tracker, those before it on the same ports included.
    pub id: u64,
    /// Who opened it, or is taken for that.
    pub client: Endpoint,
    /// The other end.
    pub server: Endpoint,
    /// How far it has come.
    pub state: State,
    /// From client to server.
    pub tx: Direction,
    /// From server to client.
    pub rx: Direction,
    /// How often the SYN was sent again.
    pub syn_retries_total: u32,
}

impl Connection {
    /// When something was last heard of it.
    #[must_use]
    pub fn last_seen(&self) -> Duration {
        Duration::ZERO
    }

    /// How long nothing was heard of it.
    #[must_use]
    pub fn idle(&self, now: Duration) -> Duration {
        now.saturating_sub(self.last_seen())
    }

    /// The round-trip time.
    #[must_use]
    pub fn rtt(&self) -> Option<Duration> {
        None
    }

    /// All that was sent again, both ways, SYNs included.
    #[must_use]
    pub fn retransmits_total(&self) -> u64 {
        [self.tx.retransmits_total, self.rx.retransmits_total, self.syn_retries_total]
            .into_iter()
            .map(u64::from)
            .sum()
    }
}

/// What a source that sees no segments knows of a connection at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// The end whose counters these are.
    pub local: Endpoint,
    /// The other end.
    pub remote: Endpoint,
    /// Whether `local` opened the connection; if that is not known, listeners and ports tell.
    pub is_client: Option<bool>,
    /// How far it has come.
    pub state: State,
    /// Payload bytes from `local` to `remote` since the connection began.
    pub sent_bytes_total: Option<u64>,
    /// Payload bytes from `remote` to `local`.
    pub received_bytes_total: Option<u64>,
    /// Segments that `local` sent again.
    pub retransmits_total: Option<u32>,
    /// The round-trip time.
    pub rtt: Option<Duration>,
}
