//! Where in a list a connection stands, by its two ends.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;

use crate::model::Endpoint;

/// A hash table of places in a list. It holds eight bytes a slot and no keys: whoever asks compares.
/// The standard hash is keyed by chance, so that peers cannot choose ports that collide.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Hash, and place + 1; a place of 0 is a free slot. Their number is 0 or a power of two.
    slots: Vec<(u32, u32)>,
    used: usize,
    state: RandomState,
}

impl Index {
    /// The hash of a connection, the same from both ends.
    pub fn hash(&self, one: &Endpoint, other: &Endpoint) -> u32 {
        let mut hasher = self.state.build_hasher();
        if let (IpAddr::V4(address), IpAddr::V4(other_address)) = (one.address, other.address) {
            // Most are so, and a short key is hashed in half the time.
            let one = u64::from(address.to_bits()) << 16 | u64::from(one.port);
            let other = u64::from(other_address.to_bits()) << 16 | u64::from(other.port);
            let ends = u128::from(one.min(other)) << 64 | u128::from(one.max(other));
            hasher.write(&ends.to_ne_bytes());
            return (hasher.finish() >> 32) as u32;
        }
        let (low, high) = if one <= other { (one, other) } else { (other, one) };
        let mut key = [0; 36];
        let (first, rest) = key.split_at_mut(16);
        let (second, ports) = rest.split_at_mut(16);
        put(first, low.address);
        put(second, high.address);
        ports[..2].copy_from_slice(&low.port.to_ne_bytes());
        ports[2..].copy_from_slice(&high.port.to_ne_bytes());
        hasher.write(&key);
        // The upper half is as good as the lower.
        (hasher.finish() >> 32) as u32
    }

    /// The place of the connection of this hash that `is_it` knows again.
    pub fn find(&self, hash: u32, is_it: impl Fn(usize) -> bool) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash as usize & mask;
        loop {
            let (held, place) = self.slots[slot];
            let place = (place as usize).checked_sub(1)?;
            if held == hash && is_it(place) {
                return Some(place);
            }
            slot = (slot + 1) & mask;
        }
    }

    /// Notes a place.
    pub fn insert(&mut self, hash: u32, place: usize) {
        // Half full at most: free slots end every search.
        if (self.used + 1) * 2 > self.slots.len() {
            let size = (self.slots.len() * 2).max(16);
            let old = std::mem::replace(&mut self.slots, vec![(0, 0); size]);
            old.into_iter().filter(|(_, place)| *place != 0).for_each(|slot| self.put(slot));
        }
        self.used += 1;
        self.put((hash, stored(place)));
    }

    fn put(&mut self, entry: (u32, u32)) {
        let mask = self.slots.len() - 1;
        let mut slot = entry.0 as usize & mask;
        while self.slots[slot].1 != 0 {
            slot = (slot + 1) & mask;
        }
        self.slots[slot] = entry;
    }

    fn slot(&self, hash: u32, place: usize) -> Option<usize> {
        let mask = self.slots.len().checked_sub(1)?;
        let mut slot = hash as usize & mask;
        while self.slots[slot].1 != 0 {
            if self.slots[slot] == (hash, stored(place)) {
                return Some(slot);
            }
            slot = (slot + 1) & mask;
        }
        None
    }

    /// Says that what stood at place `from` now stands at `to`.
    pub fn moved(&mut self, hash: u32, from: usize, to: usize) {
        if let Some(slot) = self.slot(hash, from) {
            self.slots[slot].1 = stored(to);
        }
    }

    /// Forgets a place. What stands behind it moves up, so that no search ends too early.
    pub fn remove(&mut self, hash: u32, place: usize) {
        let Some(mut free) = self.slot(hash, place) else { return };
        let mask = self.slots.len() - 1;
        self.used -= 1;
        let mut slot = free;
        loop {
            slot = (slot + 1) & mask;
            let (hash, place) = self.slots[slot];
            if place == 0 {
                break;
            }
            let home = hash as usize & mask;
            // Whether `free` lies between its home and where it is.
            if (slot.wrapping_sub(home) & mask) >= (slot.wrapping_sub(free) & mask) {
                self.slots[free] = (hash, place);
                free = slot;
            }
        }
        self.slots[free] = (0, 0);
    }
}

fn stored(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX - 1) + 1
}

fn put(room: &mut [u8], address: IpAddr) {
    match address {
        IpAddr::V4(address) => room.copy_from_slice(&address.to_ipv6_mapped().octets()),
        IpAddr::V6(address) => room.copy_from_slice(&address.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn it_does_what_a_map_does() {
        let mut index = Index::default();
        let mut map: BTreeMap<usize, u32> = BTreeMap::new();
        let mut random = 1u64;
        for _ in 0..20_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            // Few hashes, so that many collide, at the table's end too.
            let place = (random >> 40) as usize % 200;
            let hash = u32::MAX - (place as u32 % 7);
            match map.remove(&place) {
                Some(hash) => index.remove(hash, place),
                None => {
                    map.insert(place, hash);
                    index.insert(hash, place);
                }
            }
            assert_eq!(index.used, map.len());
            for asked in [place, 0, 1, 199] {
                let hash = u32::MAX - (asked as u32 % 7);
                let found = index.find(hash, |place| place == asked);
                assert_eq!(found.is_some(), map.contains_key(&asked));
            }
        }
    }
}
