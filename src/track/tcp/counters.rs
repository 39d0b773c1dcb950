//! What a source that does not see segments tells of a connection.

use std::time::Duration;

use super::state::State;
use crate::model::{Endpoint, Family};

/// The counters of a connection at one moment, from a source that does not see segments.
#[derive(Clone, Copy, Debug)]
pub struct Counters {
    /// The end whose counters these are.
    pub local: Endpoint,
    pub remote: Endpoint,
    /// The zone of connection tracking; 0 elsewhere.
    pub zone: u16,
    /// The ID of the flow, if these are a flow's.
    pub flow: Option<u32>,
    /// Whether `local` opened the connection; if unknown, listeners and ports decide.
    pub is_client: Option<bool>,
    /// The family of the socket at `local`, and the interface that it is bound to, if there is a socket.
    pub bound: Option<(Family, u32)>,
    pub state: State,
    /// Payload bytes from `local` to `remote` since the connection began.
    pub sent_bytes_total: Option<u64>,
    /// Payload bytes from `remote` to `local`.
    pub received_bytes_total: Option<u64>,
    /// Segments that `local` sent again.
    pub retransmits_total: Option<u32>,
    pub rtt: Option<Duration>,
    /// How long it has been idle; if unknown, changes of the counters decide.
    pub idle: Option<Duration>,
    /// Identifies the socket among all since boot; 0 if there is none.
    pub cookie: u64,
    /// The ID of the control group of the socket; 0 if it is not known.
    pub cgroup: u64,
}
