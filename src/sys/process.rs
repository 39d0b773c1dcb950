//! What /proc shows of processes: their descriptors, names and namespaces.
//!
//! Everything is read relative to the open /proc, and descriptors relative to their process's open
//! directory, so that the kernel does not resolve a path from the root for each of them.
//!
//! Every system call goes through `call`, where tests make it fail. `NOENT` and `SRCH` mean that a process has
//! ended, `ACCES` and `PERM` that it may not be read; any other error is a failure of the system.

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir, SeekFrom};
use rustix::io::Errno;

use super::Kernel;
use super::threads::has_same_files;
use crate::error::Error;

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

/// Where the files of one process are.
#[derive(Clone, Copy, Debug)]
pub struct Files<'a> {
    directory: BorrowedFd<'a>,
    /// The process, by its ID in /proc; its files are beside the open directory of its descriptors for `None`.
    pid: Option<u32>,
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

/// Makes a system call, again if a signal interrupts it.
pub(super) fn call<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    rustix::io::retry_on_intr(|| {
        #[cfg(test)]
        faults::next()?;
        call()
    })
}

/// Whether an error means that the process has ended.
pub fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::NOENT | Errno::SRCH)
}

/// Whether an error means that the process may not be read.
pub fn is_refusal(error: Errno) -> bool {
    matches!(error, Errno::ACCESS | Errno::PERM)
}

/// What was read of a process; `None` if it has ended.
pub fn unless_gone<T>(read: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match read {
        Err(error) if is_gone(error) => Ok(None),
        read => read.map(Some),
    }
}

/// The same; `None` also for a refusal.
pub fn readable<T>(read: Result<T, Errno>) -> Result<Option<T>, Errno> {
    match read {
        Err(error) if is_refusal(error) => Ok(None),
        read => unless_gone(read),
    }
}

impl Proc {
    /// The most bytes read from a file: a thousand times the usual size.
    pub const MOST_BYTES: usize = 16 * 1024 * 1024;

    /// Opens the /proc of `kernel`.
    pub fn open(kernel: &Kernel) -> Result<Proc, Error> {
        let path = kernel.path("proc");
        let fd = call(|| rustix::fs::open(&path, DIRECTORY, Mode::empty()))
            .map_err(|error| Error::system(path.as_os_str().as_bytes(), error))?;
        Ok(Proc { path, fd })
    }

