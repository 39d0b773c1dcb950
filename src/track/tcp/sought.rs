//! A search for the connection of counters.

use crate::model::Endpoint;

/// The result of a search for the connection of counters.
pub(super) struct Sought {
    pub local: Endpoint,
    pub remote: Endpoint,
    pub hash: u64,
    pub place: Option<usize>,
    /// Whether it was not found, or is a new connection on the same ports.
    pub is_new: bool,
}

impl Sought {
    /// What names the end whose counters these are.
    pub(super) fn end(&self) -> u64 {
        end_of(self.hash, self.local < self.remote)
    }

    /// What names the other end.
    pub(super) fn other_end(&self) -> u64 {
        end_of(self.hash, self.remote < self.local)
    }
}

/// What names an end of the connection with this hash.
pub(super) fn end_of(hash: u64, is_lower: bool) -> u64 {
    hash ^ u64::from(is_lower)
}
