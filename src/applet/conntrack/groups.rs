//! `conntrack --by`: how many flows match the filters, by group.

use super::args::Args;
use super::list;
use crate::error::Error;
use crate::frame::{Call, Sample, Table};
use crate::model::{Flow, Groups};
use crate::source::flows::conntrack::FlowTable;
use crate::source::flows::labels::Labels;

/// Whether to count the flows in groups, even if it is only one.
pub fn are_wanted(args: &Args) -> bool {
    args.grouping.has_keys() || args.grouping.has_sums()
}

pub fn run(call: &mut Call, args: &Args, table: FlowTable) -> Result<(), Error> {
    args.grouping.refuse_without_keys()?;
    call.has_no_original();
    let mut grouped = Grouped { args, table, groups: Groups::default() };
    call.table(&args.grouping.columns(), &args.grouping.shown(), &mut grouped)
}

struct Grouped<'a> {
    args: &'a Args,
    table: FlowTable,
    groups: Groups,
}

impl Table for Grouped<'_> {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let Grouped { args, table, groups } = self;
        let labels = match args.grouping.has("labels") {
            true => Labels::read(&source.kernel)?,
            false => Labels::default(),
        };
        let filter = list::filter(source, args)?;
        let (mut key, mut count) = (Vec::with_capacity(128), 0);
        list::matching(source, *table, &filter, report, |flow| {
            count += 1;
            args.grouping.key(&mut key, (flow, &labels));
            groups.add(&key, sums(flow));
            Ok(())
        })?;
        if out.namespace().is_none() {
            list::note_empty(source, &filter, *table, count, report);
        }
        args.grouping.rows(&std::mem::take(groups), out)
    }
}

/// Packets and bytes, over both directions.
fn sums(flow: &Flow<'_>) -> [u64; 2] {
    let [orig, reply] = flow.traffic.map(Option::unwrap_or_default);
    [orig.packets.saturating_add(reply.packets), orig.bytes.saturating_add(reply.bytes)]
}