    /// Where it is.
    pub fn path(&self) -> std::path::Display<'_> {
        self.path.display()
    }

    /// Whether it is that of the running kernel, in its usual place.
    pub fn is_live(&self) -> bool {
        self.path == Path::new("/proc")
    }

    /// The error of a failed call for `name` in this /proc.
    pub fn error(&self, name: &str, error: Errno) -> Error {
        Error::system(self.path.join(name).as_os_str().as_bytes(), error)
    }

    /// The IDs of all processes, ascending.
    pub fn pids(&self) -> Result<Vec<u32>, Error> {
        let mut pids = Vec::with_capacity(512);
        let from_start = call(|| rustix::fs::seek(&self.fd, SeekFrom::Start(0)));
        let read = from_start.and_then(|_| {
            // A file that bears a number, in a copy of /proc, is not a process.
            each_entry(&self.fd, FileType::Directory, &mut entries()[..], |name| {
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
        let fd = open_at(&self.fd, &format!("{pid}/fd"), DIRECTORY | OFlags::NOFOLLOW)?;
        Ok(Descriptors { fd })
    }

    /// The files of a process.
    pub fn files(&self, pid: u32) -> Files<'_> {
        Files { directory: self.fd.as_fd(), pid: Some(pid) }
    }

    /// Opens the file of a thread's network namespace.
    ///
    /// # Errors
    /// `NOENT` or `SRCH` if it has ended.
    pub(super) fn open_network_namespace(&self, pid: u32) -> Result<OwnedFd, Errno> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        self.files(pid).followed(open_at(&self.fd, &format!("{pid}/ns/net"), flags))
    }

    /// A file of this process.
    pub fn own_file(&self, name: &str) -> Result<Vec<u8>, Errno> {
        read_at(&self.fd, &format!("self/{name}"), Proc::MOST_BYTES)
    }

    /// The text of a link of this process.
    pub fn own_link(&self, name: &str) -> Result<Vec<u8>, Errno> {
        link_at(&self.fd, &format!("self/{name}"))
    }

    /// The IDs of the threads of a process but for its first one: /proc has entries for them, too, which it does not
    /// list.
    pub fn other_threads(&self, pid: u32) -> Result<Vec<u32>, Errno> {
        let path = format!("{pid}/task");
        // The kernel counts two links more than there are threads.
        let links = call(|| rustix::fs::statat(&self.fd, &path, AtFlags::empty()))?.st_nlink;
        let mut threads = Vec::new();
        if links > 3 {
            let fd = open_at(&self.fd, &path, DIRECTORY)?;
            each_entry(&fd, FileType::Directory, &mut entries()[..], |name| {
                threads.extend(number(name.to_bytes()).filter(|thread| *thread != pid));
                Ok(())
            })?;
        }
        Ok(threads)
    }

    /// The IDs of the threads of a process that have a table of descriptors of their own, or may have one where the
    /// kernel does not tell.
    pub fn threads_apart(&self, pid: u32) -> Result<Vec<u32>, Errno> {
        let mut threads = self.other_threads(pid)?;
        if threads.is_empty() {
            return Ok(threads);
        }
        // The /proc of another PID namespace has other IDs; in a copy of one it is no link.
        let own = link_at(&self.fd, "self");
        let own = if own == Err(Errno::INVAL) { None } else { readable(own)? };
        if own.is_some_and(|own| own == std::process::id().to_string().as_bytes()) {
            threads.retain(|thread| call(|| has_same_files(pid, *thread)) != Ok(true));
        }
        Ok(threads)
    }

    /// The device of this file system.
    pub fn device(&self) -> Result<u64, Errno> {
        call(|| rustix::fs::fstat(&self.fd)).map(|stat| stat.st_dev)
    }

    /// The inode of a process's network namespace: that of its first thread, or of another once that has ended.
    pub fn network_namespace(&self, pid: u32) -> Result<u64, Errno> {
        let first = self.network_namespace_of_thread(pid);
        if !first.is_err_and(is_gone) {
            return first;
        }
        let others = self.other_threads(pid)?.into_iter();
        let mut others = others.map(|thread| self.network_namespace_of_thread(thread));
        others.find(|other| !other.is_err_and(is_gone)).unwrap_or(first)
    }

    /// The inode of a thread's network namespace.
    ///
    /// # Errors
    /// `NOENT` for one that has ended, even if it is the first one of a process that lives on.
    pub fn network_namespace_of_thread(&self, pid: u32) -> Result<u64, Errno> {
        // Not stat(2), which would make the kernel create an inode for each namespace.
        let link = self.files(pid).link("ns/net")?;
        let digits = link.strip_prefix(b"net:[").and_then(|rest| rest.strip_suffix(b"]"));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| digits.parse().ok()).ok_or(Errno::INVAL)
    }

    /// The inode of our own network namespace.
    ///
    /// # Errors
    /// If this /proc does not show it.
    pub fn own_network_namespace(&self) -> Result<u64, Error> {
        const PATH: &str = "thread-self/ns/net";
        let stat = call(|| rustix::fs::statat(&self.fd, PATH, AtFlags::empty()));
        stat.map(|stat| stat.st_ino).map_err(|error| self.error(PATH, error))
    }

    /// The socket behind a descriptor; `None` if it is not a socket or is closed. The descriptor is not
    /// opened: the kernel would refuse that.
    pub fn socket(&self, pid: u32, fd: u32) -> Result<Option<SocketFile>, Errno> {
        let path = format!("{pid}/fd/{fd}");
        let stat = call(|| rustix::fs::statat(&self.fd, &path, AtFlags::empty()));
        let stat = unless_gone(self.files(pid).followed(stat))?;
        let Some(stat) = stat else { return Ok(None) };
        let is_socket = FileType::from_raw_mode(stat.st_mode) == FileType::Socket;
        Ok(is_socket.then_some(SocketFile { inode: stat.st_ino, uid: stat.st_uid }))
    }

    /// Whether the kernel calls the protocol of the socket behind a descriptor by one of `names`
    /// (net/socket.c, `system.sockprotoname`); false if it is not a socket or is closed.
    pub fn is_protocol(&self, pid: u32, fd: u32, names: &[&[u8]]) -> Result<bool, Errno> {
        let path = self.path.join(format!("{pid}/fd/{fd}"));
        let mut room = [0; 64];
        let length = call(|| rustix::fs::getxattr(&path, c"system.sockprotoname", &mut room[..]));
        match self.files(pid).followed(length) {
            Ok(length) => {
                let value = room.get(..length).unwrap_or_default();
                Ok(names.contains(&value.strip_suffix(b"\0").unwrap_or(value)))
            }
            // What only sockets have, a file has not.
            Err(Errno::OPNOTSUPP | Errno::NODATA) => Ok(false),
            Err(error) => unless_gone(Err(error)).map(|gone: Option<bool>| gone.unwrap_or(false)),
        }
    }
}

