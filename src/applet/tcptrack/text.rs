//! Numbers, times and endpoints as short texts.

use std::net::IpAddr;
use std::time::Duration;

use crate::model::Endpoint;

/// The units of amounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Units {
    /// Bytes, in steps of 1024, as in tcptrack.
    #[default]
    Bytes,
    /// Bits, in steps of 1000, as for links.
    Bits,
}

const BYTES: [&str; 7] = ["B", "KB", "MB", "GB", "TB", "PB", "EB"];
const BITS: [&str; 7] = ["b", "kb", "Mb", "Gb", "Tb", "Pb", "Eb"];

/// An amount of bytes, rounded down: `371 KB`.
pub fn amount(bytes: u64, units: Units) -> String {
    let (mut rest, step, words) = match units {
        Units::Bytes => (u128::from(bytes), 1024, BYTES),
        Units::Bits => (u128::from(bytes) * 8, 1000, BITS),
    };
    let mut place = 0;
    while rest >= step && place + 1 < words.len() {
        rest /= step;
        place += 1;
    }
    let mut text = itoa::Buffer::new().format(rest).to_owned();
    text.push(' ');
    text.push_str(words[place]);
    text
}

/// An amount per second: `371 KB/s`.
pub fn speed(bytes_per_second: u64, units: Units) -> String {
    amount(bytes_per_second, units) + "/s"
}

/// An idle time in whole seconds, minutes or hours.
pub fn idle(time: Duration) -> String {
    match time.as_secs() {
        seconds @ ..60 => number(seconds) + "s",
        seconds @ ..3600 => number(seconds / 60) + "m",
        seconds => number(seconds / 3600) + "h",
    }
}

/// A round-trip time: `250us`, `1.2ms`, `34ms`, `3s`.
pub fn round_trip(time: Duration) -> String {
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

pub fn number(number: u64) -> String {
    itoa::Buffer::new().format(number).to_owned()
}

/// An end as tcptrack writes it: `10.0.0.1:80`, `[fd77::1]:80`.
pub fn endpoint(end: &Endpoint) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_rounded_down_as_tcptrack_does() {
        let bytes = |number| speed(number, Units::Bytes);
        assert_eq!([0, 1023, 1024].map(bytes), ["0 B/s", "1023 B/s", "1 KB/s"]);
        assert_eq!([380_000, 1 << 20].map(bytes), ["371 KB/s", "1 MB/s"]);
        assert_eq!([(1 << 30) - 1, u64::MAX].map(bytes), ["1023 MB/s", "15 EB/s"]);
        let bits = |number| speed(number, Units::Bits);
        assert_eq!([0, 124, 125].map(bits), ["0 b/s", "992 b/s", "1 kb/s"]);
        assert_eq!([125_000_000, u64::MAX].map(bits), ["1 Gb/s", "147 Eb/s"]);
    }

    #[test]
    fn times_take_few_letters() {
        let idles = [0, 59, 60, 3599, 3600, 86_400].map(|s| idle(Duration::from_secs(s)));
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
    }
}
