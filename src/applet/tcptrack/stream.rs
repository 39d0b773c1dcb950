//! Rows instead of a screen: one set per tick, or one at the end of a capture.

use std::time::Duration;

use super::Args;
use super::connections;
use super::feed::Feed;
use super::holders::Holders;
use super::names::Names;
use super::replay::{self, Replayed};
use super::row::Row;
use super::view::View;
use super::watched::Watched;
use crate::error::Error;
use crate::frame::{Call, Report};
use crate::out::{Format, Out};
use crate::sys::{self, For, Kernel};
use crate::track::tcp::Tracker;

/// Warnings, each given once.
const DROPPED: &str = "the kernel dropped packets: their data is missing";
const EVICTED: &str = "there were more connections than --max-connections: those idle longest were removed \
    and are missing";

pub(super) fn run(call: &mut Call, args: &Args, wanted: &Watched) -> Result<(), Error> {
    let mut tracker = Tracker::new(args.options());
    if let Some(path) = &args.file {
        let replayed = replay::read(path, wanted, &mut tracker)?;
        return write_replayed(call, args, wanted, &tracker, replayed);
    }
    let is_once = args.once || call.common().is_collected;
    let count = if is_once { Some(1) } else { args.count };
    let mut out = out(call, args, is_once);
    repeat(args, wanted, count, &mut tracker, &mut out, &mut call.report)?;
    call.finish(out)
}

fn out(call: &Call, args: &Args, is_once: bool) -> Out {
    let mut style = call.common().style.clone();
    style.choose_rows_without_original();
    style.is_stream = !is_once && style.format != Format::Prometheus;
    let columns = match args.grouping.has_keys() {
        false => connections::COLUMNS.to_vec(),
        true => args.grouping.columns(),
    };
    Out::new(style, &columns, &|_| true)
}

/// Writes the connections of a capture, and then what is to be said about it.
pub(super) fn write_replayed(
    call: &mut Call,
    args: &Args,
    wanted: &Watched,
    tracker: &Tracker,
    replayed: Replayed,
) -> Result<(), Error> {
    let mut out = out(call, args, true);
    let mut rows = collect(tracker, replayed.end, replayed.end);
    let names = Names::read(&Kernel::default(), args.grouping.needs())?;
    write(args, &mut rows, &names, &mut out)?;
    wanted.note_skipped(&mut call.report);
    note_evicted(tracker, &mut call.report);
    // The rows come first: of a damaged capture, they are what could be read.
    call.finish(out)?;
    replayed.tell(!rows.is_empty(), &mut call.report)
}

fn repeat(
    args: &Args,
    wanted: &Watched,
    count: Option<u64>,
    tracker: &mut Tracker,
    out: &mut Out,
    report: &mut Report,
) -> Result<(), Error> {
    let mut feed = Feed::open(wanted, tracker)?;
    feed.confine();
    let mut holders = Holders::asked_by(&args.grouping);
    let mut names = Names::read(&Kernel::default(), args.grouping.needs())?;
    let tick = args.tick();
    let mut before = sys::monotonic();
    feed.tick(before, tracker)?;
    if let Some(refusal) = feed.refusal() {
        report.note(&refusal);
    }
    let start = if feed.is_capture() { next_whole(before, tick) + LATE } else { before };
    for done in 1u64.. {
        wait(&mut feed, crate::frame::moment(start, tick, done), tracker)?;
        let now = sys::monotonic();
        feed.tick(now, tracker)?;
        tracker.tick(now);
        let mut found = collect(tracker, now, before);
        for looked in [holders.look(&found, now), names.look(&found)] {
            if let Err(error) = looked {
                report.trouble(&error);
            }
        }
        holders.fill(&mut found);
        for gap in [holders.gap(&found), names.gap()].into_iter().flatten() {
            report.gap(&gap);
        }
        out.begin(sys::unix_milliseconds(), now);
        write(args, &mut found, &names, out)?;
        out.end()?;
        if feed.dropped() > 0 {
            report.note(DROPPED);
        }
        wanted.note_skipped(report);
        note_evicted(tracker, report);
        report.foreign();
        if let Some(losses) = feed.losses(false) {
            report.say(&losses);
        }
        if count.is_some_and(|count| done >= count) {
            break;
        }
        before = now;
    }
    Ok(())
}

/// How late the last packets of a tick may arrive, since the ring hands packets over in blocks.
const LATE: Duration = Duration::from_millis(100);

/// The next multiple of `tick`: with packets, speeds are those of whole ticks of the clock.
fn next_whole(now: Duration, tick: Duration) -> Duration {
    let (now, tick) = (now.as_nanos(), tick.as_nanos().max(1));
    Duration::from_nanos(u64::try_from(now.next_multiple_of(tick)).unwrap_or(u64::MAX))
}

/// Waits for the next tick, and takes packets or ends of connections meanwhile.
fn wait(feed: &mut Feed<'_>, moment: Duration, tracker: &mut Tracker) -> Result<(), Error> {
    loop {
        let Some(fd) = feed.fd() else {
            sys::sleep_until(moment);
            return Ok(());
        };
        let left = moment.saturating_sub(sys::monotonic());
        let [is_ready] = sys::wait([(fd, For::Reading)], Some(left))
            .map_err(|error| Error::system("the capture", error))?;
        if is_ready {
            feed.drain(tracker)?;
        }
        if sys::monotonic() >= moment {
            return Ok(());
        }
    }
}

fn collect(tracker: &Tracker, now: Duration, before: Duration) -> Vec<Row> {
    tracker.connections().map(|connection| Row::of(connection, now, before)).collect()
}

fn write(args: &Args, found: &mut Vec<Row>, names: &Names, out: &mut Out) -> Result<(), Error> {
    if args.grouping.has_keys() {
        return connections::write_groups(found, names, &args.grouping, out);
    }
    if out.is_prometheus() {
        connections::join_equal(found);
    }
    let mut view = View::sorted_by(args.sort());
    view.arrange(found);
    let most = args.grouping.top.unwrap_or(usize::MAX);
    for row in view.order.iter().take(most).filter_map(|place| found.get(*place)) {
        connections::write(row, out)?;
    }
    Ok(())
}

fn note_evicted(tracker: &Tracker, report: &mut Report) {
    if tracker.evicted() > 0 {
        report.note(EVICTED);
    }
}
