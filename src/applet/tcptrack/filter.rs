//! The filter expression of the command line.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Args;
use crate::capture_filter::{Expression, Names, WrongExpression};
use crate::error::Error;
use crate::source::files::names::{self, Services};
use crate::sys::Kernel;
use crate::sys::packet::interface_index;

/// The filter: all operands, joined by blanks.
///
/// # Errors
/// If it is malformed, or concerns packets where none are read.
pub(super) fn expression(text: &[u8], args: &Args, kernel: &Kernel) -> Result<Expression, Error> {
    let names = EtcNames { kernel, services: OnceCell::new() };
    let wrong = |wrong: &WrongExpression| Error::usage("filter", wrong);
    let mut expression = Expression::parse(text, &names)
        .map_err(|error| meant_other(text, args).unwrap_or_else(|| wrong(&error)))?;
    if args.interface.is_some() {
        let bound = expression.bind(interface_index);
        bound.map_err(|(name, error)| Error::system(name, error))?;
    } else if let Some(of_packets) = expression.of_packets().filter(|_| args.file.is_none()) {
        return Err(wrong(of_packets));
    }
    Ok(expression)
}

/// The error for an expression that begins with an interface, as `tcptrack eth0`, or with a file.
fn meant_other(text: &[u8], args: &Args) -> Option<Error> {
    let word = text.split(|byte| *byte == b' ').next()?;
    if args.file.is_none() && crate::sys::is_regular(Path::new(OsStr::from_bytes(word))) {
        let name = crate::error::visible(word);
        let reason = "not a part of a filter; to read the file";
        let reason =
            format!("{reason}: -T {name} for a capture, --from {name} for rows of tcptrack");
        return Some(Error::usage(word, reason));
    }
    interface_index(word).ok()?;
    let name = crate::error::visible(word);
    let reason = format!("not a part of a filter; to capture on this interface: -i {name}");
    Some(Error::usage(word, reason))
}

/// The names of /etc.
struct EtcNames<'a> {
    kernel: &'a Kernel,
    services: OnceCell<Services>,
}

impl Names for EtcNames<'_> {
    fn port(&self, name: &[u8]) -> Option<u16> {
        let read = || Services::read(self.kernel).unwrap_or_default();
        self.services.get_or_init(read).port(std::str::from_utf8(name).ok()?, "tcp")
    }

    fn listed(&self, file: &'static str, name: &[u8]) -> Vec<Vec<u8>> {
        names::listed(self.kernel, file, name)
    }
}
