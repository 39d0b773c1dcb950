//! JSON (RFC 8259) as far as a list of flat objects needs it: strict, and not built into a tree.

/// How deep arrays and objects may stand in one another.
const MOST_DEPTH: usize = 64;

/// A text that is read from its beginning to its end.
#[derive(Clone, Copy, Debug)]
struct Reader<'a> {
    text: &'a [u8],
    rest: &'a [u8],
}

/// Calls `each` with every object of the array that `text` holds: with what it has by `names`, raw
/// strings for [`unescaped`], `None` for what it has not. Of a name that stands twice the last counts.
/// Members by other names are passed over, whatever they hold.
///
/// # Errors
/// The number of the line, from 1, where the text is something else.
pub fn objects<'a, const N: usize>(
    text: &'a [u8],
    names: [&str; N],
    each: impl FnMut([Option<&'a [u8]>; N]),
) -> Result<(), usize> {
    let mut reader = Reader { text, rest: text };
    match reader.list(names, each).filter(|()| reader.is_at_end()) {
        Some(()) => Ok(()),
        None => Err(reader.line()),
    }
}

impl<'a> Reader<'a> {
    fn list<const N: usize>(
        &mut self,
        names: [&str; N],
        mut each: impl FnMut([Option<&'a [u8]>; N]),
    ) -> Option<()> {
        self.must(b'[')?;
        if self.take(b']') {
            return Some(());
        }
        loop {
            each(self.object(&names)?);
            match self.next()? {
                b',' => {}
                b']' => return Some(()),
                _ => return None,
            }
        }
    }

    fn object<const N: usize>(&mut self, names: &[&str; N]) -> Option<[Option<&'a [u8]>; N]> {
        let mut found = [None; N];
        self.must(b'{')?;
        if self.take(b'}') {
            return Some(found);
        }
        loop {
            let name = self.string()?;
            self.must(b':')?;
            let mut places = found.iter_mut().zip(names);
            match places.find(|(_, known)| unescaped(name).eq(known.chars())) {
                Some((place, _)) => *place = Some(self.string()?),
                None => self.skip()?,
            }
            match self.next()? {
                b',' => {}
                b'}' => return Some(found),
                _ => return None,
            }
        }
    }

    /// The inside of a string, with its escapes, which are right.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.must(b'"')?;
        let inside = self.rest;
        loop {
            match self.byte()? {
                b'"' => {
                    let length = inside.len().checked_sub(self.rest.len())?.checked_sub(1)?;
                    let inside = inside.get(..length)?;
                    return std::str::from_utf8(inside).ok().map(str::as_bytes);
                }
                b'\\' => match self.byte()? {
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => {}
                    b'u' => {
                        let (digits, rest) = self.rest.split_at_checked(4)?;
                        digits.iter().all(u8::is_ascii_hexdigit).then_some(())?;
                        self.rest = rest;
                    }
                    _ => return None,
                },
                byte if byte < b' ' => return None,
                _ => {}
            }
        }
    }

    /// Passes over a value of any kind.
    fn skip(&mut self) -> Option<()> {
        // What is open, the innermost last: `]` or `}`.
        let mut open = [0u8; MOST_DEPTH];
        let mut depth = 0usize;
        loop {
            self.blank();
            match self.rest.first()? {
                b'"' => self.string().map(drop)?,
                opening @ (b'[' | b'{') => {
                    self.byte();
                    let closing = if *opening == b'[' { b']' } else { b'}' };
                    if !self.take(closing) {
                        *open.get_mut(depth)? = closing;
                        depth = depth.saturating_add(1);
                        self.name(closing)?;
                        continue;
                    }
                }
                _ => self.scalar()?,
            }
            // A value has ended, and with it perhaps what it stands in.
            loop {
                let Some(inner) = depth.checked_sub(1) else { return Some(()) };
                let closing = *open.get(inner)?;
                match self.next()? {
                    b',' => {
                        self.name(closing)?;
                        break;
                    }
                    byte if byte == closing => depth = inner,
                    _ => return None,
                }
            }
        }
    }

    /// Passes over the name of a member, where an object is open.
    fn name(&mut self, closing: u8) -> Option<()> {
        if closing == b'}' {
            self.string()?;
            self.must(b':')?;
        }
        Some(())
    }

    /// Passes over a number, `true`, `false` or `null`.
    fn scalar(&mut self) -> Option<()> {
        let is_part =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
        let length = self.rest.iter().position(|byte| !is_part(byte)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at_checked(length)?;
        (matches!(word, b"true" | b"false" | b"null") || is_number(word)).then_some(())?;
        self.rest = rest;
        Some(())
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    /// The next byte that is not blank.
    fn next(&mut self) -> Option<u8> {
        self.blank();
        self.byte()
    }

    fn blank(&mut self) {
        while let Some((b' ' | b'\t' | b'\n' | b'\r', rest)) = self.rest.split_first() {
            self.rest = rest;
        }
    }

    fn take(&mut self, wanted: u8) -> bool {
        self.blank();
        let rest = self.rest.strip_prefix(&[wanted]);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn must(&mut self, wanted: u8) -> Option<()> {
        self.take(wanted).then_some(())
    }

    fn is_at_end(&mut self) -> bool {
        self.blank();
        self.rest.is_empty()
    }

    /// The line up to which was read.
    fn line(&self) -> usize {
        let read = self.text.len().saturating_sub(self.rest.len());
        let before = self.text.get(..read).unwrap_or_default();
        before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
    }
}

/// Whether `word` is `-` digits `.` digits `e` digits, of which only the first digits must be there.
fn is_number(word: &[u8]) -> bool {
    let word = word.strip_prefix(b"-").unwrap_or(word);
    let digits = |text: &[u8]| text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let Some((whole, rest)) = word.split_at_checked(digits(word)) else { return false };
    let mut is_right = matches!(whole, [b'0'] | [b'1'..=b'9', ..]);
    let mut rest = rest;
    if let Some(part) = rest.strip_prefix(b".") {
        let length = digits(part);
        is_right &= length > 0;
        rest = part.get(length..).unwrap_or_default();
    }
    if let Some(power) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
        let power = power.strip_prefix(b"+").or_else(|| power.strip_prefix(b"-")).unwrap_or(power);
        let length = digits(power);
        is_right &= length > 0;
        rest = power.get(length..).unwrap_or_default();
    }
    is_right && rest.is_empty()
}

/// The characters of a raw string; half of a pair of surrogates is U+FFFD.
pub fn unescaped(raw: &[u8]) -> impl Iterator<Item = char> + '_ {
    let mut rest = std::str::from_utf8(raw).unwrap_or_default();
    std::iter::from_fn(move || {
        let mut letters = rest.chars();
        let letter = letters.next()?;
        if letter != '\\' {
            rest = letters.as_str();
            return Some(letter);
        }
        let escape = letters.next()?;
        rest = letters.as_str();
        Some(match escape {
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => unit(&mut rest, None),
            same => same,
        })
    })
}

/// The character of `XXXX`, or of `XXXX\uXXXX` where that is a pair; `high` is its first half.
fn unit(rest: &mut &str, high: Option<u32>) -> char {
    let digits = rest.get(..4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let Some(number) = digits else { return char::REPLACEMENT_CHARACTER };
    let after = rest.get(4..).unwrap_or_default();
    match (high, number) {
        (None, 0xd800..=0xdbff) => {
            *rest = after;
            let Some(mut low) = after.strip_prefix("\\u") else {
                return char::REPLACEMENT_CHARACTER;
            };
            let pair = unit(&mut low, Some(number));
            if pair != char::REPLACEMENT_CHARACTER {
                *rest = low;
            }
            pair
        }
        (Some(high), 0xdc00..=0xdfff) => {
            *rest = after;
            let upper = (high & 0x3ff).wrapping_shl(10);
            let number = 0x1_0000u32.saturating_add(upper | (number & 0x3ff));
            char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
        (Some(_), _) => char::REPLACEMENT_CHARACTER,
        (None, number) => {
            *rest = after;
            char::from_u32(number).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Found = Vec<[Option<String>; 2]>;

    fn read(text: &str) -> Result<Found, usize> {
        let mut found = Vec::new();
        let string = |raw: &[u8]| unescaped(raw).collect::<String>();
        objects(text.as_bytes(), ["a", "b"], |values| {
            found.push(values.map(|raw| raw.map(string)));
        })?;
        Ok(found)
    }

    fn pair(a: Option<&str>, b: Option<&str>) -> [Option<String>; 2] {
        [a.map(str::to_owned), b.map(str::to_owned)]
    }

    #[test]
    fn lists_of_objects_are_read() {
        assert_eq!(read("[]"), Ok(vec![]));
        assert_eq!(read(" [ ] \n"), Ok(vec![]));
        assert_eq!(read("[{}]"), Ok(vec![pair(None, None)]));
        let text = r#"[{"a":"x","b":"y"}, {"b" : "z", "c": [1, {"a": [[], {}]}, "s"], "a": ""}]"#;
        let wanted = vec![pair(Some("x"), Some("y")), pair(Some(""), Some("z"))];
        assert_eq!(read(text), Ok(wanted));
        let twice = r#"[{"a":"x","\u0061":"y","c":-0.5e+3,"d":null,"e":true}]"#;
        assert_eq!(read(twice), Ok(vec![pair(Some("y"), None)]));
    }

    #[test]
    fn escapes_are_read() {
        let text = r#"[{"a":"\"\\\/\b\f\n\r\t\u00e4\ud83d\ude00|\ud83d|\ude00|\ud83d\u0041"}]"#;
        let wanted = "\"\\/\u{8}\u{c}\n\r\t\u{e4}\u{1f600}|\u{fffd}|\u{fffd}|\u{fffd}A";
        assert_eq!(read(text), Ok(vec![pair(Some(wanted), None)]));
    }

    #[test]
    fn what_is_something_else_is_refused_with_its_line() {
        for (text, line) in [
            ("", 1),
            ("{}", 1),
            ("[{},]", 1),
            ("[\n{},\n]", 3),
            ("[{}]\n[]", 2),
            ("[{\"a\":1}]", 1),
            ("[{\"a\":null}]", 1),
            ("[\"a\"]", 1),
            ("[{\"c\":01}]", 1),
            ("[{\"c\":1.}]", 1),
            ("[{\"c\":.5}]", 1),
            ("[{\"c\":1e}]", 1),
            ("[{\"c\":+1}]", 1),
            ("[{\"c\":NaN}]", 1),
            ("[{\"c\":tru}]", 1),
            ("[{\"c\":[1,]}]", 1),
            ("[{\"c\":[1}]}]", 1),
            ("[{\"c\":{1:2}}]", 1),
            ("[{\"c\":{\"d\":1,}}]", 1),
            ("[{\"c\"}]", 1),
            ("[{'a':'b'}]", 1),
            ("[{\"a\":\"\\x\"}]", 1),
            ("[{\"a\":\"\\u12g4\"}]", 1),
            ("[{\"a\":\"\t\"}]", 1),
            ("[{\"a\":\"b\"", 1),
        ] {
            assert_eq!(read(text), Err(line), "{text}");
        }
        assert!(objects(b"[{\"a\":\"\xff\"}]", ["a"], |_| {}).is_err());
    }

    #[test]
    fn depth_has_an_end() {
        let nested = |depth| {
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            read(&format!("[{{\"c\":{open}1{close}}}]"))
        };
        assert!(nested(MOST_DEPTH).is_ok());
        assert!(nested(MOST_DEPTH + 1).is_err() && nested(100_000).is_err());
    }

    #[test]
    fn no_truncation_and_no_changed_byte_panics() {
        let text = br#"[{"a":"\u00e4\ud83d\ude00","c":[{"d":1e5},[],null]},{"b":"x"}]"#;
        for end in 0..text.len() {
            assert!(objects(&text[..end], ["a", "b"], |_| {}).is_err(), "{end}");
            for byte in 0..=u8::MAX {
                let mut changed = text.to_vec();
                changed[end] = byte;
                let _ = objects(&changed, ["a", "b"], |values| {
                    values.into_iter().flatten().for_each(|raw| unescaped(raw).for_each(drop));
                });
            }
        }
    }
}
