//! The protocol between the daemon and its clients: pure, so that it can be fuzzed. A frame is a length of
//! four bytes, little-endian, and that number of bytes. A client sends one frame, a request of two bytes:
//! the version and the command. The daemon answers with frames, whose first byte is the kind, until
//! [`DONE`] or [`FAILED`], and closes the connection.

/// The version of the protocol, so that a daemon not restarted after an update can say so.
pub const VERSION: u8 = 2;
/// The size of the longest frame, without its length.
pub const LONGEST: usize = 64 * 1024;
/// The size of a length.
const LENGTH: usize = 4;
/// The size of a request, without its length.
const REQUEST: usize = 2;

/// A frame with the numbers of the statistics: eight bytes each, little-endian.
pub const NUMBERS: u8 = 1;
/// A frame with a flow: for how many seconds the daemon has known it (four bytes, little-endian), then the
/// payload of a ctnetlink message.
pub const FLOW: u8 = 2;
/// The last frame of a complete answer.
pub const DONE: u8 = 3;
/// The last frame of a failure, with the reason.
pub const FAILED: u8 = 4;

/// The commands of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    Statistics,
    Flows,
    /// Compare with the kernel's table now; the answer comes when that has ended.
    Reconcile,
    Stop,
}

const COMMANDS: [Command; 4] =
    [Command::Statistics, Command::Flows, Command::Reconcile, Command::Stop];

/// The request as a frame.
pub fn request(command: Command) -> Vec<u8> {
    let number = COMMANDS.iter().position(|other| *other == command).unwrap_or_default();
    let mut bytes = Vec::new();
    frame(&mut bytes, VERSION, |bytes| bytes.push(number as u8));
    bytes
}

/// Collects a request that arrives in pieces.
#[derive(Clone, Copy, Debug, Default)]
pub struct Receiver {
    bytes: [u8; LENGTH + REQUEST],
    length: usize,
}

/// The progress of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    Part,
    Whole(Command),
    /// It is not a request, for this reason.
    Bad(&'static str),
}

impl Receiver {
    /// Takes bytes as they come. A wrong beginning is refused at once, and so are bytes after a request.
    pub fn receive(&mut self, bytes: &[u8]) -> Received {
        let room = &mut self.bytes[self.length..];
        let count = room.len().min(bytes.len());
        room[..count].copy_from_slice(&bytes[..count]);
        self.length += count;
        let wanted = (REQUEST as u32).to_le_bytes();
        let known = self.length.min(LENGTH);
        if self.bytes[..known] != wanted[..known] || count < bytes.len() {
            return Received::Bad("not a request");
        }
        if self.length > LENGTH && self.bytes[LENGTH] != VERSION {
            return Received::Bad("the daemon has another version: restart it");
        }
        match self.bytes.get(LENGTH + 1) {
            Some(number) if self.length == self.bytes.len() => {
                match COMMANDS.get(usize::from(*number)) {
                    Some(command) => Received::Whole(*command),
                    None => Received::Bad("no such command"),
                }
            }
            _ => Received::Part,
        }
    }
}

/// Appends a frame of this kind; `content` appends the rest.
pub fn frame(buffer: &mut Vec<u8>, kind: u8, content: impl FnOnce(&mut Vec<u8>)) {
    let start = buffer.len();
    buffer.extend_from_slice(&[0; LENGTH]);
    buffer.push(kind);
    content(buffer);
    let length = buffer.len() - start - LENGTH;
    debug_assert!(length <= LONGEST);
    let length = u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes();
    buffer[start..start + LENGTH].copy_from_slice(&length);
}

/// Collects an answer that arrives in pieces.
#[derive(Debug, Default)]
pub struct Frames {
    /// The received bytes; the caller appends to it.
    pub buffer: Vec<u8>,
    used: usize,
}

impl Frames {
    /// The kind and the content of the next complete frame; `None` if more must be read first.
    ///
    /// # Errors
    /// If the bytes are not an answer of the daemon.
    pub fn next_frame(&mut self) -> Result<Option<(u8, &[u8])>, &'static str> {
        let rest = &self.buffer[self.used..];
        let Some((length, rest)) = rest.split_first_chunk::<LENGTH>() else { return Ok(None) };
        let length = usize::try_from(u32::from_le_bytes(*length)).unwrap_or(usize::MAX);
        if !(1..=LONGEST).contains(&length) {
            return Err("the answer is not one of connbox's conntrackd");
        }
        let Some(content) = rest.get(..length) else { return Ok(None) };
        self.used += LENGTH + length;
        Ok(content.split_first().map(|(kind, content)| (*kind, content)))
    }

    /// Discards the frames that were returned, to make room.
    pub fn forget(&mut self) {
        self.buffer.drain(..self.used);
        self.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_may_come_in_any_pieces() {
        for command in COMMANDS {
            let bytes = request(command);
            for cut in 0..bytes.len() {
                let mut receiver = Receiver::default();
                assert_eq!(receiver.receive(&bytes[..cut]), Received::Part);
                assert_eq!(receiver.receive(&bytes[cut..]), Received::Whole(command));
                assert!(matches!(receiver.receive(b"x"), Received::Bad(_)));
            }
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let good = request(Command::Stop);
        for place in 0..good.len() {
            for byte in 0..=255 {
                let mut bad = good.clone();
                bad[place] = byte;
                let received = Receiver::default().receive(&bad);
                let is_other = place == 5 && usize::from(byte) < COMMANDS.len();
                let is_whole = bad == good || is_other;
                assert_eq!(matches!(received, Received::Whole(_)), is_whole, "{bad:?}");
                assert_ne!(received, Received::Part);
            }
        }
        assert!(matches!(Receiver::default().receive(b"GET / HTTP/1.0"), Received::Bad(_)));
        assert!(matches!(Receiver::default().receive(&[0xff]), Received::Bad(_)));
    }

    #[test]
    fn frames_come_as_they_were_sent() {
        let mut sent = Vec::new();
        frame(&mut sent, NUMBERS, |bytes| bytes.extend_from_slice(&[7; 300]));
        frame(&mut sent, DONE, |_| {});
        let mut frames = Frames::default();
        let mut seen = Vec::new();
        for byte in sent {
            frames.buffer.push(byte);
            while let Some((kind, content)) = frames.next_frame().unwrap() {
                seen.push((kind, content.len()));
            }
            frames.forget();
        }
        assert_eq!(seen, [(NUMBERS, 300), (DONE, 0)]);
        for length in [0u32, LONGEST as u32 + 1, u32::MAX] {
            let mut frames = Frames { buffer: length.to_le_bytes().to_vec(), used: 0 };
            assert!(frames.next_frame().is_err());
        }
    }
}
