//! A world with TCP sockets in every state at once, of every kind, with and without an owner.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, Protocol, RawProtocol, SocketFlags, SocketType, bind, socket_with,
};

use super::line::{Kind, Line, knock};
use super::link::Tun;
use super::{Histogram, Obstacle, State, World, lacking, sys};

/// The kinds, in the order of the numbers below.
const KINDS: [Kind; 3] = [Kind::V4, Kind::V6, Kind::Mapped];

/// How many lines of each kind are brought to which state and kept.
const KEPT: [(State, [u16; 3]); 9] = [
    (State::ESTABLISHED, [3, 2, 1]),
    (State::SYN_SENT, [1, 3, 2]),
    (State::SYN_RECV, [1, 2, 1]),
    (State::FIN_WAIT1, [2, 1, 1]),
    (State::FIN_WAIT2, [1, 1, 2]),
    (State::TIME_WAIT, [4, 1, 2]),
    (State::CLOSE_WAIT, [2, 4, 1]),
    (State::LAST_ACK, [1, 1, 1]),
    (State::CLOSING, [1, 2, 1]),
];

/// The same for lines whose socket is closed in that state. A FIN_WAIT2 without an owner becomes a minisocket;
/// a closed CLOSE_WAIT would become a LAST_ACK.
const ABANDONED: [(State, [u16; 3]); 5] = [
    (State::FIN_WAIT1, [1, 2, 1]),
    (State::FIN_WAIT2, [2, 3, 1]),
    (State::TIME_WAIT, [2, 5, 1]),
    (State::LAST_ACK, [1, 2, 1]),
    (State::CLOSING, [2, 1, 1]),
];

/// How many handshakes of each kind are left unfinished.
const KNOCKS: [u16; 3] = [3, 2, 1];
/// The same with TCP Fast Open, where the handshake creates a full socket in SYN_RECV at once.
const FAST_KNOCKS: [u16; 3] = [2, 1, 1];

/// The ports of the IPv4 listener, and of the IPv6 listener that also accepts IPv4.
const PORTS: [u16; 2] = [8004, 8006];
/// The ports of the listeners that accept TCP Fast Open.
const FAST_PORTS: [u16; 2] = [8104, 8106];

pub fn fill(world: &mut World) -> Result<(), Obstacle> {
    let tun = lacking("TUN devices", Tun::make())?;
    let mut plan = Histogram::default();
    for (table, keep) in [(&KEPT[..], true), (&ABANDONED[..], false)] {
        make_lines(world, &tun, &mut plan, table, keep)?;
    }
    let listeners = listeners(world, &mut plan, PORTS)?;
    make_a_turncoat(world, &mut plan, &listeners[1])?;
    make_pairs(world, &mut plan, &listeners)?;
    make_requests(&tun, &mut plan, KNOCKS, PORTS, b"");
    let fast = self::listeners(world, &mut plan, FAST_PORTS)?;
    allow_fast_open(&fast)?;
    make_requests(&tun, &mut plan, FAST_KNOCKS, FAST_PORTS, b"hi");
    world.sockets.extend(listeners.into_iter().chain(fast).map(OwnedFd::from));
    add_sockets_without_a_row(world)?;
    add_udp_and_raw(world)?;
    (world.tun, world.plan) = (Some(tun), Some(plan));
    Ok(())
}

fn make_lines(
    world: &mut World,
    tun: &Tun,
    plan: &mut Histogram,
    table: &[(State, [u16; 3])],
    keep: bool,
) -> io::Result<()> {
    for &(state, counts) in table {
        for (kind, count) in KINDS.into_iter().zip(counts) {
            for _ in 0..count {
                let port = 20_000 + world.lines.len() as u16;
                let mut line = Line::make(tun, kind, port, state)?;
                if !keep {
                    line.abandon();
                }
                world.lines.push(line);
                plan.add(kind, state, 1);
            }
        }
    }
    Ok(())
}

/// Listens on one port for IPv4, and on the other for both families.
fn listeners(
    world: &mut World,
    plan: &mut Histogram,
    ports: [u16; 2],
) -> io::Result<[TcpListener; 2]> {
    let v4 = TcpListener::bind((Ipv4Addr::UNSPECIFIED, ports[0]))?;
    let v6 = TcpListener::bind((Ipv6Addr::UNSPECIFIED, ports[1]))?;
    // One more that no one connects to, so that the two families differ.
    world.sockets.push(TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?.into());
    plan.add(Kind::V4, State::LISTEN, 1);
    plan.add(Kind::V6, State::LISTEN, 2);
    Ok([v4, v6])
}

