//! A world with a given number of plain sockets; tests tell it from other worlds by these numbers.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, socket_with};

use super::{Obstacle, World, sys};

#[derive(Clone, Copy, Default)]
pub struct Sockets {
    /// Listening TCP sockets for IPv4.
    pub listen: usize,
    /// Listening TCP sockets for IPv6 only.
    pub listen6: usize,
    /// TCP sockets in no table, alternately of either family.
    pub unbound: usize,
    /// Bound UDP sockets for IPv4.
    pub udp: usize,
    /// Connection attempts that were refused: they increase a counter and leave no socket.
    pub refused: usize,
}

impl World {
    /// A world with these sockets. None if `test` is skipped.
    pub fn plain(test: &str, sockets: Sockets) -> Option<Self> {
        Self::make(test, move |world| {
            world.sockets = make(sockets)?;
            Ok::<(), Obstacle>(())
        })
    }

    /// This many listening TCP sockets and UDP sockets for IPv4; all sockets of a protocol share one port.
    pub fn alike(&self, listen: usize, udp: usize) -> Vec<OwnedFd> {
        let make = |kind, port| -> io::Result<OwnedFd> {
            let socket = socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, None)?;
            sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
            bind(&socket, &SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port))?;
            if kind == SocketType::STREAM {
                rustix::net::listen(&socket, 16)?;
            }
            Ok(socket)
        };
        self.inside(|| {
            let tcp = (0..listen).map(|_| make(SocketType::STREAM, 7001));
            tcp.chain((0..udp).map(|_| make(SocketType::DGRAM, 7002))).collect::<io::Result<_>>()
        })
        .expect("sockets that share a port")
    }

    /// More sockets in the namespace, until they are dropped. Unlike worlds, they may be made while the machine
    /// is held.
    pub fn more(&self, sockets: Sockets) -> Vec<OwnedFd> {
        self.inside(|| make(sockets)).expect("make sockets")
    }
}

fn make(sockets: Sockets) -> io::Result<Vec<OwnedFd>> {
    let mut made: Vec<OwnedFd> = Vec::new();
    for _ in 0..sockets.listen {
        made.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.into());
    }
    for _ in 0..sockets.listen6 {
        made.push(TcpListener::bind((Ipv6Addr::LOCALHOST, 0))?.into());
    }
    for number in 0..sockets.unbound {
        let family = [AddressFamily::INET, AddressFamily::INET6][number % 2];
        made.push(socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?);
    }
    for _ in 0..sockets.udp {
        made.push(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?.into());
    }
    for _ in 0..sockets.refused {
        let refused = TcpStream::connect((Ipv4Addr::LOCALHOST, 1));
        assert!(refused.is_err(), "something listens on port 1");
    }
    Ok(made)
}
