//! Selects packets and connections: the pcap language (pcap-filter(7)), as far as it tells TCP
//! packets apart.
//!
//! ```text
//! expression   = operand { ( and | or ) operand }            and, or: equal rank, from the left, as in libpcap
//! operand      = { not } ( "(" expression ")" | PROTOCOL | [ qualifiers ] value | relation | word )
//! qualifiers   = [ PROTOCOL ] [ direction ] [ host | net | port | portrange | proto ]
//! direction    = src | dst | src or dst | src and dst
//! value        = ADDRESS | ADDRESS/LENGTH | ADDRESS mask ADDRESS | PORT | NAME | PORT-PORT
//! relation     = arithmetic ( = | != | > | >= | < | <= ) arithmetic
//! arithmetic   = NUMBER | len | PROTOCOL "[" arithmetic [ ":" BYTES ] "]" | arithmetic sign arithmetic | ...
//! word         = [ PROTOCOL ] ( broadcast | multicast ) | vlan [ ID ] | mpls [ LABEL ] | pppoes [ ID ]
//!              | less N | greater N | inbound | outbound | ifindex N | ifname NAME
//! ```
//!
//! A value without qualifiers takes those of the value before it: `port 80 or 443`. An expression is stored
//! as tests with forward jumps (`Node`), whatever the depth of its parentheses: it is evaluated
//! (matches.rs) and compiled for the kernel (compile.rs) without recursion.

mod arithmetic;
mod compile;
mod matches;
mod names;
mod opcodes;
mod operations;
mod others;
mod parse;
mod relation;
mod steps;
mod values;
mod words;

use std::fmt;
use std::net::IpAddr;

pub use compile::{Instruction, TooLong};
pub use matches::{LinkFacts, PacketFacts, Undecided};
pub use names::Names;

use operations::{Comparison, Operation};

/// An expression. The empty one matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expression {
    /// Evaluation begins at the first; each leads only to later ones.
    nodes: Vec<Node>,
    /// The calculations of [`Test::Relation`].
    operations: Vec<Operation>,
    /// The names of [`Test::InterfaceName`].
    interfaces: Vec<Vec<u8>>,
    /// The first word that tells packets apart, but not connections.
    of_packets: Option<WrongExpression>,
    /// Whether a test concerns what stands before the IP header.
    needs_frames: bool,
}

impl Expression {
    /// The first word that only packets can be told by, not connections.
    pub fn of_packets(&self) -> Option<&WrongExpression> {
        self.of_packets.as_ref()
    }

    /// Whether it asks for [`PacketFacts::link`].
    pub fn needs_link(&self) -> bool {
        let is_of_link = |node: &Node| {
            matches!(node.test, Test::Outbound | Test::Interface(_) | Test::InterfaceName(_))
        };
        self.needs_frames || self.nodes.iter().any(is_of_link)
    }

    /// Whether it asks for what stands before the IP header, or for the length of the whole: then no program
    /// can decide that sees packets from their IP header on.
    pub fn needs_frames(&self) -> bool {
        self.needs_frames
    }

    /// How many bytes of a packet, from the IP header on, it may read in calculations.
    pub fn most_bytes(&self) -> u32 {
        // Before TCP stand the IP header and, in IPv6, others.
        const HEADERS: u32 = 128;
        let mut before = None;
        let mut most = 0;
        for operation in &self.operations {
            most = match (operation, before) {
                (Operation::Load(..), Some(Operation::Number(index))) => most.max(index + HEADERS),
                (Operation::Load(..), _) => u32::from(u16::MAX),
                _ => most,
            };
            before = Some(*operation);
        }
        most
    }

    /// Replaces the names of interfaces by the indices that `index` finds.
    ///
    /// # Errors
    /// The name that has no index, and its error.
    pub fn bind<E>(&mut self, index: impl Fn(&[u8]) -> Result<u32, E>) -> Result<(), (Vec<u8>, E)> {
        for node in &mut self.nodes {
            if let Test::InterfaceName(place) = node.test {
                let name = self.interfaces.get(usize::from(place)).map_or(&[][..], Vec::as_slice);
                node.test = Test::Interface(index(name).map_err(|error| (name.to_vec(), error))?);
            }
        }
        Ok(())
    }
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

/// What may stand between the link's header and that of IP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tag {
    Vlan,
    Mpls,
    Pppoe,
}

/// A test of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Test {
    Tcp,
    /// Holds for no TCP packet.
    Never,
    /// Is it IPv4 (true), IPv6 (false)?
    Ipv4(bool),
    /// Is an address, under the mask of the same family, this one?
    Address(Side, IpAddr, IpAddr),
    /// Is a port at least the first and at most the second? False for a packet without ports.
    Port(Side, u16, u16),
    /// Compares the two numbers that the operations from `start` to `end` leave; false for a packet without
    /// the headers in `bases` (bits of [`operations::Base`]).
    Relation {
        start: u16,
        end: u16,
        comparison: Comparison,
        bases: u8,
    },
    /// Is an Ethernet address, under the mask, this one?
    Mac(Side, u64, u64),
    /// Is there such a tag, with this number?
    Tag(Tag, Option<u32>),
    /// Does a header name this ethertype (not that of IP)?
    Ethertype(u16),
    Outbound,
    Interface(u32),
    /// The place of the name in [`Expression::interfaces`].
    InterfaceName(u16),
}

/// An error in an expression, and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrongExpression {
    /// The offset of the error in bytes, counted from 0.
    pub place: usize,
    /// The word at this place, empty at the end of the expression.
    pub word: String,
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
