//! Counting until nothing changed meanwhile.

use super::sock_diag::Dumped;
use crate::error::Error;
use crate::model::{Family, Protocol};
use crate::source::Source;
use crate::source::files::procfs;

/// How often a count is repeated at most.
const MOST_COUNTS: usize = 5;

/// Counts once; with `is_strict` until nothing changed meanwhile, or until two counts agree.
///
/// # Errors
/// If counting fails, or no count could be confirmed.
pub fn confirmed<T: PartialEq>(
    source: &Source,
    is_strict: bool,
    mut count: impl FnMut() -> Result<(T, Dumped), Error>,
) -> Result<(T, Dumped), Error> {
    if !is_strict {
        return count();
    }
    let mut seen = Vec::with_capacity(MOST_COUNTS);
    while seen.len() < MOST_COUNTS {
        let before = Marks::read(source);
        let (counted, dumped) = count()?;
        let is_quiet = !dumped.is_interrupted && before == Marks::read(source);
        if is_quiet || seen.contains(&counted) {
            return Ok((counted, Dumped::default()));
        }
        seen.push(counted);
    }
    let reason =
        format!("the sockets changed during each of {MOST_COUNTS} counts, and no two agreed");
    Err(Error::failed("--strict", reason))
}

/// Numbers that move when sockets come and go.
#[derive(PartialEq, Eq)]
struct Marks {
    tcp: [u64; 2],
    udp: [u64; 2],
    tw: Option<u64>,
}

impl Marks {
    /// `None` where there is no sockstat to be read.
    fn read(source: &Source) -> Option<Marks> {
        if !source.is_live() {
            return None;
        }
        let sockstat = procfs::sockstat(source).ok()?;
        let tcp = Family::ALL.map(|family| sockstat.inuse(Protocol::Tcp, family));
        let udp = Family::ALL.map(|family| sockstat.inuse(Protocol::Udp, family));
        Some(Marks { tcp, udp, tw: sockstat.tw })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What `confirmed` makes of counts that come one after another, each interrupted or not.
    fn settled(counts: &[(u32, bool)]) -> Result<u32, usize> {
        let saved = Source { saved: vec!["/nonexistent".into()], ..Source::default() };
        let mut taken = 0;
        let result = confirmed(&saved, true, || {
            let (count, is_interrupted) = counts[taken];
            taken += 1;
            Ok((count, Dumped { is_interrupted }))
        });
        result.map(|(count, _)| count).map_err(|_| taken)
    }

    #[test]
    fn a_count_stands_if_nothing_changed_or_another_agrees() {
        assert_eq!(settled(&[(7, false)]), Ok(7));
        assert_eq!(settled(&[(7, true), (8, false)]), Ok(8));
        assert_eq!(settled(&[(7, true), (8, true), (7, true)]), Ok(7));
        assert_eq!(settled(&[(1, true), (2, true), (3, true), (4, true), (5, true)]), Err(5));
    }
}
