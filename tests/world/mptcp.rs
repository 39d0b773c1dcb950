//! A world with MPTCP connections, whose subflows are TCP sockets, and plain TCP connections.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::net::{
    Shutdown, SocketFlags, SocketType, bind, connect, ipproto, listen, shutdown, socket_with,
};

use super::line::{Kind, knock};
use super::link::Tun;
use super::{Obstacle, State, World, diag, lacking, wait_until};

pub fn fill(world: &mut World) -> Result<(), Obstacle> {
    lacking("MPTCP", mptcp_socket(Kind::V4, SocketFlags::empty()))?;
    let tun = lacking("TUN devices", Tun::make())?;
    let v4 = listener(Kind::V4, 8004)?;
    let v6 = listener(Kind::V6, 8006)?;
    for (kind, listener) in [(Kind::V4, &v4), (Kind::V6, &v6), (Kind::Mapped, &v6)] {
        make_connections(world, kind, listener)?;
        world.sockets.push(call(kind)?);
        knock(&tun, kind, 40_000, listener.local_addr()?.port(), b"");
    }
    world.sockets.extend([v4, v6].map(OwnedFd::from));
    world.tun = Some(tun);
    Ok(await_the_closed(world)?)
}

fn mptcp_socket(kind: Kind, flags: SocketFlags) -> io::Result<OwnedFd> {
    let flags = flags | SocketFlags::CLOEXEC;
    Ok(socket_with(kind.family(), SocketType::STREAM, flags, Some(ipproto::MPTCP))?)
}

/// An MPTCP listener, which also accepts plain TCP.
fn listener(kind: Kind, port: u16) -> io::Result<TcpListener> {
    let socket = mptcp_socket(kind, SocketFlags::empty())?;
    let any = kind.pick(Ipv4Addr::UNSPECIFIED, Ipv6Addr::UNSPECIFIED);
    bind(&socket, &SocketAddr::new(any, port))?;
    listen(&socket, 16)?;
    Ok(socket.into())
}

/// Makes connections of one kind: a plain one, and these MPTCP ones: one that is kept, one half closed by its
/// client, one closed by its client, one closed by both, and one that waits to be accepted; and a socket that
/// is only bound to a port.
fn make_connections(world: &mut World, kind: Kind, listener: &TcpListener) -> io::Result<()> {
    let loopback = kind.pick(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
    let address = SocketAddr::new(loopback, listener.local_addr()?.port());
    let connect_and_accept = || Ok((connection(kind, address)?, listener.accept()?.0.into()));
    let kept: io::Result<Vec<(OwnedFd, OwnedFd)>> = (0..3).map(|_| connect_and_accept()).collect();
    let [(kept, accepted), (half, half_accepted), (_, deserted)] =
        kept?.try_into().expect("three connections");
    shutdown(&half, Shutdown::Write)?;
    drop(connect_and_accept()?);
    let plain = TcpStream::connect(address)?.into();
    let waiting = connection(kind, address)?;
    let bound = mptcp_socket(kind, SocketFlags::empty())?;
    bind(&bound, &SocketAddr::new(loopback, 0))?;
    world.sockets.extend([kept, accepted, half, half_accepted, deserted, plain, waiting, bound]);
    Ok(())
}

/// A connected MPTCP client.
fn connection(kind: Kind, address: SocketAddr) -> io::Result<OwnedFd> {
    let socket = mptcp_socket(kind, SocketFlags::empty())?;
    connect(&socket, &address)?;
    Ok(socket)
}

/// An MPTCP client whose peer does not answer.
fn call(kind: Kind) -> io::Result<OwnedFd> {
    let socket = mptcp_socket(kind, SocketFlags::NONBLOCK)?;
    match connect(&socket, &kind.peer()) {
        Err(Errno::INPROGRESS) => Ok(socket),
        other => Err(other.err().unwrap_or(Errno::ISCONN).into()),
    }
}

/// Waits for the states of the connections that both ends have closed: the kernel closes their subflows with a
/// delay.
fn await_the_closed(world: &World) -> io::Result<()> {
    wait_until("the closed MPTCP connections in TIME_WAIT", || {
        let rows = diag::dump(&world.diag)?;
        let count =
            |state, v6| rows.iter().filter(|row| (row.state, row.v6) == (state, v6)).count();
        let is_closed = [false, true].into_iter().all(|v6| count(State::TIME_WAIT, v6) > 0);
        Ok(is_closed && count(State::SYN_RECV, false) + count(State::SYN_RECV, true) == 3)
    })
}
