//! Numbers, times and endpoints as short texts.

use std::net::IpAddr;
use std::time::Duration;

use crate::model::Endpoint;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Units {
    /// Bytes, in steps of 1024, as in tcptrack.
    #[default]
    Bytes,
    /// Bits, in steps of 1000, as for links.
    Bits,
}

const BYTES: [&str; 7] = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];
const BITS: [&str; 7] = ["b", "kb", "Mb", "Gb", "Tb", "Pb", "Eb"];

/// An amount of bytes, rounded, with one decimal below 10: `371 KB`, `3.9 KB`.
pub(super) fn amount(bytes: u64, units: Units) -> String {
    let (all, step, words) = match units {
        Units::Bytes => (u128::from(bytes), 1024, BYTES),
        Units::Bits => (u128::from(bytes) * 8, 1000, BITS),
    };
    let (mut place, mut unit) = (0, 1);
    let rounded = |all: u128, unit: u128| (all + unit / 2) / unit;
    while rounded(all, unit) >= step && place + 1 < words.len() {
        (place, unit) = (place + 1, unit * step);
    }
    let mut text = match rounded(all * 10, unit) as u64 {
        tenths @ ..100 if place > 0 => number(tenths / 10) + "." + &number(tenths % 10),
        _ => number(rounded(all, unit) as u64),
    };
    text.push(' ');
    text.push_str(words[place]);
    text
}

/// An amount of bytes, if it is known.
pub(super) fn known_amount(bytes: Option<u64>, units: Units) -> String {
    bytes.map_or_else(|| "-".to_owned(), |bytes| amount(bytes, units))
}

/// An amount per second: `371 KB/s`.
pub(super) fn speed(bytes_per_second: u64, units: Units) -> String {
    amount(bytes_per_second, units) + "/s"
}

/// An idle time in whole seconds, minutes or hours, if it is known.
pub(super) fn idle(time: Option<Duration>) -> String {
    let Some(time) = time else { return "-".to_owned() };
    match time.as_secs() {
        seconds @ ..60 => number(seconds) + "s",
        seconds @ ..3600 => number(seconds / 60) + "m",
        seconds => number(seconds / 3600) + "h",
    }
}

/// A round-trip time: `250us`, `1.2ms`, `34ms`, `3s`.
pub(super) fn round_trip(time: Duration) -> String {
    match time.as_micros() {
        microseconds @ ..1000 => number(microseconds as u64) + "us",
        microseconds @ ..10_000 => {
            let tenths = microseconds as u64 / 100;
            number(tenths / 10) + "." + &number(tenths % 10) + "ms"
        }
        microseconds @ ..10_000_000 => number(microseconds as u64 / 1000) + "ms",
        _ => number(time.as_secs()) + "s",
    }
}

/// The lines of a text that is cut at blanks, and within a word only if it is wider than a line.
pub(super) fn wrap(text: &str, width: usize) -> Vec<&str> {
    let (mut lines, mut rest) = (Vec::new(), text.trim());
    while !rest.is_empty() {
        let edge = rest.char_indices().nth(width.max(1)).map_or(rest.len(), |(place, _)| place);
        let (line, more) = rest.split_at(edge);
        let is_whole = more.is_empty() || more.starts_with(' ');
        let end = if is_whole { edge } else { line.rfind(' ').unwrap_or(edge) };
        lines.push(rest[..end].trim_end());
        rest = rest[end..].trim_start();
    }
    lines
}

/// A number, if it is known.
pub(super) fn known_number(known: Option<u64>) -> String {
    known.map_or_else(|| "-".to_owned(), number)
}

pub(super) fn number(number: u64) -> String {
    itoa::Buffer::new().format(number).to_owned()
}

/// An end as tcptrack writes it: `10.0.0.1:80`, `[fd77::1]:80`.
pub(super) fn endpoint(end: &Endpoint) -> String {
    let mut text = String::with_capacity(24);
    match end.canonical() {
        IpAddr::V4(address) => {
            for (place, octet) in address.octets().into_iter().enumerate() {
                if place > 0 {
                    text.push('.');
                }
                text.push_str(itoa::Buffer::new().format(octet));
            }
        }
        address => {
            text.push('[');
            text.push_str(&address.to_string());
            text.push(']');
        }
    }
    text.push(':');
    text.push_str(itoa::Buffer::new().format(end.port));
    text
}

