//! The layout of the screen: what is watched, the table, what the user should know, and the keys. The table has
//! tcptrack's columns at 80, more if there is room, two lines per connection if there is little.

use super::extras::{Extra, Numbers};
use super::foot::{self, Heights};
use super::grouped;
use super::row::Row;
use super::scene::{Scene, look};
use super::screen::{Frame, Look};
use super::sort::Sort;
use super::text;
use super::view::{Picture, View};
use crate::track::tcp::State;

/// The width of the longest IPv6 address in brackets, and a port.
const WIDEST_END: usize = 47;
/// The width of an end in tcptrack: IPv4 address and port.
const USUAL_END: usize = 21;
/// Below this number of columns a connection always takes two lines.
const STACKED_BELOW: usize = 64;

/// Where the columns of the table of connections begin.
#[derive(Debug)]
struct Layout {
    is_stacked: bool,
    /// The width of an end.
    end: usize,
    server: usize,
    state: usize,
    idle: usize,
    active: usize,
    numbers: Numbers,
}

impl Layout {
    fn of(columns: usize) -> Layout {
        if columns < STACKED_BELOW {
            return Layout::stacked(columns);
        }
        let mut end = USUAL_END.min((columns - 32) / 2);
        let (numbers, spare) = Numbers::fitting(&Extra::ALL, 32 + 2 * end, columns);
        if !numbers.extras.is_empty() {
            end += (spare / 2).min(WIDEST_END - USUAL_END);
        }
        let server = 1 + end + 1;
        let state = server + end + 1;
        let (idle, active) = (state + 13, state + 18);
        let numbers = numbers.at(state + 20);
        Layout { is_stacked: false, end, server, state, idle, active, numbers }
    }

    fn stacked(columns: usize) -> Layout {
        let end = (columns.max(40) - 18).min(WIDEST_END);
        let state = 1 + end + 1;
        let speed = state + 7;
        let (numbers, _) = Numbers::fitting(&Extra::ALL, 0, 0);
        let numbers = numbers.at(speed);
        Layout { is_stacked: true, end, server: 1, state, idle: state, active: speed - 2, numbers }
    }

    /// How many lines a row takes.
    fn height(&self, row: &Row) -> usize {
        1 + usize::from(self.is_stacked || self.is_too_wide(row))
    }

    /// Whether an end is too wide for one line.
    fn is_too_wide(&self, row: &Row) -> bool {
        row.client.canonical().is_ipv6() && text::endpoint(&row.client).len() > self.end
            || row.server.canonical().is_ipv6() && text::endpoint(&row.server).len() > self.end
    }

    fn headings(&self, frame: &mut Frame, line: usize, sort: Sort, scene: &Scene) {
        let named = [(1, "Client", Some(Sort::Client)), (self.state, "State", Some(Sort::State))];
        let others = [
            (self.server, "Server", Some(Sort::Server)),
            (self.idle, "Idle", Some(Sort::Idle)),
            (self.active, "A", None),
        ];
        let others = others.into_iter().filter(|_| !self.is_stacked);
        for (column, heading, by) in named.into_iter().chain(others) {
            let look = if by == Some(sort) { Look::Bold } else { Look::Reverse };
            frame.put(line, column, heading, look);
        }
        self.numbers.headings(frame, line, sort, scene);
    }

    fn draw(&self, frame: &mut Frame, line: usize, height: usize, row: &Row, scene: &Scene) {
        let is_stacked = self.is_stacked;
        let idle = text::idle(row.idle);
        // An end that is too wide takes the line up to the next column, as in tcptrack.
        let room = if is_stacked { self.end } else { self.state - 2 };
        let room = if height > 1 { room } else { self.end };
        let client = text::endpoint_within(&row.client, room);
        frame.put_within(line, 1, room, &client, Look::Plain);
        let below = usize::from(height > 1);
        let most = match is_stacked || height == 1 {
            true => self.end,
            false => frame.columns().saturating_sub(self.server),
        };
        let server = text::endpoint_within(&row.server, most);
        // Of two lines, the last one on the screen may be cut off.
        if !is_stacked || height > 1 {
            frame.put_within(line + below, self.server, most, &server, Look::Plain);
        }
        let (name, width) = if is_stacked { (short(row.state), 6) } else { (row.state.name(), 12) };
        frame.put_within(line, self.state, width, name, look(row.state));
        if is_stacked && height > 1 {
            frame.put(line + 1, self.idle, &idle, Look::Plain);
        } else if !is_stacked {
            frame.put_right(line, self.idle, 4, &idle, Look::Plain);
            frame.put(line, self.active, if row.is_active { "*" } else { " " }, Look::Plain);
        }
        self.numbers.draw(frame, line, row, scene);
    }
}

