//! A table of an applet: the source of its rows, and the columns that explain them.

use super::Report;
use crate::error::Error;
use crate::out::{Column, Out};
use crate::source::Source;
use crate::source::netns::{Missing, Namespaces};

/// The columns of `--explain`, the last ones of every table.
pub const SCOPE: Column = Column::label("scope", "netns or host: whose sockets the number counts");
/// See [`SCOPE`].
pub const SOURCE: Column = Column::label("source", "the kernel file and field, or the formula");
/// See [`SCOPE`].
pub const MEANING: Column = Column::label("meaning", "what the number says");

/// What one snapshot reads from and writes to: the snapshot of one namespace, if all are visited.
#[derive(Debug)]
pub struct Sample<'a> {
    /// Where facts come from.
    pub source: &'a Source,
    /// Where rows go.
    pub out: &'a mut Out,
    /// Where messages go.
    pub report: &'a mut Report,
}

impl Sample<'_> {
    /// Calls `read` for all namespaces in parallel threads, each with its label, then `write` for each, in
    /// the order of the list.
    pub fn everywhere<T: Send>(
        self,
        all: &Namespaces,
        read: impl Fn(&Source, &[u8], &mut Report) -> Result<T, Error> + Sync,
        mut write: impl FnMut(T, &mut Out) -> Result<(), Error>,
    ) -> Result<Missing, Error> {
        let Sample { source, out, report } = self;
        let one = Source { threads: 1, is_one_of_all: true, ..source.clone() };
        let apart = report.apart();
        let (seen, missing) = all.read(source.threads(), |namespace| {
            let mut report = apart.clone();
            let seen = read(&one, &namespace.label(), &mut report)?;
            Ok((seen, report))
        })?;
        for (namespace, (seen, apart)) in seen {
            out.enter(Some(namespace.label()), namespace.resident.clone());
            report.add(apart);
            write(seen, out)?;
        }
        Ok(missing)
    }
}

/// The source of a table's rows; a closure is enough if no row describes the whole machine.
pub trait Table {
    /// Reads and writes the rows of one snapshot; with `--netns all`, the rows of one namespace.
    fn snapshot(&mut self, sample: Sample<'_>) -> Result<(), Error>;

    /// With `--netns all`, writes the rows of all namespaces, reading one after another. A table that walks
    /// the kernel's tables reads them in threads, see [`Sample::everywhere`].
    fn namespaces(&mut self, all: &Namespaces, sample: Sample<'_>) -> Result<Missing, Error> {
        let Sample { source, out, report } = sample;
        all.visit(&mut |namespace| {
            out.enter(Some(namespace.label()), namespace.resident.clone());
            self.snapshot(Sample { source, out, report })
        })
    }

    /// With `--netns all`, writes the rows of the whole machine, after those of the namespaces.
    fn machine(&mut self, _: Sample<'_>) -> Result<(), Error> {
        Ok(())
    }
}

impl<F: FnMut(Sample<'_>) -> Result<(), Error>> Table for F {
    fn snapshot(&mut self, sample: Sample<'_>) -> Result<(), Error> {
        self(sample)
    }
}
