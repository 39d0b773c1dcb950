//! `conncount` with a filter or `--by`: how many sockets pass, by group.

use super::Args;
use crate::cli;
use crate::error::Error;
use crate::frame::{Call, Sample, Table};
use crate::measure::sockets;
use crate::model::{Groups, Query};
use crate::out::Out;
use crate::select::facts::Shared;
use crate::source;

/// Counts the sockets that pass, in groups if there are keys.
///
/// # Errors
/// As [`Call::table`].
pub fn run(call: &mut Call, mut args: Args, mut query: Query) -> Result<(), Error> {
    check(call, &args)?;
    let of_all = call.is_of_all_namespaces();
    if of_all {
        args.grouping.lead_with("netns");
    }
    let grouping = &args.grouping;
    query.needs = grouping.needs();
    let mut table =
        Grouped { args: &args, query: &query, of_all, groups: Groups::default(), shared: None };
    call.table(&grouping.columns(), &grouping.shown(), &mut table)
}

/// One table of groups.
struct Grouped<'a> {
    args: &'a Args,
    query: &'a Query,
    /// Whether the groups are those of all namespaces together.
    of_all: bool,
    groups: Groups,
    /// What was read once for the namespaces of this snapshot.
    shared: Option<Shared>,
}

impl Table for Grouped<'_> {
    fn snapshot(&mut self, Sample { source, out, report }: Sample<'_>) -> Result<(), Error> {
        let netns = match out.namespace() {
            Some(name) => name.to_vec(),
            None if self.args.grouping.has("netns") => source::netns::own_name(),
            None => Vec::new(),
        };
        let (query, grouping) = (self.query, &self.args.grouping);
        let shared = match self.shared.take() {
            Some(shared) => shared,
            None => Shared::read(source, query)?,
        };
        self.groups.merge(sockets::groups(source, query, grouping, &shared, netns, report)?);
        self.shared = Some(shared);
        if self.of_all { Ok(()) } else { self.rows(out) }
    }

    fn machine(&mut self, Sample { out, .. }: Sample<'_>) -> Result<(), Error> {
        self.rows(out)
    }
}

impl Grouped<'_> {
    fn rows(&mut self, out: &mut Out) -> Result<(), Error> {
        self.shared = None;
        self.args.grouping.rows(&std::mem::take(&mut self.groups), out)
    }
}

fn check(call: &Call, args: &Args) -> Result<(), Error> {
    let name = call.names().first().map(|name| name.as_encoded_bytes()).unwrap_or_default();
    cli::refuse([
        (!name.is_empty(), name, "is a row of the summary; with a filter or --by there is none"),
        (args.transport, b"--transport", "belongs to the summary: not with a filter or --by"),
        (args.quick, b"--quick", "belongs to the summary: not with a filter or --by"),
        (call.common().explain, b"--explain", "explains the summary: not with a filter or --by"),
    ])?;
    args.grouping.refuse_without_keys()
}
