//! Reads an expression: one pass, no recursion; a node is written once, then only its exits change.

use super::names::Names;
use super::operations::Operation;
use super::words::{Operator, Protocol, Sort, Token, TokenKind};
use super::{ACCEPT, Expression, Node, REJECT, Side, Test, WrongExpression};

/// The longest expression, in bytes. A byte yields less than one node, so 16 bits can number them.
const MOST_BYTES: usize = 16 * 1024;
/// How deeply parentheses may be nested.
pub(super) const MOST_DEPTH: usize = 64;

/// A name has several addresses, each with two tests: more than bytes.
const MOST_NODES: usize = 60_000;

pub(super) const NO_WORD: &str =
    "not a word of the filter language, which connbox --man tcptrack describes";
pub(super) const TOO_DEEP: &str = "parentheses are nested too deeply";
pub(super) const NO_VALUE: &str = "expected an address, a port, or a word such as port or tcp";
const GATEWAY: &str = "would need the router's Ethernet address, which only name services know; write ether \
                       host MAC and not host ADDRESS";
const OF_PACKETS: &str = "concerns single packets, and counters and flows have none; use -i to capture packets \
                          or -T to read a capture";
const NO_OPERATOR: &str = "expected and, or, a closing parenthesis or the end";

/// Which ends of a packet a value is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    Either,
    Both,
    One(Side),
}

/// The words before a value, or before the last value that had some.
#[derive(Clone, Copy, Debug)]
pub(super) struct Qualifiers {
    pub(super) protocol: Protocol,
    pub(super) direction: Direction,
    pub(super) sort: Sort,
    /// Whether there are none.
    pub(super) is_bare: bool,
}

const UNQUALIFIED: Qualifiers = Qualifiers {
    protocol: Protocol::Any,
    direction: Direction::Either,
    sort: Sort::Any,
    is_bare: true,
};

/// What has been read since an opening parenthesis, or from the beginning.
#[derive(Clone, Copy, Debug)]
struct Group {
    /// The opening parenthesis.
    place: Token,
    /// Whether it follows `not`.
    is_negated: bool,
    /// Whether it follows qualifiers, so that only bare values are allowed in it.
    is_of_values: bool,
    /// The qualifiers before it; they also apply to the values after it.
    qualifiers: Qualifiers,
    /// The first node that may lead to [`REJECT`], and the first that may lead to [`ACCEPT`]: `or` and
    /// `and` have already set the exits of the nodes before.
    first_open: [usize; 2],
    /// The operator between the nodes before `right` and those from there on.
    operator: Option<Operator>,
    right: usize,
}

/// An error: where, and the reason.
#[derive(Clone, Copy)]
pub(super) struct Wrong {
    start: usize,
    end: usize,
    reason: &'static str,
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a [u8],
    pub(super) names: &'a dyn Names,
    /// The next word, not yet taken.
    pub(super) next: Token,
    pub(super) nodes: Vec<Node>,
    pub(super) operations: Vec<Operation>,
    pub(super) interfaces: Vec<Vec<u8>>,
    of_packets: Option<Wrong>,
    needs_frames: bool,
    /// How many brackets are open.
    pub(super) open_indices: usize,
    pub(super) qualifiers: Qualifiers,
}

impl Expression {
    /// Reads an expression; blanks alone mean everything.
    ///
    /// Some forms that libpcap rejects are accepted: `1.2.3.4` alone is a host, `10.0.0.0/8` alone is a
    /// network, and so is `net 10/8`. A whole number in the place of an address, which libpcap reads as
    /// 0.0.0.N, is refused.
    ///
    /// # Errors
    /// The place and the reason, also for more than 16 KiB or more than 64 levels of parentheses.
    pub fn parse(text: &[u8], names: &dyn Names) -> Result<Expression, WrongExpression> {
        let mut parser = Parser {
            text,
            names,
            next: Token { kind: TokenKind::End, start: 0, end: 0 },
            nodes: Vec::new(),
            operations: Vec::new(),
            interfaces: Vec::new(),
            of_packets: None,
            needs_frames: false,
            open_indices: 0,
            qualifiers: UNQUALIFIED,
        };
        parser.all().map_err(|wrong| wrong.with_word(text))?;
        let of_packets = parser.of_packets.map(|wrong| wrong.with_word(text));
        let Parser { nodes, operations, interfaces, needs_frames, .. } = parser;
        Ok(Expression { nodes, operations, interfaces, of_packets, needs_frames })
    }
}

