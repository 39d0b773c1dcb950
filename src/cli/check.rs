//! Options that cannot stand together.

use super::{Common, Original, original};
use crate::error::Error;
use crate::out::Format;

/// Refuses combinations that cannot mean anything, and settles what follows from the others.
pub fn check(common: &mut Common, original: Option<&Original>) -> Result<(), Error> {
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
            "not with --textfile, which holds Prometheus text",
        ),
        (
            is_collected && style.output.is_some(),
            name("output"),
            "not with --textfile, which is the file",
        ),
        (
            is_collected && style.is_stream,
            name("interval"),
            "not with --textfile, which is one snapshot",
        ),
        (common.count.is_some() && !style.is_stream, name("count"), "needs --interval"),
        (style.rate && !style.is_stream, name("rate"), "needs --interval"),
        (
            !style.prefix.is_empty() && style.format != Format::Shell,
            name("prefix"),
            "needs --shell",
        ),
        (
            style.is_stream && style.format == Format::Prometheus,
            name("prom"),
            "one exposition is one snapshot: not with --interval",
        ),
        (
            is_endless && style.output.is_some(),
            name("output"),
            "would never be whole: --interval needs --count here",
        ),
        (
            !common.from.is_empty() && style.is_stream,
            name("from"),
            "does not change: not with --interval",
        ),
        (
            !common.from.is_empty() && common.root.is_some(),
            name("from"),
            "not together with --root",
        ),
        (!common.from.is_empty() && is_elsewhere, name("from"), "not together with --netns"),
        (common.root.is_some() && is_elsewhere, name("root"), "not together with --netns"),
    ])
}

/// Refuses what cannot be: of `refusals` (whether it is so, the option, the reason) the first that is so.
///
/// # Errors
/// A usage error that names the option.
pub fn refuse<S: AsRef<[u8]>>(
    refusals: impl IntoIterator<Item = (bool, S, &'static str)>,
) -> Result<(), Error> {
    match refusals.into_iter().find(|(is_so, ..)| *is_so) {
        Some((_, option, reason)) => Err(Error::usage(option, reason)),
        None => Ok(()),
    }
}
