//! The pictures of one connection and of the keys.

use super::scene::{Scene, look};
use super::screen::{Frame, Look, letters};
use super::text;
use super::view::Row;

/// The keys and what they do, for the picture and for the man page.
pub const KEYS: [(&str, &str); 12] = [
    ("p", "pause: the rows stay as they are until p is pressed again"),
    ("s", "sort by the next of rate, bytes, idle, rx, tx, state, client, server, none"),
    ("r", "reverse the order"),
    ("/", "show only connections that contain the text you type; Enter keeps it, Esc clears it"),
    ("Up, Down", "move the cursor, which stays on its connection"),
    ("PgUp, PgDn", "move the cursor by a page"),
    ("Home, End", "move the cursor to the first or last connection"),
    ("d, Enter", "details of the connection under the cursor, and back"),
    ("Esc", "back to the list; clear the filter; leave the cursor"),
    ("?, h", "this list of keys, and back"),
    ("Ctrl-L", "draw everything again"),
    ("q", "quit"),
];

pub fn help(frame: &mut Frame) {
    frame.put(0, 1, "connbox tcptrack: keys", Look::Reverse);
    frame.dress(0, Look::Reverse);
    for (line, (key, meaning)) in (2..).zip(KEYS) {
        frame.put(line, 1, key, Look::Bold);
        frame.put(line, 13, meaning, Look::Plain);
    }
}

pub fn draw(frame: &mut Frame, row: Option<&Row>, scene: &Scene) {
    frame.put(0, 1, "Connection", Look::Reverse);
    frame.dress(0, Look::Reverse);
    let Some(row) = row else {
        frame.put(2, 1, "none", Look::Plain);
        return;
    };
    let units = scene.units;
    let both = |speed: u64, total: u64| {
        [
            &text::speed(speed, units),
            ", ",
            &text::amount(total, units),
            " (",
            &text::number(total),
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
        ("Retransmits", text::number(row.retransmits_total)),
        (
            "Last ticks",
            scene.history.sparkline(row.id, frame.columns().saturating_sub(14), scene.is_utf8),
        ),
    ];
    for (line, (name, words)) in (2..).zip(words) {
        frame.put(line, 1, name, Look::Dim);
        let look = if name == "State" { look(row.state) } else { Look::Plain };
        frame.put(line, 13, &words, look);
    }
}
