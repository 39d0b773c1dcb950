//! Network namespaces: lists them, finds their processes, and enters them.

use std::ffi::OsStr;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{Dir, Stat};
use rustix::io::Errno;
use rustix::thread::LinkNameSpaceType;

use super::process::{Proc, call, is_gone, is_refusal};
use super::{Kernel, PathError, open, open_file};
use crate::error::Error;

/// Where ip-netns(8) keeps namespaces under names.
const NAMED: &str = "/run/netns";

/// Moves the process into another network namespace: a name of /run/netns, the ID of a process that lives
/// there, or the path of a namespace file.
///
/// # Errors
/// If there is no such namespace, or if entering it is refused.
pub fn enter_network_namespace(which: &OsStr) -> Result<(), Error> {
    let bytes = which.as_bytes();
    let is_process = !bytes.is_empty() && bytes.iter().all(u8::is_ascii_digit);
    let path = if bytes.contains(&b'/') {
        bytes.to_vec()
    } else if is_process {
        [b"/proc/", bytes, b"/ns/net"].concat()
    } else {
        [NAMED.as_bytes(), b"/", bytes].concat()
    };
    let other = || Err(Error::failed(&path, "not a network namespace"));
    let mut opened = {
        // What only names a process or a name of ip(8) tells nothing about hidden files.
        let is_path = bytes.contains(&b'/');
        let _caller = is_path
            .then(super::caller::become_caller)
            .transpose()
            .map_err(|error| Error::system(&path, error))?;
        open_file(Path::new(OsStr::from_bytes(&path)))
    };
    if is_process && matches!(opened, Err(PathError::System(error)) if is_gone(error)) {
        // Once its first thread has ended, only the others show it.
        let pid = which.to_str().and_then(|pid| pid.parse().ok()).unwrap_or_default();
        let threads = Proc::open(&Kernel::default())?.other_threads(pid).unwrap_or_default();
        let open = |thread| open_file(Path::new(&format!("/proc/{thread}/ns/net"))).ok();
        opened = threads.into_iter().find_map(open).map_or(opened, Ok);
    }
    let fd = match opened {
        Ok(fd) => fd,
        Err(PathError::System(error)) => {
            let is_of_process = path.starts_with(b"/proc/");
            let right = if is_of_process { "CAP_SYS_PTRACE" } else { "CAP_DAC_READ_SEARCH" };
            return Err(Error::refused(&path, error, right));
        }
        Err(PathError::Ours(_)) => return other(),
    };
    match NetworkNamespace(fd).enter() {
        Ok(()) => Ok(()),
        Err(Errno::INVAL) => other(),
        Err(error) => Err(Error::refused(&path, error, "CAP_SYS_ADMIN")),
    }
}

/// A network namespace, held open.
#[derive(Debug)]
pub struct NetworkNamespace(OwnedFd);

impl NetworkNamespace {
    /// The namespace of the calling thread.
    pub fn own() -> Result<NetworkNamespace, Errno> {
        call(|| open("/proc/thread-self/ns/net")).map(NetworkNamespace)
    }

    /// The namespace of a process or thread.
    ///
    /// # Errors
    /// `NOENT` or `SRCH` if it has ended.
    pub fn of_process(proc: &Proc, pid: u32) -> Result<NetworkNamespace, Errno> {
        proc.open_network_namespace(pid).map(NetworkNamespace)
    }

    /// The namespace with a name in /run/netns.
    pub fn named(name: &[u8]) -> Result<NetworkNamespace, Errno> {
        open([NAMED.as_bytes(), b"/", name].concat().as_slice()).map(NetworkNamespace)
    }

    /// The namespace whose file is mounted at a path.
    pub fn mounted(path: &[u8]) -> Result<NetworkNamespace, Errno> {
        call(|| open(path)).map(NetworkNamespace)
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

/// Calls `each` with each name in /run/netns and the device and inode of its file. Without that directory
/// no namespace has a name, and where it may not be read (ip(8) makes it by the umask) none is known: the
/// namespaces themselves are found by their mounts.
pub fn each_named(mut each: impl FnMut(&[u8], (u64, u64))) -> Result<(), Error> {
    let result = each_entry(NAMED, |name| {
        if let Ok(stat) = rustix::fs::stat([NAMED.as_bytes(), b"/", name].concat().as_slice()) {
            each(name, identity(&stat));
        }
    });
    match result {
        Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => Ok(()),
        Err(error) if is_refusal(error) => Ok(()),
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

/// The inode of a file in /proc/PID/net; of the calling thread for `None`. Each network namespace has its
/// own inodes there (fs/proc/proc_net.c), and every user may see them: so namespaces can be distinguished
/// even if a process may not be inspected.
pub fn inode_of_files(pid: Option<u32>) -> Result<u64, Errno> {
    let path = match pid {
        Some(pid) => format!("/proc/{pid}/net/dev"),
        None => "/proc/thread-self/net/dev".to_owned(),
    };
    call(|| rustix::fs::stat(&path)).map(|stat| stat.st_ino)
}
