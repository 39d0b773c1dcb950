//! Which rows are shown, and in which order: sort, filter, pause, cursor. Pure.

use super::keyboard::Key;
use super::row::{Row, holds};
use super::sort::Sort;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Picture {
    #[default]
    List,
    Details,
    Help,
}

/// What the caller has to do after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// Draw what may have changed.
    Draw,
    DrawAll,
    /// Group by the next key.
    Group,
    Quit,
}

/// Sums over the rows that match the filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Total {
    /// Connections.
    pub count: u64,
    pub rx_bytes_per_second: u64,
    pub tx_bytes_per_second: u64,
    pub rx_bytes_total: u64,
    pub tx_bytes_total: u64,
}

/// The user's choices, and the resulting order of the rows.
#[derive(Debug, Default)]
pub(super) struct View {
    pub sort: Sort,
    pub is_reversed: bool,
    pub is_paused: bool,
    pub picture: Picture,
    /// The text that a row must contain to be shown.
    pub filter: Vec<u8>,
    /// Whether the filter is being typed.
    pub is_typing: bool,
    /// The shown rows, as indices.
    pub order: Vec<usize>,
    /// The sums of all rows that match the filter.
    pub total: Total,
    /// How many these are.
    pub matching: usize,
    /// At most so many of them are shown.
    pub most: Option<usize>,
    /// Whether the rows are groups.
    pub is_grouped: bool,
    /// What the last key did not do, and why.
    pub remark: Option<String>,
    /// The first line of the list of keys that is shown.
    pub help_line: usize,
    /// The connection under the cursor, and its place in the order.
    cursor: Option<(u64, usize)>,
    /// The place in the order of the first row on the screen.
    offset: usize,
    /// How many rows the last picture showed.
    page: usize,
}

impl View {
    /// A new view with this order.
    pub(super) fn sorted_by(sort: Sort) -> View {
        View { sort, ..View::default() }
    }

    /// Filters, sorts and sums the rows.
    pub(super) fn arrange(&mut self, rows: &[Row]) {
        let needle = self.filter.to_ascii_lowercase();
        let mut room = Vec::with_capacity(128);
        self.order.clear();
        self.order.extend(0..rows.len());
        if !needle.is_empty() {
            self.order.retain(|place| holds(&rows[*place], &needle, &mut room));
        }
        let (sort, is_reversed) = (self.sort, self.is_reversed);
        self.order.sort_unstable_by(|a, b| {
            let order = sort.compare(&rows[*a], &rows[*b]);
            if is_reversed { order.reverse() } else { order }
        });
        self.total = self.order.iter().fold(Total::default(), |total, place| {
            let row = &rows[*place];
            let [rx_bytes_total, tx_bytes_total] = row.known_totals();
            Total {
                count: total.count + row.count(),
                rx_bytes_per_second: total
                    .rx_bytes_per_second
                    .saturating_add(row.rx_bytes_per_second),
                tx_bytes_per_second: total
                    .tx_bytes_per_second
                    .saturating_add(row.tx_bytes_per_second),
                rx_bytes_total: total.rx_bytes_total.saturating_add(rx_bytes_total),
                tx_bytes_total: total.tx_bytes_total.saturating_add(tx_bytes_total),
            }
        });
        self.matching = self.order.len();
        self.order.truncate(self.most.unwrap_or(usize::MAX));
        self.follow(rows);
    }

    /// Shows groups, or single connections, from the top.
    pub(super) fn regroup(&mut self, is_grouped: bool) {
        self.is_grouped = is_grouped;
        (self.cursor, self.offset) = (None, 0);
        if !Sort::orders(is_grouped).iter().any(|(_, sort)| *sort == self.sort) {
            self.sort = Sort::Rate;
        }
    }

    /// Keeps the cursor on its connection or, if that has disappeared, at its place.
    fn follow(&mut self, rows: &[Row]) {
        let Some((id, place)) = self.cursor else { return };
        let found = self.order.iter().position(|place| rows[*place].id == id);
        self.set_cursor(found.unwrap_or(place), rows);
    }

