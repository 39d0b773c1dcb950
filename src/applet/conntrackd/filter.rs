//! `Filter` of a configuration: which flows the daemon follows.

use crate::model::{Flow, Prefix};

/// What happens to the members of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Accept,
    Ignore,
}

impl Policy {
    pub fn of(word: &str) -> Option<Policy> {
        let is = |known: &str| word.eq_ignore_ascii_case(known);
        if is("Accept") { Some(Policy::Accept) } else { is("Ignore").then_some(Policy::Ignore) }
    }
}

/// A set with a policy; without one, everything passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Set<T> {
    policy: Option<Policy>,

    pub members: Vec<T>,
}

impl<T> Default for Set<T> {
    fn default() -> Set<T> {
        Set { policy: None, members: Vec::new() }
    }
}

impl<T> Set<T> {
    /// Adds a member; an error if the set already has the other policy.
    pub fn add(&mut self, policy: Policy, member: T) -> Result<(), String> {
        if self.policy.is_some_and(|other| other != policy) {
            return Err("Accept and Ignore cannot be combined for the same kind".into());
        }
        self.policy = Some(policy);
        self.members.push(member);
        Ok(())
    }

    fn passes(&self, is_member: impl Fn(&T) -> bool) -> bool {
        self.policy
            .is_none_or(|policy| self.members.iter().any(is_member) == (policy == Policy::Accept))
    }
}

/// Which flows the daemon follows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Numbers of transport protocols.
    pub protocols: Set<u8>,
    /// Where the flow comes from or, after translation, goes to.
    pub addresses: Set<Prefix>,
    /// Numbers of TCP states; flows of other protocols pass.
    pub states: Set<u8>,
}

impl Filter {
    /// Whether the daemon follows a flow. The state of a flow that has ended does not matter.
    pub fn passes(&self, flow: &Flow<'_>, has_ended: bool) -> bool {
        const TCP: u8 = 6;
        let [source, destination] = [flow.orig.source, flow.reply.source];
        let has_state = !has_ended && flow.orig.protocol == TCP;
        self.protocols.passes(|protocol| *protocol == flow.orig.protocol)
            && self.addresses.passes(|prefix| prefix.has(source) || prefix.has(destination))
            && (!has_state
                || flow.state.is_none_or(|state| self.states.passes(|known| *known == state)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Tuple;

    #[test]
    fn accepted_sets_are_all_and_ignored_ones_are_none() {
        let tuple = |source: &str, protocol| {
            let source = source.parse().unwrap();
            Tuple { source, protocol, ..Tuple::default() }
        };
        let flow = Flow {
            orig: tuple("10.0.0.1", 6),
            reply: tuple("10.9.0.1", 6),
            state: Some(3),
            ..Flow::default()
        };
        let mut filter = Filter::default();
        assert!(filter.passes(&flow, false));
        filter.protocols.add(Policy::Accept, 6).unwrap();
        assert!(filter.protocols.add(Policy::Ignore, 17).is_err());
        assert!(filter.passes(&flow, false));
        filter.states.add(Policy::Ignore, 3).unwrap();
        assert!(!filter.passes(&flow, false) && filter.passes(&flow, true));
        filter.addresses.add(Policy::Ignore, Prefix::parse("10.9.0.0/16").unwrap()).unwrap();
        assert!(!filter.passes(&flow, true));
    }
}
