//! Selects packets and connections: the connection part of the pcap language (pcap-filter(7)).
//!
//! ```text
//! expression   = operand { ( and | or ) operand }            and, or: equal rank, from the left, as in libpcap
//! operand      = { not } ( "(" expression ")" | tcp | ip | ip6 | [ qualifiers ] value )
//! qualifiers   = [ tcp | ip | ip6 ] [ direction ] [ host | net | port | portrange ]
//! direction    = src | dst | src or dst | src and dst
//! value        = ADDRESS | ADDRESS/LENGTH | ADDRESS mask ADDRESS | PORT | NAME | PORT-PORT
//! ```
//!
//! A value without qualifiers takes those of the value before it: `port 80 or 443`. An expression is stored
//! as tests with forward jumps (`Node`), whatever the depth of its parentheses: it is evaluated
//! (matches.rs) and compiled for the kernel (compile.rs) without recursion.

mod compile;
mod matches;
mod parse;
mod values;
mod words;

use std::fmt;
use std::net::IpAddr;

pub use compile::{Instruction, TooLong};
pub use matches::PacketFacts;

/// An expression. The empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expression {
    /// Evaluation begins at the first; each leads only to later ones.
    nodes: Vec<Node>,
}

/// A test, and where to go on. [`ACCEPT`] and [`REJECT`] are the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node {
    test: Test,
    yes: u16,
    no: u16,
}

const ACCEPT: u16 = u16::MAX;
const REJECT: u16 = u16::MAX - 1;

/// Source or destination of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Source,
    Destination,
}

/// A test of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    /// Is it TCP?
    Tcp,
    /// Is it IPv4 (true), IPv6 (false)?
    Ipv4(bool),
    /// Is an address, under the mask of the same family, this one?
    Address(Side, IpAddr, IpAddr),
    /// Is a port at least the first and at most the second? False for a packet without ports.
    Port(Side, u16, u16),
}

/// An error in an expression, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongExpression {
    /// The offset of the error in bytes, counted from 0.
    pub place: usize,
    /// The word at this place, empty at the end of the expression.
    pub word: String,
    /// The reason.
    pub reason: &'static str,
}

impl fmt::Display for WrongExpression {
    /// Writes `"prt" at byte 5: reason`, bytes counted from 1.
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.word.is_empty() {
            return write!(to, "at its end: {}", self.reason);
        }
        write!(to, "\"{}\" at byte {}: {}", self.word, self.place + 1, self.reason)
    }
}