    fn set_cursor(&mut self, place: usize, rows: &[Row]) {
        let place = place.min(self.order.len().saturating_sub(1));
        let row = self.order.get(place).and_then(|row| rows.get(*row));
        self.cursor = row.map(|row| (row.id, place));
    }

    /// The place in the order of the row under the cursor.
    pub(super) fn cursor(&self) -> Option<usize> {
        self.cursor.map(|(_, place)| place)
    }

    /// The row under the cursor.
    pub(super) fn chosen<'a>(&self, rows: &'a [Row]) -> Option<&'a Row> {
        rows.get(*self.order.get(self.cursor()?)?)
    }

    /// The rows that fit into `lines`, where each takes `height` lines: the first, and how many. They
    /// include the row under the cursor.
    pub(super) fn window(
        &mut self,
        lines: usize,
        height: impl Fn(usize) -> usize,
    ) -> (usize, usize) {
        let of = |place: usize| self.order.get(place).map_or(1, |row| height(*row));
        let last = self.order.len().saturating_sub(1);
        let mut first = self.cursor().map_or(0, |place| self.offset.min(place)).min(last);
        if let Some(cursor) = self.cursor() {
            let (mut begin, mut used) = (cursor, of(cursor));
            while begin > first && used + of(begin - 1) <= lines {
                begin -= 1;
                used += of(begin);
            }
            first = begin;
        }
        // Fewer rows than before leave no room unused.
        let mut below: usize = (first..=last).map(of).take(lines).sum();
        while first > 0 && below + of(first - 1) <= lines {
            first -= 1;
            below += of(first);
        }
        let (mut count, mut used) = (0, 0);
        while first + count <= last && !self.order.is_empty() && used < lines {
            used += of(first + count);
            if used > lines && count > 0 {
                break;
            }
            count += 1;
        }
        (self.offset, self.page) = (first, count);
        (first, count)
    }

    pub(super) fn press(&mut self, key: Key, rows: &[Row]) -> Answer {
        self.remark = None;
        if key == Key::Redraw {
            return Answer::DrawAll;
        }
        if self.is_typing {
            self.type_filter(key, rows);
            return Answer::Draw;
        }
        let key = match key {
            Key::Byte(b'j') => Key::Down,
            Key::Byte(b'k') => Key::Up,
            key => key,
        };
        match key {
            Key::Byte(b'q' | b'Q') => return Answer::Quit,
            Key::Byte(b'p' | b'P') => self.is_paused = !self.is_paused,
            Key::Byte(b's' | b'S') => {
                let orders = Sort::orders(self.is_grouped);
                let place = orders.iter().position(|(_, sort)| *sort == self.sort);
                self.sort_by(orders[place.map_or(0, |place| place + 1) % orders.len()].1, rows);
            }
            Key::Left | Key::Right => self.sort_beside(key == Key::Right, rows),
            Key::Byte(b'r' | b'R') => {
                self.is_reversed = !self.is_reversed;
                self.sort_by(self.sort, rows);
            }
            Key::Byte(b'g' | b'G') => {
                self.picture = Picture::List;
                return Answer::Group;
            }
            Key::Byte(b'/') => (self.is_typing, self.picture) = (true, Picture::List),
            Key::Byte(b'd' | b'D') | Key::Enter => self.toggle(Picture::Details, rows),
            Key::Byte(b'?' | b'h') => self.toggle(Picture::Help, rows),
            Key::Escape => self.escape(rows),
            key if self.picture == Picture::Help => self.scroll_help(key),
            key => self.scroll(key, rows),
        }
        Answer::Draw
    }

    /// Sorts, and shows the list: what a key changes must be seen.
    fn sort_by(&mut self, sort: Sort, rows: &[Row]) {
        (self.sort, self.picture) = (sort, Picture::List);
        self.arrange(rows);
    }

    /// Sorts by the column beside that of the order; from the last one by the first one.
    fn sort_beside(&mut self, is_right: bool, rows: &[Row]) {
        let columns = Sort::columns(self.is_grouped);
        let last = columns.len() - 1;
        let place = columns.iter().position(|sort| *sort == self.sort);
        let next = match (place, is_right) {
            (Some(place), true) if place < last => place + 1,
            (Some(place), false) if place > 0 => place - 1,
            (_, true) => 0,
            (_, false) => last,
        };
        self.sort_by(columns[next], rows);
    }

    fn remark(&mut self, text: &str) {
        self.remark = Some(text.to_owned());
    }

    fn toggle(&mut self, picture: Picture, rows: &[Row]) {
        let is_shown = self.picture == picture;
        if picture == Picture::Details && !is_shown {
            if self.is_grouped {
                return self.remark("groups have no details; g ungroups");
            }
            if self.order.is_empty() {
                return self.remark("there is no connection to show");
            }
            if self.cursor.is_none() {
                self.set_cursor(0, rows);
            }
        }
        self.help_line = 0;
        self.picture = if is_shown { Picture::List } else { picture };
    }

    /// One step back: leaves the picture, else clears the filter, else leaves the cursor.
    fn escape(&mut self, rows: &[Row]) {
        if self.picture != Picture::List {
            self.picture = Picture::List;
        } else if !self.filter.is_empty() {
            self.filter.clear();
            self.arrange(rows);
        } else if self.cursor.is_some() {
            (self.cursor, self.offset) = (None, 0);
        } else {
            self.remark("there is nothing to leave; q quits");
        }
    }

    fn type_filter(&mut self, key: Key, rows: &[Row]) {
        const MOST_BYTES: usize = 100;
        match key {
            Key::Byte(byte) if self.filter.len() < MOST_BYTES => self.filter.push(byte),
            Key::Byte(_) => self.remark("the text cannot be longer"),
            // Remove the whole letter, however many bytes it has.
            Key::Backspace => while self.filter.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            Key::Clear => self.filter.clear(),
            Key::Enter => self.is_typing = false,
            Key::Escape => {
                self.is_typing = false;
                self.filter.clear();
            }
            Key::Left | Key::Right | Key::Unknown => {
                self.remark("that key does nothing while you type");
            }
            key => self.scroll(key, rows),
        }
        self.arrange(rows);
    }

    fn scroll(&mut self, key: Key, rows: &[Row]) {
        let page = self.page.max(1);
        let place = match (key, self.cursor()) {
            (Key::Home, _) => 0,
            (Key::End, _) => usize::MAX,
            (Key::Down | Key::Up | Key::PageUp, None) => 0,
            (Key::PageDown, None) => page,
            (Key::Down, Some(place)) => place + 1,
            (Key::PageDown, Some(place)) => place + page,
            (Key::Up, Some(place)) => place.saturating_sub(1),
            (Key::PageUp, Some(place)) => place.saturating_sub(page),
            (key, _) => return self.unknown(key),
        };
        let before = self.cursor();
        self.set_cursor(place, rows);
        match self.cursor() {
            None => self.remark("there are no rows"),
            Some(place) if before == Some(place) => {
                let end =
                    if matches!(key, Key::Up | Key::PageUp | Key::Home) { "first" } else { "last" };
                self.remark(&["this is the ", end, " row"].concat());
            }
            Some(_) => {}
        }
    }

    fn scroll_help(&mut self, key: Key) {
        let (line, page) = (self.help_line, self.page.max(1));
        // The picture knows how many lines there are, and stops at the last one.
        self.help_line = match key {
            Key::Home => 0,
            Key::End => usize::MAX,
            Key::Down => line.saturating_add(1),
            Key::PageDown => line.saturating_add(page),
            Key::Up => line.saturating_sub(1),
            Key::PageUp => line.saturating_sub(page),
            key => return self.unknown(key),
        };
    }

    fn unknown(&mut self, key: Key) {
        let name = match key {
            Key::Byte(byte @ b'!'..=b'~') => format!("'{}'", char::from(byte)),
            _ => "that key".to_owned(),
        };
        self.remark = Some(name + " does nothing; ? lists the keys");
    }

    /// Notes what the list of keys shows: from which line on, and how many.
    pub(super) fn shows_help(&mut self, line: usize, page: usize) {
        (self.help_line, self.page) = (line, page);
    }
}

