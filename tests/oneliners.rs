//! The one-liners that connbox replaces, run beside it on the same saved files.
//!
//! Where the answers differ by nature, the test says how and why, and holds the difference.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

#[path = "oneliners/counters.rs"]
mod counters;
#[path = "oneliners/differences.rs"]
mod differences;
#[path = "oneliners/run.rs"]
mod run;
#[path = "formats/scratch.rs"]
mod scratch;
#[path = "oneliners/states.rs"]
mod states;
#[path = "oneliners/summary.rs"]
mod summary;
#[path = "oneliners/worlds.rs"]
mod worlds;
