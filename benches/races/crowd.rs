//! The sockets that one process holds of a load.

use std::error::Error;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::sys;

/// Connections to one listener: far below the number of ports.
const PER_LISTENER: usize = 1000;
/// Peers of one holder that speaks IPv4, which four of five do: some 20,000 of ten holders. More
/// holders have the same peers again.
const PEERS: usize = 2500;
const HOLDERS_WITH_PEERS: usize = 10;
/// Where a few of the connections go.
const QUIET_PORT: u16 = 443;

/// The holder's whole life, in the namespace it was born in.
pub fn hold(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let numbers: Vec<usize> =
        arguments.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
    let [index, share, time_wait, unaccepted] = numbers[..] else {
        return Err("--hold INDEX SHARE TIME_WAIT UNACCEPTED".into());
    };
    // Each under a name of its own, so that counts by process have something to tell apart.
    fs::write("/proc/self/comm", format!("holder{index}"))?;
    let mut crowd = Crowd { time_wait, ..Crowd::new(index) };
    let made = crowd.fill(share, unaccepted);
    report(made)?;
    // The end of standard input is the end of the bench, should its death signal have come too
    // early to be set.
    let mut order = [0];
    io::stdin().read_exact(&mut order)?;
    report(crowd.leave_in_time_wait())?;
    let _ = io::stdin().read(&mut order)?;
    Ok(())
}

/// Connects from an address of the client's choice.
fn connect_from(from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    let (family, kind) = (AddressFamily::INET, SocketType::STREAM);
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    sys::bind_address_only(&socket)?;
    rustix::net::bind(&socket, &SocketAddr::from((from, 0)))?;
    rustix::net::connect(&socket, &to)?;
    Ok(socket.into())
}

fn report(made: io::Result<()>) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match made {
        Ok(()) => writeln!(out, "ready")?,
        Err(error) => writeln!(out, "load: {error}")?,
    }
    out.flush()
}

/// The sockets of one holder.
pub struct Crowd {
    index: usize,
    time_wait: usize,
    listeners: Vec<TcpListener>,
    streams: Vec<TcpStream>,
    /// Those that are only held.
    others: Vec<OwnedFd>,
}

impl Crowd {
    pub fn new(index: usize) -> Crowd {
        Crowd {
            index,
            time_wait: 0,
            listeners: Vec::new(),
            streams: Vec::new(),
            others: Vec::new(),
        }
    }

    /// Makes `share` TCP sockets but for those in TIME_WAIT, which `leave_in_time_wait` adds, and a few of
    /// UDP.
    fn fill(&mut self, share: usize, unaccepted: usize) -> io::Result<()> {
        // Both ends of those that wait, and who listens for them.
        let waiting = 2 * unaccepted + unaccepted.div_ceil(PER_LISTENER);
        let half_closed = share / 80;
        let unanswered = share / 1000;
        let listening = share.div_ceil(2 * PER_LISTENER) + 1;
        let quiet = share / 1000;
        // Two more make the full queue behind SYN_SENT, and one listens at the quiet port.
        let others = self.time_wait + waiting + 2 * half_closed + 2 * quiet + listening + 3;
        let established = share.saturating_sub(others + unanswered) / 2;
        for _ in 1..listening {
            self.listen()?;
        }
        for number in 0..established + half_closed {
            let pair = self.pair(number)?;
            self.keep(pair, number < half_closed)?;
        }
        self.unaccepted(unaccepted)?;
        self.quiet_port(quiet)?;
        self.udp(share / 200)?;
        self.syn_sent(unanswered)
    }

    /// Whether this one speaks IPv6, as every fifth does.
    fn speaks_v6(&self) -> bool {
        self.index % 5 == 4
    }

    /// Opens one more listener, on an address that is this holder's alone.
    pub fn listen(&mut self) -> io::Result<()> {
        let port = u16::try_from(2000 + self.listeners.len()).map_err(io::Error::other)?;
        let host = u32::try_from(self.index).map_err(io::Error::other)?;
        let address: SocketAddr = if self.speaks_v6() {
            // There is one loopback address only: the holders share it, each with ports of its own.
            let port = port + 8 * u16::try_from(self.index).map_err(io::Error::other)?;
            (Ipv6Addr::LOCALHOST, port).into()
        } else {
            (Ipv4Addr::from_bits(0x7f01_0001 + host), port).into()
        };
        self.listeners.push(TcpListener::bind(address)?);
        Ok(())
    }

    /// Connects to the next listener in turn and accepts: client and server.
    pub fn pair(&self, number: usize) -> io::Result<(TcpStream, TcpStream)> {
        let listener = self.listeners.get(number % self.listeners.len());
        self.pair_with(listener.ok_or_else(|| io::Error::other("no listener"))?, number)
    }

