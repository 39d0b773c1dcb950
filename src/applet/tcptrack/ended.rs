//! `--ended`: connections when they end, one row each, or how many of each kind in each period.

use std::os::fd::AsFd;
use std::time::Duration;

use super::Args;
use super::connections;
use super::export::Export;
use super::feed::Feed;
use super::holders::Holders;
use super::names::Names;
use super::row::Row;
use super::watched::Watched;
use crate::cli;
use crate::error::{Error, Status};
use crate::frame::{Call, Ending, Report, next_moment};
use crate::model::{Groups, Needs};
use crate::out::{Format, Out};
use crate::select::grouping::NEEDS_KEYS;
use crate::sys::signals::{SIGINT, SIGTERM, Signals};
use crate::sys::{self, For};
use crate::track::tcp::{GivesBack, Options, Tracker};

/// The manual.
pub(super) const DETAILS: &str = "With --ended, tcptrack writes one row for each connection when it ends, also \
    for one that was shorter than a tick: with final totals, the round-trip time, how long it lasted (from the \
    first tick that saw it, if that was not the first of all), and the process and the control group that a tick has \
    seen: --fast, or a shorter --rate-interval, sees more. A connection within this machine is one row, when both \
    of its ends have ended. With --by and --interval, a set of rows tells how many ended in each period. No \
    privileges are needed, but without CAP_NET_ADMIN the kernel's buffer is small: how many reports of ends it had \
    to drop is counted (a connection within this machine has two), and the status is 1; so it is, with a warning, \
    where the kernel does not report ends. Attempts that never became a connection are not shown. The \
    formats are TSV, shell and JSON (one object per row). Prometheus takes complete sets of samples: --by KEY \
    --interval S --count 1 --prom writes one, of the connections that ended within S seconds.";

/// The limits of `--ended`.
pub(super) const BUGS: &str = "With --ended: where the other end is on another machine, the row comes up to one and a half ticks after the \
    end, and the received bytes may be one off if the connection was reset after a FIN, and one too few if this \
    machine closed first, and the other one acknowledged that and closed before tcptrack could look (usually \
    within 10 ms). A socket that is reset by SO_LINGER forgets its connection: its totals are those of the last \
    tick, what it sent to an end on this machine may be one off, and if no tick saw it, it is missing.";

const EVICTED: &str = "there were more connections than --max-connections: those idle longest were removed, and their \
    rows may lack the duration, the process and the control group";

/// At this size the output is written before all that has ended is taken.
const WRITE_BYTES: usize = 32 * 1024;

/// Refuses what makes no sense for a stream of ended connections.
pub(super) fn refuse(call: &Call, args: &Args) -> Result<(), Error> {
    let common = call.common();
    let has_keys = args.grouping.has_keys();
    let is_prometheus = common.is_collected || common.style.format == Format::Prometheus;
    const OWN: &str = "cannot be combined with --ended, which follows the sockets of this machine";
    const AT_ONCE: &str = "cannot be combined with --ended: connections come when they end";
    const ENDLESS: &str =
        "needs --by and --count 1 with --ended: its rows have no end, which this format needs";
    cli::refuse([
        (args.interface.is_some(), "-i", OWN),
        (args.file.is_some(), "-T", OWN),
        (args.conntrack, "--conntrack", OWN),
        (args.once, "--once", AT_ONCE),
        (args.sort.is_some(), "--sort", AT_ONCE),
        (args.remove_after.is_some(), "--remove-after", AT_ONCE),
        (
            args.interval.is_some() && !has_keys,
            "--interval",
            "needs --by with --ended: connections come when they end",
        ),
        (args.grouping.top.is_some() && !has_keys, "--top", NEEDS_KEYS),
        (is_prometheus && !(has_keys && args.count == Some(1)), "--prom", ENDLESS),
        (
            common.style.output.is_some() && args.count.is_none(),
            "--output",
            "needs --count with --ended, otherwise the file would never be complete",
        ),
    ])
}