/// A state in at most six letters.
fn short(state: State) -> &'static str {
    match state {
        State::SynSent => "SYN",
        State::SynAck => "SYNACK",
        State::Established => "ESTAB",
        State::Closing => "CLOSNG",
        State::Closed => "CLOSED",
        State::Reset => "RESET",
    }
}

/// Whether a terminal of this width has room for processes.
pub(super) fn shows_processes(columns: usize) -> bool {
    Layout::of(columns).numbers.has(Extra::Process)
}

pub(super) fn draw(frame: &mut Frame, view: &mut View, rows: &[Row], scene: &mut Scene) {
    match view.picture {
        Picture::Help => super::details::help(frame, view),
        Picture::Details => super::details::draw(frame, view.chosen(rows), scene),
        Picture::List => return list(frame, view, rows, scene),
    }
    if let Some(last) = frame.lines().checked_sub(1).filter(|line| *line > 0) {
        frame.clear(last);
        foot::keys(frame, last, view, scene);
    }
}

/// Either table.
enum Table {
    Connections(Layout),
    Groups(grouped::Layout),
}

impl Table {
    fn numbers(&self) -> &Numbers {
        match self {
            Table::Connections(layout) => &layout.numbers,
            Table::Groups(layout) => &layout.numbers,
        }
    }

    fn height(&self, row: &Row) -> usize {
        match self {
            Table::Connections(layout) => layout.height(row),
            Table::Groups(_) => 1,
        }
    }
}

