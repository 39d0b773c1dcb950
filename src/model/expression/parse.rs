//! Reads an expression: one pass, no recursion; a node is written once, then only its exits change.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{ACCEPT, Expression, Node, REJECT, Side, Test, WrongExpression};

/// The longest expression, in bytes. It also bounds the work of [`Parser::join`].
const MOST_BYTES: usize = 16 * 1024;
/// How deep parentheses may lie in one another.
const MOST_DEPTH: usize = 64;

const NO_WORD: &str = "no part of the filter language here, which has host, net, port, portrange, src, \
                       dst, tcp, ip, ip6, mask, and, or, not and parentheses";
const NO_VALUE: &str = "an address or port, or a word such as port or tcp, belongs here";
const NO_OPERATOR: &str = "and, or, a closing parenthesis or the end belongs here";
const NO_ADDRESS: &str = "no IP address; names of hosts are not resolved";
const NO_PORT: &str = "no port, and no name of a TCP port in /etc/services";
const OUTSIDE: &str = "the address has bits set behind the network's";

/// What a word, or a sign, is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    End,
    Open,
    Close,
    Slash,
    Operator(Operator),
    Not,
    Mask,
    Protocol(Protocol),
    Side(Side),
    Sort(Sort),
    /// Anything else that is made of letters, digits and `._-:`.
    Value,
    /// What no word can hold.
    Stray,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    And,
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Protocol {
    Any,
    Tcp,
    Ip,
    Ip6,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Direction {
    Either,
    Both,
    One(Side),
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    /// It does not say: a host, or a network if it has a mask.
    Any,
    Host,
    Net,
    Port,
    Portrange,
}

const WORDS: [(&[u8], Kind); 19] = [
    (b"(", Kind::Open),
    (b")", Kind::Close),
    (b"/", Kind::Slash),
    (b"!", Kind::Not),
    (b"&&", Kind::Operator(Operator::And)),
    (b"||", Kind::Operator(Operator::Or)),
    (b"and", Kind::Operator(Operator::And)),
    (b"or", Kind::Operator(Operator::Or)),
    (b"not", Kind::Not),
    (b"mask", Kind::Mask),
    (b"tcp", Kind::Protocol(Protocol::Tcp)),
    (b"ip", Kind::Protocol(Protocol::Ip)),
    (b"ip6", Kind::Protocol(Protocol::Ip6)),
    (b"src", Kind::Side(Side::Source)),
    (b"dst", Kind::Side(Side::Destination)),
    (b"host", Kind::Sort(Sort::Host)),
    (b"net", Kind::Sort(Sort::Net)),
    (b"port", Kind::Sort(Sort::Port)),
    (b"portrange", Kind::Sort(Sort::Portrange)),
];

/// A word and where it stands.
#[derive(Clone, Copy, Debug)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

/// What stands before a value, or stood before the last one.
#[derive(Clone, Copy, Debug)]
struct Qualifiers {
    protocol: Protocol,
    direction: Direction,
    sort: Sort,
}

const UNQUALIFIED: Qualifiers =
    Qualifiers { protocol: Protocol::Any, direction: Direction::Either, sort: Sort::Any };

/// What has been read since an opening parenthesis, or from the beginning.
#[derive(Clone, Copy, Debug)]
struct Group {
    /// Where the parenthesis stands.
    place: Token,
    /// Whether `not` stands before it.
    is_negated: bool,
    /// Whether qualifiers stand before it, so that only bare values may stand in it.
    is_of_values: bool,
    /// The qualifiers before it: those of the values behind it, too.
    qualifiers: Qualifiers,
    /// Its first node.
    start: usize,
    /// What joins the nodes before `right` with those from there on.
    operator: Option<Operator>,
    right: usize,
}

struct Parser<'a> {
    text: &'a [u8],
    services: &'a dyn Fn(&[u8]) -> Option<u16>,
    /// The next word, not yet taken.
    next: Token,
    nodes: Vec<Node>,
    qualifiers: Qualifiers,
}

impl Expression {
    /// Reads an expression; blanks alone mean everything. `services` finds the port of a service's name.
    ///
    /// Where libpcap leaves off, the obvious is taken: `1.2.3.4` is a host and `10.0.0.0/8` a network
    /// without a word before it, and `net 10/8` is one too. A whole number where an address must stand,
    /// which libpcap takes for 0.0.0.N, is refused.
    ///
    /// # Errors
    /// The place and the reason, if it is none, is longer than 16 KiB, or nested deeper than 64 levels.
    pub fn parse(
        text: &[u8],
        services: &dyn Fn(&[u8]) -> Option<u16>,
    ) -> Result<Expression, WrongExpression> {
        let start = Token { kind: Kind::End, start: 0, end: 0 };
        let nodes = Vec::new();
        let mut parser = Parser { text, services, next: start, nodes, qualifiers: UNQUALIFIED };
        if text.len() > MOST_BYTES {
            let place = Token { kind: Kind::Stray, start: MOST_BYTES, end: MOST_BYTES + 1 };
            return Err(parser.wrong(place, "an expression is at most 16 KiB long"));
        }
        parser.take();
        if parser.next.kind != Kind::End {
            parser.expression()?;
        }
        Ok(Expression { nodes: parser.nodes })
    }
}

