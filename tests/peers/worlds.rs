//! What the tools look at.

use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, Protocol, RawProtocol, SocketFlags, SocketType, bind, socket_with,
};

use crate::support::lacks;
use crate::world::{Script, World};

const HOLDERS: &str = include_str!("holders.py");
const COUNTERS: &str = include_str!("counters.py");
const FLOWS: &str = include_str!("flows.py");
const ENDED: &str = include_str!("ended.py");

/// A world, and what keeps it as it is. The sockets end before the world.
pub struct Scene {
    _script: Option<Script>,
    _sockets: Vec<OwnedFd>,
    pub world: World,
    /// The process IDs of the holders, the lowest first.
    pub pids: String,
}

/// TCP sockets in every state, and UDP sockets: two of IPv4 and three of IPv6, one of the first and two of the others connected,
/// one of these to a v4-mapped address.
pub fn sockets(test: &str) -> Option<Scene> {
    let world = World::all_states(test)?;
    let more = world.inside(|| {
        let here = Ipv6Addr::LOCALHOST;
        let mapped = Ipv4Addr::LOCALHOST.to_ipv6_mapped();
        let connected = [here, mapped].map(|address| {
            let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0)).unwrap();
            socket.connect((address, 9)).unwrap();
            OwnedFd::from(socket)
        });
        let lite = Protocol::from_raw(RawProtocol::new(136).unwrap());
        let lite =
            socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, Some(lite));
        let lite = lite.unwrap();
        bind(&lite, &std::net::SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).unwrap();
        connected.into_iter().chain([lite]).collect()
    });
    Some(Scene { _script: None, _sockets: more, world, pids: String::new() })
}

/// A quiet world in which a Python program has done its work. The line that it prints is kept.
fn with(test: &str, program: &str) -> Option<Scene> {
    let world = World::quiet(test)?;
    let mut script = world.script(program);
    let pids = script.go();
    if let Some(why) = pids.strip_prefix("lacks ") {
        lacks(test, "connection tracking", why);
        return None;
    }
    assert!(pids.starts_with("ready"), "{test}: {pids}");
    Some(Scene {
        _script: Some(script),
        _sockets: Vec::new(),
        world,
        pids: pids[5..].trim().to_owned(),
    })
}

/// A listener that three processes hold, one of them twice, and a few sockets more: see `holders.py`.
pub fn holders(test: &str) -> Option<Scene> {
    with(test, HOLDERS)
}

/// A world whose counters have moved: see `counters.py`.
pub fn counters(test: &str) -> Option<Scene> {
    with(test, COUNTERS)
}

/// Thirteen flows in the connection tracker: see `flows.py`.
pub fn flows(test: &str) -> Option<Scene> {
    with(test, FLOWS)
}

/// Connections that have ended, each in another way: see `ended.py`.
pub fn ended(test: &str) -> Option<Scene> {
    with(test, ENDED)
}
