//! Clients that attack conntrackd, and a daemon that attacks its clients.

use std::collections::VecDeque;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use connbox::applet::conntrackd::protocol::VERSION;
use rustix::process::{Resource, Rlimit, Signal, getrlimit, prlimit};

use super::flows;
use super::part::Part;
use super::random::{Random, damaged};
use super::trial::{Ended, Trial, connbox, run};
use crate::support::needs;
use crate::world::World;

/// The flows that the daemon knows.
const FLOWS: u16 = 3000;
/// How many connections an attacker keeps open.
const HELD: usize = 100;
/// How much the daemon may grow.
const MOST_GROWTH: u64 = 24 << 20;
/// How much of a processor it may use when it has nothing to do. One that spins gets less than all on a busy machine.
const MOST_PERCENT: u64 = 10;

/// An empty folder whose path is short enough for a socket.
pub fn place(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("connbox-attack-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

/// A daemon, its namespace with flows, and its folder. All end with the value.
struct Daemon {
    trial: Option<Trial>,
    folder: PathBuf,
    world: World,
}

impl Daemon {
    fn begin(test: &str, name: &str) -> Option<Daemon> {
        let world = World::quiet(test)?;
        world.inside(|| flows::make(FLOWS)).unwrap();
        let mut daemon = Daemon { trial: None, folder: place(name), world };
        let mut command = daemon.client(&["--foreground"]);
        daemon.trial = Some(daemon.world.inside(|| Trial::start(&mut command)));
        let end = Instant::now() + Duration::from_secs(20);
        while daemon.ask(&["-s"]).status != Some(0) {
            assert!(Instant::now() < end, "the daemon does not answer");
            thread::sleep(Duration::from_millis(20));
        }
        Some(daemon)
    }

    fn socket(&self) -> PathBuf {
        self.folder.join("sock")
    }

    fn client(&self, words: &[&str]) -> std::process::Command {
        let socket = self.socket().display().to_string();
        connbox([&["conntrackd", "--socket", &socket], words].concat())
    }

    fn ask(&self, words: &[&str]) -> Ended {
        run(&mut self.client(words))
    }

    fn pid(&self) -> rustix::process::Pid {
        self.trial.as_ref().unwrap().pid()
    }

    /// Lets it open no further file, or as many as before; returns how many that were.
    fn allow_files(&self, most: Option<u64>) -> Option<u64> {
        let opens = |number: &u64| {
            fs::read_link(format!("/proc/{}/fd/{number}", self.pid().as_raw_pid())).is_ok()
        };
        let current = most.or_else(|| (0..).find(|number| !opens(number)));
        // The daemon inherited ours.
        let maximum = getrlimit(Resource::Nofile).maximum;
        let before = prlimit(Some(self.pid()), Resource::Nofile, Rlimit { current, maximum });
        before.unwrap().current
    }

    /// A field of its /proc/PID/stat, counted from 1.
    fn stat(&self, field: usize) -> u64 {
        let text = fs::read_to_string(format!("/proc/{}/stat", self.pid().as_raw_pid()));
        let text = text.expect("the daemon still runs");
        let (_, fields) = text.rsplit_once(") ").unwrap();
        fields.split(' ').nth(field - 3).unwrap().parse().unwrap()
    }

    fn resident_bytes(&self) -> u64 {
        self.stat(24) * 4096
    }

    /// The share of a processor that it uses for a while, in percent.
    fn percent(&self, time: Duration) -> u64 {
        let ticks = || self.stat(14) + self.stat(15);
        let before = ticks();
        thread::sleep(time);
        // A tick is a hundredth of a second.
        (ticks() - before) * 1000 / time.as_millis() as u64
    }

    /// Ends it as an administrator does; it must end well.
    fn end(mut self) -> Result<(), String> {
        let ended = self.trial.take().unwrap().end_by(Signal::TERM);
        ended.check(0)?;
        let names: Vec<_> = crate::support::scratch::names_in(&self.folder);
        if ended.status != Some(0) || !names.is_empty() {
            return Err(format!("its end: {:?}, {names:?}, {}", ended.status, ended.said()));
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(trial) = self.trial.take() {
            trial.end_by(Signal::KILL);
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A request: a length in four bytes, the version, the command.
fn request(command: u8) -> [u8; 6] {
    [2, 0, 0, 0, VERSION, command]
}

/// The command that ends the daemon, which is root's right.
const STOP: [u8; 6] = [2, 0, 0, 0, VERSION, 3];

/// One move of an attacker, who keeps connections in `held`.
fn attack(socket: &Path, random: &mut Random, held: &mut VecDeque<UnixStream>) {
    let Ok(mut stream) = UnixStream::connect(socket) else { return };
    stream.set_nonblocking(true).unwrap();
    let command = request(random.below(3) as u8);
    let bytes: Vec<u8> = match random.below(8) {
        0 => Vec::new(),
        1 => command[..1 + random.below(5)].to_vec(),
        2 => command.to_vec(),
        3 => damaged(random, &command, &[&command]),
        4 => (0..random.below(200)).map(|_| random.next() as u8).collect(),
        5 => vec![random.next() as u8; 1 << 18],
        6 => command.repeat(1 + random.below(3000)),
        _ => {
            // A flood.
            (0..50).for_each(|_| drop(UnixStream::connect(socket)));
            Vec::new()
        }
    };
    if !bytes.starts_with(&STOP) {
        let _ = stream.write_all(&bytes);
    }
    match random.below(3) {
        // Leaves at once.
        0 => return,
        // Reads a little.
        1 => drop(stream.read(&mut [0; 100])),
        _ => {}
    }
    held.push_back(stream);
    if held.len() > HELD {
        held.pop_front();
    }
}

#[test]
#[ignore = "the attack: cargo test --test attack -- --ignored"]
fn clients_that_attack_the_daemon() {
    let test = "clients_that_attack_the_daemon";
    if !needs(test, &["root", "network namespaces", "connection tracking"]) {
        return;
    }
    let part = Part::begin("clients", 8);
    let Some(daemon) = Daemon::begin(test, "clients") else { return };
    let before = daemon.resident_bytes();
    let (moves, served, most) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut held = VecDeque::new();
            while let Some((_, mut random)) = part.next() {
                attack(&daemon.socket(), &mut random, &mut held);
                moves.fetch_add(1, Ordering::Relaxed);
                most.fetch_max(daemon.resident_bytes(), Ordering::Relaxed);
                // So that the honest have a chance.
                thread::sleep(Duration::from_millis(1));
            }
        });
        while !part.is_over() {
            for words in [&["-s", "--tsv"][..], &["-i", "--tsv"]] {
                let ended = daemon.ask(words);
                part.count(&ended, words[0]);
                if let Err(why) = ended.check(0) {
                    part.fault(0, "an honest client", &why, None);
                }
                if ended.status == Some(0) {
                    served.fetch_add(1, Ordering::Relaxed);
                    if let Err(why) = whole_answer(words[0], &ended) {
                        part.fault(0, words[0], &why, None);
                    }
                }
            }
        }
    });
    // When it is over, the daemon is as before.
    let end = Instant::now() + Duration::from_secs(20);
    while daemon.ask(&["-i"]).status != Some(0) && Instant::now() < end {
        thread::sleep(Duration::from_millis(100));
    }
    let percent = daemon.percent(Duration::from_secs(2));
    let (served, most) = (served.into_inner(), most.into_inner());
    let checks = [
        (whole_answer("-i", &daemon.ask(&["-i", "--tsv"])), "the answer afterwards"),
        (at_most(percent, MOST_PERCENT), "percent of a processor, afterwards"),
        (at_most(most.saturating_sub(before), MOST_GROWTH), "bytes more"),
        (at_most(1, served), "requests served"),
        (daemon.end(), "its end"),
    ];
    for (check, what) in checks {
        if let Err(why) = check {
            part.fault(0, what, &why, None);
        }
    }
    let (moves, grown) = (moves.into_inner(), most.saturating_sub(before) >> 10);
    part.end(&format!("; {moves} moves, {served} served, the daemon grew by {grown} KiB"));
}

fn at_most(number: u64, most: u64) -> Result<(), String> {
    if number <= most { Ok(()) } else { Err(format!("{number}, and not at most {most}")) }
}

/// An answer that is given has everything.
fn whole_answer(word: &str, ended: &Ended) -> Result<(), String> {
    let text = String::from_utf8_lossy(&ended.stdout);
    let active = format!("flows\tactive\t{FLOWS}");
    let is_whole = match word {
        "-i" => text.lines().count() == usize::from(FLOWS),
        _ => text.lines().any(|line| line == active),
    };
    let rows = text.lines().count();
    if is_whole { Ok(()) } else { Err(format!("{word}: {rows} rows: {text:.200}{}", ended.said())) }
}

#[test]
#[ignore = "the attack: cargo test --test attack -- --ignored"]
fn clients_while_the_daemon_has_no_descriptors() {
    let test = "clients_while_the_daemon_has_no_descriptors";
    if !needs(test, &["root", "network namespaces", "connection tracking"]) {
        return;
    }
    let part = Part::begin("descriptors", 1);
    let Some(daemon) = Daemon::begin(test, "descriptors") else { return };
    // It closes the connections of clients that have gone.
    thread::sleep(Duration::from_millis(500));
    let before = daemon.allow_files(None);
    let held: Vec<_> = (0..40).filter_map(|_| UnixStream::connect(daemon.socket()).ok()).collect();
    let percent = daemon.percent(Duration::from_secs(2));
    if let Err(why) = at_most(percent, MOST_PERCENT) {
        part.fault(0, "percent of a processor", &why, None);
    }
    daemon.allow_files(before);
    drop(held);
    let end = Instant::now() + Duration::from_secs(20);
    let mut ended = daemon.ask(&["-s", "--tsv"]);
    while ended.status != Some(0) && Instant::now() < end {
        thread::sleep(Duration::from_millis(100));
        ended = daemon.ask(&["-s", "--tsv"]);
    }
    part.count(&ended, "-s");
    for check in [whole_answer("-s", &ended), daemon.end()] {
        if let Err(why) = check {
            part.fault(0, "afterwards", &why, None);
        }
    }
    part.end(&format!("; {percent} % of a processor without descriptors"));
}

/// What a client asks a daemon.
const REQUESTS: [&[&str]; 8] = [
    &["-s"],
    &["-s", "--json"],
    &["-s", "runtime"],
    &["-i"],
    &["-i", "-x"],
    &["-i", "--json"],
    &["-R"],
    &["-k"],
];

#[test]
#[ignore = "the attack: cargo test --test attack -- --ignored"]
fn daemons_that_attack_the_client() {
    let test = "daemons_that_attack_the_client";
    if !needs(test, &["root", "network namespaces", "connection tracking"]) {
        return;
    }
    let part = Part::begin("daemons", 3);
    let Some(daemon) = Daemon::begin(test, "answers") else { return };
    let answers: Vec<Vec<u8>> = [0, 1, 2].map(|command| answer(&daemon.socket(), command)).into();
    drop(daemon);
    let others: Vec<&[u8]> = answers.iter().map(Vec::as_slice).collect();
    part.in_parallel(|worker| {
        let folder = place(&format!("daemon{worker}"));
        let socket = folder.join("sock");
        let listener = UnixListener::bind(&socket).unwrap();
        while let Some((case, mut random)) = part.next() {
            let bytes =
                damaged(&mut random, random_answer(&mut Random::of(case, 1), &answers), &others);
            let socket = socket.display().to_string();
            let words = [&["conntrackd", "--socket", &socket], *random.one(&REQUESTS)].concat();
            let trial = Trial::start(&mut connbox(&words));
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 6]);
            // The client may end before it has read everything.
            let _ = stream.write_all(&bytes);
            drop(stream);
            let ended = trial.end();
            let what = words[3..].join(" ");
            part.count(&ended, &what);
            if let Err(why) = ended.check(bytes.len()) {
                part.fault(case, &what, &why, Some(&bytes));
            }
        }
        fs::remove_dir_all(folder).unwrap();
    });
    part.end("");
}

fn random_answer<'a>(random: &mut Random, answers: &'a [Vec<u8>]) -> &'a [u8] {
    let answer = random.one(answers);
    // Mostly short, which takes less time.
    if random.is_one_in(10) { answer } else { &answer[..answer.len().min(2000)] }
}

/// What the daemon answers to a command.
fn answer(socket: &Path, command: u8) -> Vec<u8> {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(&request(command)).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    assert!(bytes.len() > 4);
    bytes
}
