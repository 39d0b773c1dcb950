//! The symbolic links in a directory.

use rustix::fs::FileType;
use rustix::io::Errno;

use super::process::{call, each_entry, entries, open_directory, readable};

/// The names and texts of the links in a directory.
pub fn links(path: &[u8]) -> Result<Vec<[Vec<u8>; 2]>, Errno> {
    let (directory, ..) = open_directory(None, path)?;
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
