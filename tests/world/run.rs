//! Programs run in a world, or beside it: connbox itself, and the tools it is compared with.

use std::ffi::{CString, OsStr};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use rustix::process::Signal;

use crate::support::{CONNBOX, lacks, search_path};

use super::World;
use super::sys::{self, Ban};

/// What the program that is run may do.
#[derive(Clone, Copy)]
pub enum Rights {
    /// Everything.
    Root,
    /// What the user 65534 may do without a capability.
    Nobody,
    /// Everything but to make a netlink socket: see [`Rights::without_netlink`].
    NoNetlink(Ban),
    /// Everything, but there is nothing in /proc.
    NoProc,
}

impl Rights {
    /// Those under which to make a netlink socket fails with `errno`. None if `test` is skipped.
    pub fn without_netlink(test: &str, errno: i32) -> Option<Self> {
        let ban = sys::netlink_ban(errno);
        if ban.is_none() {
            lacks(test, "seccomp", "no program for this machine");
        }
        ban.map(Self::NoNetlink)
    }
}

/// What a program answered.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status; -1 where a signal ended it.
    pub status: i32,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

impl Ran {
    /// Runs the command to its end.
    fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } =
            command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let text = |bytes| String::from_utf8(bytes).expect("output in UTF-8");
        Self { status: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
    }

    /// The standard output of conntrack, if all went well and only the number of flows was said.
    pub fn clean_but_for_the_trailer(self) -> String {
        let is_trailer = self.stderr.lines().all(|line| line.ends_with(" have been shown."));
        assert!(self.status == 0 && is_trailer, "{}", self.stderr);
        self.stdout
    }

    /// The standard output, if all went well and nothing was said about it.
    pub fn clean(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (0, ""), "{}", self.stdout);
        self.stdout
    }
}

impl World {
    /// connbox, run inside as root.
    pub fn connbox(&self, words: &[&str]) -> Ran {
        self.connbox_as(Rights::Root, words)
    }

    /// connbox, run inside with other rights.
    pub fn connbox_as(&self, rights: Rights, words: &[&str]) -> Ran {
        Ran::of(self.command(connbox(), rights).args(words))
    }

    /// connbox, run outside, where the file `/run/netns/<name>` stands for this world.
    pub fn connbox_beside(&self, name: &str, words: &[&str]) -> Ran {
        connbox_among(&[(name, self)], Rights::Root, words)
    }

    /// The output of a tool run inside as root. The tool must succeed.
    pub fn tool(&self, program: &str, words: &[&str]) -> String {
        self.tool_as(Rights::Root, program, words)
    }

    /// What a tool run inside as root answers, whatever it is.
    pub fn ran(&self, program: &str, words: &[&str]) -> Ran {
        Ran::of(self.command(Path::new(program), Rights::Root).args(words))
    }

    /// The output of a tool run inside with other rights.
    pub fn tool_as(&self, rights: Rights, program: &str, words: &[&str]) -> String {
        Ran::of(self.command(Path::new(program), rights).args(words)).clean()
    }

    /// A process that does nothing, inside.
    pub fn resident(&self) -> Resident {
        let mut command = self.command(Path::new("sleep"), Rights::Root);
        Resident(command.arg("300").spawn().expect("run sleep"))
    }

    /// A process that does nothing, inside, run by this name of the program sleep.
    pub fn resident_called(&self, sleep: &Path) -> Resident {
        Resident(self.command(sleep, Rights::Root).arg("300").spawn().expect("run sleep"))
    }

    /// The kernel's number of the namespace.
    pub fn inode(&self) -> u64 {
        rustix::fs::fstat(&self.netns).expect("the namespace").st_ino
    }

    /// connbox, run inside as root and left running; its standard output, and its process.
    pub fn connbox_running(&self, words: &[&str]) -> (ChildStdout, Resident) {
        let mut command = self.command(connbox(), Rights::Root);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.args(words).spawn().expect("run connbox");
        (child.stdout.take().expect("a pipe"), Resident(child))
    }

    /// A program, run inside as root with more environment, and left running.
    pub fn running_with(
        &self,
        program: &Path,
        environment: &[(&str, &str)],
        words: &[&str],
    ) -> Resident {
        let mut command = self.command(program, Rights::Root);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.args(words).envs(environment.iter().copied());
        Resident(command.spawn().expect("run a program"))
    }

    /// A program, run inside as root and left running; its standard output, and its process.
    pub fn running(&self, program: &str, words: &[&str]) -> (ChildStdout, Resident) {
        let mut command = self.command(Path::new(program), Rights::Root);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.args(words).spawn().expect(program);
        (child.stdout.take().expect("a pipe"), Resident(child))
    }

    /// The test program itself, run inside as one of its companions, which waits to be told to go on by a line.
    pub fn companion(&self, role: &str) -> Script {
        self.companion_called(role, OsStr::new("companion"))
    }

