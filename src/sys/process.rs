//! What /proc shows of processes: their descriptors, names and namespaces.
//!
//! Everything is read relative to the open /proc, and descriptors relative to their process's open
//! directory, so that the kernel does not resolve a path from the root for each of them.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags, RawDir, SeekFrom};
use rustix::io::Errno;

use super::Kernel;
use crate::error::Error;

/// A /proc.
#[derive(Debug)]
pub struct Proc {
    path: PathBuf,
    fd: OwnedFd,
}

/// The open directory of a process's descriptors.
#[derive(Debug)]
pub struct Descriptors {
    fd: OwnedFd,
}

/// The socket behind a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketFile {
    /// Its inode in sockfs.
    pub inode: u64,
    /// The user who created it.
    pub uid: u32,
}

/// A buffer for directory entries, of the size that one getdents call fills.
pub type Entries = [MaybeUninit<u8>; 32 * 1024];

/// An empty buffer for entries.
pub fn entries() -> Box<Entries> {
    Box::new([MaybeUninit::uninit(); 32 * 1024])
}

impl Proc {
    /// Opens the /proc of `kernel`.
    pub fn open(kernel: &Kernel) -> Result<Proc, Error> {
        let path = kernel.root.as_deref().unwrap_or(Path::new("/")).join("proc");
        let fd = rustix::fs::open(&path, DIRECTORY, Mode::empty())
            .map_err(|error| Error::system(path.as_os_str().as_bytes(), error))?;
        Ok(Proc { path, fd })
    }

    /// The IDs of all processes, ascending.
    pub fn pids(&self) -> Result<Vec<u32>, Error> {
        let mut pids = Vec::with_capacity(512);
        let from_start = rustix::fs::seek(&self.fd, SeekFrom::Start(0));
        let read = from_start.and_then(|_| {
            each_entry(&self.fd, &mut entries()[..], |name| {
                pids.extend(number(name.to_bytes()));
                Ok(())
            })
        });
        read.map_err(|error| Error::system(self.path.as_os_str().as_bytes(), error))?;
        pids.sort_unstable();
        Ok(pids)
    }

    /// Opens the directory of a process's descriptors.
    ///
    /// # Errors
    /// `NOENT` for a process that has ended, `ACCES` for another user's.
    pub fn descriptors(&self, pid: u32) -> Result<Descriptors, Errno> {
        let path = format!("{pid}/fd");
        let fd = rustix::fs::openat(&self.fd, path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
        Ok(Descriptors { fd })
    }

    /// The name of a process: bytes of its own choice.
    ///
    /// # Errors
    /// `NOENT` or `SRCH` if it has ended.
    pub fn name(&self, pid: u32) -> Result<Vec<u8>, Errno> {
        name(&self.fd, &format!("{pid}/comm"))
    }

    /// The file `name` of a process.
    pub fn file(&self, pid: u32, name: &str) -> Result<Vec<u8>, Errno> {
        read_at(&self.fd, &format!("{pid}/{name}"), MOST_BYTES)
    }

    /// A file of this process.
    pub fn own_file(&self, name: &str) -> Result<Vec<u8>, Errno> {
        read_at(&self.fd, &format!("self/{name}"), MOST_BYTES)
    }

    /// The inode of a process's network namespace.
    pub fn network_namespace(&self, pid: u32) -> Result<u64, Errno> {
        // Not stat(2), which would make the kernel create an inode for each namespace.
        let path = format!("{pid}/ns/net");
        let link = rustix::fs::readlinkat(&self.fd, path, Vec::with_capacity(32))?;
        let digits =
            link.as_bytes().strip_prefix(b"net:[").and_then(|rest| rest.strip_suffix(b"]"));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| digits.parse().ok()).ok_or(Errno::INVAL)
    }

    /// The inode of our own network namespace.
    ///
    /// # Errors
    /// If this /proc does not show it.
    pub fn own_network_namespace(&self) -> Result<u64, Error> {
        rustix::fs::statat(&self.fd, "thread-self/ns/net", rustix::fs::AtFlags::empty())
            .map(|stat| stat.st_ino)
            .map_err(|error| Error::system("/proc/thread-self/ns/net", error))
    }

    /// The socket behind a descriptor; `None` if it is not a socket or is closed. The descriptor is not
    /// opened: the kernel would refuse that.
    pub fn socket(&self, pid: u32, fd: u32) -> Option<SocketFile> {
        let path = format!("{pid}/fd/{fd}");
        let stat = rustix::fs::statat(&self.fd, path, rustix::fs::AtFlags::empty()).ok()?;
        let is_socket = FileType::from_raw_mode(stat.st_mode) == FileType::Socket;
        is_socket.then_some(SocketFile { inode: stat.st_ino, uid: stat.st_uid })
    }

    /// Whether the kernel calls the protocol of the socket behind a descriptor by one of `names`
    /// (net/socket.c, `system.sockprotoname`).
    pub fn is_protocol(&self, pid: u32, fd: u32, names: &[&[u8]]) -> bool {
        let path = self.path.join(format!("{pid}/fd/{fd}"));
        let mut room = [MaybeUninit::uninit(); 64];
        match rustix::fs::getxattr(&path, c"system.sockprotoname", &mut room) {
            Ok((value, _)) => names.contains(&value.strip_suffix(b"\0").unwrap_or(value)),
            Err(_) => false,
        }
    }
}

