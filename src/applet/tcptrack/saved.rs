//! `--from`: the rows of an earlier run.

use std::rc::Rc;
use std::time::Duration;

use super::sort::Sort;
use super::watched::Watched;
use super::{Args, connections, row::Row, stream};
use crate::cli;
use crate::error::Error;
use crate::frame::Call;
use crate::model::{Endpoint, Tally};
use crate::out::{Format, Out, TIME};
use crate::select::grouping;
use crate::source::Source;
use crate::source::files::rows::{self, Column, Role};
use crate::source::processes::owner::Process;
use crate::track::tcp::State;

/// The manual.
pub(super) const DETAILS: &str = "With --from, tcptrack reads its own rows (--tsv --header, or --json) instead: those of -T, of \
    --once and, with --ended, of --ended; with --by, groups of these, and rows of groups (of --ended those of all periods together). They keep their order, unless \
    --sort is given. The keys peer and service need rows with these columns.";

/// Refuses options that have no meaning for rows.
fn refuse(call: &Call, args: &Args) -> Result<(), Error> {
    const OWN: &str = "cannot be combined with --from, which reads rows of an earlier run";
    let (has_keys, format) = (args.grouping.has_keys(), call.common().style.format);
    let has_sort = args.sort.is_some() && (args.ended || has_keys);
    cli::refuse([
        (args.interface.is_some(), "-i", OWN),
        (args.file.is_some(), "-T", OWN),
        (args.conntrack, "--conntrack", OWN),
        (args.interval.is_some(), "--interval", OWN),
        (args.count.is_some(), "--count", OWN),
        (args.ipfix.is_some(), "--ipfix", OWN),
        (args.grouping.pods.is_some(), "--pods", OWN),
        (args.only_new, "--only-new", OWN),
        (args.remove_after.is_some(), "--remove-after", OWN),
        (args.decapsulates, "--decapsulate", OWN),
        (args.is_promiscuous, "--promiscuous", OWN),
        (has_sort, "--sort", "cannot be combined with --from and --ended or --by"),
        (args.grouping.lacks_keys(), "--min", grouping::NEEDS_KEYS),
        (args.grouping.limits_nothing(), grouping::MAX, grouping::NEEDS_KEYS),
        (args.ended && args.grouping.top.is_some() && !has_keys, "--top", grouping::NEEDS_KEYS),
        (
            args.ended && !has_keys && format == Format::Prometheus,
            "--prom",
            "needs --by with --ended: connections on the same ports would be one series",
        ),
    ])
}

pub(super) fn run(call: &mut Call, args: &Args) -> Result<(), Error> {
    refuse(call, args)?;
    let mut source = call.source()?;
    let wanted = Watched::of(call, args, &source)?;
    if args.ended && !args.grouping.has_keys() {
        source.columns.push(Column { name: TIME.name, role: Role::Other });
        return ended(call, &source, &wanted);
    }
    let mut out = match args.ended {
        false => stream::out(stream::style(call, true), args),
        true => {
            let mut style = call.common().style.clone();
            style.choose_rows_without_original();
            Out::new(style, &connections::ended_groups(&args.grouping), &|_| true)
        }
    };
    if args.grouping.has_keys() {
        groups(call, args, &source, &wanted, &mut out)?;
    } else {
        let mut found = Vec::new();
        let doubts = rows::read(&source, &mut |row| {
            let row = connection(&row, found.len() as u64, false)?;
            if wanted.has(&row.client, &row.server) {
                found.push(row);
            }
            Ok(())
        })?;
        call.report.notes(doubts.ok_or_else(|| not_rows(&source))?.notes());
        let sort = args.sort.unwrap_or(Sort::Unsorted);
        stream::write_rows(args, &mut found, sort, &mut out)?;
    }
    out.end()?;
    call.finish(out)
}

fn not_rows(source: &Source) -> Error {
    let reason = "not rows of tcptrack, TSV with a header or JSON: no other text is read; a capture is read with -T";
    Error::failed(source.saved_names(), reason)
}

/// Writes connections that have ended, in the order of the rows.
fn ended(call: &mut Call, source: &Source, wanted: &Watched) -> Result<(), Error> {
    let mut style = call.common().style.clone();
    style.choose_rows_without_original();
    (style.is_stream, style.is_of_events) = (true, true);
    let mut out = Out::new(style, &connections::ENDED_COLUMNS, &|_| true);
    let doubts = rows::read(source, &mut |row| {
        let one = connection(&row, 0, true)?;
        if wanted.has(&one.client, &one.server) {
            out.begin(row.time(TIME.name)?, Duration::ZERO);
            connections::write_ended(&one, row.get("cgroup")?, &mut out)?;
        }
        Ok(())
    })?;
    call.report.notes(doubts.ok_or_else(|| not_rows(source))?.notes());
    call.finish(out)
}

