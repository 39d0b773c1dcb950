//! The layout of a table: which columns have room, how wide they are, and the lines that follow.

use super::field::{Field, Tone, width, width_of};
use super::look::Look;

/// What is known of a column before its rows.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    /// The heading, which may be broken in parts.
    pub text: String,
    pub is_number: bool,
    /// Whether its cells are sentences, which are wrapped at words.
    pub is_prose: bool,
    /// Whether no cell is ever cut.
    pub is_whole: bool,
    /// Whether it is what the rows are for: their count, which is never left out.
    pub is_count: bool,
}

/// What was seen in the cells of a column so far.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    width: usize,
    has_number: bool,
    has_text: bool,
}

impl Seen {
    pub(super) fn of_width(width: usize) -> Seen {
        Seen { width, ..Seen::default() }
    }

    fn add(&mut self, field: &Field) {
        self.width = self.width.max(width(&field.text));
        self.has_number |= field.is_number;
        self.has_text |= !field.is_number && !field.is_absent();
    }
}

/// A column on the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Slot {
    place: usize,
    width: usize,
    is_right: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Layout {
    slots: Vec<Slot>,
    gap: usize,
    /// Columns of sentences for which there is no room beside the others: they stand below their row.
    below: Vec<usize>,
    /// How many columns have no room at all.
    pub left_out: usize,
}

/// Where a heading may be broken.
const BREAKS: [char; 3] = [' ', '_', '.'];
/// The least width of a column of sentences.
const PROSE: usize = 24;
/// In a table that counts something no heading and no text is cut below this width.
const LEAST: usize = 5;
/// The same for headings and for texts of other tables, where columns may be left out instead.
const LOOSE: [usize; 2] = [8, 12];
/// How far sentences below a row are indented.
const INDENT: usize = 4;

impl Layout {
    /// A layout of `rows`, and of those that were `seen` before. If they do not fit, columns without a value are
    /// omitted (`may_omit`), then headings are broken, then sentences move below their row, then headings and texts are cut, and then the
    /// last columns are left out.
    pub(super) fn new(
        heads: &[Head],
        rows: &[Vec<Field>],
        seen: &mut Vec<Seen>,
        look: Look,
        may_omit: bool,
    ) -> Layout {
        seen.resize(heads.len(), Seen::default());
        for row in rows {
            seen.iter_mut().zip(row).for_each(|(seen, field)| seen.add(field));
        }
        let mut layout = Layout { gap: 2, ..Layout::default() };
        layout.slots.extend(heads.iter().zip(&*seen).enumerate().map(|(place, (head, seen))| {
            let is_right = head.is_number || seen.has_number && !seen.has_text;
            Slot { place, width: seen.width.max(width(&head.text)), is_right }
        }));
        if let Some(room) = look.width.filter(|room| layout.width() > *room) {
            if may_omit {
                layout
                    .slots
                    .retain(|Slot { place, .. }| seen[*place].has_number || seen[*place].has_text);
            }
            layout.break_headings(heads, seen, room);
            layout.move_sentences(heads, room);
            layout.shrink(heads, seen, room);
        }
        layout
    }

    /// Whether both have the same columns.
    pub(super) fn has_columns_of(&self, other: &Layout) -> bool {
        self.slots.iter().map(|slot| slot.place).eq(other.slots.iter().map(|slot| slot.place))
    }

    /// The columns that a whole line takes.
    fn width(&self) -> usize {
        let gaps = self.gap * self.slots.len().saturating_sub(1);
        self.slots.iter().map(|slot| slot.width).sum::<usize>() + gaps
    }

    /// Breaks headings at words if the line is too long.
    fn break_headings(&mut self, heads: &[Head], seen: &[Seen], room: usize) {
        if self.width() > room {
            for slot in &mut self.slots {
                let parts = parts(&heads[slot.place].text).into_iter();
                let longest = parts.map(|part| width(part.trim_end())).max();
                slot.width = seen[slot.place].width.max(longest.unwrap_or_default());
            }
        }
    }

