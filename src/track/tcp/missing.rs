//! Ends that were missing when their connection was given back, or another one took its ports: when such an end is told of
//! after all, it must not count as another connection. What tells the two apart is who it is, or its numbers and
//! roughly its time, since messages and readings may be late.

use std::collections::HashMap;

/// What is known of an end that was missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Missing {
    /// The connection.
    pub id: u64,
    /// 0 if the end was not seen.
    pub cookie: u64,
    /// The bytes that the other end has received, perhaps with a FIN, and sent, if it has ended.
    pub other: Option<(u64, u64)>,
    /// At least these bytes the end has sent, and received.
    pub least: [u64; 2],
    /// It was not active before the one, nor after the other, in nanoseconds.
    pub since: u64,
    pub until: u64,
}

/// The numbers of a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Numbers {
    pub cookie: u64,
    /// Payload bytes sent; `u64::MAX` if unknown.
    pub sent: u64,
    /// Bytes received, perhaps with a FIN.
    pub received: u64,
    /// At least these bytes the peer has acknowledged.
    pub acknowledged: u64,
    /// When it was last active, in nanoseconds, if it is not told late, and how late it may be told.
    pub active_at: u64,
    pub late: u64,
}

impl Missing {
    /// Whether this may be the end: it has the cookie or, where that is not known, each of both has received what
    /// the other one has sent.
    pub(super) fn may_be(&self, numbers: &Numbers) -> bool {
        if self.cookie != 0 && numbers.cookie != 0 {
            return self.cookie == numbers.cookie;
        }
        // A FIN takes a number.
        let most = |sent: u64| sent.saturating_add(1);
        let [sent, received] = self.least;
        numbers.active_at >= self.since
            && numbers.active_at.saturating_sub(numbers.late) <= self.until.saturating_add(LATE)
            && sent <= most(numbers.sent)
            && received <= most(numbers.received)
            && self.other.is_none_or(|(of_other, by_other)| {
                received <= numbers.received
                    && numbers.received <= most(by_other)
                    && numbers.acknowledged <= of_other
                    && of_other <= most(numbers.sent)
            })
    }

    /// The other end of this one, which has ended with these numbers.
    pub(super) fn counterpart(&self, numbers: &Numbers, now: u64) -> Missing {
        let Numbers { received, sent, acknowledged, .. } = *numbers;
        let least = [received.saturating_sub(1), acknowledged];
        Missing { cookie: 0, other: Some((received, sent)), least, until: now, ..*self }
    }
}

/// The ends that are missing, by the hash of their connection and by which of its ends they are. Those of two
/// generations are remembered: most never come, since they are on other machines.
#[derive(Debug, Default)]
pub(super) struct AllMissing([HashMap<u64, Vec<Missing>>; 2]);

/// How late, in nanoseconds, a message may be read without being known to be late. A later connection on the same ports is
/// active later, and hardly ever has the same numbers so soon.
const LATE: u64 = 1_000_000_000;
/// The most connections of a generation.
const MOST: usize = 14_000;
/// The most ends of the same address and port.
const MOST_ALIKE: usize = 16;

impl AllMissing {
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(HashMap::is_empty)
    }

    pub(super) fn add(&mut self, key: u64, end: Missing) {
        let [new, old] = &mut self.0;
        if new.len() >= MOST {
            std::mem::swap(new, old);
            new.clear();
        }
        let alike = new.entry(key).or_default();
        // It was kept before it is given back, and a reading may have told its cookie since.
        if alike.iter().any(|one| one.id == end.id) {
            return;
        }
        if alike.len() >= MOST_ALIKE {
            alike.remove(0);
        }
        alike.push(end);
    }

    /// The socket, if it is one of them: it has ended, and is not missing any more.
    pub(super) fn take(&mut self, key: u64, numbers: &Numbers) -> Option<Missing> {
        self.0.iter_mut().find_map(|all| {
            let alike = all.get_mut(&key)?;
            let place = alike.iter().position(|end| end.may_be(numbers))?;
            let end = alike.remove(place);
            if alike.is_empty() {
                all.remove(&key);
            }
            Some(end)
        })
    }

    /// The connection of the socket, if it is one of them, and still open.
    pub(super) fn has(&mut self, key: u64, numbers: &Numbers) -> Option<u64> {
        let mut alike = self.0.iter_mut().filter_map(|all| all.get_mut(&key)).flatten();
        let end = alike.find(|end| end.may_be(numbers));
        end.map(|end| {
            end.cookie = numbers.cookie;
            end.id
        })
    }
}
