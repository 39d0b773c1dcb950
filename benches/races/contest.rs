//! One race: the same answer from everybody first, then everybody in turn, then medians.

use std::path::Path;
use std::time::Duration;

use crate::answer::{Parse, difference};
use crate::measure::{Job, Sample, find};

/// The name under which goals speak of the floor.
pub const FLOOR: &str = "floor";
/// Live counters may move between two reads; an answer that differs so often differs.
const ATTEMPTS: usize = 5;
/// So many numbers of an answer go on the sheet.
const MOST_SHOWN: usize = 15;

/// Someone who runs: a name, a command, and how to read its answer (not at all: its exit status
/// must do).
pub struct Contender {
    pub name: &'static str,
    pub argv: Vec<String>,
    pub parse: Option<Parse>,
    /// How to read connbox's answer, where this one says only a part of it.
    pub parse_ours: Option<Parse>,
    /// What to race for instead of the time of the whole, as the answer tells it.
    pub cost: Option<fn(&str) -> Option<Duration>>,
}

impl Contender {
    /// The same with connbox's answer read in another way than for everybody else.
    pub fn against(self, parse: Parse) -> Contender {
        Contender { parse_ours: Some(parse), ..self }
    }

    /// The command as one would type it.
    fn shown(&self) -> String {
        if let [_, option, script] = self.argv.as_slice()
            && option == "-c"
        {
            return script.clone();
        }
        let plain = |word: &str| {
            word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/-_.".contains(&byte))
        };
        let quoted = |word: &String| if plain(word) { word.clone() } else { format!("'{word}'") };
        let words: Vec<String> = self.argv.iter().map(quoted).collect();
        words.join(" ")
    }
}

/// connbox's time is to be at most so much of the best of the named contenders'.
pub struct Goal {
    pub text: &'static str,
    /// What the contenders are called together.
    pub of: &'static str,
    pub against: &'static [&'static str],
    pub at_most: f64,
}

/// A row of the table before it is run.
pub struct Race {
    pub id: &'static str,
    pub title: &'static str,
    pub ours: Contender,
    pub peers: Vec<Contender>,
    pub floor: Contender,
    pub goals: Vec<Goal>,
}

/// How often to run.
#[derive(Clone, Copy)]
pub struct Plan {
    pub least: usize,
    pub most: usize,
    /// Time to spend on one contender, where `least` and `most` leave the choice.
    pub budget: Duration,
}

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

/// A row of the table: the first outcome is ours, the last the floor's.
pub struct Report {
    pub id: &'static str,
    pub title: &'static str,
    pub outcomes: Vec<Outcome>,
    pub goals: Vec<Goal>,
    /// What connbox answered, in the words of the comparison.
    pub answer: String,
    /// What else a contender told, one line each.
    pub notes: Vec<String>,
    /// connbox failed, or somebody gave another answer than connbox.
    pub wrong: bool,
}

/// A contender during the race.
struct Runner {
    contender: Contender,
    job: Result<Job, String>,
    rounds: usize,
    samples: Vec<Sample>,
}

impl Race {
    /// Checks, runs and sums up. `scratch` takes the complaints of the commands.
    pub fn run(self, plan: Plan, scratch: &Path, peak: Option<&str>) -> Report {
        let complaints = scratch.join("stderr");
        let contenders = std::iter::once(self.ours).chain(self.peers).chain([self.floor]);
        let mut runners: Vec<Runner> =
            contenders.map(|contender| Runner::new(contender, &complaints)).collect();
        let wrong = check_all(&mut runners);
        for runner in &mut runners {
            runner.plan(plan);
        }
        take_turns(&mut runners);
        let answer = runners.first().map(Runner::answer).unwrap_or_default();
        let notes = runners.iter().filter_map(Runner::note).collect();
        let outcomes =
            runners.into_iter().map(|runner| runner.outcome(&complaints, peak)).collect();
        Report { id: self.id, title: self.title, outcomes, goals: self.goals, answer, notes, wrong }
    }

    /// The row of a race that could not be held at all. The reason stands where our time would.
    pub fn not_run(self, why: &str) -> Report {
        let contenders = std::iter::once(self.ours).chain(self.peers).chain([self.floor]);
        let outcome = |(index, contender): (usize, Contender)| Outcome {
            command: contender.shown(),
            name: contender.name,
            peak: "-".to_owned(),
            stats: Err(if index == 0 { why.to_owned() } else { String::new() }),
        };
        let outcomes = contenders.enumerate().map(outcome).collect();
        let (id, title, goals) = (self.id, self.title, self.goals);
        Report {
            id,
            title,
            outcomes,
            goals,
            answer: String::new(),
            notes: Vec::new(),
            wrong: false,
        }
    }
}

