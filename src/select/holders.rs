//! Who holds sockets, if a query asks for that, and which holders cannot be seen.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::error::Error;
use crate::model::{Needs, Query};
use crate::source::Source;
use crate::source::processes::owner::{Candidate, Descriptors, Matching, Reading};
use crate::source::processes::owners::Owners;
use crate::source::processes::pods;
use crate::source::processes::sight::Sight;
use crate::source::processes::words::Words;
use crate::sys::Kernel;
use crate::sys::process::{Proc, readable};

/// The holders of sockets in all network namespaces. Threads may read them during the dump of the sockets.
#[derive(Debug)]
pub(super) struct Holders {
    kernel: Kernel,
    threads: usize,
    words: Words,
    /// Whether only the processes of `--process` are looked at.
    is_filtered: bool,
    /// Whether their sockets are those that must not match.
    is_avoided: bool,
    /// Who holds sockets, if that is asked for; else read only when a control group cannot be known otherwise;
    /// `None` where there are no processes to be read.
    known: OnceLock<Option<Known>>,
    /// Until there are owners, if they are asked for.
    reading: Mutex<Option<(Reading, Sight)>>,
    /// The first failure in a place that cannot return one.
    failure: Mutex<Option<Error>>,
    /// Whether a socket was found whose holder cannot be seen.
    has_gap: AtomicBool,
    /// Whether the names of processes without descriptors were read.
    has_asked_all: Mutex<bool>,
}

/// What a pass over the processes found, and what it may have missed.
#[derive(Debug)]
struct Known {
    owners: Owners,
    sight: Sight,
}

