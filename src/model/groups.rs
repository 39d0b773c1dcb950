//! Rows counted by what they have in common. Memory grows with the number of groups, not of rows.

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{Hash, Hasher};

/// The totals of a group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Rows.
    pub count: u64,
    /// Sums of two numbers of the rows, whose meaning is the caller's.
    pub sums: [u64; 2],
    /// How many of the rows do not tell all their numbers; the sums hold what they tell.
    pub lacking: u64,
}

impl Tally {
    /// The sums; each absent if no row tells all its numbers and none adds to it.
    pub fn known(&self) -> [Option<u64>; 2] {
        let is_known = self.count == 0 || self.lacking < self.count;
        self.sums.map(|sum| (is_known || sum > 0).then_some(sum))
    }

    /// Adds numbers, and says whether a sum was too large.
    #[inline]
    fn add(&mut self, more: Tally) -> bool {
        let mut is_beyond;
        (self.count, is_beyond) = self.count.overflowing_add(more.count);
        // Never more than the rows.
        self.lacking = self.lacking.wrapping_add(more.lacking);
        for (sum, number) in self.sums.iter_mut().zip(more.sums) {
            let is_more;
            (*sum, is_more) = sum.overflowing_add(number);
            is_beyond |= is_more;
        }
        is_beyond
    }
}

/// The key of a group. A short one is kept in the table itself: a second look-up for each row would take
/// longer than all other work on it.
#[derive(Clone, Debug)]
enum Key {
    Short { length: u8, bytes: [u8; SHORT] },
    Long(Box<[u8]>),
}

/// The length of a short key: with it, a key is as large as the tally beside it.
const SHORT: usize = 30;

impl Key {
    fn of(key: &[u8]) -> Key {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..key.len()), u8::try_from(key.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(key);
                Key::Short { length, bytes }
            }
            _ => Key::Long(key.into()),
        }
    }
}

impl Borrow<[u8]> for Key {
    #[inline]
    fn borrow(&self) -> &[u8] {
        match self {
            Key::Short { length, bytes } => bytes.get(..(*length).into()).unwrap_or(bytes),
            Key::Long(bytes) => bytes,
        }
    }
}

/// Like the bytes themselves, since keys are looked up by their bytes.
impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        Borrow::<[u8]>::borrow(self).hash(state);
    }
}

impl PartialEq for Key {
    #[inline]
    fn eq(&self, other: &Key) -> bool {
        Borrow::<[u8]>::borrow(self) == Borrow::<[u8]>::borrow(other)
    }
}

impl Eq for Key {}

/// Tallies by key, a string of bytes by which the groups are sorted. The standard hash has a random key, so
/// that peers cannot choose addresses that collide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Groups {
    tallies: HashMap<Key, Tally>,
    most: usize,
    /// Whether there were more groups than `most`, of which some are missing.
    is_over: bool,
    /// Whether a number was too large for its group's tally.
    is_beyond: bool,
}

/// How many groups there may be by default: they take some hundred megabytes at most, if their keys are short.
pub const MOST_GROUPS: usize = 1_000_000;

impl Default for Groups {
    fn default() -> Groups {
        Groups::at_most(MOST_GROUPS)
    }
}

impl Groups {
    /// No groups yet, and never more than this number: strangers choose many of the keys.
    pub fn at_most(most: usize) -> Groups {
        Groups { tallies: HashMap::new(), most, is_over: false, is_beyond: false }
    }

    pub fn len(&self) -> usize {
        self.tallies.len()
    }

    pub fn is_empty(&self) -> bool {
        self.tallies.is_empty()
    }

    /// The limit, if there were more groups.
    pub fn excess(&self) -> Option<usize> {
        self.is_over.then_some(self.most)
    }

    /// Counts one more row of the group `key`, and adds its numbers.
    #[inline]
    pub fn add(&mut self, key: &[u8], sums: [u64; 2]) {
        self.add_all(key, Tally { count: 1, sums, lacking: 0 });
    }

