//! What packets of a kind must be compared with, node by node.

use std::net::IpAddr;

use super::opcodes::{
    AT_LEAST, EQUAL, GREATER, INTERFACE, KIND, LOAD_BYTE, LOAD_HALF_BEHIND_X, LOAD_WORD, OUTGOING,
};
use super::operations::Base;
use super::{ACCEPT, Node, REJECT, Side, Test};

/// A kind of packet; its transport header begins at X.
#[derive(Clone, Copy)]
pub(super) struct PacketKind {
    pub(super) is_ipv4: bool,
    pub(super) is_later_fragment: bool,
}

/// A load and a comparison.
#[derive(Clone, Copy)]
pub(super) struct Step {
    /// The operation, and the offset it loads from.
    pub(super) load: (u16, u32),
    pub(super) mask: u32,
    pub(super) compare: u16,
    pub(super) k: u32,
    /// Whether the comparison is negated.
    pub(super) is_negated: bool,
}

/// What the accumulator holds when a node begins: `None` if the node is not reached, else the load, if one
/// is known.
pub(super) type Held = Option<Option<(u16, u32)>>;

impl Step {
    fn new(load: (u16, u32), mask: u32, compare: u16, k: u32) -> Step {
        Step { load, mask, compare, k, is_negated: false }
    }

    /// What the accumulator holds after it.
    pub(super) fn leaves(&self) -> Option<(u16, u32)> {
        (self.mask == u32::MAX).then_some(self.load)
    }
}

impl Test {
    /// The result of the test for all packets of a kind, if it is the same for all.
    #[inline(never)]
    fn is_known(&self, kind: PacketKind) -> Option<bool> {
        match *self {
            Test::Tcp => Some(true),
            Test::Never => Some(false),
            Test::Relation { bases, .. } => {
                let needs = |base: Base| bases & base as u8 != 0;
                let other = if kind.is_ipv4 { Base::Ip6 } else { Base::Ip };
                let is_false = needs(other) || needs(Base::Tcp) && kind.is_later_fragment;
                is_false.then_some(false)
            }
            Test::Ipv4(wanted) => Some(wanted == kind.is_ipv4),
            Test::Address(_, address, _) if address.is_ipv4() != kind.is_ipv4 => Some(false),
            Test::Port(..) if kind.is_later_fragment => Some(false),
            _ => self.steps(kind).is_empty().then_some(true),
        }
    }

    /// The steps, all of which must hold.
    #[inline(never)]
    pub(super) fn steps(&self, kind: PacketKind) -> Vec<Step> {
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
            Test::Outbound => {
                steps.push(Step::new((LOAD_BYTE, KIND), u32::MAX, EQUAL, OUTGOING));
            }
            Test::Interface(index) => {
                steps.push(Step::new((LOAD_WORD, INTERFACE), u32::MAX, EQUAL, index));
            }
            _ => {}
        }
        steps.retain(|step| step.mask != 0);
        steps
    }
}

/// Whether packets of a kind reach a node that checks ports.
pub(super) fn looks_at_ports(nodes: &[Node], kind: PacketKind) -> bool {
    let held = held(nodes, &goals(nodes, kind), kind);
    let mut reached = nodes.iter().zip(&held).filter(|(_, held)| held.is_some());
    reached.any(|(node, _)| match node.test {
        Test::Port(..) => true,
        Test::Relation { bases, .. } => bases & Base::Tcp as u8 != 0,
        _ => false,
    })
}

/// The real target of a jump to each node, for packets of a kind: nodes whose result is known are skipped.
#[inline(never)]
pub(super) fn goals(nodes: &[Node], kind: PacketKind) -> Vec<u16> {
    let mut goals = vec![REJECT; nodes.len()];
    for (at, node) in nodes.iter().enumerate().rev() {
        let (yes, no) = (goal(&goals, node.yes), goal(&goals, node.no));
        goals[at] = match node.test.is_known(kind) {
            Some(true) => yes,
            Some(false) => no,
            // A calculation may also end the program.
            None if yes == no && !matches!(node.test, Test::Relation { .. }) => yes,
            None => at as u16,
        };
    }
    goals
}

/// The target of a jump to `exit`; an expression without nodes accepts everything.
pub(super) fn goal(goals: &[u16], exit: u16) -> u16 {
    match exit {
        REJECT => REJECT,
        exit => goals.get(usize::from(exit)).copied().unwrap_or(ACCEPT),
    }
}

/// What the accumulator holds at each node, on all paths to it; `None` if no path leads there.
#[inline(never)]
pub(super) fn held(nodes: &[Node], goals: &[u16], kind: PacketKind) -> Vec<Held> {
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
        if let Test::Relation { .. } = node.test {
            come(&mut held, node.no, None);
        }
        for step in &steps {
            come(&mut held, node.no, step.leaves());
        }
        come(&mut held, node.yes, steps.last().and_then(Step::leaves));
    }
    held
}
