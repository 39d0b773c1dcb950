//! Finds sockets that a table of /proc/net lists twice.
//!
//! The kernel hands a table out in parts, and goes on by bucket and offset: a socket that comes into the
//! bucket meanwhile moves the others on, and the last one is listed again. So a row is a repetition if its
//! ends, state and inode are those of one of the last few hundred. Without an inode (TIME_WAIT, a request,
//! a connection that is not accepted yet) its address in memory must be the same too. Where the kernel hides
//! addresses (`kptr_restrict`), equal rows without an inode count once: only sockets that are bound to
//! different interfaces or VRFs could have the same two ends.

/// How many rows are remembered.
const REMEMBERED: u16 = 512;
/// How many lists of them there are. Most have one at most; more would not stay in the nearest cache.
const LISTS: usize = 4096;

/// The last rows of a table, which are numbered from 0; after 65535 comes 0 again.
pub(super) struct Repeats {
    /// By a part of its identity, the number of the last row.
    last: [u16; LISTS],
    /// By the end of a row's number: its identity.
    rows: [u64; REMEMBERED as usize],
    /// Likewise the number of the row before in the same list.
    before: [u16; REMEMBERED as usize],
    /// The number of the next row.
    next: u16,
}

impl Repeats {
    /// Remembers nothing yet; a table begins with [`Repeats::begin`].
    pub(super) fn new() -> Box<Repeats> {
        let (rows, before) = ([0; REMEMBERED as usize], [0; REMEMBERED as usize]);
        Box::new(Repeats { last: [0; LISTS], rows, before, next: 0 })
    }

    /// Begins another table: it may hold the same rows again.
    pub(super) fn begin(&mut self) {
        self.last.fill(self.next.wrapping_sub(REMEMBERED + 1));
    }

    /// Whether one of the last rows was of the same socket. If not, the row is remembered.
    #[inline]
    pub(super) fn has(&mut self, identity: u64) -> bool {
        let list = &mut self.last[identity as usize % LISTS];
        // A number that came again may lead astray, but never back, and never to another identity.
        let (mut number, mut age) = (*list, 0);
        loop {
            let older = self.next.wrapping_sub(number);
            if older <= age || older > REMEMBERED {
                break;
            }
            let place = usize::from(number % REMEMBERED);
            if self.rows[place] == identity {
                return true;
            }
            (number, age) = (self.before[place], older);
        }
        let place = usize::from(self.next % REMEMBERED);
        (self.rows[place], self.before[place]) = (identity, *list);
        *list = self.next;
        self.next = self.next.wrapping_add(1);
        false
    }

    /// The same for rows of which there are few.
    #[inline(never)]
    pub(super) fn has_rare(&mut self, identity: u64) -> bool {
        self.has(identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Identities whose lists are few, so that these grow long.
    fn identity(number: u64) -> u64 {
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15) & !0xff
    }

    #[test]
    fn each_of_the_last_rows_is_known_and_no_other() {
        let mut repeats = Repeats::new();
        for number in 0..200_000u64 {
            assert!(!repeats.has(identity(number)), "{number}");
            for back in [0, 1, 26, 300, 511].into_iter().filter(|back| *back <= number) {
                assert!(repeats.has(identity(number - back)), "{back} before {number}");
            }
        }
        assert!(!repeats.has(identity(199_999 - 512)), "too long ago");
    }

    #[test]
    fn another_table_begins_anew() {
        let mut repeats = Repeats::new();
        for _ in 0..200 {
            repeats.begin();
            for number in 0..400 {
                assert!(!repeats.has(identity(number)));
                assert!(repeats.has(identity(number)));
            }
        }
    }
}
