//! Several datagrams by one system call, which costs a sixth of what it takes to receive a small one.

use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::null_mut;

use rustix::io::Errno;

use super::DATAGRAM_BYTES;
use crate::sys::last_error;

/// The most datagrams of a call.
const MOST: usize = 16;

/// The datagrams that a call has received, to be given one by one.
#[derive(Debug)]
pub(super) struct Batch {
    /// A place for each, of which only what datagrams have touched takes memory.
    places: Vec<u8>,
    received: Vec<Received>,
    next: usize,
}

/// A datagram in its place.
#[derive(Clone, Copy, Debug)]
struct Received {
    /// More than the place has bytes, if it did not fit.
    length: usize,
    /// The port of its sender.
    port: u32,
}

impl Batch {
    pub(super) fn new() -> Batch {
        let received = Vec::with_capacity(MOST);
        Batch { places: vec![0; MOST * DATAGRAM_BYTES], received, next: 0 }
    }

    /// Whether a datagram was received and not given yet.
    pub(super) fn has_more(&self) -> bool {
        self.next < self.received.len()
    }

    /// The next datagram as far as it fitted, its whole length, and the port of its sender. If all were given, those that
    /// wait are received; the error is `AGAIN` if there are none.
    pub(super) fn next(&mut self, fd: &OwnedFd) -> Result<(&[u8], usize, u32), Errno> {
        if !self.has_more() {
            self.receive(fd)?;
        }
        let Some(Received { length, port }) = self.received.get(self.next).copied() else {
            return Err(Errno::AGAIN);
        };
        let start = self.next * DATAGRAM_BYTES;
        self.next += 1;
        let bytes = self.places.get(start..start + length.min(DATAGRAM_BYTES));
        Ok((bytes.unwrap_or_default(), length, port))
    }

    fn receive(&mut self, fd: &OwnedFd) -> Result<(), Errno> {
        self.next = 0;
        self.received.clear();
        // SAFETY: of these structures of numbers and pointers, all zeros is a value.
        let (mut senders, mut pieces, mut headers) = unsafe {
            (
                std::mem::zeroed::<[libc::sockaddr_nl; MOST]>(),
                std::mem::zeroed::<[libc::iovec; MOST]>(),
                std::mem::zeroed::<[libc::mmsghdr; MOST]>(),
            )
        };
        let places = self.places.chunks_exact_mut(DATAGRAM_BYTES);
        let parts = headers.iter_mut().zip(&mut pieces).zip(&mut senders).zip(places);
        for (((header, piece), sender), place) in parts {
            *piece = libc::iovec { iov_base: place.as_mut_ptr().cast(), iov_len: place.len() };
            header.msg_hdr.msg_name = (&raw mut *sender).cast();
            header.msg_hdr.msg_namelen = size_of_val(sender) as libc::socklen_t;
            (header.msg_hdr.msg_iov, header.msg_hdr.msg_iovlen) = (piece, 1);
        }
        let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
        // SAFETY: each header points to a sender and a piece, and the piece to a place, which live during the call and
        // which nothing else refers to; their lengths are their own.
        let count = unsafe {
            let most = MOST as libc::c_uint;
            // The type of the flags depends on the C library.
            libc::recvmmsg(fd.as_raw_fd(), headers.as_mut_ptr(), most, flags as _, null_mut())
        };
        let Ok(count) = usize::try_from(count) else { return Err(last_error()) };
        let all = headers.iter().zip(&senders).take(count);
        self.received.extend(all.map(|(header, sender)| Received {
            length: header.msg_len as usize,
            port: sender.nl_pid,
        }));
        Ok(())
    }
}
