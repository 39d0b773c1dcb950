//! A load: many TCP sockets in a network namespace of their own, held by helper processes.
//!
//! A process may hold only so many descriptors (20,000 on some machines, root or not), hence
//! several holders. Each is this same program started anew; it dies with the bench.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use rustix::process::{
    Resource, Rlimit, Signal, getrlimit, set_parent_process_death_signal, setrlimit,
};

use crate::machine;
use crate::measure::end;
use crate::netns::{self, Namespace};
use crate::sys;

/// Buckets of the load's own hash table: what a machine of this size has by default.
const BUCKETS: u32 = 262_144;
/// Sockets of one holder, where the descriptor limit allows it.
const PER_HOLDER: usize = 18_000;
/// Descriptors left for all but sockets.
const SPARE: usize = 64;
/// Connections to one listener: far below the number of ports.
const PER_LISTENER: usize = 1000;
/// Peers of one holder that speaks IPv4, which four of five do: some 20,000 of ten holders.
const PEERS: usize = 2500;
/// Where a few of the connections go.
const QUIET_PORT: u16 = 443;

/// Namespace and holders; dropping it ends them.
pub struct Load {
    /// Where the sockets are.
    pub namespace: Namespace,
    /// How much of TCP's memory is in use.
    pub memory: String,
    holders: Vec<Holder>,
}

impl Load {
    /// Makes the sockets, `count` of them and at least nine in ten ESTABLISHED. Takes a few
    /// seconds.
    pub fn new(count: usize) -> Result<Load, Box<dyn Error>> {
        let namespace = Namespace::with_own_table(BUCKETS)?;
        let mut load = Load { namespace, memory: String::new(), holders: Vec::new() };
        let home = load.namespace.enter()?;
        // TIME_WAIT sockets are to stay what they are for their 60 seconds.
        netns::set("net/ipv4/tcp_tw_reuse", "0")?;
        netns::set("net/ipv4/ip_local_port_range", "10000 65535")?;
        for (index, share) in shares(count, descriptor_limit()).into_iter().enumerate() {
            load.holders.push(Holder::start(index, share)?);
        }
        drop(home);
        load.holders.iter_mut().try_for_each(Holder::expect_line)?;
        // TIME_WAIT comes last: the kernel ends it after 60 s.
        load.holders.iter_mut().try_for_each(Holder::go_on)?;
        load.holders.iter_mut().try_for_each(Holder::expect_line)?;
        load.memory = machine::tcp_memory();
        Ok(load)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for holder in &mut self.holders {
            // All are told first, so that they close their sockets at the same time.
            let _ = holder.child.kill();
        }
        self.holders.iter_mut().for_each(|holder| end(&mut holder.child));
    }
}

/// A namespace with a handful of sockets, held by this process itself: idle, but with answers other
/// than zero.
pub struct Company {
    /// Where the sockets are.
    pub namespace: Namespace,
    _sockets: Crowd,
}

impl Company {
    /// Makes a listener and five connections: eleven sockets.
    pub fn new() -> io::Result<Company> {
        let namespace = Namespace::new()?;
        let _home = namespace.enter()?;
        let mut crowd = Crowd::new(0);
        crowd.listen()?;
        for number in 0..5 {
            let pair = crowd.pair(number)?;
            crowd.keep(pair, false)?;
        }
        Ok(Company { namespace, _sockets: crowd })
    }
}

/// How many sockets each holder makes.
fn shares(count: usize, descriptors: usize) -> Vec<usize> {
    let each = PER_HOLDER.min(descriptors.saturating_sub(SPARE)).max(2);
    let holders = count.div_ceil(each);
    (0..holders).map(|index| (count * (index + 1)) / holders - (count * index) / holders).collect()
}

/// Raises the limit as far as it goes, for this process and so for its holders.
fn descriptor_limit() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let highest = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let reached = setrlimit(Resource::Nofile, highest).map_or(limit.current, |()| limit.maximum);
    reached.map_or(usize::MAX, |number| usize::try_from(number).unwrap_or(usize::MAX))
}

/// The bench's end of one holder.
struct Holder {
    child: Child,
    orders: ChildStdin,
    reports: BufReader<ChildStdout>,
}

impl Holder {
    /// Starts a holder in the present namespace.
    fn start(index: usize, share: usize) -> io::Result<Holder> {
        let mut command = Command::new(env::current_exe()?);
        command.args(["--hold", &index.to_string(), &share.to_string()]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(orders), Some(reports)) => {
                Ok(Holder { child, orders, reports: BufReader::new(reports) })
            }
            _ => Err(io::Error::other("a holder without pipes")),
        }
    }

    fn go_on(&mut self) -> io::Result<()> {
        self.orders.write_all(b"\n")
    }

    fn expect_line(&mut self) -> io::Result<()> {
        let mut line = String::new();
        self.reports.read_line(&mut line)?;
        match line.trim_end() {
            "ready" => Ok(()),
            "" => Err(io::Error::other("a holder of the load died")),
            complaint => Err(io::Error::other(complaint.to_owned())),
        }
    }
}

/// The holder's whole life, in the namespace it was born in.
pub fn hold(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    let [index, share] = arguments else { return Err("--hold INDEX SHARE".into()) };
    let mut crowd = Crowd::new(index.parse()?);
    let made = crowd.fill(share.parse()?);
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
struct Crowd {
    index: usize,
    time_wait: usize,
    listeners: Vec<TcpListener>,
    streams: Vec<TcpStream>,
    /// Those that are only held.
    others: Vec<OwnedFd>,
}

impl Crowd {
    fn new(index: usize) -> Crowd {
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
    fn fill(&mut self, share: usize) -> io::Result<()> {
        // What a busy server looks like: after ESTABLISHED, TIME_WAIT is by far the commonest
        // state.
        self.time_wait = share / 20;
        let half_closed = share / 80;
        let unanswered = share / 1000;
        let listening = share.div_ceil(2 * PER_LISTENER) + 1;
        let quiet = share / 1000;
        // Two more make the full queue behind SYN_SENT, and one listens at the quiet port.
        let others = self.time_wait + 2 * half_closed + 2 * quiet + listening + 3;
        let established = share.saturating_sub(others + unanswered) / 2;
        for _ in 1..listening {
            self.listen()?;
        }
        for number in 0..established + half_closed {
            let pair = self.pair(number)?;
            self.keep(pair, number < half_closed)?;
        }
        self.quiet_port(quiet)?;
        self.udp(share / 200)?;
        self.syn_sent(unanswered)
    }

    /// Whether this one speaks IPv6, as every fifth does.
    fn speaks_v6(&self) -> bool {
        self.index % 5 == 4
    }

    /// Opens one more listener, on an address that is this holder's alone.
    fn listen(&mut self) -> io::Result<()> {
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
    fn pair(&self, number: usize) -> io::Result<(TcpStream, TcpStream)> {
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
        let host = u32::try_from(self.index * PEERS + peer).map_err(io::Error::other)?;
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
    fn keep(
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
