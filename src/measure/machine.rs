//! The TCP numbers of all network namespaces of a running machine, read back to back.

use crate::error::Error;
use crate::model::{Machine, TcpSockstat};
use crate::source::Source;
use crate::source::files::counts;
use crate::source::netns::Namespaces;

/// How often they are read at most, until no socket comes or goes meanwhile.
const TRIES: usize = 4;

/// Reads nothing but sockstat in all namespaces that can be entered: the sooner it is read, the less has changed.
///
/// # Errors
/// If one cannot be read.
pub(crate) fn read(all: &Namespaces, source: &Source) -> Result<Machine, Error> {
    let mut best = once(all, source)?;
    for _ in 1..TRIES {
        if best.moved() == 0 {
            break;
        }
        let other = once(all, source)?;
        if other.moved() < best.moved() {
            best = other;
        }
    }
    Ok(best)
}

fn once(all: &Namespaces, source: &Source) -> Result<Machine, Error> {
    let mut machine = Machine::default();
    all.visit(&mut |_| {
        machine.add(&tcp(source)?);
        Ok(())
    })?;
    machine.note(&tcp(source)?);
    Ok(machine)
}

fn tcp(source: &Source) -> Result<TcpSockstat, Error> {
    counts::sockstat(source)?.tcp().map_err(|field| counts::missing(source, field))
}
