//! Reads a line from its beginning: words, numbers and addresses, each with the blanks behind it.

use std::net::{IpAddr, Ipv4Addr};

/// The rest of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    pub rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    /// Skips blanks.
    #[inline]
    pub(super) fn skip(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }

    /// Skips the blanks behind a value; `None` if something else follows it.
    #[inline]
    pub(super) fn end(&mut self) -> Option<()> {
        if let [first, rest @ ..] = self.rest {
            if *first != b' ' && *first != b'\t' {
                return None;
            }
            self.rest = rest;
            self.skip();
        }
        Some(())
    }

    /// Takes `word` if it comes next.
    #[inline(always)]
    pub(super) fn take<const N: usize>(&mut self, word: &[u8; N]) -> bool {
        // Of a length that is known, this is one comparison of numbers.
        match self.rest.split_first_chunk::<N>() {
            Some((first, rest)) if first == word => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    /// Takes a whole word, up to a blank, and the blanks behind it.
    #[inline]
    pub(super) fn word(&mut self) -> &'a [u8] {
        let length = self.rest.iter().position(|byte| matches!(byte, b' ' | b'\t'));
        let (word, rest) =
            self.rest.split_at_checked(length.unwrap_or(self.rest.len())).unwrap_or_default();
        self.rest = rest;
        self.skip();
        word
    }

    /// Takes a decimal number of at most 20 digits.
    #[inline(always)]
    pub(super) fn digits(&mut self) -> Option<u64> {
        if let Some(eight) = self.rest.first_chunk::<8>()
            && let (length @ 1..8, number) = number_of_eight(u64::from_le_bytes(*eight))
        {
            self.rest = self.rest.get(length..)?;
            return Some(number);
        }
        self.long_digits()
    }

    /// The same for a long number, or one at the end of the line.
    #[cold]
    pub(super) fn long_digits(&mut self) -> Option<u64> {
        let mut number = 0u64;
        let before = self.rest.len();
        while let [digit @ b'0'..=b'9', rest @ ..] = self.rest {
            number = number.checked_mul(10)?.checked_add(u64::from(*digit & 0xf))?;
            self.rest = rest;
        }
        let length = before.saturating_sub(self.rest.len());
        (1..=20).contains(&length).then_some(number)
    }

    /// Takes a number and the blanks behind it.
    #[inline(always)]
    pub(super) fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        let number = self.digits()?;
        self.end()?;
        T::try_from(number).ok()
    }

    /// Takes `word` and the number behind it; the outer `None` if that is not a number.
    #[inline(always)]
    #[expect(
        clippy::option_option,
        reason = "a line that fits nothing is not one without the field"
    )]
    pub(super) fn field<T: TryFrom<u64>, const N: usize>(
        &mut self,
        word: &[u8; N],
    ) -> Option<Option<T>> {
        if self.take(word) { self.number().map(Some) } else { Some(None) }
    }

    /// Takes a hexadecimal number, `0x1f`.
    pub(super) fn hex(&mut self) -> Option<u16> {
        hex(self.word())
    }

    /// Takes an address and the blanks behind it.
    #[inline]
    pub(super) fn address(&mut self) -> Option<IpAddr> {
        let mut ahead = *self;
        if let Some(bits) = ahead.dotted()
            && ahead.end().is_some()
        {
            *self = ahead;
            return Some(Ipv4Addr::from_bits(bits).into());
        }
        address(self.word())
    }

    /// Takes an IPv4 address, with something behind it.
    #[inline]
    pub(super) fn dotted(&mut self) -> Option<u32> {
        // One look tells where all parts end: none of them waits for the one before.
        let mut ends = others_of_sixteen(u128::from_le_bytes(*self.rest.first_chunk()?));
        let (mut bits, mut start) = (0u32, 0u32);
        for place in 0..4 {
            let end = ends.trailing_zeros() >> 3;
            ends &= ends.wrapping_sub(1);
            let length = end.wrapping_sub(start);
            let rest = self.rest.get(start as usize..)?;
            let digits = u32::from_le_bytes(*rest.first_chunk()?) ^ 0x3030_3030;
            // As if zeros stood before them, up to three.
            let three = digits.unbounded_shl(32u32.wrapping_sub(length.wrapping_mul(8)));
            let hundreds = (three >> 8 & 0xf).wrapping_mul(100);
            let part = hundreds
                .wrapping_add((three >> 16 & 0xf).wrapping_mul(10))
                .wrapping_add(three >> 24);
            let is_dot = place == 3 || rest.get(length as usize) == Some(&b'.');
            if !(1..=3).contains(&length) || part > 255 || !is_dot {
                return None;
            }
            bits = bits << 8 | part;
            start = end.wrapping_add(1);
        }
        self.rest = self.rest.get(start.wrapping_sub(1) as usize..)?;
        Some(bits)
    }
}

/// The highest bit of each byte that is not a digit, up to the first one behind ASCII.
#[inline(always)]
fn others_of_sixteen(bytes: u128) -> u128 {
    const ONES: u128 = u128::from_le_bytes([1; 16]);
    let digits = bytes ^ ONES.wrapping_mul(0x30);
    (digits.wrapping_add(ONES.wrapping_mul(0x76)) | digits) & ONES.wrapping_mul(0x80)
}

/// How many digits eight bytes begin with, and the number of those; of eight digits only how many they are.
#[inline(always)]
fn number_of_eight(bytes: u64) -> (usize, u64) {
    let (length, digits) = (leading_digits(bytes), bytes ^ 0x3030_3030_3030_3030);
    // As if zeros stood before them, up to eight: pairs, then fours of digits become numbers.
    let number = digits.unbounded_shl(64u32.wrapping_sub(length.wrapping_mul(8)));
    let pairs = number.wrapping_mul(10 * 256 + 1) >> 8 & 0x00ff_00ff_00ff_00ff;
    let fours = pairs.wrapping_mul(100 * 65_536 + 1) >> 16 & 0x0000_ffff_0000_ffff;
    let eight = fours.wrapping_mul(10_000 * 4_294_967_296 + 1) >> 32;
    (length as usize, eight)
}

/// How many of the eight bytes are digits before the first one that is not.
#[inline(always)]
fn leading_digits(bytes: u64) -> u32 {
    let digits = bytes ^ 0x3030_3030_3030_3030;
    // A carry only reaches bytes behind one that is not a digit.
    let others = (digits.wrapping_add(0x0606_0606_0606_0606) | digits) & 0xf0f0_f0f0_f0f0_f0f0;
    others.trailing_zeros() >> 3
}

/// An address of either family.
#[cold]
fn address(word: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(word).ok()?.parse().ok()
}

pub(super) fn hex(word: &[u8]) -> Option<u16> {
    let digits = word.strip_prefix(b"0x").filter(|digits| digits.first() != Some(&b'+'))?;
    u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}
