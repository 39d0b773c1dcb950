//! Reads the values of an expression: ports, addresses, networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::parse::{NO_WORD, Parser, Qualifiers, Wrong};
use super::words::{Protocol, Sort, Token, TokenKind};
use super::{Node, REJECT, Test};

const NO_ADDRESS: &str = "not an IP address, and not a name in /etc/hosts; DNS is never asked";
const NO_NETWORK: &str = "not a network, and not a name in /etc/networks; DNS is never asked";
const NO_PORT: &str = "not a port, and not a TCP service in /etc/services";
const NO_MAC: &str = "not an Ethernet address such as 02:00:5e:10:00:01";
pub(super) const NOT_HERE: &str = "this protocol cannot qualify such a value";
const OUTSIDE: &str = "the address has bits set outside the network";

impl Parser<'_> {
    /// Writes the tests of a value after its qualifiers.
    pub(super) fn value(&mut self, token: Token) -> Result<(), Wrong> {
        let Qualifiers { protocol, sort, is_bare, .. } = self.qualifiers;
        let reason = match (sort, protocol) {
            (Sort::Proto, _) => return self.proto(token),
            (Sort::Port | Sort::Portrange, Protocol::Ip | Protocol::Ip6) => {
                "ip and ip6 cannot qualify a port; write `ip and port`"
            }
            (Sort::Port | Sort::Portrange, Protocol::Any | Protocol::Tcp | Protocol::WithPorts) => {
                let (first, last) = self.ports(token)?;
                match protocol {
                    Protocol::Any => {}
                    Protocol::Tcp => self.only_if(Test::Tcp),
                    _ => self.only_if(Test::Never),
                }
                self.push_sides(&|side| Test::Port(side, first, last));
                return Ok(());
            }
            (Sort::Host, Protocol::Ether) | (Sort::Any, Protocol::Ether) => {
                let Some(address) = mac(self.word(token)) else {
                    return Err(self.wrong(token, NO_MAC));
                };
                self.needs_packets(token, true);
                self.push_sides(&|side| Test::Mac(side, address, u64::MAX));
                return Ok(());
            }
            (Sort::Host | Sort::Any, _) if self.is_name(token) => {
                return self.host(token, if is_bare { NO_WORD } else { NO_ADDRESS });
            }
            (Sort::Port | Sort::Portrange, _) | (_, Protocol::Ether | Protocol::Other) => NOT_HERE,
            _ => {
                let (address, mask) = self.network(token)?;
                return self.push_address(token, address, mask);
            }
        };
        Err(self.wrong(token, reason))
    }

    /// Writes the tests of an address, if the protocol before it has such addresses.
    fn push_address(&mut self, token: Token, address: IpAddr, mask: IpAddr) -> Result<(), Wrong> {
        let reason = match (self.qualifiers.protocol, address) {
            (Protocol::Tcp | Protocol::WithPorts, _) => {
                "tcp, udp and sctp can qualify only a port; write `tcp and host`"
            }
            (Protocol::Other | Protocol::Ether, _) => NOT_HERE,
            (Protocol::Ip, IpAddr::V6(_)) => "an IPv6 address needs ip6, not ip",
            (Protocol::WithHosts, IpAddr::V6(_)) => "arp and rarp have only IPv4 addresses",
            (Protocol::Ip6, IpAddr::V4(_)) => "an IPv4 address needs ip, not ip6",
            (protocol, _) => {
                if protocol == Protocol::WithHosts {
                    self.only_if(Test::Never);
                }
                self.push_sides(&|side| Test::Address(side, address, mask));
                return Ok(());
            }
        };
        Err(self.wrong(token, reason))
    }

    /// Writes a test that must hold for the next ones to count.
    #[inline(never)]
    fn only_if(&mut self, test: Test) {
        let yes = self.nodes.len() as u16 + 1;
        self.nodes.push(Node { test, yes, no: REJECT });
    }

    /// Whether a value can only be the name of a host.
    fn is_name(&self, token: Token) -> bool {
        let word = self.word(token);
        !word.contains(&b':') && short_ipv4(word).is_none()
    }

    /// Writes the tests of all addresses of a host that the protocol before it has: any of them may match.
    fn host(&mut self, token: Token, reason: &'static str) -> Result<(), Wrong> {
        let protocol = self.qualifiers.protocol;
        let is_wanted = |address: &IpAddr| match protocol {
            Protocol::Ip | Protocol::WithHosts => address.is_ipv4(),
            Protocol::Ip6 => address.is_ipv6(),
            _ => true,
        };
        let names = self.names;
        let addresses = match reason {
            NO_WORD => Vec::new(),
            _ => names.listed("hosts", self.word(token)),
        };
        let start = self.nodes.len();
        let parsed = |text: &Vec<u8>| std::str::from_utf8(text).ok()?.parse::<IpAddr>().ok();
        for address in addresses.iter().filter_map(parsed).filter(is_wanted) {
            let next = self.nodes.len();
            for node in &mut self.nodes[start..] {
                for exit in [&mut node.yes, &mut node.no] {
                    if *exit == REJECT {
                        *exit = next as u16;
                    }
                }
            }
            let all: IpAddr = match address {
                IpAddr::V4(_) => Ipv4Addr::BROADCAST.into(),
                IpAddr::V6(_) => Ipv6Addr::from_bits(u128::MAX).into(),
            };
            self.push_address(token, address, all)?;
        }
        if self.nodes.len() == start { Err(self.wrong(token, reason)) } else { Ok(()) }
    }

    /// The first and the last port of PORT, NAME or, behind `portrange`, two of them joined by `-`.
    fn ports(&self, token: Token) -> Result<(u16, u16), Wrong> {
        let word = self.word(token);
        let named = |word| self.names.port(word).ok_or_else(|| self.wrong(token, NO_PORT));
        let port = |word, number: Option<u32>| match number {
            Some(number) => {
                u16::try_from(number).map_err(|_| self.wrong(token, "a port is at most 65535"))
            }
            None => named(word),
        };
        let dash = word.iter().position(|byte| *byte == b'-');
        match dash.filter(|_| self.qualifiers.sort == Sort::Portrange) {
            None => port(word, number(word)).map(|port| (port, port)),
            Some(dash) => {
                let (first, last) = (&word[..dash], &word[dash + 1..]);
                let (first, last) =
                    (port(first, digits(first, 10))?, port(last, digits(last, 10))?);
                Ok((first.min(last), first.max(last)))
            }
        }
    }

    /// The address and the mask of a host or network, of one family, with no bit of the address outside
    /// the mask.
    fn network(&mut self, token: Token) -> Result<(IpAddr, IpAddr), Wrong> {
        let word = self.word(token);
        let text = std::str::from_utf8(word).ok().filter(|text| text.contains(':'));
        if let Some(address) = text.and_then(|text| text.parse::<Ipv6Addr>().ok()) {
            let length = self.length(128)?.unwrap_or(128);
            let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
            if address.to_bits() & !mask != 0 {
                return Err(self.wrong(token, OUTSIDE));
            }
            return Ok((address.into(), Ipv6Addr::from_bits(mask).into()));
        }
        let listed = match self.qualifiers.sort {
            Sort::Net if self.is_name(token) => {
                self.names.listed("networks", word).into_iter().next()
            }
            _ => None,
        };
        let word = listed.as_deref().unwrap_or(word);
        let Some((address, mut short_mask)) = short_ipv4(word) else {
            let is_net = self.qualifiers.sort == Sort::Net;
            return Err(self.wrong(token, if is_net { NO_NETWORK } else { NO_ADDRESS }));
        };
        if listed.is_some() {
            // The zeros at its end are not part of a network's number.
            short_mask = u32::MAX.checked_shl(address.trailing_zeros() / 8 * 8).unwrap_or(0);
        }
        let is_masked = matches!(self.next.kind, TokenKind::Slash | TokenKind::Mask);
        if !is_masked && self.qualifiers.sort != Sort::Net && !word.contains(&b'.') {
            return Err(self.wrong(token, "a bare number needs net or port before it"));
        }
        let mask = match self.length(32)? {
            Some(length) => u32::MAX.checked_shl(32 - length).unwrap_or(0),
            None if self.next.kind == TokenKind::Mask => self.mask()?,
            None => short_mask,
        };
        if address & !mask != 0 {
            return Err(self.wrong(token, OUTSIDE));
        }
        Ok((Ipv4Addr::from_bits(address).into(), Ipv4Addr::from_bits(mask).into()))
    }

    /// Takes an optional `/LENGTH` of a network whose addresses have `most` bits.
    fn length(&mut self, most: u32) -> Result<Option<u32>, Wrong> {
        if self.next.kind != TokenKind::Slash {
            return Ok(None);
        }
        self.only_behind_a_network()?;
        let token = self.take();
        match number(self.word(token)) {
            Some(length) if length <= most => Ok(Some(length)),
            _ => Err(self.wrong(token, "a prefix length is at most 32, or 128 for IPv6")),
        }
    }

    /// Takes `mask ADDRESS`.
    fn mask(&mut self) -> Result<u32, Wrong> {
        self.only_behind_a_network()?;
        let token = self.take();
        let mask = short_ipv4(self.word(token)).filter(|_| token.kind == TokenKind::Value);
        mask.map(|(mask, _)| mask)
            .ok_or_else(|| self.wrong(token, "not a mask such as 255.255.0.0"))
    }

    /// Takes `/` or `mask`.
    fn only_behind_a_network(&mut self) -> Result<(), Wrong> {
        if self.qualifiers.sort == Sort::Host {
            return Err(self.wrong(self.next, "a host has no mask; write net"));
        }
        self.take();
        Ok(())
    }
}

