//! Questions to the kernel by netlink, the messages that come back, and the one rule for when files serve
//! instead.

use rustix::io::Errno;

use crate::error::{self, Error};
use crate::sys::Netlink;
use crate::wire::netlink::{self, Message};

/// A part of the kernel that answers by netlink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsystem {
    /// The subject of its refusals.
    pub name: &'static str,
    /// The capability that it asks for; empty for none.
    pub right: &'static str,
}

/// The tables of sockets: anybody may ask.
pub const SOCK_DIAG: Subsystem = Subsystem { name: "sock_diag", right: "" };
/// The table of tracked flows and their events.
pub const CTNETLINK: Subsystem = Subsystem { name: "ctnetlink", right: "CAP_NET_ADMIN" };

impl Subsystem {
    /// A refusal by this subsystem before it gave anything.
    pub fn refused(self, errno: Errno) -> Refusal {
        Refusal { subsystem: self, errno, sentence: Vec::new(), is_partial: false }
    }
}

/// Whether to wait for a datagram that is not there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// It is waited for.
    Yes,
    /// It is not.
    No,
}

/// Where netlink messages come from; tests script it.
pub trait Messages {
    /// Receives one datagram.
    ///
    /// # Errors
    /// `AGAIN` if there is none and none is waited for; `NOBUFS` if messages were lost; `INTR` to be
    /// called again.
    fn receive(&mut self, wait: Wait) -> Result<&[u8], Errno>;

    /// Receives one datagram and calls `each` with its messages; `None` stands for one that the datagram
    /// cuts short, and is the last.
    ///
    /// # Errors
    /// The outer one is that of [`Messages::receive`]; the inner one is that of `each`, which ends the walk.
    #[inline]
    fn walk<E>(
        &mut self,
        wait: Wait,
        each: impl FnMut(Option<Message<'_>>) -> Result<(), E>,
    ) -> Result<Result<(), E>, Errno> {
        Ok(netlink::messages(self.receive(wait)?).try_for_each(each))
    }
}

/// Something that answers requests as the kernel does.
pub trait Exchange: Messages {
    /// Sends one request.
    fn send(&mut self, request: &[u8]) -> Result<(), Errno>;
}

impl Messages for Netlink {
    fn receive(&mut self, wait: Wait) -> Result<&[u8], Errno> {
        match wait {
            Wait::Yes => Netlink::receive(self),
            Wait::No => self.receive_now(),
        }
    }
}

impl Exchange for Netlink {
    fn send(&mut self, request: &[u8]) -> Result<(), Errno> {
        Netlink::send(self, request)
    }
}

/// Why the kernel did not answer, or not to the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Who refused.
    pub subsystem: Subsystem,
    /// The system's reason; `BADMSG` for an answer of unknown shape.
    pub errno: Errno,
    /// The kernel's own sentence, if it gave one.
    pub sentence: Vec<u8>,
    /// Whether some answers had been given before.
    pub is_partial: bool,
}

