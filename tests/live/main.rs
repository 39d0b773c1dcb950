//! connbox on the running kernel, in network namespaces that the tests make. `tests/README.md` explains them; a
//! test that cannot run here says so and is skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]
#![allow(clippy::print_stdout, reason = "shown with --nocapture, or if the test fails")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../world/mod.rs"]
mod world;

mod closed;
mod companions;
mod conntrack;
mod conntrack_events;
mod conntrack_text;
mod conntrackd;
mod counts;
mod directions;
mod groups;
mod hidden;
mod hostile;
mod interfaces;
mod namespaces;
mod negation;
mod network_connections;
mod packets;
mod pods;
mod saved_text;
mod soak;
mod tcptrack;
