//! connbox against the running kernel, in network namespaces of the tests' own. `tests/README.md` explains
//! them; a test that cannot run here says so and is skipped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
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
mod groups;
mod namespaces;
mod network_connections;
mod packets;
mod soak;
mod tcptrack;