    /// Adds a whole tally to the group `key`.
    pub fn add_all(&mut self, key: &[u8], more: Tally) {
        let is_full = self.tallies.len() >= self.most;
        let tally = match self.tallies.get_mut(key) {
            Some(tally) => tally,
            None if is_full => {
                self.is_over = true;
                return;
            }
            None => self.tallies.entry(Key::of(key)).or_default(),
        };
        self.is_beyond |= tally.add(more);
    }

    /// Whether a number of a group is wrong, since it did not fit its bits.
    pub fn is_beyond(&self) -> bool {
        self.is_beyond
    }

    /// Adds all tallies of `other`.
    pub fn merge(&mut self, other: Groups) {
        self.is_over |= other.is_over;
        self.is_beyond |= other.is_beyond;
        if self.tallies.is_empty() {
            self.tallies = other.tallies;
            return;
        }
        let (mut more, fewer) = (std::mem::take(&mut self.tallies), other.tallies);
        let fewer = match more.len() < fewer.len() {
            true => std::mem::replace(&mut more, fewer),
            false => fewer,
        };
        for (key, tally) in fewer {
            self.is_beyond |= more.entry(key).or_default().add(tally);
            if more.len() > self.most {
                self.is_over = true;
                break;
            }
        }
        self.tallies = more;
    }

    /// The groups, of which those are one whose keys `write` writes alike: under the first of these keys.
    #[inline(never)]
    pub fn merged(&self, write: &dyn Fn(&[u8], &mut Vec<u8>)) -> Groups {
        let mut keys: Vec<&[u8]> = self.tallies.keys().map(Borrow::borrow).collect();
        // Which of the keys stands for all must not depend on the hash.
        keys.sort_unstable();
        let (mut merged, mut written) = (Groups::at_most(self.most), Vec::with_capacity(128));
        // The count is the place of the first key that is written so.
        let mut firsts: HashMap<Key, Tally> = HashMap::new();
        for (count, key) in (0..).zip(&keys) {
            written.clear();
            write(key, &mut written);
            let first =
                firsts.entry(Key::of(&written)).or_insert(Tally { count, ..Tally::default() });
            let first = usize::try_from(first.count).ok().and_then(|place| keys.get(place));
            let tally = self.tallies.get(*key).copied().unwrap_or_default();
            merged.add_all(first.unwrap_or(key), tally);
        }
        merged
    }

    /// The groups with at least `min` rows, the largest first, equal ones by key; at most `top` groups.
    pub fn sorted(&self, min: u64, top: usize) -> Vec<(&[u8], Tally)> {
        let many = self.tallies.iter().filter(|(_, tally)| tally.count >= min);
        let mut groups: Vec<_> = many
            .map(|(key, tally)| {
                let key: &[u8] = key.borrow();
                (first_bytes(key), key, *tally)
            })
            .collect();
        groups.sort_unstable_by(|(first, key, tally), (other_first, other_key, other)| {
            let by_count = other.count.cmp(&tally.count);
            by_count.then(first.cmp(other_first)).then_with(|| key.cmp(other_key))
        });
        groups.truncate(top);
        groups.into_iter().map(|(_, key, tally)| (key, tally)).collect()
    }
}

/// What a key begins with, as a number of the same order: it spares nearly all looks at keys while groups
/// are sorted.
fn first_bytes(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.iter_mut().zip(key).for_each(|(place, byte)| *place = *byte);
    u64::from_be_bytes(first)
}

