//! Programs run inside or outside a world: connbox itself, and the tools it is compared with.

use std::ffi::{CString, OsStr};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio};

use rustix::process::Signal;

use crate::support::{CONNBOX, lacks, search_path};

use super::World;
use super::sys::{self, Ban};

/// What the program may do.
#[derive(Clone, Copy)]
pub enum Rights {
    /// Everything.
    Root,
    /// What the user 65534 may do without a capability.
    Nobody,
    /// Everything except one system call: see [`Rights::without_netlink`] and [`Rights::without_filters`].
    Without(Ban),
    /// Everything except joining groups of netlink messages.
    NoGroups([Ban; 2]),
    /// Everything, but /proc is empty.
    NoProc,
    /// Everything that needs no netlink socket, where /proc is mounted with `subset=pid`.
    ProcOfPids(Ban),
}

impl Rights {
    /// Rights with which making a netlink socket fails with `errno`. None if `test` is skipped.
    pub fn without_netlink(test: &str, errno: i32) -> Option<Self> {
        Self::without(test, sys::netlink_ban(errno))
    }

    /// Rights with which a filter of system calls is refused with `errno`. None if `test` is skipped.
    pub fn without_filters(test: &str, errno: i32) -> Option<Self> {
        Self::without(test, sys::filter_ban(errno))
    }

    fn without(test: &str, ban: Option<Ban>) -> Option<Self> {
        if ban.is_none() {
            lacks(test, "seccomp", "the tests have no program for this processor");
        }
        ban.map(Self::Without)
    }

    /// Those without netlink, and with a /proc that shows processes and nothing else. None if `test` is skipped.
    pub fn proc_of_pids(test: &str) -> Option<Self> {
        let Self::Without(ban) = Self::without_netlink(test, libc::EPERM)? else { return None };
        if connbox::sys::kernel_version() < (5, 8) {
            lacks(test, "subset=pid", "an older kernel");
            return None;
        }
        Some(Self::ProcOfPids(ban))
    }
}

/// The result of a program.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    /// Its exit status; -1 if a signal ended it.
    pub status: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    fn of(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } =
            command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let text = |bytes| String::from_utf8(bytes).expect("output in UTF-8");
        Self { status: status.code().unwrap_or(-1), stdout: text(stdout), stderr: text(stderr) }
    }

    /// The standard output of conntrack, if it succeeded and printed only the number of flows on standard
    /// error.
    pub fn clean_but_for_the_trailer(self) -> String {
        let is_trailer = self.stderr.lines().all(|line| line.ends_with(" have been shown."));
        assert!(self.status == 0 && is_trailer, "{}", self.stderr);
        self.stdout
    }

    /// The standard output, if the program succeeded and printed nothing on standard error.
    pub fn clean(self) -> String {
        assert_eq!((self.status, self.stderr.as_str()), (0, ""), "{}", self.stdout);
        self.stdout
    }
}

impl World {
    /// Runs connbox inside as root.
    pub fn connbox(&self, words: &[&str]) -> Ran {
        self.connbox_as(Rights::Root, words)
    }

    /// The standard output of connbox run inside as root, whatever its bytes are. It must succeed.
    pub fn connbox_bytes(&self, words: &[&str]) -> Vec<u8> {
        let mut command = self.command(connbox(), Rights::Root);
        let Output { status, stdout, stderr } = command.args(words).output().expect("run connbox");
        assert!(status.success() && stderr.is_empty(), "{}", stderr.escape_ascii());
        stdout
    }

    /// Runs connbox inside with other rights.
    pub fn connbox_as(&self, rights: Rights, words: &[&str]) -> Ran {
        Ran::of(self.command(connbox(), rights).args(words))
    }

    /// Runs connbox outside, where the file `/run/netns/<name>` refers to this world.
    pub fn connbox_beside(&self, name: &str, words: &[&str]) -> Ran {
        connbox_among(&[(name, self)], Rights::Root, words)
    }

    /// The output of a tool run inside as root. The tool must succeed.
    pub fn tool(&self, program: &str, words: &[&str]) -> String {
        self.tool_as(Rights::Root, program, words)
    }

    /// The output of a tool run inside as root, whatever its bytes are. It must succeed.
    pub fn tool_bytes(&self, program: &str, words: &[&str]) -> Vec<u8> {
        let output = self.command(Path::new(program), Rights::Root).args(words).output();
        let Output { status, stdout, stderr } = output.expect("run a tool");
        assert!(status.success(), "{}", stderr.escape_ascii());
        stdout
    }

