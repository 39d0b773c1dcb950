//! The TCP states (include/net/tcp_states.h), sets of them, and how many sockets are in each.

use super::Family;

/// A TCP state by the kernel's number, 1 to 12, or 13 for sockets that are only bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TcpState(u8);

/// The names of a state: the kernel's, the two digits of /proc/net/tcp, and those of ss, netstat and RFC
/// 9293 where they differ in more than case, `-` and `_`.
const STATES: [(&str, &str, &[&str]); 13] = [
    ("ESTABLISHED", "01", &["ESTAB"]),
    ("SYN_SENT", "02", &[]),
    ("SYN_RECV", "03", &["SYN_RCV", "SYN_RCVD", "SYN_RECEIVED"]),
    ("FIN_WAIT1", "04", &[]),
    ("FIN_WAIT2", "05", &[]),
    ("TIME_WAIT", "06", &[]),
    ("CLOSE", "07", &["CLOSED", "UNCONN", "UNCONNECTED"]),
    ("CLOSE_WAIT", "08", &[]),
    ("LAST_ACK", "09", &[]),
    ("LISTEN", "0A", &["LISTENING"]),
    ("CLOSING", "0B", &[]),
    ("NEW_SYN_RECV", "0C", &[]),
    ("BOUND_INACTIVE", "0D", &[]),
];

impl TcpState {
    /// 1: data may flow both ways.
    pub const ESTABLISHED: TcpState = TcpState(1);
    /// 2: we have asked for a connection.
    pub const SYN_SENT: TcpState = TcpState(2);
    /// 3: a connection request (or a Fast Open child) waiting for the last handshake packet.
    pub const SYN_RECV: TcpState = TcpState(3);
    /// 5: our end is closed and acknowledged, the other end still open.
    pub const FIN_WAIT2: TcpState = TcpState(5);
    /// 6: both ends are closed; the kernel still reserves the pair of ports.
    pub const TIME_WAIT: TcpState = TcpState(6);

    /// 7: closed; a UDP socket without a peer.
    pub const CLOSE: TcpState = TcpState(7);
    /// 10: waits for connections.
    pub const LISTEN: TcpState = TcpState(10);
    /// 13: bound, but neither connected nor listening. No socket of a table is in this state: sock_diag
    /// alone lists them (since Linux 6.8), and only if it is asked for.
    pub const BOUND_INACTIVE: TcpState = TcpState(13);

    /// The twelve states in the kernel's order.
    pub fn all() -> impl Iterator<Item = TcpState> {
        (1..=12).map(TcpState)
    }

    /// The same, and [`TcpState::BOUND_INACTIVE`].
    pub fn each() -> impl Iterator<Item = TcpState> {
        (1..=13).map(TcpState)
    }

    /// The state of a number in the kernel's tables, if it is one of the twelve.
    pub fn from_number(number: u8) -> Option<TcpState> {
        (1..=12).contains(&number).then_some(TcpState(number))
    }

    /// The state of a socket's number: one of the twelve, or [`TcpState::BOUND_INACTIVE`].
    #[inline]
    pub fn of_socket(number: u8) -> Option<TcpState> {
        (1..=13).contains(&number).then_some(TcpState(number))
    }

    /// The kernel's number.
    pub fn number(self) -> u8 {
        self.0
    }

    /// The kernel's name without `TCP_`.
    pub fn name(self) -> &'static str {
        STATES[self.index()].0
    }

    /// The two digits of /proc/net/tcp, `01` to `0C`; `0D` for bound sockets, which it does not list.
    pub fn hex(self) -> &'static str {
        STATES[self.index()].1
    }

    fn index(self) -> usize {
        usize::from(self.0 - 1)
    }
}

/// A set of TCP states, in the form of sock_diag's mask: bit N is state N.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateSet(u32);

