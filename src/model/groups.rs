//! Rows counted by what they have in common. The memory grows with the groups, not with the rows.

use std::collections::HashMap;

/// What a group sums up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows.
    pub count: u64,
    /// Sums of two numbers of the rows, whose meaning is the caller's.
    pub sums: [u64; 2],
}

/// Tallies by key: a string of bytes whose order is the order of the groups. The standard hash is
/// keyed by chance, so that peers cannot choose addresses that collide.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Groups {
    tallies: HashMap<Box<[u8]>, Tally>,
}

impl Groups {
    /// Counts one more row of the group `key`, and adds its numbers.
    #[inline]
    pub fn add(&mut self, key: &[u8], sums: [u64; 2]) {
        self.add_all(key, Tally { count: 1, sums });
    }

    /// Adds a whole tally to the group `key`.
    pub fn add_all(&mut self, key: &[u8], more: Tally) {
        let tally = match self.tallies.get_mut(key) {
            Some(tally) => tally,
            None => self.tallies.entry(key.into()).or_default(),
        };
        tally.count = tally.count.saturating_add(more.count);
        for (sum, number) in tally.sums.iter_mut().zip(more.sums) {
            *sum = sum.saturating_add(number);
        }
    }

    /// Adds all tallies of `other`.
    pub fn merge(&mut self, other: Groups) {
        if self.tallies.is_empty() {
            self.tallies = other.tallies;
            return;
        }
        for (key, tally) in other.tallies {
            self.add_all(&key, tally);
        }
    }

    /// The groups of at least `min` rows, the largest first, equal ones by key; at most `top`.
    #[must_use]
    pub fn sorted(&self, min: u64, top: usize) -> Vec<(&[u8], Tally)> {
        let mut groups: Vec<_> = self
            .tallies
            .iter()
            .map(|(key, tally)| (&**key, *tally))
            .filter(|(_, tally)| tally.count >= min)
            .collect();
        groups.sort_unstable_by(|(key, tally), (other_key, other)| {
            other.count.cmp(&tally.count).then_with(|| key.cmp(other_key))
        });
        groups.truncate(top);
        groups
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_group_comes_first_and_equal_ones_by_key() {
        let mut groups = Groups::default();
        for key in [b"b", b"c", b"a", b"c"] {
            groups.add(key, [1, 10]);
        }
        let keys = |min, top| -> Vec<_> {
            groups.sorted(min, top).into_iter().map(|(key, tally)| (key[0], tally.count)).collect()
        };
        assert_eq!(keys(0, usize::MAX), [(b'c', 2), (b'a', 1), (b'b', 1)]);
        assert_eq!(keys(0, 2), [(b'c', 2), (b'a', 1)]);
        assert_eq!(keys(2, 9), [(b'c', 2)]);
        assert_eq!(groups.sorted(2, 1)[0].1.sums, [2, 20]);
    }
}
