//! Writers of one file that all have the process ID 1, some of which are killed: whoever reads the file always
//! sees a whole text.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, kill_process};

use super::part::Part;
use super::random::Random;
use super::sys;
use super::trial::{Trial, connbox, run};
use crate::support::scratch::names_in;
use crate::support::{needs, world};
use crate::world::sys::before_exec;

const LINES: [&[&str]; 3] =
    [&["snmpget-tcp", "--all", "--explain"], &["closedcalc"], &["sockstat", "--json"]];
const WRITERS: usize = 4;

#[test]
#[ignore = "the attack: cargo test --test attack -- --ignored"]
fn races_of_writers_with_one_process_id() {
    let test = "races_of_writers_with_one_process_id";
    if !needs(test, &["root", "mount namespaces"]) {
        return;
    }
    let part = Part::begin("races", 8);
    let root = world("own-lab-6.18").display().to_string();
    let words_of = |number: usize| [LINES[number], &["--root", &root]].concat();
    let texts = [0, 1, 2].map(|number| run(&mut connbox(words_of(number))).stdout);
    let folder = part.folder("shared");
    let file = folder.join("file");
    fs::write(&file, &texts[0]).unwrap();
    let (is_done, reads, left) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let read = || {
        while !is_done.load(Ordering::Relaxed) {
            let text = fs::read(&file).unwrap_or_else(|error| error.to_string().into_bytes());
            reads.fetch_add(1, Ordering::Relaxed);
            if !texts.contains(&text) {
                let text = String::from_utf8_lossy(&text).into_owned();
                let why = format!("{} bytes: {text:.200}", text.len());
                part.fault(0, "a reader saw", &why, None);
                return;
            }
        }
    };
    let write = || {
        while let Some((case, mut random)) = part.next() {
            let words = words_of(random.below(3));
            match one(&part, &words, &file, &mut random) {
                Ok(is_killed) => left.fetch_add(u64::from(is_killed), Ordering::Relaxed),
                Err(why) => return part.fault(case, "a writer", &why, None),
            };
        }
    };
    thread::scope(|scope| {
        let readers = [(); 2].map(|()| scope.spawn(read));
        let writers = [(); WRITERS].map(|()| scope.spawn(write));
        // Whatever happens to a writer, the readers must end.
        let writers = writers.map(thread::ScopedJoinHandle::join);
        is_done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        writers.into_iter().for_each(|writer| writer.unwrap());
    });
    // Killed writers may still be ending.
    thread::sleep(Duration::from_millis(200));
    for name in names_in(&folder) {
        let text = fs::read(folder.join(&name)).unwrap();
        if !texts.contains(&text) {
            part.fault(0, &name, &format!("left with {} bytes", text.len()), None);
        }
    }
    let others = names_in(&folder).len() - 1;
    let (reads, killed) = (reads.into_inner(), left.into_inner());
    if others > 0 && killed == 0 {
        part.fault(0, "what is left", &format!("{:?}", names_in(&folder)), None);
    }
    part.end(&format!(
        "; {reads} reads, {killed} writers killed, {others} whole files left by them"
    ));
}

/// Lets a writer write, or kills it. Returns whether it was killed.
fn one(part: &Part, words: &[&str], file: &Path, random: &mut Random) -> Result<bool, String> {
    let mut command = connbox(words);
    command.arg("--output").arg(file);
    let has_proc = random.is_one_in(2);
    before_exec(&mut command, move || {
        sys::own_pids()?;
        if has_proc { sys::own_proc() } else { Ok(()) }
    });
    let trial = Trial::start(&mut command);
    let is_killed = random.is_one_in(4);
    if is_killed {
        thread::sleep(Duration::from_micros(random.below(12_000) as u64));
        // The writer dies with the process that waits for it.
        let _ = kill_process(trial.pid(), Signal::KILL);
    }
    let ended = trial.end();
    part.count(&ended, &words[..1].concat());
    let is_done = ended.status == Some(0) && ended.stderr.is_empty();
    if is_killed || is_done { Ok(is_killed) } else { Err(format!("{words:?}: {ended:?}")) }
}
