//! Lines of a descriptor through one buffer, whatever the length of the file.

use std::os::fd::AsFd;

use crate::error::Error;
use crate::sys;
use crate::wire::encoded;

/// Where a line stands, for error messages: `FILE:LINE`.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
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

/// The reason if a file does not end with a line end, as those of the kernel do.
const CUT: &str = "the file is cut: its last line has no line end";

/// As many bytes tell what a file is.
const ENOUGH: usize = 6;

/// A reader of lines, with the one buffer that all files of a run share.
#[derive(Debug)]
pub struct Lines {
    buffer: Vec<u8>,
    /// Whether the buffer holds the beginning of the next file.
    is_begun: bool,
}

impl Lines {
    /// A reader for lines of at most `capacity` bytes.
    pub fn new(capacity: usize) -> Lines {
        Lines { buffer: Vec::with_capacity(capacity), is_begun: false }
    }

    /// Reads the beginning of `fd`, with its first line if that fits the buffer: it belongs to the next file whose
    /// lines are read.
    ///
    /// # Errors
    /// If reading fails, or the file is compressed or in another encoding.
    pub(super) fn begin(&mut self, fd: impl AsFd, file: &[u8]) -> Result<&[u8], Error> {
        self.buffer.clear();
        self.is_begun = true;
        while self.buffer.len() < self.buffer.capacity()
            && memchr::memchr(b'\n', self.buffer.trim_ascii_start()).is_none()
        {
            if sys::read(&fd, &mut self.buffer).map_err(|e| Error::system(file, e))? == 0 {
                break;
            }
        }
        self.look(file)?;
        Ok(&self.buffer)
    }

    /// Refuses the beginning of what is no text, and steps over the mark before one of UTF-8.
    fn look(&mut self, file: &[u8]) -> Result<(), Error> {
        if let Some(reason) = encoded::reason(&self.buffer, "--from -") {
            return Err(Error::failed(file, reason));
        }
        if self.buffer.starts_with(encoded::MARK) {
            self.buffer.drain(..encoded::MARK.len());
        }
        Ok(())
    }

    /// Takes what another reader has read of the next file.
    pub(super) fn begin_with(&mut self, beginning: &[u8]) {
        self.buffer.clear();
        self.buffer.extend_from_slice(beginning);
        self.is_begun = true;
    }

