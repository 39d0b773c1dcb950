//! Lines of nstat and `netstat -s`: what is read as a counter has a name and a number. And rows of connbox: one has a
//! column for each of its values.
#![no_main]

use connbox::wire::own_rows::{Known as Column, Reader, Role};
use connbox::wire::saved::{Known, nstat, statistics};
use connbox::wire::{rows, text};
use libfuzzer_sys::fuzz_target;

const COLUMNS: [Column; 5] = [
    Column { name: "protocol", role: Role::Name },
    Column { name: "item", role: Role::Name },
    Column { name: "value", role: Role::Number },
    Column { name: "limit", role: Role::Number },
    Column { name: "source", role: Role::Other },
];

fuzz_target!(|data: &[u8]| {
    let mut reader = Reader::of(&COLUMNS);
    for line in data.split(|byte| *byte == b'\n') {
        let _ = Known::of(line);
        let _ = nstat::line(line, &mut |name, number| {
            assert!(text::is_name(name) && text::unsigned(number).is_some());
        });
        if let Some((name, number)) = statistics::counter(line) {
            assert!(text::is_name(name) && text::number(number).is_some());
        }
        let _ = rows::json(line, &mut Default::default(), &mut |_, _| Some(()));
        for row in reader.line(line).unwrap_or_default() {
            assert!(row.columns().all(|column| row.get(column).is_some()));
        }
        let mut scratch = Vec::new();
        assert!(rows::cell(line, &mut scratch).is_none_or(|cell| cell.len() <= line.len()));
    }
});