/// Makes ordinary connections over lo: one of each kind, and one per family that waits to be accepted and has
/// no owner until then.
fn make_pairs(
    world: &mut World,
    plan: &mut Histogram,
    [v4, v6]: &[TcpListener; 2],
) -> io::Result<()> {
    for (kind, listener) in KINDS.into_iter().zip([v4, v6, v6]) {
        let address = kind.pick(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        let port = listener.local_addr()?.port();
        world.sockets.push(TcpStream::connect(SocketAddr::new(address, port))?.into());
        world.sockets.push(listener.accept()?.0.into());
        plan.add(kind, State::ESTABLISHED, 2);
    }
    for (kind, listener) in [(Kind::V4, v4), (Kind::V6, v6)] {
        world.sockets.push(TcpStream::connect(listener.local_addr()?)?.into());
        plan.add(kind, State::ESTABLISHED, 2);
    }
    Ok(())
}

/// Makes a connection of AF_INET6 sockets and then turns its client into an AF_INET socket, as some programs
/// do.
fn make_a_turncoat(world: &mut World, plan: &mut Histogram, v6: &TcpListener) -> io::Result<()> {
    let address = Kind::Mapped.pick(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    let client = TcpStream::connect(SocketAddr::new(address, v6.local_addr()?.port()))?.into();
    sys::set_option(&client, libc::IPPROTO_IPV6, libc::IPV6_ADDRFORM, libc::AF_INET)?;
    world.sockets.extend([client, v6.accept()?.0.into()]);
    plan.add(Kind::V4, State::ESTABLISHED, 1);
    plan.add(Kind::Mapped, State::ESTABLISHED, 1);
    Ok(())
}

/// Lets the peer send SYNs that it never completes.
fn make_requests(
    tun: &Tun,
    plan: &mut Histogram,
    counts: [u16; 3],
    ports: [u16; 2],
    payload: &[u8],
) {
    let mut from = 40_000;
    for (kind, count) in KINDS.into_iter().zip(counts) {
        let to = if kind == Kind::V4 { ports[0] } else { ports[1] };
        for _ in 0..count {
            knock(tun, kind, from, to, payload);
            from += 1;
        }
        plan.add(kind, State::SYN_RECV, count);
    }
}

/// Lets the listeners accept data in a SYN from any client.
fn allow_fast_open(listeners: &[TcpListener; 2]) -> io::Result<()> {
    // Client 1, server 2, and 0x200: clients without a cookie are accepted, too.
    fs::write("/proc/sys/net/ipv4/tcp_fastopen", "515")?;
    for listener in listeners {
        let socket = OwnedFd::from(listener.try_clone()?);
        sys::set_option(&socket, libc::IPPROTO_TCP, libc::TCP_FASTOPEN, 16)?;
    }
    Ok(())
}

/// Adds TCP sockets that are in no table of connections: one never bound, and one bound but idle.
fn add_sockets_without_a_row(world: &mut World) -> io::Result<()> {
    for kind in [Kind::V4, Kind::V6] {
        let make = || socket_with(kind.family(), SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let (never_bound, bound) = (make()?, make()?);
        let address = kind.pick(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        bind(&bound, &SocketAddr::new(address, 9000))?;
        world.sockets.extend([never_bound, bound]);
    }
    Ok(())
}

/// Adds UDP sockets, one of them connected, and a raw socket of a protocol that no one uses.
fn add_udp_and_raw(world: &mut World) -> Result<(), Obstacle> {
    let connected = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    connected.connect((Ipv4Addr::LOCALHOST, 9))?;
    let v4 = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let v6 = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0))?;
    world.sockets.extend([connected, v4, v6].map(OwnedFd::from));
    for family in [AddressFamily::INET, AddressFamily::INET6, AddressFamily::INET6] {
        let experimental = Protocol::from_raw(RawProtocol::new(253).expect("not zero"));
        let flags = SocketFlags::CLOEXEC;
        let made = socket_with(family, SocketType::RAW, flags, Some(experimental));
        world.sockets.push(lacking("raw sockets", made.map_err(io::Error::from))?);
    }
    Ok(())
}
