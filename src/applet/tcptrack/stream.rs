//! Rows instead of a screen: one set per tick, or one at the end of a capture.

use std::time::Duration;

use super::Args;
use super::connections;
use super::feed::Feed;
use super::holders::Holders;
use super::names::Names;
use super::replay::{self, Replayed};
use super::row::Row;
use super::sort::Sort;
use super::view::View;
use super::watched::Watched;
use crate::error::Error;
use crate::frame::{Call, Ending, Report, next_moment};
use crate::out::{Format, Out, Style};
use crate::sys::{self, Kernel};
use crate::track::tcp::Tracker;

/// What makes rows incomplete, each said once.
const DROPPED: &str = "the kernel dropped packets: their data is missing";
pub(super) const SHARED: &str = "connections in several VLANs or tunnels have the same addresses and ports, and are taken for \
     one, so that their rows may be wrong; to see one VLAN: the filter 'vlan N'";
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
    let style = style(call, is_once);
    let ending = Ending::of(&style, call.common().is_collected)?;
    let mut out = out(style, args);
    if wanted.is_confined {
        out.write_apart()?;
    }
    repeat(args, wanted, (count, &ending), &mut tracker, &mut out, &mut call.report)?;
    call.finish(out)
}

pub(super) fn style(call: &Call, is_once: bool) -> Style {
    let mut style = call.common().style.clone();
    style.choose_rows_without_original();
    style.is_stream = !is_once && style.format != Format::Prometheus;
    style
}

pub(super) fn out(style: Style, args: &Args) -> Out {
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
    let mut out = out(style(call, true), args);
    let mut rows = collect(tracker, replayed.end, replayed.end);
    let grouping = &args.grouping;
    let names = Names::read(&Kernel::default(), grouping.needs(), grouping.pods.as_deref())?;
    write(args, &mut rows, &names, &mut out)?;
    wanted.note_skipped(&mut call.report);
    lack_rows(tracker, &mut call.report);
    // The rows come first: of a damaged capture, they are what could be read.
    let finished = call.finish(out);
    if matches!(finished, Ok(()) | Err(Error::Said)) {
        replayed.tell(!rows.is_empty(), &mut call.report)?;
    }
    finished
}

fn repeat(
    args: &Args,
    wanted: &Watched,
    (count, ending): (Option<u64>, &Ending),
    tracker: &mut Tracker,
    out: &mut Out,
    report: &mut Report,
) -> Result<(), Error> {
    let mut feed = Feed::open(wanted, tracker)?;
    feed.confine(report);
    let grouping = &args.grouping;
    let mut names = Names::read(&Kernel::default(), grouping.needs(), grouping.pods.as_deref())?;
    let mut holders = Holders::asked_by(grouping, &names);
    let tick = args.tick();
    let mut before = sys::monotonic();
    feed.tick(before, tracker)?;
    if let Some(refusal) = feed.refusal() {
        report.note(&refusal);
    }
    let start = if feed.is_capture() { next_whole(before, tick) + LATE } else { before };
    for done in 1u64.. {
        if wait(&mut feed, next_moment(start, tick, sys::monotonic()), ending, tracker)? {
            report.lack(Ending::EARLY);
            break;
        }
        let now = sys::monotonic();
        // The time of the reading, and not of the search for processes after it.
        out.begin(sys::unix_milliseconds(), now);
        feed.tick(now, tracker)?;
        tracker.tick(now);
        let mut found = collect(tracker, now, before);
        let looked = holders.look(&found, now);
        holders.fill(&mut found);
        for error in [looked, names.look(&found)].into_iter().filter_map(Result::err) {
            report.trouble(&error);
        }
        for gap in [holders.gap(&found), names.gap()].into_iter().flatten() {
            report.gap(&gap);
        }
        tell_lacking(write(args, &mut found, &names, out)?, report);
        out.end()?;
        if feed.dropped() > 0 {
            report.lack(DROPPED);
        }
        feed.uncounted().into_iter().for_each(|text| report.note(text));
        wanted.note_skipped(report);
        lack_rows(tracker, report);
        report.foreign();
        let is_last = count.is_some_and(|count| done >= count);
        if let Some(losses) = feed.losses(is_last) {
            report.trouble(&Error::failed("sock_diag", losses));
        }
        if is_last {
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

/// Waits for the next tick, and takes packets or ends of connections meanwhile. Returns whether a signal ends the run.
fn wait(
    feed: &mut Feed<'_>,
    moment: Duration,
    ending: &Ending,
    tracker: &mut Tracker,
) -> Result<bool, Error> {
    loop {
        let left = moment.saturating_sub(sys::monotonic());
        let [is_ready, has_ended] = ending.wait(feed.fd(), left)?;
        if is_ready {
            feed.drain(tracker)?;
        }
        if has_ended || sys::monotonic() >= moment {
            return Ok(has_ended);
        }
    }
}

fn collect(tracker: &Tracker, now: Duration, before: Duration) -> Vec<Row> {
    tracker.connections().map(|connection| Row::of(connection, now, before)).collect()
}

/// Writes the rows, and returns how many flows are missing in their sums.
fn write(args: &Args, found: &mut Vec<Row>, names: &Names, out: &mut Out) -> Result<u64, Error> {
    if args.grouping.has_keys() {
        return connections::write_groups(found, names, &args.grouping, out);
    }
    write_rows(args, found, args.sort(), out).map(|()| 0)
}

/// Says how many flows are missing in the sums.
pub(super) fn tell_lacking(lacking: u64, report: &mut Report) {
    if lacking > 0 {
        let flows = if lacking == 1 { "flow" } else { "flows" };
        report.lack(&format!("the speeds of groups lack {lacking} {flows} without counters"));
    }
}

/// Writes one row for each connection.
pub(super) fn write_rows(
    args: &Args,
    found: &mut Vec<Row>,
    sort: Sort,
    out: &mut Out,
) -> Result<(), Error> {
    if out.is_prometheus() {
        connections::join_equal(found);
    }
    let mut view = View::sorted_by(sort);
    view.arrange(found);
    let most = args.grouping.top.unwrap_or(usize::MAX);
    for row in view.order.iter().take(most).filter_map(|place| found.get(*place)) {
        connections::write(row, out)?;
    }
    Ok(())
}

fn lack_rows(tracker: &Tracker, report: &mut Report) {
    if tracker.evicted() > 0 {
        report.lack(EVICTED);
    }
    if tracker.has_shared() {
        report.lack(SHARED);
    }
}
