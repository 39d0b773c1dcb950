//! Programs that watch a world until a signal ends them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};

use super::{Ran, Resident, Rights, World, connbox, wait_until};

/// A program that watches, and the files that it writes to.
pub struct Watcher {
    resident: Resident,
    files: [PathBuf; 2],
}

impl World {
    /// Starts a program inside as root, whose output is kept.
    pub fn watcher(&self, program: &str, words: &[&str]) -> Watcher {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let file = |end| {
            let name = format!("watcher-{}-{number}.{end}", std::process::id());
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
        };
        let files = [file("out"), file("err")];
        let [out, err] = files.each_ref().map(|file| File::create(file).expect("a file"));
        let mut command = self.command(Path::new(program), Rights::Root);
        let child = command.args(words).stdout(Stdio::from(out)).stderr(Stdio::from(err)).spawn();
        Watcher { resident: Resident(child.expect(program)), files }
    }

    /// Starts connbox in the same way.
    pub fn connbox_watcher(&self, words: &[&str]) -> Watcher {
        self.watcher(connbox().to_str().expect("a path in UTF-8"), words)
    }

    /// Waits until `count` netfilter sockets have joined multicast groups.
    pub fn wait_for_listeners(&self, count: usize) {
        wait_until("the listeners", || {
            let table = self.proc_net("netlink");
            let rows = table.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
            let joined = rows.filter(|row| row[1] == "12" && !row[3].trim_matches('0').is_empty());
            Ok(joined.count() == count)
        })
        .expect("listeners");
    }
}

impl Watcher {
    /// What it has written to its standard output so far.
    pub fn stdout(&self) -> String {
        fs::read_to_string(&self.files[0]).expect("output in UTF-8")
    }

    /// What it has written to its standard error so far.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.files[1]).expect("output in UTF-8")
    }

    /// Waits until its standard output satisfies `is_there`, as long as it grows.
    pub fn wait_for(&self, what: &str, is_there: impl Fn(&str) -> bool) {
        let mut length = 0;
        loop {
            let seen = || Ok(is_there(&self.stdout()));
            let Err(error) = wait_until(what, seen) else { return };
            let stdout = self.stdout();
            let lines = stdout.lines().count();
            assert!(stdout.len() > length, "{error}: {lines} lines; {}", self.stderr());
            length = stdout.len();
        }
    }

    /// Waits until it sleeps: then it has finished what it does before.
    pub fn wait_until_it_sleeps(&self) {
        self.resident.wait_until_it_sleeps();
    }

    pub fn signal(&self, signal: Signal) {
        self.resident.signal(signal);
    }

    /// Ends it with a signal, and returns everything that it wrote.
    pub fn end(mut self, signal: Signal) -> Ran {
        self.signal(signal);
        let status = self.resident.end();
        Ran { status, stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Resident {
    /// Waits until it sleeps: then it has finished what it does before.
    pub fn wait_until_it_sleeps(&self) {
        let stat = format!("/proc/{}/stat", self.pid());
        let sleeps = || Ok(fs::read_to_string(&stat)?.contains(") S "));
        wait_until("a sleeping watcher", sleeps).expect("it still runs");
    }

    pub fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.pid().try_into().expect("a process ID")).expect("no 0");
        kill_process(pid, signal).expect("it still runs");
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.files.iter().for_each(|file| drop(fs::remove_file(file)));
    }
}
