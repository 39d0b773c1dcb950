//! `--test`: the sockets of a recorded run of Linuxfabrik's plugin.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use rustix::io::Errno;
use serde_json::Value;

use super::counts::{Counts, Selection, TYPES};
use super::text::refuse_clash;
use crate::error::Error;
use crate::sys;
use crate::wire::text;

impl Counts {
    /// Counts the sockets of `--test`: a recorded run of Linuxfabrik's plugin.
    ///
    /// # Errors
    /// If the files cannot be read, have another content, or record a failure.
    pub(super) fn read_test(&mut self, test: &OsStr, wanted: &Selection) -> Result<(), Error> {
        let parts: Vec<&[u8]> =
            test.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii).collect();
        let part = |place: usize| parts.get(place).copied().unwrap_or_default();
        let status = if part(2).is_empty() { Some(0) } else { text::number(part(2)) };
        let Some(status) = status.filter(|_| parts.len() <= 3) else {
            let reason = "needs two files and a number: STDOUT,STDERR,STATUS";
            return Err(Error::usage("--test", reason));
        };
        let said = match contents(part(1)) {
            Err(Errno::FBIG) => return Err(unread(part(1), Errno::FBIG)),
            said => said.unwrap_or_else(|_| part(1).to_vec()),
        };
        match (status, first_line(&said)) {
            (0, None) => self.read_json(part(0), wanted),
            (_, Some(line)) => {
                let line = String::from_utf8_lossy(line).into_owned();
                Err(Error::failed("--test", format_args!("the recorded run said: {line}")))
            }
            (status, None) => Err(Error::failed(
                "--test",
                format_args!("the recorded run ended with status {status}"),
            )),
        }
    }

    fn read_json(&mut self, name: &[u8], wanted: &Selection) -> Result<(), Error> {
        if name.is_empty() {
            return Err(Error::usage("--test", "needs a file of sockets"));
        }
        // The original takes a text that is not a file as the list itself.
        let text = match contents(name) {
            Err(_) if name.starts_with(b"[") => name.to_vec(),
            text => text.map_err(|error| unread(name, error))?,
        };
        const SHAPE: &str = "is not a JSON list of objects with proto and status";
        let list: Value = serde_json::from_slice(&text).map_err(|error| {
            Error::failed([name, format!(":{}", error.line()).as_bytes()].concat(), SHAPE)
        })?;
        let objects = list.as_array().ok_or_else(|| Error::failed(name, SHAPE))?;
        for object in objects {
            let word = |key| object.get(key).and_then(Value::as_str);
            let kind = word("proto").and_then(|proto| TYPES.iter().position(|one| *one == proto));
            let reason = match (kind, word("status")) {
                _ if !object.is_object() => SHAPE,
                (Some(kind), Some(status)) => {
                    if wanted.has(kind, status) {
                        self.add(kind, status, 1);
                    }
                    continue;
                }
                (None, _) => "a proto is not one of tcp, tcp6, udp, udp6",
                (_, None) => "an object has no status",
            };
            return Err(Error::failed(name, reason));
        }
        refuse_clash(name, &self.sorted())
    }
}

/// The content of a file; an empty name is an empty file.
///
/// # Errors
/// `FBIG` if it is longer than some hundred thousand sockets.
fn contents(name: &[u8]) -> Result<Vec<u8>, Errno> {
    const MOST_BYTES: usize = 16 << 20;
    if name.is_empty() {
        return Ok(Vec::new());
    }
    sys::open_input(OsStr::from_bytes(name)).and_then(|file| sys::read_all(file, MOST_BYTES))
}

fn unread(name: &[u8], error: Errno) -> Error {
    match error {
        Errno::FBIG => Error::failed(name, "is longer than 16 MiB, the most that --test reads"),
        error => Error::system(name, error),
    }
}

/// The first line of a text, if the text is not blank.
fn first_line(text: &[u8]) -> Option<&[u8]> {
    text.trim_ascii().split(|byte| *byte == b'\n').next().filter(|line| !line.is_empty())
}
