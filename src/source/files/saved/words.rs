//! Words of saved text that sockets refer to by number: names of processes, interfaces and hosts, paths of groups.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::error::Error;
use crate::source::files::names::Services;
use crate::sys::Kernel;

/// The words, each once. A process is its name with its number.
#[derive(Debug, Default)]
pub struct Words {
    all: Mutex<All>,
    services: OnceLock<Services>,
    begun: Mutex<Option<Begun>>,
    /// The words of options that nothing was found for, each behind what was not found.
    unmet: Mutex<Vec<(&'static str, Vec<u8>)>>,
    /// Whether the text is that of one of several network namespaces.
    is_of_one: bool,
}

/// What was read of the first file to see what it is, where that can be read only once.
#[derive(Debug)]
pub(in crate::source) struct Begun {
    pub bytes: Vec<u8>,
    /// The pipe, unless it is standard input.
    pub fd: Option<OwnedFd>,
}

#[derive(Debug, Default)]
struct All {
    /// The words by number, from 1; each begins with the four bytes of a process's number.
    words: Vec<Box<[u8]>>,
    numbers: HashMap<Box<[u8]>, u32>,
    buffer: Vec<u8>,
}

impl Words {
    /// Those of one of several network namespaces.
    pub(crate) fn of_one() -> Words {
        Words { is_of_one: true, ..Words::default() }
    }

    /// Where something was not found, for messages about this text.
    pub(crate) fn place(&self) -> &'static str {
        if self.is_of_one { " in some network namespaces" } else { "" }
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the beginning of the first file for the reader that it is for.
    pub(in crate::source) fn put_back(&self, begun: Begun) {
        *self.begun.lock().unwrap_or_else(PoisonError::into_inner) = Some(begun);
    }

    /// The beginning of the first file, if it was read already.
    pub(in crate::source) fn begun(&self) -> Option<Begun> {
        self.begun.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// The number of a word, never 0.
    pub fn number(&self, word: &[u8]) -> u32 {
        self.of_process(0, word)
    }

    /// The number of a process.
    pub fn of_process(&self, pid: u32, name: &[u8]) -> u32 {
        let All { words, numbers, buffer } = &mut *self.all();
        buffer.clear();
        buffer.extend_from_slice(&pid.to_be_bytes());
        buffer.extend_from_slice(name);
        if let Some(number) = numbers.get(buffer.as_slice()) {
            return *number;
        }
        words.push(buffer.as_slice().into());
        let number = u32::try_from(words.len()).unwrap_or(u32::MAX);
        numbers.insert(buffer.as_slice().into(), number);
        number
    }

    /// Notes which words of options nothing was found for, each behind what was not found.
    pub(in crate::source) fn note_unmet(&self, words: Vec<(&'static str, Vec<u8>)>) {
        *self.unmet.lock().unwrap_or_else(PoisonError::into_inner) = words;
    }

    /// The words of options that nothing was found for.
    pub(crate) fn unmet(&self) -> Vec<(&'static str, Vec<u8>)> {
        self.unmet.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The control groups that were read, if they were asked for.
    pub(crate) fn groups(&self) -> Vec<Vec<u8>> {
        // No name of a host or of an interface has a slash.
        let paths = self.all();
        let paths = paths.words.iter().filter_map(|word| word.strip_prefix(b"\0\0\0\0"));
        paths.filter(|path| path.starts_with(b"/")).map(<[u8]>::to_vec).collect()
    }

    /// Calls `each` with the word of a number.
    pub fn with<T>(&self, number: u32, each: impl FnOnce(Option<&[u8]>) -> T) -> T {
        let all = self.all();
        let word = (number as usize).checked_sub(1).and_then(|place| all.words.get(place));
        each(word.and_then(|word| word.get(4..)))
    }

    /// The process of a number.
    pub fn process(&self, number: u32) -> Option<(u32, Vec<u8>)> {
        let all = self.all();
        let word = all.words.get((number as usize).checked_sub(1)?)?;
        let (pid, name) = word.split_first_chunk()?;
        Some((u32::from_be_bytes(*pid), name.to_vec()))
    }

    /// The port of a service in /etc/services.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub(in crate::source) fn port(
        &self,
        kernel: &Kernel,
        name: &[u8],
        protocol: &str,
    ) -> Result<Option<u16>, Error> {
        let services = match self.services.get() {
            Some(services) => services,
            None => {
                let services = Services::read(kernel)?;
                self.services.get_or_init(|| services)
            }
        };
        Ok(std::str::from_utf8(name).ok().and_then(|name| services.port(name, protocol)))
    }
}
