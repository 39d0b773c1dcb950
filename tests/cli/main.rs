//! The program and its parts on saved kernels, recorded bytes and inputs made to measure: what needs no
//! certain state of the running kernel.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]
#![allow(clippy::print_stderr)]

#[path = "../support/mod.rs"]
mod support;

mod captures;
mod corruption;
mod expressions;
mod flow_text;
mod formats;
mod oneliners;
mod prometheus;
#[path = "../regressions/mod.rs"]
mod regressions;
mod replies;
mod textfile;
mod the_box;
mod writing;
