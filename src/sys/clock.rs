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

/// A moment on two clocks: the one that never jumps, and the one that people read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Moment {
    /// The moment of [`monotonic`].
    pub clock: Duration,
    pub unix_milliseconds: u64,
}

impl Moment {
    pub fn now() -> Moment {
        let unix_milliseconds = u64::try_from(unix_milliseconds()).unwrap_or_default();
        Moment { clock: monotonic(), unix_milliseconds }
    }

    pub fn unix_seconds(self) -> u64 {
        self.unix_milliseconds / 1000
    }
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

/// The seconds since 1970 of a local time: year, month from 1, day, hour, minute, second. Of a time that a clock
/// showed twice, either.
pub fn unix_of_local([year, month, day, hour, minute, second]: [u16; 6]) -> u64 {
    let wanted = unix_of_utc([
        year.into(),
        month.into(),
        day.into(),
        hour.into(),
        minute.into(),
        second.into(),
    ]);
    let mut guess = wanted;
    // The second step is for a guess on the other side of a change of the clock.
    for _ in 0..2 {
        let shown = local_time(u64::try_from(guess).unwrap_or_default());
        let [month, day, hour, minute, second] =
            [shown.month, shown.day, shown.hour, shown.minute, shown.second].map(i64::from);
        let year = i64::try_from(shown.year).unwrap_or_default();
        guess += wanted - unix_of_utc([year, month, day, hour, minute, second]);
    }
    u64::try_from(guess).unwrap_or_default()
}

/// The seconds from 1970 to a moment of UTC.
pub fn unix_of_utc([year, month, day, hour, minute, second]: [i64; 6]) -> i64 {
    // Years that begin in March, so that the leap day is the last one.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
        + year.div_euclid(400)
        + (153 * month + 2) / 5
        + day
        - 719_469;
    ((days * 24 + hour) * 60 + minute) * 60 + second
}
