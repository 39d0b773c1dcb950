//! What can go wrong, and the one table of exit statuses.

use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::thread::{CapabilitySet, CapabilitySets};

/// The exit statuses of connbox; an applet with the name of an existing tool keeps that tool's statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Success; a reader that closed the pipe early counts as success.
    Done,
    /// Something failed at run time, partial trouble included.
    Failed,
    /// The command line was wrong.
    Usage,
    /// It names what is not there now, and may come back.
    NotThere,
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
            Status::Usage | Status::NotThere => 2,
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
    /// The short help was asked for.
    ShortHelp,
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
        let subject = subject.as_ref();
        let is_missing = error == rustix::io::Errno::NOENT;
        let cure = if is_missing { cure_of_proc(subject) } else { "" };
        Error::failed(subject, format_args!("{}{cure}", reason(error)))
    }

    /// A failed system call that would have worked with `right` (a capability's name).
    pub fn refused(subject: impl AsRef<[u8]>, error: rustix::io::Errno, right: &str) -> Error {
        match error {
            rustix::io::Errno::PERM | rustix::io::Errno::ACCESS => {
                Error::failed(subject, format_args!("{} {}", reason(error), needs(right)))
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
            Error::ClosedPipe | Error::Help | Error::ShortHelp | Error::Version => Status::Done,
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

/// What helps where this process is not in the /proc that `path` is below, as after `nsenter -m`; nothing where it is.
pub fn cure_of_proc(path: &[u8]) -> &'static str {
    let is_proc = path.strip_prefix(b"/proc").is_some_and(|rest| matches!(rest, [] | [b'/', ..]));
    match is_proc && rustix::fs::access("/proc/self", rustix::fs::Access::EXISTS).is_err() {
        true => {
            " (/proc is not mounted, or is that of a PID namespace in which connbox is not: nsenter needs -p beside -m)"
        }
        false => "",
    }
}

/// What would help where the kernel refused something for want of `right`: one capability, or several joined by " and ".
pub fn needs(right: &str) -> String {
    needs_beside(right, held())
}

/// Whether this process has `right`, in its own user namespace.
pub fn holds(right: &str) -> bool {
    holds_all(right, held())
}

/// The effective capabilities; none if they cannot be told, so that the usual reason is named.
fn held() -> CapabilitySet {
    let held = rustix::thread::capabilities(None).unwrap_or_else(|_| CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    });
    held.effective
}

/// The same for a process with the capabilities `held`. Those that it has were of no use, since they count only in
/// its own user namespace and a security module may forbid what they allow (capabilities(7), user_namespaces(7)).
fn needs_beside(right: &str, held: CapabilitySet) -> String {
    if holds_all(right, held) {
        return format!(
            "(forbidden although connbox has {right}: a security module guards it, or it is of another user namespace)"
        );
    }
    format!("(needs {right})")
}

fn holds_all(right: &str, held: CapabilitySet) -> bool {
    let is_held = |name: &str| {
        held.contains(match name {
            "CAP_DAC_READ_SEARCH" => CapabilitySet::DAC_READ_SEARCH,
            "CAP_NET_ADMIN" => CapabilitySet::NET_ADMIN,
            "CAP_NET_RAW" => CapabilitySet::NET_RAW,
            "CAP_SYS_ADMIN" => CapabilitySet::SYS_ADMIN,
            "CAP_SYS_PTRACE" => CapabilitySet::SYS_PTRACE,
            _ => return false,
        })
    };
    right.split(" and ").all(is_held)
}

/// Whether a terminal could take a character for a command (C0, DEL, C1), or would change the order of the text
/// around it (bidirectional controls).
#[inline]
pub fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        )
}

/// How such a character is shown: `\x9b`, `\u{202e}`.
#[inline(never)]
pub fn hidden(character: char) -> String {
    match u32::from(character) {
        number @ ..=0xff => format!("\\x{number:02x}"),
        number => format!("\\u{{{number:x}}}"),
    }
}

/// `text` with hidden characters and bytes that are not UTF-8 made visible.
#[inline(never)]
pub fn visible(text: &[u8]) -> String {
    let mut line = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                character if is_hidden(character) => line += &hidden(character),
                character => line.push(character),
            }
        }
        line.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_capability_that_is_held_is_no_cure() {
        let (ptrace, both) = ("CAP_SYS_PTRACE", "CAP_SYS_ADMIN and CAP_SYS_PTRACE");
        let one = CapabilitySet::SYS_PTRACE;
        assert_eq!(needs_beside(ptrace, CapabilitySet::empty()), "(needs CAP_SYS_PTRACE)");
        assert_eq!(needs_beside(both, one), format!("(needs {both})"));
        for (right, held) in [(ptrace, one), (both, one | CapabilitySet::SYS_ADMIN)] {
            let wanted = format!(
                "(forbidden although connbox has {right}: a security module guards it, or it is of another user namespace)"
            );
            assert_eq!(needs_beside(right, held), wanted);
        }
    }

    #[test]
    fn an_empty_subject_is_to_be_seen() {
        let Error::Fault { text, .. } = Error::usage("", "no such file") else { panic!() };
        assert_eq!(text, b"'': no such file");
    }

    #[test]
    fn what_a_terminal_could_obey_is_shown() {
        let hostile =
            b"a\x1b\x7f\n\xc2\x9b\xe2\x80\xae\xd8\x9c\xff\xc3\xa4\xe2\x80\xa7\xe2\x81\xaa\\";
        let wanted = "a\\x1b\\x7f\\x0a\\x9b\\u{202e}\\u{61c}\\xff\u{e4}\u{2027}\u{206a}\\";
        assert_eq!(visible(hostile), wanted);
        let shown = ('\0'..=char::MAX).filter(|character| is_hidden(*character)).count();
        assert_eq!(shown, 32 + 33 + 3 + 5 + 4);
    }

    #[test]
    fn a_refused_call_names_the_right_and_not_the_number() {
        let error = Error::refused("/run/netns/x", rustix::io::Errno::PERM, "CAP_SYS_ADMIN");
        let Error::Fault { status: Status::Failed, text } = error else { panic!("{error:?}") };
        let wanted = format!("/run/netns/x: Operation not permitted {}", needs("CAP_SYS_ADMIN"));
        assert_eq!(text, wanted.as_bytes());
    }
}