impl Parser<'_> {
    fn expression(&mut self) -> Result<(), WrongExpression> {
        let mut outer: Vec<Group> = Vec::new();
        let mut group = self.group(self.next, false, false);
        loop {
            // An operand: a group is opened, or a test written.
            let mut is_negated = self.negations();
            let is_of_values = self.qualify(group.is_of_values)?;
            is_negated ^= self.negations();
            if self.next.kind == Kind::Open {
                if outer.len() == MOST_DEPTH {
                    return Err(self.wrong(self.next, "parentheses are nested too deep"));
                }
                let place = self.take();
                outer.push(group);
                group = self.group(place, is_negated, is_of_values);
                continue;
            }
            self.operand(is_of_values)?;
            self.join(&group, is_negated);
            while self.next.kind == Kind::Close {
                let inner = group;
                group = outer.pop().ok_or_else(|| self.wrong(self.next, "nothing to close"))?;
                self.take();
                self.qualifiers = inner.qualifiers;
                self.join(&group, inner.is_negated);
            }
            match self.next.kind {
                Kind::Operator(operator) => group.operator = Some(operator),
                Kind::End if outer.is_empty() => return Ok(()),
                Kind::End => return Err(self.wrong(group.place, "is never closed")),
                Kind::Stray => return Err(self.wrong(self.next, NO_WORD)),
                _ => return Err(self.wrong(self.next, NO_OPERATOR)),
            }
            group.right = self.nodes.len();
            self.take();
        }
    }

    fn group(&self, place: Token, is_negated: bool, is_of_values: bool) -> Group {
        let (start, right) = (self.nodes.len(), self.nodes.len());
        let qualifiers = self.qualifiers;
        Group { place, is_negated, is_of_values, qualifiers, start, operator: None, right }
    }

    /// Whether the words that follow negate.
    fn negations(&mut self) -> bool {
        let mut is_negated = false;
        while self.next.kind == Kind::Not {
            self.take();
            is_negated = !is_negated;
        }
        is_negated
    }

    /// Joins the nodes from `group.right` on, which may be negated, to those before them. `and` and `or`
    /// have the same rank: all that stands before is one side.
    fn join(&mut self, group: &Group, is_negated: bool) {
        let (left, right) = self.nodes.split_at_mut(group.right);
        let swapped = |exit| match exit {
            ACCEPT => REJECT,
            REJECT => ACCEPT,
            inner => inner,
        };
        if is_negated {
            for node in right {
                (node.yes, node.no) = (swapped(node.yes), swapped(node.no));
            }
        }
        let goes_on = match group.operator {
            None => return,
            Some(Operator::And) => ACCEPT,
            Some(Operator::Or) => REJECT,
        };
        for exit in left[group.start..].iter_mut().flat_map(|node| [&mut node.yes, &mut node.no]) {
            if *exit == goes_on {
                // At most one node for two bytes: far below the numbers of the ends.
                *exit = group.right as u16;
            }
        }
    }

    /// Takes the qualifiers that stand here, if any do and may, and says whether only values may follow.
    fn qualify(&mut self, is_of_values: bool) -> Result<bool, WrongExpression> {
        let mut new = UNQUALIFIED;
        let first = self.next;
        if let Kind::Protocol(protocol) = first.kind {
            // Alone it is a test.
            if !matches!(self.peek().kind, Kind::Side(_) | Kind::Sort(_)) {
                return Ok(is_of_values);
            }
            new.protocol = protocol;
            self.take();
        }
        if let Kind::Side(side) = self.next.kind {
            self.take();
            new.direction = self.direction(side)?;
        }
        if let Kind::Sort(sort) = self.next.kind {
            self.take();
            new.sort = sort;
        }
        if first.start == self.next.start {
            return Ok(is_of_values);
        }
        if is_of_values {
            return Err(self.wrong(first, "the words before the parenthesis qualify what is in it"));
        }
        self.qualifiers = new;
        Ok(true)
    }

    /// What a side, which is taken, and `or` or `and` the other make.
    fn direction(&mut self, side: Side) -> Result<Direction, WrongExpression> {
        let Kind::Operator(operator) = self.next.kind else { return Ok(Direction::One(side)) };
        self.take();
        match self.next.kind {
            Kind::Side(other) if other != side => {
                self.take();
                Ok(if operator == Operator::And { Direction::Both } else { Direction::Either })
            }
            _ => Err(self.wrong(self.next, "src or dst, or src and dst, belong together")),
        }
    }

    /// A protocol that stands alone, or a value.
    fn operand(&mut self, is_of_values: bool) -> Result<(), WrongExpression> {
        let token = self.take();
        match token.kind {
            Kind::Value => self.value(token),
            Kind::Protocol(protocol) if !is_of_values => {
                self.qualifiers = UNQUALIFIED;
                self.push(match protocol {
                    Protocol::Any | Protocol::Tcp => Test::Tcp,
                    Protocol::Ip => Test::Ipv4(true),
                    Protocol::Ip6 => Test::Ipv4(false),
                });
                Ok(())
            }
            Kind::Stray => Err(self.wrong(token, NO_WORD)),
            _ => Err(self.wrong(token, NO_VALUE)),
        }
    }

    fn value(&mut self, token: Token) -> Result<(), WrongExpression> {
        let protocol = self.qualifiers.protocol;
        if matches!(self.qualifiers.sort, Sort::Port | Sort::Portrange) {
            if matches!(protocol, Protocol::Ip | Protocol::Ip6) {
                return Err(self.wrong(token, "ip and ip6 do not go with ports: `ip and port`"));
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
            (Protocol::Tcp, _) => "tcp goes with ports alone: `tcp and host`",
            (Protocol::Ip, IpAddr::V6(_)) => "ip has no such address: ip6",
            (Protocol::Ip6, IpAddr::V4(_)) => "ip6 has no such address: ip",
            _ => {
                self.push_sides(|side| Test::Address(side, address, mask));
                return Ok(());
            }
        };
        Err(self.wrong(token, reason))
    }

    /// The first and the last port of PORT, NAME or, behind `portrange`, two of them with a `-`.
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
            return Err(self.wrong(token, "a number alone: net or port must stand before it"));
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

    /// Takes `/LENGTH`, if it stands here, of a network with addresses of `most` bits.
    fn length(&mut self, most: u32) -> Result<Option<u32>, WrongExpression> {
        if self.next.kind != Kind::Slash {
            return Ok(None);
        }
        self.only_behind_a_network()?;
        let token = self.take();
        match number(self.word(token)) {
            Some(length) if length <= most => Ok(Some(length)),
            _ => Err(self.wrong(token, "a length is at most 32 bits, of ip6 128")),
        }
    }

    /// Takes `mask ADDRESS`.
    fn mask(&mut self) -> Result<u32, WrongExpression> {
        self.only_behind_a_network()?;
        let token = self.take();
        let mask = short_ipv4(self.word(token)).filter(|_| token.kind == Kind::Value);
        mask.map(|(mask, _)| mask).ok_or_else(|| self.wrong(token, "no mask such as 255.255.0.0"))
    }

    /// Takes `/` or `mask`.
    fn only_behind_a_network(&mut self) -> Result<(), WrongExpression> {
        if self.qualifiers.sort == Sort::Host {
            return Err(self.wrong(self.next, "a host has no mask: net"));
        }
        self.take();
        Ok(())
    }

    fn push(&mut self, test: Test) {
        self.nodes.push(Node { test, yes: ACCEPT, no: REJECT });
    }

    /// Writes the tests of the sides that the qualifiers name.
    fn push_sides(&mut self, test: impl Fn(Side) -> Test) {
        let next = self.nodes.len() as u16 + 1;
        let source = Node { test: test(Side::Source), yes: ACCEPT, no: REJECT };
        match self.qualifiers.direction {
            Direction::One(side) => return self.push(test(side)),
            Direction::Either => self.nodes.push(Node { no: next, ..source }),
            Direction::Both => self.nodes.push(Node { yes: next, ..source }),
        }
        self.push(test(Side::Destination));
    }

    /// Gives the next word and goes on to the one behind it.
    fn take(&mut self) -> Token {
        let token = self.next;
        self.next = self.peek();
        token
    }

    /// The word behind the next one.
    fn peek(&self) -> Token {
        let rest = self.text.get(self.next.end..).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let start = self.next.end + blanks;
        let rest = &rest[blanks..];
        let count = |is: fn(&u8) -> bool| rest.iter().take_while(|byte| is(byte)).count();
        let is_in_word =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-' | b':');
        let length = match (count(is_in_word), rest) {
            (0, [b'&', b'&', ..] | [b'|', b'|', ..]) => 2,
            (0, [b'(' | b')' | b'!' | b'/', ..]) => 1,
            (0, _) => count(|byte| !byte.is_ascii_alphanumeric() && !b" \t\r\n()".contains(byte)),
            (length, _) => length,
        };
        let known = WORDS.iter().find(|(word, _)| *word == &rest[..length]);
        let kind = match known {
            Some((_, kind)) => *kind,
            None if length == 0 => Kind::End,
            None if is_in_word(&rest[0]) => Kind::Value,
            None => Kind::Stray,
        };
        Token { kind, start, end: start + length }
    }

    fn word(&self, token: Token) -> &[u8] {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    fn wrong(&self, token: Token, reason: &'static str) -> WrongExpression {
        let word = String::from_utf8_lossy(self.word(token)).into_owned();
        WrongExpression { place: token.start, word, reason }
    }
}

/// A number as libpcap reads it: decimal, hexadecimal behind `0x`, octal behind `0`.
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

/// An IPv4 address, of which the last parts may be left out, and the mask of the parts that are there.
fn short_ipv4(word: &[u8]) -> Option<(u32, u32)> {
    if !word.contains(&b'.') {
        // A number: its first byte that is not 0 becomes the first of the address.
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
