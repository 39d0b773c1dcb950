//! Captures from a file or a pipe, through one buffer.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::{Frame, Seen};
use crate::error::Error;
use crate::sys;
use crate::wire::encoded;
use crate::wire::pcap::{Content, MOST_NEEDED, Piece, Reader, Trouble};

/// What takes the packets of a capture. A closure does.
pub trait Taker {
    fn take(&mut self, frame: &Frame<'_>);

    /// Is told from time to time how many bytes were read, of how many; 0 if that is not known.
    fn pass(&mut self, _read: u64, _of: u64) {}
}

impl<F: FnMut(&Frame<'_>)> Taker for F {
    fn take(&mut self, frame: &Frame<'_>) {
        self(frame);
    }
}

/// How the reading of a capture ended.
#[derive(Debug, Default)]
pub struct Ending {
    /// The unknown link types, and how many packets of each were skipped. A hostile file may have any number of them:
    /// the last one stands for more.
    pub skipped: Vec<(u32, u64)>,
    /// How many packets were lost while the capture was written, as far as it says.
    pub dropped: u64,
    /// Why the rest of the capture could not be read, if it could not; the error names the byte.
    pub trouble: Option<Error>,
}

impl Ending {
    #[cold]
    fn skip(&mut self, link: u32) {
        let place = self.skipped.iter().position(|(known, _)| *known == link);
        let place = place.unwrap_or(self.skipped.len()).min(MOST_SKIPPED);
        match self.skipped.get_mut(place) {
            Some((_, count)) => *count += 1,
            None => self.skipped.push((link, 1)),
        }
    }
}

/// How many unknown link types are told apart.
pub const MOST_SKIPPED: usize = 8;

/// Gives `taker` every frame of a pcap or pcapng file; `-` is standard input. Of each frame, only the first
/// [`crate::wire::pcap::MOST_BYTES`] bytes are given.
///
/// # Errors
/// If the file cannot be read or is not a capture. What was read of a capture that is damaged or ends early is given, and
/// [`Ending::trouble`] says so.
pub fn read(path: &Path, taker: &mut impl Taker) -> Result<Ending, Error> {
    let mut stream = Stream::open(path)?;
    while stream.step(taker)? {}
    Ok(stream.end())
}

/// A capture that is read piece by piece, so that the reader can do something else while it waits for more.
#[derive(Debug)]
pub struct Stream {
    input: Input,
    reader: Reader,
    ending: Ending,
    /// The size of the file, 0 if that is not known.
    size: u64,
}

impl Stream {
    /// Opens a pcap or pcapng file; `-` is standard input.
    ///
    /// # Errors
    /// If it cannot be opened.
    pub fn open(path: &Path) -> Result<Stream, Error> {
        let name = path.as_os_str().as_bytes();
        let (file, name) = match name {
            b"-" => (None, &b"standard input"[..]),
            _ => (Some(sys::open_input(path).map_err(|error| Error::system(name, error))?), name),
        };
        let buffer = Vec::with_capacity(BUFFER_BYTES);
        let name = name.to_vec();
        let input =
            Input { file, name, buffer, used: 0, position: 0, start: 0, left: 0, is_at_end: false };
        let size = sys::file_size(input.fd());
        Ok(Stream { input, reader: Reader::default(), ending: Ending::default(), size })
    }

    /// What to poll.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.input.fd()
    }

    /// Reads once, gives `taker` the frames that are complete, and returns whether there may be more.
    ///
    /// # Errors
    /// If the file cannot be read or is not a capture.
    pub fn step(&mut self, taker: &mut impl Taker) -> Result<bool, Error> {
        match follow(&mut self.input, &mut self.reader, taker, &mut self.ending, self.size) {
            Err(error) if !self.reader.has_begun() => Err(error),
            Err(error) => {
                self.ending.trouble = Some(error);
                Ok(false)
            }
            result => result,
        }
    }

    /// Is told that ^C has ended what is read, and maybe also who wrote it: then its last piece is not a fault.
    pub fn interrupt(&mut self) {
        if self.input.is_at_end {
            self.ending.trouble = None;
        }
    }

