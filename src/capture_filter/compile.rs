//! Compiles an expression to a program of classic BPF, so that the kernel passes only the packets that
//! match.
//!
//! The program is for an AF_PACKET socket of type SOCK_DGRAM, where a packet begins with its network
//! header on every kind of link (packet(7)). Only TCP passes. It differs from libpcap's in one thing:
//! in IPv6 it walks up to [`MOST_HEADERS`] extension headers to find TCP and its ports.
//!
//! The tests are written once for each [`PacketKind`] of packet, without the parts that follow from the kind, so
//! that a packet's version and the offset of its ports are found only once. The program is generated from
//! its end to its beginning: all jumps go forward, so their targets are known when they are written.

use super::opcodes::{
    ADD, ADD_X, AND, ANY_BIT, EQUAL, ETHERTYPE, FRAGMENT, IPV4, IPV6, JUMP, LOAD_BYTE,
    LOAD_BYTE_BEHIND_X, LOAD_HALF, LOAD_HALF_BEHIND_X, LOAD_NUMBER, MOST_HEADERS,
    MOST_INSTRUCTIONS, OPTIONS, RETURN, SHIFT_LEFT, STORE, STORE_X, TCP, TRANSPORT,
    X_HEADER_LENGTH, X_MEMORY, X_NUMBER,
};
use super::operations::Operation;
use super::steps::{PacketKind, goal, goals, held, looks_at_ports};
use super::{ACCEPT, Expression, Node, REJECT, Test};
use std::fmt;

/// One instruction, as in `struct sock_filter` (linux/filter.h).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Instruction {
    pub code: u16,
    /// How many instructions to skip if the comparison is true.
    pub jt: u8,
    /// How many if it is false.
    pub jf: u8,
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

/// The target of a jump: an instruction, counted from the end of the program, or an end of the program.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    At(usize),
    Accept,
    Reject,
}

/// The program, last instruction first.
pub(super) struct Code<'a> {
    operations: &'a [Operation],
    reversed: Vec<Instruction>,
    snap_bytes: u32,
    /// The nearest returns that reject and accept, if written.
    returns: [Option<usize>; 2],
}

impl Expression {
    /// The program that returns `snap_bytes` for a TCP packet that matches, else 0; for all packets if the
    /// expression [needs whole frames](Expression::needs_frames), which only the matcher then decides.
    ///
    /// The kernel may answer ENOMEM to a program of some thousand instructions (sysctl net.core.optmem_max:
    /// Linux 6.18 accepts 2000). The program of the empty expression together with [`Expression::has`] then
    /// gives the same result.
    ///
    /// # Errors
    /// [`TooLong`] if the program exceeds the kernel's limit.
    pub fn program(&self, snap_bytes: u32) -> Result<Vec<Instruction>, TooLong> {
        let (operations, reversed) = (&self.operations[..], Vec::new());
        let mut code = Code { operations, reversed, snap_bytes, returns: [None; 2] };
        if self.needs_frames {
            // Such a program sees whole frames, and cannot tell where the IP header begins in each.
            code.push(RETURN, snap_bytes);
            return Ok(code.reversed);
        }
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

impl Code<'_> {
    #[inline(never)]
    pub(super) fn push(&mut self, code: u16, k: u32) -> Place {
        self.reversed.push(Instruction { code, jt: 0, jf: 0, k });
        Place::At(self.reversed.len() - 1)
    }

    /// Writes a comparison and its two jumps.
    #[inline(never)]
    pub(super) fn jump(&mut self, code: u16, k: u32, yes: Place, no: Place) -> Place {
        // One more instruction may be placed between `yes` and the jump.
        let yes = self.within_reach(yes, 254);
        let no = self.within_reach(no, 255);
        let (jt, jf) = (self.distance(yes) as u8, self.distance(no) as u8);
        self.reversed.push(Instruction { code, jt, jf, k });
        Place::At(self.reversed.len() - 1)
    }

    /// Writes a comparison that skips instructions if it does not hold.
    pub(super) fn skip_unless(&mut self, code: u16, k: u32, skipped: u8) -> Place {
        self.reversed.push(Instruction { code, jt: 0, jf: skipped, k });
        Place::At(self.reversed.len() - 1)
    }

    /// Saves X, the offset of the transport header, if calculations need it.
    fn save_transport(&mut self, body: Place) -> Place {
        if self.operations.is_empty() { body } else { self.push(STORE_X, TRANSPORT) }
    }

    /// The distance in instructions from a place to the instruction that is written next.
    fn distance(&self, place: usize) -> usize {
        self.reversed.len() - 1 - place
    }

    /// An instruction at most `most` instructions away that does what `place` does: itself, a jump to
    /// it, or another return like it.
    #[inline(never)]
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
        let kind = PacketKind { is_ipv4: true, is_later_fragment: false };
        let mut body;
        if looks_at_ports(nodes, kind) {
            let later = self.nodes(nodes, PacketKind { is_later_fragment: true, ..kind });
            body = self.nodes(nodes, kind);
            self.save_transport(body);
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
        let kind = PacketKind { is_ipv4: false, is_later_fragment: false };
        let mut later = None;
        if looks_at_ports(nodes, kind) {
            later = Some(self.nodes(nodes, PacketKind { is_later_fragment: true, ..kind }));
        }
        let mut body = self.nodes(nodes, kind);
        if later.is_some() {
            body = self.save_transport(body);
        }
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
    #[inline(never)]
    fn nodes(&mut self, nodes: &[Node], kind: PacketKind) -> Place {
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
            if let Test::Relation { start, end, comparison, .. } = node.test {
                let operations = &self.operations[usize::from(start)..usize::from(end)];
                places[at] = self.relation(operations, comparison, yes, no);
                continue;
            }
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
                    if step.load.0 == LOAD_HALF_BEHIND_X && !self.operations.is_empty() {
                        yes = self.push(X_MEMORY, TRANSPORT);
                    }
                }
            }
            places[at] = yes;
        }
        place(&places, goal(&goals, 0))
    }
}
