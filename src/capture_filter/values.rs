//! Reads the values of an expression: ports, addresses, networks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::parse::{Direction, NO_WORD, Parser};
use super::words::{Kind, Protocol, Sort, Token};
use super::{Node, REJECT, Test, WrongExpression};

const NO_ADDRESS: &str = "not an IP address; host names are not resolved";
const NO_PORT: &str = "not a port, and not a TCP service in /etc/services";
const OUTSIDE: &str = "the address has bits set outside the network";

impl Parser<'_> {
    /// Writes the tests of a value after its qualifiers.
    pub(super) fn value(&mut self, token: Token) -> Result<(), WrongExpression> {
        let protocol = self.qualifiers.protocol;
        if matches!(self.qualifiers.sort, Sort::Port | Sort::Portrange) {
            if matches!(protocol, Protocol::Ip | Protocol::Ip6) {
                return Err(
                    self.wrong(token, "ip and ip6 cannot qualify a port; write `ip and port`")
                );
            }
            let (first, last) = self.ports(token)?;
            if protocol == Protocol::Tcp {
                let yes = self.nodes.len() as u16 + 1;
                self.nodes.push(Node { test: Test::Tcp, yes, no: REJECT });
            }
            self.push_sides(|side| Test::Port(side, first, last));
            return Ok(());
        }
        let (address, mask) = self.network(token)?;
        let reason = match (protocol, address) {
            (Protocol::Tcp, _) => "tcp can qualify only a port; write `tcp and host`",
            (Protocol::Ip, IpAddr::V6(_)) => "an IPv6 address needs ip6, not ip",
            (Protocol::Ip6, IpAddr::V4(_)) => "an IPv4 address needs ip, not ip6",
            _ => {
                self.push_sides(|side| Test::Address(side, address, mask));
                return Ok(());
            }
        };
        Err(self.wrong(token, reason))
    }

    /// The first and the last port of PORT, NAME or, behind `portrange`, two of them joined by `-`.
    fn ports(&self, token: Token) -> Result<(u16, u16), WrongExpression> {
        let word = self.word(token);
        let named = |word| (self.services)(word).ok_or_else(|| self.wrong(token, NO_PORT));
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
    fn network(&mut self, token: Token) -> Result<(IpAddr, IpAddr), WrongExpression> {
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
        let Some((address, short_mask)) = short_ipv4(word) else {
            let is_bare =
                self.qualifiers.sort == Sort::Any && self.qualifiers.direction == Direction::Either;
            return Err(self.wrong(token, if is_bare { NO_WORD } else { NO_ADDRESS }));
        };
        let is_masked = matches!(self.next.kind, Kind::Slash | Kind::Mask);
        if !is_masked && self.qualifiers.sort != Sort::Net && !word.contains(&b'.') {
            return Err(self.wrong(token, "a bare number needs net or port before it"));
        }
        let mask = match self.length(32)? {
            Some(length) => u32::MAX.checked_shl(32 - length).unwrap_or(0),
            None if self.next.kind == Kind::Mask => self.mask()?,
            None => short_mask,
        };
        if address & !mask != 0 {
            return Err(self.wrong(token, OUTSIDE));
        }
        Ok((Ipv4Addr::from_bits(address).into(), Ipv4Addr::from_bits(mask).into()))
    }

    /// Takes an optional `/LENGTH` of a network whose addresses have `most` bits.
    fn length(&mut self, most: u32) -> Result<Option<u32>, WrongExpression> {
        if self.next.kind != Kind::Slash {
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
    fn mask(&mut self) -> Result<u32, WrongExpression> {
        self.only_behind_a_network()?;
        let token = self.take();
        let mask = short_ipv4(self.word(token)).filter(|_| token.kind == Kind::Value);
        mask.map(|(mask, _)| mask)
            .ok_or_else(|| self.wrong(token, "not a mask such as 255.255.0.0"))
    }

    /// Takes `/` or `mask`.
    fn only_behind_a_network(&mut self) -> Result<(), WrongExpression> {
        if self.qualifiers.sort == Sort::Host {
            return Err(self.wrong(self.next, "a host has no mask; write net"));
        }
        self.take();
        Ok(())
    }
}

/// A number as libpcap reads it: decimal, hexadecimal after `0x`, octal after `0`.
fn number(word: &[u8]) -> Option<u32> {
    match word {
        [b'0', b'x' | b'X', rest @ ..] => digits(rest, 16),
        [b'0', rest @ ..] if !rest.is_empty() => digits(rest, 8),
        _ => digits(word, 10),
    }
}

fn digits(word: &[u8], base: u32) -> Option<u32> {
    let is_digits = word.iter().all(|byte| char::from(*byte).is_digit(base));
    let text = std::str::from_utf8(word).ok().filter(|_| is_digits)?;
    u32::from_str_radix(text, base).ok()
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
