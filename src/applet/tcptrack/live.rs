//! The screen: ticks, keys and signals, until the user quits.

use std::os::fd::AsFd;
use std::time::Duration;

use super::Args;
use super::feed::Feed;
use super::groups::Groups;
use super::holders::Holders;
use super::keyboard::Keys;
use super::layout;
use super::row::Row;
use super::scene::{Scene, Subject};
use super::screen::{Frame, Painter};
use super::stream::{self, SHARED};
use super::view::{Answer, Picture, View};
use super::watched::Watched;
use crate::error::{Error, Status};
use crate::frame::{Call, Report};
use crate::sys;
use crate::sys::For;
use crate::sys::signals::{self, Signals};
use crate::sys::terminal::{self, Terminal};
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

/// Shows connections until a key or a signal ends it. Of a capture, the rows so far are left.
pub(super) fn run(call: &mut Call, args: &Args, wanted: &Watched) -> Result<(), Error> {
    let mut tracker = Tracker::new(args.options());
    let mut feed = Feed::open(wanted, &mut tracker)?;
    if let Some(refusal) = feed.refusal() {
        call.report.note(&refusal);
    }
    let groups = Groups::of(&args.grouping)?;
    let signals = Signals::of(&SIGNALS).map_err(|error| Error::system("signals", error))?;
    if feed.replay().is_none() || !is_soon_over(&mut feed, &mut tracker, &signals)? {
        let report = &mut call.report;
        let mut live = Live::new(args, wanted, report, tracker, feed, groups, signals)?;
        live.run()?;
        // The terminal is as before from here on.
        Live { tracker, feed, .. } = live;
    }
    let Some(replay) = feed.into_replay() else { return Ok(()) };
    call.report.release();
    let replayed = replay.end(wanted, &mut tracker);
    stream::write_replayed(call, args, wanted, &tracker, replayed)
}

