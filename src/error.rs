//! What can go wrong, and the one table of exit statuses.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// The exit statuses of connbox; an applet with the name of an existing tool keeps that tool's statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Success; a reader that closed the pipe early counts as success.
    Done,
    /// Something failed at run time, partial trouble included.
    Failed,
    /// The command line was wrong.
    Usage,
    /// There is no applet of that name.
    NoApplet,
    /// The status of the tool whose name the applet has.
    Of(u8),
}

impl Status {
    /// The number that the system takes.
    pub fn number(self) -> i32 {
        match self {
            Status::Done => 0,
            Status::Failed => 1,
            Status::Usage => 2,
            Status::NoApplet => 127,
            Status::Of(number) => number.into(),
        }
    }
}

/// Why a run ends early. Its text reads `subject: reason`; `lib.rs` puts the applet before it.
#[derive(Debug)]
pub enum Error {
    /// An error in the command line, from a file or from the kernel, with its exit status.
    Fault {
        /// The exit status.
        status: Status,
        /// `subject: reason`, as bytes: file names need not be UTF-8.
        text: Vec<u8>,
    },
    /// The messages are already printed; only the exit status remains.
    Said,
    /// The run is complete, and this is the exit status of its result.
    Ended(Status),
    /// The reader of our output has closed the pipe: a quiet end.
    ClosedPipe,
    /// `--help` was among the arguments.
    Help,
    /// `--version` was among the arguments.
    Version,
}

impl Error {
    /// A usage error: `subject` is the option or argument.
    pub fn usage(subject: impl AsRef<[u8]>, reason: impl fmt::Display) -> Error {
        Error::of(Status::Usage, subject, reason)
    }

    /// A failure at run time: `subject` is the file or the object of the request.
    pub fn failed(subject: impl AsRef<[u8]>, reason: impl fmt::Display) -> Error {
        Error::of(Status::Failed, subject, reason)
    }

    /// The same for a file.
    pub fn of_file(path: &Path, reason: impl fmt::Display) -> Error {
        Error::failed(path.as_os_str().as_bytes(), reason)
    }

    /// A failed system call, in the system's own words.
    pub fn system(subject: impl AsRef<[u8]>, error: rustix::io::Errno) -> Error {
        Error::failed(subject, reason(error))
    }

    /// A failed system call that would have worked with `right` (a capability's name).
    pub fn refused(subject: impl AsRef<[u8]>, error: rustix::io::Errno, right: &str) -> Error {
        match error {
            rustix::io::Errno::PERM | rustix::io::Errno::ACCESS => {
                Error::failed(subject, format_args!("{} (needs {right})", reason(error)))
            }
            _ => Error::system(subject, error),
        }
    }

    /// An error with the exit status `status`. An empty subject is shown as `''`.
    pub fn of(status: Status, subject: impl AsRef<[u8]>, reason: impl fmt::Display) -> Error {
        Error::fault(status, subject.as_ref(), &reason)
    }

    fn fault(status: Status, subject: &[u8], reason: &dyn fmt::Display) -> Error {
        let subject = if subject.is_empty() { b"''" } else { subject };
        let text = [subject, format!(": {reason}").as_bytes()].concat();
        Error::Fault { status, text }
    }

    /// The exit status that this error gives.
    pub fn status(&self) -> Status {
        match self {
            Error::Fault { status, .. } => *status,
            Error::Said => Status::Failed,
            Error::Ended(status) => *status,
            Error::ClosedPipe | Error::Help | Error::Version => Status::Done,
        }
    }
}

/// The system's text for `error`, without the "(os error N)" that Rust appends.
pub fn reason(error: rustix::io::Errno) -> String {
    let mut text = std::io::Error::from(error).to_string();
    if let Some(end) = text.rfind(" (os error ") {
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_subject_is_to_be_seen() {
        let Error::Fault { text, .. } = Error::usage("", "no such file") else { panic!() };
        assert_eq!(text, b"'': no such file");
    }

    #[test]
    fn a_refused_call_names_the_right_and_not_the_number() {
        let error = Error::refused("/run/netns/x", rustix::io::Errno::PERM, "CAP_SYS_ADMIN");
        let Error::Fault { status: Status::Failed, text } = error else { panic!("{error:?}") };
        assert_eq!(text, b"/run/netns/x: Operation not permitted (needs CAP_SYS_ADMIN)");
    }
}
