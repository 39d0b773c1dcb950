//! Network namespaces: which there are, who lives in them, and how to move between them.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Dir, Stat};
use rustix::io::Errno;
use rustix::thread::LinkNameSpaceType;

use super::open;
use crate::error::Error;

/// Where ip-netns(8) keeps namespaces under names.
const NAMED: &str = "/run/netns";

/// Moves the process into another network namespace: a name of /run/netns, the number of a
/// process that lives there, or the path of a namespace file.
///
/// # Errors
/// If there is no such namespace, or if entering it is refused.
pub fn enter_network_namespace(which: &OsStr) -> Result<(), Error> {
    let bytes = which.as_bytes();
    let path = if bytes.contains(&b'/') {
        bytes.to_vec()
    } else if !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit) {
        [b"/proc/", bytes, b"/ns/net"].concat()
    } else {
        [NAMED.as_bytes(), b"/", bytes].concat()
    };
    let fd =
        open(path.as_slice()).map_err(|error| Error::refused(&path, error, "CAP_SYS_PTRACE"))?;
    match NetworkNamespace(fd).enter() {
        Ok(()) => Ok(()),
        Err(Errno::INVAL) => Err(Error::failed(&path, "not a network namespace")),
        Err(error) => Err(Error::refused(&path, error, "CAP_SYS_ADMIN")),
    }
}

/// A network namespace, held open.
#[derive(Debug)]
pub struct NetworkNamespace(OwnedFd);

impl NetworkNamespace {
    /// The one that the calling thread is in.
    pub fn own() -> Result<NetworkNamespace, Errno> {
        open("/proc/thread-self/ns/net").map(NetworkNamespace)
    }

    /// The one that a process lives in.
    ///
    /// # Errors
    /// `NOENT` or `SRCH` if the process has ended.
    pub fn of_process(pid: u32) -> Result<NetworkNamespace, Errno> {
        open(format!("/proc/{pid}/ns/net")).map(NetworkNamespace)
    }

    /// The file of a name in /run/netns.
    pub fn named(name: &[u8]) -> Result<NetworkNamespace, Errno> {
        open([NAMED.as_bytes(), b"/", name].concat().as_slice()).map(NetworkNamespace)
    }

    /// The device and the inode by which the kernel tells namespaces apart.
    pub fn identity(&self) -> Result<(u64, u64), Errno> {
        rustix::fs::fstat(&self.0).map(|stat| identity(&stat))
    }

    /// Moves the calling thread into it.
    ///
    /// # Errors
    /// `PERM` without CAP_SYS_ADMIN, `INVAL` if it is not a network namespace.
    pub fn enter(&self) -> Result<(), Errno> {
        let network = Some(LinkNameSpaceType::Network);
        rustix::thread::move_into_link_name_space(self.0.as_fd(), network)
    }
}

fn identity(stat: &Stat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

/// Calls `each` with the names in /run/netns and the device and inode of what stands there. Without
/// that directory nothing has a name.
pub fn each_named(mut each: impl FnMut(&[u8], (u64, u64))) -> Result<(), Error> {
    let result = each_entry(NAMED, |name| {
        if let Ok(stat) = rustix::fs::stat([NAMED.as_bytes(), b"/", name].concat().as_slice()) {
            each(name, identity(&stat));
        }
    });
    match result {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(error) => Err(Error::system(NAMED, error)),
    }
}

fn each_entry(directory: &str, mut each: impl FnMut(&[u8])) -> Result<(), Errno> {
    for entry in Dir::new(open(directory)?)? {
        match entry?.file_name().to_bytes() {
            b"." | b".." => {}
            name => each(name),
        }
    }
    Ok(())
}

/// The inode of a file of a process's /proc/PID/net, of the calling thread's for `None`. Each network
/// namespace has inodes of its own there (fs/proc/proc_net.c), and anybody may see them: so namespaces
/// can be told apart even where a process may not be looked at.
pub fn inode_of_files(pid: Option<u32>) -> Result<u64, Errno> {
    let path = match pid {
        Some(pid) => format!("/proc/{pid}/net/dev"),
        None => "/proc/thread-self/net/dev".to_owned(),
    };
    rustix::fs::stat(path).map(|stat| stat.st_ino)
}
