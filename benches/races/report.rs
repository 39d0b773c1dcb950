//! What a race gave: numbers, ratios, and which goals were reached.

use std::time::Duration;

use crate::contest::{BEFORE, FLOOR, SCALED};

/// What many runs of one contender cost.
pub struct Stats {
    pub rounds: usize,
    pub median: Duration,
    pub best: Duration,
    pub cpu: Duration,
}

/// One contender after the race: numbers, or why there are none.
pub struct Outcome {
    pub name: &'static str,
    pub command: String,
    /// Peak resident memory in KiB.
    pub peak: String,
    pub stats: Result<Stats, String>,
}

/// A row of the table: the first outcome is ours.
pub struct Report {
    pub id: &'static str,
    pub title: String,
    pub outcomes: Vec<Outcome>,
    pub goals: Vec<Goal>,
    /// What connbox answered, in the words of the comparison.
    pub answer: String,
    /// What else a contender told, one line each.
    pub notes: Vec<String>,
    /// connbox failed, or somebody gave another answer than connbox.
    pub wrong: bool,
}

/// connbox is to take at most so much of what the best of the named contenders takes.
pub struct Goal {
    pub text: &'static str,
    /// What the contenders are called together.
    pub of: &'static str,
    pub against: &'static [&'static str],
    pub at_most: f64,
    pub measure: Measure,
}

/// What a goal is about.
#[derive(Clone, Copy)]
pub enum Measure {
    /// The median of what the race is held for, most often the time from start to end.
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

    /// A goal about time, against one contender, which has its name in the text, too.
    pub const fn one(text: &'static str, of: &'static [&'static str; 1], at_most: f64) -> Goal {
        Goal::new(text, of[0], of, at_most)
    }
}

impl Outcome {
    /// The number a goal is about, if there is one.
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
    /// Our outcome.
    pub fn ours(&self) -> Option<&Outcome> {
        self.outcomes.first()
    }

    /// Everybody but connbox, old or new, and the floor.
    pub fn peers(&self) -> impl Iterator<Item = &Outcome> {
        let others = self.outcomes.iter().skip(1);
        others.filter(|outcome| ![FLOOR, BEFORE, SCALED].contains(&outcome.name))
    }

    /// One by name.
    pub fn named(&self, name: &str) -> Option<&Outcome> {
        self.outcomes.iter().find(|outcome| outcome.name == name)
    }

    /// Our number as a part of the least number among the given outcomes, where there are both.
    fn ratio<'a>(
        &self,
        measure: Measure,
        others: impl Iterator<Item = &'a Outcome>,
    ) -> Option<f64> {
        let own = self.ours()?.number(measure)?;
        let best = others.filter_map(|other| other.number(measure)).min_by(f64::total_cmp)?;
        Some(own / best)
    }

    /// Our time as a part of the best peer's.
    pub fn ratio_to_best_peer(&self) -> Option<f64> {
        self.ratio(Measure::Time, self.peers())
    }

    /// Ours as a part of that of one of the others.
    pub fn ratio_to(&self, name: &str, measure: Measure) -> Option<f64> {
        self.ratio(measure, self.named(name).into_iter())
    }

    /// "yes", or "no" and what was reached instead of each goal that is missed. Unknown is what has
    /// nobody to compare with.
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

/// A ratio in two digits that say something.
pub fn ratio_text(ratio: f64) -> String {
    if ratio < 0.1 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}
