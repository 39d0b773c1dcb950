//! Captures from a file or a pipe, through one buffer.

use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::Frame;
use crate::error::Error;
use crate::sys;
use crate::wire::pcap::{Content, MOST_NEEDED, Piece, Reader, Trouble};

/// What takes the frames.
pub type Each<'a> = dyn FnMut(&Frame<'_>) -> Result<(), Error> + 'a;

/// Calls `each` with every frame of a pcap or pcapng file; `-` is standard input. Of each frame the
/// first [`crate::wire::pcap::MOST_BYTES`] are given.
///
/// # Errors
/// If the file cannot be read, is not a capture, is damaged or ends early (the error says at which byte;
/// `each` has been called with all before it), if all its link types are unknown, or if `each` fails.
pub fn read(path: &Path, each: &mut Each<'_>) -> Result<(), Error> {
    if path.as_os_str() == "-" {
        return read_from(sys::stdin(), b"standard input", each);
    }
    let name = path.as_os_str().as_bytes();
    let file = sys::open(path).map_err(|error| Error::system(name, error))?;
    read_from(file, name, each)
}

/// Room for what a piece needs at most, and for some more of what follows.
const BUFFER_BYTES: usize = 64 * 1024;
const _: () = assert!(BUFFER_BYTES > MOST_NEEDED);

/// A file and the part of it that is in the buffer.
struct Input<'a, F> {
    fd: F,
    name: &'a [u8],
    buffer: Vec<u8>,
    /// How much of the buffer is used up.
    used: usize,
    /// Where in the file the rest of the buffer stands.
    position: u64,
}

fn read_from(fd: impl AsFd, name: &[u8], each: &mut Each<'_>) -> Result<(), Error> {
    let buffer = Vec::with_capacity(BUFFER_BYTES);
    let mut input = Input { fd, name, buffer, used: 0, position: 0 };
    let mut reader = Reader::default();
    let mut unknown = None;
    let mut is_known = false;
    loop {
        let length = match reader.next(&input.buffer[input.used..]) {
            Ok(Piece { length, content }) => {
                match content {
                    Content::Packet(packet) => {
                        is_known = true;
                        each(&Frame {
                            time: packet.time,
                            link: packet.link,
                            original_bytes: packet.original_bytes,
                            interface: packet.interface,
                            bytes: packet.bytes,
                        })?;
                    }
                    Content::UnknownLink(link) => unknown = unknown.or(Some(link)),
                    Content::Other => {}
                }
                length
            }
            Err(Trouble::Damaged(reason)) => return Err(input.error(&reason)),
            Err(Trouble::Short(_)) => {
                if input.fill()? {
                    continue;
                }
                if input.is_empty() && reader.may_end() {
                    break;
                }
                return Err(input.error(&"ends too early"));
            }
        };
        input.skip(length)?;
    }
    match unknown.filter(|_| !is_known) {
        Some(link) => Err(input.error(&format_args!("link type {link} is not known"))),
        None => Ok(()),
    }
}

impl<F: AsFd> Input<'_, F> {
    fn is_empty(&self) -> bool {
        self.used == self.buffer.len()
    }

    /// Appends more of the file to the buffer, and says whether there was more.
    fn fill(&mut self) -> Result<bool, Error> {
        self.buffer.drain(..self.used);
        self.used = 0;
        let read = sys::read(&self.fd, &mut self.buffer);
        read.map(|read| read > 0).map_err(|error| Error::system(self.name, error))
    }

    /// Leaves `length` bytes behind, in the buffer or not yet.
    fn skip(&mut self, mut length: u64) -> Result<(), Error> {
        let start = self.position;
        loop {
            let here = usize::try_from(length).unwrap_or(usize::MAX);
            let here = here.min(self.buffer.len() - self.used);
            self.used += here;
            self.position += here as u64;
            length -= here as u64;
            if length == 0 {
                return Ok(());
            }
            if !self.fill()? {
                self.position = start;
                return Err(self.error(&"ends too early"));
            }
        }
    }

    fn error(&self, reason: &dyn std::fmt::Display) -> Error {
        Error::failed(self.name, format_args!("at byte {}: {reason}", self.position))
    }
}
