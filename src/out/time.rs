//! Points in time as RFC 3339 writes them.

const DAY: i64 = 86_400;

/// `2026-11-21T11:33:36.123Z`: the time at `unix_milliseconds` since 1970, UTC, for the years 1970 to 9999;
/// a clock outside this range is shown at its nearer end.
pub(super) fn rfc3339(unix_milliseconds: i64) -> [u8; 24] {
    const END_OF_9999: i64 = 253_402_300_799_999;
    let milliseconds = unix_milliseconds.clamp(0, END_OF_9999);
    let seconds = milliseconds / 1000;
    let (year, month, day) = date(seconds / DAY);
    let mut text = *b"0000-00-00T00:00:00.000Z";
    let mut put = |place: usize, width: usize, mut number: i64| {
        for digit in text[place..place + width].iter_mut().rev() {
            *digit = b'0' + u8::try_from(number % 10).unwrap_or_default();
            number /= 10;
        }
    };
    put(0, 4, year);
    put(5, 2, month);
    put(8, 2, day);
    put(11, 2, seconds % DAY / 3600);
    put(14, 2, seconds / 60 % 60);
    put(17, 2, seconds % 60);
    put(20, 3, milliseconds % 1000);
    text
}

/// Year, month and day, `days` after 1970-01-01. Years are counted from March, so that the leap day is
/// their last day; they repeat every 400.
fn date(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    let since_march_0000 = days + 719_468;
    let (era, day_of_era) =
        (since_march_0000 / DAYS_OF_400_YEARS, since_march_0000 % DAYS_OF_400_YEARS);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every day of 800 years, counted one by one.
    #[test]
    fn days_follow_one_another() {
        let mut wanted = (1970, 1, 1);
        for days in 0..292_194 {
            assert_eq!(date(days), wanted);
            let (year, month, _) = wanted;
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + i64::from(is_leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            wanted = match wanted {
                (year, 12, 31) => (year + 1, 1, 1),
                (year, month, day) if day == length => (year, month + 1, 1),
                (year, month, day) => (year, month, day + 1),
            };
        }
        assert_eq!(wanted, (2770, 1, 1));
    }

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
