//! One run of one command, measured from outside.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::{netns, sys};

/// A command without output for this long has failed.
const PATIENCE_SECONDS: i64 = 120;

/// The output and cost of one run.
pub struct Sample {
    /// From just before the spawn until wait4 has returned and the last writer of the output has closed it.
    pub wall: Duration,
    /// User and system time.
    pub cpu: Duration,
    /// Peak resident memory from wait4: an upper bound.
    pub peak_kib: i64,
    /// All output from the pipe.
    pub output: Vec<u8>,
}

/// A command that can be run again and again.
pub struct Job {
    command: Command,
    complaints: PathBuf,
    within: Option<&'static str>,
}

impl Job {
    /// Prepares a command: absolute program, arguments, C locale, standard error into a file.
    ///
    /// All jobs get the same small environment. std uses vfork, because nothing happens between fork and
    /// exec. `within` names a namespace to run in instead of the present one.
    pub fn new(
        argv: &[String],
        within: Option<&'static str>,
        complaints: &Path,
    ) -> io::Result<Job> {
        let [program, arguments @ ..] = argv else {
            return Err(io::Error::other("an empty command"));
        };
        let program = find(program).ok_or_else(|| io::Error::other("not installed"))?;
        let mut command = Command::new(program);
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.args(arguments).env_clear().env("PATH", path).env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(File::create(complaints)?);
        Ok(Job { command, complaints: complaints.to_owned(), within })
    }

    /// Runs the command once.
    pub fn run(&mut self) -> io::Result<Sample> {
        let mut output = Vec::with_capacity(1 << 16);
        let visit = self.within.map(netns::visit).transpose()?;
        let start = Instant::now();
        let mut child = self.command.spawn()?;
        drop(visit);
        let read = child.stdout.take().map_or(Ok(()), |pipe| drain(pipe, &mut output));
        if read.is_err() {
            child.kill()?;
        }
        let ended = sys::wait4(child.id())?;
        let wall = start.elapsed();
        read?;
        match ended.status {
            0 => Ok(Sample { wall, cpu: ended.cpu, peak_kib: ended.peak_kib, output }),
            status => Err(self.failure(status)),
        }
    }

    fn failure(&self, status: i32) -> io::Error {
        let complaints = fs::read_to_string(&self.complaints).unwrap_or_default();
        let last = complaints.lines().last().unwrap_or("no complaint");
        io::Error::other(format!("exit status {status}: {last}"))
    }
}

/// Reads until every writer has closed the pipe, so that all parts of a pipeline have ended.
fn drain(mut pipe: ChildStdout, output: &mut Vec<u8>) -> io::Result<()> {
    let limit = Timespec { tv_sec: PATIENCE_SECONDS, tv_nsec: 0 };
    let mut buffer = [0; 1 << 14];
    loop {
        if poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&limit))? == 0 {
            return Err(io::Error::other(format!("silent for {PATIENCE_SECONDS} s")));
        }
        match pipe.read(&mut buffer)? {
            0 => return Ok(()),
            count => output.extend(buffer.iter().take(count)),
        }
    }
}

/// Finds a program in PATH, as a shell does.
pub fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Path::new(program).exists().then(|| program.into());
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Ends a helper process of the bench and waits for it.
pub fn end(child: &mut Child) {
    // Both fail only if the child has already ended, which is the goal.
    let _ = child.kill();
    let _ = child.wait();
}
