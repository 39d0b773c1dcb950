//! The daemon's clients: many at once, each limited in memory and time.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::PollFlags;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};

use super::encode;
use super::ledger::dated;
use super::protocol::{self, Command, Received, Receiver};
use crate::sys::Moment;
use crate::track::Flows;

/// The most clients at once; a new one replaces the one that has been idle longest.
pub(super) const MOST: usize = 64;
/// How long a client may take to send its request.
const ASKING: Duration = Duration::from_secs(5);
/// How long it may read nothing of the answer: people look at it page by page.
const READING: Duration = Duration::from_secs(30);
/// How long it may take for the whole answer, however steadily it reads.
const ANSWER: Duration = Duration::from_secs(300);
/// How many bytes of flows are prepared at once; the next portion follows when these are read.
const PORTION: usize = 48 * 1024;

#[derive(Debug)]
enum State {
    /// It sends its request.
    Asking(Receiver),
    /// It receives the flows below this place, in descending order.
    Flows(usize),
    /// It waits for the end of the comparison with this number.
    Waiting(u64),
    /// It receives the rest of its answer.
    Ending,
    /// It waits until the daemon has ended.
    Staying,
}

#[derive(Debug)]
struct Client {
    fd: OwnedFd,
    state: State,
    out: Vec<u8>,
    sent: usize,
    /// When it connected, or last read something.
    since: Duration,
    /// When it connected, or what it waited for ended.
    begin: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Clients {
    list: Vec<Client>,
    /// Clients that connected.
    pub accepted: u64,
    /// Clients that were dropped because they were slow, or idle when another needed the place.
    pub dropped: u64,
    /// Malformed requests.
    pub bad: u64,
}

impl Clients {
    pub(super) fn len(&self) -> usize {
        self.list.len()
    }

    /// The sockets to poll, and for what.
    pub(super) fn wanted(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        self.list.iter().map(|client| {
            let wanted = match client.state {
                State::Asking(_) => PollFlags::IN,
                State::Flows(_) | State::Ending => PollFlags::OUT,
                State::Waiting(_) | State::Staying => PollFlags::empty(),
            };
            (client.fd.as_fd(), wanted)
        })
    }

    pub(super) fn accept(&mut self, fd: OwnedFd, clock: Duration) {
        self.accepted += 1;
        if self.list.len() >= MOST {
            self.make_room();
        }
        let state = State::Asking(Receiver::default());
        self.list.push(Client { fd, state, out: Vec::new(), sent: 0, since: clock, begin: clock });
    }

    /// Drops the client that has been idle longest, preferring those that have sent no request.
    pub(super) fn make_room(&mut self) {
        let idle = |client: &Client| (!matches!(client.state, State::Asking(_)), client.since);
        let oldest = (0..self.list.len()).min_by_key(|place| idle(&self.list[*place]));
        if let Some(oldest) = oldest {
            self.list.remove(oldest);
            self.dropped += 1;
        }
    }

    /// Drops clients that are too slow.
    pub(super) fn drop_slow(&mut self, clock: Duration) {
        let before = self.list.len();
        self.list.retain(|client| {
            let patience = match client.state {
                State::Asking(_) => ASKING,
                State::Flows(_) | State::Ending => READING,
                State::Waiting(_) | State::Staying => return true,
            };
            let is_late = clock.saturating_sub(client.begin) >= ANSWER;
            !is_late && clock.saturating_sub(client.since) < patience
        });
        self.dropped += (before - self.list.len()) as u64;
    }

    /// Continues with the client at `place`, whose socket is ready: reads its request, or writes to it.
    /// Returns the command when the request is complete.
    pub(super) fn go_on(&mut self, place: usize, flows: &Flows, now: Moment) -> Option<Command> {
        let client = self.list.get_mut(place)?;
        match &mut client.state {
            State::Asking(receiver) => {
                let mut bytes = [0u8; 512];
                let length = match rustix::net::recv(&client.fd, &mut bytes, RecvFlags::DONTWAIT) {
                    Ok((_, length)) if length > 0 => length,
                    Err(Errno::AGAIN | Errno::INTR) => return None,
                    // It has closed the connection, or will send no more.
                    _ => {
                        client.state = State::Ending;
                        return None;
                    }
                };
                match receiver.receive(bytes.get(..length).unwrap_or_default()) {
                    Received::Part => {}
                    Received::Whole(command) => return Some(command),
                    Received::Bad(reason) => {
                        self.bad += 1;
                        client.last(protocol::FAILED, reason.as_bytes());
                    }
                }
            }
            State::Flows(_) | State::Ending => client.write(flows, now),
            State::Waiting(_) | State::Staying => {
                // It is polled only for the end of its connection.
                client.state = State::Ending;
                client.out.clear();
            }
        }
        None
    }

