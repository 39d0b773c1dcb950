//! The bench's own network namespaces: one process makes, enters and leaves them, and they end with it.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::sys;

const HERE: &str = "/proc/thread-self/ns/net";
/// The directory where `ip netns` keeps names and connbox looks for them.
const NAMES: &str = "/run/netns";
const RUN: &str = "/run";
/// The prefix of the bench's names.
pub const OURS: &str = "races-";

/// A network namespace with nothing in it but a loopback interface that is up.
pub struct Namespace {
    inside: File,
}

impl Namespace {
    /// Makes a namespace that uses the machine's hash table of sockets, as containers usually do, even
    /// where this machine gives new namespaces tables of their own.
    pub fn new() -> io::Result<Namespace> {
        Namespace::with_table(0)
    }

    /// Makes a namespace with its own hash table, so that a walk does not visit other namespaces' sockets;
    /// 0 buckets are the machine's table.
    ///
    /// The size is a setting of the namespace from which the new one is made. So this makes two, one from
    /// the other.
    pub fn with_table(buckets: u32) -> io::Result<Namespace> {
        let _home = Home::remember()?;
        unshare()?;
        let setting = "net/ipv4/tcp_child_ehash_entries";
        // Before Linux 6.1 there is no such setting, and all namespaces share the machine's table.
        match set(setting, &buckets.to_string()) {
            Err(error) if buckets == 0 && error.kind() == io::ErrorKind::NotFound => {}
            result => result?,
        }
        Namespace::make()
    }

    fn make() -> io::Result<Namespace> {
        unshare()?;
        sys::loopback_up()?;
        Ok(Namespace { inside: File::open(HERE)? })
    }

    /// Moves this process into the namespace until the guard is dropped; its children start there.
    pub fn enter(&self) -> io::Result<Home> {
        let home = Home::remember()?;
        enter(&self.inside)?;
        Ok(home)
    }
}

/// Names for namespaces that no other process sees, and that disappear with this process however it
/// ends: this process moves into its own mount namespace with an empty /run.
pub struct Names(());

impl Names {
    /// Makes the directory of the names.
    pub fn new() -> io::Result<Names> {
        sys::unshare_mounts()?;
        sys::mount_memory(RUN)?;
        let names = Names(());
        fs::create_dir(NAMES)?;
        Ok(names)
    }

    /// Gives a namespace a name, which keeps it alive.
    pub fn give(&self, name: &str, namespace: &Namespace) -> io::Result<()> {
        let _home = namespace.enter()?;
        let path = Path::new(NAMES).join(name);
        File::create(&path)?;
        sys::mount_over(HERE, &path)
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        // If this fails, the mount still ends with this process.
        let _ = sys::unmount(RUN);
    }
}

/// Moves this process into a namespace by its name, until the guard is dropped.
pub fn visit(name: &str) -> io::Result<Home> {
    let namespace = File::open(Path::new(NAMES).join(name))?;
    let home = Home::remember()?;
    enter(&namespace)?;
    Ok(home)
}

/// The namespace to go back to; going back happens on drop.
pub struct Home {
    namespace: File,
}

impl Home {
    fn remember() -> io::Result<Home> {
        Ok(Home { namespace: File::open(HERE)? })
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // This cannot fail: this process had the right to enter another namespace when it left this one.
        let _ = enter(&self.namespace);
    }
}

fn enter(namespace: &File) -> io::Result<()> {
    let network = Some(LinkNameSpaceType::Network);
    Ok(move_into_link_name_space(namespace.as_fd(), network)?)
}

fn unshare() -> io::Result<()> {
    sys::unshare_network().map_err(|error| match error.kind() {
        kind @ io::ErrorKind::PermissionDenied => io::Error::new(kind, "needs CAP_SYS_ADMIN"),
        _ => error,
    })
}

/// Writes a sysctl of the current namespace.
pub fn set(name: &str, value: &str) -> io::Result<()> {
    let path = format!("/proc/sys/{name}");
    fs::write(&path, value)
        .map_err(|error| io::Error::new(error.kind(), format!("{path}: {error}")))
}
