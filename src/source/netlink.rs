//! Requests to the kernel by netlink, the messages that answer them, and the one rule for when files are read
//! instead.

use std::borrow::Cow;

use rustix::io::Errno;

use crate::error::{self, Error};
use crate::source::files::tables::{Doubts, Weight};
use crate::sys::Netlink;
use crate::wire::netlink::{self, Message};

/// A part of the kernel that answers netlink requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsystem {
    /// The subject of error messages about its refusals.
    pub name: &'static str,
    /// The capability that it requires; empty if none.
    pub right: &'static str,
}

/// The socket tables: anyone may read them.
pub const SOCK_DIAG: Subsystem = Subsystem { name: "sock_diag", right: "" };
/// The table of tracked flows and their events.
pub const CTNETLINK: Subsystem = Subsystem { name: "ctnetlink", right: "CAP_NET_ADMIN" };

impl Subsystem {
    /// A refusal by this subsystem before any answer was given.
    pub fn refused(self, errno: Errno) -> Refusal {
        Refusal { subsystem: self, errno, sentence: Vec::new(), is_partial: false }
    }
}

/// Whether to wait if no datagram is there yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    Yes,
    No,
}

/// A source of netlink messages; tests script one.
pub trait Messages {
    /// Receives one datagram.
    ///
    /// # Errors
    /// `AGAIN` if none is there and the call does not wait; `NOBUFS` if messages were lost; `INTR` if the call
    /// must be repeated.
    fn receive(&mut self, wait: Wait) -> Result<&[u8], Errno>;

    /// Receives one datagram and calls `each` with its messages. `None` stands for a message that the datagram
    /// cuts short; it is the last one.
    ///
    /// # Errors
    /// The outer error is that of [`Messages::receive`]; the inner one is that of `each`, which ends the walk.
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
    fn send(&mut self, request: &[u8]) -> Result<(), Errno>;

    /// The number for the next request.
    fn number(&mut self) -> u32;

    /// The port that the answers to a request name, which was just sent; `None` if it is not known.
    fn port(&self) -> Option<u32> {
        None
    }
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

    fn number(&mut self) -> u32 {
        Netlink::number(self)
    }

    fn port(&self) -> Option<u32> {
        Netlink::port(self)
    }
}

/// Why the kernel did not answer, or did not answer completely.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    pub subsystem: Subsystem,
    /// The system's reason; `BADMSG` for an answer of unknown shape.
    pub errno: Errno,
    /// The kernel's own message, if it gave one.
    pub sentence: Vec<u8>,
    /// Whether some answers were given before.
    pub is_partial: bool,
}

impl Refusal {
    /// Whether netlink is not available for this at all, and no answer was given: a sandbox forbids it, a
    /// capability is missing, or the kernel lacks the socket, protocol, module or request.
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
            reason = [&reason, " ", &error::needs(right)].concat();
        }
        Error::failed(name, reason)
    }
}

/// Why answers were not read completely.
#[derive(Debug)]
pub enum Failure {
    /// The kernel refused, or cut the answers short.
    Refused(Refusal),
    /// The callback failed, and nothing more was received.
    Stopped(Error),
}

impl Failure {
    /// Marks the failure as one that came after answers to other requests.
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

/// Returns what netlink gave. If netlink is not available at all, returns what `files` reads from /proc; it is
/// given the reason. After a partial answer, or if memory or descriptors ran out, reading files would hide a
/// failure, so these are errors.
///
/// # Errors
/// The failure, if files may not be read instead; else that of `files`.
pub fn or_files<T>(
    asked: Result<T, Failure>,
    files: impl FnOnce(Refusal) -> Result<T, Error>,
) -> Result<T, Error> {
    match asked {
        Err(Failure::Refused(refusal)) if refusal.is_closed_way() => files(refusal),
        asked => Ok(asked?),
    }
}

/// The result of a dump.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dumped {
    /// The kernel reports that the table changed meanwhile: entries may be missing or duplicated.
    pub is_interrupted: bool,
    /// What may be wrong with the files, if these served instead.
    pub doubts: Doubts,
}

impl Dumped {
    /// What is to be said about a count, each with what it means; `changed` says that the kernel noticed a
    /// change during the dump.
    pub(crate) fn notes(
        self,
        changed: &'static str,
    ) -> impl Iterator<Item = (Weight, Cow<'static, str>)> {
        let changed = self.is_interrupted.then_some((Weight::Lack, changed.into()));
        self.doubts.notes().chain(changed)
    }