    /// Closes the connections of clients that have received everything.
    pub(super) fn close_ended(&mut self) {
        self.list.retain(|client| !matches!(client.state, State::Ending) || !client.out.is_empty());
    }

    /// Answers the client at `place` with one frame and the last one.
    pub(super) fn answer(&mut self, place: usize, kind: u8, content: impl FnOnce(&mut Vec<u8>)) {
        if let Some(client) = self.list.get_mut(place) {
            protocol::frame(&mut client.out, kind, content);
            client.last(protocol::DONE, &[]);
        }
    }

    /// Answers the client with all flows.
    pub(super) fn answer_flows(&mut self, place: usize, flows: &Flows) {
        if let Some(client) = self.list.get_mut(place) {
            client.state = State::Flows(flows.places());
        }
    }

    /// Lets the client wait for comparison `number`.
    pub(super) fn wait(&mut self, place: usize, number: u64) {
        if let Some(client) = self.list.get_mut(place) {
            client.state = State::Waiting(number);
        }
    }

    /// Tells the client that the daemon will end, and lets it wait for that.
    pub(super) fn stay(&mut self, place: usize, flows: &Flows, now: Moment) {
        if let Some(client) = self.list.get_mut(place) {
            client.last(protocol::DONE, &[]);
            client.write(flows, now);
            client.state = State::Staying;
        }
    }

    /// Answers the clients that wait for comparison `number` or an earlier one.
    pub(super) fn compared(&mut self, number: u64, clock: Duration) {
        for client in &mut self.list {
            if matches!(client.state, State::Waiting(wanted) if wanted <= number) {
                (client.since, client.begin) = (clock, clock);
                client.last(protocol::DONE, &[]);
            }
        }
    }
}

impl Client {
    /// Appends the last frame of the answer.
    fn last(&mut self, kind: u8, content: &[u8]) {
        protocol::frame(&mut self.out, kind, |bytes| bytes.extend_from_slice(content));
        self.state = State::Ending;
    }

    /// Writes once, as much as the socket takes.
    fn write(&mut self, flows: &Flows, now: Moment) {
        if self.out.is_empty()
            && let State::Flows(place) = self.state
        {
            self.portion(place, flows, dated(now));
        }
        let rest = self.out.get(self.sent..).unwrap_or_default();
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match rustix::net::send(&self.fd, rest, flags) {
            Ok(length) => {
                self.sent += length;
                self.since = now.clock;
            }
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => {
                // The client no longer reads.
                self.state = State::Ending;
                self.sent = self.out.len();
            }
        }
        if self.sent >= self.out.len() {
            self.out.clear();
            self.sent = 0;
        }
    }

