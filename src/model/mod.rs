//! Plain data, in the field's words; units stand in the names. Pure: no I/O, no output.

mod contradiction;
mod expectation;
mod flow;
mod flow_filter;
mod groups;
pub mod hash;
mod query;
mod segment;
mod socket;
mod sockstat;
mod state;
mod threshold;
pub use expectation::{Expectation, ExpectationFlags};
pub use flow::{
    Change, DCCP_STATES, Ends, Flow, FlowStatus, PROTOCOL_NAMES, SCTP_STATES, TCP_STATES, Traffic,
    Tuple,
};
pub use flow_filter::{FlowFilter, Masked, Side, Translation};
pub use groups::{Groups, MOST_GROUPS, Tally, sort_few};
pub use query::{
    Choice, MissingInterface, Name, Needs, Network, Patience, Ports, Prefix, Query, masked,
};
pub use segment::{Segment, TcpFlags};
pub use socket::{Endpoint, Proto, Socket};
pub use sockstat::{Machine, Protocol, Sockstat, TcpSockstat};
pub use state::{StateCounts, StateSet, TcpState, UnknownState};
pub use threshold::{Range, Verdict, WrongRange};

/// The address family of a socket. A v4-mapped socket is an IPv6 socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// AF_INET.
    Inet,
    /// AF_INET6.
    Inet6,
}

impl Family {
    /// Both, IPv4 first as the kernel's own tables have them.
    pub const ALL: [Family; 2] = [Family::Inet, Family::Inet6];

    /// The number of the address family in `struct sockaddr`.
    pub fn number(self) -> u8 {
        match self {
            Family::Inet => 2,
            Family::Inet6 => 10,
        }
    }

    /// The family of a kernel number, if it is one of the two.
    pub fn from_number(number: u8) -> Option<Family> {
        Family::ALL.into_iter().find(|family| family.number() == number)
    }

    /// The name of the TCP table of this family in /proc/net, which is also netstat's word.
    pub fn tcp_name(self) -> &'static str {
        match self {
            Family::Inet => "tcp",
            Family::Inet6 => "tcp6",
        }
    }
}
