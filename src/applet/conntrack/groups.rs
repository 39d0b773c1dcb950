//! `conntrack --by`: how many flows pass, by group.

use super::args::Args;
use super::keys::Key;
use super::list;
use crate::cli;
use crate::error::Error;
use crate::frame::{Call, Sample, Table};
use crate::model::{Flow, Groups};
use crate::out::Column;
use crate::select::cells;
use crate::source::flows::conntrack::Table as Flows;
use crate::source::flows::labels::Labels;

pub const COUNT: Column =
    Column::gauge("count", "conntrack_matching_flows", "flows that pass the filters");
pub const PACKETS: Column = Column::gauge(
    "sum_packets",
    "conntrack_matching_packets",
    "packets of these flows, of both directions",
);
pub const BYTES: Column = Column::gauge(
    "sum_bytes",
    "conntrack_matching_bytes",
    "bytes of these flows, of both directions",
);

/// Refuses what needs groups.
///
/// # Errors
/// A usage error that names the option.
pub fn refuse_without_keys(args: &Args) -> Result<(), Error> {
    cli::refuse([
        (args.top.is_some() && args.by.is_empty(), "--top", "needs --by"),
        (args.min.is_some() && args.by.is_empty(), "--min", "needs --by"),
    ])
}

/// Counts the flows that pass in groups.
///
/// # Errors
/// As [`Call::table`].
pub fn run(call: &mut Call, args: &Args, table: Flows) -> Result<(), Error> {
    refuse_without_keys(args)?;
    let keys = args.by.iter().map(|key| key.column());
    let columns: Vec<Column> = keys.chain([COUNT, PACKETS, BYTES]).collect();
    let shown = [(PACKETS.name, args.sums[0]), (BYTES.name, args.sums[1])];
    call.has_no_original();
    let groups = Groups::default();
    call.table(&columns, &shown, &mut Grouping { args, table, groups })
}

struct Grouping<'a> {
    args: &'a Args,
    table: Flows,
    groups: Groups,
}

impl Table for Grouping<'_> {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let Grouping { args, table, groups } = self;
        let labels = match args.by.contains(&Key::Labels) {
            true => Labels::read(&source.kernel)?,
            false => Labels::default(),
        };
        let filter = list::filter(source, args)?;
        let (mut key, mut count) = (Vec::with_capacity(128), 0);
        list::matching(source, *table, &filter, report, |flow| {
            count += 1;
            key.clear();
            args.by.iter().for_each(|part| part.push(&mut key, flow, &labels));
            groups.add(&key, sums(flow));
        })?;
        if out.namespace().is_none() {
            list::note_empty(source, &filter, *table, count, report);
        }
        let groups = std::mem::take(groups);
        cells::rows(&groups, &args.by, (args.min, args.top), Key::value, out)
    }
}

/// Packets and bytes of both directions.
fn sums(flow: &Flow<'_>) -> [u64; 2] {
    let [orig, reply] = flow.traffic.map(Option::unwrap_or_default);
    [orig.packets.saturating_add(reply.packets), orig.bytes.saturating_add(reply.bytes)]
}
