//! The words of an expression.

use super::Side;

/// The kind of a word or a sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
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
    /// Any other word of letters, digits and `._-:`.
    Value,
    /// A character that no word can contain.
    Stray,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    And,
    Or,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Any,
    Tcp,
    Ip,
    Ip6,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Not specified: a host, or a network if it has a mask.
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

/// A word and its place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    /// The first word of `text` at or after `place`.
    pub(super) fn behind(place: usize, text: &[u8]) -> Token {
        let rest = text.get(place..).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        let start = place + blanks;
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
}
