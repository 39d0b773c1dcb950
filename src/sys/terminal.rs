//! The terminal: raw keys, the other screen, its size; and all as it was at every end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr, tcgetwinsize,
    tcsetattr,
};

/// To the other screen, the cursor hidden, no wrapping at the right edge: xterm's private modes, which
/// all others know.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[0m";
/// Back, in the opposite order.
const LEAVE: &[u8] = b"\x1b[0m\x1b[?7h\x1b[?25h\x1b[?1049l";

/// Whether standard output is a terminal.
pub fn is_terminal() -> bool {
    isatty(super::stdout())
}

/// A terminal that is ours until the value is dropped, or the process panics.
#[derive(Debug)]
pub struct Terminal {
    /// `None` for standard input.
    keys: Option<OwnedFd>,
    before: Termios,
}

impl Terminal {
    /// Takes the terminal of standard output; keys come from standard input or, where that is none,
    /// from the terminal that controls the process.
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

    /// Makes it ours, from whatever state. ^C, ^Z and ^\ stay signals.
    pub fn enter(&self) -> Result<(), Errno> {
        tcsetattr(self.keys(), OptionalActions::Now, &raw(&self.before))?;
        super::write_all(super::stdout(), ENTER)
    }

    /// Gives it back, stops the process as ^Z does, and takes it again once the process goes on.
    pub fn suspend(&self) -> Result<(), Errno> {
        restore(self.keys(), &self.before);
        kill_process(getpid(), Signal::STOP)?;
        self.enter()
    }

    /// Columns and lines; 80 and 24 where the terminal does not say.
    pub fn size(&self) -> (usize, usize) {
        match tcgetwinsize(super::stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => {
                (size.ws_col.into(), size.ws_row.into())
            }
            _ => (80, 24),
        }
    }

    /// Where keys come from: to be polled and read.
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

/// Has `act` done before a panic is reported. Where a panic aborts, as in the released program, nothing
/// is dropped, so that this is the one place to clean up.
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
    // Where that fails, nobody is left to be told.
    let _ = super::write_all(super::stdout(), LEAVE);
    let _ = tcsetattr(keys, OptionalActions::Now, before)
        .or_else(|_| tcsetattr(super::stdout(), OptionalActions::Now, before));
}

/// `before` without echo and lines: a key is there when it is pressed.
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
        // The hook that was there before reports: by then all must be clean.
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
