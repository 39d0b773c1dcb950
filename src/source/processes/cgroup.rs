//! Control groups: which path has a number, and in which one a process is.
//!
//! The number of a group is the inode of its directory in the cgroup2 file system, and sock_diag
//! gives it for a socket (INET_DIAG_CGROUP_ID, Linux 5.9). So one walk of the directories tells
//! all paths. Older kernels, and sockets that are in no dump, leave /proc/PID/cgroup.

use std::collections::HashMap;
use std::os::fd::OwnedFd;

use rustix::io::Errno;

use crate::error::{self, Error};
use crate::sys::Kernel;
use crate::sys::directories;
use crate::sys::process::{Proc, is_refusal, readable};

/// The paths of all control groups, by number.
#[derive(Debug, Default)]
pub struct Cgroups {
    paths: HashMap<u64, Box<[u8]>>,
    /// Whether some of them may not be read, or are more than anybody has.
    pub is_partial: bool,
    /// Whether there are others, above those that are mounted here.
    pub is_part: bool,
}

/// The inode of the directory that holds all groups (fs/kernfs/dir.c: the first number of a hierarchy).
pub const TOP: u64 = 1;

/// The kernel's own limit is as many groups as there is memory for; a machine has some thousands.
const MOST_GROUPS: usize = 1 << 20;
/// No real tree is deeper, and each level keeps a directory open during the walk.
const MOST_LEVELS: usize = 128;

impl Cgroups {
    /// Walks the running kernel's groups. `None` where there is no cgroup2, or it may not be read, or where the
    /// kernel is a saved one, whose inodes say nothing.
    ///
    /// # Errors
    /// If the system lacks memory or descriptors.
    pub fn read(kernel: &Kernel) -> Result<Option<Cgroups>, Error> {
        if !kernel.is_live() {
            return Ok(None);
        }
        let proc = Proc::open(kernel)?;
        let mounts = readable(proc.own_file("mountinfo"));
        let mounts = mounts.map_err(|error| proc.error("self/mountinfo", error))?;
        let Some(mount) = mounts.and_then(|mounts| mount(&mounts)) else { return Ok(None) };
        Cgroups::walk(&mount).map_err(|error| Error::system(mount.point, error))
    }

    fn walk(mount: &Mount) -> Result<Option<Cgroups>, Errno> {
        let top = readable(directories::open(None, &mount.point))?;
        let Some((top, device, inode)) = top else { return Ok(None) };
        let mut cgroups = Cgroups { is_part: inode != TOP, ..Cgroups::default() };
        // From inside a cgroup namespace, the way to the top of the tree is seen as `/../..`.
        let mut path = if inode == TOP { Vec::new() } else { mount.root.clone() };
        let name = if path.is_empty() { b"/" } else { &*path };
        cgroups.paths.insert(inode, name.into());
        cgroups.below(&top, device, &mut path, MOST_LEVELS)?;
        Ok(Some(cgroups))
    }

    /// Takes all groups below `directory`, whose own path is `path`.
    fn below(
        &mut self,
        directory: &OwnedFd,
        device: u64,
        path: &mut Vec<u8>,
        levels: usize,
    ) -> Result<(), Errno> {
        let Some(names) = self.unless_hidden(directories::directories(directory))? else {
            return Ok(());
        };
        for name in names {
            if levels == 0 || self.paths.len() >= MOST_GROUPS {
                self.is_partial = true;
                return Ok(());
            }
            let child = directories::open(Some(directory), &name);
            let Some((child, of, inode)) = self.unless_hidden(child)? else { continue };
            // Something else may be mounted there.
            if of != device {
                continue;
            }
            let length = path.len();
            path.push(b'/');
            path.extend_from_slice(&name);
            self.paths.insert(inode, path[..].into());
            self.below(&child, device, path, levels - 1)?;
            path.truncate(length);
        }
        Ok(())
    }

    /// What was read of a group; `None` for one that has gone, and one that may not be read, which is noted.
    fn unless_hidden<T>(&mut self, read: Result<T, Errno>) -> Result<Option<T>, Errno> {
        self.is_partial |= read.as_ref().is_err_and(|error| is_refusal(*error));
        readable(read)
    }

    /// The path of a group from the root of the hierarchy, `/system.slice/ssh.service`; `/` is the
    /// root's own.
    pub fn path(&self, id: u64) -> Option<&[u8]> {
        self.paths.get(&id).map(|path| &**path)
    }

    /// The paths of all groups.
    pub fn paths(&self) -> impl Iterator<Item = &[u8]> {
        self.paths.values().map(|path| &**path)
    }

    /// Whether a path is one of a group; that of the root is empty.
    pub fn has(&self, path: &[u8]) -> bool {
        path.is_empty() || self.paths().any(|other| other == path)
    }
}

/// Why groups that are not among `all` may be there all the same, and what helps; `None` is for no groups at all.
pub fn obstacle(all: Option<&Cgroups>) -> Option<String> {
    const NONE: &str =
        "no cgroup2 file system is mounted that would name the control groups of sockets";
    const PART: &str = "control groups outside the part of their tree that is mounted here cannot be seen (needs the \
        machine's cgroup namespace: --cgroupns=host in Docker)";
    let Some(all) = all else { return Some(NONE.to_owned()) };
    if all.is_partial {
        let needs = error::needs("CAP_DAC_READ_SEARCH");
        return Some(format!("some control groups cannot be read {needs}"));
    }
    all.is_part.then(|| PART.to_owned())
}

