//! `conntrack -G`: one flow.

use rustix::io::Errno;

use super::args::Args;
use crate::applet::Call;
use crate::error::Error;

/// Shows the flow that the options name.
///
/// # Errors
/// If there is none.
pub fn run(_: &mut Call, _: &Args) -> Result<(), Error> {
    Err(Error::system("--get", Errno::NOSYS))
}