/// The same in a column of this width: of an address that is too long, the port and the beginning are kept.
pub(super) fn endpoint_within(end: &Endpoint, width: usize) -> String {
    let text = endpoint(end);
    let Some((address, port)) = text.rsplit_once(':').filter(|_| text.len() > width) else {
        return text;
    };
    let closing = if address.ends_with(']') { "..]:" } else { "..:" };
    let room = width.saturating_sub(closing.len() + port.len()).min(address.len());
    [&address[..room], closing, port].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_with_one_decimal_below_10() {
        let bytes = |number| speed(number, Units::Bytes);
        assert_eq!([0, 9, 1023, 1024].map(bytes), ["0 B/s", "9 B/s", "1023 B/s", "1.0 KB/s"]);
        assert_eq!([4000, 4045].map(bytes), ["3.9 KB/s", "4.0 KB/s"]);
        assert_eq!([10_188, 10_189].map(bytes), ["9.9 KB/s", "10 KB/s"]);
        assert_eq!([10_751, 10_752].map(bytes), ["10 KB/s", "11 KB/s"]);
        assert_eq!([380_000, 1 << 20].map(bytes), ["371 KB/s", "1.0 MB/s"]);
        assert_eq!([1_048_063, 1_048_064].map(bytes), ["1023 KB/s", "1.0 MB/s"]);
        assert_eq!([(1 << 30) - 1, u64::MAX].map(bytes), ["1.0 GB/s", "16 EB/s"]);
        let bits = |number| speed(number, Units::Bits);
        assert_eq!([0, 124, 125].map(bits), ["0 b/s", "992 b/s", "1.0 kb/s"]);
        assert_eq!([125_000_000, u64::MAX].map(bits), ["1.0 Gb/s", "148 Eb/s"]);
    }

    #[test]
    fn amounts_are_never_wider_than_their_columns() {
        let mut bytes = 1u64;
        while bytes < u64::MAX / 3 {
            for number in [bytes - 1, bytes, bytes / 2 * 3] {
                for units in [Units::Bytes, Units::Bits] {
                    assert!(speed(number, units).len() <= 9, "{number}");
                }
            }
            bytes += bytes / 4 + 1;
        }
    }

    #[test]
    fn text_is_wrapped_at_words_and_words_only_where_they_must() {
        let text = "one two  three abcdefghij x";
        assert_eq!(wrap(text, 9), ["one two", "three", "abcdefghi", "j x"]);
        assert_eq!(wrap(text, 99), [text]);
        assert_eq!(wrap("naïve ñandú", 5), ["naïve", "ñandú"]);
        assert_eq!(wrap("", 5), [""; 0]);
        assert_eq!(wrap("abc", 0), ["a", "b", "c"]);
    }

    #[test]
    fn times_take_few_letters() {
        let idles = [0, 59, 60, 3599, 3600, 86_400].map(|s| idle(Some(Duration::from_secs(s))));
        assert_eq!(idles, ["0s", "59s", "1m", "59m", "1h", "24h"]);
        let rtts = [0, 999, 1250, 9999, 10_000, 9_999_999, 10_000_000]
            .map(|us| round_trip(Duration::from_micros(us)));
        assert_eq!(rtts, ["0us", "999us", "1.2ms", "9.9ms", "10ms", "9999ms", "10s"]);
    }

    #[test]
    fn ends_are_written_as_people_do() {
        for (address, wanted) in [
            ("10.77.0.1", "10.77.0.1:80"),
            ("fd77::1", "[fd77::1]:80"),
            ("::ffff:1.2.3.4", "1.2.3.4:80"),
        ] {
            let end = Endpoint { address: address.parse().unwrap(), port: 80 };
            assert_eq!(endpoint(&end), wanted);
        }
        let end = Endpoint { address: "fd77:1:2:3::77".parse().unwrap(), port: 45_578 };
        assert_eq!(endpoint_within(&end, 22), "[fd77:1:2:3::77]:45578");
        assert_eq!(endpoint_within(&end, 21), "[fd77:1:2:3:..]:45578");
        assert_eq!(endpoint_within(&end, 0), "..]:45578");
    }
}
