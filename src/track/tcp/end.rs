//! One end of a connection.

/// The socket at one end of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct End {
    /// 0 if it was not seen: the end is on another machine, or unknown.
    pub cookie: u64,
    /// Whether the cookie was learnt when the other end had ended: it may be of the next connection on these ports.
    pub is_guess: bool,
    pub cgroup: u64,
    /// It was not active before this, in nanoseconds.
    pub since: u64,
    /// The last counters: bytes received, perhaps with a FIN, and sent.
    pub last: Option<(u64, u64)>,
    /// Segments sent and received, once it has ended.
    pub segments: Option<[u32; 2]>,
    pub is_ended: bool,
    /// Whether it had ended before a reading that did not include the connection.
    pub is_overdue: bool,
    /// Whether it ever was more than an attempt to connect.
    pub was_open: bool,
}

impl End {
    /// The cookie if it is sure to be of this end, else 0.
    pub(super) fn sure_cookie(&self) -> u64 {
        if self.is_guess { 0 } else { self.cookie }
    }
}