    /// The result of a tool run inside as root, whether it succeeds or not.
    pub fn ran(&self, program: &str, words: &[&str]) -> Ran {
        Ran::of(self.command(Path::new(program), Rights::Root).args(words))
    }

    /// What a tool run inside with other rights answers, whatever it is.
    pub fn ran_as(&self, rights: Rights, program: &str, words: &[&str]) -> Ran {
        Ran::of(self.command(Path::new(program), rights).args(words))
    }

    /// The output of a tool run inside with other rights.
    pub fn tool_as(&self, rights: Rights, program: &str, words: &[&str]) -> String {
        Ran::of(self.command(Path::new(program), rights).args(words)).clean()
    }

    /// A process inside that does nothing.
    pub fn resident(&self) -> Resident {
        let mut command = self.command(Path::new("sleep"), Rights::Root);
        Resident(command.arg("300").spawn().expect("run sleep"))
    }

    /// A process inside that does nothing, run through this other name of sleep.
    pub fn resident_called(&self, sleep: &Path) -> Resident {
        Resident(self.command(sleep, Rights::Root).arg("300").spawn().expect("run sleep"))
    }

    /// The inode of the namespace.
    pub fn inode(&self) -> u64 {
        rustix::fs::fstat(&self.netns).expect("the namespace").st_ino
    }

    /// Starts connbox inside as root, and returns its standard output and its process.
    pub fn connbox_running(&self, words: &[&str]) -> (ChildStdout, Resident) {
        let mut command = self.command(connbox(), Rights::Root);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.args(words).spawn().expect("run connbox");
        (child.stdout.take().expect("a pipe"), Resident(child))
    }

    /// Starts connbox inside with pipes for what it writes.
    pub fn connbox_piped(&self, rights: Rights, words: &[&str]) -> Child {
        let mut command = self.command(connbox(), rights);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.args(words).spawn().expect("run connbox")
    }

    /// Starts a program inside as root, with additional environment variables.
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

    /// Starts a program inside as root, and returns its standard output and its process.
    pub fn running(&self, program: &str, words: &[&str]) -> (ChildStdout, Resident) {
        let mut command = self.command(Path::new(program), Rights::Root);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.args(words).spawn().expect(program);
        (child.stdout.take().expect("a pipe"), Resident(child))
    }

    /// Starts the test program itself inside, as one of its companions. Each line that is sent to it makes it
    /// continue.
    pub fn companion(&self, role: &str) -> Script {
        self.companion_called(role, OsStr::new("companion"))
    }

    /// The same under another name of at most 15 bytes.
    pub fn companion_called(&self, role: &str, name: &OsStr) -> Script {
        let mut command = self.command(&oneself(), Rights::Root);
        become_companion(&mut command, role).env(COMPANION_NAME, name);
        command.stdin(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("run the test program");
        let stdin = child.stdin.take().expect("a pipe");
        let says = child.stderr.take().expect("a pipe");
        Script { stdin, says: BufReader::new(Box::new(says)), resident: Resident(child) }
    }

    /// Starts a Python program inside. Each line that is sent to it makes it continue.
    pub fn script(&self, text: &str) -> Script {
        self.script_behind(&["env"], text)
    }

    /// The same behind these words, a command that runs another one in its place.
    pub fn script_behind(&self, words: &[&str], text: &str) -> Script {
        let mut command = self.command(Path::new(words[0]), Rights::Root);
        command.args(&words[1..]).args(["python3", "-S", "-c", text]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().expect("run python3");
        let stdin = child.stdin.take().expect("a pipe");
        let says = child.stdout.take().expect("a pipe");
        Script { stdin, says: BufReader::new(Box::new(says)), resident: Resident(child) }
    }

    /// The command for a program inside.
    pub(super) fn command(&self, program: &Path, rights: Rights) -> Command {
        let netns = self.netns.as_raw_fd();
        let mut command = plain(program);
        sys::before_exec(&mut command, move || {
            sys::enter_net(netns)?;
            match rights {
                Rights::Root => {}
                Rights::Nobody => sys::become_user(65534)?,
                Rights::Without(ban) => sys::apply_ban(&ban)?,
                Rights::NoGroups(bans) => bans.iter().try_for_each(sys::apply_ban)?,
                Rights::NoProc => sys::empty_proc()?,
                Rights::ProcOfPids(ban) => {
                    sys::proc_of_pids()?;
                    sys::apply_ban(&ban)?;
                }
            }
            // After the change of user, which would clear this.
            sys::die_with_parent()
        });
        command
    }
}

/// The environment variables that make the test program a companion and give it a name.
pub const COMPANION: &str = "CONNBOX_COMPANION";
pub const COMPANION_NAME: &str = "CONNBOX_COMPANION_NAME";

pub fn oneself() -> PathBuf {
    std::env::current_exe().expect("a path")
}

/// Makes this command, which runs the test program, run a companion instead: tests/live/companions.rs.
pub fn become_companion<'a>(command: &'a mut Command, role: &str) -> &'a mut Command {
    command.env(COMPANION, role).stdout(Stdio::null());
    command.args(["companions::is_one", "--exact", "--nocapture"])
}

