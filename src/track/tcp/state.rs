//! The states of connections.

use crate::model::TcpState;

/// The state of a connection, in tcptrack's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// The client has sent its SYN.
    SynSent,
    /// The server has answered.
    SynAck,
    /// Data may flow.
    Established,
    /// One end has sent a FIN.
    Closing,
    /// Both ends have sent a FIN, and both are acknowledged.
    Closed,
    /// One end has reset it.
    Reset,
}

impl State {
    /// The state as tcptrack names it.
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

    /// The state of a connection with a socket in the kernel's `state`; `None` for a socket without a
    /// connection.
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