    /// The same by another name, of at most 15 bytes.
    pub fn companion_called(&self, role: &str, name: &OsStr) -> Script {
        let mut command = self.command(&oneself(), Rights::Root);
        become_companion(&mut command, role).env(COMPANION_NAME, name);
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("run the test program");
        let stdin = child.stdin.take().expect("a pipe");
        let says = child.stderr.take().expect("a pipe");
        Script { stdin, says: BufReader::new(Box::new(says)), resident: Resident(child) }
    }

    /// A program in Python that is run inside, and waits to be told to go on by a line.
    pub fn script(&self, text: &str) -> Script {
        let mut command = self.command(Path::new("python3"), Rights::Root);
        command.args(["-S", "-c", text]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("run python3");
        let stdin = child.stdin.take().expect("a pipe");
        let says = child.stdout.take().expect("a pipe");
        Script { stdin, says: BufReader::new(Box::new(says)), resident: Resident(child) }
    }

    /// A program to be run inside.
    pub(super) fn command(&self, program: &Path, rights: Rights) -> Command {
        let netns = self.netns.as_raw_fd();
        let mut command = plain(program);
        sys::before_exec(&mut command, move || {
            sys::enter_net(netns)?;
            match rights {
                Rights::Root => {}
                Rights::Nobody => sys::become_user(65534)?,
                Rights::NoNetlink(ban) => sys::apply_ban(&ban)?,
                Rights::NoProc => sys::empty_proc()?,
            }
            // After the change of user, which would undo it.
            sys::die_with_parent()
        });
        command
    }
}

/// The environment variables that make the test program a companion, and give it a name.
pub const COMPANION: &str = "CONNBOX_COMPANION";
pub const COMPANION_NAME: &str = "CONNBOX_COMPANION_NAME";

/// The test program.
pub fn oneself() -> PathBuf {
    std::env::current_exe().expect("a path")
}

/// Has the test program, run by this command, be a companion: tests/live/companions.rs.
pub fn become_companion<'a>(command: &'a mut Command, role: &str) -> &'a mut Command {
    command.env(COMPANION, role).stdout(Stdio::null());
    command.args(["companions::is_one", "--exact", "--nocapture"])
}

/// connbox, run outside, where files of /run/netns stand for these worlds and for nothing else.
pub fn connbox_among(named: &[(&str, &World)], rights: Rights, words: &[&str]) -> Ran {
    tool_among(named, rights, connbox(), words)
}

/// The same for another program.
pub fn tool_among(named: &[(&str, &World)], rights: Rights, program: &Path, words: &[&str]) -> Ran {
    let text = |text: String| CString::new(text).expect("no NUL");
    let pair = |(name, world): &(&str, &World)| {
        let source = format!("/proc/self/fd/{}", world.netns.as_raw_fd());
        (text(source), text(format!("/run/netns/{name}")))
    };
    let files: Vec<_> = named.iter().map(pair).collect();
    let mut command = plain(program);
    sys::before_exec(&mut command, move || {
        sys::bind_netns(c"/run/netns", &files)?;
        if matches!(rights, Rights::Nobody) {
            sys::become_user(65534)?;
        }
        sys::die_with_parent()
    });
    Ran::of(command.args(words))
}

/// A program that lives in a network namespace of its own for a moment.
pub fn pass_through_a_namespace() {
    let mut command = plain(Path::new("true"));
    sys::before_exec(&mut command, sys::unshare_net);
    command.status().expect("run true");
}

/// connbox, run outside every world.
pub fn connbox_outside(words: &[&str]) -> Ran {
    Ran::of(plain(connbox()).args(words))
}

/// The binary under test.
pub fn connbox() -> &'static Path {
    Path::new(CONNBOX)
}

/// A program in a plain environment and without input.
fn plain(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", search_path()).env("LC_ALL", "C").env_remove("CONNBOX_ROOT");
    command.stdin(Stdio::null());
    command
}

/// A process of a world, killed when the value is dropped.
pub struct Resident(pub(super) Child);

impl Resident {
    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Its exit status, if it has ended; -1 where a signal ended it.
    pub fn has_ended(&mut self) -> Option<i32> {
        self.0.try_wait().expect("wait").map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for its end and gives its exit status; -1 where a signal ended it.
    pub fn end(&mut self) -> i32 {
        self.0.wait().expect("wait").code().unwrap_or(-1)
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A companion, or a program in Python. Whatever it has forked must end at the end of its standard input.
pub struct Script {
    // Closed before the process is killed and waited for.
    stdin: ChildStdin,
    says: BufReader<Box<dyn Read + Send>>,
    resident: Resident,
}

impl Script {
    /// Its process ID.
    pub fn pid(&self) -> u32 {
        self.resident.pid()
    }

    /// Ends it by a signal.
    pub fn kill(mut self) {
        self.resident.signal(Signal::KILL);
        self.resident.end();
    }

    /// Tells it to go on, and gives what it says next.
    pub fn go(&mut self) -> String {
        self.tell("go")
    }

    /// Tells it a line, and gives what it says next.
    pub fn tell(&mut self, line: &str) -> String {
        self.stdin.write_all(format!("{line}\n").as_bytes()).expect("the program still runs");
        let mut line = String::new();
        self.says.read_line(&mut line).expect("a line in UTF-8");
        line.trim_end().to_owned()
    }
}
