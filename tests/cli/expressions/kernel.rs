//! A packet socket with our own filter, on lo of our own namespace.
#![allow(unsafe_code, reason = "rustix has neither sockaddr_ll nor SO_ATTACH_FILTER")]

use std::io;
use std::mem::size_of;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use connbox::capture_filter::Instruction;

use super::packets::Packet;

const LO: i32 = 1;

fn check(returned: i32) -> io::Result<i32> {
    if returned == -1 { Err(io::Error::last_os_error()) } else { Ok(returned) }
}

/// Moves the calling thread into a new namespace and brings its lo up.
pub fn enter_new_namespace() -> io::Result<()> {
    // SAFETY: unshare takes no pointer; all zeros are a valid ifreq, and the ioctl only reads it.
    unsafe {
        check(libc::unshare(libc::CLONE_NEWNET))?;
        let socket = packet_socket()?;
        let mut request: libc::ifreq = std::mem::zeroed();
        (request.ifr_name[0], request.ifr_name[1]) = (b'l' as libc::c_char, b'o' as libc::c_char);
        request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as i16;
        check(libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request)).map(drop)
    }
}

fn packet_socket() -> io::Result<OwnedFd> {
    let flags = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: socket takes no pointer, and we own the descriptor that it returns.
    unsafe {
        let socket = libc::socket(libc::AF_PACKET, flags, 0);
        check(socket).map(|socket| OwnedFd::from_raw_fd(socket))
    }
}

fn lo(ethertype: u16) -> libc::sockaddr_ll {
    // SAFETY: all zeros are a valid sockaddr_ll.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = ethertype.to_be();
    address.sll_ifindex = LO;
    address.sll_halen = 6;
    address
}

/// A socket that receives what the program passes.
pub fn filtered(program: &[Instruction]) -> io::Result<OwnedFd> {
    let socket = packet_socket()?;
    let filter: Vec<_> = program
        .iter()
        .map(|op| libc::sock_filter { code: op.code, jt: op.jt, jf: op.jf, k: op.k })
        .collect();
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_ptr().cast_mut() };
    let address = lo(libc::ETH_P_ALL as u16);
    // SAFETY: the pointers and lengths are those of values that outlive the calls.
    unsafe {
        check(libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_ATTACH_FILTER,
            (&raw const program).cast(),
            size_of::<libc::sock_fprog>() as u32,
        ))?;
        let length = size_of::<libc::sockaddr_ll>() as u32;
        check(libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length))?;
    }
    Ok(socket)
}

/// Sends packets through lo.
pub struct Sender(OwnedFd);

impl Sender {
    pub fn new() -> io::Result<Sender> {
        packet_socket().map(Sender)
    }

    pub fn send(&self, packet: &Packet) -> io::Result<()> {
        let (address, bytes) = (lo(packet.ethertype), &packet.bytes);
        // SAFETY: the pointers and lengths are those of values that outlive the call.
        let sent = unsafe {
            libc::sendto(
                self.0.as_raw_fd(),
                bytes.as_ptr().cast(),
                bytes.len(),
                0,
                (&raw const address).cast(),
                size_of::<libc::sockaddr_ll>() as u32,
            )
        };
        check(sent as i32).map(drop)
    }
}

/// The packets that a socket has received, as they left the machine: before they came back on lo.
pub fn drain(socket: &OwnedFd) -> Vec<Vec<u8>> {
    let mut packets = Vec::new();
    loop {
        let mut bytes = vec![0; 2048];
        let mut address = lo(0);
        let mut length = size_of::<libc::sockaddr_ll>() as u32;
        // SAFETY: the pointers and lengths are those of values that outlive the call.
        let count = unsafe {
            libc::recvfrom(
                socket.as_raw_fd(),
                bytes.as_mut_ptr().cast(),
                bytes.len(),
                0,
                (&raw mut address).cast(),
                &raw mut length,
            )
        };
        let Ok(count) = usize::try_from(count) else { return packets };
        bytes.truncate(count);
        if address.sll_pkttype == libc::PACKET_OUTGOING {
            packets.push(bytes);
        }
    }
}
