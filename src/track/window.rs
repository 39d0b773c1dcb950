//! The growth of counters over the last seconds, in integer arithmetic.

use std::time::Duration;

/// Readings of `N` counters, one per second, over the last minute.
#[derive(Debug)]
pub struct Window<const N: usize> {
    /// A ring: the oldest reading is overwritten next.
    readings: Vec<(Duration, [u64; N])>,
    next: usize,
}

/// How many readings are kept: both ends of a minute are included.
const READINGS: usize = 61;

impl<const N: usize> Default for Window<N> {
    fn default() -> Window<N> {
        Window { readings: Vec::with_capacity(READINGS), next: 0 }
    }
}

impl<const N: usize> Window<N> {
    /// Takes the counters as they are at `clock`.
    pub fn push(&mut self, clock: Duration, counters: [u64; N]) {
        match self.readings.get_mut(self.next) {
            Some(oldest) => *oldest = (clock, counters),
            None => self.readings.push((clock, counters)),
        }
        self.next = (self.next + 1) % READINGS;
    }

    /// How much each counter grew in the `seconds` before the last reading, or since the first one, in
    /// thousandths per second, rounded; zeros until there are two readings.
    pub fn thousandths_per_second(&self, seconds: usize) -> [u64; N] {
        let count = self.readings.len();
        if count < 2 {
            return [0; N];
        }
        let back = seconds.min(count - 1);
        // The last reading is the one before the next place.
        let at = |back: usize| self.readings[(self.next + 2 * count - 1 - back) % count];
        let ((now, last), (then, first)) = (at(0), at(back));
        let nanoseconds = now.saturating_sub(then).as_nanos().max(1);
        std::array::from_fn(|place| {
            let grown = u128::from(last[place].saturating_sub(first[place]));
            let rate = (grown * 1_000_000_000_000 + nanoseconds / 2) / nanoseconds;
            u64::try_from(rate).unwrap_or(u64::MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_those_of_the_last_seconds() {
        let mut window = Window::<2>::default();
        assert_eq!(window.thousandths_per_second(1), [0, 0]);
        let mut total = 0;
        for second in 0..200 {
            total += second;
            window.push(Duration::from_secs(second), [total, 7]);
            assert_eq!(window.thousandths_per_second(1), [second * 1000, 0]);
        }
        // The mean of 190 to 199, and of 140 to 199.
        assert_eq!(window.thousandths_per_second(10), [194_500, 0]);
        assert_eq!(window.thousandths_per_second(60), [169_500, 0]);
        assert_eq!(window.thousandths_per_second(1000), [169_500, 0]);
    }

    #[test]
    fn a_rate_is_of_the_time_that_really_passed() {
        let mut window = Window::<1>::default();
        window.push(Duration::from_millis(500), [10]);
        window.push(Duration::from_millis(2500), [13]);
        assert_eq!(window.thousandths_per_second(1), [1500]);
        assert_eq!(window.thousandths_per_second(60), [1500]);
    }
}
