//! The speeds of the last ticks, for sparklines: one byte each.

use std::collections::HashMap;

pub const TICKS: usize = 60;
/// The most connections with a history.
const MOST: usize = 20_000;

/// The speeds of connections by id.
#[derive(Debug, Default)]
pub struct History {
    tick: usize,
    rings: HashMap<u64, Ring>,
}

#[derive(Debug)]
struct Ring {
    packed: [u8; TICKS],
    /// The tick of the last speed.
    last: usize,
}

impl History {
    /// Begins a tick, and forgets connections without a speed in the last 16 ticks.
    pub fn begin(&mut self) {
        self.tick += 1;
        if self.tick.is_multiple_of(16) {
            let tick = self.tick;
            self.rings.retain(|_, ring| ring.last + 16 >= tick);
        }
    }

    /// Adds the speed of a connection at this tick.
    pub fn add(&mut self, id: u64, speed: u64) {
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

    /// The last `width` speeds as bars: the newest last, the highest full.
    pub fn sparkline(&self, id: u64, width: usize, is_utf8: bool) -> String {
        let Some(ring) = self.rings.get(&id) else { return String::new() };
        let width = width.min(TICKS);
        let speeds = || {
            (0..width).map(|place| {
                let tick = (ring.last + 1 + TICKS * 2 + place - width) % TICKS;
                unpack(ring.packed[tick])
            })
        };
        let most = speeds().max().unwrap_or_default().max(1);
        let bars = if is_utf8 { BLOCKS } else { ASCII };
        let bar = |speed: u64| match speed {
            0 => ' ',
            speed => bars[usize::try_from((speed * 8).div_ceil(most) - 1).unwrap_or(7).min(7)],
        };
        speeds().map(bar).collect()
    }
}

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const ASCII: [char; 8] = ['_', '.', ':', '-', '=', '+', '*', '#'];

/// A speed in a byte: five bits of exponent, three of mantissa; exact to an eighth, beyond 16 GB/s.
fn pack(speed: u64) -> u8 {
    if speed < 8 {
        return speed as u8;
    }
    let exponent = 63 - speed.leading_zeros();
    let mantissa = (speed >> (exponent - 3)) & 7;
    u8::try_from(u64::from(exponent - 2) << 3 | mantissa).unwrap_or(u8::MAX)
}

fn unpack(packed: u8) -> u64 {
    match packed {
        0..8 => packed.into(),
        _ => (8 + u64::from(packed & 7)) << ((packed >> 3) - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_byte_holds_a_speed_to_the_eighth() {
        for shift in 0..34 {
            for speed in [1u64 << shift, (3 << shift) / 2, (1 << shift) + 1] {
                let kept = unpack(pack(speed));
                assert!(kept <= speed && speed - kept <= speed / 8, "{speed} {kept}");
            }
        }
        assert_eq!(pack(u64::MAX), u8::MAX);
        assert!((0..255).all(|packed| unpack(packed) < unpack(packed + 1)));
    }

    #[test]
    fn the_newest_speed_is_last_and_the_highest_full() {
        let mut history = History::default();
        for speed in [0, 100, 400, 800] {
            history.begin();
            history.add(7, speed);
        }
        assert_eq!(history.sparkline(7, 5, true), "  ▁▄█");
        assert_eq!(history.sparkline(7, 2, false), "-#");
        history.begin();
        history.begin();
        history.add(7, 800);
        assert_eq!(history.sparkline(7, 3, false), "# #");
        assert_eq!(history.sparkline(8, 3, false), "");
        (0..200).for_each(|_| {
            history.begin();
            history.add(7, 1);
        });
        assert_eq!(history.sparkline(7, 99, false), "#".repeat(60));
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
