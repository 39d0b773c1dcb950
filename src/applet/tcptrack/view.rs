//! Which rows are shown, and in which order: sort, filter, pause, cursor. Pure.

use std::cmp::Ordering;
use std::rc::Rc;
use std::time::Duration;

use bstr::ByteSlice;

use super::keyboard::Key;
use super::text;
use crate::model::Endpoint;
use crate::source::processes::owner::Process;
use crate::track::tcp::{Connection, State};

/// A connection as it was at the last tick.
#[derive(Clone, Debug)]
pub struct Row {
    pub id: u64,
    pub client: Endpoint,
    pub server: Endpoint,
    pub state: State,
    pub idle: Duration,
    /// Whether something arrived since the previous tick.
    pub is_active: bool,
    /// From the server to the client, payload bytes.
    pub rx_bytes_per_second: u64,
    /// From the client to the server.
    pub tx_bytes_per_second: u64,
    pub rx_bytes_total: u64,
    pub tx_bytes_total: u64,
    /// Bytes that a capture has missed.
    pub missed_bytes_total: u64,
    pub rtt: Option<Duration>,
    pub retransmits_total: u64,
    /// The processes that hold the client's and the server's socket, if on this machine.
    pub holders: [Option<Rc<Process>>; 2],
}

impl Row {
    /// A connection as it is at `now`; the last tick was at `before`.
    pub fn of(connection: &Connection, now: Duration, before: Duration) -> Row {
        let Connection { id, client, server, state, ref tx, ref rx, .. } = *connection;
        Row {
            id,
            client,
            server,
            state,
            idle: connection.idle(now),
            is_active: connection.last_seen() > before,
            rx_bytes_per_second: rx.bytes_per_second,
            tx_bytes_per_second: tx.bytes_per_second,
            rx_bytes_total: rx.bytes_total,
            tx_bytes_total: tx.bytes_total,
            missed_bytes_total: rx.missed_bytes_total.saturating_add(tx.missed_bytes_total),
            rtt: connection.rtt(),
            retransmits_total: connection.retransmits_total(),
            holders: [None, None],
        }
    }

    /// Of both directions.
    pub fn bytes_per_second(&self) -> u64 {
        self.rx_bytes_per_second.saturating_add(self.tx_bytes_per_second)
    }

    /// Payload, of both directions.
    pub fn bytes_total(&self) -> u64 {
        self.rx_bytes_total.saturating_add(self.tx_bytes_total)
    }

    /// The process that holds an end on this machine: the client's, if both are.
    pub fn holder(&self) -> Option<&Process> {
        self.holders.iter().flatten().next().map(|process| &**process)
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    #[default]
    Rate,
    Bytes,
    Idle,
    Rx,
    Tx,
    State,
    Client,
    Server,
    /// In order of appearance.
    Unsorted,
}

impl Sort {
    /// The orders by name, in the sequence of the key `s`.
    pub const ALL: [(&str, Sort); 9] = [
        ("rate", Sort::Rate),
        ("bytes", Sort::Bytes),
        ("idle", Sort::Idle),
        ("rx", Sort::Rx),
        ("tx", Sort::Tx),
        ("state", Sort::State),
        ("client", Sort::Client),
        ("server", Sort::Server),
        ("none", Sort::Unsorted),
    ];

    pub fn name(self) -> &'static str {
        Sort::ALL[self as usize].0
    }

    fn next(self) -> Sort {
        Sort::ALL[(self as usize + 1) % Sort::ALL.len()].1
    }

    /// Numbers in descending order, names in ascending order.
    fn compare(self, a: &Row, b: &Row) -> Ordering {
        let rx = |row: &Row| (row.rx_bytes_per_second, row.rx_bytes_total);
        let tx = |row: &Row| (row.tx_bytes_per_second, row.tx_bytes_total);
        let order = match self {
            Sort::Rate => b.bytes_per_second().cmp(&a.bytes_per_second()),
            Sort::Bytes => b.bytes_total().cmp(&a.bytes_total()),
            Sort::Idle => b.idle.cmp(&a.idle),
            Sort::Rx => rx(b).cmp(&rx(a)),
            Sort::Tx => tx(b).cmp(&tx(a)),
            Sort::State => a.state.cmp(&b.state),
            Sort::Client => a.client.cmp(&b.client),
            Sort::Server => a.server.cmp(&b.server),
            Sort::Unsorted => Ordering::Equal,
        };
        order.then(a.id.cmp(&b.id))
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Picture {
    #[default]
    List,
    Details,
    Help,
}

/// What the caller has to do after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Draw what may have changed.
    Draw,
    /// Draw everything.
    DrawAll,

    Quit,
}

/// Sums over the rows that match the filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Total {
    pub rx_bytes_per_second: u64,
    pub tx_bytes_per_second: u64,
    pub rx_bytes_total: u64,
    pub tx_bytes_total: u64,
}

/// The user's choices, and the resulting order of the rows.
#[derive(Debug, Default)]
pub struct View {
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
    /// The sums of the shown rows.
    pub total: Total,
    /// The connection under the cursor, and its place in the order.
    cursor: Option<(u64, usize)>,
    /// The place in the order of the first row on the screen.
    offset: usize,
    /// How many rows the last picture showed.
    page: usize,
}

impl View {
    /// A new view with this order.
    pub fn sorted_by(sort: Sort) -> View {
        View { sort, ..View::default() }
    }