    /// Gives sentences the room that the other columns leave, or moves them below the rows.
    fn move_sentences(&mut self, heads: &[Head], room: usize) {
        let is_prose = |slot: &Slot| heads[slot.place].is_prose;
        let mut left = self.slots.iter().filter(|slot| is_prose(slot)).count();
        if left == 0 || self.width() <= room {
            return;
        }
        let own: usize = self.slots.iter().filter(|slot| is_prose(slot)).map(|s| s.width).sum();
        let mut rest = (room + own).saturating_sub(self.width());
        if rest / left < PROSE {
            self.below = self.slots.iter().filter(|s| is_prose(s)).map(|s| s.place).collect();
            self.slots.retain(|slot| !is_prose(slot));
            return;
        }
        for slot in self.slots.iter_mut().filter(|slot| is_prose(slot)) {
            slot.width = slot.width.min(rest / left);
            (rest, left) = (rest - slot.width, left - 1);
        }
    }

    /// Cuts texts and headings, the widest first, and leaves columns out if that is not enough.
    fn shrink(&mut self, heads: &[Head], seen: &[Seen], room: usize) {
        if self.width() > room {
            self.gap = 1;
        }
        // Without all texts that name a row, its count would mean nothing.
        let is_count = |slot: &Slot| heads[slot.place].is_count;
        let is_dense = self.slots.iter().any(is_count)
            || heads.iter().all(|head| head.is_number || head.is_whole);
        let [heading, text] = if is_dense { [LEAST; 2] } else { LOOSE };
        while !self.is_cut_to(room, heading, text, heads, seen) && self.slots.len() > 1 {
            let last = self.slots.iter().rposition(|slot| !is_count(slot));
            self.slots.remove(last.unwrap_or(self.slots.len() - 1));
            self.left_out += 1;
        }
        if let [slot] = &mut self.slots[..] {
            slot.width = slot.width.min(room);
        }
    }

    /// Cuts the widest columns until the line fits, headings before what stands below them; returns whether it does.
    /// Headings are not cut below `heading`, cells of text not below `text`, and numbers not at all.
    fn is_cut_to(
        &mut self,
        room: usize,
        heading: usize,
        text: usize,
        heads: &[Head],
        seen: &[Seen],
    ) -> bool {
        let whole = self.slots.clone();
        let headings = (heading..=room).rev().map(|most| [most, usize::MAX]);
        let texts = (text..=room).rev().map(|most| [heading, most]);
        for [heading, text] in headings.chain(texts) {
            for (slot, whole) in self.slots.iter_mut().zip(&whole) {
                let (head, cells) = (&heads[slot.place], seen[slot.place].width);
                let is_whole = slot.is_right || head.is_whole;
                let least = if is_whole { cells } else { cells.min(text) };
                slot.width =
                    if head.is_prose { whole.width } else { whole.width.min(heading).max(least) };
            }
            if self.width() <= room {
                return true;
            }
        }
        self.slots = whole;
        false
    }

    /// Appends the heading, in as many lines as its longest one needs; returns their number.
    pub(super) fn head(&self, buffer: &mut Vec<u8>, heads: &[Head], look: Look) -> usize {
        let cell = |slot: &Slot| broken(&heads[slot.place].text, slot.width, look.is_utf8);
        let cells = self.slots.iter().map(cell);
        let cells: Vec<Vec<String>> = cells.collect();
        let lines = cells.iter().map(Vec::len).max().unwrap_or_default();
        for line in 0..lines {
            // The last lines are those next to the rows.
            let parts = cells.iter().map(|cell| {
                let part = (line + cell.len()).checked_sub(lines).and_then(|line| cell.get(line));
                (part.map_or("", String::as_str), Tone::Strong)
            });
            self.line(buffer, parts, look);
        }
        lines
    }

    /// Appends a row; returns how many lines it takes.
    pub(super) fn row(
        &self,
        buffer: &mut Vec<u8>,
        heads: &[Head],
        row: &[Field],
        look: Look,
    ) -> usize {
        let none = Field::default();
        let field = |place: usize| row.get(place).unwrap_or(&none);
        let cell = |slot: &Slot| match heads[slot.place].is_prose {
            true => wrap(&field(slot.place).text, slot.width),
            false if look.width.is_none() => vec![field(slot.place).text.clone()],
            false => vec![cut(&field(slot.place).text, slot.width, look.is_utf8)],
        };
        let cells: Vec<Vec<String>> = self.slots.iter().map(cell).collect();
        let mut lines = cells.iter().map(Vec::len).max().unwrap_or_default();
        for line in 0..lines {
            let parts = cells.iter().zip(&self.slots).map(|(cell, slot)| {
                (cell.get(line).map_or("", String::as_str), field(slot.place).tone)
            });
            self.line(buffer, parts, look);
        }
        for place in self.below.iter().filter(|place| !field(**place).is_absent()) {
            let text = format!("{}: {}", heads[*place].text.to_lowercase(), field(*place).text);
            let room = look.width.unwrap_or_default().saturating_sub(INDENT);
            for line in wrap(&text, room) {
                buffer.extend_from_slice(format!("{:INDENT$}{line}\n", "").as_bytes());
                lines += 1;
            }
        }
        lines
    }

