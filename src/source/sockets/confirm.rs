//! Counting until nothing changed meanwhile.

use std::time::Duration;

use super::sock_diag::Dumped;
use crate::error::Error;
use crate::model::{Family, Protocol};
use crate::source::Source;
use crate::source::files::counts;
use crate::source::files::procfs::{self, Each, File, Record};
use crate::source::files::tables::{Doubts, Tables};
use crate::sys;
use crate::wire::text;

/// How many counts are kept to compare later ones with, and how often a tree of files is asked for the sockets that it
/// lacks.
const MOST_COUNTS: usize = 5;
/// The shortest pause between two counts.
const LEAST_PAUSE: Duration = Duration::from_millis(2);

/// Counts once; with `strict`, for at most so long, until nothing changed meanwhile, or until two counts agree, between
/// which no connection was made: the numbers of sockstat are the same again once one has come and another one gone, and a
/// count may be wrong by the same number twice. The rows of tables of /proc/net must be as many as sockstat says:
/// the kernel lists a socket twice, or not at all, if its table changes between two reads. No counter tells of UDP
/// sockets and of connection requests that come and go.
///
/// # Errors
/// If counting fails, or no count could be confirmed.
pub fn confirmed<T: PartialEq>(
    source: &Source,
    strict: Option<Duration>,
    mut count: impl FnMut() -> Result<(T, Dumped), Error>,
) -> Result<(T, Dumped), Error> {
    let Some(patience) = strict else { return count() };
    let start = sys::monotonic();
    // How often the tables had other numbers of rows although nothing changed.
    let (mut seen, mut misfits, mut tries) = (Vec::with_capacity(MOST_COUNTS), 0, 0usize);
    loop {
        tries += 1;
        let begun = sys::monotonic();
        let before = Moment::of(source);
        let (counted, dumped) = count()?;
        let after = Moment::of(source);
        let is_still = after.is_still_since(&before, source);
        let is_quiet = is_still && !dumped.is_interrupted && after.is_same(&before, source);
        let is_it = |(other, made): &(T, _)| *other == counted && *made == after.made;
        let fits = !dumped.doubts.has(Doubts::MISFIT);
        if fits && (is_quiet || is_still && seen.iter().any(is_it)) {
            return Ok((counted, Dumped { is_interrupted: false, ..dumped }));
        }
        misfits += usize::from(is_quiet);
        // Counts before the last connection confirm none.
        seen.retain(|(_, made)| *made == after.made);
        if fits && seen.len() < MOST_COUNTS {
            seen.push((counted, before.made));
        }
        let now = sys::monotonic();
        let is_hopeless = match source.is_live() {
            true => after.made.is_none(),
            false => misfits >= MOST_COUNTS,
        };
        // Two counts may agree.
        if is_hopeless || tries > 1 && now.saturating_sub(start) >= patience {
            return Err(unconfirmed(source, misfits, tries, patience));
        }
        // Half of the time is left to others.
        sys::sleep_until(now + now.saturating_sub(begun).max(LEAST_PAUSE));
    }
}

/// The error if none of `tries` counts could be confirmed, of which `misfits` had other numbers of rows although nothing
/// changed.
#[cold]
fn unconfirmed(source: &Source, misfits: usize, tries: usize, patience: Duration) -> Error {
    let reason = if misfits > 0 {
        let (which, rest) = match tries - misfits {
            0 => ("each".to_owned(), ""),
            _ => (misfits.to_string(), ", and sockets came or went during the others"),
        };
        format!(
            "in {which} of {tries} counts /proc/net listed more or fewer sockets than sockstat counts{rest}; netlink, \
             where it is allowed, tells exactly"
        )
    } else if source.is_live() && made(source).is_none() {
        "/proc/net/snmp, which tells whether connections were made meanwhile, cannot be read"
            .to_owned()
    } else {
        let seconds = patience.as_secs_f64();
        format!(
            "the sockets changed during each of {tries} counts in {seconds} s; --strict=SECONDS repeats them for longer"
        )
    };
    Error::failed("--strict", reason)
}

/// What tells whether sockets came or went.
struct Moment {
    made: Option<[i128; 4]>,
    marks: Option<Marks>,
}

impl Moment {
    #[inline(never)]
    fn of(source: &Source) -> Moment {
        Moment { made: made(source), marks: Marks::read(source) }
    }

    /// Whether no connection was made. Files do not change; a kernel must say that it did not.
    fn is_still_since(&self, before: &Moment, source: &Source) -> bool {
        !source.is_live() || self.made.is_some() && self.made == before.made
    }

    fn is_same(&self, before: &Moment, source: &Source) -> bool {
        let is_known = !source.saved.is_empty() || self.marks.is_some();
        is_known && self.marks == before.marks
    }
}

/// Reads tables of sockets, and looks whether a kernel's have as many rows as its sockstat says.
///
/// # Errors
/// As [`procfs::read`].
pub(super) fn read_tables(
    source: &Source,
    files: &[File],
    each: &mut Each<'_>,
) -> Result<Dumped, Error> {
    let before = Marks::read(source);
    let tables = procfs::read_all(source, files, each)?;
    let mut doubts = tables.doubts;
    // What came and went meanwhile may have been listed or not.
    if [before, Marks::read(source)].iter().flatten().any(|marks| !marks.fit(&tables)) {
        doubts.add(Doubts::MISFIT);
    }
    Ok(Dumped { is_interrupted: false, doubts })
}

