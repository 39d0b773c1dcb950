//! Pairs of interfaces, made and queried by rtnetlink. A pair is like a cable with two ends.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socket_with,
};

use super::World;

/// An empty struct ifinfomsg: interfaces are identified by name.
const NO_INFO: [u8; 16] = [0; 16];

impl World {
    /// Makes a pair of interfaces here; the second one is in `there`, if that is given.
    pub fn veth(&self, name: &str, peer: &str, there: Option<&World>) {
        let mut other = NO_INFO.to_vec();
        attribute(&mut other, libc::IFLA_IFNAME, &named(peer));
        if let Some(there) = there {
            attribute(&mut other, libc::IFLA_NET_NS_FD, &there.netns.as_raw_fd().to_ne_bytes());
        }
        // VETH_INFO_PEER
        let [mut data, mut info, mut link] = [vec![], vec![], NO_INFO.to_vec()];
        attribute(&mut data, 1, &other);
        attribute(&mut info, libc::IFLA_INFO_KIND, b"veth");
        attribute(&mut info, libc::IFLA_INFO_DATA, &data);
        attribute(&mut link, libc::IFLA_IFNAME, &named(name));
        attribute(&mut link, libc::IFLA_LINKINFO, &info);
        let flags = libc::NLM_F_ACK | libc::NLM_F_CREATE | libc::NLM_F_EXCL;
        self.inside(|| ask(libc::RTM_NEWLINK, flags, &link)).expect("a pair of interfaces");
    }

    pub fn delete_interface(&self, name: &str) {
        let mut link = NO_INFO.to_vec();
        attribute(&mut link, libc::IFLA_IFNAME, &named(name));
        self.inside(|| ask(libc::RTM_DELLINK, libc::NLM_F_ACK, &link)).expect("no interface");
    }

    /// How many programs have put an interface into promiscuous mode.
    pub fn promiscuity(&self, name: &str) -> u32 {
        let mut link = NO_INFO.to_vec();
        attribute(&mut link, libc::IFLA_IFNAME, &named(name));
        let answer = self.inside(|| ask(libc::RTM_GETLINK, 0, &link)).expect("an interface");
        // After the headers of netlink and of links.
        let mut rest = &answer[32..];
        while rest.len() >= 4 {
            let [length, kind] =
                [0, 2].map(|at| usize::from(u16::from_ne_bytes([rest[at], rest[at + 1]])));
            if kind == usize::from(libc::IFLA_PROMISCUITY) {
                return u32::from_ne_bytes(rest[4..8].try_into().expect("four bytes"));
            }
            rest = &rest[length.next_multiple_of(4).min(rest.len())..];
        }
        panic!("the kernel does not report the promiscuity of {name}");
    }
}

/// The name with its terminating NUL.
fn named(name: &str) -> Vec<u8> {
    [name.as_bytes(), b"\0"].concat()
}

fn attribute(to: &mut Vec<u8>, kind: u16, value: &[u8]) {
    to.extend((4 + value.len() as u16).to_ne_bytes());
    to.extend(kind.to_ne_bytes());
    to.extend(value);
    to.resize(to.len().next_multiple_of(4), 0);
}

/// Sends one request in the namespace of the calling thread, and returns the kernel's answer.
fn ask(kind: u16, flags: i32, body: &[u8]) -> io::Result<Vec<u8>> {
    // Protocol 0 is rtnetlink.
    let cloexec = SocketFlags::CLOEXEC;
    let socket: OwnedFd = socket_with(AddressFamily::NETLINK, SocketType::RAW, cloexec, None)?;
    let mut request = Vec::new();
    request.extend((16 + body.len() as u32).to_ne_bytes());
    request.extend(kind.to_ne_bytes());
    request.extend(((libc::NLM_F_REQUEST | flags) as u16).to_ne_bytes());
    request.extend([0; 8]);
    request.extend(body);
    send(&socket, &request, SendFlags::empty())?;
    let mut answer = vec![0; 16 << 10];
    let (length, _) = recv(&socket, answer.as_mut_slice(), RecvFlags::empty())?;
    answer.truncate(length);
    let is_error = u16::from_ne_bytes([answer[4], answer[5]]) == libc::NLMSG_ERROR as u16;
    let errno = i32::from_ne_bytes(answer[16..20].try_into().expect("four bytes"));
    if is_error && errno != 0 { Err(io::Error::from_raw_os_error(-errno)) } else { Ok(answer) }
}
