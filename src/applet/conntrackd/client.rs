//! The client of the daemon: `-s`, `-i`, `-R` and `-k`.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::io::Errno;

use super::layout;
use super::log_rows::{self, LISTED};
use super::protocol::{self, Command, Frames};
use super::statistics::{ABSENT, NumberKind, Numbers};
use super::{EXPECT, STATISTICS};
use crate::error::{self, Error};
use crate::flow::row::Rows;
use crate::flow::{self, Parts};
use crate::frame::{Call, Sample};
use crate::model::Flow;
use crate::out::{Format, Value};
use crate::source::flows::conntrack;
use crate::source::flows::labels::Labels;
use crate::sys::{self, daemon};

/// How many bytes of an answer are read at once.
const READ_BYTES: usize = 64 * 1024;

/// Takes the kind and the content of a frame.
type Each<'a> = dyn FnMut(u8, &[u8]) -> Result<(), Error> + 'a;

/// Sends a command, and calls `each` with the frames of the answer. Returns the connection.
fn ask(socket: &Path, command: Command, each: &mut Each<'_>) -> Result<OwnedFd, Error> {
    let name = socket.as_os_str().as_bytes();
    let fd = daemon::connect(socket).map_err(|error| match error {
        Errno::NOENT | Errno::CONNREFUSED => {
            let reason = error::reason(error);
            Error::failed(
                name,
                [&reason, " (no daemon is running: conntrackd -d starts one)"].concat(),
            )
        }
        error => Error::refused(name, error, "to run as the daemon's user or as root"),
    })?;
    daemon::check_peer(&fd, socket)?;
    let failed = |error| Error::system(name, error);
    // Even if the daemon did not read the whole request, its answer is read.
    let sent = sys::write_all(&fd, &protocol::request(command));
    let mut frames = Frames::default();
    loop {
        frames.buffer.reserve(READ_BYTES);
        match sys::read(&fd, &mut frames.buffer) {
            Ok(0) => return Err(Error::failed(name, "the daemon ended before it had answered")),
            Ok(_) => {}
            Err(error) => return Err(failed(sent.err().unwrap_or(error))),
        }
        while let Some((kind, content)) =
            frames.next_frame().map_err(|reason| Error::failed(name, reason))?
        {
            match kind {
                protocol::DONE => return Ok(fd),
                protocol::FAILED => {
                    return Err(Error::failed(name, String::from_utf8_lossy(content)));
                }
                kind => each(kind, content)?,
            }
        }
        frames.forget();
    }
}

fn strange(socket: &Path) -> Error {
    let name = socket.as_os_str().as_bytes();
    Error::failed(name, "the daemon has another version: restart it")
}

/// Shows the statistics: the layout of a topic, or rows.
pub(super) fn statistics(call: &mut Call, socket: &Path, topic: &'static str) -> Result<(), Error> {
    let format = call.common().style.format;
    call.table(&STATISTICS, &[], &mut |Sample { out, .. }: Sample<'_>| {
        let mut numbers = None;
        ask(socket, Command::Statistics, &mut |kind, content| {
            if kind == protocol::NUMBERS {
                numbers = Numbers::read(content);
            }
            Ok(())
        })?;
        let numbers = numbers.ok_or_else(|| strange(socket))?;
        if out.is_original() {
            return out.text(&layout::text(topic, &numbers));
        }
        for ((section, name, kind), number) in numbers.iter() {
            let value = match kind {
                NumberKind::Level if number == ABSENT => Value::Absent,
                NumberKind::Level => Value::Level(number.into()),
                NumberKind::Count => Value::Int(number.into()),
                // Prometheus computes rates itself.
                NumberKind::Rate if format == Format::Prometheus => continue,
                NumberKind::Rate => Value::Millis(number.into()),
            };
            out.row([Value::Word(section), Value::Word(name), value])?;
        }
        Ok(())
    })
}

/// Shows the flows that the daemon knows; it knows no expectations.
pub(super) fn flows(
    call: &mut Call,
    socket: &Path,
    topic: &'static str,
    is_xml: bool,
) -> Result<(), Error> {
    call.table(&LISTED, &[], &mut |Sample { source, out, .. }: Sample<'_>| {
        let (mut rows, labels) = (Rows::default(), Labels::read(&source.kernel)?);
        let mut text = Vec::new();
        let now = u64::try_from(sys::unix_milliseconds() / 1000).unwrap_or_default();
        let parts = Parts { now_seconds: now, ..Parts::default() };
        ask(socket, Command::Flows, &mut |kind, content| {
            let (protocol::FLOW, false) = (kind, topic == EXPECT) else { return Ok(()) };
            let (age, payload) = content.split_first_chunk::<4>().ok_or_else(|| strange(socket))?;
            let age = u32::from_le_bytes(*age);
            let flow = conntrack::flow(payload).ok_or_else(|| strange(socket))?;
            if !out.is_original() {
                return out.row(log_rows::listed(age, &rows.values(&flow, &labels)));
            }
            text.clear();
            listed(&mut text, &flow, (age, is_xml), &parts);
            out.text(&text)
        })
        .map(|_| ())
    })
}

/// Appends a flow as conntrackd lists it: without values that change from moment to moment.
fn listed(text: &mut Vec<u8>, known: &Flow<'_>, (age, is_xml): (u32, bool), parts: &Parts<'_>) {
    let mark = known.mark.filter(|mark| *mark != 0);
    let shown = Flow { timeout_seconds: None, uses: None, traffic: [None; 2], mark, ..*known };
    if is_xml {
        flow::xml(text, &shown, parts, None);
    } else {
        flow::line(text, &shown, parts);
        text.extend_from_slice(b" [active since ");
        text.extend_from_slice(itoa::Buffer::new().format(age).as_bytes());
        text.extend_from_slice(b"s]");
    }
    text.push(b'\n');
}

/// Has the daemon compare with the kernel's table, and waits until that has ended.
pub(super) fn resync(socket: &Path) -> Result<(), Error> {
    ask(socket, Command::Reconcile, &mut |_, _| Ok(())).map(|_| ())
}

/// Stops the daemon, and waits until it has ended.
pub(super) fn stop(socket: &Path) -> Result<(), Error> {
    let fd = ask(socket, Command::Stop, &mut |_, _| Ok(()))?;
    let mut rest = Vec::with_capacity(16);
    while matches!(sys::read(&fd, &mut rest), Ok(length) if length > 0) {
        rest.clear();
    }
    Ok(())
}

/// Shows an empty table, in every format.
pub(super) fn nothing(call: &mut Call) -> Result<(), Error> {
    call.table(&LISTED, &[], &mut |_: Sample<'_>| Ok(()))
}