impl Files<'_> {
    fn path(&self, name: &str) -> String {
        match self.pid {
            Some(pid) => format!("{pid}/{name}"),
            None => ["../", name].concat(),
        }
    }

    /// The name of the process, bytes of its own choice: /proc/PID/comm without the line end.
    pub fn name(&self) -> Result<Vec<u8>, Errno> {
        let mut text = self.read("comm", 64)?;
        text.truncate(text.len() - usize::from(text.ends_with(b"\n")));
        Ok(text)
    }

    /// The first bytes, at most `most`, of a file.
    pub fn read(&self, name: &str, most: usize) -> Result<Vec<u8>, Errno> {
        read_at(self.directory, &self.path(name), most)
    }

    /// The text of a link.
    pub fn link(&self, name: &str) -> Result<Vec<u8>, Errno> {
        self.followed(link_at(self.directory, &self.path(name)))
    }

    /// What came of following a link of the process. If it ends in the middle of that, the kernel refuses
    /// (`proc_pid_get_link` in fs/proc/base.c, `proc_ns_get_link` in fs/proc/namespaces.c): but it has ended.
    fn followed<T>(&self, link: Result<T, Errno>) -> Result<T, Errno> {
        if link.as_ref().is_err_and(|error| is_refusal(*error))
            && let Err(error) = self.name()
            && !is_refusal(error)
        {
            return Err(error);
        }
        link
    }
}

impl Descriptors {
    /// The files of the process: never those of another one, even if the ID is reused.
    pub fn files(&self) -> Files<'_> {
        Files { directory: self.fd.as_fd(), pid: None }
    }

    /// Calls `begin` if the process has a descriptor, and then, if `begin` returns true, `each` with every
    /// descriptor and the text of its link. Returns whether the process has a descriptor.
    pub fn links(
        &self,
        entries: &mut Entries,
        begin: impl FnOnce() -> Result<bool, Errno>,
        mut each: impl FnMut(u32, &[u8]),
    ) -> Result<bool, Errno> {
        let mut begin = Some(begin);
        let mut is_wanted = true;
        each_entry(&self.fd, FileType::Symlink, entries, |name| {
            let Some(fd) = number(name.to_bytes()) else { return Ok(()) };
            if let Some(begin) = begin.take() {
                is_wanted = begin()?;
            }
            if !is_wanted {
                return Ok(());
            }
            // The link text of a socket fits; a longer one is cut and does not matter.
            let mut room = [0; 32];
            let length = call(|| rustix::fs::readlinkat_raw(&self.fd, name, &mut room[..]));
            if let Some(length) = unless_gone(self.files().followed(length))? {
                each(fd, room.get(..length).unwrap_or_default());
            }
            Ok(())
        })?;
        Ok(begin.is_none())
    }
}

