//! `conntrack -L`: the flows that match the filters.

use super::BANNER;
use super::args::{Args, Output};
use super::saved;
use super::text::Text;
use crate::cli;
use crate::error::Error;
use crate::flow::row::{COLUMNS, Rows};
use crate::frame::{Call, Report, Sample};
use crate::model::{Flow, FlowFilter};
use crate::out::Out;
use crate::source::Source;
use crate::source::ahead::Ahead;
use crate::source::flows::conntrack::{self, FlowTable};
use crate::source::flows::labels::{self, Labels};
use crate::sys::Netlink;

const CHANGED: &str = "the table changed while it was read: flows may be missing or shown twice";

/// Lists the flows of a table.
pub(super) fn run(call: &mut Call, args: &Args, table: FlowTable) -> Result<(), Error> {
    args.grouping.refuse_without_keys()?;
    let mut shown = 0;
    call.table(&COLUMNS, &[], &mut |Sample { source, out, report }: Sample<'_>| {
        shown = 0;
        let (mut writer, filter) = (Writer::new(source, args)?, filter(source, args)?);
        matching(source, args, table, &filter, report, |flow| {
            shown += 1;
            writer.write(flow, out)
        })?;
        writer.end(out)?;
        // With --netns all no warning: most namespaces track nothing.
        if out.namespace().is_none() {
            note_empty(source, table, shown, report);
        }
        Ok(())
    })?;
    say_shown(call, shown, "flow entries");
    Ok(())
}

/// After the original's text, says how many entries it has, as conntrack-tools does.
pub(super) fn say_shown(call: &mut Call, shown: u64, entries: &str) {
    if call.is_original() {
        let shown = shown.to_string();
        call.report.line(&[BANNER, &shown, " ", entries, " have been shown."].concat());
    }
}

/// The filter of the options, with the numbers of labels.
///
/// # Errors
/// If a label has no number.
pub(super) fn filter(source: &Source, args: &Args) -> Result<FlowFilter, Error> {
    let mut filter = args.with_services(&source.kernel)?;
    if args.labels.is_empty() {
        return Ok(filter);
    }
    let known = Labels::read(&source.kernel)?;
    for (is_not, name) in &args.labels {
        // A label without a name can be given as its number.
        let bit = known.bit(name.as_bytes()).or_else(|| cli::digits(name));
        let mut one = FlowFilter::default();
        let labels = if *is_not { &mut one.labels } else { &mut filter.labels };
        let byte = bit.and_then(|bit| labels.get_mut(bit / 8));
        let (Some(bit), Some(byte)) = (bit, byte) else {
            let file = source.kernel.etc_path(labels::FILE);
            let reason = "is neither a number from 0 to 127 nor a name in";
            return Err(Error::usage("--label", format!("'{name}' {reason} {}", file.display())));
        };
        *byte |= 1 << (bit % 8);
        filter.none.extend(is_not.then_some(one));
    }
    Ok(filter)
}

/// Calls `each` with the flows of the running kernel, or of saved text, that match the filter.
pub(super) fn matching(
    source: &Source,
    args: &Args,
    table: FlowTable,
    filter: &FlowFilter,
    report: &mut Report,
    mut each: impl FnMut(&Flow<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    if !source.saved.is_empty() {
        return saved::matching(source, args, filter, report, &mut each);
    }
    let mut kernel = Ahead::new(netlink(source)?, source.threads());
    let dumped = conntrack::matching(&mut kernel, table, filter, each)?;
    if dumped.is_interrupted {
        report.note(CHANGED);
    }
    Ok(())
}

/// A netlink socket; an error if the source is not the running kernel, or that has no netfilter.
pub(super) fn netlink(source: &Source) -> Result<Netlink, Error> {
    source.must_be_live("only the running kernel knows the flows")?;
    Ok(conntrack::open()?)
}

/// Warns once why a table may be empty.
pub(super) fn note_empty(source: &Source, table: FlowTable, shown: u64, report: &mut Report) {
    let is_whole = source.saved.is_empty() && table == FlowTable::Tracked && shown == 0;
    let is_empty = || conntrack::fill_of_proc(&source.kernel).is_none_or(|fill| fill.entries == 0);
    if is_whole && is_empty() {
        report.note(conntrack::UNTRACKED);
    }
}

/// Writes flows as text or rows.
pub(super) struct Writer {
    rows: Rows,
    text: Text,
}

impl Writer {
    /// A writer in the form that the options ask for.
    pub(super) fn new(source: &Source, args: &Args) -> Result<Writer, Error> {
        let labels = Labels::read(&source.kernel)?;
        // A filter by labels also shows them.
        let shows_labels = args.output.labels || !args.labels.is_empty();
        let text = Text::new(Output { labels: shows_labels, ..args.output }, labels);
        Ok(Writer { rows: Rows::default(), text })
    }

    pub(super) fn write(&mut self, flow: &Flow<'_>, out: &mut Out) -> Result<(), Error> {
        match out.is_original() {
            true => out.text(self.text.flow(flow)),
            false => out.row_of(&self.rows.values(flow, &self.text.labels)),
        }
    }

    /// Writes the end of the text.
    pub(super) fn end(self, out: &mut Out) -> Result<(), Error> {
        if out.is_original() { out.text(self.text.end()) } else { Ok(()) }
    }
}
