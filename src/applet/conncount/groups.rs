//! `conncount` with a filter or `--by`: how many sockets match, by group.

use super::Args;
use crate::cli;
use crate::error::Error;
use crate::frame::{Call, Report, Sample, Table};
use crate::measure::sockets;
use crate::model::{Groups, Query};
use crate::select::facts::Shared;
use crate::select::grouping::Grouping;
use crate::select::socket_keys::Sockets;
use crate::source::netns::{Missing, Namespaces};
use crate::source::{self, Source};

/// Counts the matching sockets, in groups if there are keys.
pub fn run(call: &mut Call, mut args: Args, mut query: Query) -> Result<(), Error> {
    check(call, &args)?;
    if call.is_of_all_namespaces() {
        args.grouping.lead_with("netns");
    }
    let grouping = &args.grouping;
    query.needs = grouping.needs();
    let mut table = Grouped { grouping, query: &query, groups: Groups::default() };
    call.table(&grouping.columns(), &grouping.shown(), &mut table)
}

struct Grouped<'a> {
    grouping: &'a Grouping<Sockets>,
    query: &'a Query,
    /// The groups of all namespaces together.
    groups: Groups,
}

impl Table for Grouped<'_> {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let Grouped { grouping, query, .. } = *self;
        let netns = if grouping.has("netns") { source::netns::own_name() } else { Vec::new() };
        let shared = Shared::read(source, query)?;
        grouping.rows(&sockets::groups(source, query, grouping, &shared, netns, report)?, out)
    }

    fn namespaces(&mut self, all: &Namespaces, sample: Sample<'_>) -> Result<Missing, Error> {
        let Grouped { grouping, query, groups } = self;
        let shared = Shared::read_whole(sample.source, query)?;
        let read = |source: &Source, netns: &[u8], report: &mut Report| {
            sockets::groups(source, query, grouping, &shared, netns.to_vec(), report)
        };
        sample.everywhere(all, read, |more, _| {
            groups.merge(more);
            Ok(())
        })
    }

    fn machine(&mut self, Sample { out, .. }: Sample<'_>) -> Result<(), Error> {
        self.grouping.rows(&std::mem::take(&mut self.groups), out)
    }
}

fn check(call: &Call, args: &Args) -> Result<(), Error> {
    let name = call.names().first().map(|name| name.as_encoded_bytes()).unwrap_or_default();
    cli::refuse([
        (!name.is_empty(), name, "a row of the summary cannot be combined with a filter or --by"),
        (
            args.transport,
            b"--transport",
            "cannot be combined with a filter or --by: it is for the summary",
        ),
        (args.quick, b"--quick", "cannot be combined with a filter or --by: it is for the summary"),
        (
            call.common().explain,
            b"--explain",
            "cannot be combined with a filter or --by: it explains the summary",
        ),
    ])?;
    args.grouping.refuse_without_keys()
}
