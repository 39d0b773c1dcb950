//! A file that appears under its name complete, or not at all.
//!
//! Until it is complete it has no name (`O_TMPFILE`): nothing remains of a process that ends early, and nobody can
//! open it. Only to replace a file it gets a random hidden name, for the moment until it is renamed. Where the file
//! system has no `O_TMPFILE`, the bytes are in memory until then, and those of a long file under such a name.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, MemfdFlags, Mode, OFlags, SeekFrom, Uid, XattrFlags,
};
use rustix::io::Errno;
use rustix::rand::GetRandomFlags;

use super::place::{self, Entry, PathError, Place, Spot, c_string, path_of};
use super::write_all;

/// A file that is being written.
#[derive(Debug)]
pub struct AtomicFile {
    fd: OwnedFd,
    /// `None` for what is written in place, because renaming over it would destroy it: a pipe, a device.
    target: Option<Target>,
}

/// Where the file will appear.
#[derive(Debug)]
struct Target {
    spot: Spot,
    /// The regular file that it replaces.
    old: Option<Entry>,
    /// The name that it has until it is complete.
    temporary: Option<CString>,
    /// How many more bytes it may get without a name.
    room: usize,
}

/// The access control list among the extended attributes.
const LIST: &CStr = c"system.posix_acl_access";
/// How many bytes are kept in memory.
const MOST_IN_MEMORY: usize = 1 << 20;
/// What replaces a file is closed to all others until it has that file's mode.
const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);
/// The umask takes bits away.
const PUBLIC: Mode = Mode::from_raw_mode(0o666);

impl AtomicFile {
    /// Begins to write `path`. A symbolic link is followed.
    ///
    /// # Errors
    /// Also if another user has put a link or a pipe into a directory that others may write.
    pub fn create(path: &Path) -> Result<AtomicFile, PathError> {
        let in_place = |fd| AtomicFile { fd, target: None };
        match place::find(path)? {
            Place::Directory(_) => Err(Errno::ISDIR.into()),
            Place::Descriptor(number) => {
                let fd = super::duplicate(number)?;
                // A closed standard output is open for reading here.
                let access = rustix::fs::fcntl_getfl(&fd)? & OFlags::ACCMODE;
                match access == OFlags::RDONLY {
                    true => Err(PathError::Ours("is closed, or not open for writing")),
                    false => Ok(in_place(fd)),
                }
            }
            Place::Magic(spot) => Ok(in_place(spot.open_magic()?)),
            Place::Name(spot, Some(there)) if !there.is(FileType::RegularFile) => {
                spot.open_special(&there).map(in_place)
            }
            Place::Name(spot, old) => Ok(AtomicFile::without_name(spot, old)?),
        }
    }

    fn without_name(spot: Spot, old: Option<Entry>) -> Result<AtomicFile, Errno> {
        let mut target = Target { spot, old, temporary: None, room: usize::MAX };
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::TMPFILE;
        let fd = match rustix::fs::openat(&target.spot.directory, c".", flags, target.mode()) {
            // The file system cannot do it, or a kernel before Linux 3.11.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
                target.room = MOST_IN_MEMORY;
                let memory = rustix::fs::memfd_create(c"connbox", MemfdFlags::CLOEXEC);
                memory.or_else(|_| target.create())?
            }
            // ext4's word for a directory that was removed after it had been opened (fs/ext4/ialloc.c).
            Err(Errno::PERM) if rustix::fs::fstat(&target.spot.directory)?.st_nlink == 0 => {
                return Err(Errno::NOENT);
            }
            result => result?,
        };
        Ok(AtomicFile { fd, target: Some(target) })
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), Errno> {
        if let Some(target) = self.target.as_mut().filter(|target| target.temporary.is_none()) {
            match target.room.checked_sub(bytes.len()) {
                Some(room) => target.room = room,
                None => target.copy(&mut self.fd)?,
            }
        }
        write_all(&self.fd, bytes)
    }

    /// Leaves the file to a child of this process.
    pub(super) fn leave(mut self) {
        if let Some(target) = &mut self.target {
            target.temporary = None;
        }
    }

    /// Puts the file under its name. The data reaches the disk first: some file systems report a
    /// full disk only then.
    ///
    /// # Errors
    /// The old file then stays as it was.
    pub fn finish(mut self) -> Result<(), Errno> {
        let Some(target) = &mut self.target else { return Ok(()) };
        rustix::fs::fsync(&self.fd)?;
        // While the file has another name than its own, no signal may end the process.
        let _held = super::hold_signals();
        target.appear(&mut self.fd)
    }
}

