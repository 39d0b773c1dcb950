//! The attack: connbox against what strangers choose - files, names, moments, limits, netlink messages and clients.
//!
//! `cargo test --test attack -- --ignored` takes some ten minutes; `CONNBOX_ATTACK_SECONDS` sets the sum of all parts,
//! `CONNBOX_ATTACK_SEED` repeats an earlier attack. Each part prints its seed and its figures, and each case
//! follows from the seed and its own number. It needs no other program; what needs root is skipped aloud.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]
#![allow(clippy::print_stdout, reason = "shown with --nocapture, or if the test fails")]

#[path = "../support/mod.rs"]
mod support;
#[path = "../world/mod.rs"]
mod world;

mod clients;
mod family;
mod flows;
mod kills;
mod limits;
mod links;
mod part;
mod races;
mod random;
mod readers;
mod seeds;
mod senders;
mod sys;
mod texts;
mod trial;
mod words;
