//! Netlink sockets: requests to the kernel, and its groups of events.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt,
};

use super::{set_socket_option, socket_option};

/// A socket to a subsystem of the kernel.
#[derive(Debug)]
pub struct Netlink {
    fd: OwnedFd,
    buffer: Vec<u8>,
}

/// The kernel never sends more at once (net/netlink/af_netlink.c: 32 KiB skbs).
pub const DATAGRAM_BYTES: usize = 32 * 1024;

impl Netlink {
    /// A socket for sock_diag(7).
    ///
    /// # Errors
    /// A sandbox may refuse it.
    pub fn sock_diag() -> Result<Netlink, Errno> {
        Netlink::open(netlink::SOCK_DIAG)
    }

    /// A socket for netfilter's subsystems, such as connection tracking.
    ///
    /// # Errors
    /// `PROTONOSUPPORT` if the kernel has no netfilter.
    pub fn netfilter() -> Result<Netlink, Errno> {
        Netlink::open(netlink::NETFILTER)
    }

    fn open(protocol: Protocol) -> Result<Netlink, Errno> {
        let (family, flags) = (AddressFamily::NETLINK, SocketFlags::CLOEXEC);
        let fd = rustix::net::socket_with(family, SocketType::RAW, flags, Some(protocol))?;
        // Errors then carry the kernel's own message; before Linux 4.12 they do not.
        let _ = set_socket_option(&fd, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, 1);
        Ok(Netlink { fd, buffer: Vec::with_capacity(DATAGRAM_BYTES) })
    }

    /// Joins the groups of events whose bits are set: bit N - 1 is group N.
    ///
    /// # Errors
    /// `PERM` without CAP_NET_ADMIN in the namespace.
    pub fn join(&self, groups: u32) -> Result<(), Errno> {
        rustix::net::bind(&self.fd, &SocketAddrNetlink::new(0, groups))
    }

    /// Sets the receive buffer to `bytes`, beyond net.core.rmem_max if privileges allow it, and returns the
    /// kernel's size: twice as much, since it includes its own overhead, or less than requested.
    pub fn set_receive_buffer(&self, bytes: usize) -> Result<usize, Errno> {
        // The kernel doubles the number, and the result must fit an int.
        let bytes = bytes.min(i32::MAX as usize / 2);
        sockopt::set_socket_recv_buffer_size_force(&self.fd, bytes)
            .or_else(|_| sockopt::set_socket_recv_buffer_size(&self.fd, bytes))?;
        self.receive_buffer()
    }

    /// The size of the receive buffer in bytes, the kernel's overhead included.
    pub fn receive_buffer(&self) -> Result<usize, Errno> {
        sockopt::socket_recv_buffer_size(&self.fd)
    }

    /// How many messages the kernel has dropped since the socket was made, because its buffer was full:
    /// word 8 of SO_MEMINFO, since Linux 4.12. The 32-bit number wraps.
    pub fn drops(&self) -> Result<u32, Errno> {
        let words: [Option<u32>; 9] = socket_option(&self.fd, libc::SOL_SOCKET, libc::SO_MEMINFO)?;
        words[8].ok_or(Errno::NOPROTOOPT)
    }

    /// Sends one request.
    pub fn send(&self, request: &[u8]) -> Result<(), Errno> {
        rustix::io::retry_on_intr(|| rustix::net::send(&self.fd, request, SendFlags::empty()))
            .map(|_| ())
    }

    /// Receives one datagram.
    ///
    /// # Errors
    /// `INTR` on a signal; `NOBUFS` once after messages were dropped; `MSGSIZE` for a datagram
    /// longer than the kernel's own limit.
    pub fn receive(&mut self) -> Result<&[u8], Errno> {
        self.receive_with(RecvFlags::empty())
    }

    /// Receives one datagram if there is one; `AGAIN` is the error if there is none.
    pub fn receive_now(&mut self) -> Result<&[u8], Errno> {
        self.receive_with(RecvFlags::DONTWAIT)
    }

    /// Exchanges the last datagram for the room of another, which must have [`DATAGRAM_BYTES`].
    pub fn swap(&mut self, datagram: &mut Vec<u8>) {
        std::mem::swap(&mut self.buffer, datagram);
    }

    fn receive_with(&mut self, flags: RecvFlags) -> Result<&[u8], Errno> {
        self.buffer.clear();
        let room = rustix::buffer::spare_capacity(&mut self.buffer);
        let (_, length) = rustix::net::recv(&self.fd, room, RecvFlags::TRUNC | flags)?;
        if length > self.buffer.len() { Err(Errno::MSGSIZE) } else { Ok(&self.buffer) }
    }
}

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
