//! TCP connections, from the segments that go by or from counters that somebody else keeps.

mod connection;

use std::time::Duration;

use crate::model::{Endpoint, Segment};
pub use connection::{Connection, Counters, Direction, State};

/// How to track.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Leave out connections whose beginning was not seen.
    pub only_new: bool,
    /// How long a connection that is CLOSED or RESET is kept.
    pub remove_after: Duration,
    /// Over which time speeds are computed.
    pub rate_interval: Duration,
    /// Speeds of the last `rate_interval` at any moment, in tenths, not of the last whole one.
    pub is_sliding: bool,
    /// How many connections are kept at most; the ones longest idle make room.
    pub max_connections: usize,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            only_new: false,
            remove_after: Duration::from_secs(2),
            rate_interval: Duration::from_secs(1),
            is_sliding: false,
            max_connections: 100_000,
        }
    }
}

/// All connections.
#[derive(Debug)]
pub struct Tracker {
    options: Options,
    connections: Vec<Connection>,
    evicted: u64,
}

impl Tracker {
    /// A tracker that knows of no connection yet.
    #[must_use]
    pub fn new(options: Options) -> Tracker {
        Tracker { options, connections: Vec::new(), evicted: 0 }
    }

    /// Tells that somebody listens at `endpoint` (of any address, if its address is unspecified): of
    /// connections whose beginning was not seen, that end is the server.
    pub fn listener(&mut self, endpoint: Endpoint) {
        let _ = endpoint;
    }

    /// Takes a segment that went by at `now`.
    pub fn segment(&mut self, now: Duration, segment: &Segment) {
        let _ = (now, segment, &self.options);
    }

    /// Takes the counters of one connection, as they were read at `now`. A connection whose counters
    /// are not given again before the tick after the next is CLOSED.
    pub fn counters(&mut self, now: Duration, counters: &Counters) {
        let _ = (now, counters);
    }

    /// Brings speeds up to `now`, and removes what has ended or is too long idle. To be called before
    /// the connections are looked at.
    pub fn tick(&mut self, now: Duration) {
        let _ = now;
    }

    /// The connections, in no order.
    pub fn connections(&self) -> impl Iterator<Item = &Connection> {
        self.connections.iter()
    }

    /// How many connections there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.connections.is_empty()
    }

    /// How many connections had to make room for others.
    #[must_use]
    pub fn evicted(&self) -> u64 {
        self.evicted
    }
}