pub(super) const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// Calls `each` with the name of every entry of `kind`, and of those whose kind the file system does not tell.
pub(super) fn each_entry(
    directory: &OwnedFd,
    kind: FileType,
    room: &mut [MaybeUninit<u8>],
    mut each: impl FnMut(&CStr) -> Result<(), Errno>,
) -> Result<(), Errno> {
    let mut entries = RawDir::new(directory, room);
    loop {
        call(|| Ok(()))?;
        match entries.next() {
            None => return Ok(()),
            Some(Err(Errno::INTR)) => {}
            Some(Err(error)) => return Err(error),
            Some(Ok(entry)) if ![kind, FileType::Unknown].contains(&entry.file_type()) => {}
            Some(Ok(entry)) => each(entry.file_name())?,
        }
    }
}

/// The number in a name of digits.
fn number(name: &[u8]) -> Option<u32> {
    let digit = |number: u32, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| u32::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    (!name.is_empty()).then(|| name.iter().try_fold(0, digit)).flatten()
}

/// The first bytes, at most `most`, of a file.
fn read_at(directory: impl AsFd, path: &str, most: usize) -> Result<Vec<u8>, Errno> {
    let fd = open_at(directory, path, OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK)?;
    let mut text = Vec::with_capacity(most.min(4096));
    while text.len() < most && call(|| super::read(&fd, &mut text))? > 0 {
        text.reserve(1);
    }
    text.truncate(most);
    Ok(text)
}

fn link_at(directory: impl AsFd, path: &str) -> Result<Vec<u8>, Errno> {
    let link = call(|| rustix::fs::readlinkat(&directory, path, Vec::with_capacity(64)));
    link.map(CString::into_bytes)
}

pub(super) fn open_at(
    directory: impl AsFd,
    path: impl rustix::path::Arg + Copy,
    flags: OFlags,
) -> Result<OwnedFd, Errno> {
    call(|| rustix::fs::openat(&directory, path, flags, Mode::empty()))
}

/// Where tests make the system calls of their thread fail.
#[cfg(test)]
pub mod faults {
    use std::cell::Cell;

    use rustix::io::Errno;

    thread_local! {
        /// After how many more calls one fails, and how.
        static NEXT: Cell<Option<(usize, Errno)>> = const { Cell::new(None) };
    }

    pub(super) fn next() -> Result<(), Errno> {
        match NEXT.take() {
            Some((0, errno)) => return Err(errno),
            Some((left, errno)) => NEXT.set(Some((left - 1, errno))),
            None => {}
        }
        Ok(())
    }

    /// Every number that may be an error.
    pub const ALL: std::ops::RangeInclusive<i32> = 1..=133;

    /// Runs `pass` with each error at each of its calls, of which there must be `least`, and has `check` judge what
    /// comes of it; its last argument says which call failed.
    pub fn everywhere<T>(
        errors: impl IntoIterator<Item = i32>,
        least: usize,
        mut pass: impl FnMut() -> T,
        mut check: impl FnMut(Errno, T, &str),
    ) {
        for errno in errors.into_iter().map(Errno::from_raw_os_error) {
            let calls = (0..).find(|after| {
                let (result, has_failed) = during(*after, errno, &mut pass);
                if has_failed {
                    check(errno, result, &format!("{errno} at call {after}"));
                }
                !has_failed
            });
            assert!(calls.is_some_and(|calls| calls >= least), "{calls:?} calls");
        }
    }

