//! A long list of flows in a file, which several threads read, each a block at a time. They take lines as they usually
//! are; whatever is unusual, wrong or missing gives nothing here, and one thread reads the text again, which knows what to
//! say.

use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use super::first::First;
use super::labels::Labels;
use super::saved::{SavedFlow, with_flow};
use crate::source::Source;
use crate::source::files::split_row::SplitRow;
use crate::source::threads::share;
use crate::sys;
use crate::wire::flow_text::{self, FlowText, Line};

/// How much of a file is one piece of work. A shorter file is not worth threads.
const BLOCK: u64 = 4 << 20;
/// How much a thread reads at once; no line is longer.
const BUFFER: usize = 256 << 10;

/// What `take` does with a flow: `None` if another reader must see to it.
pub type Take<'a, T> = dyn Fn(&mut T, &SavedFlow<'_>) -> Option<()> + Sync + 'a;

/// Has threads take all flows of a long file, each with a value of its own that `new` makes; `None` if one thread
/// must read it.
pub fn read<T: Send>(
    source: &Source,
    labels: &Labels,
    new: &(dyn Fn() -> T + Sync),
    take: &Take<'_, T>,
) -> Option<Vec<T>> {
    let [path] = source.saved.as_slice() else { return None };
    let number = source.threads();
    if path.as_os_str() == "-" || number < 2 {
        return None;
    }
    // A pipe can be read only once.
    let file = sys::open_input_file(path)?;
    let size = sys::file_size(&file);
    if size < BLOCK {
        return None;
    }
    let next = AtomicU64::new(0);
    let parts = share(number, &|_| {
        let split = SplitRow::default();
        let mut part = Part { labels, take, taken: new(), flows: 0, said: None, split };
        let mut buffer = Vec::with_capacity(BUFFER);
        loop {
            let from = next.fetch_add(BLOCK, Ordering::Relaxed);
            if from >= size {
                return Some(part);
            }
            let is_taken = part.block(file.as_fd(), from, &mut buffer).is_some();
            // The rest of a split row is in another block.
            if !is_taken || part.split.is_open() {
                // The others may stop, too.
                next.store(size, Ordering::Relaxed);
                return None;
            }
        }
    });
    let parts = parts.into_iter().collect::<Option<Vec<_>>>()?;
    let flows: u64 = parts.iter().map(|part| part.flows).sum();
    let said = parts.iter().filter_map(|part| part.said).reduce(u64::saturating_add);
    let is_whole = flows > 0 && said.is_none_or(|said| said == flows);
    is_whole.then(|| parts.into_iter().map(|part| part.taken).collect())
}

/// The first flows of a long file, as far as one buffer goes.
pub fn first(source: &Source, labels: &Labels) -> First {
    let (mut first, mut buffer) = (First::default(), Vec::with_capacity(BUFFER));
    let [path] = source.saved.as_slice() else { return first };
    let file = sys::open_input_file(path).filter(|file| sys::file_size(file) >= BLOCK);
    if file.is_none_or(|file| sys::read_at(&file, &mut buffer, 0).is_err()) {
        return first;
    }
    for line in buffer.split(|byte| *byte == b'\n') {
        let mut text = FlowText::default();
        if first.is_full() {
            break;
        }
        if flow_text::plain(line, &mut text).is_some() {
            with_flow(&text, labels, |saved| first.add(&saved.flow));
        }
    }
    first
}

/// What a thread takes.
struct Part<'a, T> {
    labels: &'a Labels,
    take: &'a Take<'a, T>,
    taken: T,
    flows: u64,
    /// How many flows the tool said that it had printed.
    said: Option<u64>,
    split: SplitRow,
}

impl<T> Part<'_, T> {
    /// Takes the lines that begin in the block at `from`.
    fn block(&mut self, file: BorrowedFd<'_>, from: u64, buffer: &mut Vec<u8>) -> Option<()> {
        // A line that began before belongs to another block; it ends before this one only if a line end is there.
        let mut is_other = from > 0;
        let mut offset = from.saturating_sub(1);
        let mut start = offset;
        buffer.clear();
        loop {
            let read = sys::read_at(file, buffer, offset).ok()?;
            if read == 0 {
                // What is left is a line without its end.
                return buffer.is_empty().then_some(());
            }
            offset += read as u64;
            let mut used = 0;
            while let Some(length) = memchr::memchr(b'\n', &buffer[used..]) {
                if !std::mem::take(&mut is_other) {
                    if start >= from + BLOCK {
                        return Some(());
                    }
                    self.line(&buffer[used..used + length])?;
                }
                used += length + 1;
                start += length as u64 + 1;
            }
            if used == 0 && buffer.len() == buffer.capacity() {
                return None;
            }
            buffer.drain(..used);
        }
    }

    #[inline]
    fn line(&mut self, line: &[u8]) -> Option<()> {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.split.is_open() {
            let row = self.split.whole(line);
            return self.line(&row);
        }
        let mut text = FlowText::default();
        if flow_text::plain(line, &mut text).is_some() {
            self.flows += 1;
            let (take, taken) = (self.take, &mut self.taken);
            return with_flow(&text, self.labels, |flow| take(taken, flow))?;
        }
        match flow_text::other(line).or_else(|| flow_text::other(self.split.begin(line)?))? {
            Line::Count(number) => {
                self.said = Some(self.said.unwrap_or(0).saturating_add(number));
                Some(())
            }
            Line::Nothing => Some(()),
            _ => None,
        }
    }
}