    /// Prepares the next portion of flows, from `place` down.
    fn portion(&mut self, place: usize, flows: &Flows, now_seconds: u32) {
        let mut payload = Vec::with_capacity(512);
        // Some may have ended meanwhile.
        let mut place = place.min(flows.places());
        while place > 0 && self.out.len() < PORTION {
            place -= 1;
            if let Some((flow, since)) = flows.at(place) {
                // In a buffer of its own, since attributes are aligned relative to its beginning.
                payload.clear();
                encode::flow(&mut payload, &flow);
                protocol::frame(&mut self.out, protocol::FLOW, |bytes| {
                    let age = now_seconds.saturating_sub(since);
                    bytes.extend_from_slice(&age.to_le_bytes());
                    bytes.extend_from_slice(&payload);
                });
            }
        }
        match place {
            0 => self.last(protocol::DONE, &[]),
            place => self.state = State::Flows(place),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io::{Read, Write};
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::applet::conntrackd::protocol::Frames;
    use crate::model::{Flow, Tuple};

    fn flow(number: u32) -> Flow<'static> {
        let orig = Tuple { source: std::net::Ipv4Addr::from(number).into(), ..Tuple::default() };
        Flow { orig, reply: orig, id: Some(number), ..Flow::default() }
    }

    /// A client of `clients`, which has asked for all flows.
    fn asking(clients: &mut Clients, flows: &Flows) -> UnixStream {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        clients.accept(ours.into(), Duration::ZERO);
        (&theirs).write_all(&protocol::request(Command::Flows)).unwrap();
        let place = clients.len() - 1;
        assert_eq!(clients.go_on(place, flows, Moment::default()), Some(Command::Flows));
        clients.answer_flows(place, flows);
        theirs
    }

    #[test]
    fn flows_are_made_as_they_are_read_and_none_that_stays_is_missed() {
        const FLOWS: u32 = 30_000;
        let mut flows = Flows::new(None);
        for number in 0..FLOWS {
            flows.lives(&flow(number), 0);
        }
        let mut clients = Clients::default();
        let mut theirs = asking(&mut clients, &flows);
        let mut idle = asking(&mut clients, &flows);
        let (mut frames, mut seen, mut is_done) = (Frames::default(), BTreeSet::new(), false);
        let mut gone = 0;
        while !is_done {
            for place in 0..2 {
                assert_eq!(clients.go_on(place, &flows, Moment::default()), None);
            }
            let most = clients.list.iter().map(|client| client.out.capacity()).max();
            assert!(most.unwrap() <= 128 * 1024);
            // Odd ones end meanwhile, and others begin.
            for _ in 0..50 {
                flows.ended(&flow(gone * 2 + 1), |_| ());
                flows.lives(&flow(FLOWS + gone), 0);
                gone += 1;
            }
            let mut bytes = [0; 32 * 1024];
            theirs.set_nonblocking(true).unwrap();
            let length = theirs.read(&mut bytes).unwrap_or_default();
            frames.buffer.extend_from_slice(&bytes[..length]);
            while let Some((kind, content)) = frames.next_frame().unwrap() {
                is_done |= kind == protocol::DONE;
                if kind == protocol::FLOW {
                    seen.insert(
                        crate::source::flows::conntrack::flow(&content[4..]).unwrap().id.unwrap(),
                    );
                }
            }
            frames.forget();
        }
        assert!((0..FLOWS).step_by(2).all(|number| seen.contains(&number)));
        // A client that does not read holds one portion, and is dropped after a while.
        clients.close_ended();
        assert_eq!(clients.len(), 1);
        clients.drop_slow(READING);
        assert_eq!((clients.len(), clients.dropped), (0, 1));
        idle.set_nonblocking(false).unwrap();
        assert!(idle.read(&mut [0; 16]).unwrap() > 0);
    }

    #[test]
    fn a_steady_reader_has_a_deadline_too() {
        let mut flows = Flows::new(None);
        for number in 0..30_000 {
            flows.lives(&flow(number), 0);
        }
        let mut clients = Clients::default();
        let mut theirs = asking(&mut clients, &flows);
        // A little every second.
        let last = (0..).find(|second| {
            let clock = Duration::from_secs(*second);
            clients.drop_slow(clock);
            let _ = clients.go_on(0, &flows, Moment { clock, ..Moment::default() });
            theirs.set_nonblocking(true).unwrap();
            let _ = theirs.read(&mut [0; 4096]);
            clients.len() == 0
        });
        assert_eq!((last, clients.dropped), (Some(300), 1));
        // Time that it waits for a comparison does not count.
        let _theirs = asking(&mut clients, &flows);
        clients.wait(0, 1);
        let clock = ANSWER * 2;
        clients.drop_slow(clock);
        clients.compared(1, clock);
        clients.drop_slow(clock + READING / 2);
        assert_eq!(clients.len(), 1);
        clients.drop_slow(clock + READING);
        assert_eq!(clients.len(), 0);
    }

    #[test]
    fn the_one_that_has_not_asked_makes_room_first() {
        let flows = Flows::new(None);
        let mut clients = Clients::default();
        let served = asking(&mut clients, &flows);
        let silent: Vec<_> = (1..=MOST)
            .map(|second| {
                let (ours, theirs) = UnixStream::pair().unwrap();
                clients.accept(ours.into(), Duration::from_secs(second as u64));
                theirs
            })
            .collect();
        assert_eq!((clients.len(), clients.dropped), (MOST, 1));
        assert_eq!((&silent[0]).read(&mut [0; 1]).unwrap(), 0);
        assert!(matches!(clients.list[0].state, State::Flows(_)));
        clients.drop_slow(Duration::from_secs(7));
        assert_eq!((clients.len(), clients.dropped), (MOST - 1, 2));
        drop(served);
    }
}
