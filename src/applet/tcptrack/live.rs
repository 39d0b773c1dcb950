//! The screen: ticks, keys and signals, until the user quits.

use std::os::fd::AsFd;
use std::time::Duration;

use super::Args;
use super::feed::{Feed, Watched};
use super::holders::Holders;
use super::keyboard::Keys;
use super::layout;
use super::scene::Scene;
use super::screen::{Frame, Painter};
use super::view::{Answer, Picture, Row, View};
use crate::error::{Error, Status};
use crate::sys;
use crate::sys::For;
use crate::sys::signals::{self, Signals};
use crate::sys::terminal::Terminal;
use crate::track::tcp::Tracker;

/// The signals that the screen handles.
const SIGNALS: [i32; 7] = [
    signals::SIGINT,
    signals::SIGTERM,
    signals::SIGHUP,
    signals::SIGQUIT,
    signals::SIGTSTP,
    signals::SIGCONT,
    signals::SIGWINCH,
];

/// How long to wait for the rest of a sequence after an ESC.
const ESCAPE_WAIT: Duration = Duration::from_millis(50);

/// Shows connections until a key or a signal ends it.
pub fn run(args: &Args, wanted: &Watched) -> Result<(), Error> {
    let mut tracker = Tracker::new(args.options());
    let feed = Feed::open(wanted, &mut tracker)?;
    let signals = Signals::of(&SIGNALS).map_err(|error| Error::system("signals", error))?;
    let terminal = Terminal::open().map_err(lost)?;
    let scene = Scene { units: args.units, is_utf8: is_utf8(), ..Scene::default() };
    let has_colour = sys::environment("NO_COLOR").is_none();
    let mut live = Live {
        tracker,
        feed,
        signals,
        terminal,
        scene,
        painter: Painter::new(has_colour),
        view: View::sorted_by(args.sort()),
        rows: Vec::new(),
        holders: Holders::default(),
        keys: Keys::default(),
        bytes: Vec::with_capacity(8192),
        tick: args.tick(),
        before: Duration::ZERO,
    };
    live.run()
}

fn lost(error: rustix::io::Errno) -> Error {
    Error::system("the terminal", error)
}

/// Whether the locale's encoding is UTF-8 (locale(7): the first of these that is set decides).
fn is_utf8() -> bool {
    let set = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(sys::environment);
    let name = set.unwrap_or_default().to_ascii_lowercase();
    let name = name.as_encoded_bytes();
    name.windows(4).any(|part| part == b"utf8") || name.windows(5).any(|part| part == b"utf-8")
}

/// Whether to continue after a wait.
enum Turn {
    Go,

    End,
}

struct Live<'a> {
    tracker: Tracker,
    feed: Feed<'a>,
    signals: Signals,
    terminal: Terminal,
    scene: Scene,
    painter: Painter,
    view: View,
    rows: Vec<Row>,
    holders: Holders,
    keys: Keys,
    bytes: Vec<u8>,
    tick: Duration,
    /// The time of the last tick.
    before: Duration,
}

impl Live<'_> {
    fn run(&mut self) -> Result<(), Error> {
        let mut next = sys::monotonic();
        loop {
            let now = sys::monotonic();
            if now >= next {
                self.on_tick(now)?;
                self.draw()?;
                // After a long stop, missed ticks are not made up for.
                next = (next + self.tick).max(now + self.tick / 2);
            }
            if let Turn::End = self.wait(next)? {
                return Ok(());
            }
        }
    }

    /// Waits for keys, signals and packets until the next tick.
    fn wait(&mut self, next: Duration) -> Result<Turn, Error> {
        let is_open = self.keys.is_open();
        let until = if is_open { next.min(sys::monotonic() + ESCAPE_WAIT) } else { next };
        let (keys, signals) = (self.terminal.keys(), self.signals.as_fd());
        let packets = self.feed.fd();
        // Without packets, the signals are polled twice.
        let fds = [keys, signals, packets.unwrap_or(signals)];
        let has_packets = packets.is_some();
        let left = until.saturating_sub(sys::monotonic());
        let waits = fds.map(|fd| (fd, For::Reading));
        let [keys, signals, packets] = sys::wait(waits, Some(left)).map_err(lost)?;
        if packets && has_packets {
            self.feed.drain(&mut self.tracker)?;
        }
        if signals {
            self.on_signals()?;
        }
        let mut pressed = Vec::new();
        if keys {
            self.bytes.clear();
            self.bytes.reserve(4096);
            match sys::read(self.terminal.keys(), &mut self.bytes) {
                // The terminal was closed.
                Ok(0) => return Ok(Turn::End),
                Ok(_) => self.keys.feed(&self.bytes, &mut pressed),
                Err(rustix::io::Errno::AGAIN) => {}
                Err(error) => return Err(lost(error)),
            }
        } else if is_open && sys::monotonic() >= until {
            pressed.extend(self.keys.settle());
        }
        for key in &pressed {
            match self.view.press(*key, &self.rows) {
                Answer::Quit => return Ok(Turn::End),
                Answer::DrawAll => self.painter.forget(),
                Answer::Draw => {}
            }
        }
        if !pressed.is_empty() {
            self.draw()?;
        }
        Ok(Turn::Go)
    }

    fn on_signals(&mut self) -> Result<(), Error> {
        while let Some(signal) = self.signals.next() {
            match signal {
                // Ctrl-C means the same as q.
                signals::SIGINT => return Err(Error::Ended(Status::Done)),
                signals::SIGTSTP => self.terminal.suspend().map_err(lost)?,
                signals::SIGCONT => self.terminal.enter().map_err(lost)?,
                signals::SIGWINCH => {}
                signal => {
                    let status = u8::try_from(128 + signal).unwrap_or(u8::MAX);
                    return Err(Error::Ended(Status::Of(status)));
                }
            }
            self.painter.forget();
        }
        self.draw()
    }

    /// Reads the connections; updates the rows unless the screen is paused.
    fn on_tick(&mut self, now: Duration) -> Result<(), Error> {
        self.feed.tick(now, &mut self.tracker)?;
        self.tracker.tick(now);
        self.scene.dropped = self.feed.dropped();
        self.scene.evicted = self.tracker.evicted();
        if self.view.is_paused {
            return Ok(());
        }
        self.rows.clear();
        let before = std::mem::replace(&mut self.before, now);
        self.rows.extend(self.tracker.connections().map(|one| Row::of(one, now, before)));
        if self.shows_holders() {
            // Without processes everything else is still right.
            let _ = self.holders.look(&self.rows, now);
            self.holders.fill(&mut self.rows);
        }
        self.scene.history.begin();
        for row in &self.rows {
            self.scene.history.add(row.id, row.bytes_per_second());
        }
        self.view.arrange(&self.rows);
        Ok(())
    }

    /// Whether anything on the screen needs the processes.
    fn shows_holders(&self) -> bool {
        let (columns, _) = self.terminal.size();
        let is_filtered = self.view.is_typing || !self.view.filter.is_empty();
        is_filtered || self.view.picture == Picture::Details || layout::shows_processes(columns)
    }

    fn draw(&mut self) -> Result<(), Error> {
        // No screen is larger; a larger frame would only cost memory.
        const MOST: usize = 2000;
        let (columns, lines) = self.terminal.size();
        let mut frame = Frame::new(columns.min(MOST), lines.min(MOST));
        layout::draw(&mut frame, &mut self.view, &self.rows, &self.scene);
        self.bytes.clear();
        self.painter.paint(&frame, &mut self.bytes);
        self.terminal.write(&self.bytes).map_err(lost)
    }
}
