//! Reads the words that are neither values nor comparisons: protocols, tags, lengths, interfaces.

use super::operations::Operation;
use super::parse::{Direction, NO_VALUE, Parser, Wrong};
use super::values::{NOT_HERE, number};
use super::words::{Interface, Protocol, Sort, Token, TokenKind};
use super::{ACCEPT, Node, REJECT, Side, Tag, Test};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const NO_PROTOCOL: &str = "not a protocol's number, and not a name in /etc/protocols";
const NO_ETHERTYPE: &str = "not an ethertype: a number, ip, ip6, arp or rarp";
const NO_CLOSE: &str = "expected a closing parenthesis";
const NO_COUNT: &str = "expected a number";
const TOO_LARGE: &str =
    "larger than any VLAN ID (4095), MPLS label (1048575) or PPPoE session (65535)";

impl Parser<'_> {
    /// Writes the test of a protocol's number or name.
    pub(super) fn proto(&mut self, token: Token) -> Result<(), Wrong> {
        const TCP: u32 = 6;
        if self.qualifiers.direction != Direction::Either {
            return Err(self.wrong(token, "src and dst cannot qualify a protocol"));
        }
        let word = self.word(token);
        let named = match Token::behind(0, word, false).kind {
            TokenKind::Protocol(protocol) => Some(protocol),
            _ => None,
        };
        let test = match self.qualifiers.protocol {
            Protocol::Ether => match (number(word), named) {
                (Some(0x0800), _) | (_, Some(Protocol::Ip)) => Test::Ipv4(true),
                (Some(0x86dd), _) | (_, Some(Protocol::Ip6)) => Test::Ipv4(false),
                (Some(of_tags @ 0x0800..=0xffff), _) => {
                    self.needs_packets(token, true);
                    Test::Ethertype(of_tags as u16)
                }
                (Some(_), _) | (_, Some(_)) => Test::Never,
                _ => return Err(self.wrong(token, NO_ETHERTYPE)),
            },
            qualifier @ (Protocol::Any | Protocol::Ip | Protocol::Ip6) => {
                let listed = || number(self.names.listed("protocols", word).first()?);
                let found = match named {
                    Some(protocol) => Some(if protocol == Protocol::Tcp { TCP } else { 0 }),
                    None => number(word).or_else(listed).filter(|number| *number < 256),
                };
                match (found, qualifier) {
                    (None, _) => return Err(self.wrong(token, NO_PROTOCOL)),
                    (Some(TCP), Protocol::Ip) => Test::Ipv4(true),
                    (Some(TCP), Protocol::Ip6) => Test::Ipv4(false),
                    (Some(TCP), _) => Test::Tcp,
                    _ => Test::Never,
                }
            }
            _ => return Err(self.wrong(token, NOT_HERE)),
        };
        self.push(test);
        Ok(())
    }

    /// A word of ours in the place of a value: after `proto`, it is a protocol.
    pub(super) fn protocol_value(&mut self, token: Token) -> Result<(), Wrong> {
        match token.kind {
            TokenKind::Protocol(_) if self.qualifiers.sort == Sort::Proto => self.proto(token),
            _ => Err(self.wrong(token, NO_VALUE)),
        }
    }

    /// Writes the tests of `broadcast` and `multicast`; without a protocol they mean Ethernet addresses.
    pub(super) fn broadcast(
        &mut self,
        token: Token,
        protocol: Protocol,
        is_broadcast: bool,
    ) -> Result<(), Wrong> {
        let v4 = |of: u32, mask: u32| {
            let (of, mask) = (Ipv4Addr::from_bits(of), Ipv4Addr::from_bits(mask));
            Test::Address(Side::Destination, of.into(), mask.into())
        };
        let of_v6: IpAddr = Ipv6Addr::from_bits(0xff << 120).into();
        match (protocol, is_broadcast) {
            (Protocol::Ip, true) => {
                let no = self.nodes.len() as u16 + 1;
                self.nodes.push(Node { test: v4(0, u32::MAX), yes: ACCEPT, no });
                self.push(v4(u32::MAX, u32::MAX));
            }
            (Protocol::Ip, false) => self.push(v4(0xe000_0000, 0xe000_0000)),
            (Protocol::Ip6, false) => self.push(Test::Address(Side::Destination, of_v6, of_v6)),
            (Protocol::Any | Protocol::Ether, _) => {
                const BROADCAST: u64 = 0xffff_ffff_ffff;
                const GROUP: u64 = 0x0100_0000_0000;
                let bits = if is_broadcast { BROADCAST } else { GROUP };
                self.needs_packets(token, true);
                self.push(Test::Mac(Side::Destination, bits, bits));
            }
            _ => return Err(self.wrong(token, NOT_HERE)),
        }
        Ok(())
    }

    /// Reads what follows any other word.
    pub(super) fn other(&mut self, token: Token) -> Result<(), Wrong> {
        match token.kind {
            TokenKind::Broadcast(is_broadcast) => {
                self.broadcast(token, Protocol::Any, is_broadcast)?;
            }
            TokenKind::Tag(tag) => {
                let most = match tag {
                    Tag::Vlan => 4095,
                    Tag::Mpls => 0xf_ffff,
                    Tag::Pppoe => 65535,
                };
                let is_open =
                    self.next.kind == TokenKind::Open && number(self.word(self.peek())).is_some();
                if is_open {
                    self.take();
                }
                let wanted = number(self.word(self.next));
                if wanted.is_some_and(|wanted| wanted > most) {
                    return Err(self.wrong(self.next, TOO_LARGE));
                }
                if wanted.is_some() {
                    self.take();
                }
                if is_open {
                    self.require(TokenKind::Close, NO_CLOSE)?;
                }
                self.needs_packets(token, true);
                self.push(Test::Tag(tag, wanted));
            }
            TokenKind::Length(comparison) => {
                let most = self.count()?;
                let start = self.operations.len() as u16;
                self.operations.extend([Operation::Len, Operation::Number(most)]);
                self.needs_packets(token, true);
                self.push(Test::Relation { start, end: start + 2, comparison, bases: 0 });
            }
            TokenKind::Interface(interface) => {
                self.needs_packets(token, false);
                self.interface(interface)?;
            }
            _ => return Err(self.wrong(token, NO_VALUE)),
        }
        Ok(())
    }

    fn interface(&mut self, interface: Interface) -> Result<(), Wrong> {
        match interface {
            Interface::Outbound(true) => self.push(Test::Outbound),
            Interface::Outbound(false) => {
                self.nodes.push(Node { test: Test::Outbound, yes: REJECT, no: ACCEPT });
            }
            Interface::Index => {
                let index = self.count()?;
                self.push(Test::Interface(index));
            }
            Interface::Name => {
                let token = self.take();
                if self.word(token).is_empty() || matches!(token.kind, TokenKind::Close) {
                    return Err(self.wrong(token, "expected the name of an interface"));
                }
                let place = self.interfaces.len() as u16;
                self.interfaces.push(self.word(token).to_vec());
                self.push(Test::InterfaceName(place));
            }
        }
        Ok(())
    }

    /// Takes a number.
    fn count(&mut self) -> Result<u32, Wrong> {
        let count = number(self.word(self.next)).ok_or_else(|| self.wrong(self.next, NO_COUNT))?;
        self.take();
        Ok(count)
    }
}
