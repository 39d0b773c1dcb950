//! Reads the values of options: words of a fixed set, numbers, lists, other options.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::hint;
use super::option::{Bound, Opt, OptDoc, Options, Takes};
use crate::wire::text;

/// The meaning of a word of a fixed set.
pub fn choose<T: Copy>(words: &[(&str, T)], value: &OsStr) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| word.as_bytes() == value.as_bytes());
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("'{}' is not one of {}", value.display(), words.join(", "))
    })
}

/// The words of a table, for [`Opt::word`]; [`choose`] reads the same table.
pub const fn words_of<T, const N: usize>(table: &[(&'static str, T); N]) -> [&'static str; N] {
    let mut words = [""; N];
    let mut place = 0;
    while place < N {
        words[place] = table[place].0;
        place += 1;
    }
    words
}

/// A whole number: decimal digits and nothing else.
pub fn digits<T: TryFrom<u64>>(word: &str) -> Option<T> {
    text::unsigned(word.as_bytes())?.try_into().ok()
}

/// A positive integer.
pub fn number<T: TryFrom<u64>>(value: &OsStr) -> Result<T, String> {
    let number: Option<u64> = value.to_str().and_then(digits).filter(|number| *number > 0);
    number.and_then(|number| number.try_into().ok()).ok_or_else(|| {
        let is_number = value != "0" && value.as_bytes().iter().all(u8::is_ascii_digit);
        let mosts = [u64::MAX, u32::MAX.into(), u16::MAX.into(), u8::MAX.into()];
        let most = mosts.into_iter().find(|most| is_number && T::try_from(*most).is_ok());
        let most = most.map_or(String::new(), |most| format!(" up to {most}"));
        format!("'{}' is not a positive integer{most}", value.display())
    })
}

/// A time in seconds or with a unit, from a millisecond to a year.
pub fn seconds(value: &OsStr) -> Result<Duration, String> {
    const MOST_SECONDS: f64 = 366.0 * 86_400.0;
    const LEAST_SECONDS: f64 = 0.001;
    const UNITS: [(&str, f64); 4] = [("ms", 0.001), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];
    let text = value.to_str().filter(|text| !text.contains('+')).unwrap_or_default();
    let with_unit = |(unit, length): &(&str, f64)| Some((text.strip_suffix(unit)?, *length));
    let (number, length) = UNITS.iter().find_map(with_unit).unwrap_or((text, 1.0));
    let seconds = number.parse::<f64>().ok().map(|number| number * length);
    let seconds = seconds.filter(|seconds| (LEAST_SECONDS..=MOST_SECONDS).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| {
        format!(
            "'{}' is not a number of seconds from 0.001 to 31622400 (one year), nor a time like 500ms, 1m, 1h",
            value.display()
        )
    })
}

/// The words of a comma list, none of them empty.
pub fn words(value: &OsStr) -> Result<std::str::Split<'_, char>, String> {
    let text = value.to_str().filter(|text| text.split(',').all(|word| !word.is_empty()));
    text.map(|text| text.split(','))
        .ok_or_else(|| format!("'{}' is not a comma-separated list of words", value.display()))
}

/// The words of a comma list, none of them empty, each with whether a `!` stands before it.
///
/// # Errors
/// Also for `!22,80`, which some read as neither, and others as 80 alone.
pub fn choices(value: &OsStr) -> Result<Vec<(bool, &[u8])>, String> {
    let words = value.as_bytes().split(|byte| *byte == b',');
    let words: Vec<_> = words
        .map(|word| word.strip_prefix(b"!").map_or((false, word), |word| (true, word)))
        .collect();
    let has = |is_not: bool| words.iter().any(|(one, _)| *one == is_not);
    match &words[..] {
        words if words.contains(&(true, b"")) => Err(format!(
            "'{}': a ! excludes the word behind it, and there is none; write !WORD",
            value.display()
        )),
        words if words.iter().any(|(_, word)| word.is_empty()) => {
            Err(format!("'{}' is not a comma-separated list of words", value.display()))
        }
        [(true, _), ..] if has(false) => Err(format!(
            "'{}': a ! belongs to the word behind it; to exclude all of them, write one before each",
            value.display()
        )),
        _ => Ok(words),
    }
}

/// Applies the option `name` of `options` where it appears inside a value.
pub fn set<A>(
    options: &[Opt<A>],
    args: &mut A,
    name: &str,
    value: Option<&OsStr>,
) -> Result<(), String> {
    set_one(&mut Bound { options, args }, name, value)
}

fn set_one(options: &mut dyn Options, name: &str, value: Option<&OsStr>) -> Result<(), String> {
    let is_it = |doc: &OptDoc| doc.longs().any(|long| long == name);
    let Some(place) = options.find(&is_it) else {
        let hint = hint(name, options.docs().flat_map(OptDoc::longs));
        return Err(format!("'{name}' is not a filter{hint}"));
    };
    match (options.takes(place), value) {
        (Takes::Nothing, Some(_)) => Err(format!("{name} takes no value")),
        (Takes::Value, None) => Err(format!("{name} needs a value: {name}=VALUE")),
        _ => options.apply(place, value).map_err(|reason| format!("{name}: {reason}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_digits_alone() {
        assert_eq!(digits("0"), Some(0u8));
        assert_eq!(digits("007"), Some(7u8));
        assert_eq!(digits("255"), Some(255u8));
        assert_eq!(digits("18446744073709551615"), Some(u64::MAX));
        for word in ["", "256", "+5", "-5", "5 ", " 5", "5.0", "0x5", "5e0", "_5", "5,", "\u{665}"]
        {
            assert_eq!(digits::<u8>(word), None, "{word}");
        }
        for word in ["0", "+5", "-5", "5s", "1.5", "", "18446744073709551616"] {
            assert!(number::<u64>(OsStr::new(word)).is_err(), "{word}");
        }
        assert_eq!(number::<u64>(OsStr::new("5")), Ok(5));
        for (number, most) in [
            (number::<u32>(OsStr::new("4294967296")).map(drop), "4294967295"),
            (number::<usize>(OsStr::new("99999999999999999999")).map(drop), "18446744073709551615"),
        ] {
            assert!(
                number.unwrap_err().ends_with(&format!("is not a positive integer up to {most}"))
            );
        }
    }

    #[test]
    fn times_have_units() {
        for (word, milliseconds) in [
            ("1s", 1000),
            ("500ms", 500),
            ("1m", 60_000),
            ("1.5m", 90_000),
            ("1h", 3_600_000),
            ("1ms", 1),
        ] {
            assert_eq!(
                seconds(OsStr::new(word)),
                Ok(Duration::from_millis(milliseconds)),
                "{word}"
            );
        }
        for word in
            ["ms", "s", "1 s", "1min", "0.5ms", "9000h", "1S", "1d", "1sm", "infm", "nanms", "-1s"]
        {
            assert!(seconds(OsStr::new(word)).is_err(), "{word}");
        }
    }

    #[test]
    fn seconds_have_no_sign() {
        assert_eq!(seconds(OsStr::new("1.5")), Ok(Duration::from_millis(1500)));
        assert_eq!(seconds(OsStr::new(".5")), Ok(Duration::from_millis(500)));
        for word in ["+1", "-1", "1e+1", "", "inf", "nan", "0.0001", "31622401"] {
            assert!(seconds(OsStr::new(word)).is_err(), "{word}");
        }
    }
}
