//! The counters from the rows of an earlier run.

use std::collections::HashSet;

use super::Counter;
use crate::error::Error;
use crate::frame::Report;
use crate::out;
use crate::source::Source;
use crate::source::files::rows;

/// The groups about TCP. In this order: one begins another.
const GROUPS: [&str; 3] = ["MPTcpExt", "TcpExt", "Tcp"];

/// Reads the counters of saved rows, those of the group Tcp or all; `None` if the files are no rows.
///
/// # Errors
/// If a row is not one of a counter, or there is none.
pub(super) fn read(
    source: &Source,
    all: bool,
    report: &mut Report,
) -> Result<Option<Vec<Counter>>, Error> {
    let (mut counters, mut seen) = (Vec::new(), HashSet::new());
    let doubts = rows::read(source, &mut |row| {
        if row.has("oid") {
            return Err(row.error("rows of --oid, whose numbers wrap as those of SNMP do"));
        }
        let text = row.text("name")?;
        let is_plain = text.iter().all(u8::is_ascii_alphanumeric);
        let name = std::str::from_utf8(text).ok().filter(|_| is_plain);
        let split = |group: &'static str| Some((group, name?.strip_prefix(group)?));
        let (group, field) =
            GROUPS.into_iter().find_map(split).ok_or_else(|| row.wrong("name", text))?;
        if !seen.insert(text.to_vec()) {
            return Err(
                row.error("appears a second time: numbers of several machines cannot be added up")
            );
        }
        // A counter that the kernel did not have is absent.
        let value = row.parsed("value")?;
        if value.is_none() || !(all || group == "Tcp") {
            return Ok(());
        }
        let mut counter = Counter::new(&out::utf8(row.file()), group, field, value);
        if row.has("source") {
            counter.source = String::from_utf8_lossy(row.text("source")?).into_owned();
        }
        counters.push(counter);
        Ok(())
    })?;
    let Some(doubts) = doubts else { return Ok(None) };
    report.notes(doubts.notes());
    if seen.is_empty() {
        return Err(rows::none(source));
    }
    Ok(Some(counters))
}
