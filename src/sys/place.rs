//! Where a path leads.
//!
//! The kernel protects those who follow other users' links (`fs.protected_symlinks`, fs/namei.c
//! `may_follow_link`), but not on every machine, and not a program that reads links itself, as one must that
//! renames over what a link names. So every part of a path is opened and checked here before it is followed.

use std::ffi::{CString, OsString};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FileType, Mode, OFlags, Stat};
use rustix::io::Errno;

use crate::error::Error;

/// Why a path is not used.
#[derive(Debug, PartialEq, Eq)]
pub enum PathError {
    /// The system's reason.
    System(Errno),
    /// A reason of ours, and the cure.
    Ours(&'static str),
}

impl PathError {
    /// The error about `path`.
    pub fn at(self, path: impl AsRef<[u8]>) -> Error {
        match self {
            PathError::System(Errno::PIPE) => Error::ClosedPipe,
            PathError::System(error) => Error::system(path, error),
            PathError::Ours(reason) => Error::failed(path, reason),
        }
    }
}

impl From<Errno> for PathError {
    fn from(error: Errno) -> PathError {
        PathError::System(error)
    }
}

const FOREIGN_LINK: PathError = PathError::Ours(
    "leads through another user's link in a directory that others may write; name the file itself",
);
const FOREIGN_FILE: PathError = PathError::Ours(
    "belongs to another user in a directory that others may write; write elsewhere",
);
const OTHER_NAMES: PathError = PathError::Ours(
    "has other names, and is in a directory that others may write; write elsewhere",
);
const NO_READER: PathError = PathError::Ours("no process reads this pipe");
const REPLACED: PathError = PathError::Ours("was replaced while it was opened; try again");

/// The end of a path.
#[derive(Debug)]
pub(super) enum Place {
    /// A directory.
    Directory(OwnedFd),
    /// A descriptor of this process, such as /dev/stdout: open already, perhaps for appending.
    Descriptor(i32),
    /// What only the kernel can follow: a link in /proc to a file that may have no name.
    Magic(Spot),
    /// A name, and what has it.
    Name(Spot, Option<Entry>),
}

/// A name in a directory.
#[derive(Debug)]
pub(super) struct Spot {
    pub(super) directory: OwnedFd,
    pub(super) name: CString,
}

fn shared_by(directory: &OwnedFd) -> Result<Option<u32>, Errno> {
    const STICKY: u32 = 0o1000;
    const OTHERS: u32 = 0o022;
    let directory = rustix::fs::fstat(directory)?;
    let mode = directory.st_mode;
    Ok((mode & STICKY != 0 && mode & OTHERS != 0).then_some(directory.st_uid))
}

/// Whether what is `there` in a directory is what another user has put into a shared one.
pub(super) fn is_foreign(directory: &OwnedFd, there: &Stat) -> Result<bool, Errno> {
    /// Stands for all users without a number in this user namespace.
    const NO_USER: u32 = 65534;
    let owner = there.st_uid;
    Ok(shared_by(directory)?.is_some_and(|host| {
        owner != rustix::process::geteuid().as_raw() && (owner != host || owner == NO_USER)
    }))
}

/// What has a name: open without any right but to look at it, and its properties.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) fd: OwnedFd,
    pub(super) stat: Stat,
}

impl Entry {
    pub(super) fn is(&self, kind: FileType) -> bool {
        FileType::from_raw_mode(self.stat.st_mode) == kind
    }
}

const LOOK: OFlags = OFlags::PATH.union(OFlags::CLOEXEC);

