//! Helper processes: copies of this one that do a share of a piece of work on another processor.
//!
//! Processes and not threads: those would bring a third of glibc into the static binary. What a
//! helper finds comes back in a file in memory, which no reader can be late for, as with a pipe.

use std::cell::Cell;
use std::ops::Range;
use std::os::fd::OwnedFd;

use rustix::fs::{MemfdFlags, SeekFrom};
use rustix::io::Errno;
use rustix::pipe::PipeFlags;
use rustix::process::{Pid, Signal, WaitOptions};

/// How many processors this process may run on, at least one.
#[must_use]
pub fn processors() -> usize {
    // The call fails where there are more than 1024: plenty.
    rustix::thread::sched_getaffinity(None).map_or(1024, |set| set.count().max(1) as usize)
}

/// Places in a list that this process and its helpers share out: each is given once, to whoever asks
/// next. They wait in a pipe, of which the kernel reads for one process at a time. (The offset of a file
/// in memory would be simpler; but memfd_create makes files that two can move at once.)
#[derive(Debug)]
pub struct Places {
    waiting: OwnedFd,
    /// How many places a number in the pipe stands for: so many that all fit into a page, which any
    /// pipe has room for.
    step: usize,
    end: usize,
    /// Those of them that are ours already.
    own: Cell<(usize, usize)>,
}

impl Places {
    /// Shares out `places`. Helpers must be started before the first is taken.
    ///
    /// # Errors
    /// The system's.
    pub fn new(places: Range<usize>) -> Result<Places, Errno> {
        const MOST: usize = 4096 / size_of::<usize>();
        let step = places.len().div_ceil(MOST).max(1);
        let (waiting, fill) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
        let end = places.end;
        let numbers: Vec<u8> = places.step_by(step).flat_map(usize::to_ne_bytes).collect();
        super::write_all(fill, &numbers)?;
        Ok(Places { waiting, step, end, own: Cell::default() })
    }

    /// The next place, which nobody else gets; `None` if there is none any more.
    #[must_use]
    pub fn next(&self) -> Option<usize> {
        let (mut place, mut end) = self.own.get();
        if place >= end {
            let mut number = [0; size_of::<usize>()];
            let length = rustix::io::retry_on_intr(|| rustix::io::read(&self.waiting, &mut number));
            length.ok().filter(|length| *length == number.len())?;
            place = usize::from_ne_bytes(number);
            end = place.saturating_add(self.step).min(self.end);
        }
        self.own.set((place + 1, end));
        Some(place)
    }
}

/// A helper process. Dropping it ends it.
#[derive(Debug)]
pub struct Helper {
    /// `None` once it has been waited for: the number may be another process's then.
    pid: Option<Pid>,
    found: OwnedFd,
}

impl Helper {
    /// Starts a helper, which hands over what `work` gives and ends. It has all that this process has,
    /// as copies, and dies with it; nothing that `work` changes is seen here.
    ///
    /// # Errors
    /// The system's: there may be no room for another process.
    pub fn start(work: impl FnOnce() -> Vec<u8>) -> Result<Helper, Errno> {
        let found = memory_file()?;
        let parent = rustix::process::getpid();
        let Some(pid) = super::fork()? else {
            // However `work` ends, this process goes no further, and says and drops nothing.
            let _end = End;
            if dies_with(parent) {
                let _ = super::write_all(&found, &work());
            }
            super::end_at_once()
        };
        Ok(Helper { pid: Some(pid), found })
    }

    /// Waits until it has ended and gives what it handed over: nothing, or not all of it, if it died
    /// before.
    #[must_use]
    pub fn join(mut self) -> Vec<u8> {
        self.wait();
        self.read().unwrap_or_default()
    }

    fn wait(&mut self) {
        if let Some(pid) = self.pid.take() {
            // It fails if the kernel takes the dead itself, because SIGCHLD was ignored when this
            // program started: but not before the helper has ended.
            let wait = || rustix::process::waitpid(Some(pid), WaitOptions::empty());
            let _ = rustix::io::retry_on_intr(wait);
        }
    }

    fn read(&self) -> Result<Vec<u8>, Errno> {
        let length = usize::try_from(rustix::fs::seek(&self.found, SeekFrom::End(0))?);
        let mut bytes = Vec::with_capacity(length.unwrap_or_default() + 1);
        rustix::fs::seek(&self.found, SeekFrom::Start(0))?;
        while super::read(&self.found, &mut bytes)? > 0 {
            bytes.reserve(1);
        }
        Ok(bytes)
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        if let Some(pid) = self.pid {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            self.wait();
        }
    }
}

/// Ends the process where a panic unwinds to it, which only builds for tests do.
struct End;

impl Drop for End {
    fn drop(&mut self) {
        super::end_at_once();
    }
}

/// Has this process die with its parent; whether that lives.
fn dies_with(parent: Pid) -> bool {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_ok()
        && rustix::process::getppid() == Some(parent)
}

/// A file in memory without a name.
fn memory_file() -> Result<OwnedFd, Errno> {
    // Linux 6.3 wants to be told that nobody will run it; before, it does not know the word.
    let flags = MemfdFlags::CLOEXEC;
    let make = |flags| rustix::fs::memfd_create(c"connbox", flags);
    make(flags | MemfdFlags::NOEXEC_SEAL).or_else(|_| make(flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_is_given_once() {
        for all in [0..0, 7..8, 7..518, 7..519, 7..520, 3..20_000] {
            let places = Places::new(all.clone()).unwrap();
            let work =
                || std::iter::from_fn(|| places.next()).flat_map(usize::to_ne_bytes).collect();
            let helpers: Vec<_> = (0..3).map(|_| Helper::start(work).unwrap()).collect();
            let mut bytes: Vec<u8> = work();
            helpers.into_iter().for_each(|helper| bytes.extend(helper.join()));
            let words = bytes.chunks_exact(size_of::<usize>());
            let mut given: Vec<_> =
                words.map(|word| usize::from_ne_bytes(word.try_into().unwrap())).collect();
            given.sort_unstable();
            assert!(given.iter().copied().eq(all.clone()), "{} of {all:?}", given.len());
        }
    }

    #[test]
    fn more_than_a_pipe_takes_is_handed_over() {
        let helper = Helper::start(|| vec![7; 200_000]).unwrap();
        assert!(helper.join() == vec![7; 200_000]);
    }

    #[test]
    fn a_panic_of_a_helper_ends_it_and_nothing_else() {
        // Without the hook, which would want locks that another thread may have held.
        let helper = Helper::start(|| std::panic::resume_unwind(Box::new(()))).unwrap();
        assert_eq!(helper.join(), b"");
    }

    #[test]
    fn a_helper_that_is_not_waited_for_is_ended() {
        let (mut told, tell) = std::io::pipe().unwrap();
        let helper = Helper::start(|| {
            loop {
                std::thread::park();
            }
        });
        drop(tell);
        drop(helper.unwrap());
        // The last writer has gone.
        assert_eq!(std::io::Read::read(&mut told, &mut [0]).unwrap(), 0);
    }
}