fn list(frame: &mut Frame, view: &mut View, rows: &[Row], scene: &mut Scene) {
    let columns = frame.columns();
    let table = match view.is_grouped {
        false => Table::Connections(Layout::of(columns)),
        true => Table::Groups(grouped::Layout::of(columns, &scene.keys, view, rows)),
    };
    let heights = Heights::of(frame, scene);
    let (first, count) =
        view.window(heights.rows, |place| rows.get(place).map_or(1, |row| table.height(row)));
    let shown = view.order.iter().skip(first).take(count).filter_map(|place| rows.get(*place));
    scene.scale = table.numbers().scale(shown.clone(), scene);
    scene.left_out = table.numbers().left_out;
    let mut line = heights.top(frame, scene);
    if heights.has_headings {
        frame.dress(line, Look::Reverse);
        match &table {
            Table::Connections(layout) => layout.headings(frame, line, view.sort, scene),
            Table::Groups(layout) => layout.headings(frame, line, view.sort, scene),
        }
        line += 1;
    }
    let bottom = line + heights.rows;
    if view.order.is_empty() {
        foot::emptiness(frame, (line, bottom), &scene.emptiness(view, rows.len()));
    }
    for (place, row) in (first..).zip(shown) {
        let height = table.height(row).min(bottom.saturating_sub(line));
        match &table {
            Table::Connections(layout) => layout.draw(frame, line, height, row, scene),
            Table::Groups(layout) => layout.draw(frame, line, row, scene),
        }
        if view.cursor() == Some(place) {
            (line..line + height).for_each(|line| frame.dress(line, Look::Selected));
        }
        line += height;
    }
    line = bottom;
    if heights.has_total {
        frame.put(line, 1, "TOTAL", Look::Bold);
        if let Table::Groups(layout) = &table {
            layout.put_count(frame, line, view.total.count);
        }
        table.numbers().total(frame, line, &view.total, scene);
        line += 1;
    }
    heights.bottom(frame, line, view, (first, count), scene);
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::rc::Rc;
    use std::time::Duration;

    use super::super::keyboard::Key;
    use super::super::scene::{Source, Subject};
    use super::super::view::tests::row;
    use super::*;
    use crate::model::Tally;
    use crate::source::processes::owner::Process;

    /// The lines of a screen; a cursor is before its row.
    fn picture(
        (columns, lines): (usize, usize),
        view: &mut View,
        rows: &[Row],
        scene: &mut Scene,
    ) -> Vec<String> {
        let mut frame = Frame::new(columns, lines);
        view.arrange(rows);
        draw(&mut frame, view, rows, scene);
        let line = |line| {
            let cursor = if frame.look(line) == Look::Selected { '>' } else { ' ' };
            format!("{cursor}{}", frame.text(line)).trim_end().to_owned()
        };
        (0..lines).map(line).collect()
    }

    fn ended(row: &mut Row, [client, server]: [&str; 2]) {
        let [client, server] =
            [client, server].map(|end| end.parse::<std::net::SocketAddr>().unwrap());
        (row.client.address, row.client.port) = (client.ip(), client.port());
        (row.server.address, row.server.port) = (server.ip(), server.port());
    }

    fn example() -> Vec<Row> {
        let mut rows =
            vec![row(0, 380_000, 0), row(1, 0, 16_400), row(2, 4000, 3900), row(3, 0, 0)];
        for (row, ends) in rows.iter_mut().zip([
            ["10.77.0.1:58162", "10.77.0.2:9001"],
            ["[fd77:1:2:3:4:5:6:1]:45578", "[fd77:1:2:3:4:5:6:2]:9002"],
            ["192.168.100.200:58164", "203.0.113.77:443"],
            ["10.77.0.1:39712", "10.77.0.2:22"],
        ]) {
            ended(row, ends);
            row.idle = Some(Duration::from_secs(row.id * 700));
        }
        rows[3].state = State::SynSent;
        for (row, name) in rows.iter_mut().zip([&b"rsync"[..], b"evil\x1b[2J\xff", b"curl"]) {
            row.holders[0] = Some(Rc::new(Process { pid: 1234, name: name.to_vec() }));
        }
        rows
    }

    fn scene(rows: &[Row]) -> Scene {
        let host = "web1".to_owned();
        let subject = Subject { host, ..Subject::default() };
        let mut scene = Scene { is_utf8: true, subject, ..Scene::default() };
        for tick in 0..70u64 {
            scene.history.begin();
            rows.iter().for_each(|row| {
                scene.history.add(row.id, row.bytes_per_second() * (tick % 10) / 9);
            });
        }
        scene
    }

    fn groups(cells: &[&[&str]]) -> Vec<Row> {
        let group = |(place, cells): (usize, &&[&str])| {
            let place = place as u64;
            let cells = cells.iter().map(|cell| (*cell).to_owned()).collect();
            let tally =
                |number| Tally { count: 1 + place * 117, sums: [number, number / 40], lacking: 0 };
            Row::of_group(place, cells, [tally(5_000_000 >> (8 * place)), tally(123_456_789)])
        };
        cells.iter().enumerate().map(group).collect()
    }

    /// One state of the screen: its name, the keys that lead to it, and what is shown.
    struct Case {
        name: &'static str,
        keys: &'static str,
        lines: usize,
        rows: Vec<Row>,
        scene: Scene,
        most: Option<usize>,
    }

    fn case(
        name: &'static str,
        keys: &'static str,
        lines: usize,
        rows: Vec<Row>,
        change: &dyn Fn(&mut Scene),
    ) -> Case {
        let mut scene = scene(&rows);
        change(&mut scene);
        Case { name, keys, lines, rows, scene, most: None }
    }

    fn states() -> Vec<Case> {
        let mut states = Vec::new();
        let mut add = |name, keys, lines, rows, change: &dyn Fn(&mut Scene)| {
            states.push(case(name, keys, lines, rows, change));
        };
        let nothing = |_: &mut Scene| {};
        add("connections", "", 14, example(), &nothing);
        add("the cursor on the second row", "jj", 14, example(), &nothing);
        add("paused, sorted by bytes, reversed", "srp", 14, example(), &nothing);
        add("bits", "", 14, example(), &|scene| scene.units = text::Units::Bits);
        add("in a locale without UTF-8", "", 14, example(), &|scene| scene.is_utf8 = false);
        add("a filter while it is typed", "/10.77", 14, example(), &nothing);
        add("a filter in force", "/10.77\n", 14, example(), &nothing);
        add("a filter without a match", "/10.78\n", 14, example(), &nothing);
        add("a key that does nothing", "x", 14, example(), &nothing);
        add("the last row, and one more", "jjjjj", 14, example(), &nothing);
        add("warnings", "", 20, example(), &|scene| {
            (scene.dropped, scene.lost, scene.evicted, scene.skipped) = (7, 8, 9, 3);
            let gap = "processes of other users cannot be read (needs CAP_DAC_READ_SEARCH, \
                CAP_SYS_PTRACE): their sockets are shown as '-' (no owner found)";
            scene.gaps.push(gap.into());
            let note = "net.netfilter.nf_conntrack_acct is 0: the kernel counts no bytes";
            scene.note(note.into());
            scene.note(note.into());
        });
        add("few lines", "", 6, example(), &|scene| scene.dropped = 1);
        add("very few lines", "", 3, example(), &|scene| scene.dropped = 1);
        let subjects = [
            ("no connections", Source::Sockets, "", false),
            ("no packet", Source::Packets("eth0".into()), "dst port 80 or 443", false),
            ("no packet on any", Source::Packets("any".into()), "", false),
            ("no new connection", Source::Sockets, "port 443", true),
            ("no flow", Source::Flows, "", false),
            ("no capture yet", Source::Capture, "", false),
        ];
        for (name, source, expression, only_new) in subjects {
            let source = std::cell::Cell::new(source);
            add(name, "", 9, Vec::new(), &|scene| {
                scene.subject.source = source.take();
                scene.subject.expression = expression.into();
                scene.subject.only_new = only_new;
            });
        }
        add("all have ended", "", 9, Vec::new(), &|scene| scene.has_seen = true);
        add("details", "jjd", 20, example(), &nothing);
        add("details of nothing", "d", 9, Vec::new(), &nothing);
        add("help", "?", 24, example(), &nothing);
        add("the end of help", "?E", 24, example(), &nothing);
        states.extend(states_of_groups());
        states
    }

    fn states_of_groups() -> Vec<Case> {
        let by_process = || groups(&[&["rsync"], &["evil?[2J?"], &["-"]]);
        let with_keys = |keys: &'static [&str]| move |scene: &mut Scene| scene.keys = keys.to_vec();
        let mut states = Vec::new();
        let mut add = |name, keys, lines, rows, change: &dyn Fn(&mut Scene)| {
            let most = if name == "the largest group" { Some(1) } else { None };
            states.push(Case { most, ..case(name, keys, lines, rows, change) });
        };
        add("groups", "", 12, by_process(), &with_keys(&["process"]));
        add("groups by count", "ssss", 12, by_process(), &with_keys(&["process"]));
        add("the largest group", "", 12, by_process(), &with_keys(&["process"]));
        add("groups and a filter", "/sync\nj", 12, by_process(), &with_keys(&["process"]));
        add("no details of groups", "d", 12, by_process(), &with_keys(&["process"]));
        let pairs = groups(&[&["203.0.113.77", "443"], &["fd77:1:2:3:4:5:6:2", "9002"]]);
        add("groups by two keys", "", 12, pairs, &with_keys(&["server", "server_port"]));
        let long =
            "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1a.slice/cri-7.scope";
        let paths = groups(&[&[long], &["/system.slice/nginx.service"], &["/"]]);
        add("groups by cgroup", "", 12, paths, &with_keys(&["cgroup"]));
        states
    }

    /// The keys of a state: E is the key End, a line end Enter.
    fn key(letter: u8) -> Key {
        match letter {
            b'E' => Key::End,
            b'\n' => Key::Enter,
            letter => Key::Byte(letter),
        }
    }

    fn show(state: &mut Case, columns: usize) -> Vec<String> {
        let Case { keys, lines, rows, scene, most, .. } = state;
        let mut view = View::default();
        view.most = *most;
        view.regroup(!scene.keys.is_empty());
        view.arrange(rows);
        for letter in keys.bytes() {
            view.press(key(letter), rows);
        }
        picture((columns, *lines), &mut view, rows, scene)
    }

    #[test]
    fn every_state_of_the_screen_is_as_in_its_picture() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens");
        let is_blessed = std::env::var_os("CONNBOX_BLESS").is_some();
        for columns in [40, 80, 120, 200] {
            let mut text = String::new();
            for mut state in states() {
                writeln!(text, "## {}", state.name).unwrap();
                for line in show(&mut state, columns) {
                    writeln!(text, "{line}").unwrap();
                }
            }
            let path = folder.join(format!("tcptrack-{columns}.txt"));
            if is_blessed {
                std::fs::create_dir_all(&folder).unwrap();
                std::fs::write(&path, &text).unwrap();
            }
            let wanted = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(text == wanted, "{columns}: differs from {}:\n{text}", path.display());
        }
    }

    #[test]
    fn every_size_of_every_picture_can_be_drawn() {
        for mut state in states() {
            for columns in (0..100).chain([120, 160, 200, 399, 400, 1000]) {
                for lines in [0, 1, 2, 3, 4, 5, 24, 100] {
                    state.lines = lines;
                    let picture = show(&mut state, columns);
                    assert!(picture.iter().all(|line| line.chars().count() <= columns + 1));
                    let is_list = state.name == "connections" && lines > 0 && columns > 2;
                    let first = usize::from(lines >= 3) + usize::from(lines >= 5);
                    assert!(!is_list || !picture[first].is_empty(), "{columns} {lines}");
                }
            }
        }
    }

    #[test]
    fn rows_add_up_to_the_total() {
        let (rows, mut view) = (example(), View::default());
        let lines = picture((80, 14), &mut view, &rows, &mut scene(&rows));
        let speed = |line: &String| {
            let words: Vec<&str> = line.rsplit(' ').take(2).collect();
            assert_eq!(line.chars().count(), 75, "{line}");
            let unit = if words[0] == "B/s" { 1.0 / 1024.0 } else { 1.0 };
            words[1].parse::<f64>().unwrap() * unit
        };
        let speeds: Vec<f64> =
            lines.iter().filter(|line| line.ends_with("B/s")).map(speed).collect();
        let (total, rows) = speeds.split_last().unwrap();
        assert_eq!(rows.len(), 4);
        assert!((rows.iter().sum::<f64>() - total).abs() < 1.0, "{speeds:?}");
    }
}
