//! Which processes the words of `--process` match: a PID, a name, or the path of a program.
//!
//! /proc/PID/comm holds only 15 bytes of a name. The whole name is that of `argv[0]`, or that of the executable file
//! where it may be seen.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bstr::ByteSlice;
use rustix::io::Errno;

use super::owner::{Candidate, Matching};
use crate::error::Error;
use crate::sys::process::{Files, Proc, is_refusal, unless_gone};

/// The bytes of a name that comm holds.
const COMM_BYTES: usize = 15;
/// More than the longest path.
const MOST_BYTES: usize = 4096;

/// The words. Without any, every process matches.
#[derive(Clone, Debug, Default)]
pub struct Words {
    words: Arc<[Word]>,
}

#[derive(Debug, Default)]
struct Word {
    text: Vec<u8>,
    /// Whether a process was found that it matches.
    is_seen: AtomicBool,
    /// Whether it may be the name of a program that cannot be seen.
    may_be_hidden: AtomicBool,
}

impl Words {
    pub fn new(words: &[Vec<u8>]) -> Words {
        let word = |text: &Vec<u8>| Word { text: text.clone(), ..Word::default() };
        Words { words: words.iter().map(word).collect() }
    }

    /// Whether a word matches a process. The program of another user's process cannot be seen without privileges.
    /// A path is that of a program, and so may match; a name is usually that of comm or argv[0], and so matches
    /// not, unless none has that name: see [`Words::hidden`].
    ///
    /// # Errors
    /// `NOENT` or `SRCH` if it has ended.
    pub fn matches(&self, candidate: &Candidate<'_>) -> Result<Matching, Errno> {
        if self.words.is_empty() {
            return Ok(Matching::Yes);
        }
        let mut best = Matching::No;
        let (pid, mut names) = (candidate.pid.to_string(), Names::of(candidate.files));
        for Word { text, is_seen, may_be_hidden } in &*self.words {
            let is = match text == pid.as_bytes() {
                true => Matching::Yes,
                false => names.are(text)?,
            };
            is_seen.fetch_or(is == Matching::Yes, Ordering::Relaxed);
            may_be_hidden.fetch_or(is == Matching::No && names.is_any_hidden(), Ordering::Relaxed);
            best = best.max(is);
        }
        Ok(best)
    }

    /// The words that match no process, and may be the names of programs that cannot be seen.
    pub fn hidden(&self) -> Vec<Vec<u8>> {
        let of = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        let hidden = self.words.iter().filter(|word| !of(&word.is_seen) && of(&word.may_be_hidden));
        hidden.map(|word| word.text.clone()).collect()
    }

    /// Looks for matching processes without descriptors, whose names a pass does not read.
    ///
    /// # Errors
    /// If the system lacks memory or descriptors.
    pub fn look_for_unseen(&self, proc: &Proc) -> Result<(), Error> {
        if self.unseen().next().is_none() {
            return Ok(());
        }
        for pid in proc.pids()? {
            let matching = self.matches(&Candidate { pid, files: proc.files(pid) });
            unless_gone(matching).map_err(|error| proc.error(&pid.to_string(), error))?;
        }
        Ok(())
    }

    /// The words that match no process found so far.
    pub fn unseen(&self) -> impl Iterator<Item = &[u8]> {
        let is_unseen = |word: &&Word| !word.is_seen.load(Ordering::Relaxed);
        self.words.iter().filter(is_unseen).map(|word| &*word.text)
    }
}

/// The names of a process, each read when it is needed.
struct Names<'a> {
    files: Files<'a>,
    /// The outer option is for a name that was not read yet, the inner one for a refusal.
    comm: Option<Option<Vec<u8>>>,
    /// argv[0].
    first: Option<Option<Vec<u8>>>,
    exe: Option<Option<Vec<u8>>>,
}

