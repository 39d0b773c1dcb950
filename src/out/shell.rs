//! Assignments for `eval`, in the language of POSIX shells or of fish: whatever the bytes are, evaluating them runs
//! nothing.

use bstr::ByteSlice;

use super::{
    Cell, Kind, Value, push_addr, push_bool, push_fraction, push_int, push_millis, push_net,
};
use crate::error;

/// Whose language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shell {
    Posix,
    Fish,
}

/// Appends the assignments of a row that fixed words alone name: `TCP_ESTABLISHED="14"`. The first number has the
/// row's name, further ones append their column's name: `TCP_MEM_LIMIT="575796"`.
pub(super) fn assignments<'a>(
    buffer: &mut Vec<u8>,
    shell: Shell,
    prefix: &str,
    cells: impl Iterator<Item = Cell<'a>> + Clone,
) {
    let mut is_first = true;
    for cell in cells.clone().filter(|cell| cell.column.kind != Kind::Fixed) {
        push_set(buffer, shell);
        let start = buffer.len();
        buffer.extend_from_slice(prefix.as_bytes());
        for key in cells.clone().filter(|cell| cell.column.kind == Kind::Fixed) {
            if buffer.len() > start + prefix.len() {
                buffer.push(b'_');
            }
            push_key(buffer, &key.value);
        }
        if !is_first {
            buffer.push(b'_');
            push_upper(buffer, cell.column.name);
        }
        make_name(buffer, start);
        // Names from a future kernel or a hostile file must not be reserved by the shell. Tests ensure that
        // our own never are.
        if super::owned::is_owned(&buffer[start..]) {
            buffer.insert(start, b'_');
        }
        push_value(buffer, shell, &cell.value);
        buffer.push(b'\n');
        is_first = false;
    }
}

/// Appends a row that data names: `RADDR="10.0.0.1" COUNT="5"`.
pub(super) fn row<'a>(
    buffer: &mut Vec<u8>,
    shell: Shell,
    prefix: &str,
    cells: impl Iterator<Item = Cell<'a>> + Clone,
) {
    let mut separator: &[u8] = b"";
    for cell in cells {
        buffer.extend_from_slice(separator);
        push_set(buffer, shell);
        buffer.extend_from_slice(prefix.as_bytes());
        push_upper(buffer, cell.column.name);
        push_value(buffer, shell, &cell.value);
        separator = if shell == Shell::Fish { b"; " } else { b" " };
    }
    buffer.push(b'\n');
}

/// Appends what stands before a name. `source` may run in a function, whose caller wants the variables.
fn push_set(buffer: &mut Vec<u8>, shell: Shell) {
    if shell == Shell::Fish {
        buffer.extend_from_slice(b"set -g ");
    }
}

/// Appends one word of a name: upper case, but the kernel's MIB names, which are written with both
/// cases (`TcpCurrEstab`), stay as they are.
fn push_key(buffer: &mut Vec<u8>, key: &Value<'_>) {
    let start = buffer.len();
    super::tsv::value(buffer, key);
    let word = &mut buffer[start..];
    let has = |is: fn(&u8) -> bool| word.iter().any(is);
    if !(has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase)) {
        word.make_ascii_uppercase();
    }
}

fn push_upper(buffer: &mut Vec<u8>, word: &str) {
    buffer.extend(word.bytes().map(|byte| byte.to_ascii_uppercase()));
}

/// Makes the text from `start` on a name that every shell accepts, whatever a future kernel writes: other
/// characters become `_`, and a digit does not come first.
fn make_name(buffer: &mut Vec<u8>, start: usize) {
    for byte in &mut buffer[start..] {
        if !byte.is_ascii_alphanumeric() {
            *byte = b'_';
        }
    }
    if buffer.get(start).is_none_or(u8::is_ascii_digit) {
        buffer.insert(start, b'_');
    }
}

#[inline(never)]
pub(super) fn push_value(buffer: &mut Vec<u8>, shell: Shell, value: &Value<'_>) {
    let is_text = matches!(value, Value::Absent | Value::Text(_) | Value::List(_));
    let (before, after): (&[u8], &[u8]) = match shell {
        Shell::Posix => (b"=\"", b"\""),
        Shell::Fish if is_text => (b" '", b"'"),
        Shell::Fish => (b" ", b""),
    };
    buffer.extend_from_slice(before);
    match *value {
        Value::Absent => {}
        Value::Int(number) | Value::Level(number) => push_int(buffer, number),
        Value::Millis(thousandths) => push_millis(buffer, thousandths),
        Value::Micros(millionths) => push_fraction(buffer, millionths, 6),
        Value::Addr(address) => push_addr(buffer, address),
        Value::Net(address, length) => push_net(buffer, address, length),
        Value::Word(word) => buffer.extend_from_slice(word.as_bytes()),
        Value::Bool(is_so) => push_bool(buffer, is_so),
        Value::Text(text) | Value::List(text) => escape(buffer, shell, text),
    }
    buffer.extend_from_slice(after);
}

/// Appends bytes from outside, escaped for the quotes: double ones, or fish's single ones.
fn escape(buffer: &mut Vec<u8>, shell: Shell, text: &[u8]) {
    let is_special = |character| match shell {
        Shell::Posix => matches!(character, '"' | '\\' | '$' | '`'),
        Shell::Fish => matches!(character, '\'' | '\\'),
    };
    for (start, end, character) in text.char_indices() {
        match character {
            _ if error::is_hidden(character) => buffer.push(b'?'),
            _ if is_special(character) => buffer.extend_from_slice(&[b'\\', text[start]]),
            _ => buffer.extend_from_slice(&text[start..end]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::out::Column;

    #[test]
    fn names_fold_keys_and_are_always_names() {
        let columns = [
            Column::fixed("protocol", ""),
            Column::fixed("item", ""),
            Column::gauge("value", "", ""),
            Column::gauge("limit", "", ""),
        ];
        let line = |protocol: &[u8], item: &[u8]| {
            let values = [Value::Text(protocol), Value::Text(item), Value::Int(3), Value::Absent];
            let mut cells = Vec::new();
            for (column, value) in columns.iter().zip(values) {
                cells.push(Cell { column, value });
            }
            let mut line = Vec::new();
            assignments(&mut line, Shell::Posix, "", cells.iter().copied());
            String::from_utf8(line).unwrap()
        };
        assert_eq!(line(b"TCP", b"inuse"), "TCP_INUSE=\"3\"\nTCP_INUSE_LIMIT=\"\"\n");
        assert!(line(b"MPTcpExt", b"MPFailTx").starts_with("MPTcpExt_MPFailTx="));
        assert!(line(b"0C", b"a b").starts_with("_0C_A_B="));
        assert!(line(b"$(reboot)", b"`x`").starts_with("__REBOOT___X_="));
    }

    #[test]
    fn text_runs_nothing() {
        let mut line = Vec::new();
        escape(&mut line, Shell::Posix, b"a\"b\\c$d`e\n\x1b\xff\x9b\xc2\x9b\xe2\x80\xae\xc3\xa4");
        assert_eq!(line, b"a\\\"b\\\\c\\$d\\`e??\xff\x9b??\xc3\xa4");
        line.clear();
        escape(&mut line, Shell::Fish, b"a'b\\c$d\n\xc3\xa4");
        assert_eq!(line, b"a\\'b\\\\c$d?\xc3\xa4");
    }
}
