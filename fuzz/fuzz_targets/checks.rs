//! What a check is told: thresholds, keys and networks in words of any kind.
#![no_main]

use connbox::model::{Prefix, Range, masked};
use connbox::wire::socket_row;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    row(data);
    let Ok(text) = std::str::from_utf8(data) else { return };
    range(text);
    network(text);
});

/// The state of a row is what stands in its fourth column.
fn row(data: &[u8]) {
    let Some(row) = socket_row::socket_row(data) else { return };
    let state = connbox::wire::text::Fields::new(data).nth(3).unwrap();
    let digits = std::str::from_utf8(state).unwrap();
    assert_eq!(u32::from_str_radix(digits, 16), Ok(row.state.into()));
}

/// A range alerts inside or outside, and never both; its ends are in order.
fn range(text: &str) {
    let Ok(Some(range)) = Range::parse(text) else { return };
    assert!(!range.start.is_nan() && !range.end.is_nan() && range.start <= range.end);
    for value in [range.start, range.end].into_iter().filter(|value| value.is_finite()) {
        assert_eq!(range.alerts(value), range.is_inverted);
    }
}

/// A network has its own address, written in any way.
fn network(text: &str) {
    let Ok(prefix) = Prefix::parse(text) else { return };
    assert!(prefix.has(prefix.address) && prefix.has(masked(prefix.address, prefix.length)));
    let again = format!("{}/{}", prefix.address, prefix.length);
    let mapped = prefix.address.to_canonical() != prefix.address;
    assert!(mapped || Prefix::parse(&again) == Ok(prefix), "{again}");
}
