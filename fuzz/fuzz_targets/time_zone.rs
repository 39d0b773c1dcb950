//! Files of time zones and rules of summer time of any bytes: no offset is longer than some days, and
//! any moment has a date.
#![no_main]

use connbox::calendar::{DateTime, days_to_month};
use connbox::wire::{posix_tz, tzif};
use libfuzzer_sys::fuzz_target;

// Input: a moment of eight bytes, and the file or the rule.
fuzz_target!(|data: &[u8]| {
    let Some((moment, text)) = data.split_first_chunk() else { return };
    let moment = i64::from_be_bytes(*moment);
    for offset in [tzif::offset(text, moment), posix_tz::offset(text, moment)].into_iter().flatten() {
        assert!(offset.abs() < 2 * 86_400, "{offset}");
    }
    let time = DateTime::of(moment);
    let days = days_to_month(time.year, time.month) + i64::from(time.day) - 1;
    assert_eq!(days, moment.div_euclid(86_400));
});
