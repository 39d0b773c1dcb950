//! Whether rows or lines come again: the text was given twice, in one form or two, or saved twice into one file.

use std::hash::Hash;

use crate::model::hash::hash;

/// How many are compared.
const COMPARED: usize = 16;

/// The first ones of all files, and how often they came again.
#[derive(Clone, Debug, Default)]
pub(in crate::source) struct Again {
    first: Vec<u64>,
    again: usize,
}

impl Again {
    /// Takes one.
    pub(in crate::source) fn add(&mut self, one: impl Hash) {
        let one = hash(one);
        if self.first.contains(&one) {
            self.again += 1;
        } else if self.first.len() < COMPARED {
            self.first.push(one);
        }
    }

    /// Whether so many of the first ones came again that the same is there twice.
    pub(in crate::source) fn is_twice(&self) -> bool {
        self.again > 0 && self.again * 2 >= self.first.len()
    }
}
