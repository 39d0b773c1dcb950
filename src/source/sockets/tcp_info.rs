//! What the tracker of connections takes of the kernel's own counters.

use std::time::Duration;

use crate::model::Socket;
use crate::track::tcp::{Counters, State};
use crate::wire::tcp_info::TcpInfo;

/// The counters of a connection; `None` for a socket that belongs to none.
pub fn counters(socket: &Socket, info: Option<&TcpInfo>) -> Option<Counters> {
    let state = State::of_socket(socket.tcp_state()?)?;
    let info = info.copied().unwrap_or_default();
    Some(Counters {
        local: socket.local,
        remote: socket.remote,
        is_client: (state == State::SynSent).then_some(true),
        state,
        sent_bytes_total: info.acknowledged_bytes,
        received_bytes_total: info.received_bytes,
        retransmits_total: info.retransmits_total,
        // 0 stands for none measured.
        rtt: info
            .rtt_microseconds
            .filter(|rtt| *rtt > 0)
            .map(|rtt| Duration::from_micros(rtt.into())),
        idle: info.idle_milliseconds.map(|idle| Duration::from_millis(idle.into())),
    })
}
