//! The keys by which sockets are grouped.

use super::facts::Facts;
use super::keys::Shape::{Host, Long, Number, Text, Word};
use super::keys::{self, Counted, Key, columns, names, position, push_text, word};
use super::listeners::DIRECTIONS;
use crate::model::Needs;
use crate::model::{Family, Proto, Socket, TcpState};
use crate::out::{Column, Value};
use crate::source::processes::pods::Which;

#[derive(Debug, Default)]
pub(crate) struct Sockets;

impl Counted for Sockets {
    type One<'a> = (&'a Socket, &'a Facts<'a>);
    const KEYS: &'static [Key<Sockets>] = &KEYS;
    const NAMES: &'static [&'static str] = &names(&KEYS);
    const NUMBERS: &'static [Column] = &NUMBERS;
    const SUMS: &'static [&'static str] = &["recv_queue", "send_queue"];
}

pub(crate) const NUMBERS: [Column; 3] = [
    Column::gauge("count", "conncount_matching_sockets", "sockets that pass the filters"),
    Column::gauge(
        "recv_queue_bytes",
        "conncount_recv_queue_bytes",
        "bytes waiting to be read, not counting listening sockets",
    ),
    Column::gauge(
        "send_queue_bytes",
        "conncount_send_queue_bytes",
        "bytes waiting to be sent or acknowledged, not counting listening sockets",
    ),
];

/// The columns of pods and containers.
pub(crate) const POD: Column =
    Column::label("pod", "the Kubernetes pod: NAMESPACE/NAME, else its UID");
pub(crate) const CONTAINER: Column =
    Column::label("container", "the container: its name in the pod, else its ID");

/// The columns of all keys.
pub(crate) const COLUMNS: [Column; KEYS.len()] = columns(&KEYS);

const KEYS: [Key<Sockets>; 19] = [
    Key::new(
        "state",
        Column::label("state", "the state"),
        Word(|(socket, _)| Some(socket.state.into()), state),
    ),
    Key::new(
        "proto",
        Column::label("proto", "tcp or udp"),
        Word(
            |(socket, _)| Some(socket.proto as u16),
            |place| word(&Proto::ALL.map(Proto::name), place),
        ),
    ),
    Key::<Sockets>::needing(
        Needs::FAMILIES,
        "family",
        Column::label("family", "inet, inet6 or inet6-mapped"),
        Word(|(socket, _)| Some(family(socket)), |place| word(&FAMILIES, place)),
    ),
    Key::<Sockets>::needing(
        Needs::ENDS,
        "laddr",
        Column::label("laddr", "the local address or network"),
        Host(
            |(socket, _)| socket.local.canonical(),
            |to, (socket, facts)| facts.push_host(to, socket.names[0]),
        ),
    )
    .also(keys::LOCAL),
    Key::<Sockets>::needing(
        Needs::ENDS.with(Needs::PEERS),
        "raddr",
        Column::label("raddr", "the remote address or network"),
        Host(
            |(socket, _)| socket.remote.canonical(),
            |to, (socket, facts)| facts.push_host(to, socket.names[1]),
        ),
    )
    .also(keys::REMOTE),
    Key::<Sockets>::needing(
        Needs::PORTS,
        "lport",
        Column::label("lport", "the local port"),
        Number(|(socket, _)| Some(socket.local.port.into())),
    )
    .also(keys::LOCAL_PORT),
    Key::<Sockets>::needing(
        Needs::PORTS.with(Needs::PEERS),
        "rport",
        Column::label("rport", "the remote port"),
        Number(|(socket, _)| Some(socket.remote.port.into())),
    )
    .also(keys::REMOTE_PORT),
    Key::needing(
        Needs::LISTENERS,
        "direction",
        Column::label("direction", "listen; in if the other end opened the connection; else out"),
        Word(
            |(socket, facts)| position(&DIRECTIONS, facts.direction(socket)),
            |place| word(&DIRECTIONS, place),
        ),
    ),
    Key::needing(
        Needs::SERVICES,
        "service",
        Column::label(
            "service",
            "the name or number of the server's port: for out the remote port, else the local one",
        ),
        Text(|to, (socket, facts)| {
            let (port, name) = facts.service(socket);
            named_or_number(to, name, port.into());
        }),
    ),
    // Shells reserve the variables UID and USER.
    Key::needing(
        Needs::OWNERS,
        "uid",
        Column::label("owner_uid", "the user ID of whoever created the socket"),
        Number(|(socket, _)| socket.owner_uid()),
    ),
    Key::needing(
        Needs::USERS,
        "user",
        Column::label("owner", "the name of the user who created the socket"),
        Text(|to, (socket, facts)| match socket.owner_uid() {
            Some(uid) => named_or_number(to, facts.user(uid), uid),
            None => push_text(to, None),
        }),
    ),
    Key::needing(
        Needs::HOLDERS,
        "pid",
        Column::label(
            "pid",
            "the process that holds the socket; of several, the one with the lowest PID",
        ),
        Number(|(socket, facts)| facts.process(socket).map(|process| process.pid)),
    ),
    Key::<Sockets>::needing(
        Needs::HOLDERS,
        "process",
        Column::label("process", "the name of that process"),
        Text(|to, (socket, facts)| {
            push_text(to, facts.process(socket).as_ref().map(|process| process.name.as_slice()));
        }),
    )
    .also(keys::PROCESS),
    Key::needing(
        Needs::CGROUPS,
        "cgroup",
        Column::label("cgroup", "the control group in which the socket was created"),
        Text(|to, (socket, facts)| facts.with_cgroup(socket, |path| push_text(to, path))),
    ),
    Key::needing(
        Needs::INTERFACES,
        "iface",
        Column::label("iface", "the interface that the socket is bound to"),
        Text(|to, (socket, facts)| {
            facts.with_interface(socket.interface, |name| push_text(to, name));
        }),
    ),
    Key::new(
        "netns",
        Column::label("netns", "the network namespace: host, its name, else its inode"),
        Text(|to, (_, facts)| push_text(to, Some(&facts.netns))),
    ),
    Key::needing(
        Needs::PODS,
        "pod",
        POD,
        Text(|to, (socket, facts)| facts.push_pod(to, socket, Which::Pod)),
    ),
    Key::needing(
        Needs::PODS,
        "container",
        CONTAINER,
        Text(|to, (socket, facts)| facts.push_pod(to, socket, Which::Container)),
    ),
    Key::needing(
        Needs::INODES,
        "inode",
        Column::label("inode", "the socket's inode number, as in the links of /proc/PID/fd"),
        Long(|(socket, _)| (socket.inode != 0).then_some(socket.inode)),
    ),
];

/// Appends a name, or the number if there is no name.
pub(crate) fn named_or_number(to: &mut Vec<u8>, name: Option<&[u8]>, number: u32) {
    match name {
        Some(name) => push_text(to, Some(name)),
        None => push_text(to, Some(number.to_string().as_bytes())),
    }
}

const FAMILIES: [&str; 3] = ["inet", "inet6", "inet6-mapped"];

fn family(socket: &Socket) -> u16 {
    match socket.family {
        Family::Inet => 0,
        Family::Inet6 if !socket.is_mapped() => 1,
        Family::Inet6 => 2,
    }
}

/// A state's name, or the number of an unknown state.
fn state(number: u16) -> Value<'static> {
    let known = u8::try_from(number).ok().and_then(TcpState::of_socket);
    known.map_or(Value::Int(number.into()), |state| Value::Word(state.name()))
}
