//! The files of `--from`.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::error::Error;
use crate::sys;

/// The name of standard input in messages.
pub(in crate::source) const STDIN: &[u8] = b"standard input";

/// A saved file and its name, opened unless `file` has it.
pub(super) fn open_saved<'a>(
    path: &'a Path,
    file: &'a mut Option<OwnedFd>,
) -> Result<(&'a [u8], BorrowedFd<'a>), Error> {
    let name = path.as_os_str().as_bytes();
    if name == b"-" {
        return Ok((STDIN, sys::stdin()));
    }
    let file: &OwnedFd = match file {
        Some(file) => file,
        None => file.insert(sys::open_input(path).map_err(|error| Error::system(name, error))?),
    };
    Ok((name, file.as_fd()))
}
