//! Signals at random moments: what they leave are whole files, and nothing else.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, kill_process};

use super::part::Part;
use super::random::Random;
use super::trial::{Trial, connbox, run};
use crate::support::scratch::names_in;
use crate::support::world;

/// A file from an earlier run.
const OLD: &str = "old\n";
/// What writes a file; the name of the file follows.
const WRITERS: [&str; 4] = [
    "closedcalc --root R --output",
    "snmpget-tcp --all --explain --root R --output",
    "conncount --root R --interval 0.001 --count 5 --output",
    "--textfile",
];

fn words_of(line: &str, file: &Path, root: &str) -> Vec<String> {
    let mut words: Vec<_> =
        line.split(' ').map(|word| if word == "R" { root } else { word }.to_owned()).collect();
    words.push(file.display().to_string());
    if line == "--textfile" {
        words.extend(["snmpget-tcp", "--all", "+", "tcpstates", "+", "sockstat"].map(String::from));
    }
    words
}

#[test]
#[ignore = "the attack: cargo test --test attack -- --ignored"]
fn kills_at_random_moments() {
    let part = Part::begin("kills", 8);
    let root = world("own-lab-6.18").display().to_string();
    let (cut, left) = (AtomicU64::new(0), AtomicU64::new(0));
    part.in_parallel(|worker| {
        let folder = part.folder(worker);
        while let Some((case, mut random)) = part.next() {
            match one(&part, &folder, &root, &mut random) {
                Ok((is_cut, others)) => {
                    cut.fetch_add(u64::from(is_cut), Ordering::Relaxed);
                    left.fetch_add(others, Ordering::Relaxed);
                }
                Err(why) => part.fault(case, "a writer", &why, None),
            }
        }
    });
    let (cut, left) = (cut.into_inner(), left.into_inner());
    part.end(&format!(
        "; {cut} ended by the signal, {left} whole files with another name left by SIGKILL"
    ));
}

/// Whether a text is one that the run would write. Times and durations differ from run to run.
fn is_whole(line: &str, text: &str, whole: &str) -> bool {
    // All but the last word of each row.
    let heads = |text: &str| -> Vec<String> {
        let head = |row: &str| row.rsplit_once(' ').map_or("", |(head, _)| head).to_owned();
        text.lines().map(head).collect()
    };
    match line {
        "--textfile" => text.ends_with('\n') && heads(text) == heads(whole),
        line if line.contains("--interval") => {
            text.ends_with('\n') && text.lines().count() == whole.lines().count()
        }
        _ => text == whole,
    }
}

fn one(part: &Part, folder: &Path, root: &str, random: &mut Random) -> Result<(bool, u64), String> {
    let line = *random.one(&WRITERS);
    // The name of a textfile has to end so.
    let name = if line == "--textfile" { "out.prom" } else { "out" };
    let file = folder.join(name);
    for left in names_in(folder) {
        fs::remove_file(folder.join(left)).unwrap();
    }
    let command = || {
        let mut command = connbox(words_of(line, &file, root));
        command.env("CONNBOX_ROOT", root).stdin(Stdio::null());
        command
    };
    let ended = run(&mut command());
    ended.check(0)?;
    let whole =
        fs::read_to_string(&file).map_err(|error| format!("{line}: {error}: {}", ended.said()))?;
    let is_there = random.is_one_in(2);
    if is_there { fs::write(&file, OLD) } else { fs::remove_file(&file) }.unwrap();
    let trial = Trial::start(&mut command());
    let signal = *random.one(&[Signal::KILL, Signal::TERM, Signal::INT, Signal::HUP]);
    // Mostly about when the file gets its name, which is at the end.
    let usual = ended.took.as_micros() as usize;
    let moment = if random.is_one_in(3) {
        random.below(2 * usual)
    } else {
        usual * 3 / 4 + random.below(usual / 2)
    };
    thread::sleep(Duration::from_micros(moment as u64));
    let _ = kill_process(trial.pid(), signal);
    let ended = trial.end();
    part.count(&ended, line);
    let what = format!("{line}, {signal:?} after {moment} us");
    let names: BTreeSet<String> = names_in(folder).into_iter().collect();
    let others = names.iter().filter(|other| *other != name).count();
    if others > 0 && signal != Signal::KILL {
        return Err(format!("{what}: left {names:?}"));
    }
    for other in &names {
        let text = fs::read_to_string(folder.join(other)).unwrap();
        let is_old = is_there && text == OLD && other == name;
        if !is_old && !is_whole(line, &text, &whole) {
            return Err(format!("{what}: left {other} with {} bytes: {text:.200}", text.len()));
        }
        if other != name {
            fs::remove_file(folder.join(other)).unwrap();
        }
    }
    if ended.status == Some(0) && fs::read_to_string(&file).unwrap() == OLD {
        return Err(format!("{what}: success, but the old file"));
    }
    if is_there && !names.contains(name) {
        return Err(format!("{what}: the old file is gone"));
    }
    Ok((ended.signal.is_some(), others as u64))
}