#[cfg(test)]
pub(super) mod tests {
    use std::rc::Rc;
    use std::time::Duration;

    use super::*;
    use crate::model::Endpoint;
    use crate::source::processes::owner::Process;
    use crate::track::tcp::State;

    /// A row with these numbers.
    pub(crate) fn row(id: u64, rx: u64, tx: u64) -> Row {
        let end = |last: u8, port| Endpoint { address: [10, 0, 0, last].into(), port };
        Row {
            id,
            client: end(1, 50_000 + id as u16),
            server: end(2, 80),
            state: State::Established,
            idle: Some(Duration::from_secs(id)),
            is_active: rx + tx > 0,
            has_speeds: true,
            rx_bytes_per_second: rx,
            tx_bytes_per_second: tx,
            rx_bytes_total: Some(rx * 10),
            tx_bytes_total: Some(tx * 10),
            missed_bytes_total: 0,
            rtt: Some(Duration::from_micros(250)),
            retransmits_total: Some(id),
            began: None,
            last_seen: Duration::ZERO,
            cookies: [0, 0],
            cgroup: None,
            holders: [None, None],
            group: None,
        }
    }

    fn ids(view: &View, rows: &[Row]) -> Vec<u64> {
        view.order.iter().map(|place| rows[*place].id).collect()
    }

