//! A table of an applet: the source of its rows, and the columns that explain them.

use std::marker::PhantomData;

use super::Report;
use crate::error::Error;
use crate::out::{Column, Out};
use crate::source::Source;
use crate::source::netns::{Missing, Namespaces};

/// The columns of `--explain`, the last ones of every table.
pub const SCOPE: Column = Column::label("scope", "netns or host: whose sockets the number counts");
pub const SOURCE: Column = Column::label("source", "the kernel file and field, or the formula");
pub const MEANING: Column = Column::label("meaning", "what the number says");

/// What one snapshot reads from and writes to: the snapshot of one namespace, if all are visited.
#[derive(Debug)]
pub struct Sample<'a> {
    pub source: &'a Source,
    pub out: &'a mut Out,
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
            out.enter(namespace.label(), namespace.resident.clone())?;
            // What is wrong with all of them is said alone.
            write(seen, out)?;
            report.add(apart);
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
            out.enter(namespace.label(), namespace.resident.clone())?;
            self.snapshot(Sample { source, out, report })
        })
    }

    /// With `--netns all` of saved files, reads one namespace, and writes its rows unless those of all follow in
    /// [`Table::total`].
    fn part(&mut self, sample: Sample<'_>) -> Result<(), Error> {
        self.snapshot(sample)
    }

    /// With `--netns all` of saved files, writes what is known only when all namespaces were read.
    fn total(&mut self, _: Sample<'_>) -> Result<(), Error> {
        Ok(())
    }

    /// With `--netns all`, writes the rows of the whole machine, after those of the namespaces.
    fn machine(&mut self, _: Sample<'_>) -> Result<(), Error> {
        Ok(())
    }
}

/// A table that reads before it writes, so that threads may read several namespaces at once.
pub struct InTwoSteps<T, R, W> {
    read: R,
    write: W,
    seen: PhantomData<T>,
}

impl<T: Send, R, W> InTwoSteps<T, R, W>
where
    R: Fn(&Source, &mut Report) -> Result<T, Error> + Sync,
    W: FnMut(T, &mut Out) -> Result<(), Error>,
{
    pub fn new(read: R, write: W) -> Self {
        InTwoSteps { read, write, seen: PhantomData }
    }
}

impl<T: Send, R, W> Table for InTwoSteps<T, R, W>
where
    R: Fn(&Source, &mut Report) -> Result<T, Error> + Sync,
    W: FnMut(T, &mut Out) -> Result<(), Error>,
{
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        (self.write)((self.read)(source, report)?, out)
    }

    fn namespaces(&mut self, all: &Namespaces, sample: Sample<'_>) -> Result<Missing, Error> {
        let InTwoSteps { read, write, .. } = self;
        sample.everywhere(all, |source: &Source, _: &[u8], report| read(source, report), write)
    }
}

impl<F: FnMut(Sample<'_>) -> Result<(), Error>> Table for F {
    fn snapshot(&mut self, sample: Sample<'_>) -> Result<(), Error> {
        self(sample)
    }
}
