//! The counts of sockstat and sockstat6, and whether those of IPv6 may be missing.

use super::lines::Place;
use super::procfs::{File, Record, read};
use crate::error::Error;
use crate::model::Sockstat;
use crate::source::Source;
use crate::wire::text;

/// Takes the counts that connbox calculates with from a record of any kind.
///
/// # Errors
/// If the line is broken or gives a number a second time.
pub fn take_counts(
    sockstat: &mut Sockstat,
    place: Place<'_>,
    record: &Record<'_>,
) -> Result<(), Error> {
    let Record::Counts { protocol, fields } = record else { return Ok(()) };
    for pair in text::counts(fields) {
        let (item, value) = pair.ok_or_else(|| place.error(NOT_A_COUNT))?;
        if !sockstat.add(protocol, item, value) {
            return Err(place.error("appears a second time"));
        }
    }
    Ok(())
}

/// Reads sockstat and sockstat6.
///
/// # Errors
/// As [`read`] and [`take_counts`].
pub fn sockstat(source: &Source) -> Result<Sockstat, Error> {
    let mut sockstat = Sockstat::default();
    read(source, &[File::Sockstat, File::Sockstat6], |place, record| {
        take_counts(&mut sockstat, place, &record)
    })?;
    Ok(sockstat)
}

/// The error for a number of sockstat that was read in vain.
pub fn missing(source: &Source, field: &str) -> Error {
    match source.saved.is_empty() {
        true => Error::failed("sockstat", format_args!("holds no {field}")),
        false => Error::failed(
            source.saved_names(),
            format_args!("holds no {field}, which is in /proc/net/sockstat"),
        ),
    }
}

/// The reason of an error in a line of sockstat.
pub const NOT_A_COUNT: &str = "not a name and a number of at most 64 bits";

/// Whether numbers of IPv6 are missing that may not be 0.
pub fn lacks_ipv6(source: &Source, sockstat: &Sockstat) -> bool {
    !(sockstat.has_ipv6() || source.has_no_ipv6())
}
