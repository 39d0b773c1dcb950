//! The clocks, and local time.

use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{ClockId, Timespec};

/// Microseconds since 1970-01-01 00:00 UTC, 0 for an earlier clock.
pub fn unix_microseconds() -> u64 {
    let now = rustix::time::clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds.saturating_mul(1_000_000).saturating_add(now.tv_nsec.unsigned_abs() / 1000)
}

/// Milliseconds since 1970-01-01 00:00 UTC.
pub fn unix_milliseconds() -> i64 {
    let now = rustix::time::clock_gettime(ClockId::Realtime);
    now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000)
}

/// Nanoseconds since 1970-01-01 00:00 UTC, on the clock that can be set.
pub fn realtime() -> Duration {
    let now = rustix::time::clock_gettime(ClockId::Realtime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// Nanoseconds on the clock that never jumps.
pub fn monotonic() -> Duration {
    let now = rustix::time::clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// Sleeps until `moment` of [`monotonic`]; a moment in the past returns at once.
pub fn sleep_until(moment: Duration) {
    let seconds = i64::try_from(moment.as_secs()).unwrap_or(i64::MAX);
    let request = Timespec { tv_sec: seconds, tv_nsec: i64::from(moment.subsec_nanos()) };
    let sleep = || rustix::thread::clock_nanosleep_absolute(ClockId::Monotonic, &request);
    while sleep() == Err(Errno::INTR) {}
}

/// A local date and time.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs, reason = "the words are common")]
pub struct LocalTime {
    pub year: u64,
    /// From 1.
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    /// From 0, Sunday.
    pub weekday: u8,
}

/// Local time from libc, as conntrack and conntrackd show it. Like them, it does not notice a change of the
/// machine's time zone while the program runs.
pub fn local_time(unix_seconds: u64) -> LocalTime {
    // The last year of 64-bit microseconds is one that libc can show.
    let seconds = unix_seconds.min(u64::MAX / 1_000_000);
    let time = super::local(libc::time_t::try_from(seconds).unwrap_or(libc::time_t::MAX));
    let small = |number| u8::try_from(number).unwrap_or_default();
    LocalTime {
        year: u64::try_from(i64::from(time.tm_year) + 1900).unwrap_or_default(),
        month: small(time.tm_mon + 1),
        day: small(time.tm_mday),
        hour: small(time.tm_hour),
        minute: small(time.tm_min),
        second: small(time.tm_sec),
        weekday: small(time.tm_wday),
    }
}