impl Target {
    fn mode(&self) -> Mode {
        if self.old.is_some() { PRIVATE } else { PUBLIC }
    }

    /// Gives the complete file its name.
    fn appear(&mut self, fd: &mut OwnedFd) -> Result<(), Errno> {
        self.look_again()?;
        if self.old.is_none() && self.temporary.is_none() {
            // Where nothing is replaced, no other name is needed.
            if link(fd, &self.spot.directory, &self.spot.name).is_ok() {
                return Ok(());
            }
            self.look_again()?;
        }
        if self.old.is_some() {
            rustix::fs::fchmod(&*fd, PRIVATE)?;
        }
        if self.temporary.is_none() {
            self.link(fd)?;
        }
        if let Some(old) = &self.old {
            resemble(fd, old, self.spot.shared_by()?.is_some())?;
        }
        let directory = &self.spot.directory;
        if let Some(temporary) = &self.temporary {
            rustix::fs::renameat(
                directory,
                temporary.as_c_str(),
                directory,
                self.spot.name.as_c_str(),
            )?;
        }
        self.temporary = None;
        Ok(())
    }

    /// Looks at what will be replaced, which may be another file than at first.
    fn look_again(&mut self) -> Result<(), Errno> {
        if let Some(now) = self.spot.look()?.filter(|now| now.is(FileType::RegularFile)) {
            self.old = Some(now);
        }
        Ok(())
    }

    /// Gives the file a temporary name, or a copy of it if that is not possible.
    fn link(&mut self, fd: &mut OwnedFd) -> Result<(), Errno> {
        match at_random(&mut |name| link(fd, &self.spot.directory, name)) {
            Ok(name) => {
                self.temporary = Some(name);
                Ok(())
            }
            Err(_) => self.copy(fd),
        }
    }

    /// Goes on in a file that has a temporary name and the same content.
    fn copy(&mut self, fd: &mut OwnedFd) -> Result<(), Errno> {
        let from = std::mem::replace(fd, self.create()?);
        rustix::fs::seek(&from, SeekFrom::Start(0))?;
        let mut buffer = Vec::with_capacity(64 * 1024);
        while super::read(&from, &mut buffer)? > 0 {
            write_all(&*fd, &buffer)?;
            buffer.clear();
        }
        rustix::fs::fsync(fd)
    }

    /// Creates a file under a temporary name.
    fn create(&mut self) -> Result<OwnedFd, Errno> {
        let flags = OFlags::WRONLY | OFlags::CLOEXEC | OFlags::CREATE | OFlags::EXCL;
        let mut made = Err(Errno::EXIST);
        let name = at_random(&mut |name| {
            made = rustix::fs::openat(&self.spot.directory, name, flags, self.mode());
            made.as_ref().map(|_| ()).map_err(|error| *error)
        })?;
        self.temporary = Some(name);
        made
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        if let Some(temporary) = &self.temporary {
            unlink(&self.spot.directory, temporary);
        }
    }
}

fn unlink(directory: &OwnedFd, name: &CStr) {
    let _ = rustix::fs::unlinkat(directory, name, AtFlags::empty());
}