/// Writes groups of rows, each of a connection or of a group.
fn groups(
    call: &mut Call,
    args: &Args,
    source: &Source,
    wanted: &Watched,
    out: &mut Out,
) -> Result<(), Error> {
    let tally = |row: &rows::Row<'_>| {
        let has_ends = !wanted.expression.is_empty();
        if has_ends && !wanted.has(&end(row, ENDS[0])?, &end(row, ENDS[1])?) {
            return Ok(None);
        }
        let count = if row.has("count") { row.number("count")? } else { 1 };
        let names = match (args.ended, row.has("count")) {
            (false, _) => ["rx_bytes_per_second", "tx_bytes_per_second"],
            (true, true) => ["rx_bytes", "tx_bytes"],
            (true, false) => ["rx_bytes_total", "tx_bytes_total"],
        };
        let sums = [row.parsed(names[0])?, row.parsed(names[1])?];
        let lacking = if sums.contains(&None) { count } else { 0 };
        Ok(Some(Tally { count, sums: sums.map(Option::unwrap_or_default), lacking }))
    };
    let mut source = source.clone();
    // The moments of single connections do not matter to their groups.
    source.columns.extend(args.ended.then_some(Column { name: TIME.name, role: Role::Other }));
    let groups = args.grouping.saved(&source, &mut call.report, &tally)?;
    let groups = groups.ok_or_else(|| not_rows(&source))?;
    let [lacking, _] = args.grouping.rows_lacking(&groups, out)?;
    if !args.ended {
        stream::tell_lacking(lacking, &mut call.report);
    }
    Ok(())
}

/// The columns of the client's and of the server's end.
const ENDS: [[&str; 2]; 2] = [["client", "client_port"], ["server", "server_port"]];

fn end(row: &rows::Row<'_>, [address, port]: [&str; 2]) -> Result<Endpoint, Error> {
    Ok(Endpoint { address: row.number(address)?, port: row.number(port)? })
}

/// The connection of a row.
fn connection(row: &rows::Row<'_>, id: u64, is_ended: bool) -> Result<Row, Error> {
    if row.has("count") {
        return Err(row.error(rows::OF_GROUPS));
    }
    let group = Row::of_group(id, Vec::new(), [Tally::default(); 2]);
    let time = |column, digits, of: fn(u64) -> Duration| {
        let Some(parts) = row.fraction(column, digits)? else { return Ok(None) };
        let parts =
            u64::try_from(parts).map_err(|_| row.error(format_args!("{column} is below zero")));
        parts.map(|parts| Some(of(parts)))
    };
    let connection = Row {
        client: end(row, ENDS[0])?,
        server: end(row, ENDS[1])?,
        rx_bytes_total: row.parsed("rx_bytes_total")?,
        tx_bytes_total: row.parsed("tx_bytes_total")?,
        rtt: time("rtt_seconds", 6, Duration::from_micros)?,
        retransmits_total: row.parsed("retransmits_total")?,
        holders: [holder(row)?.map(Rc::new), None],
        group: None,
        ..group
    };
    if is_ended {
        let lasted = time("duration_seconds", 3, Duration::from_millis)?;
        let began = lasted.map(|_| Duration::ZERO);
        return Ok(Row { began, last_seen: lasted.unwrap_or_default(), ..connection });
    }
    let speeds = [row.parsed("rx_bytes_per_second")?, row.parsed("tx_bytes_per_second")?];
    let [rx_bytes_per_second, tx_bytes_per_second] = speeds.map(Option::unwrap_or_default);
    Ok(Row {
        state: state(row)?,
        idle: time("idle_seconds", 3, Duration::from_millis)?,
        has_speeds: !speeds.contains(&None),
        rx_bytes_per_second,
        tx_bytes_per_second,
        ..connection
    })
}

fn state(row: &rows::Row<'_>) -> Result<State, Error> {
    use State::{Closed, Closing, Established, Reset, SynAck, SynSent};
    let text = row.text("state")?;
    let is_it = |state: &State| connections::word(*state).as_bytes() == text;
    let all = [SynSent, SynAck, Established, Closing, Closed, Reset];
    all.into_iter().find(is_it).ok_or_else(|| row.wrong("state", text))
}

fn holder(row: &rows::Row<'_>) -> Result<Option<Process>, Error> {
    match (row.get("process")?, row.parsed("pid")?) {
        // An empty name is absent in TSV, too.
        (name, Some(pid)) => Ok(Some(Process { pid, name: name.unwrap_or_default().to_vec() })),
        (Some(name), None) => Err(row.wrong("process", name)),
        (None, None) => Ok(None),
    }
}
