//! What a comparison of numbers consists of.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Number(u32),
    /// The length of the packet, with the link's header.
    Len,
    /// This many bytes of a header; takes the index of the first.
    Load(Base, u8),
    /// Takes two numbers.
    Apply(Calculation),
}

/// Where an index counts from. The values are bits, see [`super::Test::Relation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Base {
    Ip = 1,
    Ip6 = 2,
    Tcp = 4,
    /// The first byte of the frame.
    Frame = 8,
    /// A header that no TCP packet has.
    Never = 16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Calculation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Greater,
    AtLeast,
    Less,
    AtMost,
}

impl Calculation {
    /// The result; `None` for a division by 0.
    pub(super) fn of(self, left: u32, right: u32) -> Option<u32> {
        Some(match self {
            Calculation::Add => left.wrapping_add(right),
            Calculation::Subtract => left.wrapping_sub(right),
            Calculation::Multiply => left.wrapping_mul(right),
            Calculation::Divide => left.checked_div(right)?,
            Calculation::Modulo => left.checked_rem(right)?,
            Calculation::And => left & right,
            Calculation::Or => left | right,
            Calculation::Xor => left ^ right,
            Calculation::ShiftLeft => left.checked_shl(right).unwrap_or(0),
            Calculation::ShiftRight => left.checked_shr(right).unwrap_or(0),
        })
    }

    /// How closely it binds. libpcap's grammar gives `%` and `^` no rank: their right operand is all that
    /// follows, their left one only what directly precedes.
    pub(super) fn rank(self) -> Option<u8> {
        Some(match self {
            Calculation::Or => 1,
            Calculation::And => 2,
            Calculation::ShiftLeft | Calculation::ShiftRight => 3,
            Calculation::Add | Calculation::Subtract => 4,
            Calculation::Multiply | Calculation::Divide => 5,
            Calculation::Modulo | Calculation::Xor => return None,
        })
    }
}

impl Comparison {
    pub(super) fn holds(self, left: u32, right: u32) -> bool {
        match self {
            Comparison::Equal => left == right,
            Comparison::NotEqual => left != right,
            Comparison::Greater => left > right,
            Comparison::AtLeast => left >= right,
            Comparison::Less => left < right,
            Comparison::AtMost => left <= right,
        }
    }
}
