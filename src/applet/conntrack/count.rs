//! `conntrack -C`: how many flows there are.

use rustix::io::Errno;

use super::args::Args;
use super::{flow_keys, groups, list, saved};
use crate::error::Error;
use crate::frame::{Call, InTwoSteps, Report};
use crate::measure::sockstat;
use crate::out::{Column, Out, Value};
use crate::source::Source;
use crate::source::flows::conntrack::{self, Fill, FlowTable};
use crate::source::flows::counters::{self as counters, About, Counter, Name};
use crate::source::netlink::or_files;

/// The columns of `-C` without a filter.
pub(super) const COLUMNS: [Column; 5] = [
    Column::gauge("entries", "conntrack_entries", "flows that the kernel tracks in the namespace"),
    Column::gauge("limit", "conntrack_entries_limit", "how many flows it tracks at most"),
    Column::percent("percent", "conntrack_limit_used_ratio", "how much of limit is used"),
    Column::counter(
        "early_drops",
        "conntrack_early_drops",
        "flows evicted because the table was full",
    ),
    Column::gauge(
        "buckets",
        "conntrack_buckets",
        "hash buckets of the table, one table for the whole machine",
    ),
];

/// Counts the flows of a table.
pub(super) fn run(call: &mut Call, args: &Args, table: FlowTable) -> Result<(), Error> {
    if groups::are_wanted(args) {
        refuse_limits(args)?;
        return groups::run(call, args, table);
    }
    if !args.grouping.picks_namespaces(call)? {
        args.grouping.refuse_without_keys()?;
    }
    let is_saved = !call.common().from.is_empty();
    let is_filtered = !args.filter.is_empty() || !args.labels.is_empty();
    if table != FlowTable::Tracked || is_filtered || is_saved {
        refuse_limits(args)?;
        return matching(call, args, table);
    }
    if args.limits {
        call.has_no_original();
    }
    let mut shown = [true, args.limits, args.limits, args.limits, args.limits].into_iter();
    let shown = COLUMNS.map(|column| (column.name, shown.next().unwrap_or_default()));
    let is_of_all = call.is_of_all_namespaces();
    let read = |source: &Source, report: &mut Report| {
        let drops = if args.limits { early_drops(source)? } else { None };
        if args.limits {
            sockstat::note_reader(source, report);
        }
        let fill = fill(source)?;
        if fill.entries == 0 && !is_of_all {
            report.note(conntrack::UNTRACKED);
        }
        Ok((fill, drops, conntrack::buckets(&source.kernel)))
    };
    call.table(&COLUMNS, &shown, &mut InTwoSteps::new(read, row))
}

fn row(
    (fill, drops, buckets): (Fill, Option<u64>, Option<u64>),
    out: &mut Out,
) -> Result<(), Error> {
    if out.is_original() {
        return out.text(format!("{}\n", fill.entries).as_bytes());
    }
    let limit = fill.limit.filter(|limit| *limit > 0);
    let percent = limit.map(|limit| i128::from(fill.entries) * 100_000 / i128::from(limit));
    let number = |number: Option<u64>| number.map_or(Value::Absent, |n| Value::Int(n.into()));
    out.row([
        Value::Int(fill.entries.into()),
        number(limit),
        percent.map_or(Value::Absent, Value::Millis),
        number(drops),
        number(buckets),
    ])
}

fn refuse_limits(args: &Args) -> Result<(), Error> {
    crate::cli::refuse([(
        args.limits,
        "--limits",
        "counts all flows: cannot be combined with filters or --by",
    )])
}

/// Counts the flows that match the filters.
fn matching(call: &mut Call, args: &Args, table: FlowTable) -> Result<(), Error> {
    let is_of_all = call.is_of_all_namespaces();
    let read = |source: &Source, report: &mut Report| {
        let filter = list::filter(source, args)?;
        let none = || (Vec::new(), args.grouping.groups());
        if let Some((_, count)) = saved::in_parts(source, args, &filter, &none, &|_, _| {})? {
            return Ok(count);
        }
        let mut count = 0u64;
        list::matching(source, args, table, &filter, report, |_| {
            count += 1;
            Ok(())
        })?;
        if !is_of_all {
            list::note_empty(source, table, count, report);
        }
        Ok(count)
    };
    call.table(&flow_keys::NUMBERS[..1], &[], &mut InTwoSteps::new(read, write))
}

pub(super) fn write(count: u64, out: &mut Out) -> Result<(), Error> {
    match out.is_original() {
        true => out.text(format!("{count}\n").as_bytes()),
        false => out.row([Value::Int(count.into())]),
    }
}

/// The kernel's counter: from one ctnetlink message or, without the privilege, from /proc.
fn fill(source: &Source) -> Result<Fill, Error> {
    let of_proc = || conntrack::fill_of_proc(&source.kernel);
    if !source.is_live() {
        let path = source.kernel.sysctl_path(conntrack::COUNT_FILE);
        let missing = || Error::of_file(&path, "does not exist, or does not contain a number");
        return of_proc().ok_or_else(missing);
    }
    let asked = conntrack::open().and_then(|mut kernel| conntrack::fill(&mut kernel));
    let Fill { entries, limit } =
        or_files(asked, |refusal| of_proc().ok_or_else(|| refusal.into()))?;
    Ok(Fill { entries, limit: limit.or_else(|| of_proc()?.limit) })
}

/// How many flows were evicted, on all CPUs.
fn early_drops(source: &Source) -> Result<Option<u64>, Error> {
    let sum = |all: Vec<Counter>| {
        let drops = all.iter().filter(|counter| counter.name == Name::Known("early_drop"));
        drops.map(|counter| u64::from(counter.value)).sum()
    };
    all_counters(source, About::Flows).map(|all| all.map(sum))
}

/// The counters: from ctnetlink or, without the privilege, from /proc; `None` where there are none.
///
/// # Errors
/// If the file in /proc has an unknown shape.
pub(super) fn all_counters(source: &Source, about: About) -> Result<Option<Vec<Counter>>, Error> {
    if !source.is_live() {
        return counters::counters_of_proc(&source.kernel, about);
    }
    let asked = conntrack::open().and_then(|mut kernel| counters::counters(&mut kernel, about));
    or_files(asked.map(Some), |refusal| match counters::counters_of_proc(&source.kernel, about)? {
        None if refusal.errno != Errno::PERM => Err(refusal.into()),
        all => Ok(all),
    })
}
