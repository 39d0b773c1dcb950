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
                Some(byte) if byte.is_ascii() => (3, byte),
                // A byte that is not UTF-8 stands there as it is: this is a character.
                Some(number) => {
                    push_character(scratch, number.into());
                    rest = after.get(3..).unwrap_or_default();
                    continue;
                }
                None => (0, *first),
            },
            (b'\\', [b'u', b'{', digits @ ..]) => match hidden(digits) {
                Some((number, behind)) => {
                    push_character(scratch, number);
                    rest = behind;
                    continue;
                }
                None => (0, *first),
            },
            _ => (0, *first),
        };
        scratch.push(byte);
        rest = after.get(taken..).unwrap_or_default();
    }
    Some(scratch)
}

/// The number in `202e}`, and what follows.
fn hidden(text: &[u8]) -> Option<(u32, &[u8])> {
    let end = text.iter().take(7).position(|byte| *byte == b'}')?;
    let (digits, behind) = text.split_at_checked(end)?;
    let number = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    char::from_u32(number).is_some().then_some((number, behind.get(1..)?))
}

fn push_character(to: &mut Vec<u8>, number: u32) {
    let character = char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER);
    to.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
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

/// Takes a string, unescaped as connbox writes it: with `\xff` for a byte that is not UTF-8, and `\x5c` for a backslash
/// that would look like the beginning of one.
pub(super) fn string<'a>(text: &'a [u8], into: &mut Vec<u8>) -> Option<&'a [u8]> {
    let mut rest = text.strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', after @ ..] => return Some(after),
            [b'\\', b'\\', b'x', high, low, after @ ..] if is_escape(*high, *low) => {
                into.push(digits(&[*high, *low])?);
                after
            }
            [b'\\', b'u', a, b, c, d, after @ ..] => {
                let digits = [*a, *b, *c, *d];
                let number = u32::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?;
                char::from_u32(number)?;
                push_character(into, number);
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

/// Whether `\x` and these digits stand for a byte; see `out::utf8`.
fn is_escape(high: u8, low: u8) -> bool {
    matches!((high, low), (b'8'..=b'9' | b'a'..=b'f', b'0'..=b'9' | b'a'..=b'f') | (b'5', b'c'))
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
            ("\\u{202e}b", Some("\u{202e}b".as_bytes())),
            ("\\\\u{202e}", Some(b"\\u{202e}")),
            ("\\u{202e", Some(b"\\u{202e")),
            ("\\u{d800}", Some(b"\\u{d800}")),
            ("\\x9b\u{e4}", Some("\u{9b}\u{e4}".as_bytes())),
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