impl Spot {
    /// What has this name now. A link is not followed.
    pub(super) fn look(&self) -> Result<Option<Entry>, Errno> {
        match self.open(LOOK | OFlags::NOFOLLOW) {
            Ok(fd) => rustix::fs::fstat(&fd).map(|stat| Some(Entry { fd, stat })),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn open(&self, flags: OFlags) -> Result<OwnedFd, Errno> {
        rustix::fs::openat(&self.directory, self.name.as_c_str(), flags, Mode::empty())
    }

    /// Whether others may write in the directory but not remove what is not theirs, as in /tmp: another
    /// user may then have put anything here. The result is the directory's owner.
    pub(super) fn shared_by(&self) -> Result<Option<u32>, Errno> {
        shared_by(&self.directory)
    }

    /// Whether `there` is what another user has put into a shared directory.
    fn is_foreign(&self, there: &Entry) -> Result<bool, Errno> {
        is_foreign(&self.directory, &there.stat)
    }

    /// Opens `there` to write it in place, without waiting for ever.
    fn open_there(&self, there: &Entry, flags: OFlags) -> Result<OwnedFd, PathError> {
        if self.is_foreign(there)? {
            return Err(FOREIGN_FILE);
        }
        let fd = self.open(flags | WRITE | OFlags::NOFOLLOW)?;
        let stat = rustix::fs::fstat(&fd)?;
        let is_same = (stat.st_dev, stat.st_ino) == (there.stat.st_dev, there.stat.st_ino);
        if is_same { Ok(fd) } else { Err(REPLACED) }
    }

    /// Opens a file that is not a regular one, to write it in place. A pipe may get its reader a little later.
    pub(super) fn open_special(&self, there: &Entry) -> Result<OwnedFd, PathError> {
        const PATIENCE: Duration = Duration::from_secs(5);
        const PAUSE: Duration = Duration::from_millis(10);
        let end = super::monotonic() + PATIENCE;
        loop {
            match self.open_there(there, OFlags::empty()) {
                Err(PathError::System(Errno::NXIO)) if there.is(FileType::Fifo) => {}
                result => return result,
            }
            if super::monotonic() >= end {
                return Err(NO_READER);
            }
            super::sleep_until(super::monotonic() + PAUSE);
        }
    }

    /// Opens what a magic link leads to.
    pub(super) fn open_magic(&self) -> Result<OwnedFd, Errno> {
        self.open(WRITE | OFlags::APPEND)
    }
}

/// A pipe that nobody reads must not block, and a terminal must not become ours.
const WRITE: OFlags =
    OFlags::WRONLY.union(OFlags::CLOEXEC).union(OFlags::NONBLOCK).union(OFlags::NOCTTY);

/// Follows a path.
///
/// # Errors
/// If a link belongs to another user and stands where others may write; otherwise the system's.
pub(super) fn find(path: &Path) -> Result<Place, PathError> {
    walk(path, &mut |_, _| Ok(()))
}

/// The same, if `judge` accepts each directory on the way, and those in which a link stands (then with `true`).
#[inline(never)]
pub(super) fn walk(
    path: &Path,
    judge: &mut dyn FnMut(&OwnedFd, bool) -> Result<(), PathError>,
) -> Result<Place, PathError> {
    const MOST_LINKS: usize = 40;
    let mut links = 0;
    // The parts that are left, the next one last.
    let mut parts = Vec::new();
    let mut directory = start(path.as_os_str().as_bytes(), &mut parts, None)?;
    judge(&directory, false)?;
    while let Some(name) = parts.pop() {
        if name.is_empty() || name == b"." {
            continue;
        }
        let is_last = parts.is_empty();
        if let (true, Some(number)) = (is_last, descriptor(&directory, &name)) {
            return Ok(Place::Descriptor(number));
        }
        let spot = Spot { directory, name: c_string(name)? };
        // Directories first, and as such: only then does the kernel mount what is mounted on demand.
        match spot.open(LOOK | OFlags::NOFOLLOW | OFlags::DIRECTORY) {
            Ok(fd) => {
                directory = fd;
                judge(&directory, false)?;
                continue;
            }
            Err(Errno::NOTDIR | Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let there = match spot.look()? {
            None if is_last => return Ok(Place::Name(spot, None)),
            None => return Err(Errno::NOENT.into()),
            Some(there) => there,
        };
        if there.is(FileType::Symlink) {
            links += 1;
            if links > MOST_LINKS {
                return Err(Errno::LOOP.into());
            }
            if spot.is_foreign(&there)? {
                return Err(FOREIGN_LINK);
            }
            judge(&spot.directory, true)?;
            let is_magic = rustix::fs::fstatfs(&there.fd)?.f_type == rustix::fs::PROC_SUPER_MAGIC;
            directory = match (is_magic, is_last) {
                (true, true) => return Ok(Place::Magic(spot)),
                (true, false) => spot.open(LOOK)?,
                (false, _) => {
                    let link = rustix::fs::readlinkat(&there.fd, c"", Vec::new())?;
                    start(link.as_bytes(), &mut parts, Some(spot.directory))?
                }
            };
            judge(&directory, false)?;
        } else if is_last {
            return Ok(Place::Name(spot, Some(there)));
        } else {
            return Err(Errno::NOTDIR.into());
        }
    }
    Ok(Place::Directory(directory))
}

/// Adds the parts of `path` to those that are left, and gives the directory in which the first one stands:
/// `here` if the path is relative.
fn start(path: &[u8], parts: &mut Vec<Vec<u8>>, here: Option<OwnedFd>) -> Result<OwnedFd, Errno> {
    if path.is_empty() {
        return Err(Errno::NOENT);
    }
    parts.extend(path.rsplit(|byte| *byte == b'/').map(<[u8]>::to_vec));
    match here {
        Some(here) if !path.starts_with(b"/") => Ok(here),
        _ => {
            let start = if path.starts_with(b"/") { c"/" } else { c"." };
            rustix::fs::open(start, LOOK | OFlags::DIRECTORY, Mode::empty())
        }
    }
}

/// The number of the descriptor with this name, if `directory` lists those of this process.
fn descriptor(directory: &OwnedFd, name: &[u8]) -> Option<i32> {
    let number = std::str::from_utf8(name).ok()?.parse().ok()?;
    let here = rustix::fs::fstat(directory).ok()?;
    let own = rustix::fs::stat(c"/proc/self/fd").ok()?;
    ((here.st_dev, here.st_ino) == (own.st_dev, own.st_ino)).then_some(number)
}

/// The path by which the kernel gives an open file.
pub(super) fn path_of(fd: &OwnedFd) -> Result<CString, Errno> {
    path_of_number(fd.as_raw_fd())
}

/// The path of an open file without links.
pub(super) fn path_of_open(fd: &OwnedFd) -> Option<PathBuf> {
    let path = rustix::fs::readlink(path_of(fd).ok()?.as_c_str(), Vec::new()).ok()?;
    Some(OsString::from_vec(path.into_bytes()).into())
}

fn path_of_number(number: i32) -> Result<CString, Errno> {
    c_string(format!("/proc/self/fd/{number}"))
}

/// A text as the kernel takes it.
pub(super) fn c_string(text: impl Into<Vec<u8>>) -> Result<CString, Errno> {
    CString::new(text.into()).map_err(|_| Errno::INVAL)
}

/// Opens a directory to make links in it, and gives its path without links.
///
/// # Errors
/// As for any path that is written.
pub fn directory(path: &Path) -> Result<(OwnedFd, PathBuf), PathError> {
    let fd = match find(path)? {
        Place::Directory(fd) => fd,
        Place::Magic(spot) => spot.open(LOOK | OFlags::DIRECTORY)?,
        Place::Descriptor(_) | Place::Name(_, Some(_)) => return Err(Errno::NOTDIR.into()),
        Place::Name(_, None) => return Err(Errno::NOENT.into()),
    };
    let path = path_of_open(&fd).ok_or(Errno::NOENT)?;
    Ok((fd, path))
}

/// Opens a file to append to, which only its user and group may read.
///
/// # Errors
/// Also if another user has put it into a directory that others may write.
pub fn append_to(path: &Path) -> Result<OwnedFd, PathError> {
    match find(path)? {
        Place::Directory(_) => Err(Errno::ISDIR.into()),
        // Its own flags: another process may share those of the descriptor.
        Place::Descriptor(number) => {
            let path = path_of_number(number)?;
            Ok(rustix::fs::open(path.as_c_str(), WRITE | OFlags::APPEND, Mode::empty())?)
        }
        Place::Magic(spot) => Ok(spot.open_magic()?),
        Place::Name(spot, Some(there)) => {
            // A second name may be that of a file elsewhere.
            let has_others = there.is(FileType::RegularFile) && there.stat.st_nlink > 1;
            if has_others && spot.shared_by()?.is_some() {
                return Err(OTHER_NAMES);
            }
            spot.open_there(&there, OFlags::APPEND)
        }
        Place::Name(Spot { directory, name }, None) => {
            let flags = WRITE | OFlags::APPEND | OFlags::CREATE | OFlags::EXCL;
            let mode = Mode::from_raw_mode(0o640);
            match rustix::fs::openat(directory, name.as_c_str(), flags, mode) {
                Err(Errno::EXIST) => Err(REPLACED),
                result => Ok(result?),
            }
        }
    }
}
