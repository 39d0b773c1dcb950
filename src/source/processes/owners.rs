//! The owners of sockets, by inode.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::owner::{Descriptors, Held, Matching, Process, Reading, by_pid, process};
use super::sight::Unreadable;
use crate::error::Error;
use crate::sys::process::Proc;

#[derive(Debug, Default)]
pub struct Owners {
    /// By number.
    processes: Vec<Process>,
    /// The lowest process by the inode of its sockets.
    pids: HashMap<u64, u32, BuildHasherDefault<InodeHasher>>,
    unreadable: Unreadable,
    has_rings: bool,
}

/// Spreads inodes, which the kernel counts up for all processes together: nobody can choose many that
/// collide.
#[derive(Debug, Default)]
struct InodeHasher(u64);

impl Hasher for InodeHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64((*byte).into()));
    }

    fn write_u64(&mut self, number: u64) {
        // The bits that tell inodes apart go up, and the mixed ones come down: tables look at both ends.
        self.0 = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl Owners {
    /// One pass over the descriptors of all processes.
    pub fn read(proc: Proc, threads: usize) -> Result<Owners, Error> {
        Owners::when_read(Reading::begin(proc, threads, false, |_| Ok(Matching::Yes))?)
    }

    /// What a pass finds, when it is over.
    pub fn when_read(mut reading: Reading) -> Result<Owners, Error> {
        reading.parts().map(Owners::new)
    }

    /// What the passes found.
    pub fn new(parts: Vec<Descriptors>) -> Owners {
        let mut owners = Owners::default();
        owners.pids.reserve(parts.iter().map(|part| part.held.len()).sum());
        for mut part in parts {
            owners.unreadable.add(part.unreadable);
            owners.has_rings |= part.has_rings;
            owners.processes.append(&mut part.processes);
            for Held { inode, pid, .. } in part.held {
                let lowest = owners.pids.entry(inode).or_insert(pid);
                *lowest = pid.min(*lowest);
            }
        }
        by_pid(&mut owners.processes);
        owners
    }

    /// Looks again for the holders of sockets that a pass has missed: they may have been made after their process was
    /// looked at. Leaves of `inodes` those that nobody holds and that are still in use; see [`leave_used`].
    pub fn again(
        proc: Proc,
        threads: usize,
        inodes: &mut Vec<u64>,
        walk: impl FnOnce(&mut dyn FnMut(u64)) -> Result<(), Error>,
    ) -> Result<Owners, Error> {
        let owners = Owners::new(vec![Descriptors::of_sockets(proc, threads, inodes.clone())?]);
        inodes.retain(|inode| owners.of(*inode).is_none());
        leave_used(inodes, walk)?;
        Ok(owners)
    }

    /// All processes that hold a socket.
    pub fn into_processes(self) -> Vec<Process> {
        self.processes
    }

    /// The process that holds the socket; the lowest number of several.
    pub fn of(&self, inode: u64) -> Option<&Process> {
        process(&self.processes, *self.pids.get(&inode)?)
    }

    /// The processes that cannot be read, and match or may match.
    pub fn unreadable(&self) -> Unreadable {
        self.unreadable
    }

    /// Whether one of the processes uses io_uring; see [`Descriptors::has_rings`].
    pub fn has_rings(&self) -> bool {
        self.has_rings
    }
}

/// Leaves of `inodes` the sockets with which `walk`, which finds those that are in use, calls its argument; sorts
/// them. The others were closed since.
pub fn leave_used(
    inodes: &mut Vec<u64>,
    walk: impl FnOnce(&mut dyn FnMut(u64)) -> Result<(), Error>,
) -> Result<(), Error> {
    if inodes.is_empty() {
        return Ok(());
    }
    inodes.sort_unstable();
    let mut used = Vec::new();
    walk(&mut |inode| used.extend(inodes.binary_search(&inode).is_ok().then_some(inode)))?;
    used.sort_unstable();
    *inodes = used;
    Ok(())
}
