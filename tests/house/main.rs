//! The house itself: its layers and sizes, and whatever stands beside the program - man pages, completions,
//! transcripts, examples, the package - held to what the code says.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "../support/mod.rs"]
mod support;

mod contrib;
mod docs;
mod package;
mod readme;
mod table;
mod tidy;
mod transcripts;