/// Calls `make` with hidden names until it makes a file under one that no other file has. The names are random: in
/// other PID namespaces, other processes have our process ID.
fn at_random(make: &mut dyn FnMut(&CStr) -> Result<(), Errno>) -> Result<CString, Errno> {
    loop {
        let mut bytes = [0; 8];
        rustix::rand::getrandom(&mut bytes, GetRandomFlags::empty())?;
        // Not part of it: the file's name, to which nothing can be added if it has 255 bytes.
        let name = c_string(format!(".connbox-{:016x}.tmp", u64::from_ne_bytes(bytes)))?;
        match make(&name) {
            Err(Errno::EXIST) => {}
            result => return result.map(|()| name),
        }
    }
}

/// Gives an open file a name.
fn link(fd: &OwnedFd, directory: &OwnedFd, name: &CStr) -> Result<(), Errno> {
    let path = path_of(fd)?;
    match rustix::fs::linkat(CWD, path.as_c_str(), directory, name, AtFlags::SYMLINK_FOLLOW) {
        // Without /proc, a privilege is needed.
        Err(Errno::NOENT) => rustix::fs::linkat(fd, c"", directory, name, AtFlags::EMPTY_PATH),
        result => result,
    }
}

/// What became of a link to this program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    New,
    /// The name led to this program before.
    Already,
    /// The name is that of a file which does not lead to this program.
    Foreign,
}

/// Makes a symbolic link to `target`, the way to this program. With `force` it replaces a file of that name, in one
/// step, but never a directory.
pub fn link_to_us(
    directory: &OwnedFd,
    name: &str,
    target: &Path,
    force: bool,
) -> Result<Linked, Errno> {
    let (name, target) = (c_string(name)?, c_string(target.as_os_str().as_bytes())?);
    let (name, target) = (name.as_c_str(), target.as_c_str());
    match rustix::fs::symlinkat(target, directory, name) {
        Ok(()) => return Ok(Linked::New),
        Err(Errno::EXIST) => {}
        Err(error) => return Err(error),
    }
    if leads_to_us(directory, name)? {
        return Ok(Linked::Already);
    }
    if force {
        let _held = super::hold_signals();
        let temporary = at_random(&mut |name| rustix::fs::symlinkat(target, directory, name))?;
        rustix::fs::renameat(directory, temporary.as_c_str(), directory, name)
            .inspect_err(|_| unlink(directory, &temporary))?;
        return Ok(Linked::New);
    }
    Ok(Linked::Foreign)
}

