//! Decodes the bytes of a terminal into keys; a sequence may arrive in pieces.

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Key {
    /// A letter, digit or sign; a letter beyond ASCII is one key per byte.
    Byte(u8),
    Up,
    Down,
    Left,
    Right,
    PageUp,
    PageDown,
    Home,
    End,
    Enter,
    Backspace,
    Escape,
    /// ^L: draw everything again.
    Redraw,
    /// ^U: clear the line.
    Clear,
    /// A key that means nothing here.
    Unknown,
}

/// The bytes after `ESC [` or `ESC O`, as xterm, the Linux console, rxvt and screen send them.
const SEQUENCES: [(&[u8], Key); 14] = [
    (b"A", Key::Up),
    (b"B", Key::Down),
    (b"C", Key::Right),
    (b"D", Key::Left),
    (b"H", Key::Home),
    (b"F", Key::End),
    (b"1~", Key::Home),
    (b"7~", Key::Home),
    (b"4~", Key::End),
    (b"8~", Key::End),
    (b"5~", Key::PageUp),
    (b"6~", Key::PageDown),
    (b"3~", Key::Backspace),
    (b"M", Key::Enter),
];

/// A longer sequence is not a key.
const LONGEST: usize = 32;

#[derive(Debug, Default)]
pub(super) struct Keys {
    /// The incomplete sequence, beginning with ESC.
    open: Vec<u8>,
}

impl Keys {
    /// Decodes bytes, and appends the complete keys.
    pub(super) fn feed(&mut self, bytes: &[u8], keys: &mut Vec<Key>) {
        for byte in bytes {
            self.byte(*byte, keys);
        }
    }

    /// Whether a sequence is incomplete; it may also be the key Esc.
    pub(super) fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Called when nothing more has come for a while: a lone ESC was the key Esc.
    pub(super) fn settle(&mut self) -> Option<Key> {
        let was_alone = self.open == [ESC];
        self.open.clear();
        was_alone.then_some(Key::Escape)
    }

    fn byte(&mut self, byte: u8, keys: &mut Vec<Key>) {
        match self.open.as_slice() {
            [] if byte == ESC => self.open.push(byte),
            [] => keys.push(plain(byte)),
            [ESC] if matches!(byte, b'[' | b'O') => self.open.push(byte),
            [ESC] => {
                // Esc was pressed, and then another key.
                self.open.clear();
                keys.push(Key::Escape);
                self.byte(byte, keys);
            }
            [_, introducer, rest @ ..] => {
                // ECMA-48, 5.4: parameters and intermediate bytes, then a final byte. The Linux
                // console's function keys have a second bracket.
                let is_final = (0x40..=0x7e).contains(&byte) && !(byte == b'[' && rest.is_empty());
                let is_lost = !(0x20..=0x7e).contains(&byte) || self.open.len() >= LONGEST;
                if is_final || *introducer == b'O' && !byte.is_ascii_digit() {
                    let whole = [rest, &[byte]].concat();
                    keys.extend(sequence(&whole));
                    self.open.clear();
                } else if is_lost {
                    self.open.clear();
                    self.byte(byte, keys);
                } else {
                    self.open.push(byte);
                }
            }
            // Only ESC begins a sequence.
            [_] => self.open.clear(),
        }
    }
}

const ESC: u8 = 0x1b;

fn plain(byte: u8) -> Key {
    match byte {
        b'\r' | b'\n' => Key::Enter,
        0x08 | 0x7f => Key::Backspace,
        0x0c => Key::Redraw,
        0x15 => Key::Clear,
        0x00..=0x1f => Key::Unknown,
        byte => Key::Byte(byte),
    }
}

