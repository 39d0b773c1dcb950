//! The interfaces of a capture, and their clocks.

use std::time::Duration;

use super::pcapng_options::Drops;

/// The interface of captured packets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Interface {
    /// The first of a pcapng file is 1; 0 in a pcap file.
    pub number: u32,
    pub link: u32,
    /// The most bytes captured of a packet, 0 for all.
    pub snap_bytes: u32,
    /// Parts of a second: 10^-n, or 2^-n with the highest bit set.
    pub resolution: u8,
    pub offset_seconds: i64,
    pub drops: Drops,
}

impl Interface {
    /// The time for a count of fractions of a second, never before 1970.
    pub(super) fn time(self, parts: u64) -> Duration {
        const SECOND: u128 = 1_000_000_000;
        let exponent = u32::from(self.resolution & 0x7f);
        let is_binary = self.resolution & 0x80 != 0;
        let nanoseconds = match (is_binary, exponent) {
            // The case of nearly all files, without a division.
            (false, 6) => parts.saturating_mul(1000),
            (false, 0..=9) => {
                parts.saturating_mul(10u64.saturating_pow(9u32.saturating_sub(exponent)))
            }
            _ => {
                let scaled = u128::from(parts).saturating_mul(SECOND);
                let unit = if is_binary {
                    1u128.checked_shl(exponent)
                } else {
                    10u128.checked_pow(exponent)
                };
                let nanoseconds =
                    unit.and_then(|unit| scaled.checked_div(unit)).unwrap_or_default();
                u64::try_from(nanoseconds).unwrap_or(u64::MAX)
            }
        };
        let offset = Duration::from_secs(self.offset_seconds.unsigned_abs());
        let time = Duration::from_nanos(nanoseconds);
        if self.offset_seconds < 0 {
            time.saturating_sub(offset)
        } else {
            time.saturating_add(offset)
        }
    }
}
