//! The connections of the screen in groups, as `--by` or the key `g` asks for.

use super::connections::Connections;
use super::names::Names;
use super::row::Row;
use super::screen::letters;
use super::text::number;
use crate::error::Error;
use crate::model::Needs;
use crate::model::hash::hash;
use crate::out::Value;
use crate::select::grouping::{self, Grouping};
use crate::select::keys::Counted as _;
use crate::sys::Kernel;

/// The keys through which `g` goes.
pub(super) const KEYS: [&str; 5] = ["process", "client", "server", "service", "cgroup"];

/// How the connections are grouped now.
#[derive(Debug)]
pub(super) struct Groups<'a> {
    /// What the command line asks for; its limits hold for all keys.
    asked: &'a Grouping<Connections>,
    keys: [Grouping<Connections>; KEYS.len()],
    /// 0 for single connections, then the place of the key after them, then what was asked for.
    place: usize,
    names: Names,
}

impl<'a> Groups<'a> {
    pub(super) fn of(asked: &'a Grouping<Connections>) -> Result<Groups<'a>, Error> {
        let keys = KEYS.map(|name| {
            let mut grouping = Grouping::default();
            grouping.lead_with(name);
            grouping
        });
        let plain = KEYS.iter().position(|name| asked.is_plainly(name));
        let place = match asked.has_keys() {
            true => plain.unwrap_or(KEYS.len()) + 1,
            false => 0,
        };
        let mut groups = Groups { asked, keys, place, names: Names::default() };
        groups.read_names()?;
        Ok(groups)
    }

    /// Groups by the next key. What the command line asked for follows the usual keys.
    pub(super) fn turn(&mut self) -> Result<(), Error> {
        let is_plain =
            !self.asked.has_keys() || KEYS.iter().any(|name| self.asked.is_plainly(name));
        self.place = (self.place + 1) % (KEYS.len() + 1 + usize::from(!is_plain));
        self.read_names()
    }

    fn read_names(&mut self) -> Result<(), Error> {
        let pods = self.asked.pods.as_deref();
        self.names = Names::read(&Kernel::default(), self.needs(), pods)?;
        Ok(())
    }

    /// The keys; `None` for single connections.
    fn now(&self) -> Option<&Grouping<Connections>> {
        let place = self.place.checked_sub(1)?;
        Some(self.keys.get(place).unwrap_or(self.asked))
    }

    pub(super) fn is_any(&self) -> bool {
        self.place > 0
    }

    /// What must be known for the keys.
    fn needs(&self) -> Needs {
        self.now().map_or(Needs::NONE, Grouping::needs)
    }

    /// Whether the processes must be known.
    pub(super) fn needs_holders(&self) -> bool {
        self.needs().has(Needs::HOLDERS) || self.names.needs_holders()
    }

    /// The names of the keys.
    pub(super) fn headings(&self) -> Vec<&'static str> {
        let columns = self.now().map(Grouping::columns).unwrap_or_default();
        let keys = columns.len().saturating_sub(Connections::NUMBERS.len());
        columns.iter().take(keys).map(|column| column.name).collect()
    }

    /// Looks up what the keys of these connections need, and returns what could not be found.
    pub(super) fn look(&mut self, rows: &[Row]) -> Result<Option<String>, Error> {
        self.names.look(rows)?;
        Ok(self.names.gap())
    }

    /// The groups, in no order.
    ///
    /// # Errors
    /// If there are more than `--max-groups` allows.
    pub(super) fn rows(&self, rows: &[Row], is_utf8: bool) -> Result<Vec<Row>, Error> {
        let Some(now) = self.now() else { return Ok(Vec::new()) };
        let (mut speeds, mut totals) = (self.asked.groups(), self.asked.groups());
        let mut key = Vec::with_capacity(64);
        for row in rows {
            now.key(&mut key, (row, &self.names));
            speeds.add_all(&key, row.speeds());
            totals.add_all(&key, row.totals());
        }
        grouping::check(&speeds)?;
        let min = self.asked.min.unwrap_or(1);
        // Both have the same keys and counts, and so the same order.
        let both = speeds.sorted(min, usize::MAX).into_iter().zip(totals.sorted(min, usize::MAX));
        let group = |((key, speeds), (_, totals)): ((&[u8], _), (_, _))| {
            let cells = now.values(key).iter().map(|value| cell(value, is_utf8)).collect();
            Row::of_group(self.id(key), cells, [speeds, totals])
        };
        Ok(both.map(group).collect())
    }

    /// A number for a group that no connection has.
    fn id(&self, key: &[u8]) -> u64 {
        hash((self.place, key)) | 1 << 63
    }
}

fn cell(value: &Value<'_>, is_utf8: bool) -> String {
    match value {
        Value::Int(int) => number(u64::try_from(*int).unwrap_or_default()),
        Value::Addr(address) => address.to_string(),
        Value::Net(address, length) => format!("{address}/{length}"),
        Value::Word(word) => (*word).to_owned(),
        Value::Text(text) | Value::List(text) => letters(text, is_utf8),
        _ => "-".to_owned(),
    }
}
