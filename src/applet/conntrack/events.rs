//! `conntrack -E`: events as they come.

use super::args::Args;
use super::values::Table;
use crate::applet::Call;
use crate::error::Error;

/// Shows events until a signal ends it.
///
/// # Errors
/// If the kernel refuses or writing fails.
pub fn run(_: &mut Call, _: &Args, _: Table) -> Result<(), Error> {
    Err(Error::failed("--event", "is not there yet"))
}
