//! A list without gaps whose values are found by the hash of their key.

use std::ops::{Deref, DerefMut};

use hashbrown::HashTable;

/// Values, and a hash table of their places. The caller computes the hashes and compares the keys. Keys
/// come from outside: only a hash with a random key keeps an attacker from choosing keys that collide.
#[derive(Debug)]
pub(super) struct Indexed<T> {
    values: Vec<T>,
    hashes: Vec<u64>,
    places: HashTable<u32>,
}

impl<T> Indexed<T> {
    /// The most values: places are numbers of 32 bits.
    pub(super) const MOST: usize = u32::MAX as usize;

    pub(super) fn find(&self, hash: u64, is_it: impl Fn(&T) -> bool) -> Option<usize> {
        let place = self.places.find(hash, |place| is_it(&self.values[*place as usize]));
        place.map(|place| *place as usize)
    }

    /// Adds a value at the end and gives its place.
    pub(super) fn push(&mut self, hash: u64, value: T) -> usize {
        let place = self.values.len();
        self.values.push(value);
        self.hashes.push(hash);
        let hash_at = |place: &u32| self.hashes[*place as usize];
        self.places.insert_unique(hash, place as u32, hash_at);
        place
    }

    /// Removes the value at `place`; the last one takes the place.
    pub(super) fn swap_remove(&mut self, place: usize) -> T {
        if let Ok(found) = self.places.find_entry(self.hashes[place], |it| *it as usize == place) {
            found.remove();
        }
        let last = self.values.len() - 1;
        if let Some(moved) = self.places.find_mut(self.hashes[last], |it| *it as usize == last) {
            *moved = place as u32;
        }
        self.hashes.swap_remove(place);
        self.values.swap_remove(place)
    }

    /// Releases memory when most of it is unused.
    pub(super) fn shrink(&mut self) {
        let wanted = self.values.len().next_power_of_two().max(64);
        if self.values.capacity() / wanted >= 8 {
            self.values.shrink_to(wanted);
            self.hashes.shrink_to(wanted);
            let hash_at = |place: &u32| self.hashes[*place as usize];
            self.places.shrink_to(wanted, hash_at);
        }
    }
}

impl<T> Default for Indexed<T> {
    fn default() -> Indexed<T> {
        Indexed { values: Vec::new(), hashes: Vec::new(), places: HashTable::new() }
    }
}

impl<T> Deref for Indexed<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.values
    }
}

impl<T> DerefMut for Indexed<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_does_what_a_map_does() {
        let (mut indexed, mut map) = (Indexed::default(), BTreeMap::new());
        let mut random = 1u64;
        for _ in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Few hashes, so that many collide.
            let key = (random >> 40) % 200;
            let find = |indexed: &Indexed<_>, key: u64| {
                indexed.find(u64::MAX - key % 7, |(other, _)| *other == key)
            };
            match find(&indexed, key) {
                Some(place) => assert_eq!(map.remove(&key), Some(indexed.swap_remove(place).1)),
                None => {
                    map.insert(key, random);
                    let place = indexed.push(u64::MAX - key % 7, (key, random));
                    assert_eq!(place + 1, indexed.len());
                }
            }
            assert_eq!(indexed.len(), map.len());
            for asked in [key, 0, 1, 199] {
                let found = find(&indexed, asked).map(|place| &indexed[place].1);
                assert_eq!(found, map.get(&asked));
            }
            if random >> 40 == 0 {
                indexed.shrink();
            }
        }
    }

    #[test]
    fn shrinking_gives_back_and_loses_nothing() {
        let mut indexed = Indexed::default();
        (0..10_000u64).for_each(|value| {
            indexed.push(value, value);
        });
        (10..10_000).rev().for_each(|place| {
            indexed.swap_remove(place);
        });
        indexed.shrink();
        assert!(indexed.values.capacity() < 100 && indexed.places.capacity() < 200);
        assert!((0..10).all(|value| indexed.find(value, |it| *it == value).is_some()));
    }
}