impl<'a> Names<'a> {
    fn of(files: Files<'a>) -> Names<'a> {
        Names { files, comm: None, first: None, exe: None }
    }

    /// Whether `word` is one of them.
    fn are(&mut self, word: &[u8]) -> Result<Matching, Errno> {
        let files = self.files;
        let Some(comm) = known(&mut self.comm, || files.name())? else {
            return Ok(Matching::Maybe);
        };
        if comm == word {
            return Ok(Matching::Yes);
        }
        if word.iter().all(u8::is_ascii_digit) {
            return Ok(Matching::No);
        }
        let (is_path, base) = (word.contains(&b'/'), base(word));
        let is_cut = comm.len() == COMM_BYTES && base.starts_with(comm);
        let is_it = |name: &[u8]| word == if is_path { name } else { self::base(name) };
        let first = known(&mut self.first, || first_argument(files))?;
        if first.is_some_and(is_it) {
            return Ok(Matching::Yes);
        }
        let exe = || Ok(unless_gone(files.link("exe"))?.unwrap_or_default());
        let exe = known(&mut self.exe, exe)?;
        // The kernel's mark of a file that has gone may as well be the end of a name.
        let is_one = |exe: &[u8]| is_it(exe) || exe.strip_suffix(b" (deleted)").is_some_and(is_it);
        if exe.is_some_and(is_one) {
            return Ok(Matching::Yes);
        }
        let may_be = (is_cut || is_path) && self.is_any_hidden();
        Ok(if may_be { Matching::Maybe } else { Matching::No })
    }

    /// Whether one of the names that were asked for may not be read.
    fn is_any_hidden(&self) -> bool {
        [&self.comm, &self.first, &self.exe].into_iter().any(|name| *name == Some(None))
    }
}

/// What `read` gives the first time; `None` if that is refused.
fn known(
    name: &mut Option<Option<Vec<u8>>>,
    read: impl FnOnce() -> Result<Vec<u8>, Errno>,
) -> Result<Option<&[u8]>, Errno> {
    if name.is_none() {
        *name = Some(match read() {
            Err(error) if is_refusal(error) => None,
            read => Some(read?),
        });
    }
    Ok(name.as_ref().and_then(|name| name.as_deref()))
}

fn first_argument(files: Files<'_>) -> Result<Vec<u8>, Errno> {
    let mut line = unless_gone(files.read("cmdline", MOST_BYTES))?.unwrap_or_default();
    line.truncate(line.find_byte(0).unwrap_or(line.len()));
    Ok(line)
}

/// The last part of a path.
fn base(path: &[u8]) -> &[u8] {
    path.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;
    use std::path::{Path, PathBuf};

    use crate::source::processes::owner::Reading;
    use crate::source::processes::owners::Owners;
    use crate::sys::Kernel;
    use crate::sys::process::faults;

    /// A process: its number, comm, command line and executable file.
    type Made<'a> = (u32, &'a str, &'a str, &'a str);

