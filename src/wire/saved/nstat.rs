//! The text of nstat: `#kernel` and rows `NAME VALUE RATE`, or JSON with `-j`.

use crate::wire::text::{self, Fields};

/// Whether a line is the first one.
pub fn begins(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    line == b"#kernel" || line == b"{" || line.starts_with(b"{\"kernel\":")
}

/// Calls `each` with the names and numbers of a line; `None` if it is not one of nstat.
pub fn line(line: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Option<()> {
    let line = line.trim_ascii();
    match line.first() {
        None => return Some(()),
        Some(b'#') => return begins(line).then_some(()),
        Some(b'{' | b'}' | b'"') => return json(line, each),
        Some(_) => {}
    }
    let mut words = Fields::new(line);
    let (name, number, rate) = (words.next()?, words.next()?, words.next()?);
    let is_rate = rate.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    if !text::is_name(name)
        || text::unsigned(number).is_none()
        || !is_rate
        || words.next().is_some()
    {
        return None;
    }
    each(name, number);
    Some(())
}

/// A line of JSON: the whole object, or with `-p` a part of it.
fn json(line: &[u8], each: &mut dyn FnMut(&[u8], &[u8])) -> Option<()> {
    for part in line.split(|byte| *byte == b',') {
        let is_bracket = |byte: &u8| matches!(byte, b'{' | b'}' | b' ' | b'\t');
        let part = part.strip_prefix(b"{\"kernel\":").unwrap_or(part);
        let start = part.iter().position(|byte| !is_bracket(byte)).unwrap_or(part.len());
        let end = part
            .iter()
            .rposition(|byte| !is_bracket(byte))
            .map_or(start, |end| end.saturating_add(1));
        let pair = part.get(start..end).filter(|pair| !pair.is_empty() && *pair != b"\"kernel\":");
        let Some(pair) = pair else { continue };
        let rest = pair.strip_prefix(b"\"")?;
        let (name, number) = rest.split_at_checked(memchr::memchr(b'"', rest)?)?;
        let number = number.strip_prefix(b"\":")?.trim_ascii();
        text::unsigned(number).filter(|_| text::is_name(name))?;
        each(name, number);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Option<Vec<String>> {
        let mut all = Vec::new();
        for part in text.lines() {
            line(part.as_bytes(), &mut |name, number| {
                all.push(format!("{} {}", name.escape_ascii(), number.escape_ascii()));
            })?;
        }
        Some(all)
    }

    #[test]
    fn every_form_has_the_same_counters() {
        let wanted = Some(vec!["TcpInSegs 12".to_owned(), "TcpExtTCPLossProbes 0".to_owned()]);
        for text in [
            "#kernel\nTcpInSegs                       12                 0.0\nTcpExtTCPLossProbes  0  0.0\n",
            "{\"kernel\":{\"TcpInSegs\":12,\"TcpExtTCPLossProbes\":0}}\n",
            "{\n    \"kernel\": {\n        \"TcpInSegs\": 12,\n        \"TcpExtTCPLossProbes\": 0\n    }\n}\n",
        ] {
            assert_eq!(all(text), wanted, "{text}");
        }
        assert_eq!(all("{\"kernel\":{}}"), Some(vec![]));
        for text in [
            "TcpInSegs",
            "TcpInSegs x 0.0",
            "TcpInSegs 1 x",
            "TcpInSegs 1 0.0 1",
            "1 2 3",
            "{\"kernel\":{\"a\":\"b\"}}",
            "{\"a\"",
            "#other",
        ] {
            assert_eq!(all(text), None, "{text}");
        }
    }

    #[test]
    fn damage_is_read_without_a_panic() {
        for text in [
            "TcpInSegs  12 0.0",
            "{\"kernel\":{\"TcpInSegs\":12,\"TcpExtTCPLossProbes\":0}}",
            "    TCP ran low on memory 5 times",
            "    5 segments received.",
        ] {
            let mut damaged = text.as_bytes().to_vec();
            for place in 0..text.len() {
                let _ = all(&text[..place]);
                let _ = super::super::statistics::counter(&text.as_bytes()[..place]);
                for bit in 0..8 {
                    damaged[place] ^= 1 << bit;
                    let _ = line(&damaged, &mut |_, _| {});
                    let _ = super::super::statistics::counter(&damaged);
                    damaged[place] ^= 1 << bit;
                }
            }
        }
    }
}
