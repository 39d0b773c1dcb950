//! The findings of a check, as one line of text with performance data, or as rows.

use super::text;
use crate::error::Error;
use crate::model::{Range, Verdict, WrongRange};
use crate::out::{Out, Value};

/// A threshold, and its text as performance data may have it.
#[derive(Clone, Debug)]
pub(super) struct Threshold {
    range: Range,
    text: String,
}

impl Threshold {
    /// Parses a threshold; `None` if the text is empty or `none`.
    ///
    /// # Errors
    /// The reason why it is not a threshold.
    pub(super) fn parse(text: &str) -> Result<Option<Threshold>, WrongRange> {
        let range = Range::parse(text)?;
        let is_part = |letter: &char| !matches!(letter, '\\' | '%') && !letter.is_whitespace();
        let text = text.chars().filter(is_part).collect();
        Ok(range.map(|range| Threshold { range, text }))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Amount {
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

    /// The number, unless it says that the kernel has miscounted: below zero.
    pub(super) fn sound(self) -> Result<Amount, String> {
        let (Amount::Count(number) | Amount::Percent(number)) = self;
        if number < 0 { Err(["is below zero: ", &self.text()].concat()) } else { Ok(self) }
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
pub(super) struct Finding {
    label: String,
    /// The number, or the reason why it is unknown.
    amount: Result<Amount, String>,
    warning: Option<Threshold>,
    critical: Option<Threshold>,
    /// Whether the performance data includes thresholds and bounds.
    is_rule: bool,
    /// Minimum and maximum.
    bounds: [Option<i128>; 2],
    /// What is to be said about the number.
    remarks: Vec<String>,
}

impl Finding {
    /// The finding for a number of sockets.
    pub(super) fn of_count(
        label: String,
        count: u64,
        warning: &Option<Threshold>,
        critical: &Option<Threshold>,
    ) -> Finding {
        let amount = Ok(Amount::Count(count.into()));
        let (warning, critical) = (warning.clone(), critical.clone());
        let (bounds, remarks) = ([None; 2], Vec::new());
        Finding { label, amount, warning, critical, is_rule: false, bounds, remarks }
    }

    /// The finding of a rule.
    pub(super) fn of_rule(
        label: &str,
        amount: Result<Amount, String>,
        [warning, critical]: &[Option<Threshold>; 2],
        bounds: [Option<i128>; 2],
    ) -> Finding {
        let (warning, critical) = (warning.clone(), critical.clone());
        let (label, remarks) = (label.to_owned(), Vec::new());
        Finding { label, amount, warning, critical, is_rule: true, bounds, remarks }
    }

    /// The same with what is to be said about the number.
    pub(super) fn with_remarks(self, remarks: Vec<String>) -> Finding {
        Finding { remarks, ..self }
    }

    /// The same with a number that is not certain.
    pub(super) fn doubted(self, doubt: Option<&str>) -> Finding {
        let amount = doubt.map_or(self.amount, |doubt| Err(doubt.to_owned()));
        Finding { amount, ..self }
    }

    /// What is to be said about the number, or why there is none.
    pub(super) fn reason(&self) -> Option<String> {
        match &self.amount {
            Ok(_) if self.remarks.is_empty() => None,
            Ok(_) => Some(self.remarks.join("; ")),
            Err(reason) => Some(reason.clone()),
        }
    }

    /// What is to be said on standard error where the text does not say it.
    pub(super) fn message(&self) -> Option<String> {
        let reason = self.reason()?;
        Some(if self.is_rule { ["--rule ", &self.label, ": ", &reason].concat() } else { reason })
    }

    /// The finding for an unknown number.
    pub(super) fn unknown(label: &str, reason: &str) -> Finding {
        Finding::of_rule(label, Err(reason.to_owned()), &[None, None], [None; 2])
    }

    /// The number compared with the thresholds.
    pub(super) fn verdict(&self) -> Verdict {
        let [warning, critical] =
            [&self.warning, &self.critical].map(|one| one.as_ref().map(|one| &one.range));
        match &self.amount {
            Ok(amount) => Verdict::of(amount.number(), warning, critical),
            Err(_) => Verdict::Unknown,
        }
    }

    /// `tcp TIME WAIT: 10 [WARNING]`. A reason that was given already is not repeated.
    fn text(&self, is_given: bool) -> String {
        let label = match self.label.starts_with('[') {
            true => self.label.clone(),
            false => self.label.replace('_', " "),
        };
        let value = match &self.amount {
            Ok(amount) => amount.text() + amount.unit(),
            Err(_) if is_given => "unknown".to_owned(),
            Err(reason) => reason.clone(),
        };
        let verdict = match self.verdict() {
            Verdict::Ok => String::new(),
            verdict => format!(" [{}]", verdict.name()),
        };
        let mut remarks = String::new();
        for remark in self.remarks.iter().filter(|_| self.amount.is_ok()) {
            remarks += &[" (", remark, ")"].concat();
        }
        text::plain(format!("{label}: {value}{remarks}").as_bytes()) + &verdict
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
    pub(super) fn row(&self, out: &mut Out) -> Result<(), Error> {
        let threshold = |one: &'_ Option<Threshold>| one.as_ref().map(|one| one.text.clone());
        let [warning, critical] = [threshold(&self.warning), threshold(&self.critical)];
        let text = |text: &Option<String>| text.clone().unwrap_or_default().into_bytes();
        let [warning_text, critical_text] = [text(&warning), text(&critical)];
        let reason = self.reason();
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
            reason.as_ref().map_or(Value::Absent, |reason| Value::Text(reason.as_bytes())),
            Value::Int(self.verdict().number().into()),
        ])
    }
}

pub(super) fn text(findings: &[Finding]) -> String {
    let reason = |finding: &Finding| finding.amount.as_ref().err().cloned();
    let is_given = |place: usize| {
        let before = &findings[..place];
        reason(&findings[place]).is_some_and(|one| {
            before.iter().any(|other| reason(other).is_some_and(|other| other == one))
        })
    };
    let text = |(place, finding): (usize, &Finding)| finding.text(is_given(place));
    findings.iter().enumerate().map(text).collect::<Vec<_>>().join(", ")
}

pub(super) fn perfdata(findings: &[Finding]) -> String {
    findings.iter().map(Finding::perfdata).collect::<Vec<_>>().join(" ")
}

pub(super) fn worst(findings: &[Finding]) -> Verdict {
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
        let said = |finding: Finding| (finding.text(false), finding.perfdata());
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
        let unknown = || rule(Err("no file".into()), ["", ""], None);
        let texts = text(&[unknown(), rule(count(5), ["", ""], None), unknown()]);
        assert_eq!(texts, "a b: no file [UNKNOWN], a b: 5, a b: unknown [UNKNOWN]");
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