    /// Filters, sorts and sums the rows.
    pub fn arrange(&mut self, rows: &[Row]) {
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
            Total {
                rx_bytes_per_second: total
                    .rx_bytes_per_second
                    .saturating_add(row.rx_bytes_per_second),
                tx_bytes_per_second: total
                    .tx_bytes_per_second
                    .saturating_add(row.tx_bytes_per_second),
                rx_bytes_total: total.rx_bytes_total.saturating_add(row.rx_bytes_total),
                tx_bytes_total: total.tx_bytes_total.saturating_add(row.tx_bytes_total),
            }
        });
        self.follow(rows);
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
    pub fn cursor(&self) -> Option<usize> {
        self.cursor.map(|(_, place)| place)
    }

    /// The row under the cursor.
    pub fn chosen<'a>(&self, rows: &'a [Row]) -> Option<&'a Row> {
        rows.get(*self.order.get(self.cursor()?)?)
    }

    /// The rows that fit into `lines`, where each takes `height` lines: the first, and how many. They
    /// include the row under the cursor.
    pub fn window(&mut self, lines: usize, height: impl Fn(usize) -> usize) -> (usize, usize) {
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

    /// Handles a key.
    pub fn press(&mut self, key: Key, rows: &[Row]) -> Answer {
        if key == Key::Redraw {
            return Answer::DrawAll;
        }
        if self.is_typing {
            self.type_filter(key, rows);
            return Answer::Draw;
        }
        match key {
            Key::Byte(b'q' | b'Q') => return Answer::Quit,
            Key::Byte(b'p' | b'P') => self.is_paused = !self.is_paused,
            Key::Byte(b's' | b'S') => {
                self.sort = self.sort.next();
                self.arrange(rows);
            }
            Key::Byte(b'r' | b'R') => {
                self.is_reversed = !self.is_reversed;
                self.arrange(rows);
            }
            Key::Byte(b'/') => (self.is_typing, self.picture) = (true, Picture::List),
            Key::Byte(b'd' | b'D') | Key::Enter => self.toggle(Picture::Details, rows),
            Key::Byte(b'?' | b'h') => self.toggle(Picture::Help, rows),
            Key::Escape => self.escape(rows),
            key => self.scroll(key, rows),
        }
        Answer::Draw
    }

    fn toggle(&mut self, picture: Picture, rows: &[Row]) {
        if picture == Picture::Details && self.cursor.is_none() {
            self.set_cursor(0, rows);
        }
        let is_shown = self.picture == picture;
        self.picture = if is_shown { Picture::List } else { picture };
    }

    /// One step back: leaves the picture, else clears the filter, else leaves the cursor.
    fn escape(&mut self, rows: &[Row]) {
        if self.picture != Picture::List {
            self.picture = Picture::List;
        } else if !self.filter.is_empty() {
            self.filter.clear();
            self.arrange(rows);
        } else {
            (self.cursor, self.offset) = (None, 0);
        }
    }

    fn type_filter(&mut self, key: Key, rows: &[Row]) {
        const MOST_BYTES: usize = 100;
        match key {
            Key::Byte(byte) if self.filter.len() < MOST_BYTES => self.filter.push(byte),
            // Remove the whole letter, however many bytes it has.
            Key::Backspace => while self.filter.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {},
            Key::Clear => self.filter.clear(),
            Key::Enter => self.is_typing = false,
            Key::Escape => {
                self.is_typing = false;
                self.filter.clear();
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
            (Key::Down, None) => 0,
            (Key::PageDown, None) => page,
            (Key::Down, Some(place)) => place + 1,
            (Key::PageDown, Some(place)) => place + page,
            (Key::Up, Some(place)) => place.saturating_sub(1),
            (Key::PageUp, Some(place)) => place.saturating_sub(page),
            _ => return,
        };
        self.set_cursor(place, rows);
    }
}

/// Whether an address, a port, the state or a process of the row contains `needle`, ignoring case.
fn holds(row: &Row, needle: &[u8], room: &mut Vec<u8>) -> bool {
    room.clear();
    for word in [&text::endpoint(&row.client), &text::endpoint(&row.server), row.state.name()] {
        room.extend_from_slice(word.as_bytes());
        room.push(b' ');
    }
    for process in row.holders.iter().flatten() {
        room.extend_from_slice(&process.name);
        room.push(b' ');
        room.extend_from_slice(text::number(process.pid.into()).as_bytes());
        room.push(b' ');
    }
    room.make_ascii_lowercase();
    room.contains_str(needle)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A row with these numbers.
    pub fn row(id: u64, rx: u64, tx: u64) -> Row {
        let end = |last: u8, port| Endpoint { address: [10, 0, 0, last].into(), port };
        Row {
            id,
            client: end(1, 50_000 + id as u16),
            server: end(2, 80),
            state: State::Established,
            idle: Duration::from_secs(id),
            is_active: rx + tx > 0,
            rx_bytes_per_second: rx,
            tx_bytes_per_second: tx,
            rx_bytes_total: rx * 10,
            tx_bytes_total: tx * 10,
            missed_bytes_total: 0,
            rtt: Some(Duration::from_micros(250)),
            retransmits_total: id,
            holders: [None, None],
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
        assert_eq!(view.cursor(), None);
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
        }
        assert_eq!(view.window(0, height), (view.offset, 0));
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
