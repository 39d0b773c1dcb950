//! Options that cannot be combined.

use super::{Common, Original, original};
use crate::error::Error;
use crate::out::Format;

/// Refuses combinations without a meaning, and applies what follows from the others.
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
            "cannot be combined with --textfile, which takes one snapshot",
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
            "cannot be combined with --interval: Prometheus text is one snapshot",
        ),
        (
            is_endless && style.output.is_some(),
            name("output"),
            "needs --count with --interval: the file appears when it is complete",
        ),
        (
            !common.from.is_empty() && style.is_stream,
            name("from"),
            "cannot be combined with --interval: saved files do not change",
        ),
        (
            !common.from.is_empty() && common.root.is_some(),
            name("from"),
            "cannot be combined with --root",
        ),
        (!common.from.is_empty() && is_elsewhere, name("from"), "cannot be combined with --netns"),
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
