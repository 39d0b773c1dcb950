//! One TCP connection over the TUN device, brought to whatever state is wanted.
//!
//! The socket is set up with `TCP_REPAIR`, by which a connection is ESTABLISHED without a handshake and
//! with sequence numbers of our choice. From there on it lives by the ordinary code of the kernel: we
//! shut it down and write the segments of its peer, and each state follows from the one before.

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
/// The first sequence number of our side.
const OURS: u32 = 1_000_000;
/// The first sequence number of the peer's side.
const THEIRS: u32 = 2_000_000;

/// The kind of a socket: its family, and whether IPv4 flows through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// AF_INET.
    V4,
    /// AF_INET6.
    V6,
    /// AF_INET6 with IPv4 addresses, such as `::ffff:198.18.0.1`.
    Mapped,
}

impl Kind {
    /// The family of its sockets.
    pub const fn family(self) -> AddressFamily {
        if matches!(self, Self::V4) { AddressFamily::INET } else { AddressFamily::INET6 }
    }

    /// Whether its packets are IPv6.
    pub const fn sends_v6(self) -> bool {
        matches!(self, Self::V6)
    }

    /// `v4` or `v6`, as a socket of this kind writes it.
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

    /// The end of a line where nobody is.
    pub fn peer(self) -> SocketAddr {
        SocketAddr::new(self.pick(PEER4, PEER6), PEER_PORT)
    }
}

/// One connection over the TUN device.
pub struct Line {
    kind: Kind,
    port: u16,
    /// Absent once the socket is an orphan.
    socket: Option<OwnedFd>,
    /// Whether the peer has sent a FIN, or a SYN, after which its sequence number is one higher.
    has_moved: bool,
}

impl Line {
    /// A line from our `port` in `state`.
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

    /// Closes the socket and leaves the rest to the kernel.
    pub fn abandon(&mut self) {
        self.socket = None;
    }

    /// Has the peer reset the connection, which takes it from the kernel with or without an owner.
    ///
    /// An orphan would otherwise hold its network namespace for minutes, until its timers give up.
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

    /// Sends a SYN that nobody will answer.
    fn call(&self) -> io::Result<()> {
        match connect(self.socket(), &self.kind.peer()) {
            Err(rustix::io::Errno::INPROGRESS) => Ok(()),
            other => Ok(other?),
        }
    }

    /// Opens the connection while the peer opens it too: the one way by which a socket that was not
    /// accepted gets into SYN_RECV.
    fn call_one_who_calls(&mut self, tun: &Tun) -> io::Result<()> {
        self.call()?;
        self.hear(tun, SYN, 0);
        // A SYN takes a sequence number, as a FIN does.
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
        // struct tcp_repair_window. Without a window from the peer our FIN would wait in the queue.
        let window = [THEIRS, 0xffff, 0xffff, 0xffff, THEIRS];
        sys::set_option(self.socket(), libc::IPPROTO_TCP, libc::TCP_REPAIR_WINDOW, window)?;
        set(libc::TCP_REPAIR, OFF_WITHOUT_A_PROBE)
    }

    /// Takes the ESTABLISHED line to `state`.
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
                // The connection is a minisocket now, and the socket that began it is done.
                self.await_state(State::CLOSE)
            }
            State::CLOSING => {
                self.walk(tun, State::FIN_WAIT1)?;
                // Both have sent their FIN before hearing the other's.
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
            _ => panic!("no line can be made {state:?}"),
        }
    }

    /// Has the peer finish.
    fn hear_fin(&mut self, tun: &Tun, ack: u32) {
        self.hear(tun, FIN | ACK, ack);
        self.has_moved = true;
    }

    /// Has the peer say something.
    fn hear(&self, tun: &Tun, flags: u8, ack: u32) {
        let seq = THEIRS + u32::from(self.has_moved);
        let (v6, from, to) = (self.kind.sends_v6(), PEER_PORT, self.port);
        tun.send(&Segment { v6, from, to, seq, ack, flags, payload: b"" });
    }

    /// Waits until the kernel has handled what was said. That is nearly always at once, but it may be
    /// left to a thread of the kernel.
    fn await_state(&self, state: State) -> io::Result<()> {
        wait_until(&format!("{:?} port {} in {state:?}", self.kind, self.port), || {
            Ok(sys::tcp_state(self.socket())? == state.0)
        })
    }
}

/// Has the peer knock, from the port `from`, at a listener on our port `to`. With a payload this is a
/// TCP Fast Open.
pub fn knock(tun: &Tun, kind: Kind, from: u16, to: u16, payload: &[u8]) {
    let v6 = kind.sends_v6();
    tun.send(&Segment { v6, from, to, seq: THEIRS, ack: 0, flags: SYN, payload });
}
