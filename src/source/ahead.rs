//! Datagrams that a thread receives ahead: while one is parsed, the kernel prepares the next.

use std::panic;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::{self, JoinHandle};

use rustix::io::Errno;

use super::netlink::{Exchange, Messages, Wait};
use crate::sys::{DATAGRAM_BYTES, Netlink};
use crate::wire::netlink;

/// After this many datagrams, the answer is long enough to be worth a thread: they hold some thousand flows,
/// which take ten milliseconds.
const WORTH_THREAD: usize = 32;
/// How many datagrams may wait to be parsed.
const MOST_WAITING: usize = 4;

/// A socket whose last datagram can be kept without copying it.
pub trait Kept: Exchange + Send + 'static {
    /// Swaps the last datagram with another buffer.
    fn swap(&mut self, datagram: &mut Vec<u8>);
}

impl Kept for Netlink {
    fn swap(&mut self, datagram: &mut Vec<u8>) {
        Netlink::swap(self, datagram);
    }
}

/// A socket that is read ahead once an answer turns out to be long.
#[derive(Debug)]
pub struct Ahead<K> {
    /// The socket, while no thread has it.
    kernel: Option<K>,
    line: Option<Line<K>>,
    /// After how many datagrams a thread starts, and how many have been received.
    worth_thread: usize,
    count: usize,
}

/// The channels from and to the thread.
#[derive(Debug)]
struct Line<K> {
    /// The datagram that is being parsed.
    now: Vec<u8>,
    full: Receiver<Result<Vec<u8>, Errno>>,
    empty: SyncSender<Vec<u8>>,
    thread: JoinHandle<Option<K>>,
}

impl<K: Kept> Ahead<K> {
    /// Reads `kernel` ahead if `threads` allows a second thread.
    pub fn new(kernel: K, threads: usize) -> Ahead<K> {
        let worth_thread = if threads > 1 { WORTH_THREAD } else { usize::MAX };
        Ahead { kernel: Some(kernel), line: None, worth_thread, count: 0 }
    }

    /// Starts the thread that receives from now on, if the system allows one.
    fn start(&mut self) {
        let (hand_over, take_over) = sync_channel(1);
        let (fill, full) = sync_channel(MOST_WAITING);
        let (empty, refill) = sync_channel(MOST_WAITING);
        let work = move || {
            let mut kernel: K = take_over.recv().ok()?;
            receive_all(&mut kernel, &fill, &refill);
            Some(kernel)
        };
        let Ok(thread) = thread::Builder::new().spawn(work) else { return };
        // The thread is waiting for the socket.
        self.kernel.take().into_iter().for_each(|kernel| drop(hand_over.send(kernel)));
        for _ in 0..MOST_WAITING {
            let _ = empty.send(Vec::with_capacity(DATAGRAM_BYTES));
        }
        self.line = Some(Line { now: Vec::new(), full, empty, thread });
    }

    /// The socket, once the thread has ended, if there was one.
    fn here(&mut self) -> Result<&mut K, Errno> {
        if let Some(Line { full, empty, thread, .. }) = self.line.take() {
            drop((full, empty));
            self.kernel = thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic));
            self.count = 0;
        }
        self.kernel.as_mut().ok_or(Errno::BADF)
    }
}

/// Receives until the answer ends, or until the receiver is dropped.
fn receive_all(
    kernel: &mut impl Kept,
    fill: &SyncSender<Result<Vec<u8>, Errno>>,
    refill: &Receiver<Vec<u8>>,
) {
    for mut room in refill {
        let received = loop {
            match kernel.receive(Wait::Yes) {
                Err(Errno::INTR) => {}
                received => break received.map(is_last),
            }
        };
        let is_over = received.unwrap_or(true);
        let datagram = received.map(|_| {
            kernel.swap(&mut room);
            room
        });
        if fill.send(datagram).is_err() || is_over {
            break;
        }
    }
}

/// Whether the answer ends in this datagram.
fn is_last(datagram: &[u8]) -> bool {
    let ends = |kind| matches!(kind, netlink::DONE | netlink::ERROR);
    netlink::messages(datagram).any(|message| message.is_none_or(|message| ends(message.kind)))
}

