//! In which network namespaces processes live, and whether there is another one than ours.

use super::mounts;
use super::processes::sight::Sight;
use crate::error::Error;
use crate::sys::Kernel;
use crate::sys::netns::{self, NetworkNamespace};
use crate::sys::process::{Proc, is_refusal, readable, unless_gone};

/// Whether there are other network namespaces than ours.
#[derive(Debug)]
pub enum Others {
    /// A process lives in one, or one is mounted.
    Exist,
    /// None was seen; what keeps processes from being seen.
    Unseen(Sight),
}

/// Looks for a network namespace other than ours.
///
/// # Errors
/// If /proc or /run/netns cannot be read.
pub fn others() -> Result<Others, Error> {
    let failed = |error| Error::system("/proc/thread-self/ns/net", error);
    let own = readable(NetworkNamespace::own().and_then(|own| own.identity())).map_err(failed)?;
    let Some(own) = own else { return Ok(Others::Unseen(Sight::default())) };
    let mut is_named = false;
    netns::each_named(|_, (device, inode)| is_named |= device == own.0 && inode != own.1)?;
    let proc = Proc::open(&Kernel::default())?;
    if is_named || mounts::list(&proc)?.iter().any(|one| one.inode != own.1) {
        return Ok(Others::Exist);
    }
    let own_files = readable(netns::inode_of_files(None)).map_err(failed)?;
    // The youngest processes first: those of containers start after those of the machine.
    for pid in proc.pids()?.into_iter().rev() {
        let mut is_other = false;
        Home::each(&proc, pid, |_, home| {
            is_other |= match home {
                Home::Shown(inode) => inode != own.1,
                Home::Files(files) => own_files.is_some_and(|own| own != files),
                Home::Hidden => false,
            }
        })?;
        if is_other {
            return Ok(Others::Exist);
        }
    }
    Sight::of(&proc).map(Others::Unseen)
}

/// The network namespace of a thread, as far as it may be seen.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Home {
    /// Its inode.
    Shown(u64),
    /// The inode of its files in /proc/PID/net, which tells it from others.
    Files(u64),
    /// /proc is mounted with hidepid: all that is known is that there is something.
    Hidden,
}

impl Home {
    /// Calls `each` with each network namespace in which threads of a process live, and with the ID of one of
    /// them, which /proc has an entry for. Most processes have one thread, and others are in one namespace; but a
    /// thread may enter another, as those of Go do, and the first may end before the others.
    pub(super) fn each(
        proc: &Proc,
        pid: u32,
        mut each: impl FnMut(u32, Home),
    ) -> Result<(), Error> {
        let others = readable(proc.other_threads(pid));
        let others = others.map_err(|error| proc.error(&format!("{pid}/task"), error))?;
        let mut seen = Vec::new();
        for thread in [pid].into_iter().chain(others.unwrap_or_default()) {
            if let Some(home) = Home::of(proc, thread)?.filter(|home| !seen.contains(home)) {
                seen.push(home);
                each(thread, home);
            }
        }
        Ok(())
    }

    /// `None` for a thread that has gone.
    fn of(proc: &Proc, pid: u32) -> Result<Option<Home>, Error> {
        let failed = |name: &str, error| proc.error(&format!("{pid}/{name}"), error);
        match proc.network_namespace_of_thread(pid) {
            Err(error) if is_refusal(error) => {}
            inode => {
                let inode = unless_gone(inode).map_err(|error| failed("ns/net", error))?;
                return Ok(inode.map(Home::Shown));
            }
        }
        match netns::inode_of_files(Some(pid)) {
            Err(error) if is_refusal(error) => Ok(Some(Home::Hidden)),
            files => {
                let files = unless_gone(files).map_err(|error| failed("net/dev", error))?;
                Ok(files.map(Home::Files))
            }
        }
    }
}
