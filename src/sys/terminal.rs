//! The terminal: raw keys, the alternate screen, its size; every exit restores it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcgetwinsize,
    tcsetattr,
};

/// Alternate screen, hidden cursor, no wrapping at the right edge: private modes of xterm that all other
/// terminals support. The mouse wheel sends the keys Up and Down (1007): unlike reports of the mouse, that leaves the
/// selection of text to the terminal. Some terminals have that mode set, so it is saved (s) and restored (r).
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?1007s\x1b[?1007h\x1b[?25l\x1b[?7l\x1b[0m";
/// Back, in reverse order.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1007r\x1b[?1049l";

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    isatty(super::stdout())
}

/// Whether the terminal cannot move its cursor, or nobody says which one it is.
pub fn is_dumb() -> bool {
    super::environment("TERM").is_none_or(|term| term == "dumb")
}

/// The columns and lines of the terminal that is standard output; 80 for columns and 24 for lines that it
/// does not tell.
pub fn size() -> (usize, usize) {
    let told = tcgetwinsize(super::stdout()).map_or((0, 0), |size| (size.ws_col, size.ws_row));
    let or = |told: u16, usual| if told > 0 { told.into() } else { usual };
    (or(told.0, 80), or(told.1, 24))
}

/// Whether the locale's encoding is UTF-8 (locale(7): the first of these that is set decides).
pub fn is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(super::environment);
    let name = set.unwrap_or_default().to_ascii_lowercase();
    let name = name.as_encoded_bytes();
    name.windows(4).any(|part| part == b"utf8") || name.windows(5).any(|part| part == b"utf-8")
}

/// Whether standard input is not a terminal.
pub fn is_piped() -> bool {
    !isatty(super::stdin())
}

/// A line on standard error about work that takes long, if that is a terminal. It disappears when the value is
/// dropped.
#[derive(Debug)]
pub struct Progress {
    /// When the next line is due; `None` if nobody sees it.
    due: Option<Duration>,
    /// The length of the line.
    shown: usize,
}

impl Default for Progress {
    /// Short work shows nothing.
    fn default() -> Progress {
        let start = super::monotonic().saturating_add(Duration::from_secs(1));
        Progress { due: isatty(super::stderr()).then_some(start), shown: 0 }
    }
}

impl Progress {
    /// Shows the text, five times a second.
    pub fn show(&mut self, text: impl FnOnce() -> String) {
        let Some(due) = self.due else { return };
        let now = super::monotonic();
        if now >= due {
            self.due = now.checked_add(Duration::from_millis(200));
            self.put(&text());
        }
    }

    /// Writes over the line. Blanks erase it on every terminal.
    fn put(&mut self, text: &str) {
        let line = format!("\r{text:0$}\r", self.shown);
        self.shown = text.len();
        let _ = super::write_all(super::stderr(), line.as_bytes());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.shown > 0 {
            self.put("");
        }
    }
}

/// A terminal in raw mode until the value is dropped or the process panics.
#[derive(Debug)]
pub struct Terminal {
    /// `None` for standard input.
    keys: Option<OwnedFd>,
    before: Termios,
}

impl Terminal {
    /// Takes over the terminal of standard output; keys come from standard input or, if that is not a
    /// terminal, from the controlling terminal.
    pub fn open() -> Result<Terminal, Errno> {
        let keys = match isatty(super::stdin()) {
            true => None,
            false => Some(super::open(c"/dev/tty")?),
        };
        let before = tcgetattr(fd_of(&keys))?;
        let saved = before.clone();
        before_panics(move || restore(super::stdin(), &saved));
        let terminal = Terminal { keys, before };
        terminal.enter()?;
        Ok(terminal)
    }

    /// Enters raw mode, from any state. ^C, ^Z and ^\ remain signals.
    pub fn enter(&self) -> Result<(), Errno> {
        tcsetattr(self.keys(), OptionalActions::Now, &raw(&self.before))?;
        super::write_all(super::stdout(), ENTER)
    }

    /// Restores it, stops the process as ^Z does, and enters raw mode again when the process continues.
    pub fn suspend(&self) -> Result<(), Errno> {
        restore(self.keys(), &self.before);
        kill_process(getpid(), Signal::STOP)?;
        self.enter()
    }

    /// The descriptor of the keys, to poll and read.
    pub fn keys(&self) -> BorrowedFd<'_> {
        fd_of(&self.keys)
    }

    pub fn write(&self, bytes: &[u8]) -> Result<(), Errno> {
        super::write_all(super::stdout(), bytes)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        restore(self.keys(), &self.before);
    }
}

/// Runs `act` before a panic is reported. In the released program a panic aborts and nothing is dropped, so
/// this is the only place to clean up.
fn before_panics(act: impl Fn() + Send + Sync + 'static) {
    let previous = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        act();
        previous(panic);
    }));
}

fn fd_of(keys: &Option<OwnedFd>) -> BorrowedFd<'_> {
    keys.as_ref().map_or(super::stdin(), AsFd::as_fd)
}

fn restore(keys: BorrowedFd<'_>, before: &Termios) {
    // If that fails, nobody is left to tell.
    let _ = super::write_all(super::stdout(), LEAVE);
    let _ = tcsetattr(keys, OptionalActions::Now, before)
        .or_else(|_| tcsetattr(super::stdout(), OptionalActions::Now, before));
}

/// `before` without echo and line editing: keys arrive as they are pressed.
fn raw(before: &Termios) -> Termios {
    let mut raw = before.clone();
    raw.local_modes -= LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN;
    raw.special_codes[SpecialCodeIndex::VMIN] = 1;
    raw.special_codes[SpecialCodeIndex::VTIME] = 0;
    raw
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn a_panic_cleans_up_before_it_is_reported() {
        let done = Arc::new(AtomicUsize::new(0));
        let ours = std::panic::take_hook();
        let (first, second) = (Arc::clone(&done), Arc::clone(&done));
        // The previous hook reports the panic: the terminal must be restored by then.
        std::panic::set_hook(Box::new(move |_| {
            first.compare_exchange(1, 2, Ordering::SeqCst, Ordering::SeqCst).ok();
        }));
        before_panics(move || second.store(1, Ordering::SeqCst));
        let result = std::panic::catch_unwind(|| panic!("a test's"));
        std::panic::set_hook(ours);
        assert!(result.is_err());
        assert_eq!(done.load(Ordering::SeqCst), 2);
    }
}
