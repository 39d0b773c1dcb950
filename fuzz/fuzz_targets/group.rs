//! Lines of sockstat, snmp and netstat, and headers: simpler code finds the same tokens, numbers,
//! names and pairs.
#![no_main]

use connbox::wire::text::{self, Fields, Group};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut lines = data.split(|byte| *byte == b'\n');
    while let Some(line) = lines.next() {
        tokens(line);
        let _ = text::header(line);
        match text::group(line) {
            Some(Group::Counts { protocol, fields }) => {
                whole(protocol, fields, line);
                counts(fields);
            }
            Some(Group::Names { group, fields }) => {
                whole(group, fields, line);
                pairs(fields, lines.clone().next().unwrap_or_default());
            }
            Some(Group::Values { group, fields }) => {
                whole(group, fields, line);
                // A number that is too wide, or ends in letters, still marks a line of values.
                let first = Fields::new(fields).next().unwrap()[0];
                assert!(first.is_ascii_digit() || first == b'-');
            }
            None => {}
        }
    }
});

fn whole(name: &[u8], fields: &[u8], line: &[u8]) {
    assert!(text::is_name(name) && [name, b":", fields].concat() == line);
}

fn tokens(line: &[u8]) {
    let plain = line.split(|byte| matches!(byte, b' ' | b'\t')).filter(|token| !token.is_empty());
    assert!(Fields::new(line).eq(plain));
    for token in Fields::new(line) {
        let word = std::str::from_utf8(token).ok();
        let digits = token.strip_prefix(b"-").unwrap_or(token);
        let is_plain = (1..=20).contains(&digits.len()) && digits.iter().all(u8::is_ascii_digit);
        let value = word.and_then(|word| word.parse::<i128>().ok()).filter(|_| is_plain);
        let most = i128::from(u64::MAX);
        let fits = |value: &i128| (i128::from(i64::MIN)..=most).contains(value);
        assert_eq!(text::number(token), value.filter(fits));
        let positive = value.filter(|_| digits.len() == token.len());
        assert_eq!(text::unsigned(token), positive.and_then(|value| u64::try_from(value).ok()));
    }
}

fn counts(fields: &[u8]) {
    let pairs: Vec<_> = text::counts(fields).collect();
    let broken = pairs.iter().position(Option::is_none);
    assert!(broken.is_none_or(|place| place + 1 == pairs.len()));
    let tokens: Vec<_> = Fields::new(fields).collect();
    for (pair, tokens) in pairs.iter().flatten().zip(tokens.chunks(2)) {
        assert_eq!((pair.0, Some(pair.1)), (tokens[0], text::number(tokens[1])));
    }
    assert!(broken.is_some() || pairs.len() * 2 == tokens.len());
}

fn pairs(names: &[u8], values: &[u8]) {
    let values = values.splitn(2, |byte| *byte == b':').last().unwrap_or_default();
    let Some(pairs) = text::pairs(names, values) else { return };
    let plain = Fields::new(names).zip(Fields::new(values).map(|value| text::number(value).unwrap()));
    assert!(pairs.eq(plain));
}
