//! `conntrack -E`: events as they come.

use std::os::fd::AsFd;
use std::time::Duration;

use super::args::{Args, EVENT_DESTROY, EVENT_NEW, EVENT_UPDATE};
use super::event_view::View;
use super::values::Listing;
use crate::cli::refuse;
use crate::error::{Error, Status};
use crate::frame::{Call, Report};
use crate::out::Format;
use crate::source::flows::conntrack;
use crate::source::flows::events::{Counts, EventGroups, Events};
use crate::source::flows::follow::Follower;
use crate::source::multicast::Pace;
use crate::source::netlink::CTNETLINK;
use crate::sys::signals::{SIGINT, SIGTERM, Signals};
use crate::sys::{self, For, Kernel};

/// The receive buffer without `-b`: some ten thousand events, which come within a tenth of a second on
/// a machine that opens connections as fast as it can.
const BUFFER_BYTES: usize = 8 * 1024 * 1024;

/// Warnings about nf_conntrack_events, see net/netfilter/nf_conntrack_ecache.c.
const NO_EVENTS: &str = "net.netfilter.nf_conntrack_events is 0: the kernel reports no events in this \
    network namespace";
const OLD_ARE_SILENT: &str = "net.netfilter.nf_conntrack_events is 2: flows that began when nobody \
    listened report neither changes nor their end";

/// Shows events until a signal ends it, or the reader closes the pipe.
pub(super) fn run(call: &mut Call, args: &Args, table: Listing) -> Result<(), Error> {
    check(call, args, table)?;
    let source = call.source()?;
    source.must_be_live("events are those of the running kernel")?;
    // Before the events: whoever sees that it listens may already send a signal.
    let signals =
        Signals::of(&[SIGINT, SIGTERM]).map_err(|error| Error::system("signals", error))?;
    let (groups, shown) = groups(args, table);
    // Before the kernel is asked: an unknown label is a wrong command line, whatever the privileges.
    let view = View::new(call, args, table, &source, shown, signals)?;
    let bytes = args.buffer_bytes.unwrap_or(BUFFER_BYTES);
    let events = Events::open(groups, Some(bytes))?;
    let size = events.receive_buffer().map_err(|errno| CTNETLINK.refused(errno))?;
    if args.buffer_bytes.is_some() {
        let text = format!("NOTICE: Netlink socket buffer size has been set to {size} bytes.");
        call.report.line(&text);
    }
    note(&source.kernel, table, shown, &mut call.report);
    let may_nap = size >= Pace::BUFFER_BYTES;
    let (follower, resync) = (Follower::of(events), args.resync);
    let watch = Watch { view, follower, resync, may_nap, pace: Pace::default() };
    watch.run(&mut call.report)?;
    call.report.end()
}

/// Refuses options that make no sense for events.
fn check(call: &Call, args: &Args, table: Listing) -> Result<(), Error> {
    let common = call.common();
    let style = &common.style;
    refuse([
        (
            style.format == Format::Prometheus,
            "--prom",
            "cannot be combined with -E: events have no end",
        ),
        (
            style.format == Format::Bare,
            "--value",
            "cannot be combined with -E: an event is more than its numbers",
        ),
        (
            style.output.is_some(),
            "--output-file",
            "cannot be combined with -E: events have no end, so the file would never be complete",
        ),
        (
            common.interval.is_some(),
            "--interval",
            "cannot be combined with -E: events come when they come",
        ),
        (
            style.by_namespace,
            "--netns",
            "all cannot be combined with -E: events are those of one network namespace",
        ),
        (args.resync && table == Listing::Expectations, "--resync", "is only for flows"),
    ])
}