impl Known {
    fn of(owners: Owners, sight: &Sight, words: &Words) -> Known {
        let sight = sight.with_unreadable(owners.unreadable());
        Known { owners, sight: sight.with_hidden_programs(words.hidden()) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Holders {
    /// Begins to read what `query` asks for.
    ///
    /// # Errors
    /// If the processes cannot be read at all, or if there are none: in saved files.
    pub(super) fn read(source: &Source, query: &Query) -> Result<Holders, Error> {
        let is_asked = query.needs.has(Needs::HOLDERS) || !query.processes.any.is_empty();
        let is_saved = !source.saved.is_empty();
        let holders = Holders {
            kernel: source.kernel.clone(),
            threads: source.threads(),
            words: Words::new(&query.processes.any),
            is_filtered: !query.processes.any.is_empty(),
            is_avoided: false,
            known: OnceLock::new(),
            reading: Mutex::new(None),
            failure: Mutex::new(None),
            has_gap: AtomicBool::new(false),
            has_asked_all: Mutex::new(query.processes.any.is_empty()),
        };
        if is_asked && !is_saved {
            let begun = holders.begin()?;
            let is_going_on = begun.0.is_going_on();
            *lock(&holders.reading) = Some(begun);
            if !is_going_on {
                holders.finish()?;
            }
        } else if is_saved {
            let _ = holders.known.set(None);
        }
        Ok(holders)
    }

    /// Begins to read the holders of the sockets that must not match, if there are such.
    ///
    /// # Errors
    /// As [`Holders::read`].
    pub(super) fn avoided(source: &Source, query: &Query) -> Result<Option<Holders>, Error> {
        if query.processes.none.is_empty() {
            return Ok(None);
        }
        let query = Query { processes: query.processes.none.clone().into(), ..Query::default() };
        Holders::read(source, &query).map(|read| Some(Holders { is_avoided: true, ..read }))
    }

    fn begin(&self) -> Result<(Reading, Sight), Error> {
        let (words, proc) = (self.words.clone(), Proc::open(&self.kernel)?);
        let sight = Sight::of(&proc)?;
        let wanted = move |process: &Candidate<'_>| words.matches(process);
        // Without a filter, a second look asks the threads, if sockets are left.
        Ok((Reading::begin(proc, self.threads, self.is_filtered, wanted)?, sight))
    }

    /// Whether owners are asked for that are not known yet.
    pub(super) fn is_reading(&self) -> bool {
        lock(&self.reading).is_some()
    }

    /// Waits until the owners are known that are asked for.
    ///
    /// # Errors
    /// If the processes cannot be read.
    pub(super) fn finish(&self) -> Result<(), Error> {
        // The lock is held meanwhile, so that no other thread goes on without them.
        let mut reading = lock(&self.reading);
        if let Some((reading, sight)) = reading.take() {
            let _ =
                self.known.set(Some(Known::of(Owners::when_read(reading)?, &sight, &self.words)));
        }
        Ok(())
    }

    /// The owners that are known.
    pub(super) fn owners(&self) -> Option<&Owners> {
        Some(&self.known()?.owners)
    }

    /// The owners; they are read now if they were not before. `None` where there are no processes to be read, or if
    /// that fails.
    pub(super) fn late_owners(&self) -> Option<&Owners> {
        let late = || {
            let (reading, sight) = self.begin()?;
            Ok(Known::of(Owners::when_read(reading)?, &sight, &self.words))
        };
        let known = self.known.get_or_init(|| self.or_note(late()));
        known.as_ref().map(|known| &known.owners)
    }

    /// Keeps a failure, which [`Holders::failure`] returns later.
    pub(super) fn or_note<T>(&self, read: Result<T, Error>) -> Option<T> {
        let keep = |error| {
            lock(&self.failure).get_or_insert(error);
        };
        read.map_err(keep).ok()
    }

    /// Returns the first failure that was kept.
    pub(super) fn failure(&self) -> Result<(), Error> {
        lock(&self.failure).take().map_or(Ok(()), Err)
    }

    /// Whether a socket without a known holder may have one. It has none that matters if the pass looked for the
    /// processes of `--process` alone, could read all of them, and none has sockets without a descriptor.
    pub(super) fn may_have_missed(&self) -> bool {
        let is_whole = |known: &Known| known.sight.is_clear() && !known.owners.has_rings();
        self.known().is_some_and(|known| !self.is_filtered || !is_whole(known))
    }

    fn known(&self) -> Option<&Known> {
        self.known.get().and_then(Option::as_ref)
    }

    /// Looks again for the holders of these sockets, and returns those that match. Removes from `inodes` the sockets
    /// that they hold and, if every process can be seen, those that any other process holds: where one cannot, it
    /// may share the socket of a process that can.
    ///
    /// # Errors
    /// If the processes cannot be read.
    pub(super) fn look_again(&self, inodes: &mut Vec<u64>) -> Result<Owners, Error> {
        let proc = Proc::open(&self.kernel)?;
        let mut found = Descriptors::of_sockets(proc, self.threads, inodes.clone())?;
        let mut drop_held = |found: &Descriptors| {
            let is_held =
                |inode: &u64| found.held.binary_search_by_key(inode, |one| one.inode).is_ok();
            inodes.retain(|inode| !is_held(inode));
        };
        if !self.is_filtered || self.known().is_some_and(|known| known.sight.is_clear()) {
            drop_held(&found);
        }
        if self.is_filtered {
            let (proc, mut processes) = (Proc::open(&self.kernel)?, Vec::new());
            for process in found.processes {
                let (pid, files) = (process.pid, proc.files(process.pid));
                let matching = readable(self.words.matches(&Candidate { pid, files }));
                if matching.map_err(|error| proc.error(&pid.to_string(), error))?
                    == Some(Matching::Yes)
                {
                    processes.push(process);
                }
            }
            let matches = |pid| processes.binary_search_by_key(&pid, |one| one.pid).is_ok();
            found.held.retain(|held| matches(held.pid));
            found.processes = processes;
            drop_held(&found);
        }
        Ok(Owners::new(vec![found]))
    }

    /// Notes that the holder of a socket cannot be seen.
    pub(super) fn note_gap(&self) {
        self.has_gap.store(true, Ordering::Relaxed);
    }

    /// The warning if holders could not be seen.
    pub(super) fn gap(&self, query: &Query) -> Option<String> {
        let known = self.known()?;
        if !self.has_gap.load(Ordering::Relaxed) {
            return None;
        }
        let is_shown =
            !self.is_filtered && (query.needs.has(Needs::HOLDERS) || !query.looks_at_cgroups());
        let outcome = match is_shown {
            _ if self.is_avoided || query.only_excludes_holders() => {
                "are counted, as if no process to be excluded held them"
            }
            true => "are shown as '-' (no owner found)",
            false => "are not counted",
        };
        Some(known.sight.gap(outcome))
    }

    /// Whether certainly no process is in a control group, perhaps of cgroup v1, that `is_it`.
    ///
    /// # Errors
    /// If the processes cannot be read.
    pub(super) fn is_none_in(&self, is_it: impl Fn(&[u8]) -> bool) -> Result<bool, Error> {
        let proc = Proc::open(&self.kernel)?;
        for pid in proc.pids()? {
            if pods::group_of_process(&self.kernel, pid)?.is_some_and(|path| is_it(&path)) {
                return Ok(false);
            }
        }
        Ok(Sight::of(&proc)?.is_clear())
    }

    /// The words of `--process` that match no process, if all can be seen, or if it is accepted that some cannot.
    ///
    /// # Errors
    /// If the processes cannot be read.
    pub(super) fn unknown_words(
        &self,
        accepts_gaps: bool,
    ) -> Result<impl Iterator<Item = &[u8]>, Error> {
        let is_clear = self.known().is_some_and(|known| accepts_gaps || known.sight.is_clear());
        let mut has_asked_all = lock(&self.has_asked_all);
        if is_clear && !std::mem::replace(&mut has_asked_all, true) {
            self.words.look_for_unseen(&Proc::open(&self.kernel)?)?;
        }
        Ok(self.words.unseen().filter(move |_| is_clear))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use rustix::io::Errno;

    use crate::model::Choice;
    use crate::sys::process::{faults, is_gone, is_refusal};

    /// A tree with one process, which holds the socket 7.
    fn tree(test: &str) -> (std::path::PathBuf, Source) {
        let root = std::env::temp_dir().join(format!("connbox-{test}-{}", std::process::id()));
        std::fs::create_dir_all(root.join("proc/3/fd")).unwrap();
        std::fs::write(root.join("proc/3/comm"), "web\n").unwrap();
        let _ = std::os::unix::fs::symlink("socket:[7]", root.join("proc/3/fd/0"));
        let kernel = Kernel::new(Some(root.clone())).unwrap();
        (root, Source { kernel, threads: 1, ..Source::default() })
    }

    #[test]
    fn a_failure_of_a_late_pass_is_kept_until_it_can_be_returned() {
        let (root, source) = tree("late");
        let look = || {
            let holders = Holders::read(&source, &Query::default()).unwrap();
            assert!(holders.owners().is_none());
            let has_owner = holders.late_owners().is_some_and(|owners| owners.of(7).is_some());
            holders.failure().map(|()| has_owner)
        };
        assert!(look().unwrap());
        faults::everywhere(faults::ALL, 15, look, |errno, result, place| match errno {
            Errno::INTR => assert!(result.unwrap(), "{place}"),
            // A refusal to read what says whether all processes can be seen costs no holder.
            errno if is_gone(errno) || is_refusal(errno) => {}
            _ => assert!(result.is_err(), "{place}"),
        });
        std::fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_second_look_finds_holders_that_match_or_fails() {
        let (root, source) = tree("again");
        for (processes, matches) in [(&[][..], true), (&["web"], true), (&["other"], false)] {
            let processes = processes.iter().map(|word| word.as_bytes().to_vec()).collect();
            let processes = Choice { any: processes, none: Vec::new() };
            let query = Query { processes, needs: Needs::HOLDERS, ..Query::default() };
            let holders = Holders::read(&source, &query).unwrap();
            // Such a tree does not show whether other processes are missing.
            assert!(holders.may_have_missed());
            let look = || {
                let mut inodes = vec![7, 8];
                holders.look_again(&mut inodes).map(|owners| (owners.of(7).is_some(), inodes))
            };
            // Another process that cannot be seen may hold the same socket.
            let left = if matches { vec![8] } else { vec![7, 8] };
            assert_eq!(look().unwrap(), (matches, left.clone()));
            faults::everywhere(faults::ALL, 10, look, |errno, result, place| match errno {
                Errno::INTR => assert_eq!(result.unwrap(), (matches, left.clone()), "{place}"),
                errno if is_gone(errno) || is_refusal(errno) => {}
                _ => assert!(result.is_err(), "{place}"),
            });
        }
        std::fs::remove_dir_all(root).unwrap();
    }
}
