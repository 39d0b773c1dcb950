//! A file that is written under a temporary name and renamed when complete.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use super::write_all;

/// A file that appears under its name complete or not at all.
#[derive(Debug)]
pub struct AtomicFile {
    fd: OwnedFd,
    target: PathBuf,
    /// The temporary name; `None` for a target that is not a regular file (a pipe, a device): it is written
    /// in place, since renaming over it would destroy it.
    temporary: Option<PathBuf>,
}

impl AtomicFile {
    /// Begins to write `path`. A symbolic link is followed.
    pub fn create(path: &Path) -> Result<AtomicFile, Errno> {
        // The kernel follows its magic links (/dev/stdout) to files without a name.
        let old = rustix::fs::stat(path);
        let kind = old.map(|old| FileType::from_raw_mode(old.st_mode));
        let new = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        if kind.is_ok_and(|kind| kind != FileType::RegularFile) {
            let fd = rustix::fs::open(path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
            return Ok(AtomicFile { fd, target: path.to_path_buf(), temporary: None });
        }
        let target = follow(path)?;
        if let Some(number) = descriptor(&target) {
            let fd = super::duplicate(number)?;
            return Ok(AtomicFile { fd, target, temporary: None });
        }
        let name = target.file_name().ok_or(Errno::ISDIR)?;
        let id = rustix::process::getpid().as_raw_nonzero().to_string();
        let temporary = [b".", name.as_bytes(), b".", id.as_bytes(), b".tmp"].concat();
        let temporary = target.with_file_name(OsString::from_vec(temporary));
        let mode = Mode::from_raw_mode(0o666);
        let fd = rustix::fs::open(&temporary, new, mode).or_else(|error| match error {
            // A killed process with the same ID left it behind.
            Errno::EXIST => rustix::fs::unlink(&temporary)
                .and_then(|()| rustix::fs::open(&temporary, new, mode)),
            error => Err(error),
        })?;
        let file = AtomicFile { fd, target, temporary: Some(temporary) };
        if let Ok(old) = old {
            file.resemble(&old);
        }
        Ok(file)
    }

    /// Takes over the owner and mode of the file that will be replaced, as far as that is allowed: its
    /// readers can then read the new one.
    fn resemble(&self, old: &Stat) {
        let owner = rustix::fs::Uid::from_raw(old.st_uid);
        let group = rustix::fs::Gid::from_raw(old.st_gid);
        if rustix::fs::fchown(&self.fd, Some(owner), Some(group)).is_ok() {
            let _ = rustix::fs::fchmod(&self.fd, Mode::from_raw_mode(old.st_mode & 0o777));
        }
    }

    /// Appends `bytes`.
    pub fn write(&self, bytes: &[u8]) -> Result<(), Errno> {
        write_all(&self.fd, bytes)
    }

    /// Puts the file under its name. The data reaches the disk first: some file systems report a
    /// full disk only then.
    ///
    /// # Errors
    /// The old file then stays as it was.
    pub fn finish(mut self) -> Result<(), Errno> {
        let Some(temporary) = &self.temporary else { return Ok(()) };
        rustix::fs::fsync(&self.fd)?;
        rustix::fs::rename(temporary, &self.target)?;
        self.temporary = None;
        Ok(())
    }
}

/// The descriptor that a path names, as /dev/stdout does through /proc.
fn descriptor(path: &Path) -> Option<i32> {
    let path = path.to_str()?;
    let number = ["/proc/self/fd/", "/dev/fd/"].iter().find_map(|prefix| path.strip_prefix(prefix));
    number?.parse().ok()
}

/// The file that a chain of symbolic links leads to, whether or not it exists yet. A path to a descriptor
/// is not followed: the file is already open, perhaps for appending.
fn follow(path: &Path) -> Result<PathBuf, Errno> {
    const MOST_LINKS: usize = 40;
    let mut target = path.to_path_buf();
    for _ in 0..MOST_LINKS {
        if descriptor(&target).is_some() {
            return Ok(target);
        }
        let Ok(link) = rustix::fs::readlink(&target, Vec::new()) else { return Ok(target) };
        let link = OsString::from_vec(link.into_bytes());
        target = target.parent().unwrap_or(Path::new("")).join(link);
    }
    Err(Errno::LOOP)
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            let _ = rustix::fs::unlink(temporary);
        }
    }
}
