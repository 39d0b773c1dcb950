//! Several writers of one file, in PID namespaces where each of them has the process ID 1.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use super::output::root;
use crate::support;
use crate::support::scratch::{names_in, scratch};

/// The runs of each writer.
const RUNS: usize = 25;
/// The writers' options of unshare(1): in the second case, the process's /proc is that of another namespace, where
/// it has no /proc/self.
const WRITERS: [&[&str]; 4] = [
    &["--pid", "--fork", "--mount-proc"],
    &["--pid", "--fork"],
    &["--pid", "--fork", "--mount-proc"],
    &["--pid", "--fork"],
];

/// What the writers write, a long and a short text.
const LONG: [&str; 3] = ["snmpget-tcp", "--all", "--explain"];
const SHORT: [&str; 1] = ["closedcalc"];

/// `words` with the saved kernel.
fn run_of(words: &[&str]) -> Vec<String> {
    let root = ["--root".to_owned(), root()];
    words.iter().map(|word| (*word).to_owned()).chain(root).collect()
}

fn text_of(words: &[&str]) -> String {
    let words = run_of(words);
    support::stdout_of(&words.iter().map(String::as_str).collect::<Vec<_>>())
}

/// Lets all writers write `file`, while readers look at it all the time. Returns how often they did.
fn race(file: &Path, is_there: bool) -> usize {
    let texts = [text_of(&LONG), text_of(&SHORT)];
    let (is_done, seen) = (AtomicBool::new(false), AtomicUsize::new(0));
    let read = || {
        let mut was_there = is_there;
        while !is_done.load(Ordering::Relaxed) {
            match fs::read_to_string(file) {
                Ok(text) => assert!(texts.contains(&text), "{} bytes: {text:.80}", text.len()),
                Err(error) => assert!(!was_there, "{error}"),
            }
            was_there |= file.exists();
            seen.fetch_add(1, Ordering::Relaxed);
        }
    };
    let write = |number: usize, options: &[&str]| {
        for run in 0..RUNS {
            let words = if (number + run).is_multiple_of(2) { &LONG[..] } else { &SHORT };
            let mut command = support::command("unshare");
            command.args(options).arg(support::CONNBOX).args(run_of(words));
            let output = support::within(60, command.arg("--output").arg(file));
            assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        }
    };
    thread::scope(|scope| {
        let readers = [scope.spawn(read), scope.spawn(read)];
        let writers = WRITERS.iter().enumerate();
        let writers: Vec<_> =
            writers.map(|(number, options)| scope.spawn(move || write(number, options))).collect();
        // Whatever happens to a writer, the readers must end.
        let written: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        is_done.store(true, Ordering::Relaxed);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
        written.into_iter().for_each(|writer| writer.unwrap());
    });
    seen.into_inner()
}

#[test]
fn a_reader_never_sees_a_part_whatever_the_process_ids() {
    let test = "a_reader_never_sees_a_part_whatever_the_process_ids";
    if !support::needs(test, &["unshare", "mount namespaces"]) {
        return;
    }
    let tried = Command::new("unshare").args(["--pid", "--fork", "--mount-proc", "true"]).output();
    if !tried.unwrap().status.success() {
        return support::lacks(test, "mount namespaces", "no other PID namespace can be made");
    }
    for is_there in [true, false] {
        let directory = scratch("pid_namespaces");
        let file = directory.join("file");
        if is_there {
            fs::write(&file, text_of(&SHORT)).unwrap();
        }
        assert!(race(&file, is_there) > 0);
        assert_eq!(names_in(&directory), ["file"]);
    }
}
