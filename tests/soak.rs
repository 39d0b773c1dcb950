//! connbox while connections come and go as fast as the machine can make them: every run must end well and
//! say what can be true, every pause must show the truth, and what runs long must not grow.
//!
//! `CONNBOX_SOAK_SECONDS=600 cargo test --release --test soak` is the long form; without the variable it
//! takes 5 seconds.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

#[path = "soak/answers.rs"]
mod answers;
#[path = "soak/long_run.rs"]
mod long_run;
mod world;

use std::io::{self, Write};
use std::time::{Duration, Instant};

use answers::{UNDER_FIRE, by_state_and_peer, check_quiet};
use long_run::LongRun;
use world::churn::Churn;
use world::{Ran, World, at_a_quiet_point, oracle};

/// Where the time is short.
const SECONDS: u64 = 5;

/// The kernel keeps a socket in TIME_WAIT for 60 seconds, and then for as long again as its timers are
/// coarse. Were there always some that expire, no moment would be quiet. So they are made in the first
/// seconds of every 80 alone, and there is no pause while they expire.
const CYCLE_SECONDS: u64 = 80;
const MAKING_SECONDS: u64 = 8;
const EXPIRING_SECONDS: u64 = 58;

/// What has been done so far.
struct Soak<'a> {
    world: &'a World,
    churn: Churn,
    long_runs: Vec<LongRun>,
    start: Instant,
    duration: Duration,
    runs: u64,
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
        Soak { world, churn, long_runs, start: now, duration, runs: 0, pauses: 0, last_pause: now }
    }

    /// Runs every command once, while connections come and go.
    fn run_under_fire(&mut self) {
        self.churn.let_wait(self.second_of_cycle() < MAKING_SECONDS);
        for (words, check, bounds) in UNDER_FIRE {
            let ran = self.world.connbox(words);
            let text = format!("{words:?}: {ran:?}");
            assert_eq!(ran.status, 0, "{text}");
            // In a namespace, some say that numbers of the whole machine are none of its own.
            let lines = ran.stderr.lines().count();
            assert!(lines == 0 || (lines == 1 && ran.stderr.contains("namespace")), "{text}");
            check(&ran.stdout, bounds, &text);
            self.runs += 1;
            self.long_runs.iter_mut().for_each(LongRun::look);
        }
        self.churn.check();
    }

    fn second_of_cycle(&self) -> u64 {
        self.start.elapsed().as_secs() % CYCLE_SECONDS
    }

    /// Stops everything now and then, and compares every number with the truth.
    fn pause_if_due(&mut self) {
        let pace = (self.duration / 30).clamp(Duration::from_millis(1500), Duration::from_secs(10));
        if self.last_pause.elapsed() < pace || self.second_of_cycle() >= EXPIRING_SECONDS {
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
        self.last_pause = Instant::now();
    }

    /// Lets everything come to its end, and says what was done.
    fn end(self) {
        let (seconds, made) = (self.start.elapsed().as_secs(), self.churn.made());
        drop(self.churn);
        let ended: Vec<String> = self.long_runs.into_iter().map(LongRun::end).collect();
        let (runs, pauses, ended) = (self.runs, self.pauses, ended.join("; "));
        let text = format!(
            "soak: {seconds} s, {runs} runs, {made} connections, {pauses} pauses; {ended}\n"
        );
        // Past the harness, which would swallow it.
        let _ = io::stderr().write_all(text.as_bytes());
    }
}

#[test]
fn totals_hold_while_connections_come_and_go() {
    let test = "totals_hold_while_connections_come_and_go";
    let Some(world) = World::churned(test) else { return };
    if !world::has_tool("ss") {
        return world::skip(test, "no ss");
    }
    let seconds =
        std::env::var("CONNBOX_SOAK_SECONDS").map_or(SECONDS, |text| text.parse().unwrap());
    let mut soak = Soak::new(&world, Duration::from_secs(seconds));
    while soak.start.elapsed() < soak.duration || soak.pauses == 0 {
        soak.run_under_fire();
        soak.pause_if_due();
    }
    soak.end();
}
