//! `conntrack --by`: how many flows match the filters, by group.

use super::args::Args;
use super::saved::ACCOUNTING;
use super::{list, saved};
use crate::error::{self, Error};
use crate::frame::{Call, Report, Sample, Table};
use crate::model::{Flow, Groups, Tally};
use crate::out::Out;
use crate::source::flows::conntrack::FlowTable;
use crate::source::flows::labels::Labels;

/// Whether to count the flows in groups, even if it is only one.
pub(super) fn are_wanted(args: &Args) -> bool {
    args.grouping.has_keys() || args.grouping.has_sums()
}

pub(super) fn run(call: &mut Call, args: &Args, table: FlowTable) -> Result<(), Error> {
    args.grouping.refuse_without_keys()?;
    call.has_no_original();
    let mut grouped = Grouped { args, table };
    call.table(&args.grouping.columns(), &args.grouping.shown(), &mut grouped)
}

struct Grouped<'a> {
    args: &'a Args,
    table: FlowTable,
}

impl Table for Grouped<'_> {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let Grouped { args, table } = self;
        let labels = match args.grouping.has("labels") {
            true => Labels::read(&source.kernel)?,
            false => Labels::default(),
        };
        let filter = list::filter(source, args)?;
        let groups = || (Vec::with_capacity(128), args.grouping.groups());
        let parts = saved::in_parts(source, args, &filter, &groups, &|(key, groups), flow| {
            args.grouping.key(key, (flow, &labels));
            add(groups, key, flow);
        })?;
        if let Some((parts, _)) = parts {
            let mut all = args.grouping.groups();
            parts.into_iter().for_each(|(_, groups)| all.merge(groups));
            return write(args, &all, out, report);
        }
        let mut groups = args.grouping.groups();
        let (mut key, mut count) = (Vec::with_capacity(128), 0);
        list::matching(source, args, *table, &filter, report, |flow| {
            count += 1;
            args.grouping.key(&mut key, (flow, &labels));
            add(&mut groups, &key, flow);
            Ok(())
        })?;
        if out.namespace().is_none() {
            list::note_empty(source, *table, count, report);
        }
        write(args, &groups, out, report)
    }
}

/// Writes the groups, and says what their sums lack.
fn write(args: &Args, groups: &Groups, out: &mut Out, report: &mut Report) -> Result<(), Error> {
    let [lacking, unknown] = args.grouping.rows_lacking(groups, out)?;
    if !args.grouping.has_sums() {
        return Ok(());
    }
    if unknown > 0 {
        report.note(&format!(
            "groups of flows without counters have no sums; for new flows: {ACCOUNTING}"
        ));
    }
    if lacking > 0 {
        let place = out.namespace().map(|name| format!("{}: ", error::visible(name)));
        let flows =
            if lacking == 1 { "flow without counters is" } else { "flows without counters are" };
        report.lack(&format!(
            "{}{lacking} {flows} missing in the sums; for new flows: {ACCOUNTING}",
            place.unwrap_or_default()
        ));
    }
    Ok(())
}

/// Counts a flow, and adds its packets and bytes of both directions.
fn add(groups: &mut Groups, key: &[u8], flow: &Flow<'_>) {
    let lacking = u64::from(flow.traffic.contains(&None));
    let [orig, reply] = flow.traffic.map(Option::unwrap_or_default);
    let packets = orig.packets.checked_add(reply.packets);
    match packets.zip(orig.bytes.checked_add(reply.bytes)) {
        Some((packets, bytes)) => {
            groups.add_all(key, Tally { count: 1, sums: [packets, bytes], lacking });
        }
        // The groups notice what does not fit.
        None => {
            groups.add(key, [orig.packets, orig.bytes]);
            groups.add_all(key, Tally { count: 0, sums: [reply.packets, reply.bytes], lacking });
        }
    }
}
