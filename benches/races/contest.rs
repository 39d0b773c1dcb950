//! One race: compare all answers first, then run all contenders in turn, then take medians.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::answer::{Parse, difference};
use crate::measure::{Job, Sample, find};
use crate::report::{Goal, Outcome, Report, Stats};

/// The floor's name in goals.
pub const FLOOR: &str = "floor";
/// The binary of the commit that `benches/before` names.
pub const BEFORE: &str = "before";
/// connbox itself with fewer sockets; its time is multiplied up to the larger number.
pub const SCALED: &str = "connbox, scaled";
/// Live counters may change between two reads; an answer is wrong if it differs this many times.
const ATTEMPTS: usize = 5;
/// A command that takes longer runs fewer times, to bound the whole run.
const SLOW: Duration = Duration::from_millis(1500);
const LEAST_OF_SLOW: usize = 5;
const VERY_SLOW: Duration = Duration::from_secs(5);
const LEAST_OF_VERY_SLOW: usize = 3;
/// Time in which the kernel cleans up after a process that has ended, such as its sockets.
const SETTLE: Duration = Duration::from_millis(100);
/// How many numbers of an answer the sheet shows at most.
const MOST_SHOWN: usize = 15;

/// A name, a command, and how to read its answer; without `parse` only the exit status counts.
pub struct Contender {
    pub name: &'static str,
    pub argv: Vec<String>,
    pub parse: Option<Parse>,
    /// How to read connbox's answer if this contender gives only a part of it.
    pub parse_ours: Option<Parse>,
    pub cost: Cost,
    /// The name of the namespace to run in, if it differs from that of the others.
    pub within: Option<&'static str>,
    /// The factor for wall and CPU time.
    pub scale: f64,
}

/// The cost that is compared.
#[derive(Clone, Copy)]
pub enum Cost {
    /// Wall time from start to end.
    Wall,
    /// User and system time, for a command whose duration is given.
    Cpu,
    /// The cost that the answer reports.
    Told(fn(&str) -> Option<Duration>),
}

impl Contender {
    /// A contender that is measured in wall time, and whose answer is not read.
    pub fn new(name: &'static str, argv: Vec<String>) -> Contender {
        Contender {
            name,
            argv,
            parse: None,
            parse_ours: None,
            cost: Cost::Wall,
            within: None,
            scale: 1.0,
        }
    }

    /// A copy with another name and some words of its command changed.
    pub fn changed(&self, name: &'static str, change: impl Fn(&String) -> String) -> Contender {
        Contender { name, argv: self.argv.iter().map(change).collect(), ..*self }
    }

    /// Reads connbox's answer in another way when it is compared with this contender.
    pub fn against(self, parse: Parse) -> Contender {
        Contender { parse_ours: Some(parse), ..self }
    }

    /// The command as a user would type it.
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

/// A row of the table before it is run.
pub struct Race {
    pub id: &'static str,
    pub title: String,
    pub ours: Contender,
    pub peers: Vec<Contender>,
    pub floor: Option<Contender>,
    pub goals: Vec<Goal>,
}

/// How often to run.
#[derive(Clone, Copy)]
pub struct Plan {
    pub least: usize,
    pub most: usize,
    /// Time to spend on one contender, within `least` and `most`.
    pub budget: Duration,
}

impl Plan {
    /// The least number of rounds for a command that takes this long.
    fn least(&self, one: Duration) -> usize {
        match one {
            _ if one > VERY_SLOW => self.least.min(LEAST_OF_VERY_SLOW),
            _ if one > SLOW => self.least.min(LEAST_OF_SLOW),
            _ => self.least,
        }
    }

    /// The number of rounds for a command that takes this long.
    fn rounds(&self, one: Duration) -> usize {
        let affordable = self.budget.as_nanos() / one.as_nanos().max(1);
        let least = self.least(one);
        usize::try_from(affordable).unwrap_or(self.most).clamp(least, self.most)
    }
}

/// A contender during the race.
struct Runner {
    contender: Contender,
    job: Result<Job, String>,
    /// The shortest time before the rounds.
    quickest: Duration,
    rounds: usize,
    samples: Vec<Sample>,
}

impl Race {
    /// Compares the answers, runs the rounds and sums up. The standard error of the commands goes to a file
    /// in `scratch`.
    pub fn run(self, plan: Plan, scratch: &Path, peak: Option<&str>) -> Report {
        let complaints = scratch.join("stderr");
        let contenders = std::iter::once(self.ours).chain(self.peers).chain(self.floor);
        let mut runners: Vec<Runner> =
            contenders.map(|contender| Runner::new(contender, &complaints)).collect();
        let differs = check_all(&mut runners);
        for runner in &mut runners {
            runner.plan(plan);
        }
        take_turns(&mut runners);
        let wrong = differs || runners.first().is_none_or(|ours| ours.job.is_err());
        let answer = runners.first().map(Runner::answer).unwrap_or_default();
        let notes = runners.iter().filter_map(Runner::note).collect();
        let outcomes =
            runners.into_iter().map(|runner| runner.outcome(&complaints, peak)).collect();
        Report { id: self.id, title: self.title, outcomes, goals: self.goals, answer, notes, wrong }
    }

