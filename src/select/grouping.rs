//! Counting in groups: `--by`, `--top`, `--min` and `--sum`, the same in all applets with these options.

use std::ffi::OsStr;

use super::keys::{Counted, Key, Part};
use crate::cli::{self, Opt};
use crate::error::Error;
use crate::model::Needs;
use crate::model::{Groups, Tally};
use crate::out::{Column, Out, Value};

/// How rows are counted in groups: `--by`, `--top`, `--min` and `--sum`.
#[derive(Debug, Default)]
pub struct Grouping<K: Counted> {
    by: Vec<Part<K>>,
    pub top: Option<usize>,
    pub min: Option<u64>,
    sums: [bool; 2],
}

/// Arguments of an applet that counts in groups.
pub trait TakesGrouping {
    type Of: Counted;
    /// What `option` changes.
    fn grouping(&mut self, option: &'static str) -> &mut Grouping<Self::Of>;
}

pub const fn by<A: TakesGrouping>(help: &'static str) -> Opt<A> {
    Opt::word("by", "KEY[,...]", A::Of::NAMES, help, |args, value| args.grouping("--by").add(value))
}

pub const fn sum<A: TakesGrouping>(value: &'static str, help: &'static str) -> Opt<A> {
    Opt::word("sum", value, A::Of::SUMS, help, |args, value| args.grouping("--sum").add_sums(value))
}

pub const fn top<A: TakesGrouping>(help: &'static str) -> Opt<A> {
    Opt::value("top", "N", help, |args, value| {
        args.grouping("--top").top = Some(cli::number(value)?);
        Ok(())
    })
}

pub const fn min<A: TakesGrouping>(help: &'static str) -> Opt<A> {
    Opt::value("min", "COUNT", help, |args, value| {
        args.grouping("--min").min = Some(cli::number(value)?);
        Ok(())
    })
}

impl<K: Counted> Grouping<K> {
    /// Adds the keys of a comma-separated list; a repeated key is an error.
    fn add(&mut self, value: &OsStr) -> Result<(), String> {
        for word in cli::words(value)? {
            let part = Part::parse(word)?;
            if self.has(part.key.name) {
                return Err(format!("'{word}' is given twice"));
            }
            self.by.push(part);
        }
        Ok(())
    }

    fn add_sums(&mut self, value: &OsStr) -> Result<(), String> {
        let places: Vec<_> = K::SUMS.iter().copied().zip(0usize..).collect();
        for word in cli::words(value)? {
            let place = cli::choose(&places, OsStr::new(word))?;
            self.sums[place] = true;
        }
        Ok(())
    }

    /// Puts `key` before all other keys, unless it is one of them.
    pub fn lead_with(&mut self, name: &str) {
        let key = K::KEYS.iter().find(|key| key.name == name && !self.has(name));
        self.by.splice(..0, key.map(|key| Part { key, lengths: None }));
    }

    /// Puts `key` after all other keys.
    pub fn end_with(&mut self, key: &'static Key<K>) {
        self.by.push(Part { key, lengths: None });
    }

    pub fn has(&self, name: &str) -> bool {
        self.by.iter().any(|part| part.key.name == name)
    }

    /// Whether there are keys.
    pub fn has_keys(&self) -> bool {
        !self.by.is_empty()
    }

    pub fn has_sums(&self) -> bool {
        self.sums.contains(&true)
    }

    /// Whether anything was asked for.
    pub fn is_given(&self) -> bool {
        self.has_keys() || self.has_sums() || self.top.is_some() || self.min.is_some()
    }

    /// Whether all keys are among `names`.
    pub fn is_among(&self, names: &[&str]) -> bool {
        self.by.iter().all(|part| names.contains(&part.key.name))
    }

    /// What must be known for all keys.
    pub fn needs(&self) -> Needs {
        self.by.iter().fold(Needs::NONE, |needs, part| needs.with(part.key.needs))
    }

    /// Whether `--min` is given without keys; it then has no groups to filter.
    pub fn lacks_keys(&self) -> bool {
        self.min.is_some() && !self.has_keys()
    }

    /// Refuses options that have no meaning without keys.
    pub fn refuse_without_keys(&self) -> Result<(), Error> {
        cli::refuse([
            (self.top.is_some() && !self.has_keys(), "--top", NEEDS_KEYS),
            (self.lacks_keys(), "--min", NEEDS_KEYS),
        ])
    }

    pub fn columns(&self) -> Vec<Column> {
        self.by.iter().map(|part| part.key.column).chain(K::NUMBERS.iter().copied()).collect()
    }

    /// Which of the sums are shown.
    pub fn shown(&self) -> Vec<(&'static str, bool)> {
        let sums = K::NUMBERS.iter().skip(1).zip(self.sums);
        sums.map(|(column, is_given)| (column.name, is_given || K::SUMS.is_empty())).collect()
    }

    /// Writes the key of `one` to `buffer`; groups are sorted by these bytes.
    #[inline]
    pub fn key(&self, buffer: &mut Vec<u8>, one: K::One<'_>) {
        buffer.clear();
        self.by.iter().for_each(|part| part.push(buffer, one));
    }

    /// Writes the rows of the groups, the largest first. Without keys there is exactly one group, possibly
    /// empty.
    pub fn rows(&self, groups: &Groups, out: &mut Out) -> Result<(), Error> {
        let mut sorted = groups.sorted(self.min.unwrap_or(1), self.top.unwrap_or(usize::MAX));
        if self.by.is_empty() && sorted.is_empty() {
            sorted.push((&[], Tally::default()));
        }
        let mut values = Vec::with_capacity(self.by.len() + 3);
        for (mut key, Tally { count, sums: [first, second] }) in sorted {
            values.clear();
            values.extend(self.by.iter().map(|part| part.value(&mut key)));
            let numbers = [count, first, second].map(|number| Value::Int(number.into()));
            values.extend(numbers.into_iter().take(K::NUMBERS.len()));
            out.row_of(&values)?;
        }
        Ok(())
    }
}

/// Why an option that is about groups is refused.
pub const NEEDS_KEYS: &str = "needs --by";
