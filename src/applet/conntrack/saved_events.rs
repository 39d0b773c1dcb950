//! `conntrack -E --from`: events that were printed elsewhere.

use super::args::{Args, EVENT_DESTROY, EVENT_NEW, EVENT_UPDATE, Output};
use super::saved::{Asked, must_know_label};
use super::text::Text;
use super::{BANNER, event_rows};
use crate::error::Error;
use crate::flow::{self, row::Rows};
use crate::frame::{Call, Report};
use crate::model::{Change, FlowFilter};
use crate::out::Out;
use crate::source::Source;
use crate::source::files::lines::Place;
use crate::source::flows::labels::Labels;
use crate::source::flows::saved::{self, SavedFlow, Seen};

/// Shows the events of saved texts.
pub(super) fn run(
    call: &mut Call,
    args: &Args,
    source: &Source,
    filter: FlowFilter,
) -> Result<(), Error> {
    let labels = Labels::read(&source.kernel)?;
    let mut style = call.common().style.clone();
    (style.is_stream, style.is_of_events) = (!call.is_original(), true);
    let mut view = View {
        args,
        filter,
        out: Out::new(style, &event_rows::COLUMNS, &|_| true),
        text: Text::new(args.output, Labels::read(&source.kernel)?),
        rows: Rows::default(),
        buffer: Vec::with_capacity(512),
        shown: 0,
    };
    let asked = Asked::of(args, &view.filter);
    let (doubts, _) = saved::read(source, &labels, &mut |place, seen| match seen {
        Seen::Lost(lost) => view.lost(lost, place, &mut call.report),
        Seen::Flow(saved) => {
            let Some(change) = saved.change else {
                return Err(
                    place.error("a flow of a list, and not an event; conntrack -L reads lists")
                );
            };
            asked.check(place, saved)?;
            must_know_label(place, args, saved)?;
            view.show(change, saved)
        }
    })?;
    doubts.iter().for_each(|doubt| call.report.trouble(doubt));
    if view.out.is_original() {
        view.out.text(view.text.end())?;
        let shown = view.shown;
        call.report.line(&format!("{BANNER}{shown} flow events have been shown."));
    }
    call.finish(view.out)
}

struct View<'a> {
    args: &'a Args,
    filter: FlowFilter,
    out: Out,
    text: Text,
    rows: Rows,
    buffer: Vec<u8>,
    shown: u64,
}

impl View<'_> {
    /// Shows an event, if its kind is wanted and its flow matches the filter.
    fn show(&mut self, change: Change, saved: &SavedFlow<'_>) -> Result<(), Error> {
        let bit = match change {
            Change::New => EVENT_NEW,
            Change::Update => EVENT_UPDATE,
            Change::Destroy => EVENT_DESTROY,
        };
        let wanted = self.args.events;
        if wanted != 0 && wanted & bit == 0 || !self.filter.has(&saved.flow) {
            return Ok(());
        }
        self.shown += 1;
        let time = saved.flow.event_nanoseconds;
        if self.out.is_original() {
            let timestamp = self.args.output.timestamp && time.is_some();
            self.text.set_output(Output { timestamp, ..self.args.output });
            self.buffer.clear();
            let microseconds = time.unwrap_or_default() / 1000;
            self.text.push_flow(&mut self.buffer, &saved.flow, Some(change), microseconds);
            if saved.is_synthetic {
                self.buffer.extend_from_slice(b" [SYNTHETIC]");
            } else if let Some((port, program)) = saved.cause {
                flow::cause(&mut self.buffer, port, program);
            }
            self.buffer.push(b'\n');
            return self.out.text(&self.buffer);
        }
        self.out.begin_at(time.map(|time| i64::try_from(time / 1_000_000).unwrap_or(i64::MAX)));
        let values = self.rows.values(&saved.flow, &self.text.labels);
        let row: [_; event_rows::WIDTH] =
            event_rows::event(change, saved.is_synthetic, &values, saved.cause);
        self.out.row(row)
    }

    /// Says that events were lost.
    fn lost(&mut self, lost: u64, place: Place<'_>, report: &mut Report) -> Result<(), Error> {
        report.trouble(&place.error("the tool lost events here"));
        if self.out.is_original() {
            return Ok(());
        }
        self.out.begin_at(None);
        self.out.row_of(&event_rows::lost(lost))
    }
}
