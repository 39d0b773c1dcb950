//! `conntrack -L`: the flows that pass.

use super::args::Args;
use super::groups;
use super::rows::{COLUMNS, Rows};
use super::values::Table;
use crate::applet::{Call, Report};
use crate::error::Error;
use crate::model::{Flow, FlowFilter};
use crate::out::Out;
use crate::source::Source;
use crate::source::conntrack::{self, RIGHT, SUBJECT, Table as Flows};
use crate::sys::Netlink;

const CHANGED: &str = "the table changed while it was read: flows may be missing or double";
const NOTHING: &str =
    "no flow is tracked: perhaps no rule of this network namespace uses connection tracking";

/// Lists a table, or counts it in groups.
///
/// # Errors
/// As [`Call::table`].
pub fn run(call: &mut Call, args: &Args, table: Table) -> Result<(), Error> {
    let Table::Flows(table) = table else {
        return Err(Error::failed("expect", "is not there yet"));
    };
    if !args.by.is_empty() || args.sums.contains(&true) {
        return groups::run(call, args, table);
    }
    groups::refuse_without_keys(args)?;
    let mut shown = 0;
    call.table(&COLUMNS, &[], |source, out, report| {
        shown = 0;
        let mut writer = Writer::default();
        matching(source, table, &args.filter, report, |flow| {
            shown += 1;
            writer.write(flow, out);
        })?;
        writer.result?;
        note_empty(source, args, table, shown, report);
        Ok(())
    })?;
    if call.is_original() {
        call.report
            .line(&[super::BANNER, &shown.to_string(), " flow entries have been shown."].concat());
    }
    Ok(())
}

/// Calls `each` with the flows of the running kernel that pass.
///
/// # Errors
/// If there is no running kernel, or it refuses.
pub fn matching(
    source: &Source,
    table: Flows,
    filter: &FlowFilter,
    report: &mut Report,
    each: impl FnMut(&Flow<'_>),
) -> Result<(), Error> {
    let mut kernel = netlink(source)?;
    let dumped = conntrack::matching(&mut kernel, table, filter, each)
        .map_err(|refusal| refusal.error(SUBJECT, RIGHT))?;
    if dumped.is_interrupted {
        report.note(CHANGED);
    }
    Ok(())
}

/// A socket to the running kernel.
///
/// # Errors
/// If saved files are read, or the kernel has no netfilter.
pub fn netlink(source: &Source) -> Result<Netlink, Error> {
    if !source.is_live() {
        return Err(Error::usage("--root", "flows are asked of the running kernel"));
    }
    Netlink::netfilter().map_err(|error| Error::system(SUBJECT, error))
}

/// Says once why a table may be empty.
pub fn note_empty(source: &Source, args: &Args, table: Flows, shown: u64, report: &mut Report) {
    let is_whole = args.filter.is_empty() && table == Flows::Tracked && shown == 0;
    let is_empty = || conntrack::fill_of_proc(&source.kernel).is_none_or(|fill| fill.entries == 0);
    if is_whole && is_empty() {
        report.note(NOTHING);
    }
}

/// Writes flows as text or rows, up to the first error.
struct Writer {
    rows: Rows,
    text: Vec<u8>,
    result: Result<(), Error>,
}

impl Default for Writer {
    fn default() -> Writer {
        Writer { rows: Rows::default(), text: Vec::new(), result: Ok(()) }
    }
}

impl Writer {
    fn write(&mut self, flow: &Flow<'_>, out: &mut Out) {
        if self.result.is_err() {
            return;
        }
        self.result = if out.is_original() {
            self.text.clear();
            self.text.extend_from_slice(format!("{flow:?}\n").as_bytes());
            out.text(&self.text)
        } else {
            out.row_of(&self.rows.values(flow))
        };
    }
}
