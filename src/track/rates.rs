//! Counters over time, and how fast they grow.

use std::collections::BTreeMap;
use std::time::Duration;

/// The last readings of counters, from which their rates follow.
#[derive(Debug, Default)]
pub struct Rates {
    last: BTreeMap<(Vec<u8>, usize), (Duration, i128)>,
}

impl Rates {
    /// The growth of the counter `column` of the row `key` since its last reading, in thousandths per
    /// second; `None` for the first reading, and if the counter was reset meanwhile.
    pub fn thousandths_per_second(
        &mut self,
        key: &[u8],
        column: usize,
        clock: Duration,
        total: i128,
    ) -> Option<i128> {
        let last = self.last.insert((key.to_vec(), column), (clock, total));
        let (then, before) = last?;
        let elapsed = i128::try_from(clock.saturating_sub(then).as_nanos()).ok()?;
        let grown = total.checked_sub(before).filter(|grown| *grown >= 0)?;
        // Rounded to the nearest, not down: 3 in 0.9999 s is 3.000 per second.
        grown.checked_mul(1_000_000_000_000)?.checked_add(elapsed / 2)?.checked_div(elapsed)
    }

    /// Forgets what was not read at `clock` or later: rows that have vanished, such as those of a removed
    /// namespace, must not be kept forever.
    pub fn forget_before(&mut self, clock: Duration) {
        self.last.retain(|_, (read, _)| *read >= clock);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second_of_the_real_interval() {
        let mut rates = Rates::default();
        let mut at =
            |ms, total| rates.thousandths_per_second(b"a", 0, Duration::from_millis(ms), total);
        assert_eq!(at(1000, 10), None);
        assert_eq!(at(3000, 16), Some(3000));
        assert_eq!(at(3000, 16), None);
        assert_eq!(at(3500, 17), Some(2000));
        assert_eq!(at(4000, 3), None);
        assert_eq!(at(5000, i128::from(u64::MAX)), Some(i128::from(u64::MAX - 3) * 1000));
    }

    #[test]
    fn what_has_gone_is_forgotten() {
        let mut rates = Rates::default();
        let at = Duration::from_secs;
        assert_eq!(rates.thousandths_per_second(b"gone", 0, at(1), 1), None);
        assert_eq!(rates.thousandths_per_second(b"here", 0, at(2), 1), None);
        rates.forget_before(at(2));
        assert_eq!(rates.last.len(), 1);
        assert_eq!(rates.thousandths_per_second(b"here", 0, at(3), 2), Some(1000));
    }
}
