//! Text files: those of /proc, live or saved, and tables of names.

pub mod lines;
pub mod names;
pub mod procfs;
