//! Bytes to fields: pure, without allocation, and unable to panic.
//!
//! Everything here takes `&[u8]` as it came from the kernel, a file or a pipe, and gives `None`
//! for a shape that it does not know. The lints make the promise hold.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::arithmetic_side_effects))]

pub mod netlink;
pub mod text;
