//! A capture from a file, read to its end.

use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use super::text::number;
use super::watched::Watched;
use crate::error::Error;
use crate::frame::Report;
use crate::source::packets::pcap_file::{Ending, MOST_SKIPPED, Stream, Taker};
use crate::source::packets::{Frame, segment};
use crate::sys::signals::{SIGINT, Signals};
use crate::sys::terminal::Progress;
use crate::sys::{self, For};
use crate::track::tcp::Tracker;
use crate::wire::packet::Packet;

/// What was read of a capture.
pub(super) struct Replayed {
    name: String,
    /// The time of the last packet.
    pub end: Duration,
    packets: u64,
    /// Whether a packet was TCP.
    has_tcp: bool,
    /// How many packets were TCP inside a tunnel, as long as no other was TCP.
    tunnelled: u64,
    /// Whether only some packets are asked for.
    is_filtered: bool,
    /// Whether packets ended before the numbers of TCP, or lack fragments, which [`Watched::note_skipped`] says.
    has_cut: bool,
    ending: Ending,
}

/// Gives the tracker all segments of a capture; of standard input, until ^C ends it.
///
/// # Errors
/// If the file is not a capture. Later trouble is told by [`Replayed::tell`], behind the rows.
pub(super) fn read(
    path: &Path,
    wanted: &Watched,
    tracker: &mut Tracker,
) -> Result<Replayed, Error> {
    let mut replay = Replay::open(path, wanted)?;
    replay.seen.progress = Some(Progress::default());
    if path.as_os_str() == "-" {
        let signals = Signals::of(&[SIGINT]).map_err(|error| Error::system("signals", error))?;
        while !waits_for_signal(&signals, &replay)? && replay.step(wanted, tracker)? {}
        if signals.next().is_some() {
            replay.interrupt();
        }
    } else {
        while replay.step(wanted, tracker)? {}
    }
    Ok(replay.end(wanted, tracker))
}

/// Waits until there is more to read, or a signal.
fn waits_for_signal(signals: &Signals, replay: &Replay) -> Result<bool, Error> {
    let waits = [(signals.as_fd(), For::Reading), (replay.fd(), For::Reading)];
    let [is_signal, _] = sys::wait(waits, None).map_err(|error| Error::system("poll", error))?;
    Ok(is_signal)
}

/// A capture, read so far.
#[derive(Debug)]
pub(super) struct Replay {
    name: String,
    stream: Stream,
    seen: Seen,
    /// Whether nothing follows.
    pub is_over: bool,
}

/// What was seen of it.
#[derive(Debug, Default)]
struct Seen {
    /// Connections are removed only on request.
    is_removing: bool,
    end: Duration,
    last_tick: Duration,
    packets: u64,
    has_tcp: bool,
    tunnelled: u64,
    progress: Option<Progress>,
}

impl Replay {
    /// # Errors
    /// If the file cannot be opened.
    pub(super) fn open(path: &Path, wanted: &Watched) -> Result<Replay, Error> {
        let is_stdin = path.as_os_str() == "-";
        let name = if is_stdin { "standard input".into() } else { path.to_string_lossy() };
        let seen = Seen { is_removing: wanted.is_removing, ..Seen::default() };
        let stream = Stream::open(path)?;
        Ok(Replay { name: name.into_owned(), stream, seen, is_over: false })
    }

    /// What to poll.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.fd()
    }

    /// The time of the last packet.
    pub(super) fn clock(&self) -> Duration {
        self.seen.end
    }

    /// Reads once, and returns whether there may be more.
    ///
    /// # Errors
    /// If the file is not a capture.
    pub(super) fn step(&mut self, wanted: &Watched, tracker: &mut Tracker) -> Result<bool, Error> {
        let seen = &mut self.seen;
        let has_more = self.stream.step(&mut Taking { wanted, tracker, seen })?;
        self.is_over = !has_more;
        Ok(has_more)
    }

    /// Is told of ^C, which may also have ended the writer.
    pub(super) fn interrupt(&mut self) {
        self.stream.interrupt();
    }

    /// Brings the speeds up to the last packet.
    pub(super) fn settle(&self, tracker: &mut Tracker) {
        if self.seen.is_removing {
            tracker.tick(self.seen.end);
        } else {
            tracker.settle(self.seen.end);
        }
    }

    pub(super) fn end(self, wanted: &Watched, tracker: &mut Tracker) -> Replayed {
        self.settle(tracker);
        let Seen { end, packets, has_tcp, tunnelled, .. } = self.seen;
        let is_filtered = !wanted.expression.is_empty();
        let ending = self.stream.end();
        let (name, has_cut) = (self.name, wanted.cut() + wanted.incomplete() > 0);
        let has_tcp = has_tcp || has_cut;
        Replayed { name, end, packets, has_tcp, tunnelled, is_filtered, has_cut, ending }
    }
}