    /// How it ended; an incomplete piece counts only if the end of the file was seen.
    pub fn end(self) -> Ending {
        Ending { dropped: self.reader.dropped(), ..self.ending }
    }
}

/// Room for the longest piece, and for some of what follows it.
const BUFFER_BYTES: usize = 64 * 1024;
const _: () = assert!(BUFFER_BYTES > MOST_NEEDED);

/// A file, and the part of it that is in the buffer.
#[derive(Debug)]
struct Input {
    /// `None` is standard input.
    file: Option<OwnedFd>,
    name: Vec<u8>,
    buffer: Vec<u8>,
    /// How much of the buffer has been consumed.
    used: usize,
    /// The offset in the file of the rest of the buffer.
    position: u64,
    /// The offset of the last piece, and how much of it is still to be skipped.
    start: u64,
    left: u64,
    is_at_end: bool,
}

/// Reads once, takes what is complete, and returns whether there may be more.
fn follow(
    input: &mut Input,
    reader: &mut Reader,
    taker: &mut impl Taker,
    ending: &mut Ending,
    size: u64,
) -> Result<bool, Error> {
    taker.pass(input.position, size);
    if !input.fill()? {
        if input.left == 0 && input.is_empty() && reader.may_end() {
            return Ok(false);
        }
        return Err(match input.position {
            0 if input.is_empty() => Error::failed(&input.name, "is empty"),
            _ => input.error(&"what begins here is cut short"),
        });
    }
    while input.skip() {
        let length = match reader.next(&input.buffer[input.used..]) {
            Ok(Piece { length, content }) => {
                match content {
                    Content::Packet(packet) => taker.take(&Frame {
                        time: packet.time,
                        link: packet.link,
                        original_bytes: packet.original_bytes,
                        interface: packet.interface,
                        bytes: packet.bytes,
                        seen: Seen {
                            interface_name: reader.interface_name(packet.interface),
                            ..Seen::default()
                        },
                    }),
                    Content::UnknownLink(link) => ending.skip(link),
                    Content::Other => {}
                }
                length
            }
            Err(Trouble::Damaged(reason)) => return Err(input.damage(&reason)),
            Err(Trouble::Short(_)) => break,
        };
        input.left = length;
    }
    Ok(true)
}

impl Input {
    fn fd(&self) -> BorrowedFd<'_> {
        self.file.as_ref().map_or(sys::stdin(), AsFd::as_fd)
    }

    fn is_empty(&self) -> bool {
        self.used == self.buffer.len()
    }

    /// Appends more of the file to the buffer, and returns whether there was more.
    fn fill(&mut self) -> Result<bool, Error> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let fd = self.file.as_ref().map_or(sys::stdin(), AsFd::as_fd);
        let read = sys::read(fd, &mut self.buffer);
        let read = read.map_err(|error| Error::system(&self.name, error))?;
        self.is_at_end = read == 0;
        Ok(read > 0)
    }

    /// Skips the piece that was taken, and returns whether all of it was in the buffer: then the next one begins here.
    fn skip(&mut self) -> bool {
        let rest = self.buffer.len() - self.used;
        let here = usize::try_from(self.left).map_or(rest, |left| left.min(rest));
        self.used += here;
        self.position += here as u64;
        self.left -= here as u64;
        if self.left == 0 {
            self.start = self.position;
        }
        self.left == 0
    }

    /// The error for what is damaged, or no capture.
    fn damage(&self, reason: &dyn std::fmt::Display) -> Error {
        let encoded = encoded::reason(&self.buffer, "-T -").filter(|_| self.start == 0);
        encoded.map_or_else(|| self.error(reason), |reason| Error::failed(&self.name, reason))
    }

    /// The error, with where the piece begins that it is about.
    fn error(&self, reason: &dyn std::fmt::Display) -> Error {
        Error::failed(&self.name, format_args!("at byte {}: {reason}", self.start))
    }
}
