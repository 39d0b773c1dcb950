//! Which program a netlink socket belongs to, for events that its request caused.

use rustix::io::Errno;

use crate::error::Error;
use crate::sys::Kernel;
use crate::sys::process::{Proc, entries, readable};

/// The number of NETLINK_NETFILTER.
const NETFILTER: u64 = 12;

/// Names of programs by the ports of their netlink sockets. The last one is kept, since a request often
/// causes many events.
#[derive(Debug, Default)]
pub struct Programs {
    last: Option<(u32, Option<Vec<u8>>)>,
}

impl Programs {
    /// The name of the program whose netfilter socket has a port; `None` if it has gone, or hides its
    /// descriptors.
    ///
    /// # Errors
    /// If the system lacks memory or descriptors.
    pub fn of_port(&mut self, kernel: &Kernel, port: u32) -> Result<Option<&[u8]>, Error> {
        if self.last.as_ref().is_none_or(|(last, _)| *last != port) {
            self.last = Some((port, find(kernel, port)?));
        }
        Ok(self.last.as_ref().and_then(|(_, name)| name.as_deref()))
    }

    /// Forgets the name: another socket may have the port by now.
    pub fn forget(&mut self) {
        self.last = None;
    }
}

fn find(kernel: &Kernel, port: u32) -> Result<Option<Vec<u8>>, Error> {
    const TABLE: &str = "net/netlink";
    let proc = Proc::open(kernel)?;
    let table = readable(proc.own_file(TABLE)).map_err(|error| proc.error(TABLE, error))?;
    let table = table.unwrap_or_default();
    let inode = table.split(|byte| *byte == b'\n').find_map(|line| inode(line, port));
    let Some(inode) = inode else { return Ok(None) };
    let link = [b"socket:[", inode, b"]"].concat();
    // The first netlink socket of a process usually has its number as its port.
    let is_it = |pid: &u32| *pid == port;
    let pids = proc.pids()?;
    let (first, others) = (pids.iter().filter(|pid| is_it(pid)), pids.iter());
    for pid in first.chain(others.filter(|pid| !is_it(pid))) {
        let name = readable(holder(&proc, *pid, &link));
        let name = name.map_err(|error| proc.error(&pid.to_string(), error))?;
        if let Some(name) = name.flatten() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// The inode of a row of /proc/net/netlink, if it is that of the netfilter socket with that port: sk,
/// protocol, port, …, inode.
fn inode(line: &[u8], port: u32) -> Option<&[u8]> {
    let mut fields = line.split(|byte| *byte == b' ').filter(|field| !field.is_empty()).skip(1);
    let mut is = |wanted: u64| fields.next().and_then(number) == Some(wanted);
    (is(NETFILTER) && is(port.into())).then(|| fields.last()).flatten()
}

fn number(field: &[u8]) -> Option<u64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The name of a process, if one of its descriptors has that link.
fn holder(proc: &Proc, pid: u32, link: &[u8]) -> Result<Option<Vec<u8>>, Errno> {
    let descriptors = proc.descriptors(pid)?;
    let mut is_found = false;
    descriptors.links(&mut entries(), || Ok(true), |_, other| is_found |= other == link)?;
    is_found.then(|| descriptors.files().name()).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_row_of_a_port_is_found_and_nothing_else() {
        let row = b"00000000f392c868 12  4242       00000007 0        0        0     2        0        65059851 ";
        assert_eq!(inode(row, 4242), Some(&b"65059851"[..]));
        assert_eq!(inode(row, 424), None);
        for line in
            [&b""[..], b"sk Eth Pid Groups Rmem Wmem Dump Locks Drops Inode", b"x 4 4242 0 1"]
        {
            assert_eq!(inode(line, 4242), None);
        }
    }
}
