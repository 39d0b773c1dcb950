//! docs/peers.md beside the tools that it describes: each row is compared with what its tool prints.
//!
//! `cargo test --test peers -- --ignored` installs the tools in their pinned versions below `target/tmp`, makes the sockets and
//! flows of each table in a network namespace, and runs for each row the tool and connbox. `tests/README.md` explains it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]
#![allow(clippy::print_stdout, reason = "shown with --nocapture, or if the test fails")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../world/mod.rs"]
mod world;

mod checks;
mod page;
mod questions;
mod run;
mod worlds;
