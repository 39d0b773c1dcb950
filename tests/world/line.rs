//! One TCP connection over the TUN device, brought to any state.
//!
//! `TCP_REPAIR` makes the socket ESTABLISHED without a handshake, with sequence numbers of our choice. From
//! then on it uses the kernel's ordinary code: we shut it down and write the segments of its peer, and each
//! state follows from the one before.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::OwnedFd;

use rustix::net::{
    AddressFamily, Shutdown, SocketFlags, SocketType, bind, connect, shutdown, socket_with,
};

use super::link::{ACK, FIN, HERE4, HERE6, PEER4, PEER6, RST, SYN, Segment, Tun};
use super::{State, sys, wait_until};

/// The port of the peer that does not exist.
const PEER_PORT: u16 = 7;
/// Our initial sequence number.
const OURS: u32 = 1_000_000;
/// The peer's initial sequence number.
const THEIRS: u32 = 2_000_000;

/// The kind of a socket: its family, and whether its packets are IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    V4,
    V6,
    /// AF_INET6 with IPv4 addresses, such as `::ffff:198.18.0.1`.
    Mapped,
}

impl Kind {
    pub const fn family(self) -> AddressFamily {
        if matches!(self, Self::V4) { AddressFamily::INET } else { AddressFamily::INET6 }
    }

    pub const fn sends_v6(self) -> bool {
        matches!(self, Self::V6)
    }

    /// `v4` or `v6`, in the form that a socket of this kind uses.
    pub fn pick(self, v4: impl Into<IpAddr>, v6: impl Into<IpAddr>) -> IpAddr {
        match (self, v4.into()) {
            (Self::V6, _) => v6.into(),
            (Self::Mapped, IpAddr::V4(v4)) => v4.to_ipv6_mapped().into(),
            (_, v4) => v4,
        }
    }

    /// Our end of a line.
    fn here(self, port: u16) -> SocketAddr {
        SocketAddr::new(self.pick(HERE4, HERE6), port)
    }

    /// The end of a line where no one answers.
    pub fn peer(self) -> SocketAddr {
        SocketAddr::new(self.pick(PEER4, PEER6), PEER_PORT)
    }
}

pub struct Line {
    kind: Kind,
    port: u16,
    /// None once the socket is an orphan.
    socket: Option<OwnedFd>,
    /// Whether the peer has sent a FIN or a SYN, which makes its sequence number one higher.
    has_moved: bool,
}

impl Line {
    /// Makes a line from our `port` and brings it to `state`.
    pub fn make(tun: &Tun, kind: Kind, port: u16, state: State) -> io::Result<Self> {
        let mut line = Self { kind, port, socket: None, has_moved: false };
        line.socket = Some(line.bound()?);
        match state {
            State::SYN_SENT => line.call()?,
            State::SYN_RECV => line.call_one_who_calls(tun)?,
            _ => {
                line.establish()?;
                line.walk(tun, state)?;
            }
        }
        Ok(line)
    }

    /// Closes the socket; the kernel then handles the rest.
    pub fn abandon(&mut self) {
        self.socket = None;
    }

    /// Lets the peer reset the connection, which removes it from the kernel with or without an owner.
    ///
    /// Otherwise an orphan would hold its network namespace for minutes, until its timers give up.
    pub fn reset(&self, tun: &Tun) {
        self.hear(tun, RST | ACK, OURS + 1);
    }

