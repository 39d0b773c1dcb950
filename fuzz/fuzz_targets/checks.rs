//! Arguments of a check: any text as a threshold or a network.
#![no_main]

use connbox::model::{Prefix, Range, masked};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    range(text);
    network(text);
});

/// The ends of a range are in order, and both count as inside.
fn range(text: &str) {
    let Ok(Some(range)) = Range::parse(text) else { return };
    assert!(!range.start.is_nan() && !range.end.is_nan() && range.start <= range.end);
    for value in [range.start, range.end].into_iter().filter(|value| value.is_finite()) {
        assert_eq!(range.alerts(value), range.is_inverted);
    }
}

/// A network contains its own address, and parses again as it is written.
fn network(text: &str) {
    let Ok(prefix) = Prefix::parse(text) else { return };
    assert!(prefix.has(prefix.address) && prefix.has(masked(prefix.address, prefix.length)));
    let again = format!("{}/{}", prefix.address, prefix.length);
    let mapped = prefix.address.to_canonical() != prefix.address;
    assert!(mapped || Prefix::parse(&again) == Ok(prefix), "{again}");
}