#[derive(Debug, PartialEq, Eq)]
struct Mount {
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

/// The group of a process, from /proc/PID/cgroup; `None` for a process that has ended.
///
/// # Errors
/// If the system lacks memory or descriptors.
pub fn of_process(kernel: &Kernel, pid: u32) -> Result<Option<Vec<u8>>, Error> {
    of_process_by(kernel, pid, |_| 0)
}

/// The same; of several, a path comes first to which `rank` gives more.
pub fn of_process_by(
    kernel: &Kernel,
    pid: u32,
    rank: fn(&[u8]) -> u8,
) -> Result<Option<Vec<u8>>, Error> {
    /// Some dozen lines, each with a path.
    const MOST_BYTES: usize = 1 << 17;
    let proc = Proc::open(kernel)?;
    let text = readable(proc.files(pid).read("cgroup", MOST_BYTES));
    let text = text.map_err(|error| proc.error(&format!("{pid}/cgroup"), error))?;
    Ok(text.and_then(|text| group(&text, rank)))
}

/// The path in a text of /proc/PID/cgroup: one of the highest rank; of several, that of cgroup2, else that of systemd's own hierarchy, else
/// the one that says most.
fn group(text: &[u8], of_path: fn(&[u8]) -> u8) -> Option<Vec<u8>> {
    let mut best: Option<((u8, u8), &[u8])> = None;
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
        let rank = (of_path(path), rank);
        let is_better = |(other, known): &(_, &[u8])| (rank, path.len()) > (*other, known.len());
        if path.starts_with(b"/") && best.as_ref().is_none_or(is_better) {
            best = Some((rank, path));
        }
    }
    best.map(|(_, path)| path.to_vec())
}

/// Whether a control group is `wanted`, or one below it. All groups are below the root's, whose path is empty.
pub fn is_below(path: &[u8], wanted: &[u8]) -> bool {
    let rest = path.strip_prefix(wanted);
    wanted.is_empty() || rest.is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::sys::process::faults;

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
        let group = |text: &[u8]| group(text, |_| 0).map(|path| String::from_utf8(path).unwrap());
        let hybrid = b"9:name=systemd:/init.scope\n4:memory:/a/very/long/path\n0::/user.slice\n";
        assert_eq!(group(hybrid).as_deref(), Some("/user.slice"));
        assert_eq!(group(b"0::/\n9:name=systemd:/x\n").as_deref(), Some("/"));
        assert_eq!(group(b"4:cpu:/longer\n1:name=systemd:/x\n").as_deref(), Some("/x"));
        assert_eq!(group(b"4:cpu:/\n3:memory:/docker/a:b\n").as_deref(), Some("/docker/a:b"));
        assert_eq!(group(b"\n0:\n0::\n0::relative\nx"), None);
    }

    #[test]
    fn a_group_that_cannot_be_read_is_noted_or_an_error() {
        let root = std::env::temp_dir().join(format!("connbox-cgroups-{}", std::process::id()));
        for path in ["a/b", "c"] {
            std::fs::create_dir_all(root.join(path)).unwrap();
        }
        std::fs::write(root.join("cgroup.procs"), "").unwrap();
        let mount = Mount { point: root.as_os_str().as_encoded_bytes().to_vec(), root: Vec::new() };
        let walk = || Cgroups::walk(&mount);
        let paths = |cgroups: &Cgroups| {
            let mut paths: Vec<_> = cgroups.paths.values().map(|path| path.to_vec()).collect();
            paths.sort();
            paths
        };
        let whole = walk().unwrap().unwrap();
        assert_eq!(
            paths(&whole),
            [b"/".to_vec(), b"/a".to_vec(), b"/a/b".to_vec(), b"/c".to_vec()]
        );
        assert!(
            whole.has(b"")
                && whole.has(b"/a/b")
                && !whole.has(b"/b")
                && !whole.is_partial
                && whole.is_part
        );
        faults::everywhere(faults::ALL, 15, walk, |errno, result, place| match (errno, result) {
            (Errno::INTR, result) => {
                assert_eq!(paths(&result.unwrap().unwrap()).len(), 4, "{place}")
            }
            (Errno::NOENT | Errno::SRCH, Ok(Some(cgroups))) => {
                assert!(!cgroups.is_partial, "{place}")
            }
            (Errno::ACCESS | Errno::PERM, Ok(Some(cgroups))) => {
                assert!(cgroups.is_partial, "{place}")
            }
            (Errno::NOENT | Errno::SRCH | Errno::ACCESS | Errno::PERM, Ok(None)) => {}
            (_, result) => assert_eq!(result.unwrap_err(), errno, "{place}"),
        });
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn the_group_of_a_process_that_cannot_be_read_is_an_error() {
        let read = || of_process(&Kernel::default(), std::process::id());
        assert!(read().unwrap().is_some_and(|path| path.starts_with(b"/")));
        faults::everywhere(faults::ALL, 4, read, |errno, result, place| match errno {
            Errno::INTR => assert!(result.unwrap().is_some(), "{place}"),
            Errno::NOENT | Errno::SRCH | Errno::ACCESS | Errno::PERM => {
                assert!(result.is_err() || result.unwrap().is_none(), "{place}");
            }
            _ => assert!(result.is_err(), "{place}"),
        });
    }
}
