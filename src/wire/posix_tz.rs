//! Rules of summer time as TZ and the ends of TZif files write them, `CET-1CEST,M3.5.0,M10.5.0/3`:
//! POSIX.1-2024 8.3, and RFC 9636 3.3.1 for hours past a day.

use crate::calendar::{DAY, DateTime, days_to_month, weekday};

/// What is taken if a summer time has no dates: those of the United States, as glibc does where tzdata has
/// no posixrules.
const DEFAULT_DATES: &[u8] = b",M3.2.0,M11.1.0";

/// The seconds by which local time is ahead of UTC at a moment, in seconds since 1970, by a rule; `None`
/// for what is no rule.
#[must_use]
pub fn offset(rule: &[u8], unix_seconds: i64) -> Option<i32> {
    let mut text = Text(rule);
    text.name()?;
    let standard = text.offset()?;
    if text.0.is_empty() {
        return Some(standard);
    }
    text.name()?;
    let summer = match text.0 {
        [] | [b',', ..] => standard.saturating_add(3600),
        _ => text.offset()?,
    };
    if matches!(text.0, b"" | b",") {
        text = Text(DEFAULT_DATES);
    }
    let (begin, end) = (text.change()?, text.change()?);
    if !text.0.is_empty() {
        return None;
    }
    // A change is told by the clock that it ends.
    let begin = |year| begin.unix_seconds(year, standard);
    let end = |year| end.unix_seconds(year, summer);
    Some(if is_between(begin, end, unix_seconds) { summer } else { standard })
}

/// Whether a moment is in any year's summer. South of the equator a summer ends in the year after; and
/// a clock's year may begin before UTC's, or after it.
fn is_between(begin: impl Fn(i64) -> i64, end: impl Fn(i64) -> i64, moment: i64) -> bool {
    let this = DateTime::of(moment).year;
    [this.saturating_sub(1), this, this.saturating_add(1)].into_iter().any(|year| {
        let begin = begin(year);
        let same_year = end(year);
        let end = if same_year < begin { end(year.saturating_add(1)) } else { same_year };
        begin <= moment && moment < end
    })
}

/// When the clocks are changed, each year.
#[derive(Clone, Copy)]
struct Change {
    day: Day,
    /// The time of that day, or of one before or after it.
    seconds: i32,
}

#[derive(Clone, Copy)]
enum Day {
    /// `Mm.w.d`: the weekday `d` of week `w` of the month; week 5 is the last one that has the day.
    Week { month: u8, week: u8, weekday: u8 },
    /// `Jn`: from 1 on, without leap days.
    OfAnyYear(u16),
    /// `n`: from 0 on, with leap days.
    OfYear(u16),
}

impl Change {
    /// The moment in a year, for a clock that is `offset` seconds ahead of UTC.
    fn unix_seconds(self, year: i64, offset: i32) -> i64 {
        let day = self.day.days(year).saturating_mul(DAY);
        day.saturating_add(self.seconds.into()).saturating_sub(offset.into())
    }
}

impl Day {
    /// The days since 1970-01-01.
    fn days(self, year: i64) -> i64 {
        let january = days_to_month(year, 1);
        match self {
            Day::OfYear(day) => january.saturating_add(day.into()),
            Day::OfAnyYear(day) => {
                let march = days_to_month(year, 3);
                // 1 March is day 60 of any year.
                match i64::from(day).saturating_sub(60) {
                    past @ 0.. => march.saturating_add(past),
                    _ => january.saturating_add(day.into()).saturating_sub(1),
                }
            }
            Day::Week { month, week, weekday: wanted } => {
                let first = days_to_month(year, month);
                let next = match month {
                    12 => days_to_month(year.saturating_add(1), 1),
                    _ => days_to_month(year, month.saturating_add(1)),
                };
                let ahead = i64::from(wanted).saturating_sub(weekday(first).into()).rem_euclid(7);
                let weeks = i64::from(week).saturating_sub(1).saturating_mul(7);
                let day = first.saturating_add(ahead).saturating_add(weeks);
                if day < next { day } else { day.saturating_sub(7) }
            }
        }
    }
}

/// The rest of a rule's text.
struct Text<'a>(&'a [u8]);

