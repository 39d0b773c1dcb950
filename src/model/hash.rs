//! What hashes of connections are made of.

use std::hash::{DefaultHasher, Hash, Hasher};

/// The standard hash, which is the same in each run.
pub fn hash(one: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    one.hash(&mut hasher);
    hasher.finish()
}

/// Both halves of a product, which depend on all bits of both factors.
#[inline]
pub fn folded(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}
