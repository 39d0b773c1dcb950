//! Compiles an expression to a program of classic BPF, so that the kernel passes only the packets that
//! match.
//!
//! The program is for an AF_PACKET socket of type SOCK_DGRAM, where a packet begins with its network
//! header on every kind of link (packet(7)). Only TCP passes. It differs from libpcap's in one thing:
//! in IPv6 it walks up to [`MOST_HEADERS`] extension headers to find TCP and its ports.
//!
//! The tests are written once for each [`Kind`] of packet, without the parts that follow from the kind, so
//! that a packet's version and the offset of its ports are found only once. The program is generated from
//! its end to its beginning: all jumps go forward, so their targets are known when they are written.

use std::fmt;
use std::net::IpAddr;

use super::{ACCEPT, Expression, Node, REJECT, Side, Test};

/// One instruction, as in `struct sock_filter` (linux/filter.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    /// The operation.
    pub code: u16,
    /// How many instructions to skip if the comparison is true.
    pub jt: u8,
    /// How many if it is false.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

/// The program has more instructions than the kernel accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("needs more than the 4096 instructions that the kernel accepts")
    }
}

/// BPF_MAXINSNS (linux/bpf_common.h).
const MOST_INSTRUCTIONS: usize = 4096;
/// How many IPv6 extension headers the program walks.
const MOST_HEADERS: usize = 4;

// The operations (linux/bpf_common.h).
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF: u16 = 0x28;
const LOAD_BYTE: u16 = 0x30;
const LOAD_HALF_BEHIND_X: u16 = 0x48;
const LOAD_BYTE_BEHIND_X: u16 = 0x50;
const LOAD_NUMBER: u16 = 0x00;
const X_NUMBER: u16 = 0x01;
const X_MEMORY: u16 = 0x61;
const X_HEADER_LENGTH: u16 = 0xb1;
const STORE: u16 = 0x02;
const ADD: u16 = 0x04;
const ADD_X: u16 = 0x0c;
const SHIFT_LEFT: u16 = 0x64;
const AND: u16 = 0x54;
const JUMP: u16 = 0x05;
const EQUAL: u16 = 0x15;
const GREATER: u16 = 0x25;
const AT_LEAST: u16 = 0x35;
const ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// SKF_AD_OFF + SKF_AD_PROTOCOL (linux/filter.h): the ethertype, without VLAN tags.
const ETHERTYPE: u32 = (-0x1000_i32) as u32;
const IPV4: u32 = 0x0800;
const IPV6: u32 = 0x86dd;
const TCP: u32 = 6;
const FRAGMENT: u32 = 44;
/// Hop-by-hop options, routing, destination options: all encode their length in the same way.
const OPTIONS: [u32; 3] = [0, 43, 60];

/// A kind of packet; its transport header begins at X.
#[derive(Clone, Copy)]
struct Kind {
    is_ipv4: bool,
    is_later_fragment: bool,
}

/// A load and a comparison.
#[derive(Clone, Copy)]
struct Step {
    /// The operation, and the offset it loads from.
    load: (u16, u32),
    mask: u32,
    compare: u16,
    k: u32,
    /// Whether the comparison is negated.
    is_negated: bool,
}

/// The target of a jump: an instruction, counted from the end of the program, or an end of the program.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    At(usize),
    Accept,
    Reject,
}

/// What the accumulator holds when a node begins: `None` if the node is not reached, else the load, if one
/// is known.
type Held = Option<Option<(u16, u32)>>;

/// The program, last instruction first.
struct Code {
    reversed: Vec<Instruction>,
    snap_bytes: u32,
    /// The nearest returns that reject and accept, if written.
    returns: [Option<usize>; 2],
}

impl Expression {
    /// The program that returns `snap_bytes` for a TCP packet that matches, else 0.
    ///
    /// The kernel may answer ENOMEM to a program of some thousand instructions (sysctl net.core.optmem_max:
    /// Linux 6.18 accepts 2000). The program of the empty expression together with [`Expression::has`] then
    /// gives the same result.
    ///
    /// # Errors
    /// [`TooLong`] if the program exceeds the kernel's limit.
    pub fn program(&self, snap_bytes: u32) -> Result<Vec<Instruction>, TooLong> {
        let mut code = Code { reversed: Vec::new(), snap_bytes, returns: [None; 2] };
        let ipv6 = code.ipv6(&self.nodes);
        let ipv4 = code.ipv4(&self.nodes);
        let not_ipv4 = code.jump(EQUAL, IPV6, ipv6, Place::Reject);
        code.jump(EQUAL, IPV4, ipv4, not_ipv4);
        code.push(LOAD_HALF, ETHERTYPE);
        if code.reversed.len() > MOST_INSTRUCTIONS {
            return Err(TooLong);
        }
        code.reversed.reverse();
        Ok(code.reversed)
    }
}

impl Code {
    fn push(&mut self, code: u16, k: u32) -> Place {
        self.reversed.push(Instruction { code, jt: 0, jf: 0, k });
        Place::At(self.reversed.len() - 1)
    }

