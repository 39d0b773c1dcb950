//! Decides whether a packet or a connection matches, as libpcap's own matcher would.

use std::net::{IpAddr, SocketAddr};

use super::operations::{Base, Operation};
use super::{ACCEPT, Expression, Side, Tag, Test};

/// The protocols whose ports `port` and `portrange` see: TCP, UDP, SCTP.
const WITH_PORTS: [u8; 3] = [TCP, 17, 132];
const TCP: u8 = 6;

/// The properties of a packet that an expression can test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketFacts<'a> {
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
    /// What was captured, from the IP header on.
    pub bytes: &'a [u8],
    /// Where the transport header begins in it.
    pub transport: u32,
    /// What else the frame says, if the expression asks ([`Expression::needs_link`]).
    pub link: Option<&'a LinkFacts<'a>>,
}

/// The properties of a frame. Absent is what its link does not tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkFacts<'a> {
    /// What was captured, from the link's header on, if it is there.
    pub bytes: Option<&'a [u8]>,
    /// Its length before truncation.
    pub original_bytes: u32,
    /// Ethernet addresses: source, destination.
    pub addresses: [Option<[u8; 6]>; 2],
    /// The ethertypes before the IP header's, each with its number: VLAN ID, MPLS label, PPPoE session.
    pub tags: &'a [(u16, u32)],
    pub is_outbound: Option<bool>,
    /// The interface: its index, if live, and its name.
    pub interface: Option<u32>,
    pub interface_name: Option<&'a [u8]>,
}

/// Why a packet can neither match nor differ. It is then not taken, even by `not`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecided {
    /// A calculation reads behind the end of what was captured, or divides by 0.
    Impossible,
    /// The link does not tell what the expression asks.
    Untold,
}

impl<'a> PacketFacts<'a> {
    /// A TCP packet from one end of a connection to the other. A v4-mapped address is IPv4 on the wire.
    pub fn of_tcp(from: SocketAddr, to: SocketAddr) -> PacketFacts<'a> {
        PacketFacts {
            source: from.ip().to_canonical(),
            destination: to.ip().to_canonical(),
            protocol: TCP,
            is_later_fragment: false,
            ports: Some((from.port(), to.port())),
            bytes: &[],
            transport: 0,
            link: None,
        }
    }
}

impl Expression {
    /// Whether it is the empty expression, which matches everything.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Whether the packet matches.
    ///
    /// # Errors
    /// If that cannot be decided.
    #[inline(never)]
    pub fn judge(&self, facts: &PacketFacts<'_>) -> Result<bool, Undecided> {
        let mut place = if self.nodes.is_empty() { ACCEPT } else { 0 };
        // Each node leads only to later ones, so this ends.
        while let Some(node) = self.nodes.get(usize::from(place)) {
            place = if self.holds(&node.test, facts)? { node.yes } else { node.no };
        }
        Ok(place == ACCEPT)
    }

    /// Whether the packet matches for certain.
    pub fn has(&self, facts: &PacketFacts<'_>) -> bool {
        self.judge(facts) == Ok(true)
    }

    /// Whether a TCP connection matches: its packets match in at least one direction.
    pub fn has_connection(&self, client: SocketAddr, server: SocketAddr) -> bool {
        self.has(&PacketFacts::of_tcp(client, server))
            || self.has(&PacketFacts::of_tcp(server, client))
    }

