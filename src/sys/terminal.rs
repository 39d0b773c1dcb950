//! The terminal: raw keys, the alternate screen, its size; every exit restores it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcgetwinsize,
    tcsetattr,
};

/// Alternate screen, hidden cursor, no wrapping at the right edge: private modes of xterm that all other
/// terminals support.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[0m";
/// Back, in reverse order.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    isatty(super::stdout())
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

    /// Columns and lines; 80 and 24 if the terminal does not say.
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(super::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => (80, 24),
        }
    }

    /// The descriptor of the keys, to poll and read.
    pub fn keys(&self) -> BorrowedFd<'_> {
        fd_of(&self.keys)
    }

    /// Writes to it.
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
