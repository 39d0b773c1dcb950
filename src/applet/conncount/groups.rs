//! `conncount` with a filter or `--by`: how many sockets match, by group.

use super::Args;
use crate::cli;
use crate::error::Error;
use crate::frame::Call;
use crate::measure::sockets;
use crate::model::Query;
use crate::out::Subject;
use crate::select::grouping;

/// Counts the matching sockets, in groups if there are keys.
pub(super) fn run(call: &mut Call, mut args: Args, mut query: Query) -> Result<(), Error> {
    if call.is_of_all_namespaces() {
        match args.grouping.limits_groups() {
            true => args.grouping.lead_with("netns"),
            false => call.pick_namespaces(args.grouping.top.take())?,
        }
    }
    if query.protos.is_empty() {
        call.is_about(Subject::TcpSockets);
    }
    query.needs = query.needs.with(args.grouping.needs());
    check(call, &args)?;
    grouping::check_pods(call, query.pods_file.as_deref(), query.needs)?;
    let grouping = &args.grouping;
    sockets::table(call, grouping, &query, &grouping.columns())
}

fn check(call: &Call, args: &Args) -> Result<(), Error> {
    if let Some(name) = call.names().first() {
        let reason = "a row of the summary cannot be combined with a filter or --by";
        return Err(cli::unexpected(name, reason));
    }
    cli::refuse([
        (
            args.transport,
            "--transport",
            "cannot be combined with a filter or --by: it is for the summary",
        ),
        (args.quick, "--quick", "cannot be combined with a filter or --by: it is for the summary"),
        (
            call.common().explain,
            "--explain",
            "cannot be combined with a filter or --by: it explains the summary",
        ),
    ])?;
    args.grouping.refuse_without_keys()
}