impl Refusal {
    /// Whether this way is closed altogether, and no answer was given: by a sandbox, for want of a right,
    /// or because the kernel has no such socket, protocol, module or request.
    fn is_closed_way(&self) -> bool {
        let is_no_way = matches!(
            self.errno,
            Errno::PERM
                | Errno::ACCESS
                | Errno::NOSYS
                | Errno::AFNOSUPPORT
                | Errno::PROTONOSUPPORT
                | Errno::SOCKTNOSUPPORT
                | Errno::OPNOTSUPP
                | Errno::CONNREFUSED
                | Errno::NOENT
                | Errno::INVAL
        );
        is_no_way && !self.is_partial
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Error {
        let Refusal { subsystem: Subsystem { name, right }, errno, sentence, .. } = refusal;
        let mut reason = error::reason(errno);
        if !sentence.is_empty() {
            reason = [&reason, ": ", &String::from_utf8_lossy(&sentence)].concat();
        }
        if !right.is_empty() && matches!(errno, Errno::PERM | Errno::ACCESS) {
            reason = [&reason, " (needs ", right, ")"].concat();
        }
        Error::failed(name, reason)
    }
}

/// Why answers were not read to their end.
#[derive(Debug)]
pub enum Failure {
    /// The kernel refused, or cut them short.
    Refused(Refusal),
    /// What takes them failed, and nothing more was received.
    Stopped(Error),
}

impl Failure {
    /// The same after answers to other requests.
    pub(super) fn midway(self) -> Failure {
        match self {
            Failure::Refused(refusal) => Failure::Refused(Refusal { is_partial: true, ..refusal }),
            stopped @ Failure::Stopped(_) => stopped,
        }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Failure {
        Failure::Refused(refusal)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Error {
        match failure {
            Failure::Refused(refusal) => refusal.into(),
            Failure::Stopped(error) => error,
        }
    }
}

/// What netlink gave; or, where that way is closed altogether, what `files` of /proc give, which are told
/// why. After a part of an answer, and for lack of memory or descriptors, files would hide a failure:
/// these are errors.
///
/// # Errors
/// The failure, if files may not serve; else that of `files`.
pub fn or_files<T>(
    asked: Result<T, Failure>,
    files: impl FnOnce(Refusal) -> Result<T, Error>,
) -> Result<T, Error> {
    match asked {
        Err(Failure::Refused(refusal)) if refusal.is_closed_way() => files(refusal),
        asked => Ok(asked?),
    }
}

/// How a dump went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    /// The kernel says that the table changed meanwhile: entries may be missing or double.
    pub is_interrupted: bool,
}

/// What one call of [`Answers::next`] came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A datagram, whose answers were given.
    Read,
    /// Nothing waits to be read.
    Idle,
    /// The end of the answers.
    Done,
}

/// The answers of a subsystem to one request after the other.
#[derive(Debug)]
pub struct Answers {
    subsystem: Subsystem,
    /// The number of the request that is answered.
    sequence: u32,
    is_done: bool,
    /// Whether any answer was given.
    is_partial: bool,
    /// How it went so far.
    pub dumped: Dumped,
}

impl Answers {
    /// No answers yet.
    pub fn of(subsystem: Subsystem) -> Answers {
        let dumped = Dumped::default();
        Answers { subsystem, sequence: 0, is_done: true, is_partial: false, dumped }
    }

    /// Sends request number `sequence`, whose answers [`Answers::next`] gives then: those to an earlier
    /// request are skipped.
    ///
    /// # Errors
    /// [`Failure::Refused`]: `BUSY` as long as an earlier dump has not ended.
    pub fn begin(
        &mut self,
        kernel: &mut impl Exchange,
        sequence: u32,
        request: &[u8],
    ) -> Result<(), Failure> {
        (self.sequence, self.is_done) = (sequence, false);
        kernel.send(request).map_err(|errno| self.refused(errno).into())
    }

