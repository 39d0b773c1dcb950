//! What a daemon needs from the system: a lock, a socket that only its user may open, a background process,
//! and notifications to systemd.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt, sockopt::Timeout,
};

use super::place::{PathError, Place, path_of_open, walk};
use super::{environment, write_all};
use crate::error::Error;

/// A directory that is removed again, if it was created and is empty, unless it is to be kept.
#[derive(Debug)]
pub struct Made(Option<PathBuf>);

impl Made {
    /// Lets it stay.
    pub fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = rustix::fs::rmdir(path);
        }
    }
}

/// Creates the directory for a socket, if it does not exist.
pub fn make_directory(path: &Path) -> Result<Made, Error> {
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)) {
        Ok(()) => Ok(Made(Some(path.to_path_buf()))),
        Err(Errno::EXIST) => Ok(Made(None)),
        Err(error) => {
            Err(Error::refused(path.as_os_str().as_bytes(), error, "root, or --socket elsewhere"))
        }
    }
}

/// Checks that no other user can replace a directory, or files in it, or a part of its path: each part from / on
/// must belong to this user or to root, and if others may write there, it must be sticky (as /tmp is) and holds no
/// link that is followed.
///
/// With `host`, that user must own the directory, which only root can have given to him: the parts before it are
/// root's, and nobody else may write there.
///
/// # Errors
/// Also if the path is not a directory.
pub fn check_directory(path: &Path, host: Option<u32>) -> Result<(), Error> {
    const THEIRS: &str = "belongs to another user, who could replace the socket";
    let (mut root, mut wrong, mut owner) = (None, None, 0);
    let found = walk(path, &mut |fd, is_link| {
        let stat = rustix::fs::fstat(fd)?;
        owner = stat.st_uid;
        // Whoever owns / owns every path: in a user namespace of its own, that may be a user without a number.
        let root = *root.get_or_insert(owner);
        let is_shared = stat.st_mode & 0o022 != 0;
        let reason = if host != Some(owner) && !is_ours(&stat) && (owner != root || host.is_some())
        {
            THEIRS
        } else if is_shared && (stat.st_mode & 0o1000 == 0 || host.is_some()) {
            "others may write there and could replace the socket"
        } else if is_shared && is_link {
            "others may write there, so a link in it is not followed"
        } else {
            return Ok(());
        };
        wrong = path_of_open(fd);
        Err(PathError::Ours(reason))
    });
    let error = match found {
        Ok(Place::Directory(_)) if host.map_or_else(|| is_own(owner), |host| host == owner) => {
            return Ok(());
        }
        Ok(Place::Directory(_)) => PathError::Ours(THEIRS),
        Ok(_) => Errno::NOTDIR.into(),
        Err(error) => error,
    };
    Err(error.at(wrong.as_deref().unwrap_or(path).as_os_str().as_bytes()))
}

/// Checks who listens at the other end of a connection to `path`: root, this user or, if this is root, the user to
/// whom root gave the directory of the socket.
///
/// # Errors
/// If it is somebody else, who could tell anything.
pub fn check_peer(fd: impl AsFd, path: &Path) -> Result<(), Error> {
    let name = path.as_os_str().as_bytes();
    let peer = sockopt::socket_peercred(fd).map_err(|error| Error::system(name, error))?;
    let (peer, own) = (peer.uid.as_raw(), rustix::process::geteuid().as_raw());
    let is_hosted = || check_directory(path.parent()?, Some(peer)).ok();
    if peer == 0 || peer == own || own == 0 && is_hosted().is_some() {
        return Ok(());
    }
    let reason = format!("user {peer} listens there, and only root and you are trusted");
    Err(Error::failed(name, reason))
}

/// Whether a file belongs to this user or to root.
fn is_ours(stat: &Stat) -> bool {
    is_own(stat.st_uid)
}

fn is_own(user: u32) -> bool {
    user == 0 || user == rustix::process::geteuid().as_raw()
}

/// A lock that ends with the process, however it ends: after `kill -9`, only an unlocked file remains. The file is removed
/// with the value, if this process has made or signed it.
#[derive(Debug)]
pub struct Lock {
    fd: OwnedFd,
    path: PathBuf,
    removes: bool,
}

impl Lock {
    /// Takes the lock that only one daemon can hold.
    ///
    /// # Errors
    /// Also if another user may have made the file, or it is that of another name.
    pub fn take(path: &Path) -> Result<Lock, Error> {
        let reason = match Lock::of_file(path) {
            Ok(lock) => return Ok(lock),
            Err(Errno::WOULDBLOCK) => "another daemon is running and holds this lock",
            Err(Errno::PERM) => "belongs to another user",
            Err(Errno::MLINK) => "has other names: remove it, or choose another lock",
            Err(Errno::INVAL) => "is not a regular file",
            Err(error) => return Err(Error::system(path.as_os_str().as_bytes(), error)),
        };
        Err(PathError::Ours(reason).at(path.as_os_str().as_bytes()))
    }

