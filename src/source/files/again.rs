//! Whether rows or lines come again: the text was given twice, or saved twice into one file.

use std::hash::{DefaultHasher, Hash, Hasher};

/// How many are compared.
const COMPARED: usize = 16;

/// The first lines of all files, and how often they came again.
#[derive(Clone, Debug, Default)]
pub(in crate::source) struct Again {
    lines: Vec<u64>,
    again: usize,
}

impl Again {
    /// Takes a line, without regard to the commas of an array.
    pub(in crate::source) fn add(&mut self, line: &[u8]) {
        let mut hasher = DefaultHasher::new();
        line.strip_suffix(b",").unwrap_or(line).hash(&mut hasher);
        let line = hasher.finish();
        if self.lines.contains(&line) {
            self.again += 1;
        } else if self.lines.len() < COMPARED {
            self.lines.push(line);
        }
    }

    /// Whether so many of the first ones came again that the same is there twice.
    pub(in crate::source) fn is_twice(&self) -> bool {
        self.again > 0 && self.again * 2 >= self.lines.len()
    }
}
