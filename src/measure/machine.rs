//! The TCP numbers of all network namespaces of a running machine, read back to back.

use std::collections::HashMap;

use crate::error::Error;
use crate::model::{Machine, TcpSockstat};
use crate::source::Source;
use crate::source::files::counts;
use crate::source::netns::Namespaces;

/// How often they are read at most, until no socket comes or goes meanwhile.
const TRIES: usize = 4;

/// What was read: the sums, and what they are sums of.
#[derive(Debug, Default)]
pub(crate) struct Numbers {
    pub whole: Machine,
    /// The numbers of each namespace, by its label. Its rows show these, so that they add up.
    pub of: HashMap<Vec<u8>, TcpSockstat>,
}

/// Reads nothing but sockstat in all namespaces that can be entered: the sooner it is read, the less has changed.
///
/// # Errors
/// If one cannot be read.
pub(crate) fn read(all: &Namespaces, source: &Source) -> Result<Numbers, Error> {
    let mut best = once(all, source)?;
    for _ in 1..TRIES {
        if best.whole.moved() == 0 {
            break;
        }
        let other = once(all, source)?;
        if other.whole.moved() < best.whole.moved() {
            best = other;
        }
    }
    Ok(best)
}

fn once(all: &Namespaces, source: &Source) -> Result<Numbers, Error> {
    let mut numbers = Numbers::default();
    all.visit(&mut |namespace| {
        let tcp = tcp(source)?;
        numbers.whole.add(&tcp);
        numbers.of.insert(namespace.label(), tcp);
        Ok(())
    })?;
    numbers.whole.note(&tcp(source)?);
    Ok(numbers)
}

fn tcp(source: &Source) -> Result<TcpSockstat, Error> {
    counts::sockstat(source)?.tcp().map_err(|field| counts::missing(source, field))
}
