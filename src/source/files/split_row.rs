//! A row that a message of conntrack has split, in text made with 2>&1.
//!
//! conntrack writes its rows in blocks of 4 KiB and its messages at once: behind a long list, the one that says how many
//! rows there were lies within a row of it, and the rest of that row is the next line.

use std::borrow::Cow;

use crate::wire::flow_text;

/// The row that has begun before a message.
#[derive(Debug, Default)]
pub(in crate::source) struct SplitRow {
    beginning: Vec<u8>,
}

impl SplitRow {
    /// The reason if the text ends before the rest of the row.
    pub(in crate::source) const CUT: &str =
        "is cut: the rest of a row is missing, behind the message within it";

    /// Gives the message within a line that fits nothing, and keeps what stands before it; `None` if there is none.
    #[cold]
    pub(in crate::source) fn begin<'a>(&mut self, line: &'a [u8]) -> Option<&'a [u8]> {
        let (beginning, message) = flow_text::split(line)?;
        self.beginning = beginning.to_vec();
        Some(message)
    }

    /// Whether the next line is the rest of a row.
    #[inline]
    pub(in crate::source) fn is_open(&self) -> bool {
        !self.beginning.is_empty()
    }

    /// A line, behind what stood before the message.
    pub(in crate::source) fn whole<'a>(&mut self, line: &'a [u8]) -> Cow<'a, [u8]> {
        if !self.is_open() {
            return line.into();
        }
        let mut row = std::mem::take(&mut self.beginning);
        row.extend_from_slice(line);
        row.into()
    }
}
