//! The layout of the screen: tcptrack's columns at 80, more if there is room, two lines per connection if
//! there is little.

use super::history::TICKS;
use super::scene::{Scene, look};
use super::screen::{Frame, Look, letters};
use super::text::{self, Units};
use super::view::{Picture, Row, Sort, Total, View};
use crate::track::tcp::State;

/// A column that is shown if the terminal is wide enough for it and those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extra {
    Rx,
    Tx,
    Process,
    RxTotal,
    TxTotal,
    RoundTrip,
    Retransmits,
    Sparkline,
}

/// The extra columns, the most useful first, with their headings and minimal widths.
const EXTRAS: [(Extra, &str, usize); 8] = [
    (Extra::Rx, "Rx speed", 9),
    (Extra::Tx, "Tx speed", 9),
    (Extra::Process, "Process", 15),
    (Extra::RxTotal, "Rx total", 8),
    (Extra::TxTotal, "Tx total", 8),
    (Extra::RoundTrip, "RTT", 6),
    (Extra::Retransmits, "Retr", 5),
    (Extra::Sparkline, "Last ticks", 10),
];

/// The width of the longest IPv6 address in brackets, and a port.
const WIDEST_END: usize = 47;
/// The width of an end in tcptrack: IPv4 address and port.
const USUAL_END: usize = 21;
/// Below this number of columns a connection always takes two lines.
const STACKED_BELOW: usize = 64;

/// Where the columns of the table begin.
#[derive(Debug)]
struct Layout {
    is_stacked: bool,
    /// The width of an end.
    end: usize,
    server: usize,
    state: usize,
    idle: usize,
    active: usize,
    speed: usize,
    extras: Vec<(Extra, &'static str, usize, usize)>,
}

impl Layout {
    fn of(columns: usize) -> Layout {
        if columns < STACKED_BELOW {
            return Layout::stacked(columns);
        }
        let mut end = USUAL_END.min((columns - 32) / 2);
        let mut right = 32 + 2 * end + 1;
        let mut shown = Vec::new();
        for (extra, heading, width) in EXTRAS {
            if right + 1 + width > columns {
                break;
            }
            right += 1 + width;
            shown.push((extra, heading, width));
        }
        let mut spare = columns.saturating_sub(right);
        if let Some((Extra::Sparkline, _, width)) = shown.last_mut() {
            let more = spare.min(TICKS - *width);
            (*width, spare) = (*width + more, spare - more);
        }
        if !shown.is_empty() {
            end += (spare / 2).min(WIDEST_END - USUAL_END);
        }
        let server = 1 + end + 1;
        let state = server + end + 1;
        let speed = state + 20;
        let mut place = speed + 10;
        let extras = shown.into_iter().map(|(extra, heading, width)| {
            let begin = place + 1;
            place = begin + width;
            (extra, heading, begin, width)
        });
        let extras = extras.collect();
        let (idle, active) = (state + 13, state + 18);
        Layout { is_stacked: false, end, server, state, idle, active, speed, extras }
    }

