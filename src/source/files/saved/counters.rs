//! `netstat -s` and nstat: their counters become the pairs of lines of the kernel's files.

use super::Text;
use crate::error::Error;
use crate::source::files::lines::Place;
use crate::source::files::record::{Each, Record};
use crate::source::files::tables::Doubts;
use crate::wire::saved::{nstat, statistics};

/// The groups about TCP. In this order: one begins another.
const GROUPS: [&str; 3] = ["MPTcpExt", "TcpExt", "Tcp"];

/// The names and the values of each group.
#[derive(Default)]
struct Counters([[Vec<u8>; 2]; GROUPS.len()]);

impl Counters {
    fn add(&mut self, place: usize, name: &[u8], value: &[u8]) {
        let [names, values] = &mut self.0[place];
        for (line, word) in [(names, name), (values, value)] {
            line.push(b' ');
            line.extend_from_slice(word);
        }
    }

    /// Adds a counter by its name in nstat, group and field, if it is one of these groups.
    fn add_named(&mut self, name: &[u8], value: &[u8]) {
        let field = |group: &str| name.strip_prefix(group.as_bytes());
        let mut groups = (0..).zip(GROUPS);
        if let Some((place, field)) = groups.find_map(|(place, group)| Some((place, field(group)?)))
        {
            self.add(place, field, value);
        }
    }

    /// Gives all groups, and forgets them.
    fn give(&mut self, place: Place<'_>, each: &mut Each<'_>) -> Result<(), Error> {
        for (group, [names, values]) in GROUPS.iter().zip(&std::mem::take(&mut self.0)).rev() {
            if !names.is_empty() {
                each(place, Record::Mib { group: group.as_bytes(), names, values })?;
            }
        }
        Ok(())
    }
}

/// `netstat -s`.
#[derive(Default)]
pub(super) struct Statistics {
    counters: Counters,
    /// The section that is read, if it is about TCP.
    group: Option<usize>,
    sections: Vec<Vec<u8>>,
}

impl Text for Statistics {
    fn line(&mut self, place: Place<'_>, line: &[u8], each: &mut Each<'_>) -> Result<bool, Error> {
        if let Some(name) = statistics::section(line) {
            // The same section again begins another text.
            if self.sections.iter().any(|known| known == name) {
                return Ok(false);
            }
            self.sections.push(name.to_vec());
            self.group = GROUPS.iter().position(|group| group.as_bytes() == name);
            return Ok(true);
        }
        if !statistics::is_inside(line) {
            return Ok(false);
        }
        let Some(group) = self.group else { return Ok(true) };
        match statistics::counter(line) {
            Some((name, value)) => self.counters.add(group, name, value),
            None => each(place, Record::Lone { group: GROUPS[group].as_bytes(), reason: UNKNOWN })?,
        }
        Ok(true)
    }

    fn end(&mut self, place: Place<'_>, each: &mut Each<'_>) -> Result<Doubts, Error> {
        self.counters.give(place, each)?;
        Ok(Doubts::default())
    }
}

const UNKNOWN: &str = "not a sentence of netstat -s that names a counter of TCP";

/// nstat.
#[derive(Default)]
pub(super) struct Nstat {
    counters: Counters,
    is_begun: bool,
    has_zeros: bool,
}

impl Text for Nstat {
    fn line(&mut self, _: Place<'_>, line: &[u8], _: &mut Each<'_>) -> Result<bool, Error> {
        if std::mem::replace(&mut self.is_begun, true) && nstat::begins(line) {
            return Ok(false);
        }
        let (counters, has_zeros) = (&mut self.counters, &mut self.has_zeros);
        let taken = nstat::line(line, &mut |name, value| {
            *has_zeros |= value == b"0";
            counters.add_named(name, value);
        });
        Ok(taken.is_some())
    }

    fn end(&mut self, place: Place<'_>, each: &mut Each<'_>) -> Result<Doubts, Error> {
        self.counters.give(place, each)?;
        Ok(if self.has_zeros { Doubts::default() } else { Doubts::NO_ZEROS })
    }
}
