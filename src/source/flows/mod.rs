//! The flows that the kernel tracks, by ctnetlink, from /proc and from saved text.

pub mod conntrack;
pub mod counters;
pub mod events;
pub mod expectations;
pub mod filter;
pub mod first;
pub mod follow;
pub mod labels;
pub mod saved;
pub mod saved_parts;
mod saved_rows;
pub mod texts;