    /// Writes a comparison and its two jumps.
    fn jump(&mut self, code: u16, k: u32, yes: Place, no: Place) -> Place {
        // One more instruction may be placed between `yes` and the jump.
        let yes = self.within_reach(yes, 254);
        let no = self.within_reach(no, 255);
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.reversed.push(Instruction { code, jt, jf, k });
        Place::At(self.reversed.len() - 1)
    }

    /// The distance in instructions from a place to the instruction that is written next.
    fn distance(&self, place: usize) -> usize {
        self.reversed.len() - 1 - place
    }

    /// An instruction at most `most` instructions away that does what `place` does: itself, a jump to
    /// it, or another return like it.
    fn within_reach(&mut self, place: Place, most: usize) -> usize {
        let (code, k) = match place {
            Place::At(place) if self.distance(place) <= most => return place,
            Place::At(place) => (JUMP, self.distance(place) as u32),
            Place::Accept => (RETURN, self.snap_bytes),
            Place::Reject => (RETURN, 0),
        };
        let nearest = usize::from(place == Place::Accept);
        if code == RETURN {
            if let Some(place) = self.returns[nearest].filter(|at| self.distance(*at) <= most) {
                return place;
            }
            self.returns[nearest] = Some(self.reversed.len());
        }
        self.push(code, k);
        self.reversed.len() - 1
    }

    fn ipv4(&mut self, nodes: &[Node]) -> Place {
        let kind = Kind { is_ipv4: true, is_later_fragment: false };
        let mut body;
        if looks_at_ports(nodes, kind) {
            let later = self.nodes(nodes, Kind { is_later_fragment: true, ..kind });
            self.nodes(nodes, kind);
            body = self.push(X_HEADER_LENGTH, 0);
            self.jump(ANY_BIT, 0x1fff, later, body);
            body = self.push(LOAD_HALF, 6);
        } else {
            body = self.nodes(nodes, kind);
        }
        if body == Place::Reject {
            return body;
        }
        self.jump(EQUAL, TCP, body, Place::Reject);
        self.push(LOAD_BYTE, 9)
    }

    fn ipv6(&mut self, nodes: &[Node]) -> Place {
        let kind = Kind { is_ipv4: false, is_later_fragment: false };
        let mut later = None;
        if looks_at_ports(nodes, kind) {
            later = Some(self.nodes(nodes, Kind { is_later_fragment: true, ..kind }));
        }
        let body = self.nodes(nodes, kind);
        let later = later.unwrap_or(body);
        if body == Place::Reject && later == Place::Reject {
            return Place::Reject;
        }
        // A later fragment names its protocol in the fragment header, if that header follows immediately.
        self.jump(EQUAL, TCP, later, Place::Reject);
        let later = self.push(LOAD_BYTE_BEHIND_X, 0);
        self.jump(EQUAL, TCP, body, Place::Reject);
        for _ in 0..MOST_HEADERS {
            self.header(body, later);
        }
        self.push(LOAD_BYTE, 6);
        self.push(X_NUMBER, 40)
    }

    /// Checks the header number in A, of the header at X: TCP leads to `body`; an extension header is
    /// skipped, with A and X advanced.
    fn header(&mut self, body: Place, later: Place) {
        self.push(X_MEMORY, 0);
        self.push(LOAD_BYTE_BEHIND_X, 0);
        self.push(STORE, 0);
        self.push(ADD_X, 0);
        self.push(ADD, 8);
        self.push(SHIFT_LEFT, 3);
        let options = self.push(LOAD_BYTE_BEHIND_X, 1);
        // A fragment header always has 8 bytes: its length byte is reserved.
        self.push(JUMP, 1);
        let first = self.push(LOAD_NUMBER, 0);
        self.jump(ANY_BIT, 0xfff8, later, first);
        let fragment = self.push(LOAD_HALF_BEHIND_X, 2);
        let mut other = Place::Reject;
        for number in OPTIONS {
            other = self.jump(EQUAL, number, options, other);
        }
        other = self.jump(EQUAL, FRAGMENT, fragment, other);
        self.jump(EQUAL, TCP, body, other);
    }

    /// Writes the tests for packets of a kind.
    fn nodes(&mut self, nodes: &[Node], kind: Kind) -> Place {
        let goals = goals(nodes, kind);
        let held = held(nodes, &goals, kind);
        let mut places = vec![Place::Reject; nodes.len()];
        let place = |places: &[Place], goal: u16| match goal {
            ACCEPT => Place::Accept,
            REJECT => Place::Reject,
            inner => places[usize::from(inner)],
        };
        for (at, node) in nodes.iter().enumerate().rev() {
            let Some(held) = held[at] else { continue };
            let mut yes = place(&places, goal(&goals, node.yes));
            let no = place(&places, goal(&goals, node.no));
            let steps = node.test.steps(kind);
            for (number, step) in steps.iter().enumerate().rev() {
                let (holds, fails) = if step.is_negated { (no, yes) } else { (yes, no) };
                yes = self.jump(step.compare, step.k, holds, fails);
                if step.mask != u32::MAX {
                    yes = self.push(AND, step.mask);
                }
                let before = if number == 0 { held } else { steps[number - 1].leaves() };
                if before != Some(step.load) {
                    yes = self.push(step.load.0, step.load.1);
                }
            }
            places[at] = yes;
        }
        place(&places, goal(&goals, 0))
    }
}

