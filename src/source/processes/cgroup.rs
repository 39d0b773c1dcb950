//! Control groups: which path has a number, and in which one a process is.
//!
//! The number of a group is the inode of its directory in the cgroup2 file system, and sock_diag
//! gives it for a socket (INET_DIAG_CGROUP_ID, Linux 5.9). So one walk of the directories tells
//! all paths. Older kernels, and sockets that are in no dump, leave /proc/PID/cgroup.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use crate::sys::Kernel;
use crate::sys::process::{self, Proc};

/// The paths of all control groups, by number.
#[derive(Debug, Default)]
pub struct Cgroups {
    paths: HashMap<u64, Box<[u8]>>,
}

/// The kernel's own limit is as many groups as there is memory for; a machine has some thousands.
const MOST_GROUPS: usize = 1 << 20;
/// Deeper is nobody's tree, and every level is a directory that is open meanwhile.
const MOST_LEVELS: usize = 128;

impl Cgroups {
    /// Walks the running kernel's groups. Where there is no cgroup2, or it may not be read, or where
    /// the kernel is a saved one, whose inodes say nothing, there are none.
    pub fn read(kernel: &Kernel) -> Cgroups {
        let mut cgroups = Cgroups::default();
        // A walk that cannot begin or breaks off leaves paths unknown; there is a second way to them.
        let _ = cgroups.walk(kernel);
        cgroups
    }

    fn walk(&mut self, kernel: &Kernel) -> Option<()> {
        let proc = kernel.is_live().then(|| Proc::open(kernel).ok())??;
        let mounts = proc.own_file("mountinfo").ok()?;
        let mount = mount(&mounts)?;
        let (top, device, inode) = process::open_directory(None, &mount.point).ok()?;
        let mut path = mount.root;
        self.paths.insert(inode, if path.is_empty() { b"/"[..].into() } else { path[..].into() });
        self.below(&top, device, &mut path, MOST_LEVELS);
        Some(())
    }

    /// Takes all groups below `directory`, whose own path is `path`.
    fn below(&mut self, directory: &OwnedFd, device: u64, path: &mut Vec<u8>, levels: usize) {
        let Ok(names) = process::directories(directory) else { return };
        for name in names {
            if levels == 0 || self.paths.len() >= MOST_GROUPS {
                return;
            }
            // A group that has gone meanwhile, or a directory where something else is mounted.
            let Ok((child, of, inode)) = process::open_directory(Some(directory), &name) else {
                continue;
            };
            if of != device {
                continue;
            }
            let length = path.len();
            path.push(b'/');
            path.extend_from_slice(&name);
            self.paths.insert(inode, path[..].into());
            self.below(&child, device, path, levels - 1);
            path.truncate(length);
        }
    }

    /// The path of a group from the root of the hierarchy, `/system.slice/ssh.service`; `/` is the
    /// root's own.
    pub fn path(&self, id: u64) -> Option<&[u8]> {
        self.paths.get(&id).map(|path| &**path)
    }
}

/// A mounted cgroup2.
#[derive(Debug, PartialEq, Eq)]
struct Mount {
    /// Where.
    point: Vec<u8>,
    /// Which group is mounted there: its path, empty for the root.
    root: Vec<u8>,
}

/// The mount in a text of mountinfo that shows most of the hierarchy.
fn mount(mounts: &[u8]) -> Option<Mount> {
    let mounts = mounts.split(|byte| *byte == b'\n').filter_map(mounted);
    mounts.min_by_key(|mount| mount.root.len())
}

/// Reads a line of mountinfo (proc_pid_mountinfo(5)) if it is a cgroup2's:
/// `32 23 0:27 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw`.
fn mounted(line: &[u8]) -> Option<Mount> {
    let mut words = line.split(|byte| *byte == b' ');
    let root = unescaped(words.nth(3)?);
    let point = unescaped(words.next()?);
    let kind = words.skip_while(|word| *word != b"-").nth(1)?;
    let root = if root == b"/" { Vec::new() } else { root };
    (kind == b"cgroup2").then_some(Mount { point, root })
}