/// Runs connbox outside, where /run/netns holds files for exactly these worlds. The connbox of a test beside this
/// one may visit them at the same moment; it is no resident.
pub fn connbox_among(named: &[(&str, &World)], rights: Rights, words: &[&str]) -> Ran {
    let mut ran = tool_among(named, rights, connbox(), words);
    let is_visitor = |cell: &str| {
        cell.strip_suffix("/connbox")
            .is_some_and(|pid| pid.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let cells = ran.stdout.split('\t').map(|cell| if is_visitor(cell) { "-" } else { cell });
    ran.stdout = cells.collect::<Vec<_>>().join("\t");
    ran
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

/// Runs a program that lives in its own network namespace for a moment.
pub fn pass_through_a_namespace() {
    let mut command = plain(Path::new("true"));
    sys::before_exec(&mut command, sys::unshare_net);
    command.status().expect("run true");
}

/// Runs connbox outside every world.
pub fn connbox_outside(words: &[&str]) -> Ran {
    Ran::of(plain(connbox()).args(words))
}

/// Runs any program outside every world.
pub fn ran_outside(program: &str, words: &[&str]) -> Ran {
    Ran::of(plain(Path::new(program)).args(words))
}

pub fn connbox() -> &'static Path {
    Path::new(CONNBOX)
}

/// A command with a plain environment and without input.
fn plain(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", search_path()).env("LC_ALL", "C").env_remove("CONNBOX_ROOT");
    command.stdin(Stdio::null());
    command
}

/// A process of a world, killed when the value is dropped.
pub struct Resident(pub(super) Child);

impl Resident {
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Its exit status, if it has ended; -1 if a signal ended it.
    pub fn has_ended(&mut self) -> Option<i32> {
        self.0.try_wait().expect("wait").map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for its end and returns its exit status; -1 if a signal ended it.
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

/// A companion, or a Python program. Every process that it forks must end when its standard input ends.
pub struct Script {
    // Closed before the process is killed and waited for.
    stdin: ChildStdin,
    says: BufReader<Box<dyn Read + Send>>,
    resident: Resident,
}

impl Script {
    pub fn pid(&self) -> u32 {
        self.resident.pid()
    }

    /// Ends it with a signal.
    pub fn kill(mut self) {
        self.resident.signal(Signal::KILL);
        self.resident.end();
    }

    /// Tells it to continue, and returns the next line that it prints.
    pub fn go(&mut self) -> String {
        self.tell("go")
    }

    /// Sends it a line, and returns the next line that it prints.
    pub fn tell(&mut self, line: &str) -> String {
        self.stdin.write_all(format!("{line}\n").as_bytes()).expect("the program still runs");
        self.line()
    }

    /// The next line that it prints.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.says.read_line(&mut line).expect("a line in UTF-8");
        line.trim_end().to_owned()
    }
}

/// The effective capabilities of a process, and its `NoNewPrivs` and `Seccomp` (proc_pid_status(5)).
pub fn rights_of(pid: u32) -> (u64, u64, u64) {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a process");
    let number = |name: &str, base| {
        let line = text.lines().find_map(|line| line.strip_prefix(name)).expect(name);
        u64::from_str_radix(line.trim_start_matches(':').trim(), base).expect(name)
    };
    assert_eq!(number("CapEff", 16), number("CapPrm", 16));
    // Whoever has given up the others cannot be given them again, either.
    if number("NoNewPrivs", 10) == 1 {
        assert_eq!(number("CapBnd", 16) & !number("CapPrm", 16), 0);
    }
    (number("CapEff", 16), number("NoNewPrivs", 10), number("Seccomp", 10))
}
