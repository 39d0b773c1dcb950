//! The options of `connbox --textfile` itself.

use std::ffi::OsString;
use std::time::Duration;

use lexopt::Arg;

use super::fault;
use crate::cli::{lexopt_error, seconds};
use crate::error::Error;

/// The command line, up to the first applet.
#[derive(Default)]
pub(super) struct Head {
    pub(super) interval: Option<Duration>,
    pub(super) accepts_gaps: bool,
    pub(super) file: OsString,
    /// The applets and their options.
    pub(super) words: Vec<OsString>,
}

/// Reads the options on either side of the file; those behind an applet's name are the applet's.
pub(super) fn head(operands: &[OsString]) -> Result<Head, Error> {
    let (mut head, mut has_file) = (Head::default(), false);
    let mut parser = lexopt::Parser::from_args(operands);
    while let Some(argument) = parser.next().map_err(lexopt_error)? {
        let option = match argument {
            Arg::Value(file) if !has_file => {
                (head.file, has_file) = (file, true);
                continue;
            }
            Arg::Value(applet) => {
                head.words.push(applet);
                head.words.extend(parser.raw_args().map_err(lexopt_error)?);
                break;
            }
            Arg::Short('h') | Arg::Long("help") => return Err(Error::Help),
            Arg::Long("quiet-gaps") => {
                head.accepts_gaps = true;
                continue;
            }
            Arg::Long("interval") => {
                let value = parser.value().map_err(lexopt_error)?;
                let fault = |reason| Error::usage("--interval", reason);
                head.interval = Some(seconds(&value).map_err(fault)?);
                continue;
            }
            Arg::Short(letter) => format!("-{letter}"),
            Arg::Long(word) => ["--", word].concat(),
        };
        return Err(Error::usage(option, OPTIONS));
    }
    if has_file { Ok(head) } else { Err(fault("needs a file")) }
}

/// Why another option is wrong.
const OPTIONS: &str = "--textfile itself takes only --interval SECONDS and --quiet-gaps; \
                       the options of an applet stand behind its name";