    /// Runs `work`, in which the call after `after` others fails with `errno`. Gives also whether there were so
    /// many.
    pub fn during<T>(after: usize, errno: Errno, work: impl FnOnce() -> T) -> (T, bool) {
        NEXT.set(Some((after, errno)));
        let done = work();
        (done, NEXT.take().is_none())
    }
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
        assert!(!proc.files(own).name().unwrap().is_empty());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let wanted = u32::try_from(std::os::fd::AsRawFd::as_raw_fd(&listener)).unwrap();
        let mut links = Vec::new();
        let descriptors = proc.descriptors(own).unwrap();
        assert_eq!(descriptors.files().name(), proc.files(own).name());
        assert_eq!(descriptors.files().link("exe"), proc.own_link("exe"));
        let has_any = descriptors
            .links(&mut entries(), || Ok(true), |fd, link| links.push((fd, link.to_vec())))
            .unwrap();
        assert!(has_any);
        let socket = proc.socket(own, wanted).unwrap().unwrap();
        let link = format!("socket:[{}]", socket.inode).into_bytes();
        assert!(links.contains(&(wanted, link)), "{links:?}");
        assert_eq!(proc.is_protocol(own, wanted, &[b"UDP", b"TCP"]), Ok(true));
        assert_eq!(proc.is_protocol(own, wanted, &[b"UDP", b"TC", b"TCPv6"]), Ok(false));
        // A file, and a descriptor that is closed.
        let file = std::fs::File::open("/proc/self/exe").unwrap();
        let file = u32::try_from(std::os::fd::AsRawFd::as_raw_fd(&file)).unwrap();
        for fd in [file, 123_456_789] {
            assert_eq!(proc.is_protocol(own, fd, &[b"TCP"]), Ok(false));
            assert_eq!(proc.socket(own, fd), Ok(None));
        }
    }

    #[test]
    fn a_link_that_is_refused_because_its_process_has_ended_is_gone() {
        let proc = Proc::open(&Kernel::default()).unwrap();
        let own = std::process::id();
        let errors = |pid| {
            let refused = |link: &mut dyn FnMut() -> Option<Errno>| {
                faults::during(0, Errno::ACCESS, link).0.expect("an error")
            };
            [
                refused(&mut || proc.files(pid).link("ns/net").err()),
                refused(&mut || proc.network_namespace_of_thread(pid).err()),
                refused(&mut || proc.open_network_namespace(pid).err()),
            ]
        };
        assert_eq!(errors(own), [Errno::ACCESS; 3]);
        assert_eq!(errors(u32::MAX), [Errno::NOENT; 3]);
        let socket = |pid| faults::during(0, Errno::ACCESS, || proc.socket(pid, 0)).0;
        assert_eq!([socket(own), socket(u32::MAX)], [Err(Errno::ACCESS), Ok(None)]);
        let protocol = |pid| faults::during(0, Errno::PERM, || proc.is_protocol(pid, 0, &[])).0;
        assert_eq!([protocol(own), protocol(u32::MAX)], [Err(Errno::PERM), Ok(false)]);
    }

    #[test]
    fn the_call_that_is_meant_fails_and_no_other() {
        let proc = Proc::open(&Kernel::default()).unwrap();
        let name = || proc.files(std::process::id()).name();
        let is_done = |after| faults::during(after, Errno::NFILE, name);
        assert_eq!(
            [is_done(0), is_done(1)],
            [(Err(Errno::NFILE), true), (Err(Errno::NFILE), true)]
        );
        let (read, has_failed) = is_done(50);
        assert!(read.is_ok() && !has_failed && name().is_ok());
        let (read, has_failed) = faults::during(0, Errno::INTR, name);
        assert!(read.is_ok() && has_failed, "a signal is nothing");
    }

    #[test]
    fn the_other_threads_of_a_process_are_found() {
        let proc = Proc::open(&Kernel::default()).unwrap();
        let (tell, told) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || told.recv());
        let own = std::process::id();
        let threads = proc.other_threads(own).unwrap();
        assert!(!threads.is_empty() && !threads.contains(&own));
        drop(tell);
        assert!(thread.join().unwrap().is_err());
        assert_eq!(proc.other_threads(u32::MAX), Err(Errno::NOENT));
    }
}
