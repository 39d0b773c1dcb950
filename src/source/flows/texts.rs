//! What saved texts of flows and of expectations have in common: how their lines are read, and whether all are there.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::Error;
use crate::source::files::lines::{Lines, Place};
use crate::source::files::procfs::STDIN;
use crate::sys;

/// Calls `each` with the whole lines of a saved text; gives its name, and the error for a last line that is cut.
///
/// # Errors
/// If the text cannot be read, or `each` fails.
pub(super) fn each_line<'a>(
    lines: &mut Lines,
    path: &'a Path,
    each: impl FnMut(Place<'_>, &[u8]) -> Result<(), Error>,
) -> Result<(&'a [u8], Option<Error>), Error> {
    match path.as_os_str().as_bytes() {
        b"-" => Ok((STDIN, lines.each_whole(sys::stdin(), STDIN, each)?)),
        name => {
            let file = sys::open_input(path).map_err(|error| Error::system(name, error))?;
            Ok((name, lines.each_whole(file.as_fd(), name, each)?))
        }
    }
}

/// How many flows or expectations a text shows, and how many the tool said that it had printed.
#[derive(Debug, Default)]
pub(super) struct Shown {
    pub(super) number: u64,
    said: Option<u64>,
    /// Whether there was a header of connbox, which comes without rows where there are none.
    has_header: bool,
}

impl Shown {
    /// Takes what the tool said.
    pub(super) fn say(&mut self, count: u64) {
        self.said = Some(self.said.unwrap_or(0).saturating_add(count));
    }

    /// Takes a header of connbox.
    pub(super) fn begin(&mut self) {
        self.has_header = true;
    }

    /// Why there may be more of them; `none` is for a text without any.
    pub(super) fn doubt(&self, name: &[u8], what: &str, none: &str) -> Option<Error> {
        let number = self.number;
        match self.said {
            Some(said) if said != number => {
                let reason =
                    format!("holds {number} {what}, but the tool said that it printed {said}");
                Some(Error::failed(name, reason))
            }
            None if number == 0 && !self.has_header => Some(Error::failed(name, none)),
            _ => None,
        }
    }
}
