//! The bytes of a connection, as far as they are known.

use super::connection::Connection;
use super::direction::Direction;
use super::state::State;

impl Connection {
    /// The payload bytes from the client and from the server, if they are known.
    pub fn totals(&self) -> [Option<u64>; 2] {
        self.ways().map(|(own, other)| {
            let bytes = own.bytes_total.saturating_sub(self.unseen_fin(own, other));
            (!own.is_untold).then_some(bytes)
        })
    }

    /// The bytes of both directions that the capture has missed.
    pub fn missed_bytes_total(&self) -> u64 {
        let missed = self
            .ways()
            .map(|(own, other)| own.missed_bytes_total.saturating_sub(self.unseen_fin(own, other)));
        missed.into_iter().fold(0, u64::saturating_add)
    }

    /// Each direction with the other one.
    fn ways(&self) -> [(&Direction, &Direction); 2] {
        [(&self.tx, &self.rx), (&self.rx, &self.tx)]
    }

    /// The number of a FIN that is counted as a byte. Acknowledgments alone do not tell the two apart; but of two ends that
    /// close, each acknowledges the other one's FIN, at last.
    fn unseen_fin(&self, own: &Direction, other: &Direction) -> u64 {
        u64::from(self.state == State::Closing && !own.is_seen() && other.has_fin())
    }
}
