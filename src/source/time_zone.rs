//! The time zone of the user: TZ, /etc/localtime, or UTC, by the order of glibc (tzset(3)).
//!
//! localtime_r of a static glibc would do too, and weighs 100 KB.

use std::cell::OnceCell;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::calendar::DateTime;
use crate::sys;
use crate::wire::{posix_tz, tzif};

/// A time zone, which is read when it is first needed, and never again.
#[derive(Debug, Default)]
pub struct TimeZone(OnceCell<Rules>);

#[derive(Debug)]
enum Rules {
    Utc,
    /// What a TZif file holds.
    File(Vec<u8>),
    /// A rule as POSIX has it.
    Posix(Vec<u8>),
}

impl TimeZone {
    /// The zone that TZ would mean with this value, and without any; read at once.
    #[must_use]
    pub fn of(tz: Option<&OsStr>) -> TimeZone {
        TimeZone(OnceCell::from(Rules::of(tz)))
    }

    /// What calendars and clocks show at a moment, in seconds since 1970-01-01 00:00 UTC.
    #[must_use]
    pub fn local(&self, unix_seconds: i64) -> DateTime {
        let rules = self.0.get_or_init(|| Rules::of(sys::variable("TZ").as_deref()));
        let ahead = match rules {
            Rules::Utc => None,
            Rules::File(file) => tzif::offset(file, unix_seconds),
            Rules::Posix(rule) => posix_tz::offset(rule, unix_seconds),
        };
        DateTime::of(unix_seconds.saturating_add(ahead.unwrap_or_default().into()))
    }
}

impl Rules {
    /// A file goes before a rule; what is neither is UTC, as is an empty value.
    fn of(tz: Option<&OsStr>) -> Rules {
        let Some(tz) = tz else {
            return file(Path::new("/etc/localtime")).map_or(Rules::Utc, Rules::File);
        };
        let tz = tz.as_bytes();
        let tz = tz.strip_prefix(b":").unwrap_or(tz);
        if tz.is_empty() {
            return Rules::Utc;
        }
        let directory = sys::environment("TZDIR");
        let directory = directory.as_deref().map_or(Path::new("/usr/share/zoneinfo"), Path::new);
        // An absolute path takes the place of the directory.
        match file(&directory.join(OsStr::from_bytes(tz))) {
            Some(file) => Rules::File(file),
            None if posix_tz::offset(tz, 0).is_some() => Rules::Posix(tz.into()),
            None => Rules::Utc,
        }
    }
}

/// The bytes of a file of a time zone; `None` if it cannot be read, or is none.
fn file(path: &Path) -> Option<Vec<u8>> {
    let fd = sys::open(path).ok()?;
    let bytes = sys::read_all(fd, tzif::MOST_BYTES - 1).ok()?;
    tzif::offset(&bytes, 0).is_some().then_some(bytes)
}
