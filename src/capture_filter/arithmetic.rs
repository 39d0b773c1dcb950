//! Reads comparisons of numbers: `tcp[tcpflags] & (tcp-syn|tcp-ack) = tcp-syn`, `len > 100`.
//!
//! Numbers have 32 bits and no sign, as in libpcap. An operation stands behind its operands, so that it is
//! evaluated with a stack.

use super::Test;
use super::operations::{Base, Calculation, Operation};
use super::parse::{MOST_DEPTH, Parser, TOO_DEEP, Wrong};
use super::values::number;
use super::words::{Protocol, Token, TokenKind};

const NO_NUMBER: &str = "expected a number, len, or bytes of a header such as tcp[13]";
const NO_COMPARISON: &str = "expected an operator, or a comparison such as = or >";
const NO_INDEX: &str = "expected an operator, : or ]";
const NO_CLOSE: &str = "expected an operator or a closing parenthesis";
const NO_SIZE: &str = "1, 2 or 4 bytes can be compared";
/// The kernel's programs have 16 cells of memory; the first two are taken.
const MOST_VALUES: usize = 14;

impl Parser<'_> {
    /// Whether the next words begin a comparison of numbers.
    pub(super) fn begins_relation(&self) -> bool {
        let is_sign = |token: Token| {
            matches!(
                token.kind,
                TokenKind::Calculation(_) | TokenKind::Comparison(_) | TokenKind::Slash
            )
        };
        match self.next.kind {
            TokenKind::Len
            | TokenKind::Constant(_)
            | TokenKind::Calculation(Calculation::Subtract) => true,
            TokenKind::Protocol(_) => self.peek().kind == TokenKind::OpenIndex,
            TokenKind::Value if number(self.word(self.next)).is_some() => {
                let sign = self.peek();
                let behind = |token: Token| Token::behind(token.end, self.text, false);
                // A network may leave zeros off: `net 10/8 or 11/8`.
                let length = behind(sign);
                let is_network = sign.kind == TokenKind::Slash
                    && length.kind == TokenKind::Value
                    && !is_sign(behind(length));
                is_sign(sign) && !is_network
            }
            TokenKind::Open => self.behind_parentheses().is_some_and(is_sign),
            _ => false,
        }
    }

    /// The word after the parenthesis that closes the next one.
    fn behind_parentheses(&self) -> Option<Token> {
        let mut depth = 0_usize;
        for place in self.next.start..self.text.len() {
            match self.text[place] {
                b'(' => depth += 1,
                b')' if depth == 1 => return Some(Token::behind(place + 1, self.text, false)),
                b')' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        None
    }

    /// Writes the test of two numbers and a comparison.
    pub(super) fn relation(&mut self) -> Result<(), Wrong> {
        let (first, start) = (self.next, self.operations.len());
        self.arithmetic(0, 0)?;
        let TokenKind::Comparison(comparison) = self.next.kind else {
            return Err(self.wrong(self.next, NO_COMPARISON));
        };
        self.take();
        self.arithmetic(0, 0)?;
        let made = &self.operations[start..];
        let bases = made.iter().fold(0, |bases, operation| match operation {
            Operation::Load(base, _) => bases | *base as u8,
            _ => bases,
        });
        let (has_len, has_frame) = (made.contains(&Operation::Len), bases & Base::Frame as u8 != 0);
        if values(made) > MOST_VALUES {
            return Err(self.wrong(first, TOO_DEEP));
        }
        let both = Base::Ip as u8 | Base::Ip6 as u8;
        let known = match *made {
            [Operation::Number(left), Operation::Number(right)] => {
                Some(comparison.holds(left, right))
            }
            _ if bases & Base::Never as u8 != 0 || bases & both == both => Some(false),
            _ => None,
        };
        if let Some(known) = known {
            self.operations.truncate(start);
            self.push(if known { Test::Tcp } else { Test::Never });
            return Ok(());
        }
        self.needs_packets(first, has_len || has_frame);
        let (start, end) = (start as u16, self.operations.len() as u16);
        self.push(Test::Relation { start, end, comparison, bases });
        Ok(())
    }

    /// Writes what binds more closely than `least`.
    fn arithmetic(&mut self, least: u8, depth: usize) -> Result<(), Wrong> {
        self.number_or_load(depth)?;
        loop {
            let calculation = match self.next.kind {
                TokenKind::Calculation(calculation) => calculation,
                TokenKind::Slash => Calculation::Divide,
                _ => return Ok(()),
            };
            match calculation.rank() {
                Some(rank) if rank <= least => return Ok(()),
                Some(rank) => {
                    self.take();
                    let operand = self.next;
                    self.arithmetic(rank, depth)?;
                    self.apply(calculation, operand)?;
                }
                None => {
                    self.take();
                    let operand = self.next;
                    self.arithmetic(0, depth + 1)?;
                    self.apply(calculation, operand)?;
                }
            }
        }
    }

    /// Applies a calculation to the last two numbers, at once if both are known.
    fn apply(&mut self, calculation: Calculation, right: Token) -> Result<(), Wrong> {
        use Operation::Number;
        let shifts = [Calculation::ShiftLeft, Calculation::ShiftRight];
        let reason = match (self.operations.last(), calculation) {
            (Some(Number(0)), Calculation::Divide | Calculation::Modulo) => Some("division by 0"),
            (Some(Number(32..)), _) if shifts.contains(&calculation) => {
                Some("a shift is at most 31 bits")
            }
            _ => None,
        };
        if let Some(reason) = reason {
            return Err(self.wrong(right, reason));
        }
        // The right operand ends here, and the left one before it: a number there is all of it.
        let known = match self.operations[..] {
            [.., Number(left), Number(right)] => calculation.of(left, right),
            _ => None,
        };
        match known {
            Some(known) => {
                self.operations.truncate(self.operations.len() - 2);
                self.operations.push(Number(known));
            }
            None => self.operations.push(Operation::Apply(calculation)),
        }
        Ok(())
    }

    fn number_or_load(&mut self, depth: usize) -> Result<(), Wrong> {
        let token = self.next;
        if depth > MOST_DEPTH {
            return Err(self.wrong(token, TOO_DEEP));
        }
        let operation = match token.kind {
            TokenKind::Value => number(self.word(token)).map(Operation::Number),
            TokenKind::Constant(number) => Some(Operation::Number(number.into())),
            TokenKind::Len => Some(Operation::Len),
            TokenKind::Protocol(protocol) => return self.load(protocol, depth),
            TokenKind::Open => {
                self.take();
                self.arithmetic(0, depth + 1)?;
                return self.require(TokenKind::Close, NO_CLOSE);
            }
            TokenKind::Calculation(Calculation::Subtract) => {
                self.operations.push(Operation::Number(0));
                self.take();
                let operand = self.next;
                self.arithmetic(u8::MAX, depth + 1)?;
                return self.apply(Calculation::Subtract, operand);
            }
            _ => None,
        };
        self.operations.push(operation.ok_or_else(|| self.wrong(token, NO_NUMBER))?);
        self.take();
        Ok(())
    }

    /// Writes `PROTOCOL[INDEX]` or `PROTOCOL[INDEX:BYTES]`.
    fn load(&mut self, protocol: Protocol, depth: usize) -> Result<(), Wrong> {
        let base = match protocol {
            Protocol::Ip => Base::Ip,
            Protocol::Ip6 => Base::Ip6,
            Protocol::Tcp => Base::Tcp,
            Protocol::Ether => Base::Frame,
            _ => Base::Never,
        };
        self.take();
        self.open_indices += 1;
        self.require(TokenKind::OpenIndex, NO_NUMBER)?;
        let index = self.next;
        self.arithmetic(0, depth + 1)?;
        if matches!(self.operations.last(), Some(Operation::Number(0x1_0000..))) {
            return Err(self.wrong(index, "no packet is longer than 65535 bytes"));
        }
        let mut bytes = 1;
        if self.next.kind == TokenKind::Colon {
            self.take();
            bytes = match number(self.word(self.next)) {
                Some(bytes @ (1 | 2 | 4)) => bytes as u8,
                _ => return Err(self.wrong(self.next, NO_SIZE)),
            };
            self.take();
        }
        self.open_indices -= 1;
        self.require(TokenKind::CloseIndex, NO_INDEX)?;
        self.operations.push(Operation::Load(base, bytes));
        Ok(())
    }

    #[inline(never)]
    pub(super) fn require(&mut self, kind: TokenKind, reason: &'static str) -> Result<(), Wrong> {
        if self.next.kind != kind {
            return Err(self.wrong(self.next, reason));
        }
        self.take();
        Ok(())
    }
}

/// How many values are held at once.
fn values(operations: &[Operation]) -> usize {
    let (mut now, mut most) = (0_usize, 0);
    for operation in operations {
        match operation {
            Operation::Number(_) | Operation::Len => now += 1,
            Operation::Load(..) => {}
            Operation::Apply(_) => now = now.saturating_sub(1),
        }
        most = most.max(now);
    }
    most
}