    fn stacked(columns: usize) -> Layout {
        let end = (columns.max(40) - 18).min(WIDEST_END);
        let state = 1 + end + 1;
        let speed = state + 7;
        let (idle, active) = (state, speed - 2);
        Layout { is_stacked: true, end, server: 1, state, idle, active, speed, extras: Vec::new() }
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
}

/// Whether a terminal of this width has room for processes.
pub fn shows_processes(columns: usize) -> bool {
    Layout::of(columns).extras.iter().any(|(extra, ..)| *extra == Extra::Process)
}

/// Draws the chosen picture.
pub fn draw(frame: &mut Frame, view: &mut View, rows: &[Row], scene: &Scene) {
    match view.picture {
        Picture::Help => super::details::help(frame),
        Picture::Details => super::details::draw(frame, view.chosen(rows), scene),
        Picture::List => {
            list(frame, view, rows, scene);
            return;
        }
    }
    if let Some(last) = frame.lines().checked_sub(1).filter(|line| *line > 0) {
        frame.clear(last);
        frame.put(last, 1, "q quit  Esc back", Look::Dim);
    }
}

fn list(frame: &mut Frame, view: &mut View, rows: &[Row], scene: &Scene) {
    let layout = Layout::of(frame.columns());
    // On a small screen the rows have priority.
    let has_status = frame.lines() >= 2;
    let has_total = frame.lines() >= 4;
    let has_headings = frame.lines() >= 3;
    let top = usize::from(has_headings);
    let room = frame.lines().saturating_sub(top + usize::from(has_status) + usize::from(has_total));
    if has_headings {
        headings(frame, &layout);
    }
    let (first, count) =
        view.window(room, |place| rows.get(place).map_or(1, |row| layout.height(row)));
    let mut line = top;
    for place in first..first + count {
        let Some(row) = view.order.get(place).and_then(|row| rows.get(*row)) else { break };
        let height = layout.height(row).min((top + room).saturating_sub(line));
        draw_row(frame, line, height, row, &layout, scene);
        if view.cursor() == Some(place) {
            (line..line + height).for_each(|line| frame.dress(line, Look::Selected));
        }
        line += height;
    }
    let bottom = top + room;
    if has_total {
        total(frame, bottom, &view.total, &layout, scene.units);
    }
    if has_status {
        status(frame, bottom + usize::from(has_total), view, (first, count), scene);
    }
}

fn headings(frame: &mut Frame, layout: &Layout) {
    let named = [(1, "Client"), (layout.state, "State"), (layout.speed, "Speed")];
    let others = [(layout.server, "Server"), (layout.idle, "Idle"), (layout.active, "A")];
    let others = others.into_iter().filter(|_| !layout.is_stacked);
    for (column, heading) in named.into_iter().chain(others) {
        frame.put(0, column, heading, Look::Reverse);
    }
    for (_, heading, column, width) in &layout.extras {
        frame.put_within(0, *column, *width, heading, Look::Reverse);
    }
    frame.dress(0, Look::Reverse);
}

fn draw_row(
    frame: &mut Frame,
    line: usize,
    height: usize,
    row: &Row,
    layout: &Layout,
    scene: &Scene,
) {
    let is_stacked = layout.is_stacked;
    let idle = text::idle(row.idle);
    // An end that is too wide takes the line up to the next column, as in tcptrack.
    let room = if layout.is_stacked { layout.end } else { layout.state - 2 };
    let server = if is_stacked { 1 } else { layout.server };
    frame.put_within(
        line,
        1,
        if height > 1 { room } else { layout.end },
        &text::endpoint(&row.client),
        Look::Plain,
    );
    let below = if height > 1 { 1 } else { 0 };
    let most = if is_stacked { layout.end } else { frame.columns() };
    let most = if height > 1 { most } else { layout.end };
    frame.put_within(line + below, server, most, &text::endpoint(&row.server), Look::Plain);
    let (name, width) = if is_stacked { (short(row.state), 6) } else { (row.state.name(), 12) };
    frame.put_within(line, layout.state, width, name, look(row.state));
    if is_stacked && height > 1 {
        frame.put(line + 1, layout.idle, &idle, Look::Plain);
    } else if !is_stacked {
        frame.put_within(line, layout.idle, 4, &idle, Look::Plain);
        frame.put(line, layout.active, if row.is_active { "*" } else { " " }, Look::Plain);
    }
    let speed = text::speed(row.bytes_per_second(), scene.units);
    frame.put_within(line, layout.speed, 10, &speed, Look::Bold);
    for (extra, _, column, width) in &layout.extras {
        let words = extra_words(*extra, row, *width, scene);
        let is_bars = *extra == Extra::Sparkline;
        let look = if is_bars { Look::Cyan } else { Look::Plain };
        frame.put_within(line, *column, *width, &words, look);
    }
}

fn extra_words(extra: Extra, row: &Row, width: usize, scene: &Scene) -> String {
    let units = scene.units;
    match extra {
        Extra::Rx => text::speed(row.rx_bytes_per_second, units),
        Extra::Tx => text::speed(row.tx_bytes_per_second, units),
        Extra::RxTotal => text::amount(row.rx_bytes_total, units),
        Extra::TxTotal => text::amount(row.tx_bytes_total, units),
        Extra::Process => {
            row.holder().map_or_else(String::new, |process| letters(&process.name, scene.is_utf8))
        }
        Extra::RoundTrip => row.rtt.map_or_else(String::new, text::round_trip),
        Extra::Retransmits => text::number(row.retransmits_total),
        Extra::Sparkline => {
            let bars = scene.history.sparkline(row.id, width, scene.is_utf8);
            // The newest bar is at the right edge.
            " ".repeat(width.saturating_sub(bars.chars().count())) + &bars
        }
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

fn total(frame: &mut Frame, line: usize, total: &Total, layout: &Layout, units: Units) {
    frame.put(line, 1, "TOTAL", Look::Bold);
    let both = total.rx_bytes_per_second.saturating_add(total.tx_bytes_per_second);
    frame.put(line, layout.speed, &text::speed(both, units), Look::Bold);
    for (extra, _, column, width) in &layout.extras {
        let words = match extra {
            Extra::Rx => text::speed(total.rx_bytes_per_second, units),
            Extra::Tx => text::speed(total.tx_bytes_per_second, units),
            Extra::RxTotal => text::amount(total.rx_bytes_total, units),
            Extra::TxTotal => text::amount(total.tx_bytes_total, units),
            _ => continue,
        };
        frame.put_within(line, *column, *width, &words, Look::Bold);
    }
}

fn status(frame: &mut Frame, line: usize, view: &View, shown: (usize, usize), scene: &Scene) {
    let filter = letters(&view.filter, scene.is_utf8);
    if view.is_typing {
        let end = frame.put(line, 1, &["/", &filter].concat(), Look::Bold);
        frame.put(line, end, " ", Look::Reverse);
        return;
    }
    let first = if shown.1 == 0 { 0 } else { shown.0 + 1 };
    let [first, last, all] =
        [first, shown.0 + shown.1, view.order.len()].map(|number| text::number(number as u64));
    let is_wide = frame.columns() >= 74;
    let begin = if is_wide { "Connections " } else { "" };
    let connections = [begin, &first, "-", &last, " of ", &all].concat();
    let end = frame.put(line, 1, &connections, Look::Plain);
    let paused = if is_wide { 46.max(end + 2) } else { end + 2 };
    let (word, look) =
        if view.is_paused { ("Paused", Look::Yellow) } else { ("Unpaused", Look::Plain) };
    let end = frame.put(line, paused, word, look);
    let sorted = if is_wide { paused + 10 } else { end + 2 };
    let mut words = match view.sort {
        Sort::Unsorted => "Unsorted".to_owned(),
        sort => ["Sorted by ", sort.name()].concat(),
    };
    if view.is_reversed {
        words += ", reversed";
    }
    if !filter.is_empty() {
        words += "  Filter: ";
        words += &filter;
    }
    let end = frame.put(line, sorted, &words, Look::Plain);
    let mut lost = String::new();
    for (count, what) in [(scene.dropped, " packets dropped"), (scene.evicted, " made room")] {
        if count > 0 {
            lost += "  ";
            lost += &text::number(count);
            lost += what;
        }
    }
    frame.put(line, end, &lost, Look::Red);
}

#[cfg(test)]
mod tests {
    use super::super::keyboard::Key;
    use super::super::view::tests::row;
    use super::*;
    use crate::source::processes::owner::Process;
    use std::rc::Rc;

    fn picture(columns: usize, lines: usize, view: &mut View, rows: &[Row]) -> Vec<String> {
        let mut frame = Frame::new(columns, lines);
        view.arrange(rows);
        let mut scene = Scene { is_utf8: true, ..Scene::default() };
        for speed in [0, 5, 10] {
            scene.history.begin();
            rows.iter().for_each(|row| scene.history.add(row.id, speed));
        }
        draw(&mut frame, view, rows, &scene);
        (0..lines).map(|line| frame.text(line)).collect()
    }

    fn example() -> Vec<Row> {
        let mut rows = vec![row(0, 380_000, 0), row(1, 0, 16_400)];
        for (row, ends) in rows.iter_mut().zip([
            ["10.77.0.1:58162", "10.77.0.2:9001"],
            ["[fd77:1:2:3:4:5:6:1]:45578", "[fd77:1:2:3:4:5:6:2]:9002"],
        ]) {
            let [client, server] = ends.map(|end| end.parse::<std::net::SocketAddr>().unwrap());
            row.client.address = client.ip();
            row.client.port = client.port();
            row.server.address = server.ip();
            row.server.port = server.port();
            row.idle = std::time::Duration::ZERO;
        }
        rows
    }

    #[test]
    fn at_80_columns_it_is_tcptracks_screen() {
        let lines = picture(80, 7, &mut View::default(), &example());
        assert_eq!(
            lines,
            [
                " Client                Server                State        Idle A Speed",
                " 10.77.0.1:58162       10.77.0.2:9001        ESTABLISHED  0s   * 371 KB/s",
                " [fd77:1:2:3:4:5:6:1]:45578                  ESTABLISHED  0s   * 16 KB/s",
                "                       [fd77:1:2:3:4:5:6:2]:9002",
                "",
                " TOTAL                                                           387 KB/s",
                " Connections 1-2 of 2                         Unpaused  Sorted by rate",
            ]
        );
    }

    #[test]
    fn with_more_room_there_is_more_to_see() {
        let mut rows = example();
        let name = b"evil\x1b[2J\xff".to_vec();
        rows[0].holders[0] = Some(Rc::new(Process { pid: 1, name }));
        let lines = picture(170, 6, &mut View::default(), &rows);
        assert_eq!(
            lines,
            [
                " Client                Server                State        Idle A Speed      Rx speed  \
                 Tx speed  Process         Rx total Tx total RTT    Retr  Last ticks",
                " 10.77.0.1:58162       10.77.0.2:9001        ESTABLISHED  0s   * 371 KB/s   371 KB/s  \
                 0 B/s     evil?[2J?       3 MB     0 B      250us  0                              ▄█",
                " [fd77:1:2:3:4:5:6:1]:45578                  ESTABLISHED  0s   * 16 KB/s    0 B/s     \
                 16 KB/s                   0 B      160 KB   250us  1                              ▄█",
                "                       [fd77:1:2:3:4:5:6:2]:9002",
                " TOTAL                                                           387 KB/s   371 KB/s  \
                 16 KB/s                   3 MB     160 KB",
                " Connections 1-2 of 2                         Unpaused  Sorted by rate",
            ]
        );
        let lines = picture(400, 6, &mut View::default(), &rows);
        assert!(lines[2].contains("[fd77:1:2:3:4:5:6:1]:45578") && lines[2].contains("9002"));
    }

    #[test]
    fn with_little_room_a_connection_takes_two_lines() {
        let lines = picture(40, 7, &mut View::default(), &example());
        assert_eq!(
            lines,
            [
                " Client                 State  Speed",
                " 10.77.0.1:58162        ESTAB  371 KB/s",
                " 10.77.0.2:9001         0s",
                " [fd77:1:2:3:4:5:6:1]:4 ESTAB  16 KB/s",
                " [fd77:1:2:3:4:5:6:2]:9 0s",
                " TOTAL                         387 KB/s",
                " 1-2 of 2  Unpaused  Sorted by rate",
            ]
        );
    }

    #[test]
    fn every_size_of_every_picture_can_be_drawn() {
        let mut rows = example();
        rows.extend((2..60).map(|id| row(id, id, 1 << id)));
        let mut view = View::default();
        view.arrange(&rows);
        for keys in
            [&[][..], &[Key::End], &[Key::Byte(b'd')], &[Key::Byte(b'?')], &[Key::Byte(b'/')]]
        {
            keys.iter().for_each(|key| {
                view.press(*key, &rows);
            });
            for columns in (0..100).chain([120, 160, 200, 399, 400, 1000]) {
                for lines in [0, 1, 2, 3, 4, 5, 24, 100] {
                    let picture = picture(columns, lines, &mut view, &rows);
                    assert!(picture.iter().all(|line| line.chars().count() <= columns));
                    let is_list = view.picture == Picture::List && lines > 0 && columns > 2;
                    assert!(!is_list || !picture[usize::from(lines >= 3)].is_empty());
                }
            }
        }
    }

    #[test]
    fn the_status_line_says_what_is_the_case() {
        let (rows, mut view) = (example(), View::default());
        view.arrange(&rows);
        for key in *b"srp/9001" {
            view.press(Key::Byte(key), &rows);
        }
        assert_eq!(picture(80, 5, &mut view, &rows)[4], " /9001");
        view.press(Key::Enter, &rows);
        let wanted = " Connections 1-1 of 1                         Paused    \
                      Sorted by bytes, reversed  Filter: 9001";
        let line = picture(100, 5, &mut view, &rows).remove(4);
        assert_eq!(line, wanted);
        let mut frame = Frame::new(120, 3);
        let scene = Scene { dropped: 7, evicted: 9, ..Scene::default() };
        draw(&mut frame, &mut View::default(), &[], &scene);
        let wanted = " Connections 0-0 of 0                         Unpaused  Sorted by rate  \
                      7 packets dropped  9 made room";
        assert_eq!(frame.text(2), wanted);
    }
}