/// Writes what ends until a signal ends it, the reader closes the pipe, or `--count` is reached.
pub(super) fn run(call: &mut Call, args: &Args, wanted: &Watched) -> Result<(), Error> {
    let mut style = call.common().style.clone();
    style.choose_rows_without_original();
    let is_whole = style.format == Format::Prometheus || style.output.is_some();
    // What is of use as a whole alone is not written where a signal ends the run; records of a collector are.
    let taken: &[i32] = if is_whole && args.ipfix.is_none() { &[] } else { &[SIGINT, SIGTERM] };
    // Before anything is read: whoever sees that it runs may already send a signal.
    let signals = Signals::of(taken).map_err(|error| Error::system("signals", error))?;
    (style.is_stream, style.is_of_events) = (style.format != Format::Prometheus, true);
    let has_keys = args.grouping.has_keys();
    let needs = if has_keys { args.grouping.needs() } else { Needs::CGROUPS };
    let columns = match has_keys {
        false => connections::ENDED_COLUMNS.to_vec(),
        true => connections::ended_groups(&args.grouping),
    };
    let out = Out::new(style, &columns, &|_| true);
    let pods = args.grouping.pods.as_deref();
    let names = Names::read(&sys::Kernel::default(), needs, pods)?;
    let options = Options { gives_back: GivesBack::Told, ..args.options() };
    let mut tracker = Tracker::new(options);
    let export = Export::new(args)?;
    let feed = Feed::open(wanted, &mut tracker)?;
    if let Some(refusal) = feed.refusal() {
        call.report.lack(&refusal);
        tracker = Tracker::new(Options { gives_back: GivesBack::Vanished, ..options });
    }
    let most_at_once = if sys::is_file(sys::stdout()) { usize::MAX } else { PIPE_BYTES };
    let left = args.count.unwrap_or(u64::MAX);
    let (holders, groups) = (Holders::asked_by(&args.grouping, &names), args.grouping.groups());
    let mut watch = Watch {
        args,
        tracker,
        feed,
        holders,
        names,
        out,
        export,
        signals,
        groups,
        left,
        most_at_once,
        is_whole,
    };
    let ended = match watch.follow(&mut call.report) {
        Err(Error::Ended(Status::Done)) => {
            let is_early = watch.left > 0 && args.count.is_some();
            watch.end(&mut call.report)?;
            match (is_early, is_whole) {
                (true, true) => Err(Error::failed("--ended", Ending::EARLY)),
                (true, false) => {
                    call.report.lack(Ending::EARLY);
                    Ok(())
                }
                (false, _) => Ok(()),
            }
        }
        Err(error) => Err(error),
        Ok(never) => match never {},
    };
    ended?;
    call.finish(watch.out)
}

/// How much a pipe takes without blocking when poll says that it is writable.
const PIPE_BYTES: usize = 4096;

/// How long the end waits for a reader that takes nothing.
const GRACE: Duration = Duration::from_secs(1);

struct Watch<'a> {
    args: &'a Args,
    tracker: Tracker,
    feed: Feed<'a>,
    holders: Holders,
    names: Names,
    out: Out,
    export: Option<Export>,
    signals: Signals,
    /// What has ended in this period.
    groups: Groups,
    /// How many rows, or periods, are to come.
    left: u64,
    most_at_once: usize,
    /// Whether nothing is written before the end.
    is_whole: bool,
}

