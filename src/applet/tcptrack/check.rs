//! Options that cannot be combined.

use super::Args;
use crate::cli;
use crate::error::Error;
use crate::frame::Call;
use crate::model::Needs;
use crate::out::Format;
use crate::select::grouping;

/// Refuses combinations of options that have no meaning.
pub(super) fn refuse(call: &Call, args: &Args) -> Result<(), Error> {
    refuse_keys(args)?;
    let is_replay = args.file.is_some();
    let is_one = args.once || is_replay || args.count == Some(1) && args.interval.is_none();
    let style = &call.common().style;
    let is_prometheus = style.format == Format::Prometheus;
    cli::refuse([
        (args.ipfix.is_some() && !args.ended, "--ipfix", "needs --ended"),
        (args.ipfix_domain.is_some() && args.ipfix.is_none(), "--ipfix-domain", "needs --ipfix"),
        (is_replay && args.interface.is_some(), "-i", "cannot be combined with -T"),
        (args.conntrack && args.interface.is_some(), "-i", "cannot be combined with --conntrack"),
        (args.conntrack && is_replay, "--conntrack", "cannot be combined with -T"),
        (
            args.once && args.count.is_some_and(|count| count > 1),
            "--count",
            "cannot be combined with --once",
        ),
        (
            is_replay && args.interval.is_some(),
            "--interval",
            "cannot be combined with -T, which has one result",
        ),
        (
            is_replay && args.count.is_some(),
            "--count",
            "cannot be combined with -T, which has one result",
        ),
        (args.grouping.lacks_keys(), "--min", grouping::NEEDS_KEYS),
        (args.grouping.limits_nothing(), grouping::MAX, grouping::NEEDS_KEYS),
        (args.is_promiscuous && args.interface.is_none(), "--promiscuous", "needs -i"),
        (args.no_sandbox && args.interface.is_none(), "--no-sandbox", "needs -i"),
        (
            args.decapsulates && args.interface.is_none() && !is_replay,
            "--decapsulate",
            "needs packets: -i or -T",
        ),
        (
            call.is_of_all_namespaces(),
            "--netns",
            "all is not possible: tcptrack watches one namespace at a time",
        ),
        (
            is_prometheus && !is_one && !args.ended && !call.common().is_collected,
            "--prom",
            "needs --once",
        ),
        (
            style.format == Format::JsonArray && !is_one && args.count.is_none() && !args.ended,
            "--json=array",
            "needs --once or --count, otherwise the array would never end",
        ),
        (
            style.output.is_some() && !is_one && args.count.is_none(),
            "--output",
            "needs --once or --count, otherwise the file would never be complete",
        ),
    ])
}

/// Refuses keys of which the source knows nothing: all connections would be in one group without a name.
fn refuse_keys(args: &Args) -> Result<(), Error> {
    let needs = args.grouping.needs();
    let has_no_sockets = args.interface.is_some() || args.conntrack;
    // With cgroup v1, the processes tell the pods.
    let is_of_sockets = needs.has(Needs::CGROUPS) && !needs.has(Needs::PODS);
    cli::refuse([
        (
            args.file.is_some() && (needs.has(Needs::HOLDERS) || needs.has(Needs::CGROUPS)),
            "--by",
            "process, pid, cgroup, pod and container are not known with -T: a capture has addresses and ports only",
        ),
        (
            has_no_sockets && is_of_sockets,
            "--by",
            "cgroup is not known with -i and --conntrack: without them, the sockets of this machine tell it",
        ),
    ])
}
