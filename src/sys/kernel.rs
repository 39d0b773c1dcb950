//! The kernel whose files are read: the running one, or a tree that looks like it.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::{open_file, read, threads};
use crate::error::Error;

/// Where the facts come from: the running kernel, or a directory tree that looks like it.
#[derive(Clone, Debug, Default)]
pub struct Kernel {
    root: Option<PathBuf>,
}

impl Kernel {
    /// The kernel under `root`; `None` is the running one.
    ///
    /// # Errors
    /// If `root` holds no `proc` directory.
    pub fn new(root: Option<PathBuf>) -> Result<Kernel, Error> {
        if let Some(root) = &root {
            let proc = root.join("proc");
            rustix::fs::stat(&proc)
                .map_err(|error| Error::system(proc.as_os_str().as_bytes(), error))?;
        }
        Ok(Kernel { root })
    }

    /// Whether this is the running kernel, which also answers netlink requests.
    pub fn is_live(&self) -> bool {
        self.root.is_none()
    }

    /// The path of a file in /proc/net. Under a root, `proc/1/net` takes precedence over `proc/net`: if a
    /// host's /proc is mounted into a container, the latter shows the container's network. A /proc mounted
    /// with `subset=pid` lacks `net`, a mere link to `self/net`.
    pub fn net_path(&self, name: &str) -> PathBuf {
        let Some(root) = &self.root else {
            // /proc/net shows the namespace of the process's first thread.
            let is_first = threads::is_first_thread();
            let net = if is_first {
                existing_net("/proc".into())
            } else {
                "/proc/thread-self/net".into()
            };
            return net.join(name);
        };
        let proc = root.join("proc");
        let first = proc.join("1/net").join(name);
        // Where process 1 is hidden, `proc/net` of a running kernel is that of the reader, and no answer.
        if self.is_running() || rustix::fs::access(&first, Access::READ_OK).is_ok() {
            return first;
        }
        existing_net(proc).join(name)
    }

    /// Whether the tree under the root shows a running kernel.
    pub fn is_running(&self) -> bool {
        let is_proc = |root: &PathBuf| {
            let there = rustix::fs::statfs(root.join("proc"));
            there.is_ok_and(|there| there.f_type == rustix::fs::PROC_SUPER_MAGIC)
        };
        self.root.as_ref().is_none_or(is_proc)
    }

    /// Whether proc/sys/net is of the namespace of [`Kernel::net_path`]: a running kernel shows that of the reader
    /// there, whoever's /proc it is. A file of /proc/net has one inode number per namespace.
    pub fn shows_settings(&self) -> bool {
        if self.is_live() || !self.is_running() {
            return true;
        }
        let number = |path: &Path| rustix::fs::stat(path).ok().map(|file| file.st_ino);
        let there = number(&self.net_path("sockstat"));
        there.is_some() && there == number(Path::new("/proc/thread-self/net/sockstat"))
    }

    /// The path of a file in /etc; under a root, in that tree.
    pub fn etc_path(&self, name: &str) -> PathBuf {
        self.path("etc").join(name)
    }

    /// A path from the root; under a root, in that tree.
    pub fn path(&self, path: &str) -> PathBuf {
        self.root.as_deref().unwrap_or(Path::new("/")).join(path)
    }

    /// Reads a file in /proc/sys, as text without its newline; `None` if the file does not exist, may not be
    /// read, or is of another namespace.
    pub fn sysctl(&self, name: &str) -> Option<Vec<u8>> {
        if name.starts_with("net/") && !self.shows_settings() {
            return None;
        }
        let fd = open_file(&self.sysctl_path(name)).ok()?;
        let mut text = Vec::with_capacity(128);
        read(fd, &mut text).ok()?;
        text.truncate(text.trim_ascii_end().len());
        Some(text)
    }

    /// Whether this is certainly not the machine's initial network namespace: only the initial one has limits
    /// for TCP's memory (net/ipv4/sysctl_net_ipv4.c).
    pub fn is_other_namespace(&self) -> bool {
        let is_there = |name| rustix::fs::access(self.sysctl_path(name), Access::EXISTS).is_ok();
        !is_there("net/ipv4/tcp_mem") && is_there("net/ipv4/tcp_rmem") && self.shows_settings()
    }

    /// Whether this certainly is the initial one: what holds for all of them can be set there alone.
    pub fn is_first_namespace(&self) -> bool {
        rustix::fs::access(self.sysctl_path("net/ipv4/tcp_max_orphans"), Access::EXISTS).is_ok()
    }

    /// The path of a file in /proc/sys.
    pub fn sysctl_path(&self, name: &str) -> PathBuf {
        self.path("proc/sys").join(name)
    }
}

/// Why a file of /proc/sys/net is no answer under a root.
pub const OF_READER: &str = "is of the network namespace of connbox, and the tables under --root are of another: run connbox \
    there (nsenter --net=DIR/proc/1/ns/net)";

/// `net` in a directory like /proc, or `self/net` if only that exists.
fn existing_net(proc: PathBuf) -> PathBuf {
    let is_there = |path: &PathBuf| rustix::fs::access(path, Access::EXISTS).is_ok();
    let (net, own) = (proc.join("net"), proc.join("self/net"));
    if !is_there(&net) && is_there(&own) { own } else { net }
}
