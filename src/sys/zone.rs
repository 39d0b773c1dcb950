//! Local time: the machine's time zone, from TZ or /etc/localtime (tzfile(5), RFC 9636).
//!
//! The C library's way brings its scanner and its parsers of floating-point numbers into a static
//! binary, some 100 KiB.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{environment_as_it_is, open, read};

/// Where the files of zones are.
const ZONES: &str = "/usr/share/zoneinfo";
/// The longest file of a zone that is read; those there are have some 4 KiB.
const MOST_BYTES: usize = 64 * 1024;
const DAY: i64 = 86_400;
const HOUR: i64 = 3600;

/// A moment as calendars and clocks of the machine's time zone show it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words are common")]
pub struct LocalTime {
    pub year: i32,
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

/// The local time of a moment, in seconds since 1970-01-01 00:00 UTC; `None` for a year that no
/// calendar has. Where the zone cannot be read it is UTC, as with the C library.
#[must_use]
pub fn local_time(unix_seconds: i64) -> Option<LocalTime> {
    // As with the C library, a process has one time zone, which is read once.
    static ZONE: OnceLock<Zone> = OnceLock::new();
    const MOST: i64 = 1 << 45;
    let seconds = Some(unix_seconds).filter(|seconds| (-MOST..MOST).contains(seconds))?;
    Some(ZONE.get_or_init(Zone::own).at(seconds))
}

/// A zone: its past from a file, its future from a rule.
#[derive(Debug, Default)]
struct Zone {
    /// From when on it is how many seconds east of Greenwich.
    changes: Vec<(i64, i64)>,
    /// Before the first change.
    first: i64,
    /// After the last.
    rule: Option<Rule>,
}

/// What goes on year by year: seconds east of Greenwich, and the part of the year with other ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rule {
    standard: i64,
    summer: Option<Summer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Summer {
    offset: i64,
    start: Moment,
    end: Moment,
}

/// A moment of every year, in the local time that ends there: a day, and seconds since its midnight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Moment {
    day: Day,
    seconds: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Day {
    /// From 1 to 365, without 29 February.
    Julian(i64),
    /// From 0 to 365.
    OfYear(i64),
    /// Month, week (5 is the last), weekday.
    OfWeek(i64, i64, i64),
}

impl Zone {
    /// That of this process.
    fn own() -> Zone {
        // An empty one is UTC.
        let Some(name) = environment_as_it_is("TZ") else {
            return Zone::of_file(Path::new("/etc/localtime")).unwrap_or_default();
        };
        let text = name.to_str().unwrap_or_default();
        let path: PathBuf = Path::new(ZONES).join(text.strip_prefix(':').unwrap_or(text));
        let of_rule = || Some(Zone { rule: Some(Rule::parse(text)?), ..Zone::default() });
        Zone::of_file(&path).or_else(of_rule).unwrap_or_default()
    }

    fn of_file(path: &Path) -> Option<Zone> {
        let fd = open(path).ok()?;
        let mut bytes = Vec::with_capacity(MOST_BYTES);
        while bytes.len() < MOST_BYTES && read(&fd, &mut bytes).ok()? > 0 {}
        Zone::of(&bytes)
    }

    /// Reads a file of a zone.
    fn of(bytes: &[u8]) -> Option<Zone> {
        let old = Counts::of(bytes)?;
        let second = bytes.get(HEADER + old.length(4)?..);
        // Before version 2 there were but 32 bits.
        if bytes.get(4) == Some(&0) {
            return Zone::of_data(bytes.get(HEADER..)?, &old, 4);
        }
        let counts = Counts::of(second?)?;
        let data = second?.get(HEADER..)?;
        let footer = data.get(counts.length(8)?..)?;
        let rule = footer.strip_prefix(b"\n").and_then(|rest| rest.strip_suffix(b"\n"));
        let rule = rule.and_then(|rule| Rule::parse(std::str::from_utf8(rule).ok()?));
        Some(Zone { rule, ..Zone::of_data(data, &counts, 8)? })
    }

    /// Reads times of `width` bytes, then the place of the type of each, then the types.
    fn of_data(data: &[u8], counts: &Counts, width: usize) -> Option<Zone> {
        let (times, rest) = data.split_at_checked(counts.times.checked_mul(width)?)?;
        let (places, rest) = rest.split_at_checked(counts.times)?;
        let types = rest.get(..counts.types.checked_mul(TYPE)?)?;
        let offset = |place: usize| {
            let bytes = types.get(place.checked_mul(TYPE)?..)?.first_chunk()?;
            Some(i64::from(i32::from_be_bytes(*bytes)))
        };
        let time = |bytes: &[u8]| match bytes.first_chunk() {
            Some(bytes) => i64::from_be_bytes(*bytes),
            None => bytes.first_chunk().map_or(0, |bytes| i32::from_be_bytes(*bytes).into()),
        };
        let changes = times.chunks_exact(width).zip(places);
        let changes =
            changes.map(|(bytes, place)| Some((time(bytes), offset(usize::from(*place))?)));
        Some(Zone { changes: changes.collect::<Option<_>>()?, first: offset(0)?, rule: None })
    }