/// Whether `name` is a symbolic link that leads to this program; `None` if nothing has that name.
pub fn is_link_to_us(directory: &OwnedFd, name: &str) -> Result<Option<bool>, Errno> {
    let name = c_string(name)?;
    match rustix::fs::statat(directory, name.as_c_str(), AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Symlink => {
            leads_to_us(directory, &name).map(Some)
        }
        Ok(_) => Ok(Some(false)),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a name leads to this program, and not by a link that another user has put into a shared directory: that one
/// leads wherever this user wants tomorrow.
fn leads_to_us(directory: &OwnedFd, name: &CStr) -> Result<bool, Errno> {
    let there = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    let is_link = FileType::from_raw_mode(there.st_mode) == FileType::Symlink;
    Ok(!(is_link && place::is_foreign(directory, &there)?) && super::is_us(directory, name)?)
}

/// Removes a link.
pub fn remove_link(directory: &OwnedFd, name: &str) -> Result<(), Errno> {
    rustix::fs::unlinkat(directory, name, AtFlags::empty())
}

/// Gives a file the owner, the mode and the access control list of the one that it replaces, as far as that is
/// allowed: whoever could read that one can read this one, and nobody else. In a shared directory it is not handed
/// over to another user, who may have put the old file there for that.
fn resemble(new: &OwnedFd, old: &Entry, is_shared: bool) -> Result<(), Errno> {
    let (own, was) = (rustix::fs::fstat(new)?, &old.stat);
    let mut mode = was.st_mode & 0o777;
    let has_owner = own.st_uid == was.st_uid;
    let mut has_group = own.st_gid == was.st_gid;
    let mut has_rights = true;
    if is_shared && !has_owner {
        mode &= !umask();
        let _ = rustix::fs::fremovexattr(new, LIST);
    } else {
        if !has_owner || !has_group {
            let (owner, group) = (Uid::from_raw(was.st_uid), Gid::from_raw(was.st_gid));
            has_group = rustix::fs::fchown(new, Some(owner), Some(group)).is_ok()
                || has_group
                || rustix::fs::fchown(new, None, Some(group)).is_ok();
        }
        has_rights = copy_list(new, old, has_group);
    }
    if !has_group {
        // What both classes may do: some of each are now in the other one.
        let least = mode & mode >> 3 & 0o7;
        mode = mode & 0o700 | least << 3 | least;
    }
    if !has_rights {
        mode &= 0o700;
    }
    rustix::fs::fchmod(new, Mode::from_raw_mode(mode))
}

/// Gives a file the access control list of another one, or none if that has none. Returns false if the list
/// may differ, or names a group that the file does not have.
fn copy_list(new: &OwnedFd, old: &Entry, has_group: bool) -> bool {
    let mut list = [0; 4096];
    let path = path_of(&old.fd).unwrap_or_default();
    match rustix::fs::getxattr(path.as_c_str(), LIST, &mut list) {
        Ok(length) => {
            let list = list.get(..length).unwrap_or_default();
            has_group && rustix::fs::fsetxattr(new, LIST, list, XattrFlags::empty()).is_ok()
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP | Errno::NOENT) => {
            // A new file may have got one from its directory.
            let removed = rustix::fs::fremovexattr(new, LIST);
            matches!(removed, Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP))
        }
        Err(_) => false,
    }
}

/// The rights that a new file does not get.
fn umask() -> u32 {
    // It can only be read by setting it; no other thread creates files meanwhile.
    let mask = rustix::process::umask(Mode::from_raw_mode(0o077));
    rustix::process::umask(mask);
    mask.bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// node_exporter reads every file of its directory that ends in .prom, hidden ones included.
    #[test]
    fn no_temporary_name_ends_in_prom() {
        let directory = std::env::temp_dir().join(format!("connbox-{}", std::process::id()));
        std::fs::create_dir(&directory).unwrap();
        let names = || -> Vec<_> {
            let all = std::fs::read_dir(&directory).unwrap();
            all.map(|entry| entry.unwrap().file_name().into_encoded_bytes()).collect()
        };
        for name in ["a.prom", ".prom", "a.prom.prom", "prom", "a.", "a\nb.prom"] {
            let mut file = AtomicFile::create(&directory.join(name)).unwrap();
            file.write(b"half").unwrap();
            assert!(names().is_empty());
            // As where the file system cannot hold a file without a name, and no memory is left.
            file.target.as_mut().unwrap().room = 0;
            file.write(b"half").unwrap();
            let [temporary] = &names()[..] else { panic!("{:?}", names()) };
            assert!(temporary.starts_with(b".connbox-") && temporary.ends_with(b".tmp"));
            file.finish().unwrap();
            assert_eq!(names(), [name.as_bytes()]);
            assert_eq!(std::fs::read(directory.join(name)).unwrap(), b"halfhalf");
            std::fs::remove_file(directory.join(name)).unwrap();
        }
        std::fs::remove_dir(directory).unwrap();
    }

    /// The directory goes before the file is begun, or before it is complete.
    #[test]
    fn a_removed_directory_is_one_that_is_not_there() {
        let directory = std::env::temp_dir().join(format!("connbox-gone-{}", std::process::id()));
        for is_begun in [false, true] {
            std::fs::create_dir(&directory).unwrap();
            let Ok(Place::Name(spot, None)) = place::find(&directory.join("file")) else {
                panic!()
            };
            if !is_begun {
                std::fs::remove_dir(&directory).unwrap();
            }
            let file = AtomicFile::without_name(spot, None);
            let end = file.and_then(|file| {
                std::fs::remove_dir(&directory).ok();
                file.finish()
            });
            assert_eq!(end, Err(Errno::NOENT), "{is_begun}");
        }
    }
}