/// Takes the packets of a capture.
struct Taking<'a> {
    wanted: &'a Watched,
    tracker: &'a mut Tracker,
    seen: &'a mut Seen,
}

impl Taker for Taking<'_> {
    fn take(&mut self, frame: &Frame<'_>) {
        self.seen.end = self.seen.end.max(frame.time);
        self.seen.packets += 1;
        if let Some(segment) = self.wanted.plain_segment(frame) {
            self.seen.has_tcp = true;
            self.tracker.segment(frame.time, &segment);
        } else {
            self.take_other(frame);
        }
        if self.seen.is_removing && self.seen.end >= self.seen.last_tick + Duration::from_secs(1) {
            self.tracker.tick(self.seen.end);
            self.seen.last_tick = self.seen.end;
        }
    }

    fn pass(&mut self, read: u64, of: u64) {
        let found = self.tracker.len() as u64;
        if let Some(line) = &mut self.seen.progress {
            line.show(|| progress(read, of, found));
        }
    }
}

/// How far the reading is: the share of the bytes or, of a pipe, their number.
fn progress(read: u64, of: u64, found: u64) -> String {
    let share = match (u128::from(read) * 100).checked_div(of.into()) {
        Some(share) => number(share.min(100) as u64) + " %",
        None => number(read >> 20) + " MiB",
    };
    share + ", " + &number(found) + " connections"
}

impl Taking<'_> {
    #[inline(never)]
    fn take_other(&mut self, frame: &Frame<'_>) {
        match self.wanted.any_segment(frame) {
            Some(segment) => {
                self.seen.has_tcp = true;
                self.tracker.segment(frame.time, &segment);
            }
            None if !self.seen.has_tcp => self.look_for_tcp(frame),
            None => {}
        }
    }

    #[cold]
    fn look_for_tcp(&mut self, frame: &Frame<'_>) {
        let is_tcp = |packet: Option<Packet>| packet.as_ref().and_then(segment).is_some();
        self.seen.has_tcp = is_tcp(frame.packet());
        self.seen.tunnelled += u64::from(!self.seen.has_tcp && is_tcp(frame.innermost()));
    }
}

impl Replayed {
    /// Says what is missing, and why there may be no row; to be called when the rows are written.
    ///
    /// # Errors
    /// [`Error::Said`] if something is missing.
    pub(super) fn tell(self, has_rows: bool, report: &mut Report) -> Result<(), Error> {
        let Ending { skipped, dropped, trouble } = &self.ending;
        let name = &self.name;
        if let Some(error) = trouble {
            report.trouble(error);
        }
        for (place, (link, count)) in skipped.iter().enumerate() {
            let more = if place == MOST_SKIPPED { ", nor are others" } else { "" };
            let text = format!("{count} packets were skipped: link type {link} is not known{more}");
            report.trouble(&Error::failed(name.as_bytes(), text));
        }
        let is_whole = skipped.is_empty() && trouble.is_none();
        let packets = self.packets;
        if !self.has_tcp && (is_whole || packets > 0) {
            let text = match packets {
                0 => "holds no packets".to_owned(),
                _ => format!("none of its {packets} packets is TCP over IP{}", self.cure()),
            };
            report.note(&[name, ": ", &*text].concat());
        } else if !has_rows && is_whole && !self.has_cut {
            let why = match self.is_filtered {
                true => "matches the filter, which TCP packets alone can match",
                false => "belongs to a connection that is shown",
            };
            report.note(&format!("{name}: none of its {packets} packets {why}"));
        }
        if *dropped > 0 {
            let text = format!(
                "{dropped} packets were dropped while it was captured: their data is missing"
            );
            report.trouble(&Error::failed(name.as_bytes(), text));
        }
        if is_whole && *dropped == 0 { Ok(()) } else { Err(Error::Said) }
    }

    fn cure(&self) -> String {
        match self.tunnelled {
            0 => String::new(),
            tunnelled => format!(" ({tunnelled} are in tunnels; to look into them: --decapsulate)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::progress;

    #[test]
    fn progress_is_a_share_where_the_size_is_known() {
        for (read, of, wanted) in [
            (0, 1000, "0 %, 7 connections"),
            (999, 1000, "99 %, 7 connections"),
            (2000, 1000, "100 %, 7 connections"),
            (u64::MAX, u64::MAX, "100 %, 7 connections"),
            (3 << 20, 0, "3 MiB, 7 connections"),
        ] {
            assert_eq!(progress(read, of, 7), wanted);
        }
    }
}