/// ss's groups of states (misc/ss.c of iproute2): the connected ones, those past the handshake, the
/// minisockets, and the full sockets.
const GROUPS: [(&str, StateSet); 5] = [
    ("all", StateSet::ALL),
    ("connected", StateSet::CONNECTED),
    ("synchronized", StateSet(StateSet::ALL.0 & !(1 << 7 | 1 << 10 | 1 << 2))),
    ("bucket", StateSet(1 << 3 | 1 << 6 | 1 << 12)),
    ("big", StateSet(StateSet::ALL.0 & !(1 << 3 | 1 << 6 | 1 << 12))),
];

impl StateSet {
    /// All twelve.
    pub const ALL: StateSet = StateSet(0x1ffe);

    /// Those of connections: all but CLOSE and LISTEN.
    pub const CONNECTED: StateSet = StateSet(StateSet::ALL.0 & !(1 << 7 | 1 << 10));

    /// The minisockets of TIME_WAIT, which have no inode.
    pub const TIME_WAIT: StateSet = StateSet::only(TcpState::TIME_WAIT);

    /// Asks sock_diag for sockets that are bound, but neither connected nor listening, which come in state
    /// CLOSE (TCP_BOUND_INACTIVE, since Linux 6.8; older kernels return none).
    pub const BOUND: StateSet = StateSet::only(TcpState::BOUND_INACTIVE);

    /// The set of `state` alone.
    pub const fn only(state: TcpState) -> StateSet {
        StateSet(1 << state.0)
    }

    /// sock_diag's `idiag_states`.
    pub const fn mask(self) -> u32 {
        self.0
    }

    /// The set with this mask.
    pub const fn of_mask(mask: u32) -> StateSet {
        StateSet(mask)
    }

    /// The states of this set that are in `other`, too.
    pub const fn and(self, other: StateSet) -> StateSet {
        StateSet(self.0 & other.0)
    }

    /// Whether `state` is in the set.
    pub fn has(self, state: TcpState) -> bool {
        self.0 & StateSet::only(state).0 != 0
    }

    /// The states of either set.
    pub const fn with(self, other: StateSet) -> StateSet {
        StateSet(self.0 | other.0)
    }

    /// The states of this set that are not in `other`.
    pub const fn without(self, other: StateSet) -> StateSet {
        StateSet(self.0 & !other.0)
    }

    /// Whether no state is in the set.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The states of the set in the kernel's order.
    pub fn iter(self) -> impl Iterator<Item = TcpState> {
        TcpState::each().filter(move |state| self.has(*state))
    }

    /// Reads a state in any tool's spelling (`estab`, `FIN_WAIT1`, `fin-wait-1`, `01`) or one of
    /// ss's groups (`all`, `connected`, `synchronized`, `bucket`, `big`).
    ///
    /// # Errors
    /// [`UnknownState`] if it is neither.
    pub fn parse(word: &[u8]) -> Result<StateSet, UnknownState> {
        if let Some((_, set)) = GROUPS.iter().find(|(name, _)| same(name, word)) {
            return Ok(*set);
        }
        TcpState::each()
            .find(|state| {
                let (name, hex, others) = STATES[state.index()];
                [name, hex].iter().chain(others).any(|name| same(name, word))
            })
            .map(StateSet::only)
            .ok_or(UnknownState)
    }

    /// The preferred names for [`StateSet::parse`]: the kernel's, then the groups.
    pub const NAMES: [&str; 18] = {
        let mut names = [""; 18];
        let mut place = 0;
        while place < names.len() {
            names[place] = if place < 13 { STATES[place].0 } else { GROUPS[place - 13].0 };
            place += 1;
        }
        names
    };
}

impl FromIterator<TcpState> for StateSet {
    fn from_iter<I: IntoIterator<Item = TcpState>>(states: I) -> StateSet {
        states.into_iter().map(StateSet::only).fold(StateSet::default(), StateSet::with)
    }
}

/// The word is not a TCP state or a group of states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownState;

/// Whether two words are equal, ignoring case, `-`, `_` and a leading `TCP_`.
fn same(name: &str, word: &[u8]) -> bool {
    let bare = |word: &[u8]| -> Vec<u8> {
        let word = word.to_ascii_uppercase();
        let word = word.strip_prefix(b"TCP_").unwrap_or(&word);
        word.iter().copied().filter(|byte| !matches!(byte, b'-' | b'_')).collect()
    };
    bare(name.as_bytes()) == bare(word)
}