    fn line<'a>(
        &self,
        buffer: &mut Vec<u8>,
        cells: impl Iterator<Item = (&'a str, Tone)>,
        look: Look,
    ) {
        let (mut line, mut blanks) = (String::new(), 0);
        for (slot, (text, tone)) in self.slots.iter().zip(cells) {
            let spare = slot.width.saturating_sub(width(text));
            let (before, after) = if slot.is_right { (spare, 0) } else { (0, spare) };
            blanks += before;
            if !text.is_empty() {
                line.extend(std::iter::repeat_n(' ', std::mem::take(&mut blanks)));
                tone.push(&mut line, text, look.has_color);
            }
            blanks += after + self.gap;
        }
        line.push('\n');
        buffer.extend_from_slice(line.as_bytes());
    }
}

/// The text, cut to `room` columns with a mark at its end. What combines with a character stays with it.
fn cut(text: &str, room: usize, is_utf8: bool) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let (mut short, mut used) = (String::new(), 0);
    for character in text.chars() {
        used += width_of(character);
        if used >= room {
            break;
        }
        short.push(character);
    }
    short.push(if is_utf8 { '…' } else { '~' });
    short
}

/// The parts of a heading between which a line may end: behind one of [`BREAKS`], and within `TcpRetransSegs`.
fn parts(heading: &str) -> Vec<&str> {
    let (mut parts, mut start, mut before) = (Vec::new(), 0, '\0');
    for (place, character) in heading.char_indices() {
        let is_hump = before.is_ascii_lowercase() && character.is_ascii_uppercase();
        if is_hump || BREAKS.contains(&before) {
            parts.push(&heading[start..place]);
            start = place;
        }
        before = character;
    }
    parts.push(&heading[start..]);
    parts
}

/// The heading in lines of at most `room` columns. A part that is too long is hyphenated or, if two lines are too short,
/// cut with a mark: without one, half a word looks like a whole one.
fn broken(heading: &str, room: usize, is_utf8: bool) -> Vec<String> {
    let (mut lines, mut line) = (Vec::new(), String::new());
    let pieces = parts(heading).into_iter().flat_map(|part| {
        let needed = width(part.trim_end());
        let word = part.trim_end_matches(BREAKS);
        match room.checked_sub(1).and_then(|most| part.split_at_checked(most)) {
            _ if needed <= room => vec![part.to_owned()],
            Some((begin, end)) if part.is_ascii() && word.len() > room && needed < 2 * room => {
                vec![[begin, "-"].concat(), end.to_owned()]
            }
            // It fills its line, so that the sign behind it can go.
            _ => vec![cut(word, room, is_utf8)],
        }
    });
    for part in pieces {
        if !line.is_empty() && width(&line) + width(part.trim_end()) > room {
            lines.push(std::mem::take(&mut line));
        }
        line += &part;
    }
    lines.push(line);
    lines.iter_mut().for_each(|line| line.truncate(line.trim_end().len()));
    lines
}

