//! The TCP numbers of all network namespaces of a running machine, read back to back.

use std::collections::HashMap;

use crate::error::Error;
use crate::model::{Machine, TcpSockstat};
use crate::source::Source;
use crate::source::files::counts;
use crate::source::netns::{self, Namespaces};

/// How often they are read at most, until no socket comes or goes meanwhile.
const TRIES: usize = 4;
/// How often the namespaces are read as they are listed then, at most, until none came since.
const LISTS: usize = 3;

/// What was read: the sums, and what they are sums of.
#[derive(Debug, Default)]
pub struct Numbers {
    pub whole: Machine,
    /// The numbers of each namespace, by its label. Its rows show these, so that they add up.
    pub of: HashMap<Vec<u8>, TcpSockstat>,
}

/// Reads nothing but sockstat in all namespaces that can be entered: the sooner it is read, the less has changed.
///
/// # Errors
/// If one cannot be read.
pub fn read(all: &Namespaces, source: &Source) -> Result<Numbers, Error> {
    let mut numbers = quietest(all, source)?;
    for lists in 1.. {
        let Numbers { whole, of } = &mut numbers;
        if !whole.may_lack_many() {
            break;
        }
        let now = netns::list()?;
        whole.unread = unread(&now, of, source)?;
        if lists == LISTS || whole.doubt(whole.tcp.unhashed()).is_none() {
            break;
        }
        numbers = quietest(&now, source)?;
    }
    Ok(numbers)
}

/// How many sockets are in namespaces that were not read, because they came after the others were listed. Such a one may
/// have the inode of one that has gone, so that what was read counts, and not what was listed.
fn unread(
    now: &Namespaces,
    read: &HashMap<Vec<u8>, TcpSockstat>,
    source: &Source,
) -> Result<i128, Error> {
    let mut sockets = 0;
    now.visit(&mut |namespace| {
        if !read.contains_key(&namespace.label()) {
            let tcp = tcp(source)?;
            sockets += tcp.inuse + tcp.inuse6;
        }
        Ok(())
    })?;
    Ok(sockets)
}

/// The reading during which the fewest sockets came or went.
fn quietest(all: &Namespaces, source: &Source) -> Result<Numbers, Error> {
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
