//! Directories, and the directories and symbolic links in them.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{FileType, OFlags};
use rustix::io::Errno;

use super::process::{DIRECTORY, call, each_entry, entries, open_at, readable};

/// Opens a directory, below `parent` if there is one, and gives its device and inode. A symbolic
/// link is not followed.
pub fn open(parent: Option<&OwnedFd>, path: &[u8]) -> Result<(OwnedFd, u64, u64), Errno> {
    let parent = parent.map_or(rustix::fs::CWD, AsFd::as_fd);
    let fd = open_at(parent, path, DIRECTORY | OFlags::NOFOLLOW)?;
    let stat = call(|| rustix::fs::fstat(&fd))?;
    Ok((fd, stat.st_dev, stat.st_ino))
}

/// The names of the directories in a directory.
pub fn directories(directory: &OwnedFd) -> Result<Vec<Vec<u8>>, Errno> {
    let mut names = Vec::new();
    each_entry(directory, FileType::Directory, &mut entries()[..], |name| {
        let name = name.to_bytes();
        if name != b"." && name != b".." {
            names.push(name.to_vec());
        }
        Ok(())
    })?;
    Ok(names)
}

/// The names and texts of the links in a directory.
pub fn links(path: &[u8]) -> Result<Vec<[Vec<u8>; 2]>, Errno> {
    let (directory, ..) = open(None, path)?;
    let mut links = Vec::new();
    each_entry(&directory, FileType::Symlink, &mut entries()[..], |name| {
        match call(|| rustix::fs::readlinkat(&directory, name, Vec::with_capacity(256))) {
            // Not a link, where the file system does not tell.
            Err(Errno::INVAL) => {}
            link => {
                let link = readable(link)?;
                links.extend(link.map(|link| [name.to_bytes().to_vec(), link.into_bytes()]));
            }
        }
        Ok(())
    })?;
    Ok(links)
}