    /// Receives one datagram and calls `each` with the answers in it; `None` says that an answer is of
    /// unknown shape.
    ///
    /// # Errors
    /// [`Failure`] if the kernel refuses, the answers are cut short, or `each` fails.
    #[inline]
    pub fn next(
        &mut self,
        kernel: &mut impl Messages,
        wait: Wait,
        mut each: impl FnMut(&Message<'_>) -> Option<Result<(), Error>>,
    ) -> Result<Progress, Failure> {
        match kernel.walk(wait, |message| self.take(message, &mut each)) {
            Ok(taken) => taken?,
            Err(Errno::AGAIN) => return Ok(Progress::Idle),
            Err(Errno::INTR) => return Ok(Progress::Read),
            Err(errno) => return Err(self.refused(errno).into()),
        }
        Ok(if self.is_done { Progress::Done } else { Progress::Read })
    }

    /// Sends request number `sequence` and calls `each` with all answers to it.
    #[inline]
    pub fn ask(
        &mut self,
        kernel: &mut impl Exchange,
        sequence: u32,
        request: &[u8],
        mut each: impl FnMut(&Message<'_>) -> Option<Result<(), Error>>,
    ) -> Result<(), Failure> {
        self.begin(kernel, sequence, request)?;
        while self.next(kernel, Wait::Yes, &mut each)? != Progress::Done {}
        Ok(())
    }

    #[inline]
    fn take(
        &mut self,
        message: Option<Message<'_>>,
        each: &mut impl FnMut(&Message<'_>) -> Option<Result<(), Error>>,
    ) -> Result<(), Failure> {
        if self.is_done {
            return Ok(());
        }
        let Some(message) = message else { return Err(self.refused(Errno::BADMSG).into()) };
        if message.sequence != self.sequence {
            return Ok(());
        }
        self.dumped.is_interrupted |= message.flags & netlink::INTERRUPTED != 0;
        match message.kind {
            netlink::DONE | netlink::ERROR => self.end(&message),
            netlink::NOOP => Ok(()),
            _ => match each(&message) {
                None => Err(self.refused(Errno::BADMSG).into()),
                Some(taken) => {
                    self.is_partial = true;
                    taken.map_err(Failure::Stopped)
                }
            },
        }
    }

    /// Takes the result that the last message carries.
    fn end(&mut self, message: &Message<'_>) -> Result<(), Failure> {
        self.is_done = true;
        match netlink::error_number(message.payload) {
            Some(0) => Ok(()),
            None => Err(self.refused(Errno::BADMSG).into()),
            Some(number) => {
                let sentence = netlink::error_text(message).unwrap_or_default().to_vec();
                let refusal = self.refused(Errno::from_raw_os_error(number));
                Err(Refusal { sentence, ..refusal }.into())
            }
        }
    }

    fn refused(&self, errno: Errno) -> Refusal {
        Refusal { is_partial: self.is_partial, ..self.subsystem.refused(errno) }
    }
}

/// Sends one request and calls `each` with all answers to it.
#[inline]
pub fn ask(
    kernel: &mut impl Exchange,
    subsystem: Subsystem,
    request: &[u8],
    each: impl FnMut(&Message<'_>) -> Option<Result<(), Error>>,
) -> Result<Dumped, Failure> {
    let mut answers = Answers::of(subsystem);
    answers.ask(kernel, ONE, request, each)?;
    Ok(answers.dumped)
}

/// The number of a request that is the only one.
pub const ONE: u32 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    /// What errors say that there is no such way, and what errors say that it failed.
    const CLOSED: [Errno; 10] = [
        Errno::PERM,
        Errno::ACCESS,
        Errno::NOSYS,
        Errno::AFNOSUPPORT,
        Errno::PROTONOSUPPORT,
        Errno::SOCKTNOSUPPORT,
        Errno::OPNOTSUPP,
        Errno::CONNREFUSED,
        Errno::NOENT,
        Errno::INVAL,
    ];

    #[test]
    fn files_serve_only_where_netlink_is_closed_altogether() {
        for number in 1..134 {
            let errno = Errno::from_raw_os_error(number);
            for is_partial in [false, true] {
                let refusal = Refusal { is_partial, ..SOCK_DIAG.refused(errno) };
                let served = or_files(Err(refusal.into()), |refusal| {
                    assert_eq!(refusal.errno, errno);
                    Ok("files")
                });
                let may_serve = CLOSED.contains(&errno) && !is_partial;
                match served {
                    Ok(_) => assert!(may_serve, "{errno:?} {is_partial}"),
                    Err(Error::Fault { text, .. }) => {
                        assert!(!may_serve, "{errno:?} {is_partial}");
                        let wanted = format!("sock_diag: {}", error::reason(errno));
                        assert_eq!(String::from_utf8(text).unwrap(), wanted);
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
        let stopped = or_files(Err(Failure::Stopped(Error::ClosedPipe)), |_| Ok(()));
        assert!(matches!(stopped, Err(Error::ClosedPipe)), "{stopped:?}");
        assert_eq!(or_files(Ok(1), |_| Ok(2)).unwrap(), 1);
        let failed = or_files::<()>(Err(CTNETLINK.refused(Errno::PERM).into()), |refusal| {
            Err(refusal.into())
        });
        let Err(Error::Fault { text, .. }) = failed else { panic!("{failed:?}") };
        assert_eq!(text, b"ctnetlink: Operation not permitted (needs CAP_NET_ADMIN)");
    }
}
