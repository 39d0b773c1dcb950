//! JSON: one nested object for a table of Keys, one object per row (JSON Lines) otherwise.

use bstr::ByteSlice;

use super::{
    Cell, Kind, Value, push_addr, push_bool, push_fraction, push_int, push_millis, push_net,
};

/// Appends one row as an object.
pub fn row<'a>(buffer: &mut Vec<u8>, cells: impl Iterator<Item = Cell<'a>> + Clone) {
    object(buffer, cells.clone().map(|cell| (cell.column.name, cell.value)));
    buffer.push(b'\n');
}

/// The rows of one table of Keys. They are kept until the end of the table, because rows with the same Key
/// may be separated (`sockstat TCP.inuse UDP.inuse TCP.mem`) and an object must not name a Key twice.
#[derive(Debug, Default)]
pub struct Tree {
    members: Vec<(Vec<u8>, Node)>,
}

#[derive(Debug)]
enum Node {
    /// A value, written already.
    Leaf(Vec<u8>),
    Object(Tree),
}

impl Tree {
    /// Takes one row.
    pub fn row<'a>(&mut self, cells: impl Iterator<Item = Cell<'a>> + Clone) {
        let mut leaf = Vec::new();
        let mut numbers = cells.clone().filter(|cell| cell.column.kind != Kind::Key);
        match (numbers.clone().count(), numbers.next()) {
            (1, Some(cell)) => push_value(&mut leaf, &cell.value),
            _ => {
                let numbers = cells.clone().filter(|cell| cell.column.kind != Kind::Key);
                object(&mut leaf, numbers.map(|cell| (cell.column.name, cell.value)));
            }
        }
        let mut keys = cells.clone().filter(|cell| cell.column.kind == Kind::Key).peekable();
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
    pub fn write(&mut self, buffer: &mut Vec<u8>) {
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

fn push_value(buffer: &mut Vec<u8>, value: &Value<'_>) {
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

/// Appends bytes as a string; invalid UTF-8 becomes U+FFFD.
fn escape(buffer: &mut Vec<u8>, text: &[u8]) {
    buffer.push(b'"');
    for (start, end, character) in text.char_indices() {
        match character {
            '"' => buffer.extend_from_slice(b"\\\""),
            '\\' => buffer.extend_from_slice(b"\\\\"),
            '\n' => buffer.extend_from_slice(b"\\n"),
            '\r' => buffer.extend_from_slice(b"\\r"),
            '\t' => buffer.extend_from_slice(b"\\t"),
            control if control < ' ' || control == '\x7f' => {
                buffer.extend_from_slice(format!("\\u{:04x}", u32::from(control)).as_bytes());
            }
            char::REPLACEMENT_CHARACTER => buffer.extend_from_slice("\u{fffd}".as_bytes()),
            _ => buffer.extend_from_slice(&text[start..end]),
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
        escape(&mut text, b"a\"b\\c\n\x01\xff\xc3\xa4\x7f");
        assert_eq!(text, "\"a\\\"b\\\\c\\n\\u0001\u{fffd}\u{e4}\\u007f\"".as_bytes());
    }
}
