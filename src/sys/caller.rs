//! Rights that the program has from its file, and its caller has not: set-user-ID, set-group-ID, capabilities.

use rustix::io::Errno;
use rustix::process::{getgid, getuid};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use crate::error::Error;

/// Whether this process has such rights (`AT_SECURE` in getauxval(3)).
fn has_borrowed_rights() -> bool {
    // SAFETY: getauxval only reads what the kernel gave to the process.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// Refuses `what` to a caller who has fewer rights than this process.
pub fn refuse_borrowed_rights(what: impl AsRef<[u8]>) -> Result<(), Error> {
    const WHY: &str = "refused: set-user-ID, set-group-ID or capabilities give this program more rights than you have";
    if has_borrowed_rights() { Err(Error::failed(what, WHY)) } else { Ok(()) }
}

/// The rights that this thread gets back when the value is dropped.
pub(super) struct Borrowed {
    before: CapabilitySets,
    ids: [libc::c_int; 2],
}

/// Lets this thread open files with the caller's rights only. `None` where it has no others.
///
/// # Errors
/// If the rights cannot be given up.
pub(super) fn become_caller() -> Result<Option<Borrowed>, Errno> {
    if !has_borrowed_rights() {
        return Ok(None);
    }
    let before = capabilities(None)?;
    // SAFETY: both calls take a number and change the IDs with which this thread opens files; they return the old one.
    let ids = unsafe { [libc::setfsgid(getgid().as_raw()), libc::setfsuid(getuid().as_raw())] };
    let borrowed = Borrowed { before, ids };
    set_capabilities(None, CapabilitySets { effective: CapabilitySet::empty(), ..before })?;
    Ok(Some(borrowed))
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let Borrowed { before, ids: [group, user] } = self;
        // SAFETY: as in `become_caller`; the old IDs are those of this process.
        unsafe {
            libc::setfsuid((*user).cast_unsigned());
            libc::setfsgid((*group).cast_unsigned());
        }
        // Where that fails, less can be seen, which is said.
        let _ = set_capabilities(None, *before);
    }
}