/// How many sockets are in each state, by family; unit: sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateCounts {
    sockets: [[u64; 13]; 2],
}

impl StateCounts {
    /// The sockets of `family` in `state`.
    pub fn get(&self, family: Family, state: TcpState) -> u64 {
        self.sockets[family as usize][state.index()]
    }

    /// The sockets of either family in `state`.
    pub fn both(&self, state: TcpState) -> u64 {
        // Saved rows may hold any numbers.
        let of = |family| self.get(family, state);
        Family::ALL.into_iter().map(of).fold(0, u64::saturating_add)
    }

    /// All sockets of `family`.
    pub fn total(&self, family: Family) -> u64 {
        self.sockets[family as usize].iter().sum()
    }

    #[inline]
    pub fn add(&mut self, family: Family, state: TcpState) {
        self.sockets[family as usize][state.index()] += 1;
    }

    /// Adds all numbers of `others`.
    pub fn merge(&mut self, others: &StateCounts) {
        let numbers = self.sockets.iter_mut().flatten();
        numbers.zip(others.sockets.iter().flatten()).for_each(|(sum, number)| *sum += number);
    }

    /// Sets a number that was calculated.
    pub fn set(&mut self, family: Family, state: TcpState, sockets: u64) {
        self.sockets[family as usize][state.index()] = sockets;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tools_spelling_is_known() {
        let cases: [(&str, &[&str]); 13] = [
            ("ESTABLISHED", &["estab", "ESTAB", "established", "01", "TCP_ESTABLISHED"]),
            ("SYN_SENT", &["SYN-SENT", "syn-sent", "syn_sent", "02", "synsent"]),
            ("SYN_RECV", &["SYN-RECV", "syn_recv", "syn-rcv", "03"]),
            ("FIN_WAIT1", &["FIN-WAIT-1", "fin-wait-1", "fin_wait1", "fin_wait_1", "04"]),
            ("FIN_WAIT2", &["FIN-WAIT-2", "FIN_WAIT2", "05"]),
            ("TIME_WAIT", &["TIME-WAIT", "time_wait", "timewait", "06"]),
            ("CLOSE", &["UNCONN", "unconnected", "close", "closed", "07"]),
            ("CLOSE_WAIT", &["CLOSE-WAIT", "close_wait", "08"]),
            ("LAST_ACK", &["LAST-ACK", "last_ack", "09"]),
            ("LISTEN", &["listen", "listening", "0A", "0a"]),
            ("CLOSING", &["closing", "0B"]),
            ("NEW_SYN_RECV", &["new-syn-recv", "0C"]),
            ("BOUND_INACTIVE", &["bound-inactive", "BOUND_INACTIVE", "0D"]),
        ];
        for (state, (name, spellings)) in TcpState::each().zip(cases) {
            assert_eq!(state.name(), name);
            for spelling in spellings {
                assert_eq!(StateSet::parse(spelling.as_bytes()), Ok(StateSet::only(state)));
            }
        }
        for wrong in ["", "0", "1", "00", "0E", "ESTABLISHE", "TCP_"] {
            assert_eq!(StateSet::parse(wrong.as_bytes()), Err(UnknownState), "{wrong}");
        }
    }

    #[test]
    fn groups_are_those_of_ss() {
        let names = |group: &str| -> Vec<_> {
            StateSet::parse(group.as_bytes()).unwrap().iter().map(TcpState::name).collect()
        };
        assert_eq!(names("bucket"), ["SYN_RECV", "TIME_WAIT", "NEW_SYN_RECV"]);
        assert!(!names("connected").contains(&"LISTEN"));
        assert!(!names("synchronized").contains(&"SYN_SENT"));
        assert!(names("synchronized").contains(&"SYN_RECV"));
        assert_eq!(names("big").len(), 9);
        // Since iproute2 6.8 ss adds bound sockets to all; they are in no other count of connbox.
        assert!(!names("all").contains(&"BOUND_INACTIVE"));
    }
}