    /// How many seconds east of Greenwich it is.
    fn offset(&self, seconds: i64) -> i64 {
        let later = self.changes.partition_point(|(time, _)| *time <= seconds);
        match (self.rule, later.checked_sub(1).and_then(|place| self.changes.get(place))) {
            (Some(rule), _) if later == self.changes.len() => rule.offset(seconds),
            (_, Some((_, offset))) => *offset,
            (_, None) => self.first,
        }
    }

    fn at(&self, seconds: i64) -> LocalTime {
        let local = seconds + self.offset(seconds);
        let (days, rest) = (local.div_euclid(DAY), local.rem_euclid(DAY));
        let (year, month, day) = date(days);
        let small = |number: i64| u8::try_from(number).unwrap_or_default();
        LocalTime {
            year: i32::try_from(year).unwrap_or_default(),
            month: small(month),
            day: small(day),
            hour: small(rest / HOUR),
            minute: small(rest / 60 % 60),
            second: small(rest % 60),
            weekday: small((days + 4).rem_euclid(7)),
        }
    }
}

const HEADER: usize = 44;
/// The length of a type: its offset, whether it is summer time, and the place of its name.
const TYPE: usize = 6;

/// How much of what follows a header.
struct Counts {
    universal: usize,
    standard: usize,
    leaps: usize,
    times: usize,
    types: usize,
    names: usize,
}

impl Counts {
    fn of(bytes: &[u8]) -> Option<Counts> {
        let header = bytes.strip_prefix(b"TZif")?;
        let count = |place: usize| {
            let bytes = header.get(16 + 4 * place..)?.first_chunk()?;
            // No file is as long as the greatest number.
            usize::try_from(u32::from_be_bytes(*bytes)).ok().filter(|count| *count <= MOST_BYTES)
        };
        let (universal, standard, leaps) = (count(0)?, count(1)?, count(2)?);
        let (times, types, names) = (count(3)?, count(4)?, count(5)?);
        Some(Counts { universal, standard, leaps, times, types, names })
    }

    /// The length of the data where times have `width` bytes.
    fn length(&self, width: usize) -> Option<usize> {
        let Counts { universal, standard, leaps, times, types, names } = self;
        let all = [times * (width + 1), types * TYPE, *names, leaps * (width + 4), *standard];
        all.iter().sum::<usize>().checked_add(*universal)
    }
}

impl Rule {
    /// Reads a TZ string of POSIX: `CET-1CEST,M3.5.0,M10.5.0/3`.
    fn parse(text: &str) -> Option<Rule> {
        let mut rest = name(text)?;
        let standard = -time(&mut rest)?;
        if rest.is_empty() {
            return Some(Rule { standard, summer: None });
        }
        rest = name(rest)?;
        let has_offset = !rest.is_empty() && !rest.starts_with(',');
        let offset = if has_offset { -time(&mut rest)? } else { standard + HOUR };
        // The rule that POSIX leaves open is that of the United States.
        let rest = if rest.is_empty() { ",M3.2.0,M11.1.0" } else { rest };
        let (start, end) = rest.strip_prefix(',')?.split_once(',')?;
        let (start, end) = (Moment::parse(start)?, Moment::parse(end)?);
        Some(Rule { standard, summer: Some(Summer { offset, start, end }) })
    }

    fn offset(self, seconds: i64) -> i64 {
        let Rule { standard, summer: Some(Summer { offset, start, end }) } = self else {
            return self.standard;
        };
        let (year, ..) = date((seconds + standard).div_euclid(DAY));
        let start = start.in_year(year) - standard;
        let end = end.in_year(year) - offset;
        // South of the equator summer begins late in the year.
        let is_summer = match start <= end {
            true => (start..end).contains(&seconds),
            false => !(end..start).contains(&seconds),
        };
        if is_summer { offset } else { standard }
    }
}

impl Moment {
    fn parse(text: &str) -> Option<Moment> {
        let (day, time_text) = text.split_once('/').unwrap_or((text, "2"));
        let mut rest = time_text;
        let seconds = time(&mut rest).filter(|_| rest.is_empty())?;
        let number = |text: &str| text.parse::<u16>().ok().map(i64::from);
        let day = if let Some(day) = day.strip_prefix('J') {
            Day::Julian(number(day)?)
        } else if let Some(day) = day.strip_prefix('M') {
            let mut parts = day.split('.').map(number);
            let (month, week, weekday) = (parts.next()??, parts.next()??, parts.next()??);
            let is_one = (1..=12).contains(&month) && (1..=5).contains(&week) && weekday < 7;
            Some(Day::OfWeek(month, week, weekday)).filter(|_| is_one)?
        } else {
            Day::OfYear(number(day)?)
        };
        Some(Moment { day, seconds })
    }

