//! One socket of the kernel's tables.

use std::net::{IpAddr, Ipv6Addr};

use super::{Family, TcpState};

/// A transport protocol whose sockets the kernel lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Proto {
    /// TCP, subflows of MPTCP included.
    Tcp,
    /// UDP; not UDP-Lite.
    Udp,
}

impl Proto {
    /// Both, in the order of their files' names.
    pub const ALL: [Proto; 2] = [Proto::Tcp, Proto::Udp];

    /// The number of the protocol in the IP header.
    pub fn number(self) -> u8 {
        match self {
            Proto::Tcp => 6,
            Proto::Udp => 17,
        }
    }

    /// The name, as in /etc/protocols.
    pub fn name(self) -> &'static str {
        match self {
            Proto::Tcp => "tcp",
            Proto::Udp => "udp",
        }
    }
}

/// One end of a connection. A v4-mapped address stands as the IPv6 address that it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// The address; unspecified (`0.0.0.0`, `::`) for any.
    pub address: IpAddr,
    /// The port; 0 for none.
    pub port: u16,
}

impl Endpoint {
    /// The address as people write it: IPv4 for a v4-mapped one.
    #[inline]
    pub fn canonical(&self) -> IpAddr {
        match self.address {
            IpAddr::V6(address) => mapped(address).unwrap_or(self.address),
            IpAddr::V4(_) => self.address,
        }
    }
}

/// The IPv4 address in a v4-mapped one, `::ffff:a.b.c.d` (RFC 4291, 2.5.5.2).
#[inline]
fn mapped(address: Ipv6Addr) -> Option<IpAddr> {
    address.to_ipv4_mapped().map(IpAddr::V4)
}

/// A socket as sock_diag or a file of /proc/net shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// The protocol.
    pub proto: Proto,
    /// The family of the socket; AF_INET6 for a v4-mapped one.
    pub family: Family,
    /// The kernel's number of the state; an open set.
    pub state: u8,
    /// Which timer runs: 3 marks a minisocket.
    pub timer: u8,
    /// Our end.
    pub local: Endpoint,
    /// The other end; port 0 where there is none.
    pub remote: Endpoint,
    /// The index of the interface that the socket is bound to, 0 for none.
    pub interface: u32,
    /// Bytes that wait to be read; of a listening socket, connections that wait to be accepted.
    pub recv_queue_bytes: u32,
    /// Bytes that the peer has not acknowledged; of a listening socket, the limit of its backlog.
    pub send_queue_bytes: u32,
    /// Who made the socket; 0 too where nobody holds it, see [`Socket::owner_uid`].
    pub uid: u32,
    /// The inode in sockfs; 0 where no process holds the socket.
    pub inode: u64,
    /// What tells the socket from all others since boot; 0 where the source has no cookie.
    pub cookie: u64,
    /// The number of the control group (cgroup v2) in which the socket was made.
    pub cgroup: Option<u64>,
}

impl Socket {
    /// The state, if it is one of the twelve.
    #[inline]
    pub fn tcp_state(&self) -> Option<TcpState> {
        TcpState::from_number(self.state)
    }

    /// Whether the socket waits for connections or datagrams of anybody.
    #[inline]
    pub fn is_listening(&self) -> bool {
        match self.proto {
            Proto::Tcp => self.tcp_state() == Some(TcpState::LISTEN),
            Proto::Udp => self.remote.port == 0,
        }
    }

    /// Whether the socket speaks IPv4 although it is of AF_INET6. A listening one speaks both.
    #[inline]
    pub fn is_mapped(&self) -> bool {
        let is = |end: &Endpoint| matches!(end.address, IpAddr::V6(address) if mapped(address).is_some());
        is(&self.local) || is(&self.remote)
    }

    /// The uid of whoever holds the socket, `None` where nobody does: the kernel then says 0.
    #[inline]
    pub fn owner_uid(&self) -> Option<u32> {
        (self.inode != 0).then_some(self.uid)
    }
}
