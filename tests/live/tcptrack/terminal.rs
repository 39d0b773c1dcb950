//! A terminal for programs of a world: tmux, which interprets the bytes better than we could.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::support;
use crate::world::World;

/// A terminal with one program in it; removed when the value is dropped.
pub struct Terminal<'a> {
    world: &'a World,
    socket: String,
}

/// The program gets the whole window, which stays after the program has ended. An ESC that the program receives
/// is not the prefix of a sequence.
const SETTINGS: &str = "
set -g status off
set -g default-terminal screen-256color
set -g remain-on-exit on
set -s escape-time 0
";

/// Whether tmux is installed.
pub fn has_tmux(test: &str) -> bool {
    support::needs(test, &["tmux", "bash", "env", "sh", "stty"])
}

impl<'a> Terminal<'a> {
    /// A terminal of this size that runs a line of sh.
    pub fn run(world: &'a World, (columns, lines): (u32, u32), line: &str) -> Terminal<'a> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("connbox-{}-{number}", std::process::id());
        let socket = std::env::temp_dir().join(name).to_str().unwrap().to_owned();
        let terminal = Terminal { world, socket };
        let [columns, lines] = [columns, lines].map(|number| number.to_string());
        let settings = format!("{}.conf", terminal.socket);
        std::fs::write(&settings, SETTINGS).unwrap();
        let before = ["-u", "-S", &terminal.socket, "-f", &settings];
        let words = ["new-session", "-d", "-x", &columns, "-y", &lines, "-s", "t", line];
        world.tool("tmux", &[&before[..], &words].concat());
        std::fs::remove_file(settings).unwrap();
        terminal
    }

    /// A terminal of this size that runs connbox tcptrack.
    pub fn tcptrack(world: &'a World, size: (u32, u32), options: &str) -> Terminal<'a> {
        // Not tmux's pane_dead_status, which is sometimes never set.
        let line =
            format!("{} tcptrack {options}; echo status $?; exec sleep 100", support::CONNBOX);
        Terminal::run(world, size, &line)
    }

    fn tmux(&self, words: &[&str]) -> String {
        self.world.tool("tmux", &[&["-u", "-S", &self.socket], words].concat())
    }

    /// The text on the screen, without blanks at the ends of lines.
    pub fn lines(&self) -> Vec<String> {
        let text = self.tmux(&["capture-pane", "-p", "-t", "t"]);
        text.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// The same with the sequences for its attributes.
    pub fn looks(&self) -> String {
        self.tmux(&["capture-pane", "-p", "-e", "-t", "t"])
    }

    /// A format variable of tmux for the terminal: `alternate_on`, `cursor_flag`, …
    pub fn knows(&self, what: &str) -> String {
        let format = format!("#{{{what}}}");
        self.tmux(&["display-message", "-p", "-t", "t", &format]).trim_end().to_owned()
    }

    /// Presses keys, by tmux's names.
    pub fn press(&self, keys: &[&str]) {
        self.tmux(&[&["send-keys", "-t", "t"], keys].concat());
    }

    /// Sends a signal to the program that the terminal's shell runs.
    pub fn signal(&self, signal: Signal) {
        let shell = self.knows("pane_pid");
        let child = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        let child = Pid::from_raw(child.unwrap().trim().parse().unwrap()).unwrap();
        kill_process(child, signal).unwrap();
    }

    pub fn resize(&self, columns: u32, lines: u32) {
        let [columns, lines] = [columns, lines].map(|number| number.to_string());
        self.tmux(&["resize-window", "-t", "t", "-x", &columns, "-y", &lines]);
    }

    /// Waits until the screen is as wanted, and returns it.
    pub fn wait(&self, what: &str, wanted: impl Fn(&[String]) -> bool) -> Vec<String> {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let lines = self.lines();
            if wanted(&lines) {
                return lines;
            }
            assert!(Instant::now() < end, "not seen in time: {what}\n{}", lines.join("\n"));
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for a text anywhere on the screen.
    pub fn wait_for(&self, text: &str) -> Vec<String> {
        self.wait(text, |lines| lines.iter().any(|line| line.contains(text)))
    }

    /// Waits until tcptrack has ended, and returns its status.
    pub fn end(&self) -> String {
        let lines = self.wait_for("status ");
        let status = lines.iter().find_map(|line| line.strip_prefix("status "));
        status.unwrap_or_default().to_owned()
    }
}

impl Drop for Terminal<'_> {
    fn drop(&mut self) {
        let mut tmux = std::process::Command::new("tmux");
        let _ = tmux.args(["-S", &self.socket, "kill-server"]).output();
        let _ = std::fs::remove_file(&self.socket);
    }
}