/// The key of a sequence; modifiers (`1;5A`) are ignored, and so is what is not a key: reports of the terminal, and of a
/// mouse all but its wheel.
fn sequence(rest: &[u8]) -> Option<Key> {
    let known =
        |rest: &[u8]| SEQUENCES.iter().find(|(known, _)| *known == rest).map(|(_, key)| *key);
    let (last, parameters) = rest.split_last()?;
    let first = parameters.split(|byte| *byte == b';').next().unwrap_or_default();
    match (first, last) {
        (b"<64", b'M') => Some(Key::Up),
        (b"<65", b'M') => Some(Key::Down),
        // A function key of the Linux console.
        ([b'[', ..], _) => Some(Key::Unknown),
        ([b'<'..=b'?', ..], _) | (b"200" | b"201", b'~') => None,
        (_, b'~') => known(&[first, b"~"].concat()).or(Some(Key::Unknown)),
        _ => known(&[*last]).or(Some(Key::Unknown)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(pieces: &[&[u8]]) -> Vec<Key> {
        let (mut reader, mut keys) = (Keys::default(), Vec::new());
        pieces.iter().for_each(|piece| reader.feed(piece, &mut keys));
        keys.extend(reader.settle());
        keys
    }

    #[test]
    fn letters_are_keys_and_most_control_bytes_are_not() {
        assert_eq!(keys(&[b"p/\xc3"]), [Key::Byte(b'p'), Key::Byte(b'/'), Key::Byte(0xc3)]);
        assert_eq!(
            keys(&[b"\r\n\x7f\x08"]),
            [Key::Enter, Key::Enter, Key::Backspace, Key::Backspace]
        );
        assert_eq!(
            keys(&[b"\x01\t\x0c\x15"]),
            [Key::Unknown, Key::Unknown, Key::Redraw, Key::Clear]
        );
    }

    #[test]
    fn sequences_are_one_key_however_they_are_cut() {
        for (text, key) in [
            (&b"\x1b[A"[..], Key::Up),
            (b"\x1bOA", Key::Up),
            (b"\x1b[1;5B", Key::Down),
            (b"\x1b[5~", Key::PageUp),
            (b"\x1b[6;2~", Key::PageDown),
            (b"\x1b[1~", Key::Home),
            (b"\x1bOF", Key::End),
            (b"\x1b[8~", Key::End),
            (b"\x1bOM", Key::Enter),
            (b"\x1b[<64;10;5M", Key::Up),
            (b"\x1b[<65;200;50M", Key::Down),
            (b"\x1b[15~", Key::Unknown),
            (b"\x1bOP", Key::Unknown),
        ] {
            for place in 0..=text.len() {
                let (a, b) = text.split_at(place);
                assert_eq!(keys(&[a, b]), [key], "{text:?} {place}");
            }
        }
    }

    #[test]
    fn escape_alone_is_a_key_and_so_is_what_follows() {
        assert_eq!(keys(&[b"\x1b"]), [Key::Escape]);
        assert_eq!(keys(&[b"\x1bq"]), [Key::Escape, Key::Byte(b'q')]);
        assert_eq!(keys(&[b"\x1b\x1b[A"]), [Key::Escape, Key::Up]);
        assert_eq!(keys(&[b"\x1b\x1b"]), [Key::Escape, Key::Escape]);
    }

    #[test]
    fn sequences_that_are_not_keys_are_skipped_whole() {
        for text in [
            &b"\x1b[?1;2c"[..],
            b"\x1b[200~",
            b"\x1b[201~",
            b"\x1b[<0;10;5M",
            b"\x1b[<64;10;5m",
            b"\x1b[>41;354;0c",
        ] {
            assert_eq!(keys(&[text, b"q"]), [Key::Byte(b'q')], "{text:?}");
        }
        assert_eq!(keys(&[b"\x1b[[Aq"]), [Key::Unknown, Key::Byte(b'q')]);
    }

    #[test]
    fn any_bytes_are_taken_and_a_q_is_never_lost_for_long() {
        let mut seed = 1u32;
        for _ in 0..2000 {
            let mut reader = Keys::default();
            let mut found = Vec::new();
            for _ in 0..40 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let byte = (seed >> 24) as u8;
                reader.feed(&[if byte < 60 { ESC } else { byte }], &mut found);
                assert!(reader.open.len() <= LONGEST);
            }
            reader.settle();
            reader.feed(b"q", &mut found);
            assert_eq!(found.last(), Some(&Key::Byte(b'q')));
        }
    }
}
