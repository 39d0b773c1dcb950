//! What stands around the table: what is watched, what is shown, what the user should know, and the keys.

use super::scene::Scene;
use super::screen::{Frame, Look, letters};
use super::sort::Sort;
use super::text::{number, wrap};
use super::view::{Picture, View};

/// The lines around the rows, which have priority on a small screen.
#[derive(Debug)]
pub(super) struct Heights {
    has_title: bool,
    pub has_headings: bool,
    pub has_total: bool,
    has_status: bool,
    has_keys: bool,
    warnings: Vec<String>,
    pub rows: usize,
}

impl Heights {
    pub(super) fn of(frame: &Frame, scene: &Scene) -> Heights {
        let lines = frame.lines();
        let most = if lines < 4 { 0 } else { (lines / 3).max(2) - 1 };
        let warnings = warnings(scene, frame.columns().saturating_sub(2), most);
        let more = warnings.len().min(1);
        let mut heights = Heights {
            has_title: lines >= 5 + more,
            has_headings: lines >= 3,
            has_total: lines >= 4 + more,
            has_status: lines >= 6 + more,
            has_keys: lines >= 2,
            warnings,
            rows: 0,
        };
        let Heights { has_title, has_headings, has_total, has_status, has_keys, .. } = heights;
        let around = [has_title, has_headings, has_total, has_status, has_keys];
        let around = around.into_iter().filter(|is_there| *is_there).count();
        heights.rows = lines.saturating_sub(around + heights.warnings.len());
        heights
    }

    /// Puts what is watched, and returns the line after it.
    pub(super) fn top(&self, frame: &mut Frame, scene: &Scene) -> usize {
        if self.has_title {
            let title = cut(&scene.title(), frame.columns().saturating_sub(1));
            frame.put(0, 1, &title, Look::Bold);
        }
        usize::from(self.has_title)
    }

    /// Puts what stands below the table, from `line` on.
    pub(super) fn bottom(
        &self,
        frame: &mut Frame,
        mut line: usize,
        view: &View,
        shown: (usize, usize),
        scene: &Scene,
    ) {
        if self.has_status {
            status(frame, line, view, shown, scene);
            line += 1;
        }
        for warning in &self.warnings {
            frame.put(line, 1, warning, Look::Red);
            line += 1;
        }
        if self.has_keys {
            keys(frame, line, view, scene);
        }
    }
}

/// At most `most` lines of warnings: all of them whole or, if there are more, the beginning of each.
fn warnings(scene: &Scene, width: usize, most: usize) -> Vec<String> {
    let text = |text: String| letters(["Warning: ", &text].concat().as_bytes(), scene.is_utf8);
    let all: Vec<String> = scene.warnings().into_iter().map(text).collect();
    let lines = all.iter().flat_map(|text| wrap(text, width)).map(str::to_owned);
    let mut lines: Vec<String> = lines.collect();
    if lines.len() > most {
        lines = all.iter().map(|text| cut(text, width)).collect();
    }
    if lines.len() > most {
        lines.truncate(most);
        let hidden = number((all.len() + 1 - most) as u64);
        lines.last_mut().into_iter().for_each(|last| *last = [&hidden, " more warnings"].concat());
    }
    lines
}

/// A text that is too wide ends with dots.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(3)).collect::<String>() + "..."
}

/// Says in the room of the rows why there are none.
pub(super) fn emptiness(frame: &mut Frame, (begin, end): (usize, usize), why: &str) {
    let width = frame.columns().saturating_sub(2);
    for (line, text) in (begin..end).zip(wrap(why, width)) {
        frame.put(line, 1, text, Look::Dim);
    }
}

fn status(frame: &mut Frame, line: usize, view: &View, shown: (usize, usize), scene: &Scene) {
    let first = if shown.1 == 0 { 0 } else { shown.0 + 1 };
    let [first, last, all] =
        [first, shown.0 + shown.1, view.order.len()].map(|number_| number(number_ as u64));
    let is_wide = frame.columns() >= 74;
    let begin = match (is_wide, view.is_grouped) {
        (true, false) => "Connections ",
        (true, true) => "Groups ",
        (false, _) => "",
    };
    let mut words = [begin, &first, "-", &last, " of ", &all].concat();
    if view.matching > view.order.len() {
        words += &[" (", &number(view.matching as u64), " in all)"].concat();
    }
    if view.is_grouped {
        words += &[" by ", &scene.keys.join(",")].concat();
    }
    let end = frame.put(line, 1, &words, Look::Plain);
    let paused = if is_wide { 44.max(end + 2) } else { end + 2 };
    let (word, look) = match view.is_paused {
        true => ("Paused", Look::Yellow),
        false if is_wide => ("Unpaused", Look::Plain),
        false => ("", Look::Plain),
    };
    let end = frame.put(line, paused, word, look);
    let sorted = match is_wide {
        true => paused + 10,
        false if view.is_paused => end + 2,
        false => end,
    };
    let order = if is_wide || !view.is_paused { "Sorted by " } else { "by " };
    let mut words = match view.sort {
        Sort::Unsorted => "Unsorted".to_owned(),
        sort => [order, sort.name()].concat(),
    };
    if view.is_reversed {
        words += ", reversed";
    }
    frame.put(line, sorted, &words, Look::Plain);
}

/// The keys that people need most.
const KEYS: [&str; 5] = ["q quit", "s sort", "/ filter", "g group", "? help"];

/// The last line: the text that is being typed, or what the last key did not do, or the filter in force and the keys.
pub(super) fn keys(frame: &mut Frame, line: usize, view: &View, scene: &Scene) {
    let filter = letters(&view.filter, scene.is_utf8);
    if view.is_typing {
        let end = frame.put(line, 1, &["/", &filter].concat(), Look::Bold);
        frame.put(line, end, " ", Look::Reverse);
        let (hint, look) = match &view.remark {
            Some(remark) => (remark.as_str(), Look::Yellow),
            None => ("Enter keeps it  Esc clears it", Look::Dim),
        };
        frame.put(line, end + 3, hint, look);
        return;
    }
    if let Some(remark) = &view.remark {
        frame.put(line, 1, &letters(remark.as_bytes(), scene.is_utf8), Look::Yellow);
        return;
    }
    let mut end = 1;
    if !filter.is_empty() && view.picture == Picture::List {
        end = frame.put(line, end, &["Filter: ", &filter].concat(), Look::Bold) + 2;
    }
    let words: &[&str] = match view.picture {
        Picture::List => &KEYS,
        Picture::Details | Picture::Help => &["q quit", "Esc back"],
    };
    // Where blanks are scarce, one is enough, and a key is shown whole or not at all.
    let length: usize = words.iter().map(|word| word.len() + 2).sum();
    let gap = if end + length - 2 > frame.columns() { 1 } else { 2 };
    for word in words {
        if end > 1 && end + word.len() > frame.columns() {
            break;
        }
        end = frame.put(line, end, word, Look::Dim) + gap;
    }
    if scene.left_out > 0 && view.picture == Picture::List {
        let plural = if scene.left_out == 1 { "" } else { "s" };
        let left_out = number(scene.left_out as u64);
        let text = [&left_out, " more column", plural, " in a wider window"].concat();
        if end + text.len() < frame.columns() {
            frame.put(line, frame.columns() - 1 - text.len(), &text, Look::Dim);
        }
    }
}