    /// The row of a race that could not run. The reason takes the place of connbox's time.
    pub fn not_run(self, why: &str) -> Report {
        let contenders = std::iter::once(self.ours).chain(self.peers).chain(self.floor);
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
        let job = Job::new(&contender.argv, contender.within, complaints);
        let job = job.map_err(|error| error.to_string());
        Runner { contender, job, quickest: Duration::MAX, rounds: 0, samples: Vec::new() }
    }

    /// Runs once. After a failure this runner does not run again.
    fn run(&mut self) -> Option<Sample> {
        let job = self.job.as_mut().ok()?;
        match job.run() {
            Ok(mut sample) => {
                self.quickest = self.quickest.min(sample.wall);
                match self.contender.cost {
                    Cost::Wall => {}
                    Cost::Cpu => sample.wall = sample.cpu,
                    Cost::Told(cost) => {
                        let text = String::from_utf8_lossy(&sample.output);
                        sample.wall = cost(&text).unwrap_or(sample.wall);
                        sample.cpu = sample.wall;
                    }
                }
                sample.wall = sample.wall.mul_f64(self.contender.scale);
                sample.cpu = sample.cpu.mul_f64(self.contender.scale);
                Some(sample)
            }
            Err(error) => {
                self.job = Err(format!("failed: {error}"));
                None
            }
        }
    }

    /// Sets the number of rounds from the quickest of a few runs, which also warm the caches.
    fn plan(&mut self, plan: Plan) {
        for _ in 0..3 {
            let is_slow = (plan.budget / 4..Duration::MAX).contains(&self.quickest);
            if is_slow || self.run().is_none() {
                break;
            }
        }
        let one = self.quickest;
        // If the cost is not wall time, more rounds than the minimum add little.
        let is_wall = matches!(self.contender.cost, Cost::Wall);
        self.rounds = if is_wall { plan.rounds(one) } else { plan.least(one) };
    }

    /// Keeps a sample. Only the last answer is kept, unless each reports the cost of its run.
    fn keep(&mut self, sample: Sample) {
        let is_told = self.is_told();
        if let Some(last) = self.samples.last_mut()
            && !is_told
        {
            last.output = Vec::new();
        }
        self.samples.push(sample);
    }

    fn is_told(&self) -> bool {
        matches!(self.contender.cost, Cost::Told(_))
    }

    /// The last answer as it is compared.
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

    /// Lost events, for a contender whose answers report them.
    fn note(&self) -> Option<String> {
        if !self.is_told() {
            return None;
        }
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

    /// Peak resident memory from the helper program, or without a C compiler the upper bound from wait4.
    fn peak(&self, complaints: &Path, helper: Option<&str>) -> String {
        if self.is_told() {
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
            let mut job = Job::new(&argv, self.contender.within, complaints).ok()?;
            let sample = job.run().ok()?;
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

/// Compares every peer's answer with connbox's; a peer whose answer differs is not timed. True if any
/// answer differs.
fn check_all(runners: &mut [Runner]) -> bool {
    let Some((ours, others)) = runners.split_first_mut() else { return true };
    let mut wrong = false;
    for other in others {
        // A peer that is not installed, or fails by itself, is not an error of connbox.
        if let Err(why) = check(ours, other) {
            other.job = Err(format!("DIFFERS: {why}"));
            wrong = true;
        }
    }
    wrong
}

fn check(ours: &mut Runner, other: &mut Runner) -> Result<(), String> {
    let mut why = String::new();
    for _ in 0..ATTEMPTS {
        let Some(theirs) = other.run() else { return Ok(()) };
        if !why.is_empty() {
            sleep(SETTLE);
        }
        let Some(own) = ours.run() else { return Ok(()) };
        let read_own = other.contender.parse_ours.or(ours.contender.parse);
        let (Some(read_theirs), Some(read_own)) = (other.contender.parse, read_own) else {
            return Ok(());
        };
        let text = |sample: &Sample| String::from_utf8_lossy(&sample.output).into_owned();
        match difference(&read_own(&text(&own)), &read_theirs(&text(&theirs))) {
            None => return Ok(()),
            Some(difference) => why = difference,
        }
        sleep(SETTLE);
    }
    Err(why)
}

/// Runs all contenders in turn. One with fewer rounds pauses at even distances. The order changes from
/// round to round, so that no contender always follows the same one and uses its warm caches.
fn take_turns(runners: &mut [Runner]) {
    let most = runners.iter().map(|runner| runner.rounds).max().unwrap_or(0);
    let mut order: Vec<usize> = (0..runners.len()).collect();
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..most {
        shuffle(&mut order, &mut dice);
        for &index in &order {
            let Some(runner) = runners.get_mut(index) else { continue };
            let turns = |round: usize| round * runner.rounds / most;
            if turns(round) < turns(round + 1)
                && let Some(sample) = runner.run()
            {
                runner.keep(sample);
            }
        }
    }
}

/// A Fisher-Yates shuffle with a xorshift of fixed seed: every run of the bench has the same orders.
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
