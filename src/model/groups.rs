//! Rows counted by what they have in common. Memory grows with the number of groups, not of rows.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

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
    /// The number of its rows, if there is nothing else.
    fn rows(&self) -> Option<u32> {
        let Tally { count, sums, lacking } = *self;
        u32::try_from(count).ok().filter(|_| sums == [0; 2] && lacking == 0)
    }

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

/// The length of a short key: an address of IPv6 and another short part.
const SHORT: usize = 22;

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

    #[inline]
    fn bytes(&self) -> &[u8] {
        match self {
            Key::Short { length, bytes } => bytes.get(..(*length).into()).unwrap_or(bytes),
            Key::Long(bytes) => bytes,
        }
    }
}

/// A group: two of them are in a line of the processor's cache, and none in two. Where there are many groups, nearly all
/// the time of a row goes into waiting for its one.
#[derive(Clone, Debug)]
#[repr(align(32))]
struct Group {
    key: Key,
    total: Total,
}

/// What is known of a group's rows.
#[derive(Clone, Copy, Debug)]
enum Total {
    /// Their number, as long as there is nothing else to be added up.
    Rows(u32),
    /// The place of their tally.
    At(u32),
}

/// Tallies by key, a string of bytes by which the groups are sorted. The standard hash has a random key, so
/// that peers cannot choose addresses that collide.
#[derive(Clone, Debug)]
pub struct Groups {
    groups: HashTable<Group>,
    random: RandomState,
    /// Of those groups that have more than rows.
    tallies: Vec<Tally>,
    most: usize,
    /// Whether there were more groups than `most`, of which some are missing.
    is_over: bool,
    /// Whether a number was too large for its group's tally.
    is_beyond: bool,
}

/// How many groups there may be by default: they take some hundred megabytes at most, if their keys are short.
pub const MOST_GROUPS: usize = 1_000_000;

/// Whether both have the same groups; the hash does not matter.
impl PartialEq for Groups {
    fn eq(&self, other: &Groups) -> bool {
        let limits = |groups: &Groups| (groups.most, groups.is_over, groups.is_beyond);
        limits(self) == limits(other)
            && self.len() == other.len()
            && self.each().all(|(key, tally)| other.of(key) == Some(tally))
    }
}

impl Default for Groups {
    fn default() -> Groups {
        Groups::at_most(MOST_GROUPS)
    }
}

impl Groups {
    /// No groups yet, and never more than this number: strangers choose many of the keys.
    pub fn at_most(most: usize) -> Groups {
        let (groups, random, tallies) = (HashTable::new(), RandomState::new(), Vec::new());
        Groups { groups, random, tallies, most, is_over: false, is_beyond: false }
    }

    pub fn len(&self) -> usize {
        self.groups.len()
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
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
        let (hash, is_full) = (self.random.hash_one(key), self.groups.len() >= self.most);
        let found = self.groups.find_mut(hash, |group| group.key.bytes() == key);
        let total = match found {
            Some(Group { total, .. }) => total,
            None if is_full => {
                self.is_over = true;
                return;
            }
            None => {
                let group = Group { key: Key::of(key), total: Total::Rows(0) };
                let hash_of = |group: &Group| self.random.hash_one(group.key.bytes());
                &mut self.groups.insert_unique(hash, group, hash_of).into_mut().total
            }
        };
        let place = match total {
            Total::At(place) => *place,
            Total::Rows(rows) => {
                if let Some(sum) = more.rows().and_then(|more| rows.checked_add(more)) {
                    *rows = sum;
                    return;
                }
                let Ok(place) = u32::try_from(self.tallies.len()) else {
                    self.is_over = true;
                    return;
                };
                self.tallies.push(Tally { count: u64::from(*rows), ..Tally::default() });
                *total = Total::At(place);
                place
            }
        };
        self.is_beyond |= self.tallies[place as usize].add(more);
    }

    /// The tally of the group `key`.
    fn of(&self, key: &[u8]) -> Option<Tally> {
        let group =
            self.groups.find(self.random.hash_one(key), |group| group.key.bytes() == key)?;
        Some(self.tally(group))
    }

    fn tally(&self, group: &Group) -> Tally {
        match group.total {
            Total::Rows(rows) => Tally { count: rows.into(), ..Tally::default() },
            Total::At(place) => self.tallies[place as usize],
        }
    }

    /// Whether a number of a group is wrong, since it did not fit its bits.
    pub fn is_beyond(&self) -> bool {
        self.is_beyond
    }

    /// Adds all tallies of `other`.
    pub fn merge(&mut self, mut other: Groups) {
        if self.len() < other.len() {
            std::mem::swap(&mut other.most, &mut self.most);
            std::mem::swap(&mut other, self);
        }
        self.is_over |= other.is_over;
        self.is_beyond |= other.is_beyond;
        other.groups.iter().for_each(|group| self.add_all(group.key.bytes(), other.tally(group)));
    }

    /// The groups, of which those are one whose keys `write` writes alike: under the first of these keys.
    #[inline(never)]
    pub fn merged(&self, write: &dyn Fn(&[u8], &mut Vec<u8>)) -> Groups {
        let mut groups: Vec<(&[u8], Tally)> = self.each().collect();
        // Which of the keys stands for all must not depend on the hash.
        groups.sort_unstable_by_key(|(key, _)| *key);
        let (mut merged, mut written) = (Groups::at_most(self.most), Vec::with_capacity(128));
        // The first key that is written so.
        let mut firsts: HashMap<Box<[u8]>, &[u8]> = HashMap::new();
        for (key, tally) in groups {
            written.clear();
            write(key, &mut written);
            let first = firsts.entry(written.as_slice().into()).or_insert(key);
            merged.add_all(first, tally);
        }
        merged
    }

    fn each(&self) -> impl Iterator<Item = (&[u8], Tally)> {
        self.groups.iter().map(|group| (group.key.bytes(), self.tally(group)))
    }

    /// The groups with at least `min` rows, the largest first, equal ones by key; at most `top` groups.
    pub fn sorted(&self, min: u64, top: usize) -> Vec<(&[u8], Tally)> {
        let many = self.each().filter(|(_, tally)| tally.count >= min);
        let mut groups: Vec<_> = many.map(|(key, tally)| (first_bytes(key), key, tally)).collect();
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
        assert_eq!(size_of::<Group>(), 32);
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
            assert!(groups.len() <= 4);
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
    fn rows_alone_and_rows_with_numbers_add_up() {
        let row = Tally { count: 1, ..Tally::default() };
        let many = Tally { count: u32::MAX.into(), ..row };
        let numbers = Tally { sums: [7, 8], ..row };
        let lacking = Tally { lacking: 1, ..row };
        for parts in [
            &[row, row][..],
            &[many, row, row],
            &[row, many, many],
            &[row, numbers, row],
            &[numbers, lacking, many],
            &[lacking, Tally::default(), row],
        ] {
            let mut all = Tally::default();
            assert!(!parts.iter().any(|part| all.add(*part)));
            let of = |parts: &[Tally]| {
                let mut groups = Groups::default();
                parts.iter().for_each(|part| groups.add_all(b"a", *part));
                groups
            };
            for cut in 0..=parts.len() {
                let mut groups = of(&parts[..cut]);
                groups.merge(of(&parts[cut..]));
                assert_eq!(groups.sorted(0, 1), [(&b"a"[..], all)], "{parts:?} {cut}");
            }
        }
        let mut groups = Groups::default();
        (0..2).for_each(|_| groups.add_all(b"a", Tally { count: u64::MAX, ..row }));
        assert!(groups.is_beyond());
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