impl Step {
    fn new(load: (u16, u32), mask: u32, compare: u16, k: u32) -> Step {
        Step { load, mask, compare, k, is_negated: false }
    }

    /// What the accumulator holds after it.
    fn leaves(&self) -> Option<(u16, u32)> {
        (self.mask == u32::MAX).then_some(self.load)
    }
}

impl Test {
    /// The result of the test for all packets of a kind, if it is the same for all.
    fn is_known(&self, kind: Kind) -> Option<bool> {
        match *self {
            Test::Tcp => Some(true),
            Test::Ipv4(wanted) => Some(wanted == kind.is_ipv4),
            Test::Address(_, address, _) if address.is_ipv4() != kind.is_ipv4 => Some(false),
            Test::Port(..) if kind.is_later_fragment => Some(false),
            _ => self.steps(kind).is_empty().then_some(true),
        }
    }

    /// The steps, all of which must hold.
    fn steps(&self, kind: Kind) -> Vec<Step> {
        let mut steps = Vec::new();
        match *self {
            Test::Address(side, IpAddr::V4(address), IpAddr::V4(mask)) if kind.is_ipv4 => {
                let load = (LOAD_WORD, if side == Side::Source { 12 } else { 16 });
                steps.push(Step::new(load, mask.to_bits(), EQUAL, address.to_bits()));
            }
            Test::Address(side, IpAddr::V6(address), IpAddr::V6(mask)) => {
                let start = if side == Side::Source { 8 } else { 24 };
                for word in 0..4 {
                    let bits = |of: std::net::Ipv6Addr| (of.to_bits() >> (96 - 32 * word)) as u32;
                    let load = (LOAD_WORD, start + 4 * word);
                    steps.push(Step::new(load, bits(mask), EQUAL, bits(address)));
                }
            }
            Test::Port(side, first, last) => {
                let load = (LOAD_HALF_BEHIND_X, if side == Side::Source { 0 } else { 2 });
                let step = |compare, k: u16| Step::new(load, u32::MAX, compare, k.into());
                if first == last {
                    steps.push(step(EQUAL, first));
                } else {
                    // Even the range of all ports needs a port: a later fragment has none.
                    let is_any = first == 0 && last == u16::MAX;
                    steps.extend((first > 0 || is_any).then(|| step(AT_LEAST, first)));
                    let at_most = Step { is_negated: true, ..step(GREATER, last) };
                    steps.extend((last < u16::MAX).then_some(at_most));
                }
            }
            _ => {}
        }
        steps.retain(|step| step.mask != 0);
        steps
    }
}

/// Whether packets of a kind reach a node that checks ports.
fn looks_at_ports(nodes: &[Node], kind: Kind) -> bool {
    let held = held(nodes, &goals(nodes, kind), kind);
    let mut reached = nodes.iter().zip(&held).filter(|(_, held)| held.is_some());
    reached.any(|(node, _)| matches!(node.test, Test::Port(..)))
}

/// The real target of a jump to each node, for packets of a kind: nodes whose result is known are skipped.
fn goals(nodes: &[Node], kind: Kind) -> Vec<u16> {
    let mut goals = vec![REJECT; nodes.len()];
    for (at, node) in nodes.iter().enumerate().rev() {
        let (yes, no) = (goal(&goals, node.yes), goal(&goals, node.no));
        goals[at] = match node.test.is_known(kind) {
            Some(true) => yes,
            Some(false) => no,
            None if yes == no => yes,
            None => at as u16,
        };
    }
    goals
}

/// The target of a jump to `exit`; an expression without nodes accepts everything.
fn goal(goals: &[u16], exit: u16) -> u16 {
    match exit {
        REJECT => REJECT,
        exit => goals.get(usize::from(exit)).copied().unwrap_or(ACCEPT),
    }
}

/// What the accumulator holds at each node, on all paths to it; `None` if no path leads there.
fn held(nodes: &[Node], goals: &[u16], kind: Kind) -> Vec<Held> {
    let mut held: Vec<Held> = vec![None; nodes.len()];
    let come = |held: &mut Vec<Held>, exit: u16, with: Option<(u16, u32)>| {
        if let Some(held) = held.get_mut(usize::from(goal(goals, exit))) {
            *held = match *held {
                Some(other) if other != with => Some(None),
                _ => Some(with),
            };
        }
    };
    come(&mut held, 0, None);
    for (at, node) in nodes.iter().enumerate() {
        if held[at].is_none() {
            continue;
        }
        let steps = node.test.steps(kind);
        for step in &steps {
            come(&mut held, node.no, step.leaves());
        }
        come(&mut held, node.yes, steps.last().and_then(Step::leaves));
    }
    held
}