impl Parser<'_> {
    fn all(&mut self) -> Result<(), Wrong> {
        if self.text.len() > MOST_BYTES {
            let place = Token { kind: TokenKind::Stray, start: MOST_BYTES, end: MOST_BYTES + 1 };
            return Err(self.wrong(place, "an expression is at most 16 KiB long"));
        }
        self.take();
        if self.next.kind == TokenKind::End { Ok(()) } else { self.expression() }
    }

    fn expression(&mut self) -> Result<(), Wrong> {
        let mut outer: Vec<Group> = Vec::new();
        let mut group = self.group(self.next, false, false);
        loop {
            // An operand: opens a group or writes a test.
            let mut is_negated = self.negations();
            let is_of_values = self.qualify(group.is_of_values)?;
            is_negated ^= self.negations();
            let is_relation = !is_of_values && self.begins_relation();
            if self.next.kind == TokenKind::Open && !is_relation {
                if outer.len() == MOST_DEPTH {
                    return Err(self.wrong(self.next, TOO_DEEP));
                }
                let place = self.take();
                outer.push(group);
                group = self.group(place, is_negated, is_of_values);
                continue;
            }
            match is_relation {
                true => self.relation()?,
                false => self.operand(is_of_values)?,
            }
            if self.nodes.len() > MOST_NODES {
                return Err(self.wrong(self.next, "the expression is too long"));
            }
            self.join(&mut group, is_negated);
            while self.next.kind == TokenKind::Close {
                let inner = group;
                group =
                    outer.pop().ok_or_else(|| self.wrong(self.next, "no parenthesis to close"))?;
                self.take();
                self.qualifiers = inner.qualifiers;
                self.join(&mut group, inner.is_negated);
            }
            match self.next.kind {
                TokenKind::Operator(operator) => group.operator = Some(operator),
                TokenKind::End if outer.is_empty() => return Ok(()),
                TokenKind::End => return Err(self.wrong(group.place, "is never closed")),
                TokenKind::Stray => return Err(self.wrong(self.next, NO_WORD)),
                _ => return Err(self.wrong(self.next, NO_OPERATOR)),
            }
            group.right = self.nodes.len();
            self.take();
        }
    }

    fn group(&self, place: Token, is_negated: bool, is_of_values: bool) -> Group {
        let (right, qualifiers) = (self.nodes.len(), self.qualifiers);
        let (first_open, operator) = ([right; 2], None);
        Group { place, is_negated, is_of_values, qualifiers, first_open, operator, right }
    }

    /// Whether the next words negate the operand.
    fn negations(&mut self) -> bool {
        let mut is_negated = false;
        while self.next.kind == TokenKind::Not {
            self.take();
            is_negated = !is_negated;
        }
        is_negated
    }

    /// Joins the nodes from `group.right` on, which may be negated, to those before them. `and` and `or`
    /// have the same rank: everything before is one operand.
    fn join(&mut self, group: &mut Group, is_negated: bool) {
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
        let (goes_on, first) = match group.operator {
            None => return,
            Some(Operator::Or) => (REJECT, &mut group.first_open[0]),
            Some(Operator::And) => (ACCEPT, &mut group.first_open[1]),
        };
        for node in &mut left[*first..] {
            for exit in [&mut node.yes, &mut node.no] {
                if *exit == goes_on {
                    *exit = group.right as u16;
                }
            }
        }
        *first = group.right;
    }

    /// Takes the qualifiers at this place, if they are allowed here; returns whether only values may
    /// follow.
    fn qualify(&mut self, is_of_values: bool) -> Result<bool, Wrong> {
        let mut new = UNQUALIFIED;
        let first = self.next;
        if let TokenKind::Protocol(protocol) = first.kind {
            // A protocol alone is a test.
            if !matches!(self.peek().kind, TokenKind::Side(_) | TokenKind::Sort(_)) {
                return Ok(is_of_values);
            }
            new.protocol = protocol;
            self.take();
        }
        if let TokenKind::Side(side) = self.next.kind {
            self.take();
            new.direction = self.direction(side)?;
        }
        if let TokenKind::Sort(sort) = self.next.kind {
            self.take();
            new.sort = sort;
        }
        if first.start == self.next.start {
            return Ok(is_of_values);
        }
        if is_of_values {
            return Err(
                self.wrong(first, "the words before the parenthesis allow only values in it")
            );
        }
        self.qualifiers = Qualifiers { is_bare: false, ..new };
        Ok(true)
    }

    /// The direction that a side (already taken) and an optional `or` or `and` with the other side form.
    fn direction(&mut self, side: Side) -> Result<Direction, Wrong> {
        let TokenKind::Operator(operator) = self.next.kind else { return Ok(Direction::One(side)) };
        self.take();
        match self.next.kind {
            TokenKind::Side(other) if other != side => {
                self.take();
                Ok(if operator == Operator::And { Direction::Both } else { Direction::Either })
            }
            _ => Err(self.wrong(self.next, "expected src or dst, or src and dst")),
        }
    }

    /// A protocol alone, another word, or a value.
    fn operand(&mut self, is_of_values: bool) -> Result<(), Wrong> {
        let token = self.take();
        match token.kind {
            TokenKind::Value => return self.value(token),
            TokenKind::Stray => return Err(self.wrong(token, NO_WORD)),
            TokenKind::Gateway => return Err(self.wrong(token, GATEWAY)),
            _ if is_of_values => return self.protocol_value(token),
            TokenKind::Protocol(protocol) => {
                if let TokenKind::Broadcast(is_broadcast) = self.next.kind {
                    let word = self.take();
                    self.broadcast(word, protocol, is_broadcast)?;
                } else {
                    self.push(match protocol {
                        Protocol::Any | Protocol::Tcp | Protocol::Ether => Test::Tcp,
                        Protocol::Ip => Test::Ipv4(true),
                        Protocol::Ip6 => Test::Ipv4(false),
                        _ => Test::Never,
                    });
                }
            }
            _ => self.other(token)?,
        }
        self.qualifiers = UNQUALIFIED;
        Ok(())
    }

    #[inline(never)]
    pub(super) fn push(&mut self, test: Test) {
        self.nodes.push(Node { test, yes: ACCEPT, no: REJECT });
    }

    /// Remembers the first word that connections cannot be told by, and whether one concerns whole frames.
    pub(super) fn needs_packets(&mut self, token: Token, needs_frames: bool) {
        self.needs_frames |= needs_frames;
        if self.of_packets.is_none() {
            self.of_packets = Some(self.wrong(token, OF_PACKETS));
        }
    }

    /// Writes the tests of the sides that the qualifiers name.
    #[inline(never)]
    pub(super) fn push_sides(&mut self, test: &dyn Fn(Side) -> Test) {
        let next = self.nodes.len() as u16 + 1;
        let source = Node { test: test(Side::Source), yes: ACCEPT, no: REJECT };
        match self.qualifiers.direction {
            Direction::One(side) => return self.push(test(side)),
            Direction::Either => self.nodes.push(Node { no: next, ..source }),
            Direction::Both => self.nodes.push(Node { yes: next, ..source }),
        }
        self.push(test(Side::Destination));
    }

    /// Returns the next word and advances.
    #[inline(never)]
    pub(super) fn take(&mut self) -> Token {
        let token = self.next;
        self.next = self.peek();
        token
    }

    /// The word after the next one.
    #[inline(never)]
    pub(super) fn peek(&self) -> Token {
        Token::behind(self.next.end, self.text, self.open_indices > 0)
    }

    #[inline(never)]
    pub(super) fn word(&self, token: Token) -> &[u8] {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    pub(super) fn wrong(&self, token: Token, reason: &'static str) -> Wrong {
        Wrong { start: token.start, end: token.end, reason }
    }
}

impl Wrong {
    fn with_word(self, text: &[u8]) -> WrongExpression {
        let word = text.get(self.start..self.end).unwrap_or_default();
        let word = String::from_utf8_lossy(word).into_owned();
        WrongExpression { place: self.start, word, reason: self.reason }
    }
}
