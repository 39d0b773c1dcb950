//! Output of events, whose reader may be slow while signals and more events come.

use super::{Out, time};
use crate::error::Error;
use crate::sys;

impl Out {
    /// Sets the time of the next rows of a stream; `None` if a saved text does not tell it.
    pub fn begin_at(&mut self, unix_milliseconds: Option<i64>) {
        self.time = unix_milliseconds.map(time::rfc3339);
    }

    /// What has not been written yet; text of [`Format::Original`] may be appended.
    pub fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Whether something waits to be written to standard output.
    pub fn is_to_write(&self) -> bool {
        self.style.output.is_none() && !self.buffer.is_empty()
    }

    /// Writes at most `most` of the pending bytes to standard output, in one call.
    ///
    /// # Errors
    /// [`Error::ClosedPipe`] if the reader has closed the pipe.
    pub fn write_some(&mut self, most: usize) -> Result<(), Error> {
        let bytes = self.buffer.get(..most).unwrap_or(&self.buffer);
        let written = sys::write_some(bytes)?;
        self.buffer.drain(..written);
        Ok(())
    }
}
