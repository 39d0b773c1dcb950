//! Output of events, whose reader may be slow while signals and more events come.

use super::Out;
use crate::error::Error;
use crate::sys;

impl Out {
    /// What has not been written yet; text of [`Format::Original`] may be appended.
    pub fn pending(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
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