/// Sorts a short list: the sort of the standard library is six kilobytes of code for each type.
pub fn sort_few<T>(few: &mut [T], is_before: impl Fn(&T, &T) -> bool) {
    for last in 1..few.len() {
        let mut place = last;
        while place > 0 && is_before(&few[place], &few[place - 1]) {
            few.swap(place - 1, place);
            place -= 1;
        }
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

    #[test]
    fn keys_of_any_length_are_told_apart() {
        let keys: Vec<Vec<u8>> = (0..60).flat_map(|n| [vec![0; n], vec![1; n + 1]]).collect();
        let mut groups = Groups::default();
        for _ in 0..2 {
            keys.iter().for_each(|key| groups.add(key, [1, 0]));
        }
        let mut found: Vec<_> = groups.sorted(2, usize::MAX).iter().map(|(key, _)| *key).collect();
        let mut wanted: Vec<_> = keys.iter().map(Vec::as_slice).collect();
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted);
        assert_eq!(size_of::<Key>(), size_of::<Tally>());
    }

    #[test]
    fn there_are_never_more_groups_than_allowed() {
        let of = |most, keys: &[u8]| {
            let mut groups = Groups::at_most(most);
            keys.iter().for_each(|key| groups.add(&[*key], [0; 2]));
            groups
        };
        assert_eq!((of(3, b"abcabc").excess(), of(2, b"abcabc").excess()), (None, Some(2)));
        // Each part may be within the limit, and all of them together above it, whichever is larger.
        for (first, second, excess) in [
            (&b"abc"[..], &b"cba"[..], None),
            (b"abc", b"d", Some(3)),
            (b"d", b"abc", Some(3)),
            (b"", b"abcd", Some(3)),
            (b"abcd", b"", Some(3)),
            (b"ab", b"cdef", Some(3)),
        ] {
            let mut groups = of(3, first);
            groups.merge(of(3, second));
            assert_eq!(groups.excess(), excess, "{first:?} {second:?}");
            assert!(groups.tallies.len() <= 4);
        }
    }

    #[test]
    fn keys_that_are_written_alike_are_one_group() {
        let mut groups = Groups::default();
        for key in [&b"ab"[..], b"a?", b"a!", b"b", b"a!"] {
            groups.add(key, [1, 10]);
        }
        let merged = groups.merged(&|key, written| written.extend(&key[..1]));
        let sorted = merged.sorted(1, usize::MAX);
        let tally = |count| Tally { count, sums: [count, 10 * count], lacking: 0 };
        assert_eq!(sorted, [(&b"a!"[..], tally(4)), (b"b", tally(1))]);
        assert_eq!(groups.merged(&|key, written| written.extend(key)), groups);
    }

    #[test]
    fn equal_groups_stand_in_the_order_of_their_keys_whatever_the_length() {
        let mut keys: Vec<Vec<u8>> = (0..3000u32)
            .map(|n| {
                let bytes = n.wrapping_mul(2_654_435_761).to_be_bytes();
                bytes.iter().cycle().map(|byte| byte % 3).take(n as usize % 25).collect()
            })
            .collect();
        let mut groups = Groups::default();
        keys.sort();
        keys.dedup();
        keys.iter().for_each(|key| groups.add(key, [0; 2]));
        let sorted: Vec<_> = groups.sorted(1, usize::MAX).iter().map(|(key, _)| *key).collect();
        assert_eq!(sorted, keys);
    }

    #[test]
    fn a_sum_is_absent_if_no_row_tells_its_number() {
        let known = |rows: &[([u64; 2], u64)]| {
            let mut all = Tally::default();
            for (sums, lacking) in rows {
                assert!(!all.add(Tally { count: 1, sums: *sums, lacking: *lacking }));
            }
            (all.known(), all.lacking)
        };
        assert_eq!(known(&[]), ([Some(0); 2], 0));
        assert_eq!(known(&[([0, 0], 0)]), ([Some(0); 2], 0));
        assert_eq!(known(&[([0, 0], 1), ([0, 0], 1)]), ([None; 2], 2));
        assert_eq!(known(&[([0, 0], 1), ([0, 0], 0)]), ([Some(0); 2], 1));
        assert_eq!(known(&[([0, 9], 1), ([0, 0], 1)]), ([None, Some(9)], 2));
    }

    #[test]
    fn groups_of_several_parts_add_up() {
        let rows: Vec<_> = (0..100u64).map(|n| ([(n % 7) as u8], [n, 1])).collect();
        let of = |rows: &[([u8; 1], [u64; 2])]| {
            let mut groups = Groups::default();
            rows.iter().for_each(|(key, sums)| groups.add(key, *sums));
            groups
        };
        for cut in 0..=rows.len() {
            let (mut first, second) = (of(&rows[..cut]), of(&rows[cut..]));
            first.merge(second);
            assert_eq!(first, of(&rows));
        }
    }
}
