//! Flows made by netlink, and messages about flows that no kernel sent.

use std::io;

use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, netlink, recv, send, socket_with,
};

/// Message types of ctnetlink, with its number in the upper byte.
const NEW: u16 = 1 << 8;
const REQUEST_CREATE_ACK: u16 = 0x1 | 0x4 | 0x400;
const ERROR: u16 = 2;

/// A netlink message without an acknowledgement's fields: header and payload.
pub fn message(kind: u16, flags: u16, sequence: u32, port: u32, payload: &[u8]) -> Vec<u8> {
    let length = 16 + payload.len() as u32;
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    message.extend(port.to_ne_bytes());
    message.extend(payload);
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = (4 + value.len() as u16).to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

fn nest(kind: u16, parts: &[Vec<u8>]) -> Vec<u8> {
    attribute(0x8000 | kind, &parts.concat())
}

/// One direction of a UDP flow.
fn tuple(kind: u16, ends: [[u8; 4]; 2], ports: [u16; 2]) -> Vec<u8> {
    let addresses = [attribute(1, &ends[0]), attribute(2, &ends[1])];
    let [source, destination] = ports.map(u16::to_be_bytes);
    let numbers = [attribute(1, &[17]), attribute(2, &source), attribute(3, &destination)];
    nest(kind, &[nest(1, &addresses), nest(2, &numbers)])
}

/// The payload of a message about the flow from `source`, a port of which tells the flows apart.
pub fn flow(source: [u8; 4], port: u16) -> Vec<u8> {
    let other = [192, 0, 2, 1];
    let mut payload = vec![2, 0, 0, 0];
    payload.extend(tuple(1, [source, other], [port, 53]));
    payload.extend(tuple(2, [other, source], [53, port]));
    payload.extend(attribute(7, &3600u32.to_be_bytes()));
    payload
}

/// A message that says that a flow is new.
pub fn event(source: [u8; 4], port: u16) -> Vec<u8> {
    message(NEW, 0x600, 0, 0, &flow(source, port))
}

/// Makes the kernel track this many flows in the namespace of the calling thread.
pub fn make(count: u16) -> io::Result<()> {
    let protocol = Some(netlink::NETFILTER);
    let socket =
        socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, protocol)?;
    for number in 0..count {
        let flow = flow([198, 51, 100, 1], 1024 + number);
        send(&socket, &message(NEW, REQUEST_CREATE_ACK, 1, 0, &flow), SendFlags::empty())?;
        let mut answer = [0; 4096];
        recv(&socket, &mut answer[..], RecvFlags::empty())?;
        let errno = i32::from_ne_bytes(answer[16..20].try_into().unwrap());
        if u16::from_ne_bytes([answer[4], answer[5]]) != ERROR || errno != 0 {
            return Err(io::Error::from_raw_os_error(-errno));
        }
    }
    Ok(())
}
