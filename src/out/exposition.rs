//! One Prometheus text of several tables: each metric once, each series once.

use std::collections::BTreeSet;

use super::prometheus::{Metric, Metrics, parts};

/// The samples of several tables, by metric.
#[derive(Debug, Default)]
pub struct Exposition {
    metrics: Vec<Metric>,
    /// The series that have a sample, in canonical form.
    seen: BTreeSet<Vec<u8>>,
}

impl Exposition {
    /// Takes the samples of a table. Samples of a series that already has one are skipped, and their series
    /// returned as written: a reader would refuse the whole text because of them.
    pub fn add(&mut self, table: Metrics) -> Vec<Vec<u8>> {
        let mut repeated = Vec::new();
        for mut metric in table.into_metrics() {
            let samples = std::mem::take(&mut metric.samples);
            let known = self.metrics.iter().position(|known| known.name == metric.name);
            let place = known.unwrap_or(self.metrics.len());
            if place == self.metrics.len() {
                self.metrics.push(metric);
            }
            for line in samples.split_inclusive(|byte| *byte == b'\n') {
                let (series, _) = parts(line);
                if self.seen.insert(one_form(series)) {
                    self.metrics[place].samples.extend_from_slice(line);
                } else {
                    repeated.push(series.to_vec());
                }
            }
        }
        repeated
    }

    pub fn text(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(16 * 1024);
        self.metrics.iter().for_each(|metric| metric.write(&mut text));
        text
    }
}

/// The canonical form of a series: the order of labels does not matter, and an empty label is the same as
/// none.
fn one_form(series: &[u8]) -> Vec<u8> {
    let mut labels = labels(series);
    labels.retain(|label| !label.ends_with(b"=\"\""));
    labels.sort_unstable();
    let name = series.split(|byte| *byte == b'{').next().unwrap_or_default();
    let parts: Vec<&[u8]> = std::iter::once(name).chain(labels).collect();
    parts.join(&b'\n')
}

/// The labels of a series of our own, each `name="value"`.
fn labels(series: &[u8]) -> Vec<&[u8]> {
    let Some(open) = series.iter().position(|byte| *byte == b'{') else { return Vec::new() };
    let text = &series[open + 1..series.len() - usize::from(series.ends_with(b"}"))];
    let (mut labels, mut begin) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (place, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            b',' if !is_quoted => {
                labels.push(&text[begin..place]);
                begin = place + 1;
            }
            _ => {}
        }
    }
    labels.push(&text[begin..]);
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::out::{Column, Format, Out, Style, Value};

    const NAME: Column = Column::label("name", "who");
    const PEER: Column = Column::label("peer", "to whom");
    const COUNT: Column = Column::gauge("count", "sockets", "how many");

    fn table(columns: &[Column], values: &[Value<'_>]) -> Metrics {
        let style = Style { format: Format::Prometheus, ..Style::default() };
        let mut out = Out::new(style, columns, &|_| true);
        out.row_of(values).unwrap();
        out.end().unwrap();
        out.into_metrics()
    }

    #[test]
    fn a_metric_of_two_tables_stands_once() {
        let mut exposition = Exposition::default();
        let mut own = Metrics::default();
        own.number(&COUNT, &[("peer", b"b")], 1.5);
        own.number(&Column::gauge("", "other", "else"), &[], 3);
        let first = table(&[NAME, COUNT], &[Value::Text(b"a\",b\n="), Value::Int(1)]);
        for table in [first, own, table(&[COUNT], &[Value::Int(2)])] {
            assert!(exposition.add(table).is_empty());
        }
        assert_eq!(
            String::from_utf8(exposition.text()).unwrap(),
            "# HELP connbox_sockets how many\n# TYPE connbox_sockets gauge\n\
             connbox_sockets{name=\"a\\\",b\\n=\"} 1\nconnbox_sockets{peer=\"b\"} 1.5\n\
             connbox_sockets 2\n# HELP connbox_other else\n# TYPE connbox_other gauge\n\
             connbox_other 3\n"
        );
    }

    #[test]
    fn a_series_in_another_guise_is_the_same() {
        let mut exposition = Exposition::default();
        let (a, b, one) = (Value::Text(b"a"), Value::Text(b"b"), Value::Int(1));
        for (columns, values, is_new) in [
            (&[NAME, PEER, COUNT][..], &[a, b, one][..], true),
            (&[PEER, NAME, COUNT], &[b, a, one], false),
            (&[PEER, NAME, COUNT], &[a, b, one], true),
            (&[NAME, PEER, COUNT], &[a, Value::Absent, one], true),
            (&[NAME, COUNT], &[a, Value::Int(2)], false),
            (&[NAME, PEER, COUNT], &[Value::Text(b""), Value::Absent, one], true),
            (&[COUNT], &[one], false),
        ] {
            assert_eq!(exposition.add(table(columns, values)).is_empty(), is_new, "{values:?}");
        }
        let text = String::from_utf8(exposition.text()).unwrap();
        assert_eq!(text.lines().count(), 2 + 4, "{text}");
    }
}
