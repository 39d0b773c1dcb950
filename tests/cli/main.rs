//! The program and its parts on saved kernels, recorded bytes and hand-made inputs: everything that does not
//! depend on the state of the running kernel.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]
#![allow(clippy::print_stderr)]

#[path = "../support/mod.rs"]
mod support;

mod captures;
mod corruption;
mod expressions;
mod flow_text;
mod formats;
mod odd_files;
mod oneliners;
mod own_rows;
mod prometheus;
mod recordings;
#[path = "../regressions/mod.rs"]
mod regressions;
mod replies;
mod saved;
mod saved_counters;
mod saved_flows;
mod saved_text;
mod sosreport;
#[path = "../world/sys.rs"]
#[allow(dead_code, reason = "most of it is for the live tests")]
mod sys;
mod terminal;
mod textfile;
mod the_box;
mod writing;
