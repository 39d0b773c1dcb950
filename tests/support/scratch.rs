//! Directories that a test may fill.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::panic::Location;
use std::path::{Path, PathBuf};

/// An empty directory for the test called `name`; names are unique within a file of tests.
#[track_caller]
pub fn scratch(name: &str) -> PathBuf {
    let folder = format!("scratch-{}", Location::caller().file().replace('/', "-"));
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(folder).join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    directory
}

pub fn names_in(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
