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

/// The scopes of a number.
pub const NETNS: &str = "netns";
/// See [`NETNS`].
pub const HOST: &str = "host";
/// The scope of a number of a namespace that is subtracted from one of the host.
pub const HOST_MINUS_NETNS: &str = "host-netns";

/// What gives the rows of a table.
pub trait Table {
    /// Reads and gives the rows of one snapshot: with `--netns all`, those of one of the namespaces.
    ///
    /// # Errors
    /// If reading or writing fails.
    fn snapshot(
        &mut self,
        source: &Source,
        out: &mut Out,
        report: &mut Report,
    ) -> Result<(), Error>;

    /// With `--netns all`, gives the rows of the whole machine, after those of the namespaces.
    ///
    /// # Errors
    /// If writing fails.
    fn machine(&mut self, _: &mut Out, _: &mut Report) -> Result<(), Error> {
        Ok(())
    }
}

impl<F: FnMut(&Source, &mut Out, &mut Report) -> Result<(), Error>> Table for F {
    fn snapshot(
        &mut self,
        source: &Source,
        out: &mut Out,
        report: &mut Report,
    ) -> Result<(), Error> {
        self(source, out, report)
    }
}