impl Watch<'_> {
    /// Follows connections until something ends it; a signal and `--count` do so with [`Error::Ended`].
    fn follow(&mut self, report: &mut Report) -> Result<std::convert::Infallible, Error> {
        let start = sys::monotonic();
        let half =
            (self.args.rate().max(Duration::from_millis(1)) / 2).max(Duration::from_nanos(1));
        let period = self.args.grouping.has_keys().then(|| self.args.tick());
        self.tick(start, report)?;
        let after = |now| move |period| next_moment(start, period, now);
        let (mut read_at, mut end) = (start, period.map_or(Duration::MAX, after(start)));
        loop {
            let next = next_moment(start, half, read_at);
            let due = self.export.as_ref().map_or(end, |export| export.due().min(end));
            self.wait(next.min(due))?;
            let now = sys::monotonic();
            if now >= next {
                // Of several that are due, after a long stop, the last one counts.
                read_at = now;
                let halves = now.saturating_sub(start).as_nanos() / half.as_nanos();
                match halves % 2 {
                    0 => self.tick(now, report)?,
                    _ => {
                        self.feed.take_all(&mut self.tracker)?;
                        self.tracker.give_overdue();
                    }
                }
            }
            self.take(report)?;
            let lost = self.feed.lost_in_all();
            if let Some(said) = self.export.as_mut().and_then(|export| export.turn(lost)) {
                report.say(&said);
            }
            if now >= end {
                self.period()?;
                end = period.map_or(Duration::MAX, after(now));
            }
            self.write()?;
        }
    }

    /// Reads what is open, and looks for its processes and control groups.
    fn tick(&mut self, now: Duration, report: &mut Report) -> Result<(), Error> {
        self.feed.tick(now, &mut self.tracker)?;
        self.tracker.tick(now);
        let mut rows: Vec<Row> =
            self.tracker.connections().map(|connection| Row::of(connection, now, now)).collect();
        let looked = self.holders.look(&rows, now);
        if self.names.needs_holders() {
            self.holders.fill(&mut rows);
        }
        for error in [looked, self.names.look(&rows)].into_iter().filter_map(Result::err) {
            report.trouble(&error);
        }
        if let Some(gap) = self.names.gap() {
            report.gap(&gap);
        }
        self.say_losses(report, false);
        report.foreign();
        Ok(())
    }

    fn say_losses(&mut self, report: &mut Report, is_end: bool) {
        if self.tracker.evicted() > 0 {
            report.lack(EVICTED);
        }
        if let Some(losses) = self.feed.losses(is_end) {
            report.trouble(&Error::failed("--ended", losses));
        }
    }

    /// Waits until `moment`, or for ends of connections, which it takes; a signal or a closed pipe ends the run.
    fn wait(&mut self, moment: Duration) -> Result<(), Error> {
        let signals = self.signals.as_fd();
        let reader = if self.is_whole { signals } else { sys::stdout() };
        let waits = [
            (self.feed.fd().unwrap_or(signals), For::Reading),
            (signals, For::Reading),
            (reader, For::TheEnd),
        ];
        let left = moment.saturating_sub(sys::monotonic());
        match sys::wait(waits, Some(left)).map_err(|error| Error::system("poll", error))? {
            [_, true, _] => self.signalled(),
            [_, _, true] => Err(Error::ClosedPipe),
            [true, ..] => self.feed.drain(&mut self.tracker),
            _ => Ok(()),
        }
    }

    /// Takes the signal, so that what is left can be written unless a second one comes.
    fn signalled(&self) -> Result<(), Error> {
        while self.signals.next().is_some() {}
        Err(Error::Ended(Status::Done))
    }

    /// Takes the connections that have ended.
    fn take(&mut self, report: &mut Report) -> Result<(), Error> {
        let (now, milliseconds) = (sys::monotonic(), sys::unix_milliseconds());
        let has_keys = self.args.grouping.has_keys();
        let mut key = Vec::with_capacity(64);
        loop {
            if self.left == 0 {
                return Err(Error::Ended(Status::Done));
            }
            if self.out.pending().len() >= WRITE_BYTES {
                self.write()?;
            }
            let Some(connection) = self.tracker.next_given() else { return Ok(()) };
            let mut row = [Row::of(&connection, now, now)];
            self.holders.fill(&mut row);
            if let Some(gap) = self.holders.gap(&row) {
                report.gap(&gap);
            }
            let [row] = &row;
            let ago = now.saturating_sub(row.last_seen).as_millis();
            let ended_at = milliseconds.saturating_sub(ago as i64);
            if let Some(export) = &mut self.export {
                export.connection(row, connection.segments(), now, ended_at);
            }
            if has_keys {
                self.args.grouping.key(&mut key, (row, &self.names));
                self.groups.add(&key, row.known_totals());
                continue;
            }
            self.left -= 1;
            self.out.begin(ended_at, now);
            connections::write_ended(row, self.names.cgroup(row), &mut self.out)?;
        }
    }

    /// Ends a period.
    fn period(&mut self) -> Result<(), Error> {
        self.left = self.left.saturating_sub(1);
        self.out.begin(sys::unix_milliseconds(), sys::monotonic());
        let groups = std::mem::replace(&mut self.groups, self.args.grouping.groups());
        self.args.grouping.rows(&groups, &mut self.out)?;
        if self.left == 0 { Err(Error::Ended(Status::Done)) } else { Ok(()) }
    }

    /// Writes the pending output. A signal ends it even while the reader takes nothing.
    fn write(&mut self) -> Result<(), Error> {
        while self.out.is_to_write() {
            let waits = [(sys::stdout(), For::Writing), (self.signals.as_fd(), For::Reading)];
            match sys::wait(waits, None).map_err(|error| Error::system("poll", error))? {
                [_, true] => self.signalled()?,
                [true, false] => self.out.write_some(self.most_at_once)?,
                [false, false] => {}
            }
        }
        Ok(())
    }

    /// Takes what has ended until now, writes it to a reader that takes it, and says what was lost.
    fn end(&mut self, report: &mut Report) -> Result<(), Error> {
        if self.left > 0 {
            self.feed.take_all(&mut self.tracker)?;
            self.tracker.give_ended();
            let taken = self.take(report);
            let last = if self.args.grouping.has_keys() {
                taken.and_then(|()| self.period())
            } else {
                taken
            };
            match last {
                Err(Error::Ended(_)) if self.left > 0 => unwritten(report),
                Ok(()) | Err(Error::Ended(_)) => {}
                Err(error) => return Err(error),
            }
        }
        self.say_losses(report, true);
        let lost = self.feed.lost_in_all();
        if let Some(unsent) = self.export.as_mut().and_then(|export| export.finish(lost)) {
            report.trouble(&Error::failed("--ipfix", unsent));
        }
        while self.out.is_to_write() {
            let waits = [(sys::stdout(), For::Writing)];
            match sys::wait(waits, Some(GRACE)) {
                Ok([true]) => self.out.write_some(self.most_at_once)?,
                _ => {
                    self.out.pending().clear();
                    unwritten(report);
                }
            }
        }
        Ok(())
    }
}

fn unwritten(report: &mut Report) {
    let reason = "the last rows were not written: the reader took nothing";
    report.trouble(&Error::failed("standard output", reason));
}
