//! Which states the sockets in saved text cannot be in, as its command left them out.

use crate::model::{Family, Proto, StateSet, TcpState};
use crate::wire::saved::command::Command;
use crate::wire::saved::netstat::Which;

/// The states that saved texts do not list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Lacking {
    /// Those that the command left out.
    pub(super) left_out: StateSet,
    /// Those that it may have left out.
    pub(super) may_lack: StateSet,
}

pub(super) const TWICE: &str =
    "--from: the same table of sockets is given twice: its sockets count twice";
/// What is said of a table of servers alone beside one that has them, too.
pub(super) const SERVERS: &str = "--from: a table of only sockets that listen (ss -l, netstat -l) has the same as a table \
     with connections: if they are of the same machine, these sockets count twice; give the table of -a alone";
pub(super) const NO_FAMILY: &str =
    "--from: some rows of ss do not tell whether a socket is of IPv4 or of IPv6";
pub(super) const FILTER: &str =
    "--from: the command that made the text has a filter: sockets that it left out are not counted";

const NONE: StateSet = StateSet::of_mask(0);
/// The minisockets, which ss lists with -a alone.
const BUCKET: StateSet = StateSet::TIME_WAIT.with(StateSet::only(TcpState::SYN_RECV));

/// What -l lists.
pub(in crate::source) fn servers(proto: Proto) -> StateSet {
    StateSet::only(match proto {
        Proto::Tcp => TcpState::LISTEN,
        Proto::Udp => TcpState::CLOSE,
    })
}

/// What sockets of a protocol can be in.
pub(super) fn all(proto: Proto) -> StateSet {
    match proto {
        Proto::Tcp => StateSet::ALL,
        Proto::Udp => StateSet::only(TcpState::ESTABLISHED).with(servers(proto)),
    }
}

impl Lacking {
    pub(super) fn left_out(left_out: StateSet) -> Lacking {
        Lacking { left_out, may_lack: NONE }
    }

    /// Those that a text lacks which says no more than its rows do. `is_of_ss`: whether it leaves out minisockets, too.
    pub(super) fn guess(proto: Proto, shown: Shown, is_of_ss: bool) -> Lacking {
        let is_whole = is_of_ss && !shown.states[Proto::Tcp as usize].and(BUCKET).is_empty();
        let may_lack = match shown.kinds() {
            [true, true] => NONE,
            _ if is_whole => NONE,
            [true, false] => all(proto).without(servers(proto)),
            [false, _] if is_of_ss && proto == Proto::Tcp => servers(proto).with(BUCKET),
            [false, _] => servers(proto),
        };
        Lacking { left_out: NONE, may_lack }
    }

    /// Those that a text may lack of which a filter as grep has left no more than rows.
    pub(super) fn filtered(proto: Proto, shown: Shown) -> Lacking {
        Lacking { left_out: NONE, may_lack: all(proto).without(shown.states[proto as usize]) }
    }

    /// Those that two texts together lack. If none of them lists a state that the other does, they are parts of one
    /// answer, as of `netstat -tn` and `netstat -tln`: they lack what both lack. Else they are of two machines, or
    /// their sockets would count twice: what one lacks is missing.
    pub(super) fn with(self, other: Lacking, proto: Proto) -> Lacking {
        let [one, two] = [self, other].map(|lacking| lacking.left_out.with(lacking.may_lack));
        let is_listed_twice = !all(proto).without(one.with(two)).is_empty();
        let (left_out, any) = match is_listed_twice {
            true => (self.left_out.with(other.left_out), one.with(two)),
            false => (self.left_out.and(other.left_out), one.and(two)),
        };
        Lacking { left_out, may_lack: any.without(left_out) }
    }

    /// Keeps those that are among others.
    pub(super) fn and(self, others: StateSet) -> Lacking {
        Lacking { left_out: self.left_out.and(others), may_lack: self.may_lack.and(others) }
    }
}

/// That a command left out states.
pub(super) fn say_left_out(proto: Proto, states: StateSet) -> String {
    let (of, states) = (of(proto), names(states));
    format!(
        "--from: the command that made the text left out sockets {of}in {states}: save it with -a"
    )
}

/// That a text may lack states.
pub(super) fn say_may_lack(proto: Proto, states: StateSet) -> String {
    let rule = match proto {
        Proto::Tcp => {
            "ss leaves out LISTEN, TIME-WAIT and SYN-RECV, and netstat LISTEN; with -l, both leave out all others"
        }
        Proto::Udp => {
            "ss and netstat leave out CLOSE (UNCONN); with -l, both leave out ESTABLISHED"
        }
    };
    let (of, states) = (of(proto), names(states));
    format!(
        "--from: the text has no socket {of}in {states}: without -a, {rule}; of netstat without its header, rows may be gone, \
         too; save it whole, with -a, or name the command of ss with --from-command"
    )
}

fn of(proto: Proto) -> &'static str {
    match proto {
        Proto::Tcp => "",
        Proto::Udp => "of UDP ",
    }
}

fn names(states: StateSet) -> String {
    states.iter().map(TcpState::name).collect::<Vec<_>>().join(", ")
}

/// What the sockets are that a text lists.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::source) struct Shown {
    /// Their states, for each protocol.
    pub(in crate::source) states: [StateSet; 2],
    /// Their families, bit N for family N.
    pub(in crate::source) families: u8,
    /// Whether a row that may be one of UDP was taken for a socket of TCP that is only bound.
    has_closed: bool,
}

impl Shown {
    /// Takes a row in one of the kernel's states.
    #[inline]
    pub(in crate::source) fn see(&mut self, proto: Proto, family: Family, state: u8) {
        self.families |= 1 << family as u8;
        let states = &mut self.states[proto as usize];
        *states = states.with(StateSet::of_mask(1 << (state & 15)));
    }

    /// Takes a row in CLOSE, where the command alone says that it is of TCP.
    #[cold]
    pub(in crate::source) fn see_closed(&mut self) {
        self.has_closed = true;
    }

    /// Whether rows that count as TCP, because the command says so, are such as tables of UDP have.
    pub(in crate::source) fn contradicts(&self, command: &Command) -> bool {
        let is_said = command.protocol.is_some() && !command.is_of_name;
        let others =
            self.states[Proto::Tcp as usize].without(StateSet::only(TcpState::ESTABLISHED));
        is_said && self.has_closed && others.is_empty()
    }

    /// Takes what was seen of other rows.
    pub(in crate::source) fn add(&mut self, other: Shown) {
        for (states, more) in self.states.iter_mut().zip(other.states) {
            *states = states.with(more);
        }
        self.families |= other.families;
        self.has_closed |= other.has_closed;
    }

    /// Whether a text lists other sockets than those of -l, or would; `title`: what netstat says of that.
    pub(super) fn is_of_all(self, title: Option<Which>) -> bool {
        title.map_or(self.kinds()[1], |title| title != Which::OnlyServers)
    }

    /// Whether there are sockets that -l lists, and such that are listed without it: with both it is a text of -a, whatever
    /// their protocol.
    fn kinds(self) -> [bool; 2] {
        let mut kinds = [false; 2];
        for proto in Proto::ALL {
            let (shown, servers) = (self.states[proto as usize], servers(proto));
            // Netstat -l lists a socket of TCP in CLOSE, too.
            let others = shown.without(servers).without(StateSet::only(TcpState::CLOSE));
            kinds[0] |= !shown.and(servers).is_empty();
            kinds[1] |= !others.is_empty();
        }
        kinds
    }
}
