//! `--prom`, accepted by promtool and compared with TSV.

use super::variants::{self, Kind, Table, Variant};
use crate::support;

/// One metric of an exposition.
#[derive(Debug)]
struct Metric {
    name: String,
    kind: String,
    samples: Vec<Sample>,
}

/// Names and values, unescaped.
type Labels = Vec<(String, String)>;

/// One number, as it is written.
#[derive(Debug)]
struct Sample {
    labels: Labels,
    number: String,
}

/// Reads an exposition; HELP, TYPE and samples of each metric must come together, in this order.
fn parse(text: &str) -> Vec<Metric> {
    let mut metrics: Vec<Metric> = Vec::new();
    let mut help = None;
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = Some(rest.split(' ').next().unwrap().to_owned());
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert_eq!(help.take().as_deref(), Some(name), "HELP comes before TYPE");
            assert!(metrics.iter().all(|metric| metric.name != name), "{name} is there twice");
            metrics.push(Metric { name: name.into(), kind: kind.into(), samples: Vec::new() });
        } else {
            let metric = metrics.last_mut().expect("samples come after TYPE");
            let rest = line.strip_prefix(metric.name.as_str()).expect("samples come together");
            metric.samples.push(sample(rest));
        }
    }
    metrics
}

/// Reads `{name="value",…} number`.
fn sample(mut rest: &str) -> Sample {
    let mut labels = Vec::new();
    while let Some(after) = rest.strip_prefix(['{', ',']) {
        let (name, after) = after.split_once("=\"").unwrap();
        let (value, after) = label_value(after);
        labels.push((name.to_owned(), value));
        rest = after;
    }
    let rest = rest.strip_prefix('}').unwrap_or(rest);
    Sample { labels, number: rest.strip_prefix(' ').unwrap().to_owned() }
}

/// Reads a label's value up to its closing quote.
fn label_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut letters = text.char_indices();
    loop {
        match letters.next().unwrap() {
            (place, '"') => return (value, &text[place + 1..]),
            (_, '\\') => value.push(match letters.next().unwrap().1 {
                'n' => '\n',
                itself => itself,
            }),
            (_, letter) => value.push(letter),
        }
    }
}

/// promtool's complaints about `text`; empty if there are none.
pub fn complaints(text: &str) -> String {
    let mut promtool = support::command("promtool");
    let output = support::feed(promtool.args(["check", "metrics"]), text.as_bytes());
    let said = [output.stdout, output.stderr].concat();
    format!(
        "{}{}",
        String::from_utf8_lossy(&said),
        match output.status.success() {
            true => String::new(),
            false => format!("{:?}", output.status),
        }
    )
}

/// The samples that a table must give: labels and number. Absent numbers give none.
fn wanted(table: &Table) -> Vec<(Labels, String)> {
    let mut samples = Vec::new();
    for row in &table.rows {
        let fields =
            table.columns.iter().zip(row).filter(|(c, _)| variants::kind(c) != Kind::Number);
        let labels: Vec<_> = fields
            .map(|(column, field)| {
                (column.clone(), if field == "-" { "" } else { field }.to_owned())
            })
            .collect();
        for (column, number) in table.fields(row, Kind::Number) {
            if let Some(number) = number {
                samples.push((labels.clone(), as_sample(column, number)));
            }
        }
    }
    samples
}

/// A number of a percent column as a ratio, Prometheus' base unit: `12.345` becomes `0.12345`.
fn as_sample(column: &str, number: &str) -> String {
    if column != "percent" {
        return number.to_owned();
    }
    let digits: u64 = number.replace('.', "").parse().unwrap();
    format!("{}.{:05}", digits / 100_000, digits % 100_000)
}

#[test]
fn prometheus_text_holds_the_numbers_of_the_table() {
    for variant in variants::all() {
        let metrics = parse(&variant.run(&["--prom"]));
        let mut found: Vec<_> = metrics
            .iter()
            .flat_map(|metric| &metric.samples)
            .map(|sample| (sample.labels.clone(), sample.number.clone()))
            .collect();
        let mut wanted = wanted(&variant.table());
        found.sort();
        wanted.sort();
        assert_eq!(found, wanted, "{variant:?}");
    }
}

#[test]
fn promtool_has_no_complaint() {
    if !support::needs("promtool_has_no_complaint", &["promtool"]) {
        return;
    }
    for variant in variants::all() {
        assert_eq!(complaints(&variant.run(&["--prom"])), "", "{variant:?}");
    }
}

#[test]
fn metrics_have_names_by_rule_and_counters_alone_are_totals() {
    for variant in variants::all() {
        for metric in parse(&variant.run(&["--prom"])) {
            assert!(metric.name.starts_with("connbox_"), "{metric:?}");
            assert_eq!(metric.name.ends_with("_total"), metric.kind == "counter", "{metric:?}");
            assert!(!metric.samples.is_empty(), "{metric:?}");
        }
    }
}

#[test]
fn a_level_among_counters_is_a_gauge() {
    let variant = Variant::new("snmpget-tcp --all", &["--root", variants::world()]);
    let metrics = parse(&variant.run(&["--prom"]));
    let kind_of = |name: &str| {
        let has = |metric: &&Metric| metric.samples.iter().any(|s| s.labels[0].1 == name);
        metrics.iter().find(has).unwrap().kind.clone()
    };
    for level in ["TcpRtoMin", "TcpRtoMax", "TcpMaxConn", "TcpCurrEstab", "MPTcpExtMPCurrEstab"] {
        assert_eq!(kind_of(level), "gauge", "{level}");
    }
    for counter in ["TcpInSegs", "TcpExtTCPTimeouts", "MPTcpExtMPFailTx"] {
        assert_eq!(kind_of(counter), "counter", "{counter}");
    }
}
