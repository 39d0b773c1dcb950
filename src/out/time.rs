//! Points in time as RFC 3339 writes them.

use crate::calendar::DateTime;

/// `2026-11-21T11:33:36.123Z`: the time at `unix_milliseconds` since 1970, UTC, for the years 1970
/// to 9999; a clock set outside of them is shown at the nearer end.
#[must_use]
pub fn rfc3339(unix_milliseconds: i64) -> [u8; 24] {
    const END_OF_9999: i64 = 253_402_300_799_999;
    let milliseconds = unix_milliseconds.clamp(0, END_OF_9999);
    let time = DateTime::of(milliseconds / 1000);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |place: usize, width: usize, mut number: i64| {
        for digit in text[place..place + width].iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
    };
    put(0, 4, time.year);
    put(5, 2, time.month.into());
    put(8, 2, time.day.into());
    put(11, 2, time.hour.into());
    put(14, 2, time.minute.into());
    put(17, 2, time.second.into());
    put(20, 3, milliseconds % 1000);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments() {
        for (milliseconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399_999, "2000-02-28T23:59:59.999Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (1_795_260_816_123, "2026-11-21T11:33:36.123Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
            (-1, "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(rfc3339(milliseconds), text.as_bytes(), "{text}");
        }
    }
}
