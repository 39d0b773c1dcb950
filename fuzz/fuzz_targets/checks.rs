//! What a check is told: thresholds, keys and networks in words of any kind.
#![no_main]

use connbox::model::{Prefix, Range, masked};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    range(text);
    network(text);
});

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
