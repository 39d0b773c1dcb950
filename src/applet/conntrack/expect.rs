//! `conntrack -L expect` and `-C expect`: flows that other flows have announced.

use super::args::Args;
use super::count;
use super::list::{self, say_shown};
use super::text::Text;
use crate::error::Error;
use crate::flow::row::{self, list as words};
use crate::frame::{Call, Report, Sample};
use crate::model::{Expectation, Family};
use crate::out::{Column, Value};
use crate::source::Source;
use crate::source::flows::expectations;
use crate::source::flows::labels::Labels;
use crate::source::flows::texts::say_family;

pub(super) const COLUMNS: [Column; 18] = [
    row::FAMILY,
    row::PROTO,
    row::TIMEOUT,
    row::SRC,
    row::DST,
    row::SPORT,
    row::DPORT,
    MORE[0],
    MORE[1],
    MORE[2],
    MORE[3],
    MORE[4],
    MORE[5],
    MORE[6],
    MORE[7],
    row::ZONE,
    row::HELPER,
    row::ID,
];

/// The columns that a flow does not have.
pub(super) const MORE: [Column; 8] = [
    Column::label("mask_src", "of an expectation, the bits of src that matter"),
    Column::label("mask_dst", "the bits of dst that matter"),
    Column::label("mask_sport", "the bits of sport that matter"),
    Column::label("mask_dport", "the bits of dport that matter"),
    Column::label("master_src", "the source of the flow that announced it"),
    Column::label("master_dst", "the destination of that flow"),
    Column::label("class", "which of the helper's kinds of expectations it is"),
    Column::label("expect_flags", "a list of PERMANENT, INACTIVE, USERSPACE"),
];

pub(super) fn list(call: &mut Call, args: &Args) -> Result<(), Error> {
    let mut shown = 0;
    call.table(&COLUMNS, &[], &mut |Sample { source, out, report }: Sample<'_>| {
        shown = 0;
        let (mut text, mut flags) = (Text::new(args.output, Labels::default()), Vec::new());
        each(source, args, report, &mut |one| {
            shown += 1;
            match out.is_original() {
                true => out.text(text.expectation(one)),
                false => out.row(values(one, &mut flags)),
            }
        })?;
        if out.is_original() { out.text(text.end()) } else { Ok(()) }
    })?;
    say_shown(call, shown, "expectations");
    Ok(())
}

pub(super) fn count(call: &mut Call, args: &Args) -> Result<(), Error> {
    call.table(&super::flow_keys::NUMBERS[..1], &[], &mut |sample: Sample<'_>| {
        let Sample { source, out, report } = sample;
        let mut number = 0;
        each(source, args, report, &mut |_| {
            number += 1;
            Ok(())
        })?;
        count::write(number, out)
    })
}

fn each(
    source: &Source,
    args: &Args,
    report: &mut Report,
    each: &mut dyn FnMut(&Expectation<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let family = args.filter.family;
    if source.saved.is_empty() {
        let mut kernel = list::netlink(source)?;
        expectations::expectations(&mut kernel, family.unwrap_or(0), each)?;
        return Ok(());
    }
    let (doubts, is_twice, families) = expectations::saved(source, &mut |one| match family {
        Some(family) if family != one.family => Ok(()),
        _ => each(one),
    })?;
    doubts.iter().for_each(|doubt| report.trouble(doubt));
    let asked = family.and_then(Family::from_number);
    if let Some(family) = asked.filter(|family| families.may_lack(*family)) {
        const ONE: &str = "conntrack -L expect lists IPv4 alone without -f";
        report.lack(&say_family(family, "expectations", ONE, "expect "));
    }
    if is_twice {
        report.lack("--from: the same expectations are given twice: they count twice");
    }
    Ok(())
}

/// The values of the [`COLUMNS`] of an expectation; `flags` is the buffer for its flags.
pub(super) fn values<'a>(
    one: &Expectation<'a>,
    flags: &'a mut Vec<u8>,
) -> [Value<'a>; COLUMNS.len()] {
    let [sport, dport, ..] = row::ends(one.expected.ends);
    let [mask_sport, mask_dport, ..] = row::ends(one.mask.ends);
    flags.clear();
    for (place, name) in one.flags.unwrap_or_default().names().enumerate() {
        flags.extend_from_slice(if place > 0 { b"," } else { b"" });
        flags.extend_from_slice(name.as_bytes());
    }
    [
        row::family(one.family),
        row::proto(one.expected.protocol),
        row::int(one.timeout_seconds),
        Value::Addr(one.expected.source),
        Value::Addr(one.expected.destination),
        sport,
        dport,
        Value::Addr(one.mask.source),
        Value::Addr(one.mask.destination),
        mask_sport,
        mask_dport,
        Value::Addr(one.master.source),
        Value::Addr(one.master.destination),
        row::int(one.class),
        words(flags, one.flags.is_some()),
        row::int(one.zone),
        row::text(one.helper),
        row::int(one.id),
    ]
}
