//! The speeds of the last ticks, for sparklines: two bytes each.

use std::collections::HashMap;

pub(super) const TICKS: usize = 60;
/// The most connections with a history.
const MOST: usize = 20_000;

/// The speeds of connections by id.
#[derive(Debug, Default)]
pub(super) struct History {
    tick: usize,
    rings: HashMap<u64, Ring>,
}

#[derive(Debug)]
struct Ring {
    packed: [u16; TICKS],
    /// The tick of the last speed.
    last: usize,
}

impl History {
    /// Begins a tick, and forgets connections without a speed in the last 16 ticks.
    pub(super) fn begin(&mut self) {
        self.tick += 1;
        if self.tick.is_multiple_of(16) {
            let tick = self.tick;
            self.rings.retain(|_, ring| ring.last + 16 >= tick);
        }
    }

    /// Adds the speed of a connection at this tick.
    pub(super) fn add(&mut self, id: u64, speed: u64) {
        if self.rings.len() >= MOST && !self.rings.contains_key(&id) {
            return;
        }
        let tick = self.tick;
        let ring = self.rings.entry(id).or_insert(Ring { packed: [0; TICKS], last: tick });
        // Skipped ticks had no speed.
        for missed in (ring.last + 1..tick).rev().take(TICKS) {
            ring.packed[missed % TICKS] = 0;
        }
        ring.packed[tick % TICKS] = pack(speed);
        ring.last = tick;
    }

    /// The last `width` speeds of a connection, the newest last.
    fn speeds(&self, id: u64, width: usize) -> impl Iterator<Item = u64> {
        let (ring, width) = (self.rings.get(&id), width.min(TICKS));
        (0..width).filter_map(move |place| {
            let ring = ring?;
            Some(unpack(ring.packed[(ring.last + 1 + TICKS * 2 + place - width) % TICKS]))
        })
    }

    /// The highest of the last `width` speeds of these connections: the common scale of their bars.
    pub(super) fn highest(&self, ids: impl Iterator<Item = u64>, width: usize) -> u64 {
        ids.flat_map(|id| self.speeds(id, width)).max().unwrap_or_default()
    }

    /// The last `width` speeds as bars, the newest last; a full one is `highest`.
    pub(super) fn sparkline(&self, id: u64, width: usize, highest: u64, is_utf8: bool) -> String {
        let bars = bars(is_utf8);
        let bar = |speed: u64| match u128::from(speed) * 8 {
            0 => ' ',
            eighths => {
                let height = eighths.div_ceil(highest.max(1).into());
                bars[usize::try_from(height - 1).unwrap_or(7).min(7)]
            }
        };
        self.speeds(id, width).map(bar).collect()
    }
}

/// The bars from the lowest to the full one.
pub(super) fn bars(is_utf8: bool) -> &'static [char; 8] {
    if is_utf8 { &BLOCKS } else { &ASCII }
}

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];

/// A speed in two bytes: six bits of exponent, ten of mantissa; exact to a thousandth.
fn pack(speed: u64) -> u16 {
    if speed < 1 << 10 {
        return speed as u16;
    }
    let exponent = 63 - speed.leading_zeros();
    let mantissa = (speed >> (exponent - 10)) & 0x3ff;
    u16::try_from(u64::from(exponent - 9) << 10 | mantissa).unwrap_or(u16::MAX)
}

fn unpack(packed: u16) -> u64 {
    match u64::from(packed) {
        packed @ ..1024 => packed,
        packed => (1024 + (packed & 0x3ff)) << ((packed >> 10) - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_bytes_hold_a_speed_to_the_thousandth() {
        for shift in 0..64 {
            for speed in [1u64 << shift, (1 << shift) + (1 << shift) / 2, (1 << shift) + 1] {
                let kept = unpack(pack(speed));
                assert!(kept <= speed && speed - kept <= speed / 1000, "{speed} {kept}");
            }
        }
        assert!(u64::MAX - unpack(pack(u64::MAX)) <= u64::MAX / 1000);
        let last = pack(u64::MAX);
        assert!((0..last).all(|packed| unpack(packed) < unpack(packed + 1)));
    }

    #[test]
    fn the_newest_speed_is_last_and_all_share_one_scale() {
        let mut history = History::default();
        for speed in [0, 100, 400, 800] {
            history.begin();
            history.add(7, speed);
            history.add(9, speed / 4);
        }
        let line = |history: &History, id, width, is_utf8| {
            let highest = history.highest([7, 9].into_iter(), width);
            history.sparkline(id, width, highest, is_utf8)
        };
        assert_eq!(history.highest([7, 9].into_iter(), 5), 800);
        assert_eq!(line(&history, 7, 5, true), "  ▁▄█");
        assert_eq!(line(&history, 9, 5, true), "  ▁▁▂");
        assert_eq!(line(&history, 7, 2, false), "-#");
        history.begin();
        history.begin();
        history.add(7, 800);
        assert_eq!(line(&history, 7, 3, false), "# #");
        assert_eq!(line(&history, 8, 3, false), "");
        (0..200).for_each(|_| {
            history.begin();
            history.add(7, 1);
            history.add(9, u64::MAX);
        });
        assert_eq!(line(&history, 7, 99, false), "_".repeat(60));
        assert_eq!(line(&history, 9, 99, false), "#".repeat(60));
    }

    #[test]
    fn what_has_gone_is_forgotten() {
        let mut history = History::default();
        history.begin();
        history.add(1, 1);
        (0..40).for_each(|_| history.begin());
        assert!(history.rings.is_empty());
        (0..30_000).for_each(|id| history.add(id, 1));
        assert_eq!(history.rings.len(), MOST);
    }
}
