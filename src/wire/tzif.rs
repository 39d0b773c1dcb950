//! Files of time zones, as /etc/localtime is one: RFC 9636, versions 1 to 4.
//!
//! Leap seconds are left out: no clock that the kernel keeps by POSIX counts them.

use super::posix_tz;

/// The most bytes that a file is taken to have; those of tzdata 2025 have at most 3600.
pub const MOST_BYTES: usize = 64 * 1024;

const HEADER_BYTES: usize = 44;
/// Of a type: its offset of four bytes, whether it is summer time, and the place of its name.
const TYPE_BYTES: usize = 6;

/// The seconds by which local time is ahead of UTC at a moment, in seconds since 1970, by a file; `None`
/// for what is no file of a time zone.
#[must_use]
pub fn offset(file: &[u8], unix_seconds: i64) -> Option<i32> {
    let (first, rest) = Block::split(file, 4)?;
    let (block, footer) = match first.version {
        0 => (first, &[][..]),
        // The first block is there for readers that know no other, and may be a stub.
        _ => Block::split(rest, 8)?,
    };
    let known = block.changes_until(unix_seconds)?;
    if known == block.kinds.len() {
        let line = footer.strip_prefix(b"\n").and_then(|line| line.split(|b| *b == b'\n').next());
        if let Some(offset) = line.and_then(|rule| posix_tz::offset(rule, unix_seconds)) {
            return Some(offset);
        }
    }
    // Before the first change the first type applies.
    let kind = known.checked_sub(1).map_or(Some(0), |last| block.kinds.get(last).copied())?;
    block.offset(kind)
}

/// A header and what it counts.
struct Block<'a> {
    version: u8,
    /// The moments of changes, in order.
    moments: &'a [u8],
    /// The bytes of a moment.
    width: usize,
    /// The types that the changes lead to.
    kinds: &'a [u8],
    types: &'a [u8],
}

impl<'a> Block<'a> {
    /// Splits a block off a file.
    fn split(file: &'a [u8], width: usize) -> Option<(Block<'a>, &'a [u8])> {
        let (header, rest) = file.split_at_checked(HEADER_BYTES)?;
        let (&version, counts) = header.strip_prefix(b"TZif")?.split_first()?;
        // After fifteen bytes of nothing.
        let mut counts =
            counts.get(15..)?.chunks_exact(4).map(|count| usize::try_from(number(count)));
        let mut count = || counts.next()?.ok();
        let (utc_marks, standard_marks, leaps) = (count()?, count()?, count()?);
        let (changes, types, letters) = (count()?, count()?, count()?);
        let (moments, rest) = rest.split_at_checked(changes.checked_mul(width)?)?;
        let (kinds, rest) = rest.split_at_checked(changes)?;
        let (types, rest) = rest.split_at_checked(types.checked_mul(TYPE_BYTES)?)?;
        let leaps = leaps.checked_mul(width.checked_add(4)?)?;
        let marks = utc_marks.checked_add(standard_marks)?;
        let rest = rest.get(letters.checked_add(leaps)?.checked_add(marks)?..)?;
        Some((Block { version, moments, width, kinds, types }, rest))
    }

    /// How many changes there were until a moment.
    fn changes_until(&self, unix_seconds: i64) -> Option<usize> {
        let (mut low, mut high) = (0, self.kinds.len());
        while low < high {
            let middle = low.midpoint(high);
            let start = middle.checked_mul(self.width)?;
            let moment = self.moments.get(start..start.checked_add(self.width)?)?;
            if number(moment) <= unix_seconds {
                low = middle.checked_add(1)?;
            } else {
                high = middle;
            }
        }
        Some(low)
    }

    /// The offset of a type, which is less than 26 hours.
    fn offset(&self, kind: u8) -> Option<i32> {
        let start = usize::from(kind).checked_mul(TYPE_BYTES)?;
        let offset = self.types.get(start..start.checked_add(4)?)?;
        let offset = i32::try_from(number(offset)).ok()?;
        (-89_999..=93_599).contains(&offset).then_some(offset)
    }
}

/// The signed number of some bytes, the greatest first.
fn number(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|first| *first > 127) { -1 } else { 0 };
    bytes.iter().fold(sign, |number, byte| number.wrapping_shl(8) | i64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half an hour ahead till 0, one hour and a half ahead till 2^33, then by the footer.
    fn file(version: u8, footer: &[u8]) -> Vec<u8> {
        let header = |counts: [u32; 6]| {
            let counts = counts.map(u32::to_be_bytes).concat();
            [&b"TZif"[..], &[version], &[0; 15], &counts].concat()
        };
        let types =
            [&1800_i32.to_be_bytes()[..], &[0, 0], &5400_i32.to_be_bytes(), &[1, 0]].concat();
        let old = [
            &header([0, 0, 1, 1, 2, 4])[..],
            &0_i32.to_be_bytes(),
            &[1],
            &types,
            b"ABC\0",
            &[0; 8],
        ];
        if version == 0 {
            return old.concat();
        }
        let moments = [0_i64, 1 << 33].map(i64::to_be_bytes).concat();
        let new = [
            &header([2, 2, 1, 2, 2, 4])[..],
            &moments,
            &[1, 0],
            &types,
            b"ABC\0",
            &[0; 16],
            footer,
        ];
        [old.concat(), new.concat()].concat()
    }

    #[test]
    fn versions() {
        let old = file(0, b"");
        assert_eq!(
            [-1, 0, 1 << 40].map(|moment| offset(&old, moment)),
            [1800, 5400, 5400].map(Some)
        );
        for version in [b'2', b'3', b'4', b'5'] {
            let new = file(version, b"\nXYZ-2\n");
            let moments = [i64::MIN, -1, 0, (1 << 33) - 1, 1 << 33, i64::MAX];
            let wanted = [1800, 1800, 5400, 5400, 7200, 7200].map(Some);
            assert_eq!(moments.map(|moment| offset(&new, moment)), wanted);
        }
        // Without a rule, or with none that is known, the last type goes on.
        for footer in [&b""[..], b"\n\n", b"\n?\n", b"XYZ-2\n"] {
            assert_eq!(offset(&file(b'2', footer), 1 << 33), Some(1800));
        }
    }

    #[test]
    fn no_damage_matters() {
        let whole = file(b'3', b"\nCET-1CEST,M3.5.0,M10.5.0/3\n");
        let check = |file: &[u8]| {
            for moment in [i64::MIN, -1, 0, 1 << 32, 1 << 33, 1 << 34, i64::MAX] {
                let offset = offset(file, moment);
                assert!(offset.is_none_or(|offset| offset.abs() < 100_000), "{offset:?}");
            }
        };
        for place in 0..whole.len() {
            check(&whole[..place]);
            for byte in 0..=255 {
                let mut file = whole.clone();
                file[place] = byte;
                check(&file);
            }
        }
        assert_eq!(offset(&whole, 1 << 33), Some(3600));
        assert_eq!(offset(b"", 0), None);
        assert_eq!(offset(b"TZif", 0), None);
    }
}