/// A number as libpcap reads it: decimal, hexadecimal after `0x`, octal after `0`.
#[inline(never)]
pub(super) fn number(word: &[u8]) -> Option<u32> {
    match word {
        [b'0', b'x' | b'X', rest @ ..] => digits(rest, 16),
        [b'0', rest @ ..] if !rest.is_empty() => digits(rest, 8),
        _ => digits(word, 10),
    }
}

#[inline(never)]
fn digits(word: &[u8], base: u32) -> Option<u32> {
    let mut number = None;
    for byte in word {
        let digit = char::from(*byte).to_digit(base)?;
        number = Some(number.unwrap_or(0_u32).checked_mul(base)?.checked_add(digit)?);
    }
    number
}

/// An IPv4 address whose last parts may be missing, and the mask of the parts that are given.
fn short_ipv4(word: &[u8]) -> Option<(u32, u32)> {
    if !word.contains(&b'.') {
        // A number: its first non-zero byte becomes the first byte of the address.
        let number = number(word)?;
        let shift = if number == 0 { 0 } else { number.leading_zeros() / 8 * 8 };
        return Some((number << shift, u32::MAX << shift));
    }
    let (mut address, mut shift) = (0, 32);
    for part in word.split(|byte| *byte == b'.') {
        let part = digits(part, 10).filter(|part| *part < 256)?;
        shift = u32::checked_sub(shift, 8)?;
        address |= part << shift;
    }
    Some((address, u32::MAX << shift))
}

/// The 48 bits of an Ethernet address: 02:00:5e:10:00:01, with - or . between, 0200.5e10.0001, or 12 digits.
fn mac(word: &[u8]) -> Option<u64> {
    let is_sign = |byte: &u8| matches!(byte, b':' | b'-' | b'.');
    let digits = match word.iter().filter(|byte| is_sign(byte)).count() {
        5 => 2,
        2 => 4,
        0 => 12,
        _ => return None,
    };
    let mut address = 0;
    for part in word.split(is_sign) {
        let is_complete = part.len() == digits || digits == 2 && part.len() == 1;
        let mut value = 0;
        for byte in part {
            value = value << 4 | u64::from(char::from(*byte).to_digit(16)?);
        }
        address = address << (4 * digits) | Some(value).filter(|_| is_complete)?;
    }
    Some(address)
}
