//! Netlink sockets: requests to the kernel, and its multicast groups of events.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::io::Errno;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, sockopt,
};
use rustix::rand::GetRandomFlags;

use super::{set_socket_option, socket_option};

/// A socket connected to a subsystem of the kernel.
#[derive(Debug)]
pub struct Netlink {
    fd: OwnedFd,
    buffer: Vec<u8>,
    /// The number of the last request.
    number: u32,
}

/// How many datagrams were dropped because the kernel had not sent them, and how many of them are known. One for all
/// sockets: they end with the threads and the dumps that they serve, the warning is one.
static FOREIGN: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

/// How many datagrams of others were dropped.
pub fn foreign() -> u64 {
    FOREIGN[0].load(Ordering::Relaxed)
}

/// Whether datagrams of others were dropped since the last call.
pub fn take_foreign() -> bool {
    let dropped = foreign();
    dropped > 0 && FOREIGN[1].swap(dropped, Ordering::Relaxed) < dropped
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

    #[inline(never)]
    fn open(protocol: Protocol) -> Result<Netlink, Errno> {
        let (family, flags) = (AddressFamily::NETLINK, SocketFlags::CLOEXEC);
        let fd = rustix::net::socket_with(family, SocketType::RAW, flags, Some(protocol))?;
        // Errors then carry the kernel's own message; before Linux 4.12 they do not.
        let _ = set_socket_option(&fd, libc::SOL_NETLINK, libc::NETLINK_EXT_ACK, 1);
        // The owner of a user namespace may send to every port in its network namespaces. The kernel then refuses what
        // others send to this one; what got here before, and what they send to groups, `receive` drops.
        let _ = rustix::net::connect(&fd, &SocketAddrNetlink::new(KERNEL, 0));
        let mut number = [0; 4];
        // Nobody can guess the numbers. Without random ones, the kernel has still to be the sender.
        let _ = rustix::rand::getrandom(&mut number, GetRandomFlags::NONBLOCK);
        let number = u32::from_ne_bytes(number);
        Ok(Netlink { fd, buffer: Vec::with_capacity(DATAGRAM_BYTES), number })
    }

    /// Joins multicast groups: bit N - 1 is group N.
    ///
    /// # Errors
    /// `PERM` without CAP_NET_ADMIN in the namespace.
    #[inline(never)]
    pub fn join(&self, groups: u32) -> Result<(), Errno> {
        let wanted = (1..=u32::BITS).filter(|group| groups >> (group - 1) & 1 != 0);
        for group in wanted {
            let (level, option) = (libc::SOL_NETLINK, libc::NETLINK_ADD_MEMBERSHIP);
            set_socket_option(&self.fd, level, option, group)?;
        }
        Ok(())
    }

    /// The number for the next request; the first one is random.
    pub fn number(&mut self) -> u32 {
        self.number = self.number.wrapping_add(1);
        self.number
    }

    /// The port that answers name; `None` if it is not known.
    #[inline(never)]
    pub fn port(&self) -> Option<u32> {
        let address = rustix::net::getsockname(&self.fd).ok()?;
        Some(SocketAddrNetlink::try_from(address).ok()?.pid()).filter(|port| *port != KERNEL)
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

    #[inline(never)]
    pub fn send(&self, request: &[u8]) -> Result<(), Errno> {
        rustix::io::retry_on_intr(|| rustix::net::send(&self.fd, request, SendFlags::empty()))
            .map(|_| ())
    }

    /// Receives one datagram of the kernel. The errors are `INTR` on a signal, and for a datagram of anybody else, which is
    /// dropped; `NOBUFS` once after messages were lost; and `MSGSIZE` for a datagram longer than the kernel's own limit.
    pub fn receive(&mut self) -> Result<&[u8], Errno> {
        self.receive_with(RecvFlags::empty())
    }

    /// Receives one datagram if one is waiting; otherwise the error is `AGAIN`.
    pub fn receive_now(&mut self) -> Result<&[u8], Errno> {
        self.receive_with(RecvFlags::DONTWAIT)
    }

    /// Swaps the last datagram with another buffer, which must have a capacity of [`DATAGRAM_BYTES`].
    pub fn swap(&mut self, datagram: &mut Vec<u8>) {
        std::mem::swap(&mut self.buffer, datagram);
    }

    // Once: it is called for each kind of answer, and 32 KiB at a time.
    #[inline(never)]
    fn receive_with(&mut self, flags: RecvFlags) -> Result<&[u8], Errno> {
        self.buffer.clear();
        let room = rustix::buffer::spare_capacity(&mut self.buffer);
        let (_, length, from) = rustix::net::recvfrom(&self.fd, room, RecvFlags::TRUNC | flags)?;
        let is_foreign =
            |from| SocketAddrNetlink::try_from(from).map_or(true, |from| from.pid() != KERNEL);
        if from.is_some_and(is_foreign) {
            FOREIGN[0].fetch_add(1, Ordering::Relaxed);
            return Err(Errno::INTR);
        }
        if length > self.buffer.len() { Err(Errno::MSGSIZE) } else { Ok(&self.buffer) }
    }
}

/// The port of the kernel: `nl_pid` in netlink(7).
const KERNEL: u32 = 0;

impl AsFd for Netlink {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::netlink::USERSOCK;

    /// Sends a datagram to a port, which with this protocol everybody may.
    fn send_to(port: u32) -> Result<usize, Errno> {
        let of = (AddressFamily::NETLINK, SocketType::RAW, Some(USERSOCK));
        let sender = rustix::net::socket(of.0, of.1, of.2).unwrap();
        let to = SocketAddrNetlink::new(port, 0);
        rustix::net::sendto(&sender, b"forged", SendFlags::empty(), &to)
    }

    #[test]
    fn only_the_kernel_can_send_to_a_socket() {
        let mut socket = Netlink::open(USERSOCK).unwrap();
        let port = socket.port().unwrap();
        assert_eq!(send_to(port), Err(Errno::CONNREFUSED));
        assert_eq!(socket.receive_now(), Err(Errno::AGAIN));
        // As if the kernel had taken it before, or did not know how to refuse it.
        let of = (AddressFamily::NETLINK, SocketType::RAW, Some(USERSOCK));
        socket.fd = rustix::net::socket(of.0, of.1, of.2).unwrap();
        assert_eq!(socket.port(), None);
        rustix::net::bind(&socket.fd, &SocketAddrNetlink::new(0, 0)).unwrap();
        assert!(!take_foreign());
        assert_eq!(send_to(socket.port().unwrap()), Ok(6));
        assert_eq!(socket.receive_now(), Err(Errno::INTR));
        assert_eq!(socket.receive_now(), Err(Errno::AGAIN));
        assert!(take_foreign() && !take_foreign());
    }

    #[test]
    fn numbers_of_requests_follow_a_random_one() {
        let mut sockets = [(); 3].map(|()| Netlink::sock_diag().unwrap());
        let firsts = sockets.each_mut().map(Netlink::number);
        assert!(firsts[0] != firsts[1] || firsts[1] != firsts[2], "{firsts:?}");
        assert_eq!(sockets[0].number(), firsts[0].wrapping_add(1));
    }
}
