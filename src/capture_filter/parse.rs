//! Reads an expression: one pass, no recursion; a node is written once, then only its exits change.

use super::words::{Kind, Operator, Protocol, Sort, Token};
use super::{ACCEPT, Expression, Node, REJECT, Side, Test, WrongExpression};

/// The longest expression, in bytes. A byte yields less than one node, so 16 bits can number them.
const MOST_BYTES: usize = 16 * 1024;
/// How deeply parentheses may be nested.
const MOST_DEPTH: usize = 64;

pub(super) const NO_WORD: &str = "not part of the filter language, which has host, net, port, portrange, src, \
                       dst, tcp, ip, ip6, mask, and, or, not and parentheses";
const NO_VALUE: &str = "expected an address, a port, or a word such as port or tcp";
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
}

const UNQUALIFIED: Qualifiers =
    Qualifiers { protocol: Protocol::Any, direction: Direction::Either, sort: Sort::Any };

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

pub(super) struct Parser<'a> {
    text: &'a [u8],
    pub(super) services: &'a dyn Fn(&[u8]) -> Option<u16>,
    /// The next word, not yet taken.
    pub(super) next: Token,
    pub(super) nodes: Vec<Node>,
    pub(super) qualifiers: Qualifiers,
}

impl Expression {
    /// Reads an expression; blanks alone mean everything. `services` finds the port of a service's name.
    ///
    /// Some forms that libpcap rejects are accepted: `1.2.3.4` alone is a host, `10.0.0.0/8` alone is a
    /// network, and so is `net 10/8`. A whole number in the place of an address, which libpcap reads as
    /// 0.0.0.N, is refused.
    ///
    /// # Errors
    /// The place and the reason, also for more than 16 KiB or more than 64 levels of parentheses.
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
            // An operand: opens a group or writes a test.
            let mut is_negated = self.negations();
            let is_of_values = self.qualify(group.is_of_values)?;
            is_negated ^= self.negations();
            if self.next.kind == Kind::Open {
                if outer.len() == MOST_DEPTH {
                    return Err(self.wrong(self.next, "parentheses are nested too deeply"));
                }
                let place = self.take();
                outer.push(group);
                group = self.group(place, is_negated, is_of_values);
                continue;
            }
            self.operand(is_of_values)?;
            self.join(&mut group, is_negated);
            while self.next.kind == Kind::Close {
                let inner = group;
                group =
                    outer.pop().ok_or_else(|| self.wrong(self.next, "no parenthesis to close"))?;
                self.take();
                self.qualifiers = inner.qualifiers;
                self.join(&mut group, inner.is_negated);
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
        let (right, qualifiers) = (self.nodes.len(), self.qualifiers);
        let (first_open, operator) = ([right; 2], None);
        Group { place, is_negated, is_of_values, qualifiers, first_open, operator, right }
    }

    /// Whether the next words negate the operand.
    fn negations(&mut self) -> bool {
        let mut is_negated = false;
        while self.next.kind == Kind::Not {
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
    fn qualify(&mut self, is_of_values: bool) -> Result<bool, WrongExpression> {
        let mut new = UNQUALIFIED;
        let first = self.next;
        if let Kind::Protocol(protocol) = first.kind {
            // A protocol alone is a test.
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
            return Err(
                self.wrong(first, "the words before the parenthesis allow only values in it")
            );
        }
        self.qualifiers = new;
        Ok(true)
    }

    /// The direction that a side (already taken) and an optional `or` or `and` with the other side form.
    fn direction(&mut self, side: Side) -> Result<Direction, WrongExpression> {
        let Kind::Operator(operator) = self.next.kind else { return Ok(Direction::One(side)) };
        self.take();
        match self.next.kind {
            Kind::Side(other) if other != side => {
                self.take();
                Ok(if operator == Operator::And { Direction::Both } else { Direction::Either })
            }
            _ => Err(self.wrong(self.next, "expected src or dst, or src and dst")),
        }
    }

    /// A protocol alone, or a value.
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

    fn push(&mut self, test: Test) {
        self.nodes.push(Node { test, yes: ACCEPT, no: REJECT });
    }

    /// Writes the tests of the sides that the qualifiers name.
    pub(super) fn push_sides(&mut self, test: impl Fn(Side) -> Test) {
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
    pub(super) fn take(&mut self) -> Token {
        let token = self.next;
        self.next = self.peek();
        token
    }

    /// The word after the next one.
    fn peek(&self) -> Token {
        Token::behind(self.next.end, self.text)
    }

    pub(super) fn word(&self, token: Token) -> &[u8] {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    pub(super) fn wrong(&self, token: Token, reason: &'static str) -> WrongExpression {
        let word = String::from_utf8_lossy(self.word(token)).into_owned();
        WrongExpression { place: token.start, word, reason }
    }
}
