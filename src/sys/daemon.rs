//! What a daemon needs from the system: a lock, a socket that only its user may open, a background process,
//! and notifications to systemd.

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FileType, FlockOperation, Mode, OFlags, Stat};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendFlags, SocketAddrUnix, SocketFlags, SocketType, sockopt, sockopt::Timeout,
};

use super::{environment, write_all};
use crate::error::Error;

/// Creates the directory for a socket or lock, if it does not exist, and checks that no other user can
/// replace files in it: it must belong to this user or to root, and if others may write there, it must be
/// sticky (as /tmp is).
///
/// # Errors
/// Also if the directory belongs to another user.
pub fn prepare_directory(path: &Path) -> Result<(), Error> {
    let name = path.as_os_str().as_bytes();
    match rustix::fs::mkdir(path, Mode::from_raw_mode(0o755)) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(Error::refused(name, error, "root, or --socket elsewhere")),
    }
    let stat = rustix::fs::stat(path).map_err(|error| Error::system(name, error))?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::Directory {
        return Err(Error::system(name, Errno::NOTDIR));
    }
    let (is_shared, is_sticky) = (stat.st_mode & 0o022 != 0, stat.st_mode & 0o1000 != 0);
    if !is_ours(&stat) {
        Err(Error::failed(name, "belongs to another user, who could replace the socket"))
    } else if is_shared && !is_sticky {
        Err(Error::failed(name, "others may write there and could replace the socket"))
    } else {
        Ok(())
    }
}

/// Whether a file belongs to this user or to root.
fn is_ours(stat: &Stat) -> bool {
    stat.st_uid == 0 || stat.st_uid == rustix::process::geteuid().as_raw()
}

/// A lock that ends with the process, however it ends: after `kill -9`, only an unlocked file remains.
#[derive(Debug)]
pub struct Lock {
    fd: OwnedFd,
    path: PathBuf,
}

impl Lock {
    /// Takes the lock.
    ///
    /// # Errors
    /// `WOULDBLOCK` if another process holds it.
    pub fn take(path: &Path) -> Result<Lock, Errno> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        loop {
            let fd = rustix::fs::open(path, flags, Mode::from_raw_mode(0o600))?;
            rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive)?;
            let held = rustix::fs::fstat(&fd)?;
            if !is_ours(&held) {
                return Err(Errno::PERM);
            }
            // The last holder may have removed the file while this process opened it.
            let is_there = rustix::fs::stat(path)
                .is_ok_and(|stat| (stat.st_dev, stat.st_ino) == (held.st_dev, held.st_ino));
            if is_there {
                return Ok(Lock { fd, path: path.to_path_buf() });
            }
        }
    }

    /// Writes the process ID into the file, for people.
    pub fn sign(&self) {
        let number = rustix::process::getpid().as_raw_nonzero().to_string();
        if rustix::fs::ftruncate(&self.fd, 0).is_ok() {
            let _ = write_all(&self.fd, [number.as_bytes(), b"\n"].concat().as_slice());
        }
    }

    /// Removes the file and releases the lock.
    pub fn release(self) {
        let _ = rustix::fs::unlink(&self.path);
    }
}

/// Creates a socket at `path` that only this user may open, and listens on it. A socket that an earlier
/// process has left there is removed: the caller holds the lock.
///
/// # Errors
/// Also if the path is not a socket, or a process already listens on it.
pub fn listen(path: &Path, backlog: i32) -> Result<OwnedFd, Error> {
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
    bound.and_then(|()| rustix::net::listen(&fd, backlog)).map_err(failed)?;
    Ok(fd)
}

/// Connects to the socket at `path`; an answer that takes more than a minute is an error.
pub fn connect(path: &Path) -> Result<OwnedFd, Errno> {
    const PATIENCE: Duration = Duration::from_secs(60);
    let address = SocketAddrUnix::new(path)?;
    let flags = SocketFlags::CLOEXEC;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    sockopt::set_socket_timeout(&fd, Timeout::Recv, Some(PATIENCE))?;
    sockopt::set_socket_timeout(&fd, Timeout::Send, Some(PATIENCE))?;
    rustix::io::retry_on_intr(|| rustix::net::connect(&fd, &address))?;
    Ok(fd)
}

/// The next waiting connection.
///
/// # Errors
/// `AGAIN` if no connection is waiting.
pub fn accept(listener: impl AsFd) -> Result<OwnedFd, Errno> {
    rustix::net::accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK)
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

/// Opens a file to append to, which only its user and group may read.
pub fn append_to(path: &Path) -> Result<OwnedFd, Errno> {
    // A pipe without a reader must not block the daemon.
    let flags = OFlags::WRONLY
        | OFlags::CREATE
        | OFlags::APPEND
        | OFlags::CLOEXEC
        | OFlags::NONBLOCK
        | OFlags::NOCTTY;
    rustix::fs::open(path, flags, Mode::from_raw_mode(0o640))
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
