//! Tab-separated values: one row per line, `-` for absent values, so that no field is ever empty.

use bstr::ByteSlice;

use super::{Cell, Value, push_addr, push_bool, push_fraction, push_int, push_millis, push_net};
use crate::error;

/// Appends the line of column names.
pub(super) fn header<'a>(buffer: &mut Vec<u8>, names: impl Iterator<Item = &'a str>) {
    let mut separator: &[u8] = b"";
    for name in names {
        buffer.extend_from_slice(separator);
        buffer.extend_from_slice(name.as_bytes());
        separator = b"\t";
    }
    buffer.push(b'\n');
}

pub(super) fn row<'a>(buffer: &mut Vec<u8>, cells: impl Iterator<Item = Cell<'a>> + Clone) {
    let mut separator: &[u8] = b"";
    for cell in cells {
        buffer.extend_from_slice(separator);
        value(buffer, &cell.value);
        separator = b"\t";
    }
    buffer.push(b'\n');
}

pub(super) fn value(buffer: &mut Vec<u8>, value: &Value<'_>) {
    match *value {
        Value::Absent => buffer.push(b'-'),
        Value::Int(number) | Value::Level(number) => push_int(buffer, number),
        Value::Millis(thousandths) => push_millis(buffer, thousandths),
        Value::Micros(millionths) => push_fraction(buffer, millionths, 6),
        Value::Addr(address) => push_addr(buffer, address),
        Value::Net(address, length) => push_net(buffer, address, length),
        Value::Word(word) => buffer.extend_from_slice(word.as_bytes()),
        Value::Bool(is_so) => push_bool(buffer, is_so),
        Value::Text(text) | Value::List(text) => escape(buffer, text),
    }
}

/// Appends bytes from outside: a tab or line end in them must not look like a separator, nor anything like a command
/// to a terminal. Other bytes that are not UTF-8 stay as they are.
fn escape(buffer: &mut Vec<u8>, text: &[u8]) {
    if text.is_empty() {
        return buffer.push(b'-');
    }
    // Nearly every text is ASCII alone, which needs no decoding.
    let length = text.find_non_ascii_byte().unwrap_or(text.len());
    let (plain, rest) = text.split_at(length);
    plain.iter().for_each(|byte| push_ascii(buffer, *byte));
    if !rest.is_empty() {
        escape_others(buffer, rest);
    }
}

#[inline(never)]
fn escape_others(buffer: &mut Vec<u8>, rest: &[u8]) {
    for (start, end, character) in rest.char_indices() {
        match u8::try_from(character) {
            Ok(byte) if byte.is_ascii() => push_ascii(buffer, byte),
            _ if error::is_hidden(character) => {
                buffer.extend_from_slice(error::hidden(character).as_bytes());
            }
            _ => buffer.extend_from_slice(&rest[start..end]),
        }
    }
}

fn push_ascii(buffer: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'\t' => buffer.extend_from_slice(b"\\t"),
        b'\n' => buffer.extend_from_slice(b"\\n"),
        b'\r' => buffer.extend_from_slice(b"\\r"),
        b'\\' => buffer.extend_from_slice(b"\\\\"),
        0..0x20 | 0x7f => {
            let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
            buffer.extend_from_slice(b"\\x");
            buffer.extend_from_slice(&digits);
        }
        _ => buffer.push(byte),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_break_a_row() {
        let mut line = Vec::new();
        escape(&mut line, b"a\tb\nc\rd\\e\x1bf\x7fg\xff");
        assert_eq!(line, b"a\\tb\\nc\\rd\\\\e\\x1bf\\x7fg\xff");
        line.clear();
        escape(&mut line, b"\xc3\xa4\\\t\xc2\x9b1\xe2\x80\xaeb\x9b\xe2\x80\x1b");
        assert_eq!(line, b"\xc3\xa4\\\\\\t\\x9b1\\u{202e}b\x9b\xe2\x80\\x1b");
        line.clear();
        escape(&mut line, b"");
        assert_eq!(line, b"-");
    }
}