    /// Adds processes to a tree, each with a descriptor.
    fn add(root: &Path, processes: &[Made<'_>]) {
        for (pid, comm, line, exe) in processes {
            let directory = root.join(format!("proc/{pid}"));
            std::fs::create_dir_all(directory.join("fd")).unwrap();
            std::fs::create_dir_all(directory.join("task")).unwrap();
            std::fs::write(directory.join("comm"), format!("{comm}\n")).unwrap();
            std::fs::write(directory.join("cmdline"), line).unwrap();
            if !exe.is_empty() {
                symlink(exe, directory.join("exe")).unwrap();
            }
            symlink(format!("socket:[{pid}]"), directory.join("fd/3")).unwrap();
        }
    }

    fn root(test: &str) -> PathBuf {
        std::env::temp_dir().join(format!("connbox-words-{test}-{}", std::process::id()))
    }

    fn open(root: &Path) -> Proc {
        Proc::open(&Kernel::new(Some(root.to_path_buf())).unwrap()).unwrap()
    }

    const PROCESSES: [Made<'_>; 6] = [
        (10, "victoria-metric", "/opt/victoria-metrics-prod\0-storage\0", ""),
        (11, "systemd-resolve", "systemd: a title", "/usr/lib/systemd/systemd-resolved"),
        (12, "web", "python3\0/srv/web.py\0", "/usr/bin/python3.11 (deleted)"),
        (13, "python3", "/usr/bin/python3\0-V\0", "/usr/bin/python3.11"),
        (14, "kworker/0:1", "", ""),
        (15, "4711", "", ""),
    ];

    #[test]
    fn a_word_is_a_number_a_whole_name_or_a_path() {
        let root = root("meanings");
        add(&root, &PROCESSES);
        let matching = |word: &str| {
            let (proc, words) = (open(&root), Words::new(&[word.as_bytes().to_vec()]));
            let matches = |pid: &u32| {
                let candidate = Candidate { pid: *pid, files: proc.files(*pid) };
                words.matches(&candidate).unwrap() == Matching::Yes
            };
            let pids: Vec<_> = (10..16).filter(matches).collect();
            assert_eq!(words.unseen().count(), usize::from(pids.is_empty()), "{word}");
            pids
        };
        for (word, pids) in [
            ("victoria-metrics-prod", &[10][..]),
            ("victoria-metric", &[10]),
            ("victoria-metrics-pro", &[]),
            ("/opt/victoria-metrics-prod", &[10]),
            ("systemd-resolved", &[11]),
            ("systemd-resolve", &[11]),
            ("/usr/lib/systemd/systemd-resolved", &[11]),
            ("systemd: a title", &[11]),
            ("web", &[12]),
            ("python3", &[12, 13]),
            ("python3.11", &[12, 13]),
            ("/usr/bin/python3", &[13]),
            ("/usr/bin/python3.11", &[12, 13]),
            ("bin/python3", &[]),
            ("kworker/0:1", &[14]),
            ("0:1", &[]),
            ("4711", &[15]),
            ("13", &[13]),
            ("1", &[]),
            ("", &[]),
        ] {
            assert_eq!(matching(word), pids, "{word}");
        }
        let (none, proc) = (Words::new(&[]), open(&root));
        let candidate = Candidate { pid: 10, files: proc.files(10) };
        assert_eq!(none.matches(&candidate), Ok(Matching::Yes));
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_process_without_descriptors_is_seen() {
        let root = root("bare");
        add(&root, &PROCESSES[..1]);
        std::fs::remove_file(root.join("proc/10/fd/3")).unwrap();
        let words = Words::new(&[b"victoria-metrics-prod".to_vec(), b"web".to_vec()]);
        let pass = {
            let words = words.clone();
            Reading::begin(open(&root), 1, true, move |process| words.matches(process)).unwrap()
        };
        assert!(Owners::when_read(pass).unwrap().of(10).is_none());
        assert_eq!(words.unseen().count(), 2);
        words.look_for_unseen(&open(&root)).unwrap();
        assert_eq!(words.unseen().collect::<Vec<_>>(), [b"web"]);
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_name_that_cannot_be_read_is_not_another_name() {
        let root = root("errors");
        add(&root, &PROCESSES[..1]);
        for word in ["victoria-metrics-prod", "victoria-metric", "/opt/victoria-metrics-prod", "10"]
        {
            let pass = || {
                let words = Words::new(&[word.as_bytes().to_vec()]);
                Owners::when_read(Reading::begin(open(&root), 1, true, move |process| {
                    words.matches(process)
                })?)
            };
            let fails = |errno: &i32| *errno != Errno::INTR.raw_os_error();
            // The call that opens /proc must not fail, as `open` here expects that.
            let check = |errno, result: Result<Owners, Error>, place: &str| match (errno, result) {
                (Errno::NOENT | Errno::SRCH, Ok(owners)) => {
                    assert_eq!(owners.unreadable().count, 0)
                }
                (Errno::ACCESS | Errno::PERM, Ok(owners)) => {
                    let is_found = owners.of(10).is_some();
                    assert!(is_found != (owners.unreadable().count == 1), "{word}: {place}");
                }
                (_, result) => assert!(result.is_err(), "{word}: {place}"),
            };
            for errno in faults::ALL.filter(fails).map(Errno::from_raw_os_error) {
                for after in 1..40 {
                    let (result, has_failed) = faults::during(after, errno, pass);
                    if !has_failed {
                        break;
                    }
                    check(errno, result, &format!("{errno} at call {after}"));
                }
            }
        }
        std::fs::remove_dir_all(root).unwrap();
    }
}
