//! Assignments for `eval`: whatever the bytes are, evaluating them runs nothing.

use super::{
    Cell, Kind, Value, push_addr, push_bool, push_fraction, push_int, push_millis, push_net,
};

/// Appends the assignments of a row that Keys alone name: `TCP_ESTABLISHED="14"`. The first number has the
/// row's name, further ones append their column's name: `TCP_MEM_LIMIT="575796"`.
pub fn assignments<'a>(
    buffer: &mut Vec<u8>,
    prefix: &str,
    cells: impl Iterator<Item = Cell<'a>> + Clone,
) {
    let mut is_first = true;
    for cell in cells.clone().filter(|cell| cell.column.kind != Kind::Key) {
        let start = buffer.len();
        buffer.extend_from_slice(prefix.as_bytes());
        for key in cells.clone().filter(|cell| cell.column.kind == Kind::Key) {
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
        push_value(buffer, &cell.value);
        buffer.push(b'\n');
        is_first = false;
    }
}

/// Appends a row that data names: `RADDR="10.0.0.1" COUNT="5"`.
pub fn row<'a>(buffer: &mut Vec<u8>, prefix: &str, cells: impl Iterator<Item = Cell<'a>> + Clone) {
    let mut separator: &[u8] = b"";
    for cell in cells {
        buffer.extend_from_slice(separator);
        buffer.extend_from_slice(prefix.as_bytes());
        push_upper(buffer, cell.column.name);
        push_value(buffer, &cell.value);
        separator = b" ";
    }
    buffer.push(b'\n');
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

fn push_value(buffer: &mut Vec<u8>, value: &Value<'_>) {
    buffer.extend_from_slice(b"=\"");
    match *value {
        Value::Absent => {}
        Value::Int(number) | Value::Level(number) => push_int(buffer, number),
        Value::Millis(thousandths) => push_millis(buffer, thousandths),
        Value::Micros(millionths) => push_fraction(buffer, millionths, 6),
        Value::Addr(address) => push_addr(buffer, address),
        Value::Net(address, length) => push_net(buffer, address, length),
        Value::Word(word) => buffer.extend_from_slice(word.as_bytes()),
        Value::Bool(is_so) => push_bool(buffer, is_so),
        Value::Text(text) | Value::List(text) => escape(buffer, text),
    }
    buffer.push(b'"');
}

/// Appends bytes from outside, escaped for double quotes.
fn escape(buffer: &mut Vec<u8>, text: &[u8]) {
    for &byte in text {
        match byte {
            b'"' | b'\\' | b'$' | b'`' => buffer.extend_from_slice(&[b'\\', byte]),
            0..0x20 | 0x7f => buffer.push(b'?'),
            _ => buffer.push(byte),
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
            Column::key("protocol", ""),
            Column::key("item", ""),
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
            assignments(&mut line, "", cells.iter().copied());
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
        escape(&mut line, b"a\"b\\c$d`e\n\x1b");
        assert_eq!(line, b"a\\\"b\\\\c\\$d\\`e??");
    }
}