impl Runner {
    fn new(contender: Contender, complaints: &Path) -> Runner {
        let job = Job::new(&contender.argv, complaints).map_err(|error| error.to_string());
        Runner { contender, job, rounds: 0, samples: Vec::new() }
    }

    /// Runs once. A failure is remembered: this runner runs no more.
    fn run(&mut self) -> Option<Sample> {
        let job = self.job.as_mut().ok()?;
        match job.run() {
            Ok(mut sample) => {
                if let Some(cost) = self.contender.cost {
                    let text = String::from_utf8_lossy(&sample.output);
                    sample.wall = cost(&text).unwrap_or(sample.wall);
                    sample.cpu = sample.wall;
                }
                Some(sample)
            }
            Err(error) => {
                self.job = Err(format!("failed: {error}"));
                None
            }
        }
    }

    /// Sets the number of rounds from the quickest of three runs, which also warm the caches.
    fn plan(&mut self, plan: Plan) {
        let mut quickest = Duration::MAX;
        for _ in 0..3 {
            let Some(sample) = self.run() else { return };
            quickest = quickest.min(sample.wall);
            if quickest > plan.budget / 4 {
                break;
            }
        }
        if self.contender.cost.is_some() {
            // What it costs does not say how long it takes: too long for more than must be.
            self.rounds = plan.least;
            return;
        }
        let affordable = plan.budget.as_nanos() / quickest.as_nanos().max(1);
        let affordable = usize::try_from(affordable).unwrap_or(plan.most);
        self.rounds = affordable.clamp(plan.least, plan.most);
    }

    /// The last answer in the words of the comparison.
    fn answer(&self) -> String {
        let Some(sample) = self.samples.last() else { return String::new() };
        let Some(parse) = self.contender.parse else { return String::new() };
        let answer = parse(&String::from_utf8_lossy(&sample.output));
        let words: Vec<String> =
            answer.iter().map(|(name, number)| format!("{name} {number}")).collect();
        let shown = words.get(..MOST_SHOWN).unwrap_or(&words).join(", ");
        match words.len().saturating_sub(MOST_SHOWN) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        }
    }

    /// What a contender that races for something else than time told of its runs, beside the cost.
    fn note(&self) -> Option<String> {
        self.contender.cost?;
        let lost = self.samples.iter().filter_map(|sample| {
            let text = String::from_utf8_lossy(&sample.output);
            text.lines().find_map(|line| line.strip_prefix("lost ")?.parse::<u64>().ok())
        });
        let mut lost: Vec<u64> = lost.collect();
        lost.sort_unstable();
        let [least, .., most] = lost[..] else { return None };
        let median = lost[lost.len() / 2];
        let name = self.contender.name;
        Some(format!("{name}: {median} events lost (median; {least} to {most})"))
    }

    /// Peak resident memory: by the helper program, or, without a C compiler, the bound that wait4
    /// gives.
    fn peak(&self, complaints: &Path, helper: Option<&str>) -> String {
        if self.contender.cost.is_some() {
            let told = self.samples.last().map(|sample| String::from_utf8_lossy(&sample.output));
            let line = |text: &str| {
                text.lines().find_map(|line| line.strip_prefix("kib ").map(str::to_owned))
            };
            return told.and_then(|text| line(&text)).unwrap_or_else(|| "-".to_owned());
        }
        let helped = helper.and_then(|helper| {
            let program = find(self.contender.argv.first()?)?.display().to_string();
            let arguments = self.contender.argv.iter().skip(1).cloned();
            let argv: Vec<String> =
                [helper.to_owned(), program].into_iter().chain(arguments).collect();
            let sample = Job::new(&argv, complaints).and_then(|mut job| job.run()).ok()?;
            String::from_utf8_lossy(&sample.output).trim().strip_prefix("kib ").map(str::to_owned)
        });
        let bound = || self.samples.iter().map(|sample| sample.peak_kib).min();
        helped.or_else(|| bound().map(|kib| format!("≤ {kib}"))).unwrap_or_else(|| "-".to_owned())
    }

    fn outcome(self, complaints: &Path, helper: Option<&str>) -> Outcome {
        let peak = self.peak(complaints, helper);
        let stats = self.job.and_then(|_| summary(&self.samples));
        let command = self.contender.shown();
        Outcome { name: self.contender.name, command, peak, stats }
    }
}