/// Undoes what the kernel writes for blanks, tabs, line ends, backslashes and `#`: `\040`.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, behind)) = rest.split_first() {
        let octal = (*byte == b'\\').then(|| octal(behind)).flatten();
        plain.push(octal.unwrap_or(*byte));
        rest = if octal.is_some() { &behind[3..] } else { behind };
    }
    plain
}

/// The byte that three octal digits are.
fn octal(text: &[u8]) -> Option<u8> {
    text.first_chunk::<3>()?.iter().try_fold(0u8, |number, digit| {
        let digit = matches!(digit, b'0'..=b'7').then_some(digit - b'0')?;
        number.checked_mul(8)?.checked_add(digit)
    })
}

/// The group of a process, from /proc/PID/cgroup; `None` for a process that has gone.
pub fn of_process(kernel: &Kernel, pid: u32) -> Option<Vec<u8>> {
    group(&Proc::open(kernel).ok()?.file(pid, "cgroup").ok()?)
}

/// The path in a text of /proc/PID/cgroup: that of cgroup2, else that of systemd's own hierarchy, else
/// the one that says most.
fn group(text: &[u8]) -> Option<Vec<u8>> {
    let mut best: Option<(u8, &[u8])> = None;
    for line in text.split(|byte| *byte == b'\n') {
        let mut fields = line.splitn(3, |byte| *byte == b':');
        let (Some(number), Some(controllers), Some(path)) =
            (fields.next(), fields.next(), fields.next())
        else {
            continue;
        };
        let rank = match (number, controllers) {
            (b"0", b"") => 2,
            (_, b"name=systemd") => 1,
            _ => 0,
        };
        let is_better = |(other, known): &(u8, &[u8])| (rank, path.len()) > (*other, known.len());
        if path.starts_with(b"/") && best.as_ref().is_none_or(is_better) {
            best = Some((rank, path));
        }
    }
    best.map(|(_, path)| path.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mount_that_shows_most_is_taken() {
        let mounts = b"31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd\n\
            50 31 0:38 /a/b /mnt/part rw,relatime shared:9 master:3 - cgroup2 cgroup2 rw\n\
            41 31 0:38 / /sys/fs/cg\\040roup\\134 rw,relatime - cgroup2 cgroup2 rw\n";
        let whole = Mount { point: b"/sys/fs/cg roup\\".to_vec(), root: Vec::new() };
        assert_eq!(mount(mounts), Some(whole));
        let part = mounted(b"50 31 0:38 /a\\011b /mnt rw shared:9 master:3 - cgroup2 none rw");
        assert_eq!(part, Some(Mount { point: b"/mnt".to_vec(), root: b"/a\tb".to_vec() }));
        for line in [
            &b""[..],
            b"50 31 0:38 /",
            b"50 31 0:38 / /mnt rw cgroup2 cgroup2 rw",
            b"50 31 0:38 / /mnt rw -",
            b"50 31 0:38 / /mnt rw - cgroup2x none rw",
        ] {
            assert_eq!(mounted(line), None, "{}", line.escape_ascii());
        }
    }

    #[test]
    fn only_three_octal_digits_are_an_escape() {
        assert_eq!(unescaped(b"\\040\\\\08\\48\\777\\12"), b" \\\\08\\48\\777\\12");
        assert_eq!(unescaped(b"\\134040"), b"\\040");
    }

    #[test]
    fn the_group_of_a_process_is_that_of_cgroup2_first() {
        let group = |text: &[u8]| group(text).map(|path| String::from_utf8(path).unwrap());
        let hybrid = b"9:name=systemd:/init.scope\n4:memory:/a/very/long/path\n0::/user.slice\n";
        assert_eq!(group(hybrid).as_deref(), Some("/user.slice"));
        assert_eq!(group(b"0::/\n9:name=systemd:/x\n").as_deref(), Some("/"));
        assert_eq!(group(b"4:cpu:/longer\n1:name=systemd:/x\n").as_deref(), Some("/x"));
        assert_eq!(group(b"4:cpu:/\n3:memory:/docker/a:b\n").as_deref(), Some("/docker/a:b"));
        assert_eq!(group(b"\n0:\n0::\n0::relative\nx"), None);
    }
}