    /// Adds another dump of the same snapshot.
    pub fn add(&mut self, other: Dumped) {
        self.is_interrupted |= other.is_interrupted;
        self.doubts.add(other.doubts);
    }
}

/// What one call of [`Answers::next`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A datagram, whose answers were given.
    Read,
    /// Nothing waits to be read.
    Idle,
    /// The end of the answers.
    Done,
}

/// The answers of a subsystem to successive requests.
#[derive(Debug)]
pub struct Answers {
    subsystem: Subsystem,
    /// The number of the request whose answers are being read, and the port that they name.
    sequence: u32,
    port: Option<u32>,
    is_done: bool,
    is_partial: bool,
    /// The result so far.
    pub dumped: Dumped,
}

impl Answers {
    pub fn of(subsystem: Subsystem) -> Answers {
        let dumped = Dumped::default();
        let (sequence, port, is_done, is_partial) = (0, None, true, false);
        Answers { subsystem, sequence, port, is_done, is_partial, dumped }
    }

    /// Numbers and sends a request. [`Answers::next`] then gives its answers and skips those to other requests.
    ///
    /// # Errors
    /// [`Failure::Refused`]: `BUSY` until an earlier dump has ended.
    #[inline(never)]
    pub fn begin(
        &mut self,
        kernel: &mut impl Exchange,
        mut request: Vec<u8>,
    ) -> Result<(), Failure> {
        (self.sequence, self.is_done) = (kernel.number(), false);
        netlink::number(&mut request, self.sequence);
        let sent = kernel.send(&request);
        self.port = kernel.port();
        sent.map_err(|errno| self.refused(errno).into())
    }

    /// Receives one datagram and calls `each` with the answers in it. `each` returns `None` if an answer has an
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
        match kernel.walk(wait, |message| self.accept(message, &mut each)) {
            Ok(accepted) => accepted?,
            Err(Errno::AGAIN) => return Ok(Progress::Idle),
            Err(Errno::INTR) => return Ok(Progress::Read),
            Err(errno) => return Err(self.refused(errno).into()),
        }
        Ok(if self.is_done { Progress::Done } else { Progress::Read })
    }

    /// Sends a request and calls `each` with all answers to it.
    #[inline]
    pub fn ask(
        &mut self,
        kernel: &mut impl Exchange,
        request: Vec<u8>,
        mut each: impl FnMut(&Message<'_>) -> Option<Result<(), Error>>,
    ) -> Result<(), Failure> {
        self.begin(kernel, request)?;
        while self.next(kernel, Wait::Yes, &mut each)? != Progress::Done {}
        Ok(())
    }

    #[inline]
    fn accept(
        &mut self,
        message: Option<Message<'_>>,
        each: &mut impl FnMut(&Message<'_>) -> Option<Result<(), Error>>,
    ) -> Result<(), Failure> {
        if self.is_done {
            return Ok(());
        }
        let Some(message) = message else { return Err(self.refused(Errno::BADMSG).into()) };
        let is_other_port = self.port.is_some_and(|port| message.port != port);
        if message.sequence != self.sequence || is_other_port {
            return Ok(());
        }
        self.dumped.is_interrupted |= message.flags & netlink::INTERRUPTED != 0;
        match message.kind {
            netlink::DONE | netlink::ERROR => self.end(&message),
            netlink::NOOP => Ok(()),
            _ => match each(&message) {
                None => Err(self.refused(Errno::BADMSG).into()),
                Some(accepted) => {
                    self.is_partial = true;
                    accepted.map_err(Failure::Stopped)
                }
            },
        }
    }

    /// Handles the result in the last message.
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
    request: Vec<u8>,
    each: impl FnMut(&Message<'_>) -> Option<Result<(), Error>>,
) -> Result<Dumped, Failure> {
    let mut answers = Answers::of(subsystem);
    answers.ask(kernel, request, each)?;
    Ok(answers.dumped)
}

/// The sequence number of a request that was not sent yet: [`Answers::begin`] gives it its own.
pub const UNSENT: u32 = 0;

#[cfg(test)]
mod tests {
    use super::*;

    /// Errors after which files are read instead; all others are failures.
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
        let wanted =
            ["ctnetlink: Operation not permitted ", &error::needs("CAP_NET_ADMIN")].concat();
        assert_eq!(text, wanted.as_bytes());
    }
}
