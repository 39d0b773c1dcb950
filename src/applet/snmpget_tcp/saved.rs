//! The counters from the rows of an earlier run.

use std::collections::HashSet;

use super::Counter;
use crate::error::{self, Error};
use crate::frame::Report;
use crate::out;
use crate::source::Source;
use crate::source::files::rows;

/// The groups about TCP. In this order: one begins another.
const GROUPS: [&str; 3] = ["MPTcpExt", "TcpExt", "Tcp"];

/// Reads the counters of saved rows, those of the group Tcp or all, without absent ones where some are named; `None` if the files are no rows.
///
/// # Errors
/// If a row is not one of a counter, or there is none.
pub(super) fn read(
    source: &Source,
    all: bool,
    is_named: bool,
    report: &mut Report,
) -> Result<Option<Vec<Counter>>, Error> {
    let (mut counters, mut seen, mut absent) = (Vec::new(), HashSet::new(), Vec::new());
    let doubts = rows::read_some(source, &mut |row| {
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
            return Err(row.error(rows::TWICE));
        }
        let value = row.parsed("value")?;
        // Of names that are absent others say so.
        if !(all || group == "Tcp") || value.is_none() && is_named {
            return Ok(());
        }
        if value.is_none() {
            absent.push(row.error(format_args!(
                "the rows do not tell the number of {}",
                error::visible(text)
            )));
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
    absent.iter().for_each(|absent| report.trouble(absent));
    if counters.is_empty() && !is_named {
        let reason = "the rows have no counter of the group Tcp: --all shows others";
        return Err(Error::failed(source.saved_names(), reason));
    }
    Ok(Some(counters))
}
