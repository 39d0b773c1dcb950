//! Output of events, whose reader may be slow while signals and more events come.

use super::Out;
use crate::error::Error;
use crate::sys;

impl Out {
    /// What was not written yet, to which text of [`Format::Original`] may be appended.
    pub fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Writes at most `most` bytes of what was not written yet to standard output, in one call.
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
