//! The findings of a check, as one line of text with performance data, or as rows.

use super::text;
use crate::error::Error;
use crate::model::{Range, Verdict, WrongRange};
use crate::out::{Out, Value};

/// A threshold, and its text as performance data may have it.
#[derive(Clone, Debug)]
pub struct Threshold {
    range: Range,
    text: String,
}

impl Threshold {
    /// Parses a threshold; `None` if the text is empty or `none`.
    ///
    /// # Errors
    /// The reason why it is not a threshold.
    pub fn parse(text: &str) -> Result<Option<Threshold>, WrongRange> {
        let range = Range::parse(text)?;
        let is_part = |letter: &char| !matches!(letter, '\\' | '%') && !letter.is_whitespace();
        let text = text.chars().filter(is_part).collect();
        Ok(range.map(|range| Threshold { range, text }))
    }
}

/// A checked number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amount {
    /// Sockets, pages, bytes, queues.
    Count(i128),
    /// Thousandths of a percent.
    Percent(i128),
}

impl Amount {
    /// The number to compare with thresholds.
    #[allow(clippy::cast_precision_loss, reason = "thresholds are no more exact")]
    fn number(self) -> f64 {
        match self {
            Amount::Count(count) => count as f64,
            Amount::Percent(thousandths) => thousandths as f64 / 1000.0,
        }
    }

    /// The number in performance data.
    fn text(self) -> String {
        match self {
            Amount::Count(count) => count.to_string(),
            Amount::Percent(thousandths) => {
                let (size, sign) = (thousandths.abs(), if thousandths < 0 { "-" } else { "" });
                let text = format!("{sign}{}.{:03}", size / 1000, size % 1000);
                text.trim_end_matches('0').trim_end_matches('.').to_owned()
            }
        }
    }

    fn unit(self) -> &'static str {
        if matches!(self, Amount::Percent(_)) { "%" } else { "" }
    }
}

/// The result of checking one number.
#[derive(Clone, Debug)]
pub struct Finding {
    label: String,
    /// The number, or the reason why it is unknown.
    amount: Result<Amount, String>,
    warning: Option<Threshold>,
    critical: Option<Threshold>,
    /// Whether the performance data includes thresholds and bounds.
    is_rule: bool,
    /// Minimum and maximum.
    bounds: [Option<i128>; 2],
}

impl Finding {
    /// The finding for a number of sockets.
    pub fn of_count(
        label: String,
        count: u64,
        warning: &Option<Threshold>,
        critical: &Option<Threshold>,
    ) -> Finding {
        let amount = Ok(Amount::Count(count.into()));
        let (warning, critical) = (warning.clone(), critical.clone());
        Finding { label, amount, warning, critical, is_rule: false, bounds: [None; 2] }
    }

    /// The finding of a rule.
    pub fn of_rule(
        label: &str,
        amount: Result<Amount, String>,
        [warning, critical]: &[Option<Threshold>; 2],
        bounds: [Option<i128>; 2],
    ) -> Finding {
        let (warning, critical) = (warning.clone(), critical.clone());
        Finding { label: label.to_owned(), amount, warning, critical, is_rule: true, bounds }
    }

    /// The finding for an unknown number.
    pub fn unknown(label: &str, reason: &str) -> Finding {
        Finding::of_rule(label, Err(reason.to_owned()), &[None, None], [None; 2])
    }

    /// The number compared with the thresholds.
    pub fn verdict(&self) -> Verdict {
        let [warning, critical] =
            [&self.warning, &self.critical].map(|one| one.as_ref().map(|one| &one.range));
        match &self.amount {
            Ok(amount) => Verdict::of(amount.number(), warning, critical),
            Err(_) => Verdict::Unknown,
        }
    }

    /// `tcp TIME WAIT: 10 [WARNING]`.
    fn text(&self) -> String {
        let label = match self.label.starts_with('[') {
            true => self.label.clone(),
            false => self.label.replace('_', " "),
        };
        let value = match &self.amount {
            Ok(amount) => amount.text() + amount.unit(),
            Err(reason) => reason.clone(),
        };
        let verdict = match self.verdict() {
            Verdict::Ok => String::new(),
            verdict => format!(" [{}]", verdict.name()),
        };
        text::plain(format!("{label}: {value}").as_bytes()) + &verdict
    }

