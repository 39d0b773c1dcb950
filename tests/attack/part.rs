//! One part of the attack: its share of the time, its seed, its figures, and what it found.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::random::Random;
use super::trial::{self, Ended};
use crate::support::scratch::scratch;

/// The seconds that all parts take together.
const SECONDS: u64 = 600;
/// Parts run one after the other: each uses all processors, and measures times.
static TURN: Mutex<()> = Mutex::new(());
/// A part ends when it shows this many faults.
const ENOUGH: usize = 12;
/// Of one kind it shows this many: a kind begins with the same letters.
const OF_A_KIND: usize = 3;
const LETTERS: usize = 16;

/// A part that runs.
pub struct Part {
    name: &'static str,
    pub seed: u64,
    end: Instant,
    next: AtomicU64,
    figures: Mutex<Figures>,
    folder: PathBuf,
    _turn: MutexGuard<'static, ()>,
}

#[derive(Default)]
struct Figures {
    runs: u64,
    refusals: u64,
    slowest: (Duration, String),
    largest: (u64, String),
    faults: Vec<String>,
    kinds: BTreeMap<String, usize>,
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable}: '{text}' is not a number")))
}

impl Part {
    /// Begins a part that takes `percent` of the time.
    pub fn begin(name: &'static str, percent: u64) -> Part {
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        trial::limit_all();
        let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        let seed = number("CONNBOX_ATTACK_SEED").unwrap_or(clock.as_secs());
        let seconds = number("CONNBOX_ATTACK_SECONDS").unwrap_or(SECONDS);
        let duration = Duration::from_millis(seconds * percent * 10);
        Part {
            name,
            seed,
            end: Instant::now() + duration,
            next: AtomicU64::new(number("CONNBOX_ATTACK_CASE").unwrap_or(0)),
            figures: Mutex::default(),
            folder: scratch(name),
            _turn: turn,
        }
    }

    /// An empty folder of this part.
    pub fn folder(&self, name: impl Display) -> PathBuf {
        let folder = self.folder.join(name.to_string());
        std::fs::create_dir_all(&folder).unwrap();
        folder
    }

    pub fn is_over(&self) -> bool {
        Instant::now() >= self.end || self.figures().faults.len() >= ENOUGH
    }

    /// The next case and its random numbers, until the time is over.
    pub fn next(&self) -> Option<(u64, Random)> {
        if self.is_over() {
            return None;
        }
        let case = self.next.fetch_add(1, Ordering::Relaxed);
        Some((case, Random::of(self.seed, case)))
    }

    fn figures(&self) -> MutexGuard<'_, Figures> {
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a run to the figures.
    pub fn count(&self, ended: &Ended, what: &str) {
        let mut figures = self.figures();
        figures.runs += 1;
        figures.refusals += u64::from(ended.status != Some(0));
        if ended.took > figures.slowest.0 {
            figures.slowest = (ended.took, what.to_owned());
        }
        if ended.peak_bytes > figures.largest.0 {
            figures.largest = (ended.peak_bytes, what.to_owned());
        }
    }

    /// Notes that `what` went wrong, and keeps the input that led to it.
    pub fn fault(&self, case: u64, what: &str, why: &str, input: Option<&[u8]>) {
        let mut figures = self.figures();
        let kind = figures.kinds.entry(why.chars().take(LETTERS).collect()).or_default();
        *kind += 1;
        if *kind > OF_A_KIND || figures.faults.len() >= ENOUGH {
            return;
        }
        let mut text = format!("case {case} of seed {}: {what}: {why}", self.seed);
        if let Some(input) = input {
            let file = faults_folder().join(format!("{}-{}-{case}", self.name, self.seed));
            std::fs::write(&file, input).unwrap();
            text += &format!("\n  its input: {}", file.display());
        }
        figures.faults.push(text);
    }

    /// Runs `work` in as many threads as there are processors, each with its number.
    pub fn in_parallel(&self, work: impl Fn(usize) + Sync) {
        let work = &work;
        std::thread::scope(|scope| {
            let count = std::thread::available_parallelism().map_or(1, usize::from);
            (0..count).for_each(|number| drop(scope.spawn(move || work(number))));
        });
    }

    /// Prints the figures; fails if there were faults.
    pub fn end(self, more: &str) {
        let figures = self.figures();
        let (slowest, largest) = (&figures.slowest, &figures.largest);
        let text = format!(
            "attack {}: seed {}, {} runs, {} refusals, slowest {} ms ({}), largest {} MiB ({}){more}\n",
            self.name,
            self.seed,
            figures.runs,
            figures.refusals,
            slowest.0.as_millis(),
            slowest.1,
            largest.0 >> 20,
            largest.1,
        );
        // Not by way of the harness, which would capture it.
        let _ = io::stderr().write_all(text.as_bytes());
        let faults = figures.faults.join("\n\n");
        assert!(faults.is_empty(), "{}: faults by kind: {:?}\n{faults}", self.name, figures.kinds);
        assert!(figures.runs > 0, "nothing ran");
    }
}

/// Outside the folders that the next attack empties.
fn faults_folder() -> PathBuf {
    let folder = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("attack-faults");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
