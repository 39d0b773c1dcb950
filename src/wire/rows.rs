//! Rows that connbox itself has printed: TSV, and JSON Lines.

/// Reads a cell of TSV: `None` for an absent value. Escaped text is unescaped into `scratch`.
pub fn cell<'a>(cell: &'a [u8], scratch: &'a mut Vec<u8>) -> Option<&'a [u8]> {
    if cell == b"-" {
        return None;
    }
    if !cell.contains(&b'\\') {
        return Some(cell);
    }
    scratch.clear();
    let mut rest = cell;
    while let Some((first, after)) = rest.split_first() {
        let (taken, byte) = match (first, after) {
            (b'\\', [b't', ..]) => (1, b'\t'),
            (b'\\', [b'n', ..]) => (1, b'\n'),
            (b'\\', [b'r', ..]) => (1, b'\r'),
            (b'\\', [b'\\', ..]) => (1, b'\\'),
            (b'\\', [b'x', high, low, ..]) => match digits(&[*high, *low]) {
                Some(byte) => (3, byte),
                None => (0, *first),
            },
            _ => (0, *first),
        };
        scratch.push(byte);
        rest = after.get(taken..).unwrap_or_default();
    }
    Some(scratch)
}

fn digits(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Takes a name and a value; `None` if it does not know them.
pub type Each<'a> = dyn FnMut(&[u8], Option<&[u8]>) -> Option<()> + 'a;

/// Calls `each` with the names and values of a JSON object, in which only lists of strings may be nested: their
/// words come with commas between them, and null as `None`. The outer `None` if it is not such an object, or if
/// `each` does not take a member.
pub fn json(line: &[u8], [name, value]: &mut [Vec<u8>; 2], each: &mut Each<'_>) -> Option<()> {
    let mut rest = line.trim_ascii().strip_prefix(b"{")?;
    while rest != b"}" {
        name.clear();
        value.clear();
        rest = string(rest, name)?.strip_prefix(b":")?;
        let is_null = rest.starts_with(b"null");
        rest = match rest.first()? {
            b'"' => string(rest, value)?,
            b'[' => list(rest, value)?,
            _ => {
                let is_end = |byte: &u8| matches!(byte, b',' | b'}');
                let (word, after) = rest.split_at_checked(rest.iter().position(is_end)?)?;
                value.extend_from_slice(word);
                after
            }
        };
        each(name, (!is_null).then_some(value.as_slice()))?;
        rest = match rest {
            [b',', b'"', ..] => rest.get(1..)?,
            b"}" => rest,
            _ => return None,
        };
    }
    Some(())
}

/// Takes a list of strings.
fn list<'a>(text: &'a [u8], into: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = text.strip_prefix(b"[")?;
    if let Some(after) = rest.strip_prefix(b"]") {
        return Some(after);
    }
    loop {
        rest = string(rest, into)?;
        match rest.split_first()? {
            (b',', after) => {
                into.push(b',');
                rest = after;
            }
            (b']', after) => return Some(after),
            _ => return None,
        }
    }
}

/// Takes a string, unescaped, as connbox writes it: of `\u` only characters below 0x80.
fn string<'a>(text: &'a [u8], into: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'u', b'0', b'0', high, low, after @ ..] => {
                into.push(digits(&[*high, *low]).filter(u8::is_ascii)?);
                after
            }
            [b'\\', escaped, after @ ..] => {
                into.push(match escaped {
                    b'n' => b'\n',
                    b't' => b'\t',
                    b'r' => b'\r',
                    b'b' => 8,
                    b'f' => 12,
                    b'"' | b'\\' | b'/' => *escaped,
                    _ => return None,
                });
                after
            }
            [byte, after @ ..] => {
                into.push(*byte);
                after
            }
            [] => return None,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Option<Vec<(String, Option<String>)>> {
        let mut all = Vec::new();
        let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        json(text.as_bytes(), &mut Default::default(), &mut |name, value| {
            all.push((text_of(name), value.map(text_of)));
            Some(())
        })?;
        Some(all)
    }

    #[test]
    fn members_of_an_object_are_read() {
        let pair = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        assert_eq!(
            all(r#"{"a":1,"b":null,"c":"x\"\n\u001b\\","d":["e","f"],"g":[],"h":-1.5,"i":true}"#),
            Some(vec![
                pair("a", Some("1")),
                pair("b", None),
                pair("c", Some("x\"\n\x1b\\")),
                pair("d", Some("e,f")),
                pair("g", Some("")),
                pair("h", Some("-1.5")),
                pair("i", Some("true")),
            ])
        );
        assert_eq!(all("{}"), Some(vec![]));
        for text in [
            "",
            "{",
            "{\"a\"}",
            "{\"a\":1",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "{\"a\":[1]}",
            "{\"a\":{\"b\":1}}x",
            "[1]",
            "{\"a\":\"\\q\"}",
        ] {
            assert_eq!(all(text), None, "{text}");
        }
    }

    #[test]
    fn cells_are_unescaped() {
        for (text, wanted) in [
            ("-", None),
            ("a", Some(&b"a"[..])),
            ("a\\tb\\n\\\\\\x1b", Some(b"a\tb\n\\\x1b")),
            ("\\", Some(b"\\")),
            ("\\x1", Some(b"\\x1")),
            ("\\u{202e}", Some(b"\\u{202e}")),
        ] {
            assert_eq!(cell(text.as_bytes(), &mut Vec::new()), wanted, "{text}");
        }
    }

    #[test]
    fn damage_is_read_without_a_panic() {
        let text = br#"{"a":1,"b":null,"c":"x\"\n\u001b\\","d":["e","f"],"i":true}"#;
        for place in 0..text.len() {
            let mut damaged = text.to_vec();
            let _ = json(&text[..place], &mut Default::default(), &mut |_, _| Some(()));
            for byte in 0..=u8::MAX {
                damaged[place] = byte;
                let _ = json(&damaged, &mut Default::default(), &mut |_, _| Some(()));
                let _ = cell(&damaged, &mut Vec::new());
            }
        }
    }
}