    fn rows() -> Vec<Row> {
        let mut rows = vec![row(1, 10, 0), row(2, 0, 30), row(3, 5, 6), row(4, 0, 0)];
        rows[3].state = State::SynSent;
        let process = Process { pid: 777, name: b"Nginx".to_vec() };
        rows[1].holders[1] = Some(Rc::new(process));
        rows
    }

    fn press(view: &mut View, rows: &[Row], text: &str) {
        text.bytes().for_each(|byte| {
            view.press(Key::Byte(byte), rows);
        });
    }

    #[test]
    fn s_goes_through_all_orders_and_r_reverses() {
        let (mut view, rows) = (View::default(), rows());
        view.arrange(&rows);
        let mut seen = Vec::new();
        for _ in 0..Sort::ALL.len() {
            seen.push((view.sort.name(), ids(&view, &rows)));
            press(&mut view, &rows, "s");
        }
        assert_eq!(
            seen,
            [
                ("rate", vec![2, 3, 1, 4]),
                ("bytes", vec![2, 3, 1, 4]),
                ("idle", vec![4, 3, 2, 1]),
                ("rx", vec![1, 3, 2, 4]),
                ("tx", vec![2, 3, 1, 4]),
                ("state", vec![4, 1, 2, 3]),
                ("client", vec![1, 2, 3, 4]),
                ("server", vec![1, 2, 3, 4]),
                ("none", vec![1, 2, 3, 4]),
            ]
        );
        assert_eq!(view.sort, Sort::Rate);
        press(&mut view, &rows, "r");
        assert_eq!(ids(&view, &rows), [4, 1, 3, 2]);
        assert!(Sort::ALL.iter().all(|(name, sort)| sort.name() == *name));
        assert_eq!((view.total.rx_bytes_per_second, view.total.tx_bytes_total), (15, 360));
    }

    #[test]
    fn what_is_not_known_sorts_last() {
        let (mut view, mut rows) = (View::default(), rows());
        (rows[1].idle, rows[1].rx_bytes_total) = (None, None);
        for (sort, order) in [(Sort::Idle, [4, 3, 1, 2]), (Sort::Bytes, [3, 1, 4, 2])] {
            view.sort = sort;
            view.arrange(&rows);
            assert_eq!(ids(&view, &rows), order, "{sort:?}");
        }
        // What is known of it counts.
        assert_eq!((view.total.rx_bytes_total, view.total.tx_bytes_total), (150, 360));
    }

