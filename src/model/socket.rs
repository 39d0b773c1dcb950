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

/// One end of a connection. A v4-mapped address is kept as an IPv6 address.
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

/// A socket from sock_diag or from a file of /proc/net.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    pub proto: Proto,
    /// The family of the socket; AF_INET6 for a v4-mapped one.
    pub family: Family,
    /// The kernel's number of the state; an open set.
    pub state: u8,
    /// Which timer runs: 3 marks a minisocket.
    pub timer: u8,
    /// Whether IPV6_V6ONLY is set, as far as the source says: the files of /proc/net do not.
    pub is_v6_only: bool,
    /// Our end.
    pub local: Endpoint,
    /// The other end; port 0 if there is none.
    pub remote: Endpoint,
    /// The index of the interface that the socket is bound to, 0 for none.
    pub interface: u32,
    /// Bytes waiting to be read; for a listening socket, connections waiting to be accepted.
    pub recv_queue_bytes: u32,
    /// Bytes that the peer has not acknowledged; for a listening socket, the limit of its backlog.
    pub send_queue_bytes: u32,
    /// The creator's user ID; also 0 if no process holds the socket, see [`Socket::owner_uid`].
    pub uid: u32,
    /// The inode in sockfs; 0 if no process holds the socket.
    pub inode: u64,
    /// Identifies the socket among all since boot; 0 if the source has no cookie.
    pub cookie: u64,
    /// The ID of the control group (cgroup v2) in which the socket was created.
    pub cgroup: Option<u64>,
    /// In saved text, where `interface` and `cgroup` are numbers of words, too: the process that holds the socket, or 0.
    pub holder: u32,
    /// In saved text: the names of the hosts at our end and the other one, or 0 for each that has an address.
    pub names: [u32; 2],
}

impl Socket {
    /// In place of [`Socket::holder`] if a process holds the socket whose sockets must not match.
    pub const AVOIDED: u32 = u32::MAX;

    /// A socket of which nothing else is known.
    pub fn of(
        proto: Proto,
        family: Family,
        state: u8,
        local: Endpoint,
        remote: Endpoint,
    ) -> Socket {
        Socket {
            proto,
            family,
            state,
            timer: 0,
            is_v6_only: false,
            local,
            remote,
            interface: 0,
            recv_queue_bytes: 0,
            send_queue_bytes: 0,
            uid: 0,
            inode: 0,
            cookie: 0,
            cgroup: None,
            holder: 0,
            names: [0; 2],
        }
    }

    /// The state, if it is known.
    #[inline]
    pub fn tcp_state(&self) -> Option<TcpState> {
        TcpState::of_socket(self.state)
    }

    /// Whether this is neither a connection request nor a minisocket, which belong to no control group.
    pub fn is_full(&self) -> bool {
        let states = [TcpState::SYN_RECV, TcpState::TIME_WAIT].map(Some);
        self.timer != 3 && !states.contains(&self.tcp_state())
    }

    /// Whether the socket accepts connections or datagrams from any peer.
    #[inline]
    pub fn is_listening(&self) -> bool {
        match self.proto {
            Proto::Tcp => self.tcp_state() == Some(TcpState::LISTEN),
            Proto::Udp => self.remote.port == 0,
        }
    }

    /// Whether the socket opened its connection, as far as the state tells; one without a remote end
    /// accepted none.
    #[inline]
    pub fn is_client(&self) -> Option<bool> {
        match self.tcp_state() {
            Some(TcpState::SYN_SENT) => Some(true),
            Some(TcpState::SYN_RECV) => Some(false),
            _ => (self.remote.port == 0).then_some(true),
        }
    }

    /// Whether the socket uses IPv4 although its family is AF_INET6. A listening one uses both.
    #[inline]
    pub fn is_mapped(&self) -> bool {
        let is = |end: &Endpoint| matches!(end.address, IpAddr::V6(address) if mapped(address).is_some());
        is(&self.local) || is(&self.remote)
    }

    /// The owner's user ID; `None` if no process holds the socket: the kernel then reports 0.
    #[inline]
    pub fn owner_uid(&self) -> Option<u32> {
        (self.inode != 0).then_some(self.uid)
    }
}
