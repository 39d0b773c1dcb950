//! A dump of the kernel's table of flows, read piece by piece without waiting, beside other things.

use std::os::fd::{AsFd, BorrowedFd};

use rustix::io::Errno;

use super::conntrack;
use crate::model::Flow;
use crate::source::netlink::{self, Dumped, Refusal};
use crate::sys::Netlink;
use crate::wire::ctnetlink as wire;
use crate::wire::netlink::dump_request;

/// What one call of [`Dump::next`] came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A datagram, whose flows were given.
    Read,
    /// Nothing waits to be read.
    Idle,
    /// The end of the dump.
    Done,
}

/// A socket that dumps the table, one dump after the other.
#[derive(Debug)]
pub struct Dump {
    socket: Netlink,
    sequence: u32,
}

impl Dump {
    /// A socket for the network namespace of this process.
    ///
    /// # Errors
    /// The system's.
    pub fn open() -> Result<Dump, Errno> {
        Ok(Dump { socket: Netlink::netfilter()?, sequence: 0 })
    }

    /// Asks for the table. What is left of an earlier dump is not given any more.
    ///
    /// # Errors
    /// The system's: `BUSY` as long as an earlier dump has not ended.
    pub fn start(&mut self) -> Result<(), Errno> {
        self.sequence = self.sequence.wrapping_add(1);
        let kind = wire::FLOWS | wire::GET;
        self.socket.send(&dump_request(kind, self.sequence, &wire::head(0, 0)))
    }

    /// Reads one datagram if one waits, and calls `each` with its flows: some hundred at most. Only then
    /// does the kernel prepare the next one.
    ///
    /// # Errors
    /// [`Refusal`] if the kernel refuses or the dump is cut short: it has ended then.
    pub fn next(&mut self, mut each: impl FnMut(&Flow<'_>)) -> Result<Progress, Refusal> {
        let datagram = match self.socket.receive_now() {
            Err(Errno::AGAIN) => return Ok(Progress::Idle),
            Err(Errno::INTR) => return Ok(Progress::Read),
            datagram => datagram?,
        };
        let is_done =
            netlink::answers(datagram, self.sequence, &mut Dumped::default(), |message| {
                each(&conntrack::flow(message.payload).ok_or(Errno::BADMSG)?);
                Ok(())
            })?;
        Ok(if is_done { Progress::Done } else { Progress::Read })
    }
}

impl AsFd for Dump {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
