//! What the tracker of connections takes of the kernel's own counters.

use std::time::Duration;

use crate::model::Socket;
use crate::track::tcp::{Counters, Ended, State};
use crate::wire::tcp_info::TcpInfo;

/// The counters of a connection; `None` for a socket that belongs to none.
pub fn counters(socket: &Socket, info: Option<&TcpInfo>) -> Option<Counters> {
    let state = State::of_socket(socket.tcp_state()?)?;
    let counters = made(socket, state, &info.copied().unwrap_or_default());
    // A socket takes over the cookie of its connection request, and the minisocket in its place takes over its own, if
    // somebody had asked for that before: otherwise both get another one.
    Some(Counters { cookie: if socket.is_full() { socket.cookie } else { 0 }, ..counters })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Endpoint, Family, Proto};

    #[test]
    fn only_the_cookie_of_a_full_socket_is_that_of_the_connection() {
        let end = Endpoint { address: std::net::Ipv4Addr::LOCALHOST.into(), port: 80 };
        // FIN_WAIT2, both ways, SYN_RECV, ESTABLISHED.
        for (state, timer, wanted) in [(5, 3, 0), (5, 2, 7), (3, 1, 0), (1, 0, 7)] {
            let socket = Socket::of(Proto::Tcp, Family::Inet, state, end, end);
            let counters = counters(&Socket { timer, cookie: 7, ..socket }, None).unwrap();
            assert_eq!(counters.cookie, wanted, "{state} {timer}");
        }
    }
}
