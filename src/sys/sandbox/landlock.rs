//! Landlock (landlock(7)): which files can be opened from now on, and to which ports TCP can connect. What is open
//! stays open.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::ptr::null;

use rustix::fs::{Mode, OFlags};

// Rights (include/uapi/linux/landlock.h).
pub(super) const WRITE_FILE: u64 = 1 << 1;
pub(super) const REMOVE_FILE: u64 = 1 << 5;
pub(super) const MAKE_FILE: u64 = 1 << 8;
const CONNECT_TCP: u64 = 1 << 1;
/// To bind and to connect.
const PORTS: u64 = 0b11;

// The same on all machines but a few old ones, which do not run this program.
const CREATE_RULESET: libc::c_long = 444;
const ADD_RULE: libc::c_long = 445;
const RESTRICT_SELF: libc::c_long = 446;

/// What is allowed.
pub(super) struct Ruleset {
    /// `None` where the kernel has no Landlock.
    fd: Option<OwnedFd>,
    /// Whether the kernel has rules for ports: since Linux 6.7.
    has_ports: bool,
}

impl Ruleset {
    /// Allows nothing.
    pub(super) fn none() -> Ruleset {
        const VERSION: u32 = 1;
        // SAFETY: without a structure, the kernel only gives its version.
        let version = unsafe { libc::syscall(CREATE_RULESET, null::<u64>(), 0usize, VERSION) };
        let rights = match version {
            ..1 => return Ruleset { fd: None, has_ports: false },
            1 => 13,
            2 => 14,
            3 | 4 => 15,
            _ => 16u32,
        };
        let has_ports = version >= 4;
        let handled = [(1u64 << rights) - 1, PORTS];
        let size = if has_ports { size_of_val(&handled) } else { size_of::<u64>() };
        // SAFETY: the structure is one number or two, of this size, and lives during the call.
        let fd = unsafe { libc::syscall(CREATE_RULESET, handled.as_ptr(), size, 0u32) };
        // SAFETY: the descriptor is new, and nothing else owns it.
        let fd = (fd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(fd as i32) });
        Ruleset { fd, has_ports }
    }

    pub(super) fn allow_below(&self, directory: &Path, rights: u64) {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        if let Ok(fd) = rustix::fs::open(directory, flags, Mode::empty()) {
            self.allow(&fd, rights);
        }
    }

    pub(super) fn allow(&self, file: &OwnedFd, rights: u64) {
        const PATH_BENEATH: u32 = 1;
        #[repr(C, packed)]
        struct PathBeneath {
            rights: u64,
            fd: i32,
        }
        self.add(PATH_BENEATH, &PathBeneath { rights, fd: file.as_raw_fd() });
    }

    /// Allows to connect to a port, of any host.
    pub(super) fn allow_port(&self, port: u16) {
        const NET_PORT: u32 = 2;
        self.add(NET_PORT, &[CONNECT_TCP, port.into()]);
    }

    /// If this fails, as for a pipe without a name, nothing more is allowed than without it.
    fn add<T>(&self, kind: u32, rule: &T) {
        let Some(ruleset) = &self.fd else { return };
        let (ruleset, rule) = (ruleset.as_raw_fd(), std::ptr::from_ref(rule));
        // SAFETY: the rule lives during the call, and its kind tells the kernel its size.
        unsafe { libc::syscall(ADD_RULE, ruleset, kind, rule, 0u32) };
    }

    /// Forbids everything else. Returns whether that holds for files, and whether it does for ports.
    pub(super) fn restrict(&self) -> [bool; 2] {
        let has = |fd: &OwnedFd| {
            // SAFETY: the call takes two numbers.
            unsafe { libc::syscall(RESTRICT_SELF, fd.as_raw_fd(), 0u32) == 0 }
        };
        let holds = self.fd.as_ref().is_some_and(has);
        [holds, holds && self.has_ports]
    }
}
