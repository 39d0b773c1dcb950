//! Where the rows go: `--output`, which leaves a whole file or the old one, and standard output,
//! whose reader may leave early.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

#[path = "writing/output.rs"]
mod output;
#[path = "writing/places.rs"]
mod places;
#[path = "formats/scratch.rs"]
mod scratch;
#[path = "writing/stdout.rs"]
mod stdout;
