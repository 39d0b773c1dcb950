//! Sockets to a collector of flow records, which never block.

use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Udp,
    Tcp,
}

/// Opens a socket to `address`. With TCP, the connection may be made later.
pub fn open(address: SocketAddr, transport: Transport) -> Result<OwnedFd, Errno> {
    let family = if address.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
    let kind = match transport {
        Transport::Udp => SocketType::DGRAM,
        Transport::Tcp => SocketType::STREAM,
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(family, kind, flags, None)?;
    match rustix::net::connect(&fd, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(fd),
        Err(error) => Err(error),
    }
}

/// Sends bytes without blocking, and returns how many were taken.
pub fn send(fd: impl AsFd, bytes: &[u8]) -> Result<usize, Errno> {
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    rustix::io::retry_on_intr(|| rustix::net::send(&fd, bytes, flags))
}

/// The error of the socket, if it has one; `EPIPE` if the other end has closed. What a collector sends is thrown away.
pub fn check(fd: impl AsFd, transport: Transport) -> Result<(), Errno> {
    let mut bytes = [0; 512];
    match rustix::net::recv(&fd, &mut bytes[..], RecvFlags::DONTWAIT) {
        Ok((_, 0)) if transport == Transport::Tcp => Err(Errno::PIPE),
        Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Ok(()),
        Err(error) => Err(error),
    }
}

/// The progress of a TCP connection that this end opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub is_connected: bool,
    /// How many bytes the other end has acknowledged.
    pub acknowledged_bytes: u64,
}

/// How far a TCP connection is; the error if it failed.
pub fn progress(fd: impl AsFd) -> Result<Progress, Errno> {
    // It counts our SYN, too.
    const BYTES_ACKED: usize = std::mem::offset_of!(libc::tcp_info, tcpi_bytes_acked);
    const END: usize = BYTES_ACKED + size_of::<u64>();
    const SYN_SENT: u8 = 2;
    let mut info = [0u8; END];
    let mut length = END as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes into the buffer, and both live during the call.
    let result = unsafe {
        libc::getsockopt(
            fd.as_fd().as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            info.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if result < 0 {
        return Err(Errno::NOTCONN);
    }
    let acked = info[BYTES_ACKED..].first_chunk().map(|bytes| u64::from_ne_bytes(*bytes));
    let acknowledged_bytes = acked.unwrap_or_default().saturating_sub(1);
    Ok(Progress { is_connected: info[0] != SYN_SENT, acknowledged_bytes })
}
