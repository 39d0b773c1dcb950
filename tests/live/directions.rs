//! `--by direction,service` and tcptrack: who opened a connection, by the sockets that listen.

use std::collections::BTreeMap;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, listen, socket_with};

use crate::support::lacks;
use crate::world::{Rights, World, sys};

/// Whether the socket is bound to the interface lo, or is for IPv6 alone.
#[derive(Clone, Copy, Default)]
struct Only {
    lo: bool,
    v6: bool,
}

const ANY: Only = Only { lo: false, v6: false };

fn bound(to: &str, only: Only) -> io::Result<OwnedFd> {
    let to: SocketAddr = to.parse().unwrap();
    let family = if to.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    if only.lo {
        sys::set_option(&socket, libc::SOL_SOCKET, libc::SO_BINDTODEVICE, *b"lo\0")?;
    }
    if only.v6 {
        sys::set_option(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, 1)?;
    }
    bind(&socket, &to)?;
    Ok(socket)
}

fn listening(at: &str, only: Only) -> io::Result<OwnedFd> {
    let socket = bound(at, only)?;
    listen(&socket, 16)?;
    Ok(socket)
}

/// A connection, of which the server's end is taken from the listener's queue.
fn connection(from: &str, only: Only, to: &str, server: &OwnedFd) -> io::Result<[OwnedFd; 2]> {
    let client = bound(from, only)?;
    connect(&client, &to.parse::<SocketAddr>().unwrap())?;
    Ok([client, TcpListener::from(server.as_fd().try_clone_to_owned()?).accept()?.0.into()])
}

/// The sockets, and what must be said of each connected one: its end, and its direction and service.
type Made = (Vec<OwnedFd>, BTreeMap<&'static str, &'static str>);

fn make() -> io::Result<Made> {
    let mut kept = vec![
        listening("127.0.0.1:40000", ANY)?,
        listening("[::1]:41000", ANY)?,
        listening("[::]:43000", Only { v6: true, ..ANY })?,
        listening("0.0.0.0:44000", Only { lo: true, ..ANY })?,
    ];
    let server = listening("127.0.0.2:5432", ANY)?;
    let both = listening("[::]:50000", ANY)?;
    let v6 = listening("[::]:50001", Only { v6: true, ..ANY })?;
    let gone = listening("127.0.0.2:8080", ANY)?;
    for (from, only, to, server) in [
        ("127.0.0.3:40000", ANY, "127.0.0.2:5432", &server),
        ("127.0.0.3:41000", ANY, "127.0.0.2:5432", &server),
        ("127.0.0.3:42000", ANY, "127.0.0.2:5432", &server),
        ("[::ffff:127.0.0.3]:43000", ANY, "[::ffff:127.0.0.2]:5432", &server),
        ("127.0.0.1:44001", Only { lo: true, ..ANY }, "127.0.0.1:50000", &both),
        ("[::1]:44002", ANY, "[::1]:50000", &both),
        ("[::ffff:127.0.0.1]:44003", ANY, "[::ffff:127.0.0.1]:50000", &both),
        ("[::1]:44004", ANY, "[::1]:50001", &v6),
        ("127.0.0.3:45000", ANY, "127.0.0.2:8080", &gone),
    ] {
        kept.extend(connection(from, only, to, server)?);
    }
    // The connections of this one outlive it.
    drop(gone);
    kept.extend([server, both, v6]);
    let wanted = BTreeMap::from([
        ("127.0.0.3 40000", "out postgresql"),
        ("127.0.0.3 41000", "out postgresql"),
        ("127.0.0.3 42000", "out postgresql"),
        ("127.0.0.3 43000", "out postgresql"),
        ("127.0.0.2 5432", "in postgresql"),
        ("127.0.0.1 44001", "out 50000"),
        ("::1 44002", "out 50000"),
        ("127.0.0.1 44003", "out 50000"),
        ("127.0.0.1 50000", "in 50000"),
        ("::1 50000", "in 50000"),
        ("::1 44004", "out 50001"),
        ("::1 50001", "in 50001"),
        ("127.0.0.3 45000", "out http-alt"),
        ("127.0.0.2 8080", "in http-alt"),
    ]);
    Ok((kept, wanted))
}

#[test]
fn a_socket_is_of_a_listener_that_could_have_accepted_it() {
    let test = "a_socket_is_of_a_listener_that_could_have_accepted_it";
    let Some(world) = World::quiet(test) else { return };
    let (_kept, wanted) = match world.inside(make) {
        Ok(made) => made,
        Err(error) => return lacks(test, "IPv6", &error.to_string()),
    };
    // A bare machine has no names of services.
    let services = std::fs::read_to_string("/etc/services").unwrap_or_default();
    let named = |way: &str| match services.contains("http-alt") {
        true => way.to_owned(),
        false => way.replace("postgresql", "5432").replace("http-alt", "8080"),
    };
    let wanted: BTreeMap<String, String> =
        wanted.into_iter().map(|(end, way)| (end.to_string(), named(way))).collect();
    let words = ["conncount", "--state", "established", "--by", "laddr,lport,direction,service"];
    let rights = [Some(Rights::Root), Rights::without_netlink(test, libc::EPERM)];
    for rights in rights.into_iter().flatten() {
        let rows = world.connbox_as(rights, &words).clean();
        let said: BTreeMap<String, String> = rows
            .lines()
            .map(|row| row.split('\t').collect::<Vec<_>>())
            .map(|row| (format!("{} {}", row[0], row[1]), format!("{} {}", row[2], row[3])))
            .collect();
        assert_eq!(said, wanted);
    }
    // tcptrack has the same rule: each end that is out is a client there, and no other.
    let rows = world.connbox(&["tcptrack", "--once", "--rate-interval", "0.05"]).clean();
    let mut clients: Vec<String> =
        rows.lines().map(|row| row.split('\t').take(2).collect::<Vec<_>>().join(" ")).collect();
    clients.sort();
    let out = wanted.iter().filter(|(_, way)| way.starts_with("out")).map(|(end, _)| end.as_str());
    assert_eq!(clients, out.collect::<Vec<_>>());
}
