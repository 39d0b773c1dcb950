//! The columns of numbers that the tables of connections and of groups have in common, the most useful first: a wide
//! terminal has room for more of them.

use super::history::{TICKS, bars};
use super::row::Row;
use super::scene::Scene;
use super::screen::{Frame, Look, letters};
use super::sort::Sort;
use super::text;
use super::view::Total;

/// A column that is shown if the terminal is wide enough for it and those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extra {
    Rx,
    Tx,
    Process,
    RxTotal,
    TxTotal,
    RoundTrip,
    Retransmits,
    Sparkline,
}

impl Extra {
    pub(super) const ALL: [Extra; 8] = [
        Extra::Rx,
        Extra::Tx,
        Extra::Process,
        Extra::RxTotal,
        Extra::TxTotal,
        Extra::RoundTrip,
        Extra::Retransmits,
        Extra::Sparkline,
    ];
    pub(super) const OF_GROUPS: [Extra; 5] =
        [Extra::Rx, Extra::Tx, Extra::RxTotal, Extra::TxTotal, Extra::Sparkline];

    /// The heading and the least width.
    fn form(self) -> (&'static str, usize) {
        match self {
            Extra::Rx => ("Rx speed", SPEED),
            Extra::Tx => ("Tx speed", SPEED),
            Extra::Process => ("Process", 15),
            Extra::RxTotal => ("Rx total", 8),
            Extra::TxTotal => ("Tx total", 8),
            Extra::RoundTrip => ("RTT", 6),
            Extra::Retransmits => ("Retr", 5),
            Extra::Sparkline => ("Last ticks", 11),
        }
    }

    fn is_sorted(self, sort: Sort) -> bool {
        matches!(
            (self, sort),
            (Extra::Rx, Sort::Rx)
                | (Extra::Tx, Sort::Tx)
                | (Extra::RxTotal | Extra::TxTotal, Sort::Bytes)
        )
    }
}

/// The width of the widest speed, `1023 KB/s`.
pub(super) const SPEED: usize = 9;

/// The speed of both directions, and those extra columns for which there is room: each with where it begins and how
/// wide it is.
#[derive(Debug)]
pub(super) struct Numbers {
    pub speed: usize,
    pub extras: Vec<(Extra, usize, usize)>,
    /// How many columns have no room.
    pub left_out: usize,
}

impl Numbers {
    /// Those of `wanted` that fit behind column `right`, and how much room is left.
    #[inline(never)]
    pub(super) fn fitting(wanted: &[Extra], mut right: usize, columns: usize) -> (Numbers, usize) {
        let mut extras = Vec::new();
        for extra in wanted {
            let (_, width) = extra.form();
            if right + 1 + width > columns {
                break;
            }
            right += 1 + width;
            extras.push((*extra, 0, width));
        }
        let mut spare = columns.saturating_sub(right);
        if let Some((Extra::Sparkline, _, width)) = extras.last_mut() {
            let more = spare.min(TICKS - *width);
            (*width, spare) = (*width + more, spare - more);
        }
        let left_out = wanted.len() - extras.len();
        (Numbers { speed: 0, extras, left_out }, spare)
    }

    /// The same where the speed begins at `speed`.
    pub(super) fn at(mut self, speed: usize) -> Numbers {
        self.speed = speed;
        let mut place = speed + SPEED;
        for (_, begin, width) in &mut self.extras {
            *begin = place + 1;
            place = *begin + *width;
        }
        self
    }

    pub(super) fn has(&self, wanted: Extra) -> bool {
        self.extras.iter().any(|(extra, ..)| *extra == wanted)
    }

    /// The width of the sparklines, 0 if they are not shown.
    fn ticks(&self) -> usize {
        let sparkline = self.extras.iter().find(|(extra, ..)| *extra == Extra::Sparkline);
        sparkline.map_or(0, |(.., width)| *width)
    }