    /// A socket bound to our end.
    fn bound(&self) -> io::Result<OwnedFd> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(self.kind.family(), SocketType::STREAM, flags, None)?;
        bind(&socket, &self.kind.here(self.port))?;
        Ok(socket)
    }

    /// The socket of a line that still has one.
    fn socket(&self) -> &OwnedFd {
        self.socket.as_ref().expect("the line has a socket")
    }

    /// Sends a SYN that no one answers.
    fn call(&self) -> io::Result<()> {
        match connect(self.socket(), &self.kind.peer()) {
            Err(rustix::io::Errno::INPROGRESS) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Opens the connection while the peer opens it, too: the only way to SYN_RECV for a socket that was not
    /// accepted.
    fn call_one_who_calls(&mut self, tun: &Tun) -> io::Result<()> {
        self.call()?;
        self.hear(tun, SYN, 0);
        // A SYN takes a sequence number, like a FIN.
        self.has_moved = true;
        self.await_state(State::SYN_RECV)
    }

    /// Makes the socket ESTABLISHED without a packet.
    fn establish(&self) -> io::Result<()> {
        const OFF_WITHOUT_A_PROBE: i32 = -1;
        const RECEIVED: i32 = 1;
        const SENT: i32 = 2;
        let set = |name, value: i32| sys::set_option(self.socket(), libc::IPPROTO_TCP, name, value);
        set(libc::TCP_REPAIR, 1)?;
        for (queue, first) in [(SENT, OURS), (RECEIVED, THEIRS)] {
            set(libc::TCP_REPAIR_QUEUE, queue)?;
            set(libc::TCP_QUEUE_SEQ, first as i32)?;
        }
        connect(self.socket(), &self.kind.peer())?;
        // struct tcp_repair_window. Without a window from the peer, our FIN would wait in the queue.
        let window = [THEIRS, 0xffff, 0xffff, 0xffff, THEIRS];
        sys::set_option(self.socket(), libc::IPPROTO_TCP, libc::TCP_REPAIR_WINDOW, window)?;
        set(libc::TCP_REPAIR, OFF_WITHOUT_A_PROBE)
    }

    /// Takes an ESTABLISHED line to `state`.
    fn walk(&mut self, tun: &Tun, state: State) -> io::Result<()> {
        match state {
            State::ESTABLISHED => Ok(()),
            State::FIN_WAIT1 => Ok(shutdown(self.socket(), Shutdown::Write)?),
            State::FIN_WAIT2 => {
                self.walk(tun, State::FIN_WAIT1)?;
                self.hear(tun, ACK, OURS + 1);
                self.await_state(state)
            }
            State::TIME_WAIT => {
                self.walk(tun, State::FIN_WAIT2)?;
                self.hear_fin(tun, OURS + 1);
                // The connection is a minisocket now; the socket that opened it is closed.
                self.await_state(State::CLOSE)
            }
            State::CLOSING => {
                self.walk(tun, State::FIN_WAIT1)?;
                // Each end has sent its FIN before it received the other's.
                self.hear_fin(tun, OURS);
                self.await_state(state)
            }
            State::CLOSE_WAIT => {
                self.hear_fin(tun, OURS);
                self.await_state(state)
            }
            State::LAST_ACK => {
                self.walk(tun, State::CLOSE_WAIT)?;
                Ok(shutdown(self.socket(), Shutdown::Write)?)
            }
            _ => panic!("a line cannot be brought to {state:?}"),
        }
    }

    /// Lets the peer send a FIN.
    fn hear_fin(&mut self, tun: &Tun, ack: u32) {
        self.hear(tun, FIN | ACK, ack);
        self.has_moved = true;
    }

    /// Lets the peer send a segment.
    fn hear(&self, tun: &Tun, flags: u8, ack: u32) {
        let seq = THEIRS + u32::from(self.has_moved);
        let (v6, from, to) = (self.kind.sends_v6(), PEER_PORT, self.port);
        tun.send(&Segment { v6, from, to, seq, ack, flags, payload: b"" });
    }

    /// Waits until the kernel has processed the segment. It nearly always does so at once, but may leave it to
    /// a kernel thread.
    fn await_state(&self, state: State) -> io::Result<()> {
        wait_until(&format!("{:?} port {} in {state:?}", self.kind, self.port), || {
            Ok(sys::tcp_state(self.socket())? == state.0)
        })
    }
}

/// Lets the peer send a SYN from the port `from` to a listener on our port `to`. With a payload, this is a TCP
/// Fast Open.
pub fn knock(tun: &Tun, kind: Kind, from: u16, to: u16, payload: &[u8]) {
    let v6 = kind.sends_v6();
    tun.send(&Segment { v6, from, to, seq: THEIRS, ack: 0, flags: SYN, payload });
}
