//! The flows that the kernel tracks, by ctnetlink and from /proc.

pub mod conntrack;
pub mod counters;
pub mod events;
pub mod expectations;
pub mod filter;
pub mod follow;
pub mod labels;
