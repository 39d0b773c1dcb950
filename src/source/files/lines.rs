//! Lines of a descriptor through one buffer, whatever the length of the file.

use std::os::fd::AsFd;

use crate::error::Error;
use crate::sys;

/// Where a line stands, for error messages: `FILE:LINE`.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The file's name.
    pub file: &'a [u8],
    /// The line's number, from 1.
    pub line: u64,
}

impl Place<'_> {
    /// An error at this place.
    pub fn error(&self, reason: impl std::fmt::Display) -> Error {
        let mut subject = self.file.to_vec();
        subject.extend_from_slice(format!(":{}", self.line).as_bytes());
        Error::failed(subject, reason)
    }
}

/// A reader of lines, with the one buffer that all files of a run share.
#[derive(Debug)]
pub struct Lines {
    buffer: Vec<u8>,
}

impl Lines {
    /// A reader for lines of at most `capacity` bytes.
    pub fn new(capacity: usize) -> Lines {
        Lines { buffer: Vec::with_capacity(capacity) }
    }

    /// Calls `each` with every line of `fd`, without its line end, CR included.
    ///
    /// # Errors
    /// If reading fails, a line does not fit the buffer, or `each` fails.
    pub fn each(
        &mut self,
        fd: impl AsFd,
        file: &[u8],
        mut each: impl FnMut(Place<'_>, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut place = Place { file, line: 0 };
        self.buffer.clear();
        loop {
            let read = sys::read(&fd, &mut self.buffer).map_err(|e| Error::system(file, e))?;
            if read == 0 {
                break;
            }
            let used = whole_lines(&self.buffer, &mut place, &mut each)?;
            self.buffer.drain(..used);
            if self.buffer.len() == self.buffer.capacity() {
                place.line += 1;
                return Err(place.error(format_args!("longer than {} bytes", self.buffer.len())));
            }
        }
        if !self.buffer.is_empty() {
            place.line += 1;
            each(place, without_cr(&self.buffer))?;
        }
        Ok(())
    }
}

/// Calls `each` with the lines that are whole in `buffer`, and gives the number of bytes used.
fn whole_lines(
    buffer: &[u8],
    place: &mut Place<'_>,
    each: &mut impl FnMut(Place<'_>, &[u8]) -> Result<(), Error>,
) -> Result<usize, Error> {
    let mut used = 0;
    while let Some(length) = memchr::memchr(b'\n', &buffer[used..]) {
        place.line += 1;
        each(*place, without_cr(&buffer[used..used + length]))?;
        used += length + 1;
    }
    Ok(used)
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// The lines that a pipe of `text` gives through a buffer of `capacity` bytes.
    fn lines(text: &[u8], capacity: usize) -> Result<Vec<Vec<u8>>, Error> {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(text).unwrap();
        drop(writer);
        let mut all = Vec::new();
        Lines::new(capacity).each(reader, b"pipe", |place, line| {
            all.push(line.to_vec());
            assert_eq!(place.line, all.len() as u64);
            Ok(())
        })?;
        Ok(all)
    }

    #[test]
    fn lines_come_whole_through_any_buffer() {
        let text = b"one\ntwo\r\n\nfour";
        for capacity in 8..64 {
            assert_eq!(lines(text, capacity).unwrap(), [&b"one"[..], b"two", b"", b"four"]);
        }
    }

    #[test]
    fn an_endless_line_is_an_error_and_not_memory() {
        let error = lines(&[b'x'; 1000], 64).unwrap_err();
        let Error::Fault { text, .. } = error else { panic!("{error:?}") };
        assert_eq!(text, b"pipe:1: longer than 64 bytes");
    }
}
