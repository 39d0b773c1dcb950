//! The one-liners that connbox replaces, run beside it on the same saved files.
//!
//! Where the answers differ by nature, the test says how and why, and holds the difference.

mod counters;
mod differences;
mod run;
mod states;
mod summary;
mod worlds;
