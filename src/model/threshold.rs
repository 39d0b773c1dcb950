//! Thresholds of monitoring plugins, and the result of a check.
//!
//! A threshold is a range `[@]start:end` of good values; with `@`, of bad values. `10` is 0 to 10, `10:` is
//! 10 and more, `~:10` is 10 and less; both bounds are inside. The grammar is that of Linuxfabrik's
//! plugins, which is stricter than that of the reference plugins: those read as much of a word as they can,
//! so that `abc` is 0, `1,5` is 1, and a typing error becomes a threshold.

use std::fmt;

/// A range of good values or, if inverted, of bad values.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The least value inside; minus infinity for `~`.
    pub start: f64,
    /// The greatest value inside; infinity if it is omitted.
    pub end: f64,
    /// `@`: values inside are bad.
    pub is_inverted: bool,
}

/// Why a text is not a range, in the words of Linuxfabrik's plugins.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum WrongRange {
    /// A bound is not a number.
    Format,
    /// There is more than one colon.
    Definition,
    /// The start is greater than the end.
    Order(f64, f64),
}

impl fmt::Display for WrongRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            WrongRange::Format => f.write_str("Range format incorrect"),
            WrongRange::Definition => f.write_str("Not using range definition correctly"),
            WrongRange::Order(start, end) => {
                let (start, end) = (general(start), general(end));
                write!(f, "Start {start} must not be greater than end {end}")
            }
        }
    }
}

impl Range {
    /// Reads a threshold; `None` if the text is `none` or empty: there is no threshold. Leading
    /// backslashes, which keep a leading `-` from looking like an option, are ignored.
    pub fn parse(text: &str) -> Result<Option<Range>, WrongRange> {
        let text = text.trim_start_matches('\\');
        if text.is_empty() || text.eq_ignore_ascii_case("none") {
            return Ok(None);
        }
        let (is_inverted, bounds) = match text.strip_prefix('@') {
            Some(bounds) => (true, bounds),
            None => (false, text),
        };
        let (start, end) = bounds.split_once(':').unwrap_or(("", bounds));
        if end.contains(':') {
            return Err(WrongRange::Definition);
        }
        let start = match start.trim() {
            "~" => f64::NEG_INFINITY,
            start => bound(start, 0.0)?,
        };
        let end = bound(end.trim(), f64::INFINITY)?;
        if start > end {
            return Err(WrongRange::Order(start, end));
        }
        Ok(Some(Range { start, end, is_inverted }))
    }

    /// Whether `value` raises an alert.
    pub fn alerts(&self, value: f64) -> bool {
        (self.start <= value && value <= self.end) == self.is_inverted
    }
}

/// A bound of a range: a number, or `default` if it is empty.
fn bound(text: &str, default: f64) -> Result<f64, WrongRange> {
    if text.is_empty() {
        return Ok(default);
    }
    let number = text.strip_suffix('%').unwrap_or(text);
    if !is_number(number) {
        return Err(WrongRange::Format);
    }
    number.parse().map_err(|_| WrongRange::Format)
}

/// Whether the text is a decimal number: a sign, digits with a point, an exponent; only the digits are
/// required. `inf`, `nan` and `0x10` are not.
fn is_number(text: &str) -> bool {
    let unsigned = |text: &str| text.strip_prefix(['+', '-']).unwrap_or(text).to_owned();
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let (size, exponent) = match text.split_once(['e', 'E']) {
        Some((size, exponent)) => (unsigned(size), Some(unsigned(exponent))),
        None => (unsigned(text), None),
    };
    let (whole, part) = size.split_once('.').unwrap_or((&size, ""));
    are_digits(whole)
        && are_digits(part)
        && !(whole.is_empty() && part.is_empty())
        && exponent.is_none_or(|exponent| !exponent.is_empty() && are_digits(&exponent))
}

/// A number as C's `%g` writes it: at most six digits, without trailing zeros.
fn general(number: f64) -> String {
    if !number.is_finite() {
        return number.to_string();
    }
    let scientific = format!("{number:.5e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(5 - exponent).unwrap_or_default();
        return trimmed(&format!("{number:.decimals$}"));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:02}", trimmed(digits), exponent.abs())
}

/// The result of a check, the best first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    #[default]
    Ok,
    /// A required value is not known.
    Unknown,
    Warning,
    Critical,
}

impl Verdict {
    /// The result of two thresholds for a value; critical takes precedence.
    pub fn of(value: f64, warning: Option<&Range>, critical: Option<&Range>) -> Verdict {
        let alerts = |range: Option<&Range>| range.is_some_and(|range| range.alerts(value));
        if alerts(critical) {
            Verdict::Critical
        } else if alerts(warning) {
            Verdict::Warning
        } else {
            Verdict::Ok
        }
    }