/// The text in lines of at most `room` columns, broken at blanks, or anywhere in a word that is too long.
pub(super) fn wrap(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split_inclusive(' ') {
        if used > 0 && used + width(word.trim_end()) > room {
            lines.push(String::new());
            used = 0;
        }
        for character in word.chars() {
            let more = width_of(character);
            if used > 0 && used + more > room && character != ' ' {
                lines.push(String::new());
                used = 0;
            }
            used += more;
            if let Some(line) = lines.last_mut() {
                line.push(character);
            }
        }
    }
    for line in &mut lines {
        line.truncate(line.trim_end_matches(' ').len());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_between_characters() {
        for (text, room, wanted) in [
            ("plain", 5, "plain"),
            ("plainer", 5, "plai…"),
            ("日本語", 6, "日本語"),
            ("日本語", 5, "日本…"),
            ("日本語", 4, "日…"),
            ("e\u{301}a\u{308}o\u{302}u", 3, "e\u{301}a\u{308}…"),
        ] {
            assert_eq!(cut(text, room, true), wanted);
            assert!(width(wanted) <= room);
        }
        assert_eq!(cut("plainer", 5, false), "plai~");
    }

    /// Numbers are whole, and no line is longer than the terminal is wide, however narrow that is.
    #[test]
    fn tables_of_any_width_fit() {
        let field = |text: &str| Field {
            text: text.to_owned(),
            is_number: text.parse::<i64>().is_ok(),
            ..Field::default()
        };
        let head = |text: &str, is_number, is_prose, is_count| Head {
            text: text.to_owned(),
            is_number,
            is_prose,
            is_count,
            is_whole: false,
        };
        for is_count in [false, true] {
            let heads = [
                head("CLIENT NAME", false, false, false),
                head("REPLY_DPORT", false, false, false),
                head("RETRANSMITS", true, false, false),
                head("COUNT sockets", true, false, is_count),
                head("NOTHING", false, false, false),
                head("MEANING", false, true, false),
            ];
            let rows = [
                ["日本語の名前がとても長い", "443", "18446744073709551615", "12345", "-"],
                ["e\u{301}a\u{308}o\u{302}u", "-", "0", "7", "-"],
            ];
            let sentence = "the peer closed; our program has not: 日本語の名前 leaks sockets";
            let rows = rows
                .map(|row| row.iter().copied().chain([sentence]).map(field).collect::<Vec<_>>());
            for room in 6..200 {
                let look = Look { width: Some(room), is_utf8: true, ..Look::default() };
                let layout = Layout::new(&heads, &rows, &mut Vec::new(), look, true);
                let mut buffer = Vec::new();
                let heading = layout.head(&mut buffer, &heads, look);
                let mut lines = heading;
                for row in &rows {
                    lines += layout.row(&mut buffer, &heads, row, look);
                }
                let text = String::from_utf8(buffer).unwrap();
                assert_eq!(text.lines().count(), lines);
                // Headings have whole words, hyphenated ones, or shortened ones with a mark.
                let heading = text.lines().take(heading).flat_map(|line| line.split([' ', '_']));
                for word in heading.filter(|word| !word.is_empty()) {
                    let has =
                        |head: &Head| head.text.split(BREAKS).any(|whole| whole.ends_with(word));
                    assert!(word.ends_with(['…', '-']) || heads.iter().any(has), "{room}: {word}");
                }
                for line in text.lines() {
                    assert!(width(line) <= room && !line.ends_with(' '), "{room}:\n{text}");
                }
                let has_number = |number| text.split_whitespace().any(|word| word == number);
                assert!(!is_count || has_number("12345"), "{room}:\n{text}");
                assert!(room < 90 || layout.left_out == 0 && has_number("18446744073709551615"));
            }
        }
    }

    #[test]
    fn words_of_headings_are_hyphenated_or_shortened_with_a_mark() {
        let shown = |text, room| broken(text, room, true);
        assert_eq!(shown("CLOSE_WAIT", 5), ["CLOSE", "WAIT"]);
        assert_eq!(shown("CLOSE_WAIT", 6), ["CLOSE_", "WAIT"]);
        assert_eq!(shown("NEW_SYN_RECV", 9), ["NEW_SYN_", "RECV"]);
        assert_eq!(shown("ESTABLISHED", 5), ["ESTA…"]);
        // CLOS… would be CLOSE, too.
        assert_eq!(shown("CLOSING", 5), ["CLOS-", "ING"]);
        assert_eq!(shown("UDPLITE.inuse", 5), ["UDPL-", "ITE.", "inuse"]);
        assert_eq!(shown("TcpRetransSegs", 7), ["Tcp", "Retrans", "Segs"]);
        assert_eq!(shown("TcpExtTCPLoss /s", 7), ["TcpExt", "TCPLoss", "/s"]);
        assert_eq!(shown("RECV QUEUE bytes", 5), ["RECV", "QUEUE", "bytes"]);
        assert_eq!(shown("RX bytes/s", 20), ["RX bytes/s"]);
        assert_eq!(shown("", 5), [""]);
    }

    #[test]
    fn sentences_are_wrapped_at_words() {
        assert_eq!(wrap("the peer closed; our", 9), ["the peer", "closed;", "our"]);
        assert_eq!(wrap("abcdefgh ij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("日本語 a", 4), ["日本", "語 a"]);
        assert_eq!(wrap("", 5), [""]);
    }
}
