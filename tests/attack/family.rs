//! A family of readers: the words of each, what it reads, and how a run on an input is made and checked.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::random::Random;
use super::seeds::Seed;
use super::trial::{self, Ended, connbox, run, stdin_of};

/// How a reader gets its input, where its words have `{}`.
#[derive(Clone, Copy, PartialEq)]
pub enum Way {
    /// A file, with the name that it had.
    File,
    /// Standard input.
    Input,
    /// A tree in which the input replaces one file.
    Tree,
}

/// The words of a reader, and which inputs it reads: files of these names, or all.
pub type Reader = (Way, &'static str, &'static str);

/// The kernel takes no longer target of a link.
const LONGEST_TARGET: usize = 4095;

/// Readers of one kind of input, with inputs.
pub struct Family {
    pub name: &'static str,
    pub readers: &'static [Reader],
    pub seeds: Vec<Seed>,
    /// How often it has its turn, beside the shares of the others.
    pub share: usize,
    pub runs: AtomicU64,
    /// Runs that printed rows, or for a configuration looked for the daemon.
    pub answers: AtomicU64,
}

impl Family {
    pub fn new(
        name: &'static str,
        readers: &'static [Reader],
        seeds: Vec<Seed>,
        share: usize,
    ) -> Family {
        let (runs, answers) = (AtomicU64::new(0), AtomicU64::new(0));
        Family { name, readers, seeds, share, runs, answers }
    }

    /// The folder that its seeds make up for [`Way::Tree`].
    fn tree(&self, folder: &Path) -> PathBuf {
        folder.join(self.name.replace(' ', "-"))
    }

    pub fn lay_out(&self, folder: &Path) {
        if self.readers.iter().any(|(way, ..)| *way == Way::Tree) {
            let tree = self.tree(folder);
            self.seeds.iter().for_each(|seed| put(&tree.join(&seed.place), &seed.bytes));
        }
    }

    /// The seeds that a reader reads.
    pub fn of(&self, reader: &Reader) -> Vec<&Seed> {
        let is_its =
            |seed: &&Seed| reader.2.is_empty() || reader.2.split(' ').any(|n| n == seed.name);
        self.seeds.iter().filter(is_its).collect()
    }

    /// A reader and an input, mostly of the kind that it reads.
    pub fn choose(&self, random: &mut Random) -> (&Reader, &Seed) {
        let reader = random.one(self.readers);
        let is_any = random.is_one_in(8);
        (reader, if is_any { random.one(&self.seeds) } else { *random.one(&self.of(reader)) })
    }

    /// Runs a reader in a format on an input in the place of a seed.
    pub fn run(&self, folder: &Path, reader: &Reader, seed: &Seed, input: Given<'_>) -> Ran {
        let (way, words, _) = *reader;
        let (tree, file) = (self.tree(folder), folder.join(&seed.name));
        let path: PathBuf = match way {
            Way::File => {
                put(&file, input.bytes);
                file
            }
            Way::Input => "-".into(),
            Way::Tree if input.is_gone => {
                fs::remove_file(tree.join(&seed.place)).unwrap();
                tree.clone()
            }
            Way::Tree => {
                put(&tree.join(&seed.place), input.bytes);
                tree.clone()
            }
        };
        let words = words.replace("{}", path.to_str().unwrap());
        let words = format!("{words} {}", input.format);
        // A blank in a word is written as '~'.
        let words: Vec<OsString> =
            words.split_whitespace().map(|word| word.replace('~', " ").into()).collect();
        let mut command = connbox(&words);
        if way == Way::Input {
            command.stdin(stdin_of(input.bytes));
        }
        let ended = run(command.current_dir(folder));
        if way == Way::Tree {
            put(&tree.join(&seed.place), &seed.bytes);
        }
        self.runs.fetch_add(1, Relaxed);
        self.answers.fetch_add(has_read(&ended).into(), Relaxed);
        Ran { ended, words }
    }
}

/// What a run gets in the place of a seed.
#[derive(Clone, Copy)]
pub struct Given<'a> {
    pub bytes: &'a [u8],
    /// Whether there is no such file at all, in a tree.
    pub is_gone: bool,
    pub format: &'a str,
}

/// Whether a run got over reading. Who asks the daemon, which is not there, is told that.
pub fn has_read(ended: &Ended) -> bool {
    !ended.stdout.is_empty() || ended.said().contains("no daemon is running")
}

pub struct Ran {
    pub ended: Ended,
    words: Vec<OsString>,
}

impl Ran {
    /// Its words, without the folder.
    pub fn what(&self, folder: &Path) -> String {
        let words = self.words.join(" ".as_ref()).into_string().unwrap();
        words.replace(folder.to_str().unwrap(), "")
    }

    pub fn check(&self, given: Given<'_>) -> Result<(), String> {
        self.ended.check(given.bytes.len())?;
        well_formed(&self.ended, &self.words[0], given.format)
    }
}

/// Whether a file of a tree is a symbolic link: its bytes are then the target.
fn is_link(file: &Path) -> bool {
    let parent = file.parent().unwrap().file_name().unwrap();
    ["exe", "self"].iter().any(|name| file.file_name().unwrap() == *name)
        || ["fd", "ns", "containers"].iter().any(|name| parent == *name)
}

fn put(file: &Path, bytes: &[u8]) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    if is_link(file) {
        let _ = fs::remove_file(file);
        let target = bytes.split(|byte| *byte == 0).next().unwrap();
        let target = &target[..target.len().min(LONGEST_TARGET)];
        if !target.is_empty() {
            return symlink(OsStr::from_bytes(target), file).unwrap();
        }
    }
    fs::write(file, bytes).unwrap();
}

/// What the output promises in its format.
pub fn well_formed(ended: &Ended, applet: &OsString, format: &str) -> Result<(), String> {
    let stdout = &ended.stdout;
    if format == "--json" {
        for line in stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let read = serde_json::from_slice::<serde_json::Value>(line);
            read.map_err(|error| {
                format!("{error} in JSON: {:.300}", String::from_utf8_lossy(line))
            })?;
        }
    }
    if format == "--json=array" && !stdout.is_empty() {
        let read = serde_json::from_slice::<Vec<serde_json::Value>>(stdout);
        read.map_err(|error| format!("{error} in an array of JSON"))?;
    }
    // JSON and the others are for programs.
    let is_tsv = ["", "--tsv", "--header", "--human"].contains(&format);
    if let Some(character) = trial::terminal_command(stdout).filter(|_| is_tsv) {
        return Err(format!("rows with {character}: {:.600}", String::from_utf8_lossy(stdout)));
    }
    // Each message names its applet.
    let applet = applet.to_str().unwrap();
    let stderr = ended.said();
    // conntrack says as its original does how many flows it has shown.
    let is_named = |line: &str| {
        line.starts_with(&format!("{applet}: ")) || line.starts_with(&format!("{applet} v"))
    };
    match stderr.lines().find(|line| !is_named(line)) {
        Some(line) => Err(format!("a message without its applet: {line}")),
        None => Ok(()),
    }
}
