//! The table of groups: their keys, how many connections they have, and the numbers of these.

use super::extras::{Extra, Numbers, SPEED};
use super::row::Row;
use super::scene::Scene;
use super::screen::{Frame, Look};
use super::sort::Sort;
use super::text;
use super::view::View;

/// The width of a number of connections.
const COUNT: usize = 6;
/// What stands beside the keys on every terminal.
const LEAST: usize = 1 + 1 + COUNT + 1 + SPEED;
/// On terminals below this width nothing else does.
const NARROW: usize = 64;

/// Where the columns begin, and how wide the keys are.
#[derive(Debug)]
pub(super) struct Layout {
    keys: Vec<(String, usize, usize)>,
    count: usize,
    pub numbers: Numbers,
}

impl Layout {
    pub(super) fn of(columns: usize, headings: &[&str], view: &View, rows: &[Row]) -> Layout {
        let mut widths: Vec<usize> = headings.iter().map(|heading| heading.len()).collect();
        for row in view.order.iter().filter_map(|place| rows.get(*place)) {
            for (width, cell) in widths.iter_mut().zip(row.cells()) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let gaps = widths.len().saturating_sub(1);
        let room = columns.saturating_sub(LEAST + gaps).max(widths.len());
        let wanted: usize = widths.iter().sum();
        // Long keys leave room for the numbers that most people want, and take what others leave.
        let first = if columns < NARROW { room } else { room.min((columns * 2 / 5).max(30)) };
        let first = wanted.min(first);
        let (numbers, spare) = Numbers::fitting(&Extra::OF_GROUPS, LEAST + gaps + first, columns);
        let most = first + spare;
        let mut total = wanted;
        while total > most
            && let Some(widest) = widths.iter_mut().max_by_key(|width| **width)
            && *widest > 1
        {
            (*widest, total) = (*widest - 1, total - 1);
        }
        let mut place = 1;
        let keys = headings.iter().zip(widths).map(|(heading, width)| {
            let begin = place;
            place += width + 1;
            (titled(heading), begin, width)
        });
        let keys = keys.collect();
        Layout { keys, count: place, numbers: numbers.at(place + COUNT + 1) }
    }

    pub(super) fn headings(&self, frame: &mut Frame, line: usize, sort: Sort, scene: &Scene) {
        let look = |is_sorted| if is_sorted { Look::Bold } else { Look::Reverse };
        for (heading, column, width) in &self.keys {
            frame.put_within(line, *column, *width, heading, look(sort == Sort::Name));
        }
        frame.put_right(line, self.count, COUNT, "Count", look(sort == Sort::Count));
        self.numbers.headings(frame, line, sort, scene);
    }

    pub(super) fn draw(&self, frame: &mut Frame, line: usize, row: &Row, scene: &Scene) {
        for ((_, column, width), cell) in self.keys.iter().zip(row.cells()) {
            frame.put_within(line, *column, *width, &cut(cell, *width), Look::Plain);
        }
        self.put_count(frame, line, row.count());
        self.numbers.draw(frame, line, row, scene);
    }

    pub(super) fn put_count(&self, frame: &mut Frame, line: usize, count: u64) {
        frame.put_right(line, self.count, COUNT, &text::number(count), Look::Plain);
    }
}

/// The name of a column as a heading: `Server port`.
fn titled(name: &str) -> String {
    let mut heading = name.replace('_', " ");
    if let Some(first) = heading.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    heading
}

/// A path that is too wide keeps its end, which tells it from others.
fn cut(cell: &str, width: usize) -> String {
    let length = cell.chars().count();
    if length <= width || width < 8 || !cell.starts_with('/') {
        return cell.to_owned();
    }
    let end: String = cell.chars().skip(length + 3 - width).collect();
    ["...", &end].concat()
}
