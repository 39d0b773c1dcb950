//! Shows events as conntrack's text or as rows, to a reader that may be slow.

use std::os::fd::AsFd;
use std::time::Duration;

use super::args::Args;
use super::text::Text;
use super::values::Listing;
use super::{BANNER, event_rows, expect, list};
use crate::error::{Error, Status};
use crate::flow;
use crate::flow::row::Rows;
use crate::frame::{Call, Report};
use crate::model::{Change, Expectation, Flow, FlowFilter};
use crate::out::{Column, Out};
use crate::source::Source;
use crate::source::flows::events::{Event, EventGroups, Subject};
use crate::source::flows::follow::Seen;
use crate::source::flows::labels::Labels;
use crate::source::netlink::{Dumped, Failure};
use crate::source::processes::programs::Programs;
use crate::sys::signals::Signals;
use crate::sys::{self, For};
use crate::track::Flows;
use crate::track::flows;

/// At this size the output is written before all pending events are read.
const WRITE_BYTES: usize = 32 * 1024;
/// How much a pipe takes without blocking when poll says that it is writable.
const PIPE_BYTES: usize = 4096;
/// What is said once where rows lack events. Text has the status of the original.
const LOST: &str = "events were lost, as the rows LOST say: the receive buffer was full; -b makes it larger, and --resync finds \
    the flows by a dump";
/// Nanoseconds per microsecond.
const MICRO: u64 = 1000;

/// Where an event comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Origin {
    /// From the kernel, with the port of the netlink socket whose request caused it, or 0.
    Kernel(u32),
    Dump,
}

pub(super) struct View<'a> {
    args: &'a Args,
    table: Listing,
    source: &'a Source,
    out: Out,
    text: Text,
    filter: FlowFilter,
    /// The buffer for the flags of an expectation.
    flags: Vec<u8>,
    wanted: EventGroups,
    signals: Signals,
    programs: Programs,
    rows: Rows,
    /// The known flows, with `--resync`.
    cache: Option<Flows>,
    /// Whether the current dump is the first one, whose flows are not news.
    is_first: bool,
    wants_dump: bool,
    shown: u64,
    most_at_once: usize,
}

