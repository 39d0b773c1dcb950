//! The one-liners that connbox replaces, compared with it on the same saved files.
//!
//! Where the answers must differ, the test explains why, and checks the difference.

mod counters;
mod differences;
mod run;
mod states;
mod summary;
mod worlds;
