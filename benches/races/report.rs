//! The results of a race: numbers, ratios, and which goals were reached.

use std::time::Duration;

use crate::contest::{BEFORE, FLOOR, SCALED};

/// The cost of a contender over all its runs.
pub struct Stats {
    pub rounds: usize,
    pub median: Duration,
    pub best: Duration,
    pub cpu: Duration,
}

/// One contender after the race: numbers, or the reason why there are none.
pub struct Outcome {
    pub name: &'static str,
    pub command: String,
    /// Peak resident memory in KiB.
    pub peak: String,
    pub stats: Result<Stats, String>,
}

/// A row of the table; the first outcome is connbox's.
pub struct Report {
    pub id: &'static str,
    pub title: String,
    pub outcomes: Vec<Outcome>,
    pub goals: Vec<Goal>,
    /// connbox's answer, as it is compared.
    pub answer: String,
    /// Other results of the contenders, one line each.
    pub notes: Vec<String>,
    /// connbox failed, or a peer gave a different answer.
    pub wrong: bool,
}

/// connbox may use at most the part `at_most` of what the best of the named contenders uses.
pub struct Goal {
    pub text: &'static str,
    /// A name for these contenders together.
    pub of: &'static str,
    pub against: &'static [&'static str],
    pub at_most: f64,
    pub measure: Measure,
}

/// The number that a goal limits.
#[derive(Clone, Copy)]
pub enum Measure {
    /// The median cost of the race, usually wall time.
    Time,
    /// The median of user and system time.
    Cpu,
    /// Peak resident memory.
    Peak,
}

impl Goal {
    /// A goal about time.
    pub const fn new(
        text: &'static str,
        of: &'static str,
        against: &'static [&'static str],
        at_most: f64,
    ) -> Goal {
        Goal { text, of, against, at_most, measure: Measure::Time }
    }

    /// A goal about time against one contender, which the text names.
    pub const fn one(text: &'static str, of: &'static [&'static str; 1], at_most: f64) -> Goal {
        Goal::new(text, of[0], of, at_most)
    }
}

impl Outcome {
    /// The number that a goal limits, if it was measured.
    fn number(&self, measure: Measure) -> Option<f64> {
        let stats = self.stats.as_ref().ok()?;
        match measure {
            Measure::Time => Some(stats.median.as_secs_f64()),
            Measure::Cpu => Some(stats.cpu.as_secs_f64()),
            Measure::Peak => self.peak.parse().ok(),
        }
    }
}

impl Report {
    pub fn ours(&self) -> Option<&Outcome> {
        self.outcomes.first()
    }

    /// All contenders except connbox, old or new, and the floor.
    pub fn peers(&self) -> impl Iterator<Item = &Outcome> {
        let others = self.outcomes.iter().skip(1);
        others.filter(|outcome| ![FLOOR, BEFORE, SCALED].contains(&outcome.name))
    }

    pub fn named(&self, name: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.name == name)
    }

    /// connbox's number divided by the smallest number of the given outcomes, if both exist.
    fn ratio<'a>(
        &self,
        measure: Measure,
        others: impl Iterator<Item = &'a Outcome>,
    ) -> Option<f64> {
        let own = self.ours()?.number(measure)?;
        let best = others.filter_map(|other| other.number(measure)).min_by(f64::total_cmp)?;
        Some(own / best)
    }

    /// connbox's time divided by the best peer's.
    pub fn ratio_to_best_peer(&self) -> Option<f64> {
        self.ratio(Measure::Time, self.peers())
    }

    /// connbox's number divided by that of the named contender.
    pub fn ratio_to(&self, name: &str, measure: Measure) -> Option<f64> {
        self.ratio(measure, self.named(name).into_iter())
    }

    /// "yes", or "no" and the ratio of each missed goal. A goal is unknown if its contenders have no
    /// numbers.
    pub fn verdict(&self) -> String {
        let (mut missed, mut unknown) = (Vec::new(), Vec::new());
        for goal in &self.goals {
            let named = |other: &&Outcome| goal.against.contains(&other.name);
            match self.ratio(goal.measure, self.outcomes.iter().filter(named)) {
                Some(ratio) if ratio <= goal.at_most => {}
                Some(ratio) => missed.push(format!("{} of {}", ratio_text(ratio), goal.of)),
                None => unknown.push(goal.of),
            }
        }
        let unknown = unknown.join(", ");
        match (self.wrong, missed.is_empty(), unknown.is_empty()) {
            (true, ..) => "no: WRONG ANSWER".to_owned(),
            (false, true, true) => "yes".to_owned(),
            (false, true, false) => format!("unknown: {unknown}"),
            (false, false, true) => format!("no: {}", missed.join(", ")),
            (false, false, false) => format!("no: {}; unknown: {unknown}", missed.join(", ")),
        }
    }

    /// The goals in words.
    pub fn goal(&self) -> String {
        let texts: Vec<&str> = self.goals.iter().map(|goal| goal.text).collect();
        texts.join("; ")
    }
}

/// A ratio with two significant digits.
pub fn ratio_text(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}
