//! Decides whether a packet or a connection matches, as libpcap's own matcher would.

use std::net::{IpAddr, SocketAddr};

use super::{ACCEPT, Expression, Side, Test};

/// The protocols whose ports `port` and `portrange` see: TCP, UDP, SCTP.
const WITH_PORTS: [u8; 3] = [TCP, 17, 132];
const TCP: u8 = 6;

/// The properties of a packet that an expression can test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketFacts {
    /// The source address; its family is that of the packet.
    pub source: IpAddr,
    /// The destination address, of the same family.
    pub destination: IpAddr,
    /// The number of the transport protocol, after the IPv6 extension headers.
    pub protocol: u8,
    /// Whether it is a fragment other than the first, without the transport header.
    pub is_later_fragment: bool,
    /// Source and destination port, where the protocol has them.
    pub ports: Option<(u16, u16)>,
}

impl PacketFacts {
    /// A TCP packet from one end of a connection to the other. A v4-mapped address is IPv4 on the wire.
    pub fn of_tcp(from: SocketAddr, to: SocketAddr) -> PacketFacts {
        PacketFacts {
            source: from.ip().to_canonical(),
            destination: to.ip().to_canonical(),
            protocol: TCP,
            is_later_fragment: false,
            ports: Some((from.port(), to.port())),
        }
    }
}

impl Expression {
    /// Whether it is the empty expression, which matches everything.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether the packet matches.
    pub fn has(&self, facts: &PacketFacts) -> bool {
        let mut place = if self.nodes.is_empty() { ACCEPT } else { 0 };
        // Each node leads only to later ones, so this ends.
        while let Some(node) = self.nodes.get(usize::from(place)) {
            place = if node.test.holds(facts) { node.yes } else { node.no };
        }
        place == ACCEPT
    }

    /// Whether a TCP connection matches: its packets match in at least one direction.
    pub fn has_connection(&self, client: SocketAddr, server: SocketAddr) -> bool {
        self.has(&PacketFacts::of_tcp(client, server))
            || self.has(&PacketFacts::of_tcp(server, client))
    }
}

impl Test {
    fn holds(&self, facts: &PacketFacts) -> bool {
        match *self {
            Test::Tcp => facts.protocol == TCP,
            Test::Ipv4(wanted) => facts.source.is_ipv4() == wanted,
            Test::Address(side, wanted, mask) => {
                let address = match side {
                    Side::Source => facts.source,
                    Side::Destination => facts.destination,
                };
                match (address, wanted, mask) {
                    (IpAddr::V4(address), IpAddr::V4(wanted), IpAddr::V4(mask)) => {
                        address & mask == wanted
                    }
                    (IpAddr::V6(address), IpAddr::V6(wanted), IpAddr::V6(mask)) => {
                        address & mask == wanted
                    }
                    _ => false,
                }
            }
            Test::Port(side, first, last) => {
                let ports = facts
                    .ports
                    .filter(|_| !facts.is_later_fragment && WITH_PORTS.contains(&facts.protocol));
                ports.is_some_and(|(source, destination)| {
                    let port = if side == Side::Source { source } else { destination };
                    (first..=last).contains(&port)
                })
            }
        }
    }
}
