//! Rows instead of a screen: one set per tick, or one at the end of a capture.

use std::path::Path;
use std::time::Duration;

use super::Args;
use super::connections;
use super::feed::{Feed, Watched};
use super::holders::Holders;
use super::view::{Row, View};
use crate::error::Error;
use crate::frame::{Call, Report};
use crate::out::{Format, Out};
use crate::select::facts;
use crate::source::packets::pcap_file;
use crate::sys::{self, For};
use crate::track::tcp::Tracker;

/// Warnings, each given once.
const DROPPED: &str = "the kernel dropped packets: their data is missing";
const EVICTED: &str = "there were more connections than --max-connections: those idle longest were removed \
    and are missing";

/// Writes the rows.
pub fn run(call: &mut Call, args: &Args, wanted: &Watched) -> Result<(), Error> {
    let mut style = call.common().style.clone();
    if style.format == Format::Original {
        style.format = Format::Tsv;
    }
    let is_once = args.once || args.file.is_some() || call.common().is_collected;
    style.is_stream = !is_once && style.format != Format::Prometheus;
    let mut out = match args.grouping.has_keys() {
        false => Out::new(style, &connections::COLUMNS, |_| true),
        true => Out::new(style, &args.grouping.columns(), |_| true),
    };
    let mut tracker = Tracker::new(args.options());
    match &args.file {
        Some(path) => {
            let end = replay(path, args, wanted, &mut tracker)?;
            write(args, &mut collect(&tracker, end, end), &mut out)?;
            note_evicted(&tracker, &mut call.report);
        }
        None => {
            let count = if is_once { Some(1) } else { args.count };
            repeat(args, wanted, count, &mut tracker, &mut out, &mut call.report)?;
        }
    }
    call.finish(out)
}

/// Takes all segments of a capture, and returns the time of the last packet.
fn replay(
    path: &Path,
    args: &Args,
    wanted: &Watched,
    tracker: &mut Tracker,
) -> Result<Duration, Error> {
    let (mut end, mut last_tick) = (Duration::ZERO, Duration::ZERO);
    pcap_file::read(path, &mut |frame| {
        end = end.max(frame.time);
        if let Some(segment) = wanted.segment(frame) {
            tracker.segment(frame.time, &segment);
        }
        // Connections are removed only on request.
        if args.remove_after.is_some() && end >= last_tick + Duration::from_secs(1) {
            tracker.tick(end);
            last_tick = end;
        }
        Ok(())
    })?;
    match args.remove_after {
        Some(_) => tracker.tick(end),
        None => tracker.settle(end),
    }
    Ok(end)
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
    let mut holders = Holders::default();
    let tick = args.tick();
    let mut before = sys::monotonic();
    feed.tick(before, tracker)?;
    let start = if feed.fd().is_some() { next_whole(before, tick) + LATE } else { before };
    for done in 1u64.. {
        wait(&mut feed, crate::frame::moment(start, tick, done), tracker)?;
        let now = sys::monotonic();
        feed.tick(now, tracker)?;
        tracker.tick(now);
        let mut found = collect(tracker, now, before);
        if let Err(error) = holders.look(&found, now) {
            report.trouble(&error);
        }
        holders.fill(&mut found);
        if holders.is_blind && found.iter().any(|row| row.holder().is_none()) {
            report.note(facts::UNREADABLE);
        }
        out.begin(sys::unix_milliseconds(), now);
        write(args, &mut found, out)?;
        out.end()?;
        if feed.dropped() > 0 {
            report.note(DROPPED);
        }
        note_evicted(tracker, report);
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

/// Waits for the next tick, and takes packets meanwhile.
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

fn write(args: &Args, found: &mut [Row], out: &mut Out) -> Result<(), Error> {
    if args.grouping.has_keys() {
        return connections::write_groups(found, &args.grouping, out);
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
