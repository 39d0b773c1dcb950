//! Measures from the rows of an earlier run.

use super::{Measure, Measures};
use crate::error::Error;
use crate::frame::Report;
use crate::measure::summary::Readings;
use crate::source::Source;
use crate::source::files::rows;

/// Reads the measures called `names` from saved rows, in this order; `None` if the files are none. Where no name was
/// given, those that the rows lack are left out. `explains`: whether sources are shown, which only rows with them tell.
///
/// # Errors
/// If a row is not one of the table, or one that was asked for is missing.
pub(super) fn measures<M: Measures>(
    source: &Source,
    names: &[&'static str],
    is_named: bool,
    explains: bool,
    report: &mut Report,
) -> Result<Option<Vec<(&'static str, Measure)>>, Error> {
    let mut found: Vec<(Vec<u8>, Measure)> = Vec::new();
    let doubts = rows::read_some(source, &mut |row| {
        if !row.has("name") && row.has("count") {
            return Err(row.error([rows::OF_GROUPS, M::WITHOUT_KEYS].concat()));
        }
        let name = row.text("name")?;
        let known = std::str::from_utf8(name).ok();
        let known = known.and_then(|name| M::measure(&Readings::default(), name, false).ok());
        let measure = known.ok_or_else(|| row.wrong("name", name))?;
        if found.iter().any(|(other, _)| other == name) {
            return Err(row.error(rows::TWICE));
        }
        if row.has("scope") && row.get("scope")? != Some(measure.scope.as_bytes()) {
            return Err(row.error("a number of all namespaces"));
        }
        let value = row.parsed("value")?;
        let source = match explains {
            true => String::from_utf8_lossy(row.text("source")?).into_owned().into(),
            false => measure.source,
        };
        found.push((name.to_vec(), Measure { value, source, ..measure }));
        Ok(())
    })?;
    let Some(doubts) = doubts else { return Ok(None) };
    report.notes(doubts.notes());
    let mut all = Vec::with_capacity(names.len());
    for name in names {
        match found.iter().position(|(found, _)| found == name.as_bytes()) {
            Some(place) => all.push((*name, found.swap_remove(place).1)),
            None if is_named => {
                let rows = source.saved_names();
                return Err(Error::failed(
                    rows,
                    format_args!("the rows have none of the name {name}"),
                ));
            }
            None => {}
        }
    }
    Ok(Some(all))
}
