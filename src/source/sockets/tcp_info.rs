//! What the tracker of connections takes of the kernel's own counters.

use std::time::Duration;

use crate::model::Socket;
use crate::track::tcp::{Counters, Ended, State};
use crate::wire::tcp_info::TcpInfo;

/// The counters of a connection; `None` for a socket that belongs to none.
pub fn counters(socket: &Socket, info: Option<&TcpInfo>) -> Option<Counters> {
    let state = State::of_socket(socket.tcp_state()?)?;
    Some(made(socket, state, &info.copied().unwrap_or_default()))
}

/// The last counters of a socket that the kernel has freed, which is in CLOSE.
pub(super) fn ended(socket: &Socket, info: &TcpInfo, awaits_fin: bool) -> Ended {
    Ended {
        counters: made(socket, State::Established, info),
        acknowledged: info.acknowledged_numbers.unwrap_or_default(),
        sent: info.sent_bytes,
        segments: info.segments,
        awaits_fin,
    }
}

fn made(socket: &Socket, state: State, info: &TcpInfo) -> Counters {
    Counters {
        local: socket.local,
        remote: socket.remote,
        zone: 0,
        flow: None,
        is_client: socket.is_client(),
        bound: Some((socket.family, socket.interface)),
        state,
        sent_bytes_total: info.acknowledged_bytes,
        received_bytes_total: info.received_bytes,
        retransmits_total: info.retransmits_total,
        // 0 stands for none measured.
        rtt: info
            .rtt_microseconds
            .filter(|rtt| *rtt > 0)
            .map(|rtt| Duration::from_micros(rtt.into())),
        // A SYN sets none of the times of which it is the least: they would be those since the machine started.
        idle: info
            .idle_milliseconds
            .filter(|_| state != State::SynSent)
            .map(|idle| Duration::from_millis(idle.into())),
        cookie: socket.cookie,
        cgroup: socket.cgroup.unwrap_or_default(),
    }
}