    /// Calls `each` with every line of `fd`, without its line end, CR included.
    ///
    /// # Errors
    /// If reading fails, a line does not fit the buffer or is cut, or `each` fails.
    pub fn each(
        &mut self,
        fd: impl AsFd,
        file: &[u8],
        each: impl FnMut(Place<'_>, &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.each_whole(fd, file, each)?.map_or(Ok(()), Err)
    }

    /// The same with every whole line; gives the error for a last line that is cut.
    ///
    /// # Errors
    /// If reading fails, a line does not fit the buffer, or `each` fails.
    pub fn each_whole(
        &mut self,
        fd: impl AsFd,
        file: &[u8],
        mut each: impl FnMut(Place<'_>, &[u8]) -> Result<(), Error>,
    ) -> Result<Option<Error>, Error> {
        let mut place = Place { file, line: 0 };
        let mut is_new = !std::mem::take(&mut self.is_begun);
        if is_new {
            self.buffer.clear();
        }
        loop {
            let used = whole_lines(&self.buffer, &mut place, &mut each)?;
            self.buffer.drain(..used);
            if self.buffer.len() == self.buffer.capacity() {
                place.line += 1;
                return Err(place.error(format_args!("longer than {} bytes", self.buffer.len())));
            }
            if sys::read(&fd, &mut self.buffer).map_err(|e| Error::system(file, e))? == 0 {
                break;
            }
            // The first bytes may come one by one through a pipe.
            if is_new && place.line == 0 && self.buffer.len() >= ENOUGH {
                is_new = false;
                self.look(file)?;
            }
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        // A number at the end of a cut file would look whole.
        place.line += 1;
        Ok(Some(place.error(CUT)))
    }
}

/// Calls `each` with the lines that are whole in `buffer`, and gives the number of bytes used.
fn whole_lines(
    buffer: &[u8],
    place: &mut Place<'_>,
    each: &mut impl FnMut(Place<'_>, &[u8]) -> Result<(), Error>,
) -> Result<usize, Error> {
    let (mut used, mut length) = (0, 0);
    // Most lines are as long as the one before, and that is faster to see.
    while let Some(found) =
        same_length(&buffer[used..], length).or_else(|| memchr::memchr(b'\n', &buffer[used..]))
    {
        length = found;
        place.line += 1;
        each(*place, without_cr(&buffer[used..used + length]))?;
        used += length + 1;
    }
    Ok(used)
}

/// The length of the first line if it is that of the one before, a usual one.
#[inline]
fn same_length(text: &[u8], length: usize) -> Option<usize> {
    let (line, rest) = text.split_at_checked(length)?;
    if rest.first() != Some(&b'\n') {
        return None;
    }
    let mut least = line.last_chunk::<32>()?.map(|byte| byte ^ b'\n');
    for chunk in line.as_chunks::<32>().0 {
        for (least, byte) in least.iter_mut().zip(chunk) {
            *least = (*least).min(byte ^ b'\n');
        }
    }
    let has_end = least.iter().fold(false, |has_end, byte| has_end | (*byte == 0));
    (!has_end).then_some(length)
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
        let text = b"one\ntwo\r\n\nfour\n";
        for capacity in 8..64 {
            assert_eq!(lines(text, capacity).unwrap(), [&b"one"[..], b"two", b"", b"four"]);
        }
    }

    #[test]
    fn a_line_is_as_long_as_the_one_before_only_if_it_does_not_end_earlier() {
        let long = |length| vec![b'x'; length];
        for length in [0, 1, 31, 32, 33, 63, 64, 149] {
            for place in 0..length {
                let mut early = long(length);
                early[place] = b'\n';
                let (one, other) = (early[..place].to_vec(), early[place + 1..].to_vec());
                let text = [long(length), early, long(length), vec![]].join(&b'\n');
                let wanted = [long(length), one, other, long(length)];
                assert_eq!(lines(&text, 512).unwrap(), wanted, "{length} {place}");
            }
        }
    }

    #[test]
    fn what_is_no_text_is_named_with_its_cure() {
        for (text, what, tool) in [
            (&b"\x1f\x8b\x08\0\0\n"[..], "compressed by gzip", "zcat"),
            (b"\xfd7zXZ\0\0\n", "compressed by xz", "xzcat"),
            (b"\x28\xb5\x2f\xfd\0\n", "compressed by zstd", "zstdcat"),
            (b"BZh91A\n", "compressed by bzip2", "bzcat"),
            (b"\xff\xfeS\0t\0\n\0", "UTF-16", "iconv -f UTF-16 -t UTF-8"),
            (b"\xfe\xff\0S\0t\0\n", "UTF-16", "iconv -f UTF-16 -t UTF-8"),
        ] {
            let Err(Error::Fault { text, .. }) = lines(text, 64) else { panic!("{what}") };
            let said =
                format!("pipe: is {what}: pipe it through {tool}, and read that with --from -");
            assert_eq!(text, said.as_bytes());
        }
        let tar =
            [b"proc/net/tcp\0".as_slice(), &[0; 244], b"ustar  \0", &[0; 247], b"  sl\n"].concat();
        let Err(Error::Fault { text, .. }) = lines(&tar, 1024) else { panic!("tar") };
        assert!(text.starts_with(b"pipe: is an archive of tar: unpack it"));
        assert_eq!(lines(b"\xef\xbb\xbfone\ntwo\n", 64).unwrap(), [b"one", b"two"]);
    }

    #[test]
    fn a_line_without_its_end_is_cut() {
        for (text, line) in
            [(&b"one"[..], 1), (b"one\ntwo\nth", 3), (b"\n\n\r\nx\r", 4), (b"\n ", 2)]
        {
            let Err(Error::Fault { text, .. }) = lines(text, 64) else { panic!() };
            assert_eq!(text, format!("pipe:{line}: {CUT}").as_bytes());
        }
    }

    #[test]
    fn an_endless_line_is_an_error_and_not_memory() {
        let error = lines(&[b'x'; 1000], 64).unwrap_err();
        let Error::Fault { text, .. } = error else { panic!("{error:?}") };
        assert_eq!(text, b"pipe:1: longer than 64 bytes");
    }
}
