//! Files in memory under the names of kernel files, so that a case costs no disk.

use std::fs::File;
use std::os::fd::FromRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// A file in memory, under a path.
pub struct Memory {
    file: File,
    /// Where to read it.
    pub path: PathBuf,
}

impl Memory {
    /// An empty file whose path ends in `name`. Its descriptor's number is fixed, so that the link
    /// with this name still works for the next process.
    pub fn new(name: &str, number: i32) -> Memory {
        // SAFETY: the name is a C string, the new descriptor is ours, and nothing else in this
        // process uses so high a number.
        let file = unsafe {
            let fd = libc::memfd_create(c"fuzz".as_ptr(), libc::MFD_CLOEXEC);
            assert!(fd >= 0 && libc::dup2(fd, number) == number && libc::close(fd) == 0);
            File::from_raw_fd(number)
        };
        let directory = std::env::temp_dir().join("connbox-fuzz");
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(name);
        let target = format!("/proc/self/fd/{number}");
        if std::fs::read_link(&path).ok().as_deref() != Some(target.as_ref()) {
            // Several processes may do this at once; all make the same link.
            let _ = std::fs::remove_file(&path);
            let _ = std::os::unix::fs::symlink(&target, &path);
        }
        Memory { file, path }
    }

    /// Replaces the content of the file.
    pub fn hold(&self, text: &[u8]) {
        self.file.set_len(0).unwrap();
        self.file.write_all_at(text, 0).unwrap();
    }
}
