//! connbox while connections come and go as fast as the machine can make them: every run must succeed with a
//! possible answer, every pause must show the truth, and a long run must not grow.
//!
//! `CONNBOX_SOAK_SECONDS=600 cargo test --release --test live soak` is the long form; without the variable it
//! takes 5 seconds.

mod answers;
mod long_run;
use crate::support::needs;
use crate::world;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use answers::{UNDER_FIRE, by_state_and_peer, check_quiet};
use long_run::LongRun;
use world::churn::Churn;
use world::{Ran, World, at_a_quiet_point, oracle};

/// The default duration.
const SECONDS: u64 = 5;

/// What has been done so far.
struct Soak<'a> {
    world: &'a World,
    churn: Churn,
    long_runs: Vec<LongRun>,
    duration: Duration,
    runs: u64,
    slowest: (Duration, &'static [&'static str]),
    pauses: u64,
    last_pause: Instant,
}

impl Soak<'_> {
    fn new(world: &World, duration: Duration) -> Soak<'_> {
        let churn = Churn::start(world).expect("start the churn");
        let now = Instant::now();
        let seconds = duration.as_secs();
        let long_runs = vec![
            LongRun::start(world, &["conncount"], 0.01, seconds * 100, 8),
            LongRun::start(world, &["conncount", "--by", "state,raddr"], 0.1, seconds * 10, 0),
        ];
        let slowest = (Duration::ZERO, &[][..]);
        Soak { world, churn, long_runs, duration, runs: 0, slowest, pauses: 0, last_pause: now }
    }

    /// Runs every command once, while connections come and go.
    fn run_under_fire(&mut self) {
        for (words, check, bounds) in UNDER_FIRE {
            let start = Instant::now();
            let ran = self.world.connbox(words);
            self.slowest = self.slowest.max((start.elapsed(), words));
            let text = format!("{words:?}: {ran:?}");
            assert_eq!(ran.status, 0, "{text}");
            // In a namespace, some warn that numbers are those of the whole machine.
            let lines = ran.stderr.lines().count();
            assert!(lines == 0 || (lines == 1 && ran.stderr.contains("namespace")), "{text}");
            check(&ran.stdout, bounds, &text);
            self.runs += 1;
            self.long_runs.iter_mut().for_each(LongRun::look);
        }
        self.churn.check();
    }

    /// From time to time, stops everything and compares every number with the truth.
    fn pause_if_due(&mut self) {
        let pace = (self.duration / 30).clamp(Duration::from_millis(1500), Duration::from_secs(10));
        if self.last_pause.elapsed() < pace || !self.churn.is_steady() {
            return;
        }
        let look = || {
            let histogram = oracle::histogram(self.world)?;
            Ok((histogram, by_state_and_peer(self.world), self.world.dump()))
        };
        let run = || answers::QUIET.map(|words| self.world.connbox(words));
        let (truth, answers): (_, [Ran; 7]) = self.churn.paused(|| at_a_quiet_point(look, run));
        self.runs += answers.len() as u64;
        check_quiet(&truth.0, &truth.1, &truth.2, answers);
        self.pauses += 1;
        println!("{}", self.so_far());
        self.last_pause = Instant::now();
    }

    /// One line about what was done.
    fn so_far(&self) -> String {
        let (seconds, made) = (self.churn.elapsed().as_secs(), self.churn.made());
        let (runs, pauses) = (self.runs, self.pauses);
        let (slowest, words) = (self.slowest.0.as_millis(), self.slowest.1.join(" "));
        format!(
            "soak: {seconds} s, {runs} runs, the slowest {slowest} ms ({words}), {made} connections, {pauses} pauses"
        )
    }

    /// Lets everything end, and prints what was done.
    fn end(self) {
        let so_far = self.so_far();
        drop(self.churn);
        let ended: Vec<String> = self.long_runs.into_iter().map(LongRun::end).collect();
        let text = format!("{so_far}; {}\n", ended.join("; "));
        // Not by way of the harness, which would capture it.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

#[test]
fn totals_hold_while_connections_come_and_go() {
    let test = "totals_hold_while_connections_come_and_go";
    if !needs(test, &["ss"]) {
        return;
    }
    let Some(world) = World::churned(test) else { return };
    let seconds =
        std::env::var("CONNBOX_SOAK_SECONDS").map_or(SECONDS, |text| text.parse().unwrap());
    let mut soak = Soak::new(&world, Duration::from_secs(seconds));
    while soak.churn.elapsed() < soak.duration || soak.pauses == 0 {
        soak.run_under_fire();
        soak.pause_if_due();
    }
    soak.end();
}
