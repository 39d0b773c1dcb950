//! The sockets of a load that one holder process holds.

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

/// Connections per listener, far below the number of ports.
const PER_LISTENER: usize = 1000;
/// Remote addresses of one IPv4 holder. Four of five holders use IPv4, so ten holders have about 20,000;
/// more holders share the same addresses.
const PEERS: usize = 2500;
const HOLDERS_WITH_PEERS: usize = 10;
/// The port of a few of the connections.
const QUIET_PORT: u16 = 443;

/// The main function of a holder, in the namespace where the bench started it.
pub fn hold(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let numbers: Vec<usize> =
        arguments.iter().map(|word| word.parse()).collect::<Result<_, _>>()?;
    let [index, share, time_wait, unaccepted] = numbers[..] else {
        return Err("--hold INDEX SHARE TIME_WAIT UNACCEPTED".into());
    };
    // Each holder has its own name, so that counts by process have several groups.
    fs::write("/proc/self/comm", format!("holder{index}"))?;
    let mut crowd = Crowd { time_wait, ..Crowd::new(index) };
    let made = crowd.fill(share, unaccepted);
    report(made)?;
    // The end of standard input also means that the bench has ended, in case it died before this process
    // asked for its death signal.
    let mut order = [0];
    io::stdin().read_exact(&mut order)?;
    report(crowd.leave_in_time_wait())?;
    let _ = io::stdin().read(&mut order)?;
    Ok(())
}

/// Connects from a given address.
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
    /// Sockets that are only kept open.
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

    /// Makes `share` TCP sockets, except those in TIME_WAIT, which `leave_in_time_wait` adds; and a few UDP
    /// sockets.
    fn fill(&mut self, share: usize, unaccepted: usize) -> io::Result<()> {
        // Both ends of the connections not yet accepted, and their listeners.
        let waiting = 2 * unaccepted + unaccepted.div_ceil(PER_LISTENER);
        let half_closed = share / 80;
        let unanswered = share / 1000;
        let listening = share.div_ceil(2 * PER_LISTENER) + 1;
        let quiet = share / 1000;
        // Two more sockets make the full queue for SYN_SENT, and one listens on the quiet port.
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

    /// Every fifth holder uses IPv6.
    fn speaks_v6(&self) -> bool {
        self.index % 5 == 4
    }

    /// Opens one more listener, on this holder's own address or ports.
    pub fn listen(&mut self) -> io::Result<()> {
        let port = u16::try_from(2000 + self.listeners.len()).map_err(io::Error::other)?;
        let host = u32::try_from(self.index).map_err(io::Error::other)?;
        let address: SocketAddr = if self.speaks_v6() {
            // IPv6 has only one loopback address: the holders share it, each with its own ports.
            let port = port + 8 * u16::try_from(self.index).map_err(io::Error::other)?;
            (Ipv6Addr::LOCALHOST, port).into()
        } else {
            (Ipv4Addr::from_bits(0x7f01_0001 + host), port).into()
        };
        self.listeners.push(TcpListener::bind(address)?);
        Ok(())
    }

    /// Connects to the next listener in turn and accepts; gives client and server.
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

    /// The source address of a connection. Half of the connections come from all addresses in turn. The
    /// other half prefer the first addresses: they run through 0, then 0 1, then 0 1 2, and so on.
    fn peer(&self, number: usize) -> io::Result<Ipv4Addr> {
        let half = number / 2;
        let rows = ((8 * half + 1).isqrt() - 1) / 2;
        let peer =
            if number.is_multiple_of(2) { half % PEERS } else { half - rows * (rows + 1) / 2 };
        let first = self.index % HOLDERS_WITH_PEERS * PEERS;
        let host = u32::try_from(first + peer).map_err(io::Error::other)?;
        Ok(Ipv4Addr::from_bits(0x7f40_0000 + host))
    }

    /// Adds `count` connections to the quiet port. They use IPv4 even in an IPv6 holder, because all IPv6
    /// connections would have the same address.
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

    /// Adds connections that are never accepted: one end of each has no descriptor. They use IPv4, like
    /// those of the quiet port.
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

    /// Adds UDP sockets; every second one is connected.
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

    /// Keeps a pair open: both ESTABLISHED, or FIN_WAIT2 and CLOSE_WAIT.
    pub fn keep(
        &mut self,
        (client, server): (TcpStream, TcpStream),
        half_closed: bool,
    ) -> io::Result<()> {
        // Close with a reset instead of a FIN: the end of 180,000 sockets must not leave 90,000 in
        // TIME_WAIT.
        sockopt::set_socket_linger(&client, Some(Duration::ZERO))?;
        sockopt::set_socket_linger(&server, Some(Duration::ZERO))?;
        if half_closed {
            client.shutdown(Shutdown::Write)?;
        }
        self.streams.extend([client, server]);
        Ok(())
    }

    /// Adds sockets in SYN_SENT: the queue of their listener is full, so no answer comes.
    fn syn_sent(&mut self, count: usize) -> io::Result<()> {
        let host = u32::try_from(self.index).map_err(io::Error::other)?;
        let address: SocketAddr = (Ipv4Addr::from_bits(0x7f02_0001 + host), 2000).into();
        let listener = TcpListener::bind(address)?;
        rustix::net::listen(&listener, 0)?;
        // One connection that is not accepted fills a queue of length zero.
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

    /// Adds sockets in TIME_WAIT. The end that closes first enters it: the client. Both descriptors are free
    /// again.
    fn leave_in_time_wait(&mut self) -> io::Result<()> {
        // The last listener has the full queue.
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
