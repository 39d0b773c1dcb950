//! Packets as they go by, from an AF_PACKET socket with a ring (packet(7)).

use std::os::fd::{AsFd, BorrowedFd};

use super::Frame;
use crate::error::Error;
use crate::sys::packet::Ring;

/// One instruction of classic BPF: code, jump if true, jump if false, constant.
pub type Instruction = (u16, u8, u8, u32);

/// What to capture.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// The interface's name; `any` for all.
    pub interface: &'a [u8],
    /// The program that picks frames, which begin with the network header, and whose value says how
    /// many bytes of each are wanted; empty for all of them.
    pub program: &'a [Instruction],
    /// Whether the interface is to take what is not for this machine.
    pub is_promiscuous: bool,
}

/// A running capture.
#[derive(Debug)]
pub struct Capture {
    ring: Ring,
    dropped: u64,
}

impl Capture {
    /// Begins to capture.
    ///
    /// # Errors
    /// If there is no such interface, or CAP_NET_RAW is missing.
    pub fn open(request: &Request<'_>) -> Result<Capture, Error> {
        let _ = request;
        Ok(Capture { ring: Ring {}, dropped: 0 })
    }

    /// Calls `each` with every frame that waits; waits for none. [`AsFd`] gives what to poll.
    ///
    /// # Errors
    /// If the interface has gone.
    pub fn each(&mut self, each: &mut dyn FnMut(&Frame<'_>)) -> Result<(), Error> {
        let _ = (&self.ring, each);
        Ok(())
    }

    /// How many frames the kernel had to drop so far, because the ring was full.
    pub fn dropped(&mut self) -> u64 {
        self.dropped
    }
}

impl AsFd for Capture {
    fn as_fd(&self) -> BorrowedFd<'_> {
        crate::sys::stdin()
    }
}
