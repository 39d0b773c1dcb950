//! Frames of cells, and the bytes that change the last frame into the next one. Pure. Nothing from outside
//! can be a command to the terminal: a cell holds one letter that is known to take one column, and never a
//! control character.

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Look {
    #[default]
    Plain,
    Bold,
    /// Headings.
    Reverse,
    /// The connection under the cursor.
    Selected,
    Dim,
    Green,
    Yellow,
    Red,
    Cyan,
}

impl Look {
    /// The parameters of SGR (ECMA-48, 8.3.117) after the reset, with and without colour.
    fn parameters(self, has_colour: bool) -> &'static str {
        match self {
            Look::Plain => "",
            Look::Bold => ";1",
            Look::Reverse | Look::Selected => ";7",
            Look::Dim | Look::Green | Look::Yellow | Look::Red | Look::Cyan if !has_colour => "",
            Look::Dim => ";2",
            Look::Red => ";31",
            Look::Green => ";32",
            Look::Yellow => ";33",
            Look::Cyan => ";36",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// A letter that takes one column.
    pub letter: char,

    pub look: Look,
}

const BLANK: Cell = Cell { letter: ' ', look: Look::Plain };

/// The content of a screen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Frame {
    columns: usize,
    lines: usize,
    cells: Vec<Cell>,
}

impl Frame {
    pub(super) fn new(columns: usize, lines: usize) -> Frame {
        Frame { columns, lines, cells: vec![BLANK; columns * lines] }
    }

    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    pub(super) fn lines(&self) -> usize {
        self.lines
    }

    fn line(&self, line: usize) -> &[Cell] {
        let begin = line.saturating_mul(self.columns);
        self.cells.get(begin..begin.saturating_add(self.columns)).unwrap_or_default()
    }

    /// Puts our own text, or text from outside that [`letters`] made harmless, and cuts it at the edge.
    /// Returns the column after it.
    #[inline(never)]
    pub(super) fn put(&mut self, line: usize, column: usize, text: &str, look: Look) -> usize {
        self.put_within(line, column, usize::MAX, text, look)
    }

    /// The same for at most `width` columns.
    #[inline(never)]
    pub(super) fn put_within(
        &mut self,
        line: usize,
        column: usize,
        width: usize,
        text: &str,
        look: Look,
    ) -> usize {
        let mut place = column;
        if line >= self.lines {
            return place;
        }
        let end = self.columns.min(column.saturating_add(width));
        for letter in text.chars() {
            if place >= end {
                break;
            }
            let letter = if is_narrow(letter) { letter } else { '?' };
            if let Some(cell) = self.cells.get_mut(line * self.columns + place) {
                *cell = Cell { letter, look };
            }
            place += 1;
        }
        place
    }

    /// The same at the right edge of these columns, as numbers stand.
    #[inline(never)]
    pub(super) fn put_right(
        &mut self,
        line: usize,
        column: usize,
        width: usize,
        text: &str,
        look: Look,
    ) {
        let blank = width.saturating_sub(text.chars().count());
        self.put_within(line, column + blank, width - blank, text, look);
    }

    /// Gives a whole line a look.
    pub(super) fn dress(&mut self, line: usize, look: Look) {
        let begin = line.saturating_mul(self.columns);
        let end = begin.saturating_add(self.columns);
        if let Some(cells) = self.cells.get_mut(begin..end) {
            cells.iter_mut().for_each(|cell| cell.look = look);
        }
    }

    pub(super) fn clear(&mut self, line: usize) {
        let begin = line.saturating_mul(self.columns);
        if let Some(cells) = self.cells.get_mut(begin..begin.saturating_add(self.columns)) {
            cells.fill(BLANK);
        }
    }

    /// The look of a line's first column.
    #[cfg(test)]
    pub(super) fn look(&self, line: usize) -> Look {
        self.line(line).first().copied().unwrap_or(BLANK).look
    }

    /// The text of a line, without trailing blanks.
    #[cfg(test)]
    pub(super) fn text(&self, line: usize) -> String {
        let text: String = self.line(line).iter().map(|cell| cell.letter).collect();
        text.trim_end().to_owned()
    }
}

/// Whether the letter takes one column on every terminal: ASCII, Latin, Greek, Cyrillic, and the blocks of
/// our sparklines.
fn is_narrow(letter: char) -> bool {
    matches!(letter, ' '..='~' | '\u{a1}'..='\u{ac}' | '\u{ae}'..='\u{2ff}' | '\u{370}'..='\u{377}'
        | '\u{37a}'..='\u{37f}' | '\u{384}'..='\u{38a}' | '\u{38e}'..='\u{3a1}'
        | '\u{3a3}'..='\u{482}' | '\u{48a}'..='\u{52f}' | '\u{2581}'..='\u{2588}')
}