    fn of_file(path: &Path) -> Result<Lock, Errno> {
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        let open = |more| rustix::fs::open(path, flags | more, Mode::from_raw_mode(0o600));
        loop {
            let (fd, is_made) = match open(OFlags::CREATE | OFlags::EXCL) {
                Err(Errno::EXIST) => (open(OFlags::CREATE)?, false),
                made => (made?, true),
            };
            rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive)?;
            let held = rustix::fs::fstat(&fd)?;
            if !is_ours(&held) {
                return Err(Errno::PERM);
            }
            // The process ID is written into it, and a second name may be that of any file.
            if held.st_nlink > 1 {
                return Err(Errno::MLINK);
            }
            if FileType::from_raw_mode(held.st_mode) != FileType::RegularFile {
                return Err(Errno::INVAL);
            }
            // The last holder may have removed the file while this process opened it.
            let is_there = rustix::fs::stat(path)
                .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (held.st_dev, held.st_ino));
            if is_there {
                return Ok(Lock { fd, path: path.to_path_buf(), removes: is_made });
            }
        }
    }

    /// Writes the process ID into the file, for people.
    pub fn sign(&mut self) {
        self.removes = true;
        let number = rustix::process::getpid().as_raw_nonzero().to_string();
        if rustix::fs::ftruncate(&self.fd, 0).is_ok() {
            let _ = write_all(&self.fd, [number.as_bytes(), b"\n"].concat().as_slice());
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.removes {
            let _ = rustix::fs::unlink(&self.path);
        }
    }
}

/// A socket that waits for clients. Its file is removed with the value.
#[derive(Debug)]
pub struct Listener {
    fd: OwnedFd,
    path: PathBuf,
}

impl Listener {
    /// Creates a socket at `path` that only this user may open, and listens on it. A socket that an earlier
    /// process has left there is removed: the caller holds the lock.
    ///
    /// # Errors
    /// Also if the path is not a socket, or a process already listens on it.
    pub fn open(path: &Path, backlog: i32) -> Result<Listener, Error> {
        let listener = Listener { fd: bind(path)?, path: path.to_path_buf() };
        let listens = rustix::net::listen(&listener.fd, backlog);
        listens.map_err(|error| Error::of_file(path, crate::error::reason(error)))?;
        Ok(listener)
    }

    /// The next waiting connection.
    ///
    /// # Errors
    /// `AGAIN` if no connection is waiting.
    pub fn accept(&self) -> Result<OwnedFd, Errno> {
        rustix::net::accept_with(&self.fd, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = rustix::fs::unlink(&self.path);
    }
}

/// A new socket at `path`; see [`Listener::open`].
fn bind(path: &Path) -> Result<OwnedFd, Error> {
    let name = path.as_os_str().as_bytes();
    let failed = |error| Error::system(name, error);
    if let Ok(stat) = rustix::fs::lstat(path) {
        if FileType::from_raw_mode(stat.st_mode) != FileType::Socket {
            return Err(Error::failed(name, "exists and is not a socket"));
        }
        if connect(path).is_ok() {
            return Err(Error::failed(name, "another daemon listens there"));
        }
        rustix::fs::unlink(path).map_err(failed)?;
    }
    let address = SocketAddrUnix::new(path).map_err(failed)?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
        .map_err(failed)?;
    // No other thread creates files meanwhile.
    let mask = rustix::process::umask(Mode::from_raw_mode(0o177));
    let bound = rustix::net::bind(&fd, &address);
    rustix::process::umask(mask);
    bound.map_err(failed)?;
    Ok(fd)
}

/// Connects to the socket at `path` with the caller's rights; an answer that takes more than a minute is an error.
pub fn connect(path: &Path) -> Result<OwnedFd, Errno> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_timeout(&fd, Timeout::Recv, Some(PATIENCE))?;
    sockopt::set_socket_timeout(&fd, Timeout::Send, Some(PATIENCE))?;
    let _caller = super::caller::become_caller()?;
    rustix::io::retry_on_intr(|| rustix::net::connect(&fd, &address))?;
    Ok(fd)
}

/// Continues as a background process, without a terminal, with / as its working directory and the standard
/// descriptors on /dev/null; returns `false` in the original process.
pub fn detach() -> Result<bool, Errno> {
    if super::fork()?.is_some() {
        return Ok(false);
    }
    rustix::process::setsid()?;
    rustix::process::chdir("/")?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    rustix::stdio::dup2_stdout(&null)?;
    rustix::stdio::dup2_stderr(&null)?;
    Ok(true)
}

/// Notifies systemd of the daemon's state, by sd_notify(3).
#[derive(Debug, Default)]
pub struct Notify {
    socket: Option<OwnedFd>,
    /// How often it expects a sign of life.
    pub watchdog: Option<Duration>,
}

impl Notify {
    /// Reads NOTIFY_SOCKET from the environment (a path, or an abstract name after `@`), WATCHDOG_USEC and
    /// WATCHDOG_PID.
    pub fn of_environment() -> Notify {
        let Some(name) = environment("NOTIFY_SOCKET") else { return Notify::default() };
        let address = match name.as_bytes().split_first() {
            Some((b'@', name)) => SocketAddrUnix::new_abstract_name(name),
            _ => SocketAddrUnix::new(name.as_bytes()),
        };
        let flags = SocketFlags::CLOEXEC;
        let socket = address.and_then(|address| {
            let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, flags, None)?;
            rustix::net::connect(&fd, &address).map(|()| fd)
        });
        let number = |name| environment(name)?.to_str()?.parse::<u64>().ok();
        let own = rustix::process::getpid().as_raw_nonzero().get().unsigned_abs();
        let is_ours = number("WATCHDOG_PID").is_none_or(|other| other == u64::from(own));
        let watchdog = number("WATCHDOG_USEC").filter(|period| is_ours && *period > 0);
        Notify { socket: socket.ok(), watchdog: watchdog.map(Duration::from_micros) }
    }

    /// Sends a state, such as `READY=1`; errors are ignored.
    pub fn tell(&self, state: &str) {
        if let Some(socket) = &self.socket {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            let _ = rustix::net::send(socket, state.as_bytes(), flags);
        }
    }
}