impl<K> Line<K> {
    /// Waits for the next datagram; false if the thread has sent its last.
    fn advance(&mut self, wait: Wait) -> Result<bool, Errno> {
        if self.now.capacity() > 0 {
            // If the thread has ended, the buffer is not needed.
            let _ = self.empty.send(std::mem::take(&mut self.now));
        }
        let received = match wait {
            Wait::Yes => self.full.recv().ok(),
            Wait::No => match self.full.try_recv() {
                Err(TryRecvError::Empty) => return Err(Errno::AGAIN),
                received => received.ok(),
            },
        };
        let Some(received) = received else { return Ok(false) };
        self.now = received?;
        Ok(true)
    }
}

impl<K: Kept> Messages for Ahead<K> {
    fn receive(&mut self, wait: Wait) -> Result<&[u8], Errno> {
        self.count += 1;
        if self.line.is_none() && self.count > self.worth_thread {
            self.start();
        }
        let is_there = match &mut self.line {
            Some(line) => line.advance(wait)?,
            None => false,
        };
        if !is_there {
            return self.here()?.receive(wait);
        }
        Ok(self.line.as_ref().map_or(&[], |line| &line.now))
    }
}

impl<K: Kept> Exchange for Ahead<K> {
    fn send(&mut self, request: &[u8]) -> Result<(), Errno> {
        self.count = 0;
        self.here()?.send(request)
    }

    fn number(&mut self) -> u32 {
        self.here().map_or(0, Exchange::number)
    }

    fn port(&self) -> Option<u32> {
        self.kernel.as_ref()?.port()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::netlink::{Answers, CTNETLINK, Failure};

    /// Answers with datagrams of one number each; the last may be an error.
    #[derive(Debug)]
    struct Script {
        left: u8,
        end: Result<i32, Errno>,
        sent: u8,
        datagram: Vec<u8>,
    }

    fn message(kind: u16, payload: [u8; 4]) -> Vec<u8> {
        let head = [20u32.to_ne_bytes(), [kind.to_ne_bytes(), [2, 0]].concat().try_into().unwrap()];
        [head.concat(), 1u32.to_ne_bytes().into(), vec![0; 4], payload.into()].concat()
    }

    impl Messages for Script {
        fn receive(&mut self, _: Wait) -> Result<&[u8], Errno> {
            self.datagram = match (self.left, self.end) {
                (0, Ok(status)) => message(netlink::DONE, status.to_ne_bytes()),
                (0, Err(errno)) => return Err(errno),
                (left, _) => message(100, [left, 0, 0, 0]),
            };
            self.left = self.left.saturating_sub(1);
            Ok(&self.datagram)
        }
    }

    impl Exchange for Script {
        fn send(&mut self, _: &[u8]) -> Result<(), Errno> {
            self.left = 9 + self.sent;
            self.sent += 1;
            Ok(())
        }

        fn number(&mut self) -> u32 {
            1
        }
    }

    impl Kept for Script {
        fn swap(&mut self, datagram: &mut Vec<u8>) {
            std::mem::swap(&mut self.datagram, datagram);
        }
    }

    /// The numbers received, and how the dump ended.
    fn asked(kernel: &mut Ahead<Script>, most: usize) -> (Vec<u8>, Result<(), String>) {
        let mut numbers = Vec::new();
        let result = Answers::of(CTNETLINK).ask(kernel, Vec::new(), |message| {
            numbers.push(message.payload[0]);
            let is_enough = numbers.len() == most;
            Some(if is_enough { Err(crate::error::Error::ClosedPipe) } else { Ok(()) })
        });
        (
            numbers,
            result.map_err(|failure| match failure {
                Failure::Refused(refusal) => format!("{}", refusal.errno.raw_os_error()),
                Failure::Stopped(error) => format!("{error:?}"),
            }),
        )
    }

    #[test]
    fn a_thread_gives_what_comes_without_it() {
        let run = |worth_thread, end, most| {
            let kernel = Script { left: 0, end, sent: 0, datagram: Vec::new() };
            let mut kernel = Ahead { worth_thread, ..Ahead::new(kernel, 1) };
            [asked(&mut kernel, most), asked(&mut kernel, most)]
        };
        for end in [Ok(0), Ok(-1), Err(Errno::NOBUFS)] {
            for most in [usize::MAX, 1, 5] {
                let alone = run(usize::MAX, end, most);
                assert!(most == 1 || alone[0].0.starts_with(&[9, 8, 7, 6, 5]), "{alone:?}");
                for worth_thread in [0, 3, 9, 10, 11] {
                    assert_eq!(run(worth_thread, end, most), alone, "{worth_thread} {end:?}");
                }
            }
        }
    }
}