    #[test]
    fn the_filter_works_while_it_is_typed() {
        let (mut view, rows) = (View::default(), rows());
        view.arrange(&rows);
        press(&mut view, &rows, "/NGINXq");
        assert!(ids(&view, &rows).is_empty());
        view.press(Key::Backspace, &rows);
        assert_eq!(ids(&view, &rows), [2]);
        assert_eq!(view.total.tx_bytes_per_second, 30);
        view.press(Key::Enter, &rows);
        assert!(!view.is_typing && ids(&view, &rows) == [2]);
        view.press(Key::Escape, &rows);
        assert_eq!(ids(&view, &rows).len(), 4);
        for (text, found) in [
            ("777", vec![2]),
            (":50003", vec![3]),
            ("syn_", vec![4]),
            ("10.0.0.2:80", vec![2, 3, 1, 4]),
        ] {
            press(&mut view, &rows, "/");
            view.press(Key::Clear, &rows);
            press(&mut view, &rows, text);
            assert_eq!(ids(&view, &rows), found, "{text}");
        }
        view.press(Key::Escape, &rows);
        assert!(view.filter.is_empty() && !view.is_typing);
        press(&mut view, &rows, "/");
        view.press(Key::Byte(0xc3), &rows);
        view.press(Key::Byte(0xa9), &rows);
        view.press(Key::Backspace, &rows);
        assert_eq!(view.filter, b"");
        (0..200).for_each(|_| press(&mut view, &rows, "x"));
        assert_eq!(view.filter.len(), 100);
    }

    #[test]
    fn the_cursor_follows_its_connection_and_the_window_the_cursor() {
        let mut rows: Vec<Row> = (0..100).map(|id| row(id, 1000 - id, 0)).collect();
        let mut view = View::default();
        view.arrange(&rows);
        assert_eq!(view.window(10, |_| 1), (0, 10));
        view.press(Key::Down, &rows);
        assert_eq!(view.cursor(), Some(0));
        view.press(Key::PageDown, &rows);
        assert_eq!((view.cursor(), view.window(10, |_| 1)), (Some(10), (1, 10)));
        view.press(Key::Up, &rows);
        assert_eq!((view.cursor(), view.window(10, |_| 1)), (Some(9), (1, 10)));
        view.press(Key::End, &rows);
        assert_eq!((view.cursor(), view.window(10, |_| 2)), (Some(99), (95, 5)));
        rows[99].rx_bytes_per_second = 1_000_000;
        view.arrange(&rows);
        assert_eq!((view.cursor(), view.window(10, |_| 2)), (Some(0), (0, 5)));
        rows.retain(|row| row.id != 99);
        view.arrange(&rows);
        assert_eq!(view.chosen(&rows).map(|row| row.id), Some(0));
        view.press(Key::Home, &rows);
        view.press(Key::Escape, &rows);
        assert_eq!(view.cursor(), None);
        view.press(Key::Up, &rows);
        assert_eq!(view.cursor(), Some(0));
        rows.clear();
        view.press(Key::Down, &rows);
        view.arrange(&rows);
        assert_eq!((view.cursor(), view.window(10, |_| 1)), (None, (0, 0)));
        view.press(Key::End, &rows);
        view.press(Key::Byte(b'd'), &rows);
        assert!(view.chosen(&rows).is_none());
    }

