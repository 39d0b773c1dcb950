//! `conncount --by`: sockets in groups, by keys.

use crate::model::{Family, Proto, Socket, TcpState};
use crate::out::{Column, Value};
use crate::select::cells::{
    self, THERE, address, byte, push_address, push_number, push_text, take, text, word,
};
use crate::select::facts::{DIRECTIONS, Facts, Needs};

/// What sockets may have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    State,
    Proto,
    Family,
    /// The local address, or the network of so many bits, for IPv4 and IPv6.
    Laddr(Option<[u8; 2]>),
    /// The remote address, likewise.
    Raddr(Option<[u8; 2]>),
    Lport,
    Rport,
    Direction,
    Service,
    Uid,
    User,
    Pid,
    Process,
    Cgroup,
    Iface,
    Netns,
}

/// The keys by name, each with its column.
const KEYS: [(&str, Key, Column); 16] = [
    ("state", Key::State, Column::label("state", "the state")),
    ("proto", Key::Proto, Column::label("proto", "tcp or udp")),
    ("family", Key::Family, Column::label("family", "inet, inet6 or inet6-mapped")),
    ("laddr", Key::Laddr(None), Column::label("laddr", "the local address or network")),
    ("raddr", Key::Raddr(None), Column::label("raddr", "the remote address or network")),
    ("lport", Key::Lport, Column::label("lport", "the local port")),
    ("rport", Key::Rport, Column::label("rport", "the remote port")),
    (
        "direction",
        Key::Direction,
        Column::label("direction", "listen; in if something listens on the local port; else out"),
    ),
    (
        "service",
        Key::Service,
        Column::label(
            "service",
            "the name or number of the port that serves: for out the remote one",
        ),
    ),
    // The shells own UID and USER.
    ("uid", Key::Uid, Column::label("owner_uid", "who made the socket, by number")),
    ("user", Key::User, Column::label("owner", "who made the socket, by name")),
    (
        "pid",
        Key::Pid,
        Column::label("pid", "the process that holds the socket: the lowest of several"),
    ),
    ("process", Key::Process, Column::label("process", "the name of that process")),
    (
        "cgroup",
        Key::Cgroup,
        Column::label("cgroup", "the control group in which the socket was made"),
    ),
    ("iface", Key::Iface, Column::label("iface", "the interface that the socket is bound to")),
    (
        "netns",
        Key::Netns,
        Column::label("netns", "the network namespace: its name, else its inode"),
    ),
];

/// The names of the keys, for completions and errors.
pub const NAMES: [&str; 16] = cells::names(&KEYS);

/// The columns of all keys.
pub const COLUMNS: [Column; 16] = {
    let mut columns = [KEYS[0].2; 16];
    let mut place = 0;
    while place < columns.len() {
        columns[place] = KEYS[place].2;
        place += 1;
    }
    columns
};

impl Key {
    /// Reads `state`, `raddr/24` or `raddr/24/64`.
    ///
    /// # Errors
    /// The reason why the word is no key.
    pub fn parse(word: &str) -> Result<Key, String> {
        let measured = |key, lengths| match key {
            Key::Laddr(_) => Some(Key::Laddr(lengths)),
            Key::Raddr(_) => Some(Key::Raddr(lengths)),
            _ => None,
        };
        cells::parse(&KEYS, word, measured, "laddr and raddr")
    }

    /// Its column.
    #[must_use]
    pub fn column(self) -> Column {
        KEYS[cells::place_of(&KEYS, &self)].2
    }

    /// Notes what must be known for this key.
    pub fn note_needs(self, needs: &mut Needs) {
        match self {
            Key::Direction => needs.listeners = true,
            Key::Service => (needs.listeners, needs.services) = (true, true),
            Key::User => needs.users = true,
            Key::Pid | Key::Process => needs.holders = true,
            Key::Cgroup => needs.cgroups = true,
            _ => {}
        }
    }