impl<'a> View<'a> {
    /// A view of the events of the groups `wanted` that match the filter of `args`.
    ///
    /// # Errors
    /// If the names of labels cannot be read.
    pub(super) fn new(
        call: &Call,
        args: &'a Args,
        table: Listing,
        source: &'a Source,
        wanted: EventGroups,
        signals: Signals,
    ) -> Result<View<'a>, Error> {
        let mut style = call.common().style.clone();
        (style.is_stream, style.is_of_events) = (!call.is_original(), true);
        let columns: &[Column] = match table {
            Listing::Flows(_) => &event_rows::COLUMNS,
            Listing::Expectations => &event_rows::EXPECT_COLUMNS,
        };
        Ok(View {
            args,
            table,
            source,
            out: Out::new(style, columns, &|_| true),
            text: Text::new(args.output, Labels::read(&source.kernel)?),
            filter: list::filter(source, args)?,
            flags: Vec::new(),
            wanted,
            signals,
            programs: Programs::default(),
            rows: Rows::default(),
            cache: None,
            is_first: false,
            wants_dump: false,
            shown: 0,
            most_at_once: if sys::is_file(sys::stdout()) { usize::MAX } else { PIPE_BYTES },
        })
    }

    /// The signals that end the run.
    pub(super) fn signals(&self) -> &Signals {
        &self.signals
    }

    /// Checks for a signal that ends the run.
    ///
    /// # Errors
    /// [`Error::Ended`] if a signal has come.
    pub(super) fn look_for_signals(&self) -> Result<(), Error> {
        if self.signals.next().is_some() { Err(Error::Ended(Status::Done)) } else { Ok(()) }
    }

    fn event(&mut self, event: &Event<'_>) -> Result<(), Error> {
        match event.subject {
            Subject::Flow(flow) => {
                if let Some(cache) = &mut self.cache {
                    match event.kind {
                        Change::Destroy => cache.ended(flow, |_| ()),
                        Change::New | Change::Update => cache.lives(flow, 0),
                    };
                }
                self.show(event.kind, flow, Origin::Kernel(event.port))
            }
            Subject::Expectation(expectation) => self.expectation(event, expectation),
        }
    }

    /// Shows an event of a flow, if its kind is wanted and the flow matches the filter.
    fn show(&mut self, kind: Change, flow: &Flow<'_>, origin: Origin) -> Result<(), Error> {
        let group = match kind {
            Change::New => EventGroups::NEW,
            Change::Update => EventGroups::UPDATE,
            Change::Destroy => EventGroups::DESTROY,
        };
        if self.wanted.0 & group.0 == 0 || !self.filter.has(flow) {
            return Ok(());
        }
        self.shown += 1;
        if self.out.is_original() {
            self.line(kind, flow, origin)?;
        } else {
            self.row(kind, flow, origin)?;
        }
        self.write_if_much()
    }

    /// The text of an event.
    fn line(&mut self, kind: Change, flow: &Flow<'_>, origin: Origin) -> Result<(), Error> {
        let microseconds = match (self.args.output.timestamp, flow.event_nanoseconds) {
            (true, Some(nanoseconds)) => nanoseconds / MICRO,
            _ => sys::unix_microseconds(),
        };
        let buffer = self.out.pending();
        self.text.push_flow(buffer, flow, Some(kind), microseconds);
        end_line(buffer, origin, &mut self.programs, self.source)
    }

    /// The row of an event.
    fn row(&mut self, kind: Change, flow: &Flow<'_>, origin: Origin) -> Result<(), Error> {
        let nanoseconds = flow.event_nanoseconds.and_then(|time| i64::try_from(time).ok());
        let milliseconds = nanoseconds.map_or_else(sys::unix_milliseconds, |time| time / 1_000_000);
        self.out.begin(milliseconds, Duration::ZERO);
        let (program, is_synthetic) = match origin {
            Origin::Kernel(port @ 1..) => {
                (Some((port, self.programs.of_port(&self.source.kernel, port)?)), false)
            }
            Origin::Kernel(0) => (None, false),
            Origin::Dump => (None, true),
        };
        let values = self.rows.values(flow, &self.text.labels);
        let row: [_; event_rows::WIDTH] = event_rows::event(kind, is_synthetic, &values, program);
        self.out.row(row)
    }

    /// Shows an event of an expectation.
    fn expectation(
        &mut self,
        event: &Event<'_>,
        expectation: &Expectation<'_>,
    ) -> Result<(), Error> {
        self.shown += 1;
        let kind = event.kind;
        if !self.out.is_original() {
            self.out.begin(sys::unix_milliseconds(), Duration::ZERO);
            let values = expect::values(expectation, &mut self.flags);
            let cause = (event.port > 0).then_some((event.port, None));
            let row: [_; event_rows::EXPECT_WIDTH] = event_rows::event(kind, false, &values, cause);
            self.out.row(row)?;
            return self.write_if_much();
        }
        let (buffer, now) = (self.out.pending(), sys::unix_microseconds());
        self.text.push_expectation(buffer, expectation, Some(kind), now);
        buffer.push(b'\n');
        self.write_if_much()
    }

    /// Reports that events were lost, and how many; 0 if that is not known.
    pub(super) fn lost(&mut self, lost: u64, report: &mut Report) -> Result<(), Error> {
        self.wants_dump = self.cache.is_some();
        if self.out.is_original() {
            let number = match lost {
                0 => "an unknown number of".to_owned(),
                lost => lost.to_string(),
            };
            let reason = "the receive buffer was full; -b makes it larger";
            report.say(&format!("{number} events lost: {reason}"));
            return Ok(());
        }
        // A dump makes the rows whole again.
        if self.cache.is_none() {
            report.lack(LOST);
        }
        self.out.begin(sys::unix_milliseconds(), Duration::ZERO);
        // The other columns are absent.
        self.out.row_of(&event_rows::lost(lost))
    }

    /// Keeps the flows from now on, so that a dump can show what was lost.
    pub(super) fn begin_cache(&mut self) {
        self.cache = Some(Flows::new(None));
        (self.wants_dump, self.is_first) = (true, true);
    }

    /// Whether to dump the table now.
    pub(super) fn wants_dump(&self) -> bool {
        self.wants_dump
    }

    /// Notes that a dump begins.
    pub(super) fn begin_dump(&mut self) {
        self.wants_dump = false;
        self.cache.iter_mut().for_each(Flows::begin_reconcile);
    }

    /// Takes events, and the flows of a dump.
    ///
    /// # Errors
    /// Also if the kernel refuses the dump.
    pub(super) fn seen(&mut self, seen: Seen<'_>, report: &mut Report) -> Result<(), Error> {
        match seen {
            Seen::Event(event) => self.event(event),
            Seen::Lost(lost) => self.lost(lost, report),
            Seen::Dumped(flow) => self.dumped(flow),
            Seen::Ended(dumped) => self.end_dump(dumped),
        }
    }

    /// Shows a flow of the dump if it is new or has changed.
    fn dumped(&mut self, flow: &Flow<'_>) -> Result<(), Error> {
        let change = self.cache.as_mut().and_then(|cache| cache.reconcile(flow, 0));
        match change {
            _ if self.is_first => Ok(()),
            Some(flows::Outcome::Created) => self.show(Change::New, flow, Origin::Dump),
            Some(flows::Outcome::Updated) => self.show(Change::Update, flow, Origin::Dump),
            _ => Ok(()),
        }
    }

    /// Ends the dump: flows that it did not show have ended.
    fn end_dump(&mut self, dumped: Result<Dumped, Failure>) -> Result<(), Error> {
        let Dumped { is_interrupted, .. } = dumped?;
        let Some(mut cache) = self.cache.take() else { return Ok(()) };
        let result = if is_interrupted {
            // An interrupted dump may have skipped flows.
            cache.cancel_reconcile();
            self.wants_dump = true;
            Ok(())
        } else {
            self.is_first = false;
            cache.end_reconcile(|flow, _| self.show(Change::Destroy, flow, Origin::Dump))
        };
        self.cache = Some(cache);
        result
    }

    fn write_if_much(&mut self) -> Result<(), Error> {
        if self.out.pending().len() >= WRITE_BYTES { self.write() } else { Ok(()) }
    }

    /// Writes the pending output. A signal ends it even while the reader takes nothing.
    pub(super) fn write(&mut self) -> Result<(), Error> {
        // Another program may have the port next time.
        self.programs.forget();
        while !self.out.pending().is_empty() {
            let waits = [(sys::stdout(), For::Writing), (self.signals.as_fd(), For::Reading)];
            match sys::wait(waits, None).map_err(|error| Error::system("poll", error))? {
                [_, true] => self.look_for_signals()?,
                [true, false] => self.out.write_some(self.most_at_once)?,
                [false, false] => {}
            }
        }
        Ok(())
    }

    /// Ends the text, and writes what the reader takes at once: a signal must not wait for a reader that
    /// takes nothing. Then says how many events were shown.
    pub(super) fn finish(mut self, report: &mut Report) -> Result<(), Error> {
        let is_of_flows = self.table != Listing::Expectations;
        self.out.pending().extend_from_slice(self.text.end());
        self.out.close();
        while !self.out.pending().is_empty() {
            let waits = [(sys::stdout(), For::Writing)];
            match sys::wait(waits, Some(Duration::ZERO)) {
                Ok([true]) => self.out.write_some(self.most_at_once)?,
                _ => break,
            }
        }
        if self.out.is_original() {
            let what = if is_of_flows { "flow" } else { "expectation" };
            report.line(&format!("{BANNER}{} {what} events have been shown.", self.shown));
        }
        Ok(())
    }
}

/// Ends the line of an event with its cause.
fn end_line(
    buffer: &mut Vec<u8>,
    origin: Origin,
    programs: &mut Programs,
    source: &Source,
) -> Result<(), Error> {
    match origin {
        Origin::Kernel(0) => {}
        Origin::Kernel(port) => {
            flow::cause(buffer, port, programs.of_port(&source.kernel, port)?);
        }
        Origin::Dump => buffer.extend_from_slice(b" [SYNTHETIC]"),
    }
    buffer.push(b'\n');
    Ok(())
}
