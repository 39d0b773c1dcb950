//! What a connection notes of SYNs with another number.

use crate::model::Segment;

/// A SYN of a live connection's ports, with another number. It may begin the next connection, be left over from an
/// earlier one, or be sent by someone else: what follows shows it.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) at: u64,
    pub(super) segment: Segment,
    /// How often it was sent again.
    pub(super) retries: u32,
}