impl Text<'_> {
    /// Takes a byte, if it is the next one.
    fn has(&mut self, byte: u8) -> bool {
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// Takes as many bytes as are wanted, and gives how many.
    fn skip(&mut self, is_wanted: impl Fn(&u8) -> bool) -> usize {
        let count = self.0.iter().take_while(|byte| is_wanted(byte)).count();
        self.0 = self.0.get(count..).unwrap_or_default();
        count
    }

    /// Takes a name, of three letters at least, or of digits and signs too, between angle brackets.
    fn name(&mut self) -> Option<()> {
        let length = if self.has(b'<') {
            let length = self.skip(|byte| byte.is_ascii_alphanumeric() || b"+-".contains(byte));
            if self.has(b'>') { length } else { 0 }
        } else {
            self.skip(u8::is_ascii_alphabetic)
        };
        (length >= 3).then_some(())
    }

    fn number(&mut self, least: u16, most: u16) -> Option<u16> {
        let text = self.0;
        let count = self.skip(u8::is_ascii_digit);
        let mut number = 0_u16;
        for digit in text.get(..count)? {
            number = number.checked_mul(10)?.checked_add(u16::from(digit & 15))?;
        }
        (count > 0 && (least..=most).contains(&number)).then_some(number)
    }

    /// Takes a number of a byte.
    fn small(&mut self, least: u16, most: u16) -> Option<u8> {
        u8::try_from(self.number(least, most)?).ok()
    }

    /// Takes `[+-]hh[:mm[:ss]]`, and gives seconds.
    fn time(&mut self, most_hours: u16) -> Option<i32> {
        let is_negative = self.has(b'-');
        if !is_negative {
            self.has(b'+');
        }
        let mut seconds = i32::from(self.number(0, most_hours)?).saturating_mul(3600);
        for unit in [60, 1] {
            if !self.has(b':') {
                break;
            }
            seconds = seconds.saturating_add(i32::from(self.number(0, 59)?).saturating_mul(unit));
        }
        Some(if is_negative { seconds.saturating_neg() } else { seconds })
    }

    /// Takes an offset, which counts to the west of Greenwich, and gives what UTC is behind.
    fn offset(&mut self) -> Option<i32> {
        self.time(24).map(i32::saturating_neg)
    }

    /// Takes a comma, a day and perhaps a time; it is 2 o'clock otherwise.
    fn change(&mut self) -> Option<Change> {
        if !self.has(b',') {
            return None;
        }
        let day = if self.has(b'M') {
            let month = self.small(1, 12)?;
            let week = Some(()).filter(|()| self.has(b'.')).and_then(|()| self.small(1, 5))?;
            let weekday = Some(()).filter(|()| self.has(b'.')).and_then(|()| self.small(0, 6))?;
            Day::Week { month, week, weekday }
        } else if self.has(b'J') {
            Day::OfAnyYear(self.number(1, 365)?)
        } else {
            Day::OfYear(self.number(0, 365)?)
        };
        let seconds = if self.has(b'/') { self.time(167)? } else { 7200 };
        Some(Change { day, seconds })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-03-29 01:00 and 2026-10-25 01:00, UTC.
    const SPRING: i64 = 1_774_746_000;
    const AUTUMN: i64 = 1_792_890_000;

    #[test]
    fn known_moments() {
        let berlin = b"CET-1CEST,M3.5.0,M10.5.0/3";
        assert_eq!(offset(berlin, SPRING - 1), Some(3600));
        assert_eq!(offset(berlin, SPRING), Some(7200));
        assert_eq!(offset(berlin, AUTUMN - 1), Some(7200));
        assert_eq!(offset(berlin, AUTUMN), Some(3600));
        assert_eq!(offset(b"<+0545>-5:45", 0), Some(20_700));
        assert_eq!(offset(b"XYZ1:02:03", 0), Some(-3723));
        // Greenland's clocks change on a Saturday evening, told as hours before Sunday.
        let nuuk = b"<-02>2<-01>,M3.5.0/-1,M10.5.0/0";
        assert_eq!(offset(nuuk, SPRING - 1), Some(-7200));
        assert_eq!(offset(nuuk, SPRING), Some(-3600));
        assert_eq!(offset(nuuk, AUTUMN), Some(-7200));
    }

    /// RFC 9636 3.3.1: summer time all year, in which no moment may fall between two years.
    #[test]
    fn summer_may_last_all_year() {
        for rule in [&b"XXX3EDT4,0/0,J365/23"[..], b"EST5EDT,0/0,J365/25", b"ZZZ0YYY-2,0/0,J365/26"]
        {
            let summer = offset(rule, SPRING);
            for year in 1970..2100 {
                let turn = days_to_month(year, 1) * DAY;
                for hour in -12..12 {
                    assert_eq!(offset(rule, turn + hour * 3600), summer, "{}", rule.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn what_is_no_rule() {
        for text in [
            "",
            "CET",
            "-1",
            "CE-1",
            "CET-",
            "CET-25",
            "CET-1:60",
            "CET-1:",
            "CET-1CE",
            "<CET-1",
            "<>1",
            "CET-1CEST,",
            "CET-1CEST,M3.5.0",
            "CET-1CEST,M3.5.0,",
            "CET-1CEST,M3.5.0,M10.5.0/",
            "CET-1CEST,M3.5.0,M10.5.0/168",
            "CET-1CEST,M13.5.0,M10.5.0",
            "CET-1CEST,M3.6.0,M10.5.0",
            "CET-1CEST,M3.5.7,M10.5.0",
            "CET-1CEST,J0,J1",
            "CET-1CEST,1,366",
            "CET-1CEST,1,99999999",
            "CET-1CEST,M3.5.0,M10.5.0 ",
            "Europe/Berlin",
            "CET-1CEST,M3,M10",
        ] {
            // glibc reads the one that ends with a comma as if it had no dates.
            let is_default = text == "CET-1CEST,";
            assert_eq!(offset(text.as_bytes(), 0).is_some(), is_default, "{text}");
        }
    }

    #[test]
    fn no_damage_to_a_rule_matters() {
        let rule = b"<+0330>-3:30:00<+0430>-4:30,J79/24,M9.3.5/-167:59:59";
        let check = |rule: &[u8]| {
            for moment in [i64::MIN, -1, 0, SPRING, AUTUMN, i64::MAX] {
                assert!(offset(rule, moment).is_none_or(|offset| offset.abs() < 100_000));
            }
        };
        for place in 0..rule.len() {
            check(&rule[..place]);
            for byte in 0..=255 {
                let mut rule = *rule;
                rule[place] = byte;
                check(&rule);
            }
        }
        assert_eq!(offset(rule, SPRING), Some(16_200));
    }
}
