//! The box around the applets: how they are called, listed, installed, and how errors read.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

#[path = "the_box/calls.rs"]
mod calls;
#[path = "the_box/errors.rs"]
mod errors;
#[path = "the_box/install.rs"]
mod install;
#[path = "formats/scratch.rs"]
mod scratch;
