//! The hash of a connection, by its two ends.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::IpAddr;

use crate::model::Endpoint;

/// The hash of a connection, the same from both ends. It has a random key, so that peers cannot choose
/// ports that collide.
pub fn hash(random: &RandomState, one: &Endpoint, other: &Endpoint) -> u64 {
    let mut hasher = random.build_hasher();
    if let (IpAddr::V4(address), IpAddr::V4(other_address)) = (one.address, other.address) {
        // Most are IPv4, and a short key takes half the time to hash.
        let one = u64::from(address.to_bits()) << 16 | u64::from(one.port);
        let other = u64::from(other_address.to_bits()) << 16 | u64::from(other.port);
        let ends = u128::from(one.min(other)) << 64 | u128::from(one.max(other));
        hasher.write(&ends.to_ne_bytes());
        return hasher.finish();
    }
    let mut key = [0; 36];
    for (end, bytes) in [one.min(other), one.max(other)].into_iter().zip(key.chunks_mut(18)) {
        let (address, port) = bytes.split_at_mut(16);
        address.copy_from_slice(&match end.address {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        });
        port.copy_from_slice(&end.port.to_ne_bytes());
    }
    hasher.write(&key);
    hasher.finish()
}