impl Descriptors {
    /// The name of the process, empty if it has ended: never the name of another process, even if the ID is
    /// reused.
    pub fn process_name(&self) -> Vec<u8> {
        name(&self.fd, "../comm").unwrap_or_default()
    }

    /// Calls `begin` if the process has a descriptor, and then, if `begin` returns true, `each` with every
    /// descriptor and the text of its link.
    pub fn links(
        &self,
        entries: &mut Entries,
        begin: impl FnOnce() -> bool,
        mut each: impl FnMut(u32, &[u8]),
    ) -> Result<(), Errno> {
        let mut begin = Some(begin);
        let mut is_wanted = true;
        each_entry(&self.fd, entries, |name| {
            let Some(fd) = number(name.to_bytes()) else { return Ok(()) };
            if let Some(begin) = begin.take() {
                is_wanted = begin();
            }
            if !is_wanted {
                return Ok(());
            }
            // The link text of a socket fits; a longer one is cut and does not matter.
            let mut room = [MaybeUninit::uninit(); 32];
            match rustix::fs::readlinkat_raw(&self.fd, name, &mut room) {
                Ok((link, _)) => each(fd, link),
                Err(Errno::NOENT | Errno::SRCH | Errno::INVAL) => {}
                Err(error) => return Err(error),
            }
            Ok(())
        })
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

fn each_entry(
    directory: &OwnedFd,
    room: &mut [MaybeUninit<u8>],
    mut each: impl FnMut(&CStr) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut entries = RawDir::new(directory, room);
    while let Some(entry) = entries.next() {
        each(entry?.file_name())?;
    }
    Ok(())
}

/// The number in a name of digits.
fn number(name: &[u8]) -> Option<u32> {
    let digit = |number: u32, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    (!name.is_empty()).then(|| name.iter().try_fold(0, digit)).flatten()
}

fn name(directory: impl AsFd, path: &str) -> Result<Vec<u8>, Errno> {
    let mut text = read_at(directory, path, 64)?;
    text.truncate(text.len() - usize::from(text.ends_with(b"\n")));
    Ok(text)
}

/// The most bytes read from a file: a thousand times the usual size.
const MOST_BYTES: usize = 16 * 1024 * 1024;

/// The first bytes, at most `most`, of a file.
fn read_at(directory: impl AsFd, path: &str, most: usize) -> Result<Vec<u8>, Errno> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = rustix::fs::openat(directory, path, flags, Mode::empty())?;
    let mut text = Vec::with_capacity(most.min(4096));
    while text.len() < most && super::read(&fd, &mut text)? > 0 {
        text.reserve(1);
    }
    text.truncate(most);
    Ok(text)
}

/// Opens a directory, below `parent` if there is one, and gives its device and inode. A symbolic
/// link is not followed.
pub fn open_directory(parent: Option<&OwnedFd>, path: &[u8]) -> Result<(OwnedFd, u64, u64), Errno> {
    let parent = parent.map_or(rustix::fs::CWD, AsFd::as_fd);
    let fd = rustix::fs::openat(parent, path, DIRECTORY | OFlags::NOFOLLOW, Mode::empty())?;
    let stat = rustix::fs::fstat(&fd)?;
    Ok((fd, stat.st_dev, stat.st_ino))
}

/// The names of the directories in a directory.
pub fn directories(directory: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    let mut room = entries();
    let mut entries = RawDir::new(directory, &mut room[..]);
    while let Some(entry) = entries.next() {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if entry.file_type() == FileType::Directory && name != b"." && name != b".." {
            names.push(name.to_vec());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_digits_are_a_number() {
        assert_eq!(number(b"0"), Some(0));
        assert_eq!(number(b"4294967295"), Some(u32::MAX));
        for name in [&b""[..], b"4294967296", b"self", b"-1", b"+1", b"1a", b"1 "] {
            assert_eq!(number(name), None);
        }
    }

    #[test]
    fn our_own_socket_is_found_and_its_protocol_known() {
        let proc = Proc::open(&Kernel::default()).unwrap();
        let own = std::process::id();
        // However often they are read.
        assert!(proc.pids().unwrap().contains(&own));
        assert!(proc.pids().unwrap().contains(&own));
        assert!(!proc.name(own).unwrap().is_empty());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let wanted = u32::try_from(std::os::fd::AsRawFd::as_raw_fd(&listener)).unwrap();
        let mut links = Vec::new();
        let descriptors = proc.descriptors(own).unwrap();
        assert_eq!(Ok(descriptors.process_name()), proc.name(own));
        descriptors
            .links(&mut entries(), || true, |fd, link| links.push((fd, link.to_vec())))
            .unwrap();
        let socket = proc.socket(own, wanted).unwrap();
        let link = format!("socket:[{}]", socket.inode).into_bytes();
        assert!(links.contains(&(wanted, link)), "{links:?}");
        assert!(proc.is_protocol(own, wanted, &[b"UDP", b"TCP"]));
        assert!(!proc.is_protocol(own, wanted, &[b"UDP", b"TC", b"TCPv6"]));
    }
}
