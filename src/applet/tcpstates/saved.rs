//! The states from the rows of an earlier run.

use super::{COLUMNS, StateTable};
use crate::error::Error;
use crate::frame::Report;
use crate::measure::sockets;
use crate::model::{Family, StateCounts, TcpState};
use crate::source::Source;
use crate::source::files::rows::{self, Row};

/// The numbers of saved rows, and which of the wanted states they have; `None` if the files are no rows.
///
/// # Errors
/// If a row is not one of the table, or the rows lack a state that was asked for.
pub(super) fn read(
    table: &StateTable,
    source: &Source,
    report: &mut Report,
) -> Result<Option<(Vec<TcpState>, StateCounts)>, Error> {
    let StateTable { args, query, states, is_named } = table;
    let mut found: Vec<(Option<Family>, TcpState)> = Vec::new();
    let mut counts = StateCounts::default();
    let doubts = rows::read_some(source, &mut |row| {
        if row.columns().any(|name| COLUMNS.iter().all(|column| column.name != name)) {
            return Err(row.error(rows::OF_GROUPS));
        }
        if query.looks_at_ends() || query.looks_at_holders() {
            return Err(Error::usage("--from", sockets::SUMS));
        }
        let (state, count) = (sockets::state_of(&row)?, row.number("count")?);
        let has_families = row.has("family") || args.is_by_family() || query.family.is_some();
        let family = has_families.then(|| family_of(&row)).transpose()?;
        if found.contains(&(family, state)) {
            return Err(row.error(rows::TWICE));
        }
        found.push((family, state));
        counts.set(family.unwrap_or(Family::Inet), state, count);
        Ok(())
    })?;
    let Some(doubts) = doubts else { return Ok(None) };
    report.notes(doubts.notes());
    let families: Vec<Option<Family>> = match found.iter().any(|(family, _)| family.is_some()) {
        true => Family::ALL.into_iter().filter(|one| query.has_family(*one)).map(Some).collect(),
        false => vec![None],
    };
    let of = |state, family: &Family| counts.get(*family, state);
    let fits =
        |state| Family::ALL.iter().try_fold(0u64, |sum, family| sum.checked_add(of(state, family)));
    if found.iter().any(|(_, state)| fits(*state).is_none()) {
        let reason = "the numbers of both families add up to more than 64 bits hold; some of them are damaged";
        return Err(Error::failed(source.saved_names(), reason));
    }
    let mut there = Vec::with_capacity(states.len());
    for state in states {
        let lacks = |family: &Option<Family>| !found.contains(&(*family, *state));
        let lacking: Vec<_> = families.iter().filter(|family| lacks(family)).collect();
        match lacking.first() {
            None => there.push(*state),
            Some(_) if lacking.len() == families.len() && !is_named => {}
            Some(family) => {
                let family = family.map(|family| [" of ", family.tcp_name()].concat());
                let (name, family) = (state.name(), family.unwrap_or_default());
                let reason = format_args!("the rows have no number of {name}{family}");
                return Err(Error::failed(source.saved_names(), reason));
            }
        }
    }
    if let Some(family) = query.family
        && found.iter().all(|(one, _)| *one != Some(family))
    {
        report.lack(sockets::no_row_of(family));
    }
    // Groups of conncount and conntrack look the same, but have no states in which nothing is.
    if !TcpState::all().all(|state| found.iter().any(|(_, found)| *found == state)) {
        match !is_named && found.iter().all(|(_, state)| sockets::may_be_udp(*state)) {
            true => report.lack(sockets::UDP_OR_TCP),
            false => report.note(PARTLY),
        }
    }
    Ok(Some((there, counts)))
}

const PARTLY: &str = "--from: rows of some states only: if not tcpstates printed them, they may be of another protocol";

/// The family of a row.
fn family_of(row: &Row<'_>) -> Result<Family, Error> {
    let text = row.text("family")?;
    let family = Family::ALL.into_iter().find(|family| family.tcp_name().as_bytes() == text);
    family.ok_or_else(|| row.wrong("family", text))
}