/// Text from outside as harmless letters: anything that is not UTF-8, not a narrow letter, or not ASCII in
/// a locale without UTF-8, becomes a question mark.
pub(super) fn letters(text: &[u8], is_utf8: bool) -> String {
    let mut harmless = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            let is_good = is_narrow(letter) && (is_utf8 || letter.is_ascii());
            harmless.push(if is_good { letter } else { '?' });
        }
        if !chunk.invalid().is_empty() {
            harmless.push('?');
        }
    }
    harmless
}

/// Turns frames into bytes for a terminal.
#[derive(Debug, Default)]
pub(super) struct Painter {
    /// What the terminal shows; `None` if unknown.
    last: Option<Frame>,
    has_colour: bool,
}

/// The largest gap of equal cells that is cheaper to write than to skip.
const SMALL_GAP: usize = 8;

impl Painter {
    /// A painter for a terminal with unknown content.
    pub(super) fn new(has_colour: bool) -> Painter {
        Painter { last: None, has_colour }
    }

    /// Forgets what the terminal shows: the next frame is painted completely.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// Appends the bytes that make the terminal show `next`: only the differences from the last frame.
    pub(super) fn paint(&mut self, next: &Frame, bytes: &mut Vec<u8>) {
        let is_same_size = |last: &Frame| (last.columns, last.lines) == (next.columns, next.lines);
        let last = match self.last.take().filter(is_same_size) {
            Some(last) => last,
            None => {
                bytes.extend_from_slice(b"\x1b[0m\x1b[H\x1b[2J");
                Frame::new(next.columns, next.lines)
            }
        };
        let mut look = Look::Plain;
        for line in 0..next.lines {
            self.paint_line(line, last.line(line), next.line(line), &mut look, bytes);
        }
        if look != Look::Plain {
            bytes.extend_from_slice(b"\x1b[0m");
        }
        // Reuse the old frame's memory.
        let mut kept = last;
        kept.cells.clone_from(&next.cells);
        self.last = Some(kept);
    }

