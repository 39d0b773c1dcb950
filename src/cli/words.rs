//! Reads the values of options: words of a fixed set, numbers, lists, other options.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use super::hint;
use super::option::{Effect, Opt};
use crate::wire::text;

/// The meaning of a word of a fixed set.
pub fn choose<T: Copy>(words: &[(&str, T)], value: &OsStr) -> Result<T, String> {
    let found = words.iter().find(|(word, _)| word.as_bytes() == value.as_bytes());
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| *word).collect();
        format!("'{}' is not one of {}", value.display(), words.join(", "))
    })
}

/// A whole number: decimal digits and nothing else.
pub fn digits<T: TryFrom<u64>>(word: &str) -> Option<T> {
    text::unsigned(word.as_bytes())?.try_into().ok()
}

/// A positive integer.
pub fn number<T: TryFrom<u64>>(value: &OsStr) -> Result<T, String> {
    let number: Option<u64> = value.to_str().and_then(digits).filter(|number| *number > 0);
    number
        .and_then(|number| number.try_into().ok())
        .ok_or_else(|| format!("'{}' is not a positive integer", value.display()))
}

/// A time in seconds, from a millisecond to a year.
pub fn seconds(value: &OsStr) -> Result<Duration, String> {
    const MOST_SECONDS: f64 = 366.0 * 86_400.0;
    const LEAST_SECONDS: f64 = 0.001;
    let text = value.to_str().filter(|text| !text.contains('+'));
    let seconds = text.and_then(|text| text.parse::<f64>().ok());
    let seconds = seconds.filter(|seconds| (LEAST_SECONDS..=MOST_SECONDS).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or_else(|| {
        format!(
            "'{}' is not a number of seconds from 0.001 to 31622400 (one year)",
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

/// Applies the option `name` of `options` where it appears inside a value.
pub fn set<A>(
    options: &[Opt<A>],
    args: &mut A,
    name: &str,
    value: Option<&OsStr>,
) -> Result<(), String> {
    let Some(opt) = options.iter().find(|opt| opt.doc.longs().any(|long| long == name)) else {
        let hint = hint(name, options.iter().flat_map(|opt| opt.doc.longs()));
        return Err(format!("'{name}' is not a filter{hint}"));
    };
    match (&opt.effect, value) {
        (Effect::Switch(effect), None) => {
            effect(args);
            Ok(())
        }
        (Effect::Value(effect), Some(value)) => {
            effect(args, value).map_err(|reason| format!("{name}: {reason}"))
        }
        (Effect::Optional(effect), value) => {
            effect(args, value).map_err(|reason| format!("{name}: {reason}"))
        }
        (Effect::Switch(_), Some(_)) => Err(format!("{name} takes no value")),
        (Effect::Value(_), None) => Err(format!("{name} needs a value: {name}=VALUE")),
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
        assert!(number::<u32>(OsStr::new("4294967296")).is_err());
    }

    #[test]
    fn seconds_have_no_sign() {
        assert_eq!(seconds(OsStr::new("1.5")), Ok(Duration::from_millis(1500)));
        assert_eq!(seconds(OsStr::new(".5")), Ok(Duration::from_millis(500)));
        for word in ["+1", "-1", "1e+1", "", "1s", "inf", "nan", "0.0001", "31622401"] {
            assert!(seconds(OsStr::new(word)).is_err(), "{word}");
        }
    }
}