    /// The common scale of the sparklines of these rows.
    pub(super) fn scale<'a>(&self, rows: impl Iterator<Item = &'a Row>, scene: &Scene) -> u64 {
        scene.history.highest(rows.map(|row| row.id), self.ticks())
    }

    #[inline(never)]
    pub(super) fn headings(&self, frame: &mut Frame, line: usize, sort: Sort, scene: &Scene) {
        let look = |is_sorted| if is_sorted { Look::Bold } else { Look::Reverse };
        frame.put_right(line, self.speed, SPEED, "Speed", look(sort == Sort::Rate));
        for (extra, column, width) in &self.extras {
            let (heading, look) = (extra.form().0, look(extra.is_sorted(sort)));
            match extra {
                Extra::Process => {
                    frame.put_within(line, *column, *width, heading, look);
                }
                Extra::Sparkline => {
                    frame.put_right(line, *column, *width, &scale_heading(*width, scene), look);
                }
                _ => frame.put_right(line, *column, *width, heading, look),
            }
        }
    }

    pub(super) fn draw(&self, frame: &mut Frame, line: usize, row: &Row, scene: &Scene) {
        let speed = known_speed(row, row.bytes_per_second(), scene.units);
        frame.put_right(line, self.speed, SPEED, &speed, Look::Bold);
        for (extra, column, width) in &self.extras {
            let words = words(*extra, row, *width, scene);
            match extra {
                Extra::Process => {
                    frame.put_within(line, *column, *width, &words, Look::Plain);
                }
                // The newest bar is at the right edge.
                Extra::Sparkline => frame.put_right(line, *column, *width, &words, Look::Cyan),
                _ => frame.put_right(line, *column, *width, &words, Look::Plain),
            }
        }
    }

    pub(super) fn total(&self, frame: &mut Frame, line: usize, total: &Total, scene: &Scene) {
        let units = scene.units;
        let both = total.rx_bytes_per_second.saturating_add(total.tx_bytes_per_second);
        frame.put_right(line, self.speed, SPEED, &text::speed(both, units), Look::Bold);
        for (extra, column, width) in &self.extras {
            let words = match extra {
                Extra::Rx => text::speed(total.rx_bytes_per_second, units),
                Extra::Tx => text::speed(total.tx_bytes_per_second, units),
                Extra::RxTotal => text::amount(total.rx_bytes_total, units),
                Extra::TxTotal => text::amount(total.tx_bytes_total, units),
                _ => continue,
            };
            frame.put_right(line, *column, *width, &words, Look::Bold);
        }
    }
}

/// What a full bar means.
fn scale_heading(width: usize, scene: &Scene) -> String {
    let (heading, _) = Extra::Sparkline.form();
    if scene.scale == 0 {
        return heading.to_owned();
    }
    let [.., full] = *bars(scene.is_utf8);
    let speed = text::speed(scene.scale, scene.units);
    let long = format!("{heading}, {full} = {speed}");
    if long.chars().count() <= width { long } else { format!("{full}={speed}") }
}

/// A speed of the row, if it is known.
pub(super) fn known_speed(row: &Row, bytes_per_second: u64, units: text::Units) -> String {
    if row.has_speeds { text::speed(bytes_per_second, units) } else { "-".to_owned() }
}

fn words(extra: Extra, row: &Row, width: usize, scene: &Scene) -> String {
    let units = scene.units;
    match extra {
        Extra::Rx => known_speed(row, row.rx_bytes_per_second, units),
        Extra::Tx => known_speed(row, row.tx_bytes_per_second, units),
        Extra::RxTotal => text::known_amount(row.rx_bytes_total, units),
        Extra::TxTotal => text::known_amount(row.tx_bytes_total, units),
        Extra::Process => {
            row.holder().map_or_else(String::new, |process| letters(&process.name, scene.is_utf8))
        }
        Extra::RoundTrip => row.rtt.map_or_else(String::new, text::round_trip),
        Extra::Retransmits => text::known_number(row.retransmits_total),
        Extra::Sparkline => scene.history.sparkline(row.id, width, scene.scale, scene.is_utf8),
    }
}