    fn pair_with(
        &self,
        listener: &TcpListener,
        number: usize,
    ) -> io::Result<(TcpStream, TcpStream)> {
        let address = listener.local_addr()?;
        let client = match address {
            SocketAddr::V4(_) => connect_from(self.peer(number)?, address)?,
            SocketAddr::V6(_) => TcpStream::connect(address)?,
        };
        let (server, _) = listener.accept()?;
        Ok((client, server))
    }

    /// The address that a connection comes from. Half of the connections come from all peers in
    /// turn, the other half from few: the number of these is that of row after row of a triangle.
    fn peer(&self, number: usize) -> io::Result<Ipv4Addr> {
        let half = number / 2;
        let rows = ((8 * half + 1).isqrt() - 1) / 2;
        let peer =
            if number.is_multiple_of(2) { half % PEERS } else { half - rows * (rows + 1) / 2 };
        let first = self.index % HOLDERS_WITH_PEERS * PEERS;
        let host = u32::try_from(first + peer).map_err(io::Error::other)?;
        Ok(Ipv4Addr::from_bits(0x7f40_0000 + host))
    }

    /// Adds `count` connections to the quiet port, over IPv4 whatever this holder speaks else: of IPv6 all
    /// have the same address.
    fn quiet_port(&mut self, count: usize) -> io::Result<()> {
        let host = u32::try_from(self.index).map_err(io::Error::other)?;
        let listener = TcpListener::bind((Ipv4Addr::from_bits(0x7f01_0001 + host), QUIET_PORT))?;
        for number in 0..count {
            let pair = self.pair_with(&listener, number)?;
            self.keep(pair, false)?;
        }
        self.others.push(listener.into());
        Ok(())
    }

    /// Adds connections that nobody accepts: of each, one end has no descriptor. Over IPv4, as at the
    /// quiet port.
    fn unaccepted(&mut self, count: usize) -> io::Result<()> {
        let host = u32::try_from(self.index).map_err(io::Error::other)?;
        for first in (0..count).step_by(PER_LISTENER) {
            let listener = TcpListener::bind((Ipv4Addr::from_bits(0x7f03_0001 + host), 0))?;
            rustix::net::listen(&listener, PER_LISTENER as i32)?;
            for number in first..count.min(first + PER_LISTENER) {
                let client = connect_from(self.peer(number)?, listener.local_addr()?)?;
                sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
                self.streams.push(client);
            }
            self.others.push(listener.into());
        }
        Ok(())
    }

    /// Adds UDP sockets, every second of them connected.
    fn udp(&mut self, count: usize) -> io::Result<()> {
        for number in 0..count {
            let socket = match self.speaks_v6() {
                true => UdpSocket::bind((Ipv6Addr::LOCALHOST, 0))?,
                false => UdpSocket::bind((self.peer(number)?, 0))?,
            };
            if number % 2 == 1 {
                socket.connect(socket.local_addr()?)?;
            }
            self.others.push(socket.into());
        }
        Ok(())
    }

    /// Holds a pair, ESTABLISHED on both sides or FIN_WAIT2 and CLOSE_WAIT.
    pub fn keep(
        &mut self,
        (client, server): (TcpStream, TcpStream),
        half_closed: bool,
    ) -> io::Result<()> {
        // A reset instead of a FIN at the end: tearing 180,000 sockets down must not leave 90,000
        // in TIME_WAIT.
        sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
        sockopt::set_socket_linger(&server, Some(Duration::ZERO))?;
        if half_closed {
            client.shutdown(Shutdown::Write)?;
        }
        self.streams.extend([client, server]);
        Ok(())
    }

    /// Sockets in SYN_SENT: their listener's queue is full, so nobody answers them.
    fn syn_sent(&mut self, count: usize) -> io::Result<()> {
        let host = u32::try_from(self.index).map_err(io::Error::other)?;
        let address: SocketAddr = (Ipv4Addr::from_bits(0x7f02_0001 + host), 2000).into();
        let listener = TcpListener::bind(address)?;
        rustix::net::listen(&listener, 0)?;
        // One unaccepted connection fills a queue of length zero.
        self.streams.push(TcpStream::connect(address)?);
        self.listeners.push(listener);
        for _ in 0..count {
            let nonblocking = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            let socket = rustix::net::socket_with(
                AddressFamily::INET,
                SocketType::STREAM,
                nonblocking,
                None,
            )?;
            match rustix::net::connect(&socket, &address) {
                Ok(()) | Err(Errno::INPROGRESS) => self.others.push(socket),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Whoever closes first waits: the client, whose descriptor is then free again.
    fn leave_in_time_wait(&mut self) -> io::Result<()> {
        // The last listener is the full one.
        let full = self.listeners.pop();
        for number in 0..self.time_wait {
            let (client, server) = self.pair(number)?;
            drop(client);
            drop(server);
        }
        self.listeners.extend(full);
        Ok(())
    }
}
