//! One run of a program, watched: how it ended, what it said, how long it took, and how much memory.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{
    Pid, PidfdFlags, Resource, Rlimit, Signal, getrlimit, kill_process, pidfd_open, setrlimit,
};

use super::sys;
use crate::support::CONNBOX;

/// A run that takes longer hangs.
const BOUND: Duration = Duration::from_secs(30);
/// The memory of a run: this, and so many bytes for each byte of its input.
const MOST_BYTES: u64 = 64 << 20;
const MOST_PER_BYTE: u64 = 48;
/// The files that the attack opens at once.
const MOST_FILES: u64 = 4096;
/// What a pipe holds without a reader.
const PIPE: usize = 60_000;

/// How a run ended.
#[derive(Debug)]
pub struct Ended {
    pub status: Option<i32>,
    pub signal: Option<i32>,
    pub is_hung: bool,
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub took: Duration,
    pub peak_bytes: u64,
}

/// Limits of this process that its children inherit, so that a fault of connbox does not become one of the machine.
pub fn limit_all() {
    for (resource, most) in
        [(Resource::As, 8 << 30), (Resource::Fsize, 512 << 20), (Resource::Core, 0)]
    {
        let maximum = getrlimit(resource).maximum;
        let most = maximum.map_or(most, |maximum| maximum.min(most));
        setrlimit(resource, Rlimit { current: Some(most), maximum }).unwrap();
    }
    // The attack itself needs more than the usual 1,024.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let current = Some(maximum.map_or(MOST_FILES, |maximum| maximum.min(MOST_FILES)));
    setrlimit(Resource::Nofile, Rlimit { current, maximum }).unwrap();
}

/// connbox with these words and a plain environment.
pub fn connbox<I: Into<OsString>>(words: impl IntoIterator<Item = I>) -> Command {
    let mut command = Command::new(CONNBOX);
    command.args(words.into_iter().map(Into::into)).env_clear().env("LC_ALL", "C");
    command.stdin(Stdio::null());
    command
}

/// A file in memory.
fn memory(bytes: &[u8]) -> File {
    let mut file = File::from(memfd_create(c"attack", MemfdFlags::CLOEXEC).unwrap());
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// A standard input with these bytes: a pipe if they fit, else a file.
pub fn stdin_of(bytes: &[u8]) -> Stdio {
    if bytes.len() > PIPE {
        return memory(bytes).into();
    }
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(bytes).unwrap();
    reader.into()
}

/// A run that has begun.
pub struct Trial {
    child: Child,
    stdout: File,
    stderr: File,
    start: Instant,
}

impl Trial {
    pub fn start(command: &mut Command) -> Trial {
        Self::try_start(command).unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    fn try_start(command: &mut Command) -> io::Result<Trial> {
        let [stdout, stderr] = [(); 2].map(|()| memory(b""));
        let [to_out, to_err] = [&stdout, &stderr].map(|file| file.try_clone().unwrap());
        let start = Instant::now();
        let child = command.stdout(to_out).stderr(to_err).spawn()?;
        // The command would keep the descriptors.
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Trial { child, stdout, stderr, start })
    }

    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Tells a run that goes on until then to end, and waits for that.
    pub fn end_by(mut self, signal: Signal) -> Ended {
        let _ = kill_process(self.pid(), signal);
        // What it has run before is no part of its end.
        self.start = Instant::now();
        self.end()
    }

    /// Waits for its end, or ends it if it takes too long.
    pub fn end(mut self) -> Ended {
        let pidfd = pidfd_open(self.pid(), PidfdFlags::empty()).unwrap();
        let is_hung = !is_readable(&pidfd, BOUND.saturating_sub(self.start.elapsed()));
        if is_hung {
            self.child.kill().unwrap();
        }
        let (status, peak_bytes) = sys::reap(self.child.id()).unwrap();
        let took = self.start.elapsed();
        let text = |mut file: File| {
            let mut text = Vec::new();
            file.rewind().unwrap();
            file.read_to_end(&mut text).unwrap();
            text
        };
        let status =
            <std::process::ExitStatus as std::os::unix::process::ExitStatusExt>::from_raw(status);
        Ended {
            status: status.code(),
            signal: std::os::unix::process::ExitStatusExt::signal(&status),
            is_hung,
            stdout: text(self.stdout),
            stderr: text(self.stderr),
            took,
            peak_bytes,
        }
    }
}

/// Waits until a descriptor can be read.
fn is_readable(fd: &OwnedFd, most: Duration) -> bool {
    let end = Instant::now() + most;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap();
        match poll(&mut [PollFd::new(fd, PollFlags::IN)], Some(&left)) {
            Ok(count) => return count > 0,
            Err(error) => assert_eq!(error, rustix::io::Errno::INTR),
        }
    }
}

/// Runs a command to its end, if the kernel can start it.
pub fn try_run(command: &mut Command) -> io::Result<Ended> {
    Ok(Trial::try_start(command)?.end())
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Ended {
    Trial::start(command).end()
}

impl Ended {
    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Whether it ended as every run must, with an input of `size` bytes: no panic, no signal, within the bounds,
    /// with a message if it failed, and without a command for the terminal in it.
    pub fn check(&self, size: usize) -> Result<(), String> {
        let fail = |why: String| Err(format!("{why}\n  standard error: {:.600}", self.said()));
        if self.is_hung {
            return fail(format!("still ran after {} s", BOUND.as_secs()));
        }
        if let Some(signal) = self.signal {
            return fail(format!("ended by signal {signal}"));
        }
        if !matches!(self.status, Some(0..=3)) || contains(&self.stderr, b"panicked at") {
            return fail(format!("ended with status {:?}", self.status));
        }
        let most = MOST_BYTES + MOST_PER_BYTE * size as u64;
        if self.peak_bytes > most {
            return fail(format!("took {} bytes of memory for {size}", self.peak_bytes));
        }
        // A check says what is wrong on standard output.
        if self.status != Some(0) && self.stderr.is_empty() && self.stdout.is_empty() {
            return fail("failed without a message".into());
        }
        if let Some(character) = terminal_command(&self.stderr) {
            return fail(format!("a message with {character}"));
        }
        if std::str::from_utf8(&self.stderr).is_err() {
            return fail("a message that is not UTF-8".into());
        }
        Ok(())
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    memchr::memmem::find(text, part).is_some()
}

/// A character that a terminal would obey.
pub fn terminal_command(text: &[u8]) -> Option<String> {
    let is_bad = |c: &char| {
        let is_bidi = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        is_bidi || (c.is_control() && !matches!(c, '\n' | '\t'))
    };
    let mut valid = text.utf8_chunks().flat_map(|chunk| chunk.valid().chars());
    valid.find(is_bad).map(|c| format!("U+{:04X}", u32::from(c)))
}