    /// Seconds since 1970-01-01 00:00 of local time.
    fn in_year(self, year: i64) -> i64 {
        let january = days(year, 1, 1);
        let day = match self.day {
            // 29 February is never counted.
            Day::Julian(day) if day < 60 => january + day - 1,
            Day::Julian(day) => days(year, 3, 1) + day - 60,
            Day::OfYear(day) => january + day,
            Day::OfWeek(month, week, weekday) => {
                let first = days(year, month, 1);
                let next =
                    if month == 12 { days(year + 1, 1, 1) } else { days(year, month + 1, 1) };
                let day = first + (weekday - (first + 4)).rem_euclid(7) + (week - 1) * 7;
                if day < next { day } else { day - 7 }
            }
        };
        day * DAY + self.seconds
    }
}

/// What follows the name of a zone, `CET` or `<+03>`.
fn name(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix('<') {
        return rest.split_once('>').map(|(_, rest)| rest);
    }
    let length = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    if length < 3 { None } else { text.get(length..) }
}

/// Takes `[+-]hh[:mm[:ss]]` off the front, as seconds.
fn time(rest: &mut &str) -> Option<i64> {
    let length = rest.find(|byte: char| !byte.is_ascii_digit() && !"+-:".contains(byte));
    let (text, left) = rest.split_at_checked(length.unwrap_or(rest.len()))?;
    *rest = left;
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    let (mut seconds, mut unit) = (0, HOUR);
    for part in digits.split(':') {
        seconds += i64::from(part.parse::<u8>().ok()?) * unit;
        unit /= 60;
    }
    Some(sign * seconds)
}

/// The days since 1970-01-01 of a date, in the calendar of Gregory.
fn days(year: i64, month: i64, day: i64) -> i64 {
    // Years that begin in March have their leap day at the end.
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// Year, month and day of the days since 1970-01-01.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Moments of more than a century, some of them beyond every list of changes.
    fn moments() -> impl Iterator<Item = i64> {
        (0..400).map(|step| -2_000_000_000 + step * 19_000_123)
    }

    fn written(time: LocalTime) -> String {
        let LocalTime { year, month, day, hour, minute, second, weekday } = time;
        format!("{year}-{month}-{day} {hour}:{minute}:{second} {weekday}")
    }

    /// What date(1) says of all moments in the zone `name`.
    fn date_says(name: &str) -> Option<String> {
        let list: Vec<_> = moments().map(|seconds| format!("@{seconds}\n")).collect();
        let file = std::env::temp_dir().join(format!("connbox-zone-{}", std::process::id()));
        let file = file.with_extension(name.replace(['/', ',', '<', '>'], "_"));
        std::fs::write(&file, list.concat()).unwrap();
        let format = "+%-Y-%-m-%-d %-H:%-M:%-S %w";
        let output = Command::new("date").env("TZ", name).arg("-f").arg(&file).arg(format).output();
        std::fs::remove_file(&file).unwrap();
        output
            .ok()
            .filter(|output| output.status.success())
            .map(|output| String::from_utf8(output.stdout).unwrap())
    }

    #[test]
    fn every_moment_is_what_date_says() {
        let files = [
            "UTC",
            "Europe/Berlin",
            "Europe/Dublin",
            "America/New_York",
            "America/Sao_Paulo",
            "Asia/Kolkata",
            "Asia/Tehran",
            "Australia/Lord_Howe",
            "Africa/Casablanca",
            "America/Godthab",
            "Pacific/Apia",
        ];
        let rules = [
            "UTC0",
            "CET-1CEST,M3.5.0,M10.5.0/3",
            "NZST-12NZDT,M9.5.0,M4.1.0/3",
            "<+0330>-3:30<+0430>,J79/24,J263/24",
            "<-03>3<-02>,M3.5.0/-2,M10.5.0/-1",
            "AAA4BBB,59/1,300/1:30",
        ];
        let of_file = files.map(|name| (name, Zone::of_file(&Path::new(ZONES).join(name))));
        let of_rule = rules.map(|text| {
            (text, Rule::parse(text).map(|rule| Zone { rule: Some(rule), ..Zone::default() }))
        });
        let mut compared = 0;
        for (name, zone) in of_file.into_iter().chain(of_rule) {
            let (Some(zone), Some(said)) = (zone, date_says(name)) else { continue };
            for (seconds, line) in moments().zip(said.lines()) {
                // For the C library a rule alone begins with 1970.
                if seconds >= 365 * DAY || !rules.contains(&name) {
                    assert_eq!(written(zone.at(seconds)), line, "{name} {seconds}");
                    compared += 1;
                }
            }
        }
        assert!(compared >= rules.len() * 200, "{compared}");
    }

    #[test]
    fn no_damage_to_a_file_panics() {
        let Ok(whole) = std::fs::read(Path::new(ZONES).join("Europe/Berlin")) else { return };
        for end in 0..whole.len() {
            let _ = Zone::of(&whole[..end]).map(|zone| zone.at(0));
        }
        for place in 0..whole.len() {
            let mut bad = whole.clone();
            bad[place] ^= 0xff;
            if let Some(zone) = Zone::of(&bad) {
                assert!(moments().step_by(40).all(|seconds| zone.at(seconds).month > 0));
            }
        }
        for wrong in
            ["", "C", "CET", "CET-", "CET-1CEST,M3", "CET-1CEST,M13.1.0,M1.1.1", "<", "CET-999"]
        {
            assert_eq!(Rule::parse(wrong), None, "{wrong}");
        }
    }
}