    /// Appends what `socket` has for this key: bytes in whose order the groups stand, and from
    /// which [`Key::value`] reads them. The first byte is 0 where there is nothing.
    #[inline]
    pub fn push(self, buffer: &mut Vec<u8>, socket: &Socket, facts: &Facts<'_>, netns: &[u8]) {
        match self {
            Key::State => buffer.extend_from_slice(&[THERE, socket.state]),
            Key::Proto => buffer.extend_from_slice(&[THERE, socket.proto as u8]),
            Key::Family => buffer.extend_from_slice(&[THERE, family(socket)]),
            Key::Laddr(lengths) => push_address(buffer, socket.local.canonical(), lengths),
            Key::Raddr(lengths) => push_address(buffer, socket.remote.canonical(), lengths),
            Key::Lport => push_number(buffer, Some(socket.local.port.into())),
            Key::Rport => push_number(buffer, Some(socket.remote.port.into())),
            Key::Direction => push_text(buffer, Some(facts.direction(socket).as_bytes())),
            Key::Service => match facts.service(socket) {
                (_, Some(name)) => push_text(buffer, Some(name)),
                (port, None) => push_text(buffer, Some(port.to_string().as_bytes())),
            },
            Key::Uid => push_number(buffer, socket.owner_uid()),
            Key::User => match socket.owner_uid() {
                Some(uid) => match facts.user(uid) {
                    Some(name) => push_text(buffer, Some(name)),
                    None => push_text(buffer, Some(uid.to_string().as_bytes())),
                },
                None => push_text(buffer, None),
            },
            Key::Pid => push_number(buffer, facts.process(socket).map(|process| process.pid)),
            Key::Process => {
                push_text(buffer, facts.process(socket).map(|process| process.name.as_slice()));
            }
            Key::Cgroup => facts.with_cgroup(socket, |path| push_text(buffer, path)),
            Key::Iface => facts.with_interface(socket.interface, |name| push_text(buffer, name)),
            Key::Netns => push_text(buffer, Some(netns)),
        }
    }

    /// Reads what [`Key::push`] appended; `rest` is left behind it.
    pub fn value<'a>(self, rest: &mut &'a [u8]) -> Value<'a> {
        if take(rest, 1) != [THERE] {
            return Value::Absent;
        }
        match self {
            Key::State => state(byte(rest)),
            Key::Proto => word(&Proto::ALL.map(Proto::name), byte(rest)),
            Key::Family => word(&FAMILIES, byte(rest)),
            Key::Laddr(lengths) | Key::Raddr(lengths) => address(rest, lengths),
            Key::Lport | Key::Rport | Key::Uid | Key::Pid => {
                let bytes = take(rest, 4).first_chunk().copied().unwrap_or_default();
                Value::Int(u32::from_be_bytes(bytes).into())
            }
            Key::Direction => {
                let text = text(rest);
                let known = DIRECTIONS.into_iter().find(|word| word.as_bytes() == text);
                known.map_or(Value::Absent, Value::Word)
            }
            Key::Service | Key::User | Key::Process | Key::Cgroup | Key::Iface | Key::Netns => {
                Value::Text(text(rest))
            }
        }
    }
}

const FAMILIES: [&str; 3] = ["inet", "inet6", "inet6-mapped"];

fn family(socket: &Socket) -> u8 {
    match socket.family {
        Family::Inet => 0,
        Family::Inet6 if !socket.is_mapped() => 1,
        Family::Inet6 => 2,
    }
}

/// A state's name; a state that is not known is its number.
fn state(number: u8) -> Value<'static> {
    let known = TcpState::from_number(number);
    known.map_or(Value::Int(number.into()), |state| Value::Word(state.name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written() {
        assert_eq!(Key::parse("raddr/24/64"), Ok(Key::Raddr(Some([24, 64]))));
        assert_eq!(Key::parse("laddr/8"), Ok(Key::Laddr(Some([8, 128]))));
        for (name, key, column) in KEYS {
            assert_eq!((Key::parse(name), key.column()), (Ok(key), column));
        }
        for wrong in ["", "stat", "raddr/", "raddr/33", "raddr/24/129", "state/8", "raddr/24/64/1"]
        {
            assert!(Key::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_order_of_keys_is_that_of_what_they_mean() {
        let number = |number| {
            let mut buffer = Vec::new();
            push_number(&mut buffer, number);
            buffer
        };
        assert!(number(None) < number(Some(2)) && number(Some(2)) < number(Some(10)));
        let text = |text: &[u8]| {
            let mut buffer = Vec::new();
            push_text(&mut buffer, Some(text));
            push_text(&mut buffer, None);
            buffer
        };
        assert!(text(b"a") < text(b"ab") && text(b"ab") < text(b"b"));
        let mut rest = &text(b"ab")[..];
        assert_eq!(Key::Process.value(&mut rest), Value::Text(b"ab"));
        assert_eq!(Key::Process.value(&mut rest), Value::Absent);
        assert_eq!(rest, b"");
    }
}