    /// The word that monitoring systems know.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Ok => "OK",
            Verdict::Unknown => "UNKNOWN",
            Verdict::Warning => "WARNING",
            Verdict::Critical => "CRITICAL",
        }
    }

    /// The exit status that monitoring systems know.
    pub fn number(self) -> u8 {
        match self {
            Verdict::Ok => 0,
            Verdict::Warning => 1,
            Verdict::Critical => 2,
            Verdict::Unknown => 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INF: f64 = f64::INFINITY;

    fn range(text: &str) -> Range {
        Range::parse(text).unwrap().unwrap()
    }

    /// A range, what it is, and values that alert and that do not.
    type Case = (&'static str, (f64, f64, bool), &'static [f64], &'static [f64]);

    /// The rules of the guidelines, each with values that alert and values that do not.
    #[test]
    fn ranges_mean_what_the_guidelines_say() {
        let cases: [Case; 24] = [
            ("6", (0.0, 6.0, false), &[-0.1, 6.1, INF], &[0.0, 3.0, 6.0]),
            ("1:12%", (1.0, 12.0, false), &[0.9, 12.1], &[1.0, 12.0]),
            ("90%:", (90.0, INF, false), &[89.9], &[90.0, 1e9]),
            ("-7:23", (-7.0, 23.0, false), &[-7.1, 23.1], &[-7.0, 0.0, 23.0]),
            (":5.75", (0.0, 5.75, false), &[-1.0, 5.76], &[0.0, 5.75]),
            ("~:-95.99", (-INF, -95.99, false), &[-95.98, 0.0], &[-95.99, -1e300]),
            ("10:", (10.0, INF, false), &[9.0, -10.0], &[10.0, INF]),
            ("~:10", (-INF, 10.0, false), &[10.5], &[10.0, -INF]),
            ("10:20", (10.0, 20.0, false), &[9.0, 21.0], &[10.0, 20.0]),
            ("@10:20", (10.0, 20.0, true), &[10.0, 15.0, 20.0], &[9.0, 21.0]),
            ("@~:20", (-INF, 20.0, true), &[20.0, -1e9], &[20.1]),
            ("@0:657.8210567", (0.0, 657.821_056_7, true), &[0.0, 32.88, 657.821_056_7], &[-2.0]),
            ("@", (0.0, INF, true), &[0.0, 1.0, INF], &[-1.0]),
            ("@:", (0.0, INF, true), &[0.0], &[-1.0]),
            (":", (0.0, INF, false), &[-1.0], &[0.0, INF]),
            ("~:", (-INF, INF, false), &[], &[-INF, 0.0, INF]),
            ("@~:", (-INF, INF, true), &[-INF, 0.0, INF], &[]),
            ("~:0", (-INF, 0.0, false), &[0.5], &[-10.0, 0.0]),
            ("1:1", (1.0, 1.0, false), &[0.5, 5.2], &[1.0]),
            ("-10:0", (-10.0, 0.0, false), &[-11.0, 1.0], &[-10.0, 0.0]),
            ("\\-10:0", (-10.0, 0.0, false), &[1.0], &[-10.0]),
            ("+1.5e+2: 1E3% ", (150.0, 1000.0, false), &[149.0], &[150.0]),
            ("12345678901234567890:", (1.234_567_890_123_456_8e19, INF, false), &[1e19], &[2e19]),
            ("0:1e999", (0.0, INF, false), &[-1.0], &[1e300]),
        ];
        for (text, (start, end, is_inverted), alerting, quiet) in cases {
            let range = range(text);
            assert_eq!(range, Range { start, end, is_inverted }, "{text}");
            for value in alerting {
                assert!(range.alerts(*value), "{text} {value}");
            }
            for value in quiet {
                assert!(!range.alerts(*value), "{text} {value}");
            }
        }
    }

    #[test]
    fn no_threshold_is_none_or_empty() {
        for text in ["", "\\", "\\\\", "none", "None", "NONE", "\\none"] {
            assert_eq!(Range::parse(text), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_is_no_range_is_refused_with_the_reason() {
        for (text, message) in [
            ("abc", "Range format incorrect"),
            ("1 %", "Range format incorrect"),
            ("1,5", "Range format incorrect"),
            ("~", "Range format incorrect"),
            ("5:~", "Range format incorrect"),
            ("@none", "Range format incorrect"),
            ("@@5", "Range format incorrect"),
            ("5\\", "Range format incorrect"),
            ("12%%", "Range format incorrect"),
            ("%", "Range format incorrect"),
            ("1_000", "Range format incorrect"),
            ("inf", "Range format incorrect"),
            ("nan:", "Range format incorrect"),
            ("0x10", "Range format incorrect"),
            ("1e", "Range format incorrect"),
            (".", "Range format incorrect"),
            ("+-1", "Range format incorrect"),
            ("٣", "Range format incorrect"),
            ("10:20:30", "Not using range definition correctly"),
            ("::", "Not using range definition correctly"),
            ("20:10", "Start 20 must not be greater than end 10"),
            ("2:1", "Start 2 must not be greater than end 1"),
            ("-10", "Start 0 must not be greater than end -10"),
            ("@1e999:5%", "Start inf must not be greater than end 5"),
            ("1234567:0.00001", "Start 1.23457e+06 must not be greater than end 1e-05"),
            ("0.5:-1.25e-7", "Start 0.5 must not be greater than end -1.25e-07"),
            ("999999.5:100000", "Start 1e+06 must not be greater than end 100000"),
        ] {
            assert_eq!(Range::parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    /// The same grammar as a table of states over letters, to be read beside the documentation: what
    /// may follow what in `[@] [start :] end`, bounds trimmed. Gives the two texts of bounds.
    fn second_reading(text: &str) -> Option<Option<(bool, Option<&str>, &str)>> {
        let mut text = text;
        while let Some(rest) = text.strip_prefix('\\') {
            text = rest;
        }
        if ["", "none"].contains(&text) {
            return Some(None);
        }
        let is_inverted = text.as_bytes()[0] == b'@';
        let text = if is_inverted { &text[1..] } else { text };
        let parts: Vec<&str> = text.split(':').collect();
        let (start, end) = match parts[..] {
            [end] => (None, end),
            [start, end] => (Some(start), end),
            _ => return None,
        };
        let is_bound = |text: &str| text.trim().is_empty() || is_decimal(text.trim());
        let is_start = |text: &str| text.trim() == "~" || is_bound(text);
        (start.is_none_or(is_start) && is_bound(end)).then_some(Some((is_inverted, start, end)))
    }

    /// `[+-] digits [. digits] [e [+-] digits] [%]`, letter by letter.
    fn is_decimal(text: &str) -> bool {
        // 0 begin, 1 signed, 2 whole, 3 point without whole, 4 part, 5 e, 6 e signed, 7 power, 8 %
        let mut state = 0;
        for letter in text.bytes() {
            state = match (state, letter) {
                (0, b'+' | b'-') => 1,
                (0..=2, b'0'..=b'9') => 2,
                (0 | 1, b'.') => 3,
                (2, b'.') | (3 | 4, b'0'..=b'9') => 4,
                (2 | 4, b'e' | b'E') => 5,
                (5, b'+' | b'-') => 6,
                (5..=7, b'0'..=b'9') => 7,
                (2 | 4 | 7, b'%') => 8,
                _ => return false,
            };
        }
        [2, 4, 7, 8].contains(&state)
    }

    #[test]
    fn two_readings_agree_on_every_short_text() {
        const ALPHABET: &[u8] = b"@~:\\-+.e%07 n";
        let mut accepted = 0;
        for length in 0..=5u32 {
            for number in 0..ALPHABET.len().pow(length) {
                let mut rest = number;
                let mut text = String::new();
                for _ in 0..length {
                    text.push(ALPHABET[rest % ALPHABET.len()].into());
                    rest /= ALPHABET.len();
                }
                accepted += usize::from(check(&text));
            }
        }
        assert!(accepted > 4_000, "only {accepted} were ranges");
    }

    /// Whether `text` is a range, by both readings.
    fn check(text: &str) -> bool {
        let value = |text: &str, default: f64| match text.trim().trim_end_matches('%') {
            "" => default,
            "~" => -INF,
            number => number.parse().unwrap(),
        };
        match (Range::parse(text), second_reading(text)) {
            (Ok(None), Some(None)) => false,
            (Ok(Some(range)), Some(Some((is_inverted, start, end)))) => {
                let bounds = (value(start.unwrap_or_default(), 0.0), value(end, INF));
                assert_eq!((range.start, range.end), bounds, "{text}");
                assert_eq!(range.is_inverted, is_inverted, "{text}");
                true
            }
            (Err(WrongRange::Order(start, end)), Some(Some((_, a, b)))) => {
                assert!(start > end, "{text}");
                assert_eq!((start, end), (value(a.unwrap_or_default(), 0.0), value(b, INF)));
                false
            }
            (Err(WrongRange::Format | WrongRange::Definition), None) => false,
            (one, other) => panic!("{text:?}: {one:?}, but {other:?}"),
        }
    }

    #[test]
    fn the_critical_threshold_goes_first_and_the_worst_wins() {
        let (five, eight) = (range("5"), range("8"));
        let of = |value| Verdict::of(value, Some(&five), Some(&eight));
        assert_eq!(of(5.0), Verdict::Ok);
        assert_eq!(of(6.0), Verdict::Warning);
        assert_eq!(of(9.0), Verdict::Critical);
        assert_eq!(Verdict::of(9.0, Some(&five), None), Verdict::Warning);
        assert_eq!(Verdict::of(9.0, None, None), Verdict::Ok);
        use Verdict::{Critical, Ok, Unknown, Warning};
        assert!(Critical > Warning && Warning > Unknown && Unknown > Ok);
        assert_eq!([Ok, Warning, Critical, Unknown].map(Verdict::number), [0, 1, 2, 3]);
    }
}