/// Reads a capture without a screen as long as nobody has to wait for it, and returns whether it is over, or ^C ended
/// it.
fn is_soon_over(
    feed: &mut Feed<'_>,
    tracker: &mut Tracker,
    signals: &Signals,
) -> Result<bool, Error> {
    const SOON: Duration = Duration::from_millis(300);
    let end = sys::monotonic() + SOON;
    while let Some(left) = end.checked_sub(sys::monotonic())
        && let Some(fd) = feed.fd()
    {
        let waits = [(fd, For::Reading), (signals.as_fd(), For::Reading)];
        let [has_bytes, _] = sys::wait(waits, Some(left)).map_err(lost)?;
        if has_bytes {
            feed.drain(tracker)?;
        }
        match signals.next().and_then(end_of) {
            Some(Error::Ended(Status::Done)) => {
                feed.interrupt();
                return Ok(true);
            }
            Some(error) => return Err(error),
            None => {}
        }
        if feed.replay().is_none_or(|replay| replay.is_over) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// How a signal ends the run, if it does: ^C means the same as q.
fn end_of(signal: i32) -> Option<Error> {
    let status = u8::try_from(128 + signal).unwrap_or(u8::MAX);
    match signal {
        signals::SIGTSTP | signals::SIGCONT | signals::SIGWINCH => None,
        signals::SIGINT => Some(Error::Ended(Status::Done)),
        _ => Some(Error::Ended(Status::Of(status))),
    }
}

fn lost(error: rustix::io::Errno) -> Error {
    Error::system("the terminal", error)
}

/// Whether to continue after a wait.
enum Turn {
    Go,

    End,
}

struct Live<'a, 'b> {
    tracker: Tracker,
    feed: Feed<'a>,
    signals: Signals,
    terminal: Terminal,
    scene: Scene,
    painter: Painter,
    view: View,
    rows: Vec<Row>,
    /// How the rows are grouped, and the groups.
    groups: Groups<'a>,
    grouped: Vec<Row>,
    holders: Holders,
    /// Messages are held back, and shown as warnings.
    report: &'b mut Report,
    keys: Keys,
    bytes: Vec<u8>,
    tick: Duration,
    /// The time of the last tick.
    before: Duration,
}

impl<'a, 'b> Live<'a, 'b> {
    fn new(
        args: &'a Args,
        wanted: &Watched,
        report: &'b mut Report,
        tracker: Tracker,
        feed: Feed<'a>,
        groups: Groups<'a>,
        signals: Signals,
    ) -> Result<Live<'a, 'b>, Error> {
        let terminal = Terminal::open().map_err(lost)?;
        feed.confine(report);
        let is_utf8 = sys::terminal::is_utf8();
        let subject = Subject::of(wanted, is_utf8);
        let keys = groups.headings();
        let mut view = View::sorted_by(args.sort());
        view.most = args.grouping.top;
        view.regroup(groups.is_any());
        Ok(Live {
            tracker,
            feed,
            signals,
            terminal,
            scene: Scene { units: args.units, is_utf8, subject, keys, ..Scene::default() },
            painter: Painter::new(sys::environment("NO_COLOR").is_none()),
            view,
            rows: Vec::new(),
            groups,
            grouped: Vec::new(),
            holders: Holders::default(),
            report,
            keys: Keys::default(),
            bytes: Vec::with_capacity(8192),
            tick: args.tick(),
            before: Duration::ZERO,
        })
    }

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
        let is_over = self.feed.replay().is_some_and(|replay| replay.is_over);
        // A signal that has ended the writer, too, was sent before the end of the capture.
        if (signals || is_over)
            && let Turn::End = self.on_signals()?
        {
            self.feed.interrupt();
            return Ok(Turn::End);
        }
        if is_over {
            return Ok(Turn::End);
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
            let rows = if self.view.is_grouped { &self.grouped } else { &self.rows };
            match self.view.press(*key, rows) {
                Answer::Quit => return Ok(Turn::End),
                Answer::DrawAll => self.painter.forget(),
                Answer::Group => self.turn_groups()?,
                Answer::Draw => {}
            }
        }
        if !pressed.is_empty() {
            self.draw()?;
        }
        Ok(Turn::Go)
    }

    fn on_signals(&mut self) -> Result<Turn, Error> {
        while let Some(signal) = self.signals.next() {
            match signal {
                signals::SIGTSTP => self.terminal.suspend().map_err(lost)?,
                signals::SIGCONT => self.terminal.enter().map_err(lost)?,
                _ => {}
            }
            match end_of(signal) {
                Some(Error::Ended(Status::Done)) => return Ok(Turn::End),
                Some(error) => return Err(error),
                None => {}
            }
            self.painter.forget();
        }
        self.draw()?;
        Ok(Turn::Go)
    }

    /// Reads the connections; updates the rows unless the screen is paused.
    fn on_tick(&mut self, now: Duration) -> Result<(), Error> {
        self.feed.tick(now, &mut self.tracker)?;
        let clock = match self.feed.replay() {
            Some(replay) => replay.clock(),
            None => {
                self.tracker.tick(now);
                now
            }
        };
        self.scene.dropped = self.feed.dropped();
        self.scene.evicted = self.tracker.evicted();
        if self.tracker.has_shared() {
            self.scene.note(SHARED.to_owned());
        }
        // An unknown number is at least one.
        self.scene.lost += self.feed.newly_lost().map_or(0, |lost| lost.max(1));
        self.scene.skipped = self.feed.skipped();
        self.scene.cut = self.feed.cut();
        self.scene.incomplete = self.feed.incomplete();
        if !self.view.is_paused {
            self.rows.clear();
            let before = match std::mem::replace(&mut self.before, clock) {
                // The first tick has none before it.
                Duration::ZERO => clock.saturating_sub(self.tick),
                before => before,
            };
            self.rows.extend(self.tracker.connections().map(|one| Row::of(one, clock, before)));
            if before == clock {
                // A capture without a new packet for a whole tick has no speeds.
                self.rows.iter_mut().for_each(Row::rest);
            }
            self.look_up(now);
            self.group()?;
            self.scene.has_seen |= !self.rows.is_empty();
            self.scene.history.begin();
            for row in self.rows.iter().chain(&self.grouped) {
                self.scene.history.add(row.id, row.bytes_per_second());
            }
        }
        self.feed.uncounted().into_iter().for_each(|text| self.report.note(text));
        self.report.foreign();
        self.report.heard().for_each(|(_, text)| self.scene.note(text));
        Ok(())
    }

    /// Finds what is shown of the rows beside their numbers. Without it everything else is still right.
    fn look_up(&mut self, now: Duration) {
        self.scene.gaps.clear();
        if self.shows_holders() && self.feed.replay().is_none() {
            let looked = self.holders.look(&self.rows, now);
            looked.unwrap_or_else(|error| self.report.trouble(&error));
            self.holders.fill(&mut self.rows);
            let gap = self.holders.gap(&self.rows);
            self.scene.gaps.extend(gap.filter(|_| !self.report.accepts_gaps));
        }
        match self.groups.look(&self.rows) {
            Ok(gap) => self.scene.gaps.extend(gap.filter(|_| !self.report.accepts_gaps)),
            Err(error) => self.report.trouble(&error),
        }
    }

    /// Groups the rows by the next key.
    fn turn_groups(&mut self) -> Result<(), Error> {
        let turned = self.groups.turn();
        turned.unwrap_or_else(|error| self.report.trouble(&error));
        self.scene.keys = self.groups.headings();
        self.view.regroup(self.groups.is_any());
        self.look_up(sys::monotonic());
        self.group()
    }

    /// Makes the groups of the rows, and puts what is shown in order.
    fn group(&mut self) -> Result<(), Error> {
        self.grouped = self.groups.rows(&self.rows, self.scene.is_utf8)?;
        let rows = if self.view.is_grouped { &self.grouped } else { &self.rows };
        self.view.arrange(rows);
        Ok(())
    }

    /// Whether anything on the screen needs the processes.
    fn shows_holders(&self) -> bool {
        let (columns, _) = terminal::size();
        let is_filtered = self.view.is_typing || !self.view.filter.is_empty();
        if self.view.is_grouped {
            return self.groups.needs_holders();
        }
        is_filtered || self.view.picture == Picture::Details || layout::shows_processes(columns)
    }

    fn draw(&mut self) -> Result<(), Error> {
        // No screen is larger; a larger frame would only cost memory.
        const MOST: usize = 2000;
        let (columns, lines) = terminal::size();
        let mut frame = Frame::new(columns.min(MOST), lines.min(MOST));
        let rows = if self.view.is_grouped { &self.grouped } else { &self.rows };
        layout::draw(&mut frame, &mut self.view, rows, &mut self.scene);
        self.bytes.clear();
        self.painter.paint(&frame, &mut self.bytes);
        self.terminal.write(&self.bytes).map_err(lost)
    }
}
