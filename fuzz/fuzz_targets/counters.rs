//! Lines of nstat and `netstat -s`: what is read as a counter has a name and a number.
#![no_main]

use connbox::wire::saved::{Known, nstat, statistics};
use connbox::wire::{rows, text};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for line in data.split(|byte| *byte == b'\n') {
        let _ = Known::of(line);
        let _ = nstat::line(line, &mut |name, number| {
            assert!(text::is_name(name) && text::unsigned(number).is_some());
        });
        if let Some((name, number)) = statistics::counter(line) {
            assert!(text::is_name(name) && text::number(number).is_some());
        }
        let _ = rows::json(line, &mut Default::default(), &mut |_, _| Some(()));
        let mut scratch = Vec::new();
        assert!(rows::cell(line, &mut scratch).is_none_or(|cell| cell.len() <= line.len()));
    }
});
