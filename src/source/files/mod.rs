//! Text files: those of /proc, live or saved, and tables of names.

pub(in crate::source) mod again;
pub mod counts;
mod doubts;
mod file;
mod input;
pub(in crate::source) mod lacking;
pub mod lines;
mod listed;
pub mod names;
pub mod procfs;
mod record;
mod repeats;
pub mod rows;
pub(in crate::source) mod sample;
pub mod saved;
pub mod sosreport;
pub(in crate::source) mod split_row;
pub mod tables;
