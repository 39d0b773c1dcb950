//! What a check reads: sockets, the numbers of rules, or the rows of an earlier check.

use super::check::Amount;
use super::counts::{Counts, TYPES};
use super::readings::{self, Reading};
use super::rules::{Key, Rule};
use super::text::refuse_clash;
use super::{Args, Said};
use crate::error::{self, Error};
use crate::frame::Report;
use crate::measure::DIFFERENCES;
use crate::source::Source;
use crate::source::files::rows::{self, Row};

/// The counts and what is to be said about them, or the numbers of the rules.
pub(super) type Found = (Counts, Said, Vec<Reading>);

/// Reads the counts, and why they are not certain, or the numbers of the rules, of one namespace.
pub(super) fn read(args: &Args, source: &Source, report: &mut Report) -> Result<Found, Error> {
    if args.test.is_none()
        && let Some(found) = saved(args, source, report)?
    {
        return Ok(found);
    }
    let mut counts = Counts::default();
    if !args.rules.is_empty() {
        let readings = readings::read(&args.rules, args.strict, source, report)?;
        return Ok((counts, Said::default(), readings));
    }
    let mut apart = report.apart();
    // The sockets of --test were read already.
    if args.test.is_none() {
        counts.read(source, &args.wanted, args.strict.is_some(), &mut apart)?;
    }
    let mut said = Said::default();
    for (is_doubt, text) in apart.heard() {
        match is_doubt {
            true => said.doubt = said.doubt.or(Some(text)),
            false => said.remarks.push(text),
        }
    }
    Ok((counts, said, Vec::new()))
}

/// Reads the rows of an earlier check; `None` if the files are something else.
fn saved(args: &Args, source: &Source, report: &Report) -> Result<Option<Found>, Error> {
    let (mut counts, mut said) = (Counts::default(), Said::default());
    let mut readings: Vec<Option<Reading>> = vec![None; args.rules.len()];
    let doubts = rows::read(source, &mut |row| {
        let key = error::visible(row.text("key")?);
        if args.rules.is_empty() {
            return count(&key, &row, args, &mut counts, &mut said);
        }
        let rules = args.rules.iter().zip(&mut readings);
        for (rule, reading) in rules.filter(|(rule, _)| rule.label == key) {
            if reading.is_some() {
                return Err(row.error(TWICE));
            }
            *reading = Some(of_rule(rule, &row)?);
        }
        Ok(())
    })?;
    let Some(doubts) = doubts else { return Ok(None) };
    refuse_clash(&source.saved_names(), &counts.sorted())?;
    let mut apart = report.apart();
    apart.notes(doubts.notes());
    for (_, text) in apart.heard() {
        said.add(Said { doubt: Some(text), ..Said::default() });
    }
    let is_empty = counts.sorted().is_empty();
    let lacks = is_empty || args.strict.is_some() && counts.lacks(&args.wanted);
    if args.rules.is_empty() && lacks {
        said.remarks.push(MISSING.to_owned());
    }
    let lacking =
        |rule: &Rule| Reading::unknown(format!("the rows have no number of {}", rule.label));
    let readings = args.rules.iter().zip(readings);
    let readings = readings.map(|(rule, reading)| reading.unwrap_or_else(|| lacking(rule)));
    Ok(Some((counts, said, readings.collect())))
}

/// What is said where rows may lack numbers because they were not asked for.
const MISSING: &str = "numbers that the rows do not have count as none: rows that were saved with --conn-type or \
    --conn-status lack all others";

const TWICE: &str = "appears a second time: numbers of several checks cannot be added up";

/// Why a number is unknown that is absent, and nothing says why.
const UNTOLD: &str = "the rows do not tell the number";

/// What is said in the column `reason`.
fn reason(row: &Row<'_>) -> Result<Option<String>, Error> {
    let text = if row.has("reason") { row.get("reason")? } else { None };
    Ok(text.map(error::visible))
}

/// Adds a row of a number of sockets.
fn count(
    key: &str,
    row: &Row<'_>,
    args: &Args,
    counts: &mut Counts,
    said: &mut Said,
) -> Result<(), Error> {
    let is_absent = row.get("value")?.is_none();
    if is_absent {
        let doubt = Some(reason(row)?.unwrap_or_else(|| UNTOLD.to_owned()));
        said.add(Said { doubt, ..Said::default() });
    }
    // What nothing was found of has no row but that of the reason.
    if key == UNKNOWN && is_absent {
        return Ok(());
    }
    let parts = key.split_once('_');
    let kind = parts.and_then(|(kind, _)| TYPES.iter().position(|known| *known == kind));
    let (Some(kind), Some((_, status))) = (kind, parts) else {
        let reason = format!("'{key}' is not a type and a state: read a rule's number with --rule");
        return Err(row.error(reason));
    };
    let value = row.parsed::<u64>("value")?;
    if args.wanted.has(kind, status) {
        if counts.get(kind, status).is_some() {
            return Err(row.error(TWICE));
        }
        counts.add(kind, status, value.unwrap_or_default());
    }
    Ok(())
}

/// The key of a check that has found nothing, and does not know whether there is anything.
pub(super) const UNKNOWN: &str = "sockets";

/// The number of a rule.
fn of_rule(rule: &Rule, row: &Row<'_>) -> Result<Reading, Error> {
    let remark = reason(row)?;
    let is_difference = matches!(&rule.key, Key::Summary(name) if DIFFERENCES.contains(name));
    let amount = match row.get("value")? {
        None => Err(remark.clone().unwrap_or_else(|| UNTOLD.to_owned())),
        Some(text) if text.contains(&b'.') => {
            Ok(Amount::Percent(row.fraction("value", 3)?.unwrap_or_default()))
        }
        Some(_) => Ok(Amount::Count(row.number("value")?)),
    };
    let amount = amount.and_then(Amount::sound);
    let most = if row.has("max") { row.parsed("max")? } else { None };
    let remarks = remark.filter(|_| amount.is_ok());
    Ok(Reading::saved(amount, [Some(0).filter(|_| !is_difference), most], remarks))
}
