//! Runs the applets: the definition of an applet, one run of it, its table, and its messages.

mod call;
mod ending;
mod report;
mod table;

pub use call::Call;
pub(crate) use call::{TOP_NAMESPACES, next_moment};
pub(crate) use ending::Ending;
pub use report::{Report, Say};
pub use table::{InTwoSteps, MEANING, SCOPE, SOURCE, Sample, Table};

use crate::cli::{OptDoc, Original};
use crate::error::Error;
use crate::out::Column;

/// One applet: everything that dispatch, help, man pages, completions and tests know about it.
#[derive(Debug)]
pub struct Applet {
    /// Its name, which is also a command if a link has this name.
    pub name: &'static str,
    pub aliases: &'static [&'static str],
    /// What it does, one clause.
    pub about: &'static str,
    /// Paragraphs of the man page: what the user should know.
    pub details: &'static [&'static str],
    pub options: &'static [&'static OptDoc],
    /// The options that pick sockets, if it takes them.
    pub filters: &'static [&'static OptDoc],
    /// Its columns, in order; new ones are only ever added at the end.
    pub columns: &'static [Column],
    /// Commands that people run; tests run them exactly as written here.
    pub examples: &'static [Example],
    /// What it reads, files and sockets of the kernel, and what for.
    pub files: &'static [(&'static str, &'static str)],
    /// Paragraphs of the man page on its limits.
    pub bugs: &'static [&'static str],
    /// What privileges it needs, one sentence.
    pub needs: &'static str,
    /// What a row is, and which NAMEs select it.
    pub rows: &'static str,
    /// NAMEs of a fixed vocabulary, for completions.
    pub names: &'static [&'static str],
    /// The keys of its screen, if it has one, and what each does.
    pub keyboard: &'static [(&'static str, &'static str)],
    /// How it differs, if it has the name of an existing tool.
    pub original: Option<&'static Original>,
    pub run: fn(&mut Call) -> Result<(), Error>,
}

/// A command of a man page.
#[derive(Clone, Copy, Debug)]
pub struct Example {
    /// What the command is for.
    pub about: &'static str,
    pub command: &'static str,
}
