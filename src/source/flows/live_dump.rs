//! A dump of the kernel's table of flows, read piece by piece without waiting, beside other things.

use std::os::fd::{AsFd, BorrowedFd};

use super::conntrack::{self, Table};
use crate::error::Error;
use crate::model::Flow;
pub use crate::source::netlink::Progress;
use crate::source::netlink::{Answers, CTNETLINK, Failure, Wait};
use crate::sys::Netlink;

/// A socket that dumps the table, one dump after the other.
#[derive(Debug)]
pub struct Dump {
    socket: Netlink,
    sequence: u32,
    answers: Answers,
}

impl Dump {
    /// A socket for the network namespace of this process.
    ///
    /// # Errors
    /// The system's.
    pub fn open() -> Result<Dump, Failure> {
        Ok(Dump { socket: conntrack::open()?, sequence: 0, answers: Answers::of(CTNETLINK) })
    }

    /// Asks for the table. What is left of an earlier dump is not given any more.
    ///
    /// # Errors
    /// As [`Answers::begin`].
    pub fn start(&mut self) -> Result<(), Failure> {
        self.sequence = self.sequence.wrapping_add(1);
        self.answers = Answers::of(CTNETLINK);
        let request = conntrack::request_for(Table::Tracked, self.sequence, 0, &[]);
        self.answers.begin(&mut self.socket, self.sequence, &request)
    }

    /// Reads one datagram if one waits, and calls `each` with its flows: some hundred at most. Only then
    /// does the kernel prepare the next one.
    ///
    /// # Errors
    /// [`Failure`] if the kernel refuses, the dump is cut short, or `each` fails: it has ended then.
    pub fn next(
        &mut self,
        mut each: impl FnMut(&Flow<'_>) -> Result<(), Error>,
    ) -> Result<Progress, Failure> {
        self.answers.next(&mut self.socket, Wait::No, |message| {
            Some(each(&conntrack::flow(message.payload)?))
        })
    }
}

impl AsFd for Dump {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