/// The groups of events to join, and those to show. A cache of flows needs all of them.
fn groups(args: &Args, table: Listing) -> (EventGroups, EventGroups) {
    let all = EVENT_NEW | EVENT_UPDATE | EVENT_DESTROY;
    let wanted = if args.events == 0 { all } else { args.events };
    let shown = [
        (EVENT_NEW, EventGroups::NEW),
        (EVENT_UPDATE, EventGroups::UPDATE),
        (EVENT_DESTROY, EventGroups::DESTROY),
    ]
    .into_iter()
    .filter(|(bit, _)| wanted & bit != 0)
    .fold(EventGroups::default(), |groups, (_, group)| groups | group);
    let joined = if args.resync { EventGroups::FLOWS } else { shown };
    // The groups of expectations follow those of flows.
    (if table == Listing::Expectations { EventGroups(shown.0 << 3) } else { joined }, shown)
}

/// Warns about events that the kernel will not report.
fn note(kernel: &Kernel, table: Listing, shown: EventGroups, report: &mut Report) {
    let asked = shown.0 & (EventGroups::UPDATE | EventGroups::DESTROY).0;
    match kernel.sysctl("net/netfilter/nf_conntrack_events").as_deref() {
        Some(b"0") => report.note(NO_EVENTS),
        Some(b"2") if table != Listing::Expectations && asked != 0 && has_flows() => {
            report.note(OLD_ARE_SILENT);
        }
        _ => {}
    }
}

/// Whether there are flows already; `true` if that is not known.
fn has_flows() -> bool {
    let fill = conntrack::open().and_then(|mut kernel| conntrack::fill(&mut kernel));
    fill.map_or(true, |fill| fill.entries > 0)
}

/// Passes events from the kernel to the reader.
struct Watch<'a> {
    view: View<'a>,
    follower: Follower,
    resync: bool,
    /// Whether the receive buffer is large enough for naps.
    may_nap: bool,
    pace: Pace,
}

impl Watch<'_> {
    fn run(mut self, report: &mut Report) -> Result<(), Error> {
        if self.resync {
            self.view.begin_cache();
        }
        let ended = self.follow(report);
        match ended {
            Err(Error::Ended(Status::Done)) => self.end(report),
            Err(error) => Err(error),
            Ok(never) => match never {},
        }
    }

    /// Follows the events until something ends it; a signal does so with [`Error::Ended`].
    fn follow(&mut self, report: &mut Report) -> Result<std::convert::Infallible, Error> {
        loop {
            if self.view.wants_dump() && !self.follower.is_dumping() {
                self.follower.start()?;
                self.view.begin_dump();
            }
            if self.follower.turn(|seen| self.view.seen(seen, report))? {
                report.foreign();
                self.view.write()?;
                self.wait()?;
            } else {
                self.view.look_for_signals()?;
            }
        }
    }

    /// Waits for events; a signal or a closed pipe ends the run.
    fn wait(&mut self) -> Result<(), Error> {
        if self.may_nap && self.pace.wants_nap(sys::monotonic()) {
            self.wait_for(For::TheEnd, Some(Pace::NAP))?;
        }
        self.wait_for(For::Reading, None)?;
        self.pace.wakes(sys::monotonic());
        Ok(())
    }

    /// Waits for `events` of the sockets, and always for a signal or a closed pipe.
    fn wait_for(&self, events: For, timeout: Option<Duration>) -> Result<(), Error> {
        let fd = self.follower.events.as_fd();
        let waits = [
            (fd, events),
            (self.view.signals().as_fd(), For::Reading),
            (sys::stdout(), For::TheEnd),
            (self.follower.dump().unwrap_or(fd), events),
        ];
        match sys::wait(waits, timeout).map_err(|error| Error::system("poll", error))? {
            [_, true, ..] => self.view.look_for_signals(),
            [_, _, true, _] => Err(Error::ClosedPipe),
            _ => Ok(()),
        }
    }

    /// Shows what is pending, if the reader takes it, and says how many events there were.
    fn end(mut self, report: &mut Report) -> Result<(), Error> {
        if let lost @ 1.. = self.follower.events.newly_lost() {
            self.view.lost(lost, report)?;
        }
        let Counts { unknown, malformed, .. } = self.follower.events.counts();
        if unknown > 0 || malformed > 0 {
            let text =
                format!("{unknown} messages of unknown type and {malformed} of unknown shape");
            report.say(&text);
        }
        self.view.finish(report)
    }
}
