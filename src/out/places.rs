//! Rows of network namespaces that wait until all have been visited: `--skip-empty` and `--top` choose among these.

use std::cmp::Reverse;

use super::{Format, Origin, Out, Value};
use crate::error::Error;

/// Which namespaces have rows: all, unless this says otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub struct Picks {
    /// `--skip-empty`: those with a number that is not 0.
    pub skip_empty: bool,
    /// `--top`: the N whose first number is the largest.
    pub top: Option<usize>,
}

/// The label of a namespace and a process that lives there; of the whole machine none.
pub(super) type Place = [Option<Vec<u8>>; 2];

/// A namespace whose rows wait.
#[derive(Debug)]
struct Waiting {
    place: Place,
    rows: Vec<Vec<Owned>>,
    /// The first number.
    first: Option<i128>,
    /// Whether a number of the namespace's own is not 0.
    is_in_use: bool,
}

/// A value that outlives what it was read from.
#[derive(Debug)]
enum Owned {
    Whole(Value<'static>),
    Text(Vec<u8>),
    List(Vec<u8>),
}

impl Owned {
    fn of(value: &Value<'_>) -> Owned {
        match *value {
            Value::Text(text) => Owned::Text(text.to_vec()),
            Value::List(text) => Owned::List(text.to_vec()),
            Value::Absent => Owned::Whole(Value::Absent),
            Value::Int(number) => Owned::Whole(Value::Int(number)),
            Value::Level(number) => Owned::Whole(Value::Level(number)),
            Value::Millis(number) => Owned::Whole(Value::Millis(number)),
            Value::Micros(number) => Owned::Whole(Value::Micros(number)),
            Value::Addr(address) => Owned::Whole(Value::Addr(address)),
            Value::Net(address, length) => Owned::Whole(Value::Net(address, length)),
            Value::Bool(is) => Owned::Whole(Value::Bool(is)),
            Value::Word(word) => Owned::Whole(Value::Word(word)),
        }
    }

    fn value(&self) -> Value<'_> {
        match self {
            Owned::Whole(value) => *value,
            Owned::Text(text) => Value::Text(text),
            Owned::List(text) => Value::List(text),
        }
    }
}

/// The rows that wait, by namespace.
#[derive(Debug, Default)]
pub(super) struct Places {
    waiting: Vec<Waiting>,
}

impl Out {
    /// The namespace of the next rows.
    pub fn namespace(&self) -> Option<&[u8]> {
        self.place[0].as_deref()
    }

    /// Sets the network namespace of the next rows and a process that lives there.
    ///
    /// # Errors
    /// If writing fails.
    pub fn enter(&mut self, label: Vec<u8>, resident: Option<Vec<u8>>) -> Result<(), Error> {
        let Picks { skip_empty, top } = self.style.picks;
        if top.is_none() {
            // What still waits of the last one is empty.
            self.leave()?;
        }
        self.place = [Some(label), resident];
        if skip_empty || top.is_some() {
            let (place, rows) = (self.place.clone(), Vec::new());
            self.places.waiting.push(Waiting { place, rows, first: None, is_in_use: false });
        }
        Ok(())
    }

    /// Writes the rows of namespaces that wait, if they are picked; the next rows are those of the whole machine.
    ///
    /// # Errors
    /// If writing fails.
    pub fn leave(&mut self) -> Result<(), Error> {
        let mut waiting = std::mem::take(&mut self.places.waiting);
        let Picks { skip_empty, top } = self.style.picks;
        let mut most = top.unwrap_or(usize::MAX);
        if top.is_some() {
            // Of equal ones, the first stays the first.
            waiting.sort_by_key(|one| Reverse(one.first));
        }
        for one in waiting {
            let is_picked = most > 0 && (one.is_in_use || !skip_empty);
            most -= usize::from(is_picked);
            self.write_all(one, is_picked)?;
        }
        self.place = [None, None];
        Ok(())
    }

    fn write_all(&mut self, waiting: Waiting, is_picked: bool) -> Result<(), Error> {
        self.place = waiting.place;
        for row in waiting.rows {
            let values: Vec<Value<'_>> = row.iter().map(Owned::value).collect();
            if is_picked {
                self.write(&values)?;
            } else if self.style.rate {
                // The next snapshot may show how much it has grown since this one.
                self.rates_of(&values);
            }
        }
        Ok(())
    }

    /// Writes a row that does not tell whether its namespace is in use: every namespace has such numbers.
    ///
    /// # Errors
    /// If writing fails.
    pub fn constant<const N: usize>(&mut self, values: [Value<'_>; N]) -> Result<(), Error> {
        self.write_or_keep(&values, false)
    }

    /// Writes a row, or keeps it while the rows of its namespace wait. Not for each length of a row anew.
    #[inline(never)]
    pub(super) fn write_or_keep(&mut self, values: &[Value<'_>], tells: bool) -> Result<(), Error> {
        let Some(waiting) = self.places.waiting.last_mut() else { return self.write(values) };
        // The first number counts something; the others may be limits.
        let mut numbers = self.columns.iter().filter(|(column, _)| column.kind.is_number());
        let number = numbers.find_map(|(_, from)| match from {
            Origin::Row(place) => values.get(*place),
            _ => None,
        });
        let number = match number.copied() {
            Some(Value::Int(n) | Value::Level(n) | Value::Millis(n) | Value::Micros(n)) => Some(n),
            _ => None,
        };
        waiting.first = waiting.first.or(number);
        // What is not known may not be 0.
        waiting.is_in_use |= tells && number != Some(0);
        waiting.rows.push(values.iter().map(Owned::of).collect());
        if waiting.is_in_use
            && self.style.picks.top.is_none()
            && let Some(one) = self.places.waiting.pop()
        {
            return self.write_all(one, true);
        }
        Ok(())
    }
}

/// The resident as a format has it: in Prometheus text without its PID, which a restart would change, and the series
/// with it.
pub(super) fn resident(place: &Place, format: Format) -> Value<'_> {
    let name = place[1].as_deref().map(|resident| match format {
        Format::Prometheus => resident.splitn(2, |byte| *byte == b'/').last().unwrap_or_default(),
        _ => resident,
    });
    name.map_or(Value::Absent, Value::Text)
}
