//! A full dump of the TCP sockets by inet_diag: one row per socket, in every state.
//!
//! connbox is compared with it. So it is separate code, as plain as possible, and shares nothing with connbox.

use std::io;
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

use super::State;

/// All states up to NEW_SYN_RECV, but not sockets that are only bound: /proc has no rows for them.
const ALL_STATES: u32 = 0x1ffe;
const SHUTDOWN: u16 = 8;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    pub v6: bool,
    pub state: State,
    /// Which timer runs; 3 marks a minisocket, which the kernel does not count as a socket.
    pub timer: u8,
    /// Whether the answer has an INET_DIAG_SHUTDOWN, which only full sockets have: neither minisockets nor the
    /// requests that make up most of SYN_RECV do.
    pub is_full: bool,
    /// The inode; 0 for a socket without an owner.
    pub inode: u32,
}

/// Opens a netlink socket in the namespace of the calling thread.
pub fn open() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC;
    let protocol = Some(netlink::SOCK_DIAG);
    Ok(socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, protocol)?)
}

pub fn dump(socket: &OwnedFd) -> io::Result<Vec<Row>> {
    let mut rows = Vec::new();
    for family in [libc::AF_INET, libc::AF_INET6] {
        send(socket, &request(family as u8), SendFlags::empty())?;
        let mut buffer = vec![0_u8; 64 << 10];
        loop {
            let (length, _) = recv(socket, buffer.as_mut_slice(), RecvFlags::empty())?;
            if !read_messages(&buffer[..length], &mut rows)? {
                break;
            }
        }
    }
    Ok(rows)
}

/// `SOCK_DIAG_BY_FAMILY` for all TCP sockets of one family: a struct nlmsghdr and a struct inet_diag_req_v2.
fn request(family: u8) -> [u8; 72] {
    const REQUEST_AND_DUMP: u16 = 0x301;
    const BY_FAMILY: u16 = 20;
    let mut request = [0; 72];
    request[..4].copy_from_slice(&72_u32.to_ne_bytes());
    request[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    request[6..8].copy_from_slice(&REQUEST_AND_DUMP.to_ne_bytes());
    request[16] = family;
    request[17] = libc::IPPROTO_TCP as u8;
    request[20..24].copy_from_slice(&ALL_STATES.to_ne_bytes());
    request
}

/// Adds the rows of one datagram; false at the end of the dump.
fn read_messages(mut bytes: &[u8], rows: &mut Vec<Row>) -> io::Result<bool> {
    const ERROR: u16 = 2;
    const DONE: u16 = 3;
    while bytes.len() >= 16 {
        let length = u32_at(bytes, 0) as usize;
        match u16_at(bytes, 4) {
            DONE => return Ok(false),
            ERROR => return Err(io::Error::from_raw_os_error(-(u32_at(bytes, 16) as i32))),
            _ => rows.push(row(&bytes[16..length])),
        }
        bytes = &bytes[length.next_multiple_of(4).min(bytes.len())..];
    }
    Ok(true)
}

/// Reads a struct inet_diag_msg and the attributes that follow it.
fn row(message: &[u8]) -> Row {
    Row {
        v6: i32::from(message[0]) == libc::AF_INET6,
        state: State(message[1]),
        timer: message[2],
        is_full: has_attribute(&message[72..], SHUTDOWN),
        inode: u32_at(message, 68),
    }
}

/// Whether one of the attributes is of the kind `wanted`.
fn has_attribute(mut attributes: &[u8], wanted: u16) -> bool {
    while attributes.len() >= 4 {
        if u16_at(attributes, 2) == wanted {
            return true;
        }
        let length = usize::from(u16_at(attributes, 0)).next_multiple_of(4).max(4);
        attributes = &attributes[length.min(attributes.len())..];
    }
    false
}

/// Reads a 16-bit number in the host's byte order.
fn u16_at(bytes: &[u8], offset: usize) -> u16 {
    u16::from_ne_bytes([bytes[offset], bytes[offset + 1]])
}

/// Reads a 32-bit number in the host's byte order.
fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    u32::from_ne_bytes([bytes[offset], bytes[offset + 1], bytes[offset + 2], bytes[offset + 3]])
}