    /// `'tcp_TIME_WAIT'=10`, for a rule also its thresholds and bounds.
    fn perfdata(&self) -> String {
        let value = match &self.amount {
            Ok(amount) => amount.text() + amount.unit(),
            Err(_) => "U".to_owned(),
        };
        let mut data = format!("{}={value}", text::label(&self.label));
        if self.is_rule {
            let thresholds = [&self.warning, &self.critical];
            let texts = thresholds.map(|one| one.as_ref().map(|one| one.text.clone()));
            let bounds = self.bounds.map(|bound| bound.map(|bound| bound.to_string()));
            for text in texts.into_iter().chain(bounds) {
                data.push(';');
                data += &text.unwrap_or_default();
            }
        }
        data.truncate(data.trim_end_matches(';').len());
        data
    }

    /// Writes the finding as a row.
    pub fn row(&self, out: &mut Out) -> Result<(), Error> {
        let threshold = |one: &'_ Option<Threshold>| one.as_ref().map(|one| one.text.clone());
        let [warning, critical] = [threshold(&self.warning), threshold(&self.critical)];
        let text = |text: &Option<String>| text.clone().unwrap_or_default().into_bytes();
        let [warning_text, critical_text] = [text(&warning), text(&critical)];
        let known = |is_known: bool, text| if is_known { Value::Text(text) } else { Value::Absent };
        out.row([
            Value::Text(self.label.as_bytes()),
            match self.amount {
                Ok(Amount::Count(count)) => Value::Int(count),
                Ok(Amount::Percent(thousandths)) => Value::Millis(thousandths),
                Err(_) => Value::Absent,
            },
            Value::Word(self.verdict().name()),
            known(warning.is_some(), &warning_text),
            known(critical.is_some(), &critical_text),
            self.bounds[1].map_or(Value::Absent, Value::Int),
            match &self.amount {
                Ok(_) => Value::Absent,
                Err(reason) => Value::Text(reason.as_bytes()),
            },
            Value::Int(self.verdict().number().into()),
        ])
    }
}

pub fn text(findings: &[Finding]) -> String {
    findings.iter().map(Finding::text).collect::<Vec<_>>().join(", ")
}

pub fn perfdata(findings: &[Finding]) -> String {
    findings.iter().map(Finding::perfdata).collect::<Vec<_>>().join(" ")
}

/// The worst verdict.
pub fn worst(findings: &[Finding]) -> Verdict {
    findings.iter().map(Finding::verdict).max().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(amount: Result<Amount, String>, thresholds: [&str; 2], max: Option<i128>) -> Finding {
        let thresholds = thresholds.map(|text| Threshold::parse(text).unwrap());
        Finding::of_rule("a_b", amount, &thresholds, [Some(0), max])
    }

    #[test]
    fn rules_say_their_thresholds_and_bounds() {
        let said = |finding: Finding| (finding.text(), finding.perfdata());
        let both = |text: &str, data: &str| (text.to_owned(), data.to_owned());
        let count = |number| Ok(Amount::Count(number));
        let percent = |number| Ok(Amount::Percent(number));
        assert_eq!(said(rule(count(5), ["", ""], None)), both("a b: 5", "'a_b'=5;;;0"));
        assert_eq!(
            said(rule(count(9), ["5", "\\@6%:8 "], Some(20))),
            both("a b: 9 [WARNING]", "'a_b'=9;5;@6:8;0;20")
        );
        assert_eq!(
            said(rule(percent(80_001), ["80", "90:"], Some(100))),
            both("a b: 80.001% [CRITICAL]", "'a_b'=80.001%;80;90:;0;100")
        );
        assert_eq!(said(rule(percent(80_000), ["80", ""], None)).0, "a b: 80%");
        assert_eq!(said(rule(percent(1_500), ["", ""], None)).1, "'a_b'=1.5%;;;0");
        assert_eq!(
            said(rule(Err("no | file".into()), ["1", "2"], None)),
            both("a b: no ! file [UNKNOWN]", "'a_b'=U;1;2;0")
        );
        let plain = Finding::of_count("tcp_LISTEN".into(), 3, &None, &None);
        assert_eq!(said(plain), both("tcp LISTEN: 3", "'tcp_LISTEN'=3"));
    }

    #[test]
    fn the_worst_wins() {
        let of = |reasons: &[Option<i128>]| {
            let finding = |count: &Option<i128>| {
                rule(count.map(Amount::Count).ok_or("x".into()), ["5", "8"], None)
            };
            worst(&reasons.iter().map(finding).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]), Verdict::Ok);
        assert_eq!(of(&[Some(1), None]), Verdict::Unknown);
        assert_eq!(of(&[None, Some(6), Some(1)]), Verdict::Warning);
        assert_eq!(of(&[Some(9), None, Some(6)]), Verdict::Critical);
    }
}