    #[test]
    fn windows_of_any_size_hold_the_cursor() {
        let rows: Vec<Row> = (0..30).map(|id| row(id, 0, 0)).collect();
        let height = |place: usize| 1 + place % 2;
        let mut view = View::default();
        view.arrange(&rows);
        let mut seed = 3u32;
        for _ in 0..5000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let keys = [Key::Up, Key::Down, Key::PageUp, Key::PageDown, Key::Home, Key::End];
            view.press(keys[(seed >> 8) as usize % 6], &rows);
            let lines = 1 + (seed >> 16) as usize % 12;
            let (first, count) = view.window(lines, height);
            assert!(count >= 1 && first + count <= 30);
            assert!(view.cursor().is_none_or(|c| (first..first + count).contains(&c)));
            let used: usize = (first..first + count).map(|p| height(view.order[p])).sum();
            assert!(used <= lines || count == 1);
            assert!(
                first == 0 || used + height(view.order[first - 1]) > lines || first + count < 30
            );
        }
        assert_eq!(view.window(0, height), (view.offset, 0));
    }

    #[test]
    fn a_key_that_does_nothing_says_so() {
        let (mut view, rows) = (View::default(), rows());
        view.arrange(&rows);
        let mut says = |key, rows: &[Row]| {
            view.press(key, rows);
            view.remark.clone().unwrap_or_default()
        };
        let unknown = "that key does nothing; ? lists the keys";
        for (key, remark) in [
            (Key::Byte(b'x'), "'x' does nothing; ? lists the keys"),
            (Key::Byte(0xc3), unknown),
            (Key::Byte(b' '), unknown),
            (Key::Backspace, unknown),
            (Key::Unknown, unknown),
            (Key::Escape, "there is nothing to leave; q quits"),
            (Key::Down, ""),
            (Key::Byte(b'k'), "this is the first row"),
            (Key::Home, "this is the first row"),
            (Key::End, ""),
            (Key::PageDown, "this is the last row"),
            (Key::Escape, ""),
            (Key::Byte(b'/'), ""),
            (Key::Left, "that key does nothing while you type"),
            (Key::Unknown, "that key does nothing while you type"),
            (Key::Escape, ""),
            (Key::Byte(b'?'), ""),
            (Key::Byte(b'x'), "'x' does nothing; ? lists the keys"),
            (Key::Escape, ""),
        ] {
            assert_eq!(says(key, &rows), remark, "{key:?}");
        }
        view.arrange(&[]);
        for (key, remark) in
            [(Key::Down, "there are no rows"), (Key::Enter, "there is no connection to show")]
        {
            view.press(key, &[]);
            assert_eq!(view.remark.as_deref(), Some(remark));
        }
    }

    #[test]
    fn left_and_right_sort_by_the_column_beside() {
        let (mut view, rows) = (View::default(), rows());
        let seen = |key, view: &mut View| {
            view.press(key, &rows);
            view.sort.name()
        };
        let right: Vec<_> = (0..8).map(|_| seen(Key::Right, &mut view)).collect();
        assert_eq!(right, ["rx", "tx", "bytes", "client", "server", "state", "idle", "rate"]);
        let left: Vec<_> = (0..8).map(|_| seen(Key::Left, &mut view)).collect();
        assert_eq!(left, ["idle", "state", "server", "client", "bytes", "tx", "rx", "rate"]);
        view.sort = Sort::Unsorted;
        assert_eq!(seen(Key::Right, &mut view), "client");
        view.regroup(true);
        let left: Vec<_> = (0..6).map(|_| seen(Key::Left, &mut view)).collect();
        assert_eq!(left, ["count", "name", "bytes", "tx", "rx", "rate"]);
        assert_eq!(seen(Key::Left, &mut view), "count");
        view.regroup(false);
        assert_eq!(view.sort, Sort::Rate, "connections are not sorted by count");
    }

    #[test]
    fn pictures_come_and_go() {
        let (mut view, rows) = (View::default(), rows());
        view.arrange(&rows);
        press(&mut view, &rows, "d");
        assert_eq!((view.picture, view.cursor()), (Picture::Details, Some(0)));
        view.press(Key::Down, &rows);
        assert_eq!(view.chosen(&rows).map(|row| row.id), Some(3));
        press(&mut view, &rows, "?");
        assert_eq!(view.picture, Picture::Help);
        view.press(Key::Escape, &rows);
        assert_eq!(view.picture, Picture::List);
        press(&mut view, &rows, "p");
        assert!(view.is_paused);
        assert_eq!(view.press(Key::Redraw, &rows), Answer::DrawAll);
        assert_eq!(view.press(Key::Byte(b'q'), &rows), Answer::Quit);
    }
}
