//! Files that are read, and all that is read from and written to a descriptor.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;

use super::PathError;
use super::place::c_string;

/// Opens a file for reading, without waiting if it is a pipe that nobody writes.
pub fn open(path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::empty())
}

/// Opens a file that the user names to be read, with the user's own rights; if it is a pipe, waits until someone
/// writes it.
pub fn open_input(path: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    let _caller = super::caller::become_caller()?;
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOCTTY, Mode::empty())
}

/// The same if it is a file on a disk. Nothing else is opened: a pipe can be read only once.
pub fn open_input_file(path: &Path) -> Option<OwnedFd> {
    let _caller = super::caller::become_caller().ok()?;
    let stat = rustix::fs::stat(path).ok()?;
    let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
    is_file.then(|| open(path).ok())?
}

/// Whether a path that the user names is a directory, as far as the user may see it.
pub fn is_directory(path: &Path) -> bool {
    is_of(path, FileType::Directory)
}

/// The same for a regular file.
pub fn is_regular(path: &Path) -> bool {
    is_of(path, FileType::RegularFile)
}

fn is_of(path: &Path, kind: FileType) -> bool {
    let Ok(_caller) = super::caller::become_caller() else { return false };
    rustix::fs::stat(path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == kind)
}

/// The entries of a directory, in any order; none if it does not exist.
pub fn entries(directory: &Path) -> Result<Vec<PathBuf>, Errno> {
    let directory_fd = match open(directory) {
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(Vec::new()),
        directory => directory?,
    };
    let mut entries = Vec::new();
    for entry in rustix::fs::Dir::new(directory_fd)? {
        match entry?.file_name().to_bytes() {
            b"." | b".." => {}
            name => entries.push(directory.join(OsString::from_vec(name.to_vec()))),
        }
    }
    Ok(entries)
}

/// Opens a regular file for reading. Nothing else is opened: a pipe would be waited for, and a device may act.
pub fn open_file(path: &Path) -> Result<OwnedFd, PathError> {
    let path = c_string(path.as_os_str().as_bytes())?;
    let stat = rustix::fs::stat(path.as_c_str())?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(open(path.as_c_str())?),
        _ => Err(PathError::Ours("is not a regular file")),
    }
}

/// Whether a descriptor refers to a file on a disk, which always accepts what is written.
pub fn is_file(fd: impl AsFd) -> bool {
    rustix::fs::fstat(fd)
        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
}

/// Whether both are open, and are not the same file.
pub fn are_other_files(one: &Option<OwnedFd>, other: &Option<OwnedFd>) -> bool {
    let file = |fd: &Option<OwnedFd>| {
        let stat = rustix::fs::fstat(fd.as_ref()?).ok()?;
        Some((stat.st_dev, stat.st_ino))
    };
    file(one).zip(file(other)).is_some_and(|(one, other)| one != other)
}

/// The size of a file on a disk; 0 for everything else.
pub fn file_size(fd: impl AsFd) -> u64 {
    let stat = rustix::fs::fstat(fd).ok();
    let stat = stat.filter(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile);
    stat.map_or(0, |stat| u64::try_from(stat.st_size).unwrap_or_default())
}

/// Writes all of `bytes`, however many calls that takes.
pub fn write_all(fd: impl AsFd, mut bytes: &[u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match rustix::io::write(&fd, bytes) {
            Ok(0) => return Err(Errno::IO),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => wait_writable(fd.as_fd())?,
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until a descriptor that another process made non-blocking accepts more.
fn wait_writable(fd: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut poll = [rustix::event::PollFd::new(&fd, rustix::event::PollFlags::OUT)];
    rustix::io::retry_on_intr(|| rustix::event::poll(&mut poll, None)).map(|_| ())
}

/// Reads once into the free room of `buffer` and returns the number of bytes, 0 at the end.
pub fn read(fd: impl AsFd, buffer: &mut Vec<u8>) -> Result<usize, Errno> {
    rustix::io::retry_on_intr(|| rustix::io::read(&fd, rustix::buffer::spare_capacity(buffer)))
}

/// The same from a place of a file on a disk, whatever was read of it.
pub fn read_at(fd: impl AsFd, buffer: &mut Vec<u8>, offset: u64) -> Result<usize, Errno> {
    rustix::io::retry_on_intr(|| {
        rustix::io::pread(&fd, rustix::buffer::spare_capacity(buffer), offset)
    })
}

/// Reads all of a file.
///
/// # Errors
/// `FBIG` if it is longer than `most` bytes; otherwise the system's.
pub fn read_all(fd: impl AsFd, most: usize) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::with_capacity(4096);
    while read(&fd, &mut bytes)? > 0 {
        if bytes.len() > most {
            return Err(Errno::FBIG);
        }
        bytes.reserve(4096);
    }
    Ok(bytes)
}

/// Whether `path` leads to the file of the running program.
pub(super) fn is_us(directory: impl AsFd, path: impl rustix::path::Arg) -> Result<bool, Errno> {
    let own = rustix::fs::stat(c"/proc/self/exe")?;
    let there = rustix::fs::statat(directory, path, AtFlags::empty());
    Ok(there.is_ok_and(|there| (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)))
}

/// The first program on the search path that is called `name` and is not a connbox: neither this one nor another
/// version.
pub fn other_program(name: &str) -> Option<PathBuf> {
    let path = super::environment("PATH")?;
    std::env::split_paths(&path).map(|directory| directory.join(name)).find(|file| {
        let is_program = file.is_file() && rustix::fs::access(file, Access::EXEC_OK).is_ok();
        let is_connbox = || {
            let file = std::fs::canonicalize(file).unwrap_or_default();
            file.file_name().is_some_and(|name| name.as_bytes().starts_with(b"connbox"))
        };
        is_program && !is_us(CWD, file).unwrap_or_default() && !is_connbox()
    })
}

/// The path of the running program.
///
/// # Errors
/// If /proc is not mounted.
pub fn own_binary() -> Result<PathBuf, Errno> {
    let path = rustix::fs::readlink("/proc/self/exe", Vec::new())?;
    Ok(PathBuf::from(OsString::from_vec(path.into_bytes())))
}
