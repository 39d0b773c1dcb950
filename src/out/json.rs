//! JSON: one nested object for a table whose rows have fixed names, one object per row (JSON Lines) otherwise.

use super::{
    Cell, Kind, Value, push_addr, push_bool, push_fraction, push_int, push_millis, push_net, utf8,
};
use crate::error;

/// Appends one row as an object.
pub(super) fn row<'a>(buffer: &mut Vec<u8>, cells: impl Iterator<Item = Cell<'a>> + Clone) {
    object(buffer, cells.clone().map(|cell| (cell.column.name, cell.value)));
}

/// One array of all rows, one per line.
#[derive(Debug, Default)]
pub(super) struct Array {
    has_rows: bool,
}

impl Array {
    pub(super) fn row<'a>(
        &mut self,
        buffer: &mut Vec<u8>,
        cells: impl Iterator<Item = Cell<'a>> + Clone,
    ) {
        let is_first = !std::mem::replace(&mut self.has_rows, true);
        buffer.extend_from_slice(if is_first { b"[\n" } else { b",\n" });
        row(buffer, cells);
    }

    pub(super) fn end(&self, buffer: &mut Vec<u8>) {
        buffer.extend_from_slice(if self.has_rows { b"\n]\n" } else { b"[]\n" });
    }
}

/// The rows of one table with fixed names. They are kept until the end of the table, because rows with the same name
/// may be separated (`sockstat TCP.inuse UDP.inuse TCP.mem`) and an object must not repeat a name.
#[derive(Debug, Default)]
pub(super) struct Tree {
    members: Vec<(Vec<u8>, Node)>,
}

#[derive(Debug)]
enum Node {
    /// A value, written already.
    Leaf(Vec<u8>),
    Object(Tree),
}

impl Tree {
    pub(super) fn row<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>> + Clone) {
        let mut leaf = Vec::new();
        let mut numbers = cells.clone().filter(|cell| cell.column.kind != Kind::Fixed);
        match (numbers.clone().count(), numbers.next()) {
            (1, Some(cell)) => push_value(&mut leaf, &cell.value),
            _ => {
                let numbers = cells.clone().filter(|cell| cell.column.kind != Kind::Fixed);
                object(&mut leaf, numbers.map(|cell| (cell.column.name, cell.value)));
            }
        }
        let mut keys = cells.clone().filter(|cell| cell.column.kind == Kind::Fixed).peekable();
        let mut tree = self;
        while let Some(key) = keys.next() {
            let mut name = Vec::new();
            push_string(&mut name, &key.value);
            if keys.peek().is_none() {
                return tree.members.push((name, Node::Leaf(leaf)));
            }
            tree = tree.object(name);
        }
    }

    fn object(&mut self, name: Vec<u8>) -> &mut Tree {
        let is_it =
            |(other, node): &(Vec<u8>, Node)| *other == name && matches!(node, Node::Object(_));
        let place = self.members.iter().rposition(is_it).unwrap_or(self.members.len());
        if place == self.members.len() {
            self.members.push((name, Node::Object(Tree::default())));
        }
        match &mut self.members[place].1 {
            Node::Object(tree) => tree,
            Node::Leaf(_) => unreachable!("the place was chosen by its being an object"),
        }
    }

    /// Appends the object of all rows and forgets them.
    pub(super) fn write(&mut self, buffer: &mut Vec<u8>) {
        self.push(buffer);
        buffer.push(b'\n');
        self.members.clear();
    }

    fn push(&self, buffer: &mut Vec<u8>) {
        buffer.push(b'{');
        for (place, (name, node)) in self.members.iter().enumerate() {
            if place > 0 {
                buffer.push(b',');
            }
            buffer.extend_from_slice(name);
            buffer.push(b':');
            match node {
                Node::Leaf(value) => buffer.extend_from_slice(value),
                Node::Object(tree) => tree.push(buffer),
            }
        }
        buffer.push(b'}');
    }
}

fn object<'a>(buffer: &mut Vec<u8>, members: impl Iterator<Item = (&'a str, Value<'a>)>) {
    let mut separator = b'{';
    for (name, value) in members {
        buffer.push(separator);
        escape(buffer, name.as_bytes());
        buffer.push(b':');
        push_value(buffer, &value);
        separator = b',';
    }
    if separator == b'{' {
        buffer.push(separator);
    }
    buffer.push(b'}');
}

#[inline(never)]
pub(super) fn push_value(buffer: &mut Vec<u8>, value: &Value<'_>) {
    match *value {
        Value::Absent => buffer.extend_from_slice(b"null"),
        Value::Int(number) | Value::Level(number) => push_int(buffer, number),
        Value::Millis(thousandths) => push_millis(buffer, thousandths),
        Value::Micros(millionths) => push_fraction(buffer, millionths, 6),
        Value::Bool(is_so) => push_bool(buffer, is_so),
        Value::List(words) => {
            buffer.push(b'[');
            for (place, word) in words.split(|byte| *byte == b',').enumerate() {
                if place > 0 {
                    buffer.push(b',');
                }
                if !words.is_empty() {
                    escape(buffer, word);
                }
            }
            buffer.push(b']');
        }
        Value::Addr(_) | Value::Net(..) | Value::Word(_) | Value::Text(_) => {
            push_string(buffer, value)
        }
    }
}

/// Appends a value as a string, also a number: names of members are strings.
fn push_string(buffer: &mut Vec<u8>, value: &Value<'_>) {
    match *value {
        Value::Text(text) | Value::List(text) => escape(buffer, text),
        Value::Word(word) => escape(buffer, word.as_bytes()),
        Value::Addr(address) => {
            buffer.push(b'"');
            push_addr(buffer, address);
            buffer.push(b'"');
        }
        Value::Net(address, length) => {
            buffer.push(b'"');
            push_net(buffer, address, length);
            buffer.push(b'"');
        }
        _ => {
            buffer.push(b'"');
            push_value(buffer, value);
            buffer.push(b'"');
        }
    }
}

/// Appends bytes as a string, which [`utf8`] makes of them.
#[inline(never)]
fn escape(buffer: &mut Vec<u8>, text: &[u8]) {
    buffer.push(b'"');
    for character in utf8(text).chars() {
        match character {
            '"' => buffer.extend_from_slice(b"\\\""),
            '\\' => buffer.extend_from_slice(b"\\\\"),
            '\n' => buffer.extend_from_slice(b"\\n"),
            '\r' => buffer.extend_from_slice(b"\\r"),
            '\t' => buffer.extend_from_slice(b"\\t"),
            hidden if error::is_hidden(hidden) => {
                buffer.extend_from_slice(format!("\\u{:04x}", u32::from(hidden)).as_bytes());
            }
            _ => buffer.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    buffer.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_escaped_and_always_utf8() {
        let mut text = Vec::new();
        escape(&mut text, b"a\"b\\c\n\x01\xff\xc3\xa4\x7f\xc2\x9b\xe2\x80\xae\\xff\xef\xbf\xbd");
        let wanted = r#""a\"b\\c\n\u0001\\xffä\u007f\u009b\u202e\\x5cxff�""#;
        assert_eq!(text, wanted.as_bytes());
    }
}
