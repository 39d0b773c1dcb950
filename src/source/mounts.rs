//! The network namespaces that a mount of their file keeps, such as those of Docker's networks in /run/docker/netns: a
//! namespace needs no process then.

use crate::error::Error;
use crate::sys::process::{Proc, readable};

/// A network namespace that is mounted somewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mounted {
    pub inode: u64,
    /// Where its file can be opened; `None` if another mount covers it, which may be one that never answers.
    pub path: Option<Vec<u8>>,
}

/// Lists what is mounted where this process or the first one sees it: there, only who may do everything mounts such files.
/// Paths of other mount namespaces are their owners' choice, and one may lead into a file system that never answers.
///
/// # Errors
/// If the system lacks memory or descriptors.
pub(super) fn list(proc: &Proc) -> Result<Vec<Mounted>, Error> {
    let own = proc.own_file("mountinfo");
    let first = proc.files(1).read("mountinfo", Proc::MOST_BYTES);
    let mut found = Vec::new();
    for (root, text, name) in [("", own, "self/mountinfo"), ("/proc/1/root", first, "1/mountinfo")]
    {
        let text = readable(text).map_err(|error| proc.error(name, error))?;
        found.extend(parse(root.as_bytes(), &text.unwrap_or_default()));
    }
    Ok(found)
}

/// One line of mountinfo (proc_pid_mountinfo(5)).
struct Mount<'a> {
    id: &'a [u8],
    parent: &'a [u8],
    /// The network namespace, if it is one.
    inode: Option<u64>,
    path: Vec<u8>,
}

impl Mount<'_> {
    fn parse(line: &[u8]) -> Option<Mount<'_>> {
        let mut words = line.split(|byte| *byte == b' ');
        let (id, parent, root) = (words.next()?, words.next()?, words.nth(1)?);
        let path = unescaped(words.next()?);
        let kind = words.skip_while(|word| *word != b"-").nth(1)?;
        let inode = root.strip_prefix(b"net:[").and_then(|root| root.strip_suffix(b"]"));
        let inode = inode.filter(|_| kind == b"nsfs");
        let inode = inode.and_then(|inode| std::str::from_utf8(inode).ok()?.parse().ok());
        Some(Mount { id, parent, inode, path })
    }

    /// Whether a path is this mount's or below it.
    fn has(&self, path: &[u8]) -> bool {
        let own = self.path.strip_suffix(b"/").unwrap_or(&self.path);
        path.strip_prefix(own).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
    }
}

/// The namespaces in the text of mountinfo, with their paths below `root`.
fn parse<'a>(root: &[u8], text: &'a [u8]) -> Vec<Mounted> {
    let lines = text.split(|byte| *byte == b'\n');
    let mounts: Vec<Mount<'a>> = lines.filter_map(Mount::parse).collect();
    let mounted = |(place, mount): (usize, &Mount<'a>)| {
        let inode = mount.inode?;
        // Those that it is mounted on are no cover, even if one was put beneath it later.
        let mut parent = mount.parent;
        let is_cover = |later: &Mount<'a>| {
            if later.id == parent {
                parent = later.parent;
                return false;
            }
            later.has(&mount.path)
        };
        let is_covered = mounts[place + 1..].iter().rev().any(is_cover);
        Some(Mounted { inode, path: (!is_covered).then(|| [root, &mount.path].concat()) })
    };
    mounts.iter().enumerate().filter_map(mounted).collect()
}

/// A path in which the kernel has written blanks and the like as `\040`.
fn unescaped(path: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(path.len());
    let mut rest = path;
    while let Some((byte, behind)) = rest.split_first() {
        let code = behind.get(..3).filter(|_| *byte == b'\\');
        let code =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 8).ok());
        plain.push(code.unwrap_or(*byte));
        rest = if code.is_some() { &behind[3..] } else { behind };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_are_told_from_other_mounts() {
        let text = b"90 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
            111 90 0:4 net:[4026532388] /run/docker/netns/a\\040b\\134 rw shared:7 master:2 - nsfs nsfs rw\n\
            112 90 0:4 mnt:[4026532389] /run/snapd/ns/a.mnt rw - nsfs nsfs rw\n\
            113 90 8:1 net:[4026532390] /home/a rw - ext4 /dev/sda1 rw\n\
            114 90 0:4 net:[x] /run/b rw - nsfs nsfs rw\n115 90 0:4 net:[4026532391]\n\n";
        let path = Some(b"/proc/1/root/run/docker/netns/a b\\".to_vec());
        let wanted = Mounted { inode: 4_026_532_388, path };
        assert_eq!(parse(b"/proc/1/root", text), [wanted]);
        assert_eq!(unescaped(b"\\04\\999\\"), b"\\04\\999\\");
    }

    #[test]
    fn a_mount_over_the_path_covers_it() {
        let own = "40 30 0:4 net:[4026532388] /run/netns/a rw - nsfs nsfs rw\n";
        for (path, is_covered) in [
            ("/", true),
            ("/run", true),
            ("/run/netns", true),
            ("/run/netns/a", true),
            ("/run/netns/a/b", false),
            ("/run/netns/b", false),
            ("/run/net", false),
            ("/home", false),
        ] {
            let other = format!("50 30 0:9 / {path} rw - fuse fuse rw\n");
            let covered = |text: String| parse(b"", text.as_bytes())[0].path.is_none();
            assert_eq!(covered([own, &other].concat()), is_covered, "{path}");
            assert!(!covered([&other, own].concat()), "{path}");
            // What it is mounted on, which was put beneath it.
            let beneath = other.replace("50 30", "30 20");
            assert!(!covered([own, &beneath].concat()), "{path}");
        }
    }
}
