//! The Gregorian calendar, from before its beginning on, as arithmetic: days to dates, and back.

/// Seconds in a day.
pub const DAY: i64 = 86_400;

/// A moment as calendars and clocks show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are common")]
pub struct DateTime {
    pub year: i64,
    /// From 1 on.
    pub month: u8,
    /// From 1 on.
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    /// From 0, Sunday, on.
    pub weekday: u8,
}

impl DateTime {
    /// What is shown `seconds` after the calendar shows 1970-01-01 00:00:00.
    #[must_use]
    pub fn of(seconds: i64) -> DateTime {
        let (days, of_day) = (seconds.div_euclid(DAY), seconds.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let small = |number| u8::try_from(number).unwrap_or_default();
        DateTime {
            year,
            month: small(month),
            day: small(day),
            hour: small(of_day / 3600),
            minute: small(of_day / 60 % 60),
            second: small(of_day % 60),
            weekday: weekday(days),
        }
    }
}

/// The day of the week, from 0, Sunday, on, `days` after 1970-01-01, which was a Thursday.
#[must_use]
pub fn weekday(days: i64) -> u8 {
    u8::try_from((days.rem_euclid(7) + 4) % 7).unwrap_or_default()
}

/// The days of 400 years, after which the calendar repeats itself.
const ERA: i64 = 146_097;
/// The days from 0000-03-01 to 1970-01-01.
const MARCH_0000: i64 = 719_468;

/// Year, month and day, `days` after 1970-01-01, for the days of any `i64` of seconds. Years are taken
/// to begin in March, so that the leap day is their last.
fn date(days: i64) -> (i64, i64, i64) {
    let since_march_0000 = days + MARCH_0000;
    let (era, day_of_era) = (since_march_0000.div_euclid(ERA), since_march_0000.rem_euclid(ERA));
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

/// The days from 1970-01-01 to the first of a month (1 to 12) of a year as [`DateTime`] has them: the
/// other way round.
#[must_use]
pub fn days_to_month(year: i64, month: u8) -> i64 {
    let month = i64::from(month);
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5;
    era * ERA + 365 * year_of_era + year_of_era / 4 - year_of_era / 100 + day_of_year - MARCH_0000
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every day of 800 years, counted one by one.
    #[test]
    fn days_follow_one_another() {
        let mut wanted = (1600, 1, 1);
        let mut of_week = 6;
        for day in -135_140_i64.. {
            let shown = DateTime::of(day * DAY + 86_399);
            assert_eq!((shown.year, shown.month, shown.day), wanted);
            assert_eq!((shown.hour, shown.minute, shown.second), (23, 59, 59));
            assert_eq!(shown.weekday, of_week);
            let (year, month, of_month) = wanted;
            if of_month == 1 {
                assert_eq!(days_to_month(year, month), day);
            }
            let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
            let length = match month {
                2 => 28 + u8::from(is_leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            wanted = match wanted {
                (2400, 12, 31) => break,
                (year, 12, 31) => (year + 1, 1, 1),
                (year, month, of_month) if of_month == length => (year, month + 1, 1),
                (year, month, of_month) => (year, month, of_month + 1),
            };
            of_week = (of_week + 1) % 7;
        }
    }

    #[test]
    fn any_moment_has_a_date() {
        for seconds in [i64::MIN, i64::MIN + 1, -1, 0, i64::MAX] {
            let shown = DateTime::of(seconds);
            let days = days_to_month(shown.year, shown.month) + i64::from(shown.day) - 1;
            assert_eq!(days, seconds.div_euclid(DAY));
        }
        assert_eq!(DateTime::of(i64::MAX).year, 292_277_026_596);
    }
}