    fn holds(&self, test: &Test, facts: &PacketFacts<'_>) -> Result<bool, Undecided> {
        let address = |side| if side == Side::Source { facts.source } else { facts.destination };
        let link = || facts.link.ok_or(Undecided::Untold);
        Ok(match *test {
            Test::Tcp => facts.protocol == TCP,
            Test::Never => false,
            Test::Ipv4(wanted) => facts.source.is_ipv4() == wanted,
            Test::Address(side, wanted, mask) => match (address(side), wanted, mask) {
                (IpAddr::V4(address), IpAddr::V4(wanted), IpAddr::V4(mask)) => {
                    address & mask == wanted
                }
                (IpAddr::V6(address), IpAddr::V6(wanted), IpAddr::V6(mask)) => {
                    address & mask == wanted
                }
                _ => false,
            },
            Test::Port(side, first, last) => {
                // As in libpcap, which then reads behind the end.
                if facts.ports.is_none() && facts.protocol == TCP && !facts.is_later_fragment {
                    return Err(Undecided::Impossible);
                }
                let ports = facts
                    .ports
                    .filter(|_| !facts.is_later_fragment && WITH_PORTS.contains(&facts.protocol));
                ports.is_some_and(|(source, destination)| {
                    let port = if side == Side::Source { source } else { destination };
                    (first..=last).contains(&port)
                })
            }
            Test::Relation { start, end, comparison, bases } => {
                let needs = |base: Base| bases & base as u8 != 0;
                let is_ipv4 = facts.source.is_ipv4();
                let is_tcp = facts.protocol == TCP && !facts.is_later_fragment;
                let is_meant = (is_ipv4 || !needs(Base::Ip))
                    && (!is_ipv4 || !needs(Base::Ip6))
                    && (is_tcp || !needs(Base::Tcp));
                let range = usize::from(start)..usize::from(end);
                let operations = self.operations.get(range).unwrap_or_default();
                is_meant && {
                    let (left, right) = calculate(operations, facts)?;
                    comparison.holds(left, right)
                }
            }
            Test::Mac(side, wanted, mask) => {
                let address = link()?.addresses[usize::from(side == Side::Destination)];
                let [a, b, c, d, e, f] = address.ok_or(Undecided::Untold)?;
                u64::from_be_bytes([0, 0, a, b, c, d, e, f]) & mask == wanted & mask
            }
            Test::Tag(tag, wanted) => link()?.tags.iter().any(|(ethertype, number)| {
                tag.is_of(*ethertype) && wanted.is_none_or(|wanted| wanted == *number)
            }),
            Test::Ethertype(wanted) => {
                link()?.tags.iter().any(|(ethertype, _)| *ethertype == wanted)
            }
            Test::Outbound => link()?.is_outbound.ok_or(Undecided::Untold)?,
            Test::Interface(wanted) => link()?.interface.ok_or(Undecided::Untold)? == wanted,
            Test::InterfaceName(place) => {
                let name = link()?.interface_name.ok_or(Undecided::Untold)?;
                self.interfaces.get(usize::from(place)).is_some_and(|wanted| wanted == name)
            }
        })
    }
}

impl Tag {
    fn is_of(self, ethertype: u16) -> bool {
        match self {
            Tag::Vlan => matches!(ethertype, 0x8100 | 0x88a8 | 0x9100 | 0x9200),
            Tag::Mpls => matches!(ethertype, 0x8847 | 0x8848),
            Tag::Pppoe => ethertype == 0x8864,
        }
    }
}

/// The two numbers that the operations of a relation leave.
#[inline(never)]
fn calculate(operations: &[Operation], facts: &PacketFacts<'_>) -> Result<(u32, u32), Undecided> {
    let mut values = [0_u32; 16];
    let mut count = 0_usize;
    for operation in operations {
        // The parser allows fewer values than there is room for, and each operation has its operands.
        let [left, right] = [2, 1].map(|back| values[count.saturating_sub(back) % 16]);
        let value = match *operation {
            Operation::Number(number) => number,
            Operation::Len => facts.link.ok_or(Undecided::Untold)?.original_bytes,
            Operation::Load(base, bytes) => {
                count = count.saturating_sub(1);
                load(base, right, bytes, facts)?
            }
            Operation::Apply(calculation) => {
                count = count.saturating_sub(2);
                calculation.of(left, right).ok_or(Undecided::Impossible)?
            }
        };
        values[count % 16] = value;
        count += 1;
    }
    Ok((values[0], values[1]))
}

#[inline(never)]
fn load(base: Base, index: u32, bytes: u8, facts: &PacketFacts<'_>) -> Result<u32, Undecided> {
    let (place, from) = match base {
        Base::Tcp => (index.wrapping_add(facts.transport), facts.bytes),
        Base::Frame => {
            let link = facts.link.ok_or(Undecided::Untold)?;
            (index, link.bytes.ok_or(Undecided::Untold)?)
        }
        _ => (index, facts.bytes),
    };
    let found = from.get(place as usize..).and_then(|from| from.get(..bytes.into()));
    let found = found.ok_or(Undecided::Impossible)?;
    Ok(found.iter().fold(0, |number, byte| number << 8 | u32::from(*byte)))
}
