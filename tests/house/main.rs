//! The project itself: its layers and sizes, and the files beside the program - man pages, completions,
//! transcripts, examples, the package - compared with the code.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

#[path = "../support/mod.rs"]
mod support;

mod container;
mod contrib;
mod docs;
mod documents;
mod kubernetes;
mod licences;
mod monitors;
mod package;
mod readme;
mod release;
mod security;
mod table;
mod terminal;
mod tidy;
mod transcripts;
mod yaml;