/// The counters of connections that were made, refused or reset, which never fall.
#[cold]
fn made(source: &Source) -> Option<[i128; 4]> {
    if !source.is_live() {
        return None;
    }
    let mut found = None;
    let read = procfs::read(source, &[File::Snmp], |_, record| {
        if let Record::Mib { group: b"Tcp", names, values } = record {
            let number = |wanted: &str| {
                let mut pairs = text::pairs(names, values)?;
                pairs.find(|(name, _)| *name == wanted.as_bytes()).map(|(_, value)| value)
            };
            let names = ["ActiveOpens", "PassiveOpens", "AttemptFails", "EstabResets"];
            let [one, two, three, four] = names.map(number);
            found = one.zip(two).zip(three.zip(four)).map(|((a, b), (c, d))| [a, b, c, d]);
        }
        Ok(())
    });
    read.ok().and(found)
}

/// Numbers that move when sockets come and go.
#[derive(PartialEq, Eq)]
struct Marks {
    tcp: [i128; 2],
    udp: [i128; 2],
    tw: Option<i128>,
}

impl Marks {
    /// `None` where there is no sockstat to be read.
    fn read(source: &Source) -> Option<Marks> {
        if !source.saved.is_empty() {
            return None;
        }
        let sockstat = counts::sockstat(source).ok()?;
        let tcp = Family::ALL.map(|family| sockstat.inuse(Protocol::Tcp, family));
        let udp = Family::ALL.map(|family| sockstat.inuse(Protocol::Udp, family));
        Some(Marks { tcp, udp, tw: sockstat.tw })
    }

    /// Whether the tables that were read have as many rows.
    fn fit(&self, tables: &Tables) -> bool {
        let inuse = self.tcp.iter().chain(&self.udp);
        let mut rows = tables.full.iter().flatten().zip(inuse);
        // Minisockets are counted for both families together.
        let has_both = tables.full[0].iter().all(Option::is_some);
        rows.all(|(rows, inuse)| rows.is_none_or(|rows| i128::from(rows) == *inuse))
            && (!has_both || self.tw.is_none_or(|tw| i128::from(tables.minisockets) == tw))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `confirmed` makes of counts that come one after another, each interrupted or not.
    fn settled(counts: &[(u32, bool)]) -> Result<u32, usize> {
        let saved = Source { saved: vec!["/nonexistent".into()], ..Source::default() };
        let mut taken = 0;
        let patience = Duration::from_secs(if counts.len() > 4 { 0 } else { 60 });
        let result = confirmed(&saved, Some(patience), || {
            let (count, is_interrupted) = counts[taken];
            taken += 1;
            Ok((count, Dumped { is_interrupted, ..Dumped::default() }))
        });
        result.map(|(count, _)| count).map_err(|_| taken)
    }

    #[test]
    fn a_count_stands_if_nothing_changed_or_another_agrees() {
        assert_eq!(settled(&[(7, false)]), Ok(7));
        assert_eq!(settled(&[(7, true), (8, false)]), Ok(8));
        assert_eq!(settled(&[(7, true), (8, true), (7, true)]), Ok(7));
        assert_eq!(settled(&[(1, true), (2, true), (3, true), (4, true), (5, true)]), Err(2));
    }

    #[test]
    fn misfits_are_told_from_changes() {
        let reason = |misfits, tries| {
            let saved = Source { saved: vec!["/nonexistent".into()], ..Source::default() };
            match unconfirmed(&saved, misfits, tries, Duration::from_secs(5)) {
                Error::Fault { text, .. } => String::from_utf8(text).unwrap(),
                other => format!("{other:?}"),
            }
        };
        const MISFIT: &str =
            "of 5 counts /proc/net listed more or fewer sockets than sockstat counts";
        assert!(reason(5, 5).starts_with(&format!("--strict: in each {MISFIT}; netlink")));
        let some = format!("--strict: in 2 {MISFIT}, and sockets came or went during the others;");
        assert!(reason(2, 5).starts_with(&some));
        assert!(reason(0, 5).contains("the sockets changed during each of 5 counts in 5 s"));
    }

    #[test]
    fn tables_fit_if_they_have_as_many_rows_as_sockstat_says() {
        let fit = |full: [[Option<u64>; 2]; 2], minisockets| {
            let tables = Tables { full, minisockets, ..Tables::default() };
            Marks { tcp: [5, 2], udp: [4, 0], tw: Some(9) }.fit(&tables)
        };
        let (both, none) = ([Some(5), Some(2)], [None, None]);
        assert!(fit([both, none], 9) && fit([both, [Some(4), Some(0)]], 9) && fit([none, none], 1));
        assert!(!fit([both, none], 8) && !fit([both, none], 10), "minisockets of both families");
        assert!(fit([[Some(5), None], none], 3), "some of them are of the other family");
        assert!(!fit([[Some(4), None], none], 9) && !fit([[Some(6), None], none], 9));
        assert!(!fit([both, [Some(5), Some(0)]], 9) && !fit([both, [None, Some(1)]], 9));
    }
}
