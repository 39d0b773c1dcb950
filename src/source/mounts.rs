//! The network namespaces that a mount of their file keeps, such as those of Docker's networks in /run/docker/netns: a
//! namespace needs no process then.

use crate::error::Error;
use crate::sys::process::{Proc, readable};

/// A network namespace that is mounted somewhere.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mounted {
    pub inode: u64,
    pub path: Vec<u8>,
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

/// The namespaces in the text of mountinfo (proc_pid_mountinfo(5)), with their paths below `root`.
fn parse(root: &[u8], text: &[u8]) -> Vec<Mounted> {
    let parse = |line: &[u8]| {
        let mut words = line.split(|byte| *byte == b' ');
        let inode = words.nth(3)?.strip_prefix(b"net:[")?.strip_suffix(b"]")?;
        let inode = std::str::from_utf8(inode).ok()?.parse().ok()?;
        let path = [root, &unescaped(words.next()?)].concat();
        let kind = words.skip_while(|word| *word != b"-").nth(1)?;
        (kind == b"nsfs").then_some(Mounted { inode, path })
    };
    text.split(|byte| *byte == b'\n').filter_map(parse).collect()
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
        let wanted =
            Mounted { inode: 4_026_532_388, path: b"/proc/1/root/run/docker/netns/a b\\".to_vec() };
        assert_eq!(parse(b"/proc/1/root", text), [wanted]);
        assert_eq!(unescaped(b"\\04\\999\\"), b"\\04\\999\\");
    }
}
