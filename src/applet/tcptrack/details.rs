//! The pictures of one connection and of the keys.

use super::extras::known_speed;
use super::row::Row;
use super::scene::{Scene, look};
use super::screen::{Frame, Look, letters};
use super::text::{self, wrap};
use super::view::View;

/// The keys and what they do, for the picture and for the man page.
pub(super) const KEYBOARD: [(&str, &str); 14] = [
    ("p", "pause: the rows stay as they are until p is pressed again"),
    (
        "s",
        "sort by the next of rate, bytes, idle, rx, tx, state, client, server, none; groups by rate, bytes, rx, tx, \
         count, name",
    ),
    ("Left, Right", "sort by the next column to the left or right"),
    ("r", "reverse the order"),
    ("g", "group by the next of process, client, server, service, cgroup, none"),
    ("/", "show only rows that contain the text you type; Enter keeps it, Esc clears it"),
    ("Up, Down", "move the cursor, which stays on its row; k, j and the mouse wheel do the same"),
    ("PgUp, PgDn", "move the cursor by a page"),
    ("Home, End", "move the cursor to the first or last row"),
    ("d, Enter", "details of the connection under the cursor, and back"),
    ("Esc", "back to the list; clear the filter; leave the cursor"),
    ("?, h", "this list of keys, and back"),
    ("Ctrl-L", "draw everything again"),
    ("q", "quit"),
];

/// Where the meanings of keys and the values of details begin.
const TEXT: usize = 13;

/// The list of keys, from the line on to which the user has moved.
pub(super) fn help(frame: &mut Frame, view: &mut View) {
    let width = frame.columns().saturating_sub(TEXT + 1);
    let mut lines = Vec::new();
    for (key, meaning) in KEYBOARD {
        let first = std::iter::once(key).chain(std::iter::repeat(""));
        lines.extend(first.zip(wrap(meaning, width)));
    }
    let page = frame.lines().saturating_sub(HEAD + 1);
    let first = view.help_line.min(lines.len().saturating_sub(page));
    view.shows_help(first, page);
    let more = if page < lines.len() { " (Down: more)" } else { "" };
    heading(frame, &["connbox tcptrack: keys", more].concat());
    for (line, (key, meaning)) in (HEAD..).zip(lines.into_iter().skip(first).take(page)) {
        frame.put(line, 1, key, Look::Bold);
        frame.put(line, TEXT, meaning, Look::Plain);
    }
}

/// The lines above a picture's text.
const HEAD: usize = 2;

fn heading(frame: &mut Frame, text: &str) {
    frame.put(0, 1, text, Look::Reverse);
    frame.dress(0, Look::Reverse);
}

pub(super) fn draw(frame: &mut Frame, row: Option<&Row>, scene: &Scene) {
    heading(frame, "Connection");
    let Some(row) = row else {
        frame.put(2, 1, "none", Look::Plain);
        return;
    };
    let units = scene.units;
    let both = |speed: u64, total: Option<u64>| {
        [
            &known_speed(row, speed, units),
            ", ",
            &text::known_amount(total, units),
            " (",
            &text::known_number(total),
            " bytes)",
        ]
        .concat()
    };
    let holder = |which: usize| match &row.holders[which] {
        None => "-".to_owned(),
        Some(process) => {
            [&letters(&process.name, scene.is_utf8), ", pid ", &text::number(process.pid.into())]
                .concat()
        }
    };
    let width = frame.columns().saturating_sub(TEXT + 1);
    let highest = scene.history.highest(std::iter::once(row.id), width);
    let bars = scene.history.sparkline(row.id, width, highest, scene.is_utf8);
    let words = [
        ("Client", text::endpoint(&row.client)),
        ("  process", holder(0)),
        ("Server", text::endpoint(&row.server)),
        ("  process", holder(1)),
        ("State", row.state.name().to_owned()),
        ("Idle", text::idle(row.idle)),
        ("Received", both(row.rx_bytes_per_second, row.rx_bytes_total)),
        ("Sent", both(row.tx_bytes_per_second, row.tx_bytes_total)),
        ("Missed", text::number(row.missed_bytes_total) + " bytes"),
        ("RTT", row.rtt.map_or_else(|| "-".to_owned(), text::round_trip)),
        ("Retransmits", text::known_number(row.retransmits_total)),
        ("Last ticks", bars),
        ("  full bar", text::speed(highest, units)),
    ];
    let mut line = HEAD;
    for (name, words) in words {
        frame.put(line, 1, name, Look::Dim);
        let look = if name == "State" { look(row.state) } else { Look::Plain };
        let lines = wrap(&words, width);
        for (line, words) in (line..).zip(&lines) {
            frame.put(line, TEXT, words, look);
        }
        line += lines.len().max(1);
    }
}
