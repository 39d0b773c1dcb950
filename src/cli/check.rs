//! Options that cannot be combined.

use super::{Common, Original, original};
use crate::error::Error;
use crate::out::Format;

/// Why a stream that never ends cannot be one array.
const NEVER_WHOLE: &str =
    "needs --count with --interval: the array ends with the run; --json gives one object per row";
const NEEDS_ALL: &str = "needs --netns all: it skips network namespaces";
/// The reason that saved files have no namespaces.
pub const NOT_WITH_NETNS: &str =
    "cannot be combined with --netns, but for all of a sosreport's folder";

/// Refuses combinations without a meaning, and applies what follows from the others.
pub(super) fn check(common: &mut Common, original: Option<&Original>) -> Result<(), Error> {
    let name = |long: &'static str| ["--", original::name(original, long)].concat();
    let is_elsewhere = common.netns.is_some() || common.style.by_namespace;
    let is_collected = common.is_collected;
    let style = &mut common.style;
    style.is_stream = common.interval.is_some();
    let is_endless = style.is_stream && common.count.is_none();
    refuse([
        (
            is_collected && style.format != Format::Prometheus,
            style.format.option().into(),
            "cannot be combined with --textfile, which writes Prometheus text",
        ),
        (
            is_collected && style.output.is_some(),
            name("output"),
            "cannot be combined with --textfile, which names the file",
        ),
        (
            is_collected && style.is_stream,
            name("interval"),
            "cannot be combined with --textfile, whose own stands before the applet: \
             connbox --textfile --interval SECONDS FILE APPLET",
        ),
        (
            is_collected && common.count.is_some(),
            name("count"),
            "cannot be combined with --textfile, which writes until it is ended",
        ),
        (common.count.is_some() && !style.is_stream, name("count"), "needs --interval"),
        (style.rate && !style.is_stream, name("rate"), "needs --interval"),
        (
            !style.prefix.is_empty() && !matches!(style.format, Format::Shell | Format::Fish),
            name("prefix"),
            "needs --shell or --fish",
        ),
        (
            style.is_stream && style.format == Format::Prometheus,
            name("prom"),
            "cannot be combined with --interval: Prometheus text is one snapshot",
        ),
        (is_endless && style.format == Format::JsonArray, "--json=array".into(), NEVER_WHOLE),
        (
            is_endless && style.output.is_some(),
            name("output"),
            "needs --count with --interval: the file appears when it is complete",
        ),
    ])?;
    let has_from = !common.from.is_empty();
    refuse([
        (
            has_from && common.interval.is_some(),
            name("from"),
            "cannot be combined with --interval: saved files do not change",
        ),
        (!has_from && common.from_command.is_some(), name("from-command"), "needs --from"),
        (has_from && common.root.is_some(), name("from"), "cannot be combined with --root"),
        (style.picks.skip_empty && !style.by_namespace, name("skip-empty"), NEEDS_ALL),
        (has_from && common.netns.is_some(), name("from"), NOT_WITH_NETNS),
        (common.root.is_some() && is_elsewhere, name("root"), "cannot be combined with --netns"),
    ])
}

/// Returns the first of `refusals` (whether it applies, the option, the reason) that applies, as an error.
pub fn refuse<S: AsRef<[u8]>>(
    refusals: impl IntoIterator<Item = (bool, S, &'static str)>,
) -> Result<(), Error> {
    match refusals.into_iter().find(|(is_so, ..)| *is_so) {
        Some((_, option, reason)) => Err(Error::usage(option, reason)),
        None => Ok(()),
    }
}