/// Compares every peer's answer with ours; a peer whose answer differs is not timed. Says whether
/// anything is wrong.
fn check_all(runners: &mut [Runner]) -> bool {
    let Some((ours, others)) = runners.split_first_mut() else { return true };
    let mut wrong = false;
    for other in others {
        // A peer that is not there, or fails by itself, is no fault of connbox.
        if let Err(why) = check(ours, other) {
            other.job = Err(format!("DIFFERS: {why}"));
            wrong = true;
        }
    }
    wrong | ours.job.is_err()
}

fn check(ours: &mut Runner, other: &mut Runner) -> Result<(), String> {
    let mut why = String::new();
    for _ in 0..ATTEMPTS {
        let (Some(theirs), Some(own)) = (other.run(), ours.run()) else { return Ok(()) };
        let read_own = other.contender.parse_ours.or(ours.contender.parse);
        let (Some(read_theirs), Some(read_own)) = (other.contender.parse, read_own) else {
            return Ok(());
        };
        let text = |sample: &Sample| String::from_utf8_lossy(&sample.output).into_owned();
        match difference(&read_own(&text(&own)), &read_theirs(&text(&theirs))) {
            None => return Ok(()),
            Some(difference) => why = difference,
        }
    }
    Err(why)
}

/// Runs everybody in turn. Who has fewer rounds sits rounds out, evenly; the order changes from
/// round to round, so that nobody always runs on the caches that the same other one left.
fn take_turns(runners: &mut [Runner]) {
    let most = runners.iter().map(|runner| runner.rounds).max().unwrap_or(0);
    let mut order: Vec<usize> = (0..runners.len()).collect();
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..most {
        shuffle(&mut order, &mut dice);
        for &index in &order {
            let Some(runner) = runners.get_mut(index) else { continue };
            let turns = |round: usize| round * runner.rounds / most;
            if turns(round) < turns(round + 1) {
                let sample = runner.run();
                runner.samples.extend(sample);
            }
        }
    }
}

/// Fisher and Yates, on a xorshift with a fixed seed: every run of the bench has the same orders.
fn shuffle(order: &mut [usize], dice: &mut u64) {
    for last in (1..order.len()).rev() {
        *dice ^= *dice << 13;
        *dice ^= *dice >> 7;
        *dice ^= *dice << 17;
        let other = usize::try_from(*dice % (last as u64 + 1)).unwrap_or(0);
        order.swap(last, other);
    }
}

fn summary(samples: &[Sample]) -> Result<Stats, String> {
    let walls = || samples.iter().map(|sample| sample.wall);
    let (Some(median), Some(best)) = (median(walls().collect()), walls().min()) else {
        return Err("no run".to_owned());
    };
    let cpu = median_or_zero(samples.iter().map(|sample| sample.cpu).collect());
    Ok(Stats { rounds: samples.len(), median, best, cpu })
}

fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort_unstable();
    times.get(times.len() / 2).copied()
}

fn median_or_zero(times: Vec<Duration>) -> Duration {
    median(times).unwrap_or_default()
}

impl Report {
    /// Our outcome.
    pub fn ours(&self) -> Option<&Outcome> {
        self.outcomes.first()
    }

    /// Everybody but us and the floor.
    pub fn peers(&self) -> &[Outcome] {
        self.outcomes.get(1..self.outcomes.len().saturating_sub(1)).unwrap_or_default()
    }

    /// The floor's outcome.
    pub fn floor(&self) -> Option<&Outcome> {
        self.outcomes.last()
    }

    /// Our median as a part of the best median among the given outcomes, where there are both.
    fn ratio<'a>(&self, others: impl Iterator<Item = &'a Outcome>) -> Option<f64> {
        let own = self.ours()?.stats.as_ref().ok()?.median;
        let best =
            others.filter_map(|other| other.stats.as_ref().ok()).map(|stats| stats.median).min()?;
        Some(own.as_secs_f64() / best.as_secs_f64())
    }

    /// Our time as a part of the best peer's.
    pub fn ratio_to_best_peer(&self) -> Option<f64> {
        self.ratio(self.peers().iter())
    }

    /// Our time as a multiple of the floor's.
    pub fn ratio_to_floor(&self) -> Option<f64> {
        self.ratio(self.floor().into_iter())
    }

    /// "yes", or "no" and what was reached instead of each goal that is missed. Unknown is what has
    /// nobody to compare with.
    pub fn verdict(&self) -> String {
        let (mut missed, mut unknown) = (Vec::new(), Vec::new());
        for goal in &self.goals {
            let named = |other: &&Outcome| goal.against.contains(&other.name);
            match self.ratio(self.outcomes.iter().filter(named)) {
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
