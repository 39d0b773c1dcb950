//! A question to the kernel by netlink, and the answers up to their end.

use rustix::io::Errno;

use crate::error::{self, Error};
use crate::sys::Netlink;
use crate::wire::netlink::{self, Message};

/// Something that answers requests as the kernel does; tests script it.
pub trait Exchange {
    /// Sends one request.
    ///
    /// # Errors
    /// The system's.
    fn send(&mut self, request: &[u8]) -> Result<(), Errno>;

    /// Receives one datagram of answers.
    ///
    /// # Errors
    /// The system's: `NOBUFS` if answers were lost; `INTR` to be called again.
    fn receive(&mut self) -> Result<&[u8], Errno>;
}

impl Exchange for Netlink {
    fn send(&mut self, request: &[u8]) -> Result<(), Errno> {
        Netlink::send(self, request)
    }

    fn receive(&mut self) -> Result<&[u8], Errno> {
        Netlink::receive(self)
    }
}

/// Why a request failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The system's reason; `BADMSG` for an answer of unknown shape.
    pub errno: Errno,
    /// The kernel's own sentence, if it gave one.
    pub sentence: Vec<u8>,
    /// Whether some answers had been given before.
    pub is_partial: bool,
}

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Refusal {
        Refusal { errno, sentence: Vec::new(), is_partial: false }
    }
}

impl Refusal {
    /// The error that says so of `subject`, whom the kernel answers with `right` (a capability's name).
    #[must_use]
    pub fn error(&self, subject: &str, right: &str) -> Error {
        let mut reason = error::reason(self.errno);
        if !self.sentence.is_empty() {
            reason = [&reason, ": ", &String::from_utf8_lossy(&self.sentence)].concat();
        }
        if !right.is_empty() && matches!(self.errno, Errno::PERM | Errno::ACCESS) {
            reason = [&reason, " (needs ", right, ")"].concat();
        }
        Error::failed(subject, reason)
    }
}

/// How a dump went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    /// The kernel says that the table changed meanwhile: entries may be missing or double.
    pub is_interrupted: bool,
}

/// Receives the answers to request number `sequence` up to their end, and calls `each` with them.
///
/// # Errors
/// [`Refusal`] if the kernel refuses, the answers are cut short, or `each` fails.
pub fn receive(
    kernel: &mut impl Exchange,
    sequence: u32,
    mut each: impl FnMut(&Message<'_>) -> Result<(), Errno>,
) -> Result<Dumped, Refusal> {
    let mut dumped = Dumped::default();
    loop {
        let datagram = match kernel.receive() {
            Err(Errno::INTR) => continue,
            datagram => datagram?,
        };
        if answers(datagram, sequence, &mut dumped, &mut each)? {
            return Ok(dumped);
        }
    }
}

/// Calls `each` with the answers to request number `sequence` in one datagram; whether their end is among
/// them.
///
/// # Errors
/// As [`receive`].
pub fn answers(
    datagram: &[u8],
    sequence: u32,
    dumped: &mut Dumped,
    mut each: impl FnMut(&Message<'_>) -> Result<(), Errno>,
) -> Result<bool, Refusal> {
    for message in netlink::messages(datagram) {
        let message = message.ok_or(Errno::BADMSG)?;
        if message.sequence != sequence {
            continue;
        }
        dumped.is_interrupted |= message.flags & netlink::INTERRUPTED != 0;
        match message.kind {
            netlink::DONE | netlink::ERROR => return end(&message).map(|()| true),
            netlink::NOOP => {}
            _ => each(&message)?,
        }
    }
    Ok(false)
}

/// The result that the last message carries.
fn end(message: &Message<'_>) -> Result<(), Refusal> {
    match netlink::error_number(message.payload).ok_or(Errno::BADMSG)? {
        0 => Ok(()),
        number => Err(Refusal {
            sentence: netlink::error_text(message).unwrap_or_default().to_vec(),
            ..Refusal::from(Errno::from_raw_os_error(number))
        }),
    }
}
