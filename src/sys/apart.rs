//! A file that another process writes, so that this one can give up the right to write any.
//!
//! The other process is begun before that. It gets nothing but bytes for this file, and the word that they are all.

use std::os::fd::OwnedFd;

use rustix::io::{Errno, read};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

use super::place::PathError;
use super::{AtomicFile, write_all};

/// A file that is being written.
#[derive(Debug)]
pub enum Written {
    Here(Box<AtomicFile>),
    /// By the process at the other end of this socket.
    Apart(OwnedFd),
}

/// How many bytes are handed over at once. Each portion is answered by an error number, or 0.
const PORTION: usize = 64 * 1024;
/// The length that stands for the end.
const THE_END: u32 = 0;
const GONE: PathError = PathError::Ours("the process that writes it was ended; try again");

impl Written {
    /// Lets another process write the file. There must be no other threads.
    ///
    /// # Errors
    /// If there can be no more processes or descriptors.
    pub fn apart(file: AtomicFile) -> Result<Written, Errno> {
        let (ours, theirs) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::STREAM,
            SocketFlags::CLOEXEC,
            None,
        )?;
        if super::fork()?.is_some() {
            file.leave();
            return Ok(Written::Apart(ours));
        }
        drop(ours);
        // An error of the socket means that nobody waits any more.
        let _ = serve(file, &theirs);
        super::end_child()
    }

    pub fn write(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        match self {
            Written::Here(file) => Ok(file.write(bytes)?),
            Written::Apart(socket) => {
                bytes.chunks(PORTION).try_for_each(|portion| ask(socket, portion))
            }
        }
    }

    /// Puts the file under its name.
    ///
    /// # Errors
    /// The old file then stays as it was.
    pub fn finish(self) -> Result<(), PathError> {
        match self {
            Written::Here(file) => Ok(file.finish()?),
            Written::Apart(socket) => ask(&socket, &[]),
        }
    }
}

/// Hands a portion over, or says that there is no more, and waits for the answer.
fn ask(socket: &OwnedFd, portion: &[u8]) -> Result<(), PathError> {
    let mut answer = [0; 4];
    write_all(socket, &(portion.len() as u32).to_ne_bytes())
        .and_then(|()| write_all(socket, portion))
        .and_then(|()| fill(socket, &mut answer))
        .map_err(|_| GONE)?;
    match i32::from_ne_bytes(answer) {
        0 => Ok(()),
        number => Err(Errno::from_raw_os_error(number).into()),
    }
}

/// Writes what is handed over. A file whose end is not told is left out.
fn serve(mut file: AtomicFile, socket: &OwnedFd) -> Result<(), Errno> {
    let answer = |result: Result<(), Errno>| {
        write_all(socket, &result.err().map_or(0, Errno::raw_os_error).to_ne_bytes())
    };
    let (mut length, mut portion) = ([0; 4], vec![0; PORTION]);
    loop {
        fill(socket, &mut length)?;
        let length = u32::from_ne_bytes(length);
        if length == THE_END {
            return answer(file.finish());
        }
        let portion = portion.get_mut(..length as usize).ok_or(Errno::MSGSIZE)?;
        fill(socket, portion)?;
        answer(file.write(portion))?;
    }
}

fn fill(socket: &OwnedFd, mut bytes: &mut [u8]) -> Result<(), Errno> {
    while !bytes.is_empty() {
        match read(socket, &mut *bytes) {
            Ok(0) => return Err(Errno::PIPE),
            Ok(count) => bytes = bytes.get_mut(count..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
