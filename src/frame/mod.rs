//! What runs the applets: what each of them is, one run of one of them, its table, and what it says.

mod call;
mod report;
mod table;

pub use call::Call;
pub(crate) use call::moment;
pub use report::{Report, Say};
pub use table::{MEANING, SCOPE, SOURCE, Sample, Table};

use crate::cli::{OptDoc, Original};
use crate::error::Error;
use crate::out::Column;

/// One applet: all that dispatch, help, man pages, completions and tests know of it.
#[derive(Debug)]
pub struct Applet {
    /// Its name, which is also a command's when a link bears it.
    pub name: &'static str,
    /// Other names that it answers to.
    pub aliases: &'static [&'static str],
    /// What it does, one clause.
    pub about: &'static str,
    /// What one should know to use it: paragraphs of the man page.
    pub details: &'static [&'static str],
    /// Its own options.
    pub options: &'static [OptDoc],
    /// The options that pick sockets, if it takes them.
    pub filters: &'static [OptDoc],
    /// Its columns, in order; only ever appended to.
    pub columns: &'static [Column],
    /// Commands that people run, tested as they stand here.
    pub examples: &'static [Example],
    /// What rights it needs, one sentence.
    pub needs: &'static str,
    /// What a row is, and which NAMEs pick it.
    pub rows: &'static str,
    /// NAMEs of a fixed vocabulary, for completions.
    pub names: &'static [&'static str],
    /// The keys of its screen, if it has one, and what each does.
    pub keys: &'static [(&'static str, &'static str)],
    /// How it differs because it bears the name of an existing tool, if it does.
    pub original: Option<&'static Original>,
    /// Runs it.
    pub run: fn(&mut Call) -> Result<(), Error>,
}

/// A command of a man page.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// What it is good for.
    pub about: &'static str,
    /// The shell's command line.
    pub command: &'static str,
}
