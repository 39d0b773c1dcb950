//! The growth of counters from one snapshot to the next.

use super::{Origin, Out, Value, tsv};

impl Out {
    /// The rates of the Counter values of a row, at the places of the values.
    pub(super) fn rates_of(&mut self, values: &[Value<'_>]) -> Vec<Value<'static>> {
        let mut rates = vec![Value::Absent; values.len()];
        let mut key = self.place[0].clone().unwrap_or_default();
        key.push(b'\t');
        for (column, from) in &self.columns {
            if let (Origin::Row(place), false) = (from, column.kind.is_number())
                && let Some(value) = values.get(*place)
            {
                tsv::value(&mut key, value);
                key.push(b'\t');
            }
        }
        for (place, (rate, value)) in rates.iter_mut().zip(values).enumerate() {
            let is_wanted =
                |from: &Origin| matches!(from, Origin::Rate(wanted) if *wanted == place);
            if self.columns.iter().any(|(_, from)| is_wanted(from))
                && let Value::Int(total) = value
            {
                let grown = self.rates.thousandths_per_second(&key, place, self.clock, *total);
                *rate = grown.map_or(Value::Absent, Value::Millis);
            }
        }
        rates
    }
}
