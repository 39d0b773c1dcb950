//! A table of an applet: what gives its rows, and the columns that explain them.

use super::Report;
use crate::error::Error;
use crate::out::{Column, Out};
use crate::source::Source;

/// The columns of `--explain`, which end every table.
pub const SCOPE: Column = Column::label("scope", "netns or host: whose sockets the number counts");
/// See [`SCOPE`].
pub const SOURCE: Column = Column::label("source", "the kernel file and field, or the formula");
/// See [`SCOPE`].
pub const MEANING: Column = Column::label("meaning", "what the number says");

/// What one snapshot reads from and writes to: that of a namespace, if all are visited.
#[derive(Debug)]
pub struct Sample<'a> {
    /// Where facts come from.
    pub source: &'a Source,
    /// Where rows go.
    pub out: &'a mut Out,
    /// Where words for people go.
    pub report: &'a mut Report,
}

/// What gives the rows of a table; a closure, if no row is of the whole machine.
pub trait Table {
    /// Reads and gives the rows of one snapshot: with `--netns all`, those of one of the namespaces.
    fn snapshot(&mut self, sample: Sample<'_>) -> Result<(), Error>;

    /// With `--netns all`, gives the rows of the whole machine, after those of the namespaces.
    fn machine(&mut self, _: Sample<'_>) -> Result<(), Error> {
        Ok(())
    }
}

impl<F: FnMut(Sample<'_>) -> Result<(), Error>> Table for F {
    fn snapshot(&mut self, sample: Sample<'_>) -> Result<(), Error> {
        self(sample)
    }
}