    fn paint_line(
        &self,
        line: usize,
        last: &[Cell],
        next: &[Cell],
        look: &mut Look,
        bytes: &mut Vec<u8>,
    ) {
        let mut place = 0;
        while let Some(begin) = difference(last, next, place) {
            let mut end = begin + 1;
            while let Some(more) = difference(last, next, end) {
                if more - end > SMALL_GAP {
                    break;
                }
                end = more + 1;
            }
            go(bytes, line, begin);
            for cell in next.get(begin..end).unwrap_or_default() {
                if cell.look != *look {
                    *look = cell.look;
                    bytes.extend_from_slice(b"\x1b[0");
                    bytes.extend_from_slice(look.parameters(self.has_colour).as_bytes());
                    bytes.push(b'm');
                }
                bytes.extend_from_slice(cell.letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
            place = end;
        }
    }
}

/// The first column, from `place` on, where two lines differ.
fn difference(last: &[Cell], next: &[Cell], place: usize) -> Option<usize> {
    let pairs = last.iter().zip(next).skip(place);
    pairs.take(next.len()).position(|(last, next)| last != next).map(|found| place + found)
}

fn go(bytes: &mut Vec<u8>, line: usize, column: usize) {
    let mut digits = itoa::Buffer::new();
    bytes.extend_from_slice(b"\x1b[");
    bytes.extend_from_slice(digits.format(line + 1).as_bytes());
    bytes.push(b';');
    bytes.extend_from_slice(digits.format(column + 1).as_bytes());
    bytes.push(b'H');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A terminal that knows only the sequences of [`Painter`].
    struct Terminal {
        columns: usize,
        cells: Vec<Cell>,
        place: (usize, usize),
        look: Look,
    }

    impl Terminal {
        fn of(frame: &Frame) -> Terminal {
            // Some earlier content.
            let cells = vec![Cell { letter: '#', look: Look::Red }; frame.cells.len()];
            Terminal { columns: frame.columns, cells, place: (0, 0), look: Look::Red }
        }

        fn take(&mut self, bytes: &[u8]) {
            let mut rest = std::str::from_utf8(bytes).unwrap();
            while let Some(letter) = rest.chars().next() {
                if let Some(sequence) = rest.strip_prefix("\x1b[") {
                    let end = sequence.find(|c: char| c.is_ascii_alphabetic()).unwrap();
                    self.obey(&sequence[..end], sequence.as_bytes()[end]);
                    rest = &sequence[end + 1..];
                } else {
                    assert!(!letter.is_control());
                    let (line, column) = self.place;
                    self.cells[line * self.columns + column] = Cell { letter, look: self.look };
                    self.place.1 += 1;
                    rest = &rest[letter.len_utf8()..];
                }
            }
        }

        fn obey(&mut self, parameters: &str, command: u8) {
            match (parameters, command) {
                ("", b'H') => self.place = (0, 0),
                ("2", b'J') => self.cells.fill(BLANK),
                (place, b'H') => {
                    let (line, column) = place.split_once(';').unwrap();
                    let number = |text: &str| text.parse::<usize>().unwrap() - 1;
                    self.place = (number(line), number(column));
                }
                (parameters, b'm') => {
                    let all = [Look::Plain, Look::Bold, Look::Reverse, Look::Dim, Look::Green];
                    let is_it = |look: &Look| {
                        parameters.strip_prefix('0').unwrap() == look.parameters(true)
                    };
                    self.look = all.into_iter().find(is_it).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn the_terminal_shows_what_the_frame_says_and_gets_only_differences() {
        let (mut painter, mut frame) = (Painter::new(true), Frame::new(40, 5));
        let mut terminal = Terminal::of(&frame);
        let mut seed = 7u32;
        let mut next = |below: u32| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (seed >> 16) % below
        };
        for round in 0..300 {
            let (line, column) = (next(6) as usize, next(45) as usize);
            let looks = [Look::Plain, Look::Bold, Look::Reverse, Look::Dim, Look::Green];
            let look = looks[next(5) as usize];
            frame.put(line, column, ["x", "hello", "a longer text", "é"][next(4) as usize], look);
            let mut bytes = Vec::new();
            painter.paint(&frame, &mut bytes);
            terminal.take(&bytes);
            assert_eq!(terminal.cells, frame.cells, "{round}");
            assert!(round == 0 || bytes.len() < 100, "{}", bytes.len());
        }
        let mut bytes = Vec::new();
        painter.paint(&frame, &mut bytes);
        assert_eq!(bytes, b"", "nothing has changed");
        painter.forget();
        painter.paint(&frame, &mut bytes);
        assert!(bytes.starts_with(b"\x1b[0m\x1b[H\x1b[2J"));
    }

    #[test]
    fn text_is_cut_at_every_edge() {
        let mut frame = Frame::new(5, 2);
        assert_eq!(frame.put(0, 3, "abcdef", Look::Plain), 5);
        assert_eq!(frame.put(9, 0, "abc", Look::Plain), 0);
        assert_eq!(frame.put(0, 99, "abc", Look::Plain), 99);
        frame.put_within(1, 2, 2, "12345", Look::Plain);
        assert_eq!((frame.text(0), frame.text(1)), ("   ab".into(), "  12".into()));
        frame.dress(7, Look::Bold);
        let mut nothing = Frame::new(0, 0);
        nothing.put(0, 0, "abc", Look::Plain);
        Painter::new(true).paint(&nothing, &mut Vec::new());
    }

    #[test]
    fn nothing_from_outside_is_a_command() {
        let hostile = "\x1b]0;x\x07\x1b[2J\u{9b}31m\u{202e}a\u{ad}b\u{300}漢\tc\n".as_bytes();
        let text = letters(&[hostile, b"\xff\xc3"].concat(), true);
        assert_eq!(text, "?]0;x??[2J?31m?a?b???c???");
        assert_eq!(letters("naïve".as_bytes(), true), "naïve");
        assert_eq!(letters("naïve".as_bytes(), false), "na?ve");
        for byte in 0..=255u8 {
            assert!(letters(&[byte], true).chars().all(|letter| !letter.is_control()));
        }
        let mut frame = Frame::new(3, 1);
        frame.put(0, 0, "\x1b\u{9b}漢", Look::Plain);
        assert_eq!(frame.text(0), "???");
    }

    #[test]
    fn without_colour_there_is_none() {
        let mut frame = Frame::new(9, 1);
        frame.put(0, 0, "a", Look::Red);
        frame.put(0, 1, "b", Look::Reverse);
        let mut bytes = Vec::new();
        Painter::new(false).paint(&frame, &mut bytes);
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains(";3") && text.contains(";7m"), "{text:?}");
    }
}
