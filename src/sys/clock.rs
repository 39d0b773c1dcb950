//! The clocks.

use std::time::Duration;

use rustix::io::Errno;
use rustix::time::{ClockId, Timespec};

/// Microseconds since 1970-01-01 00:00 UTC, 0 for a clock that was set before.
#[must_use]
pub fn unix_microseconds() -> u64 {
    let now = rustix::time::clock_gettime(ClockId::Realtime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default();
    seconds.saturating_mul(1_000_000).saturating_add(now.tv_nsec.unsigned_abs() / 1000)
}

/// Milliseconds since 1970-01-01 00:00 UTC.
#[must_use]
pub fn unix_milliseconds() -> i64 {
    let now = rustix::time::clock_gettime(ClockId::Realtime);
    now.tv_sec.saturating_mul(1000).saturating_add(now.tv_nsec / 1_000_000)
}

/// Nanoseconds since 1970-01-01 00:00 UTC, on the clock that may be set.
#[must_use]
pub fn realtime() -> Duration {
    let now = rustix::time::clock_gettime(ClockId::Realtime);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or_default())
}

/// Nanoseconds on the clock that never jumps.
#[must_use]
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
