//! A world in which connections come and go as fast as the machine can make them, and some others stay.

use std::collections::VecDeque;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, bind, connect, socket_with, sockopt};

use super::line::Kind;
use super::{Obstacle, World, sys, wait_until};

/// The kinds of connections; each thread makes connections of one kind.
const KINDS: [Kind; 4] = [Kind::V4, Kind::V4, Kind::V6, Kind::Mapped];
/// How many ports each thread listens on.
const PORTS_EACH: u16 = 3;
/// How many connections each thread keeps for a while.
const KEPT: usize = 16;
/// How many addresses the IPv4 connections come from.
const CALLERS: u32 = 64;

/// How many connections of each family stay.
pub const HELD: usize = 60;
/// The server port of the connections that stay.
pub const HELD_PORT: u16 = 443;
/// The client address of the IPv4 connections that stay.
pub const HELD_CALLER: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 9);
/// How many sockets listen.
pub const LISTENING: usize = 2 + KINDS.len() * PORTS_EACH as usize;
/// The maximum number of sockets of passing connections at any moment, without those in TIME_WAIT.
pub const PASSING: usize = KINDS.len() * 2 * (KEPT + 1);
/// The maximum number of sockets in TIME_WAIT.
pub const WAITING: usize = 20_000;

/// The kernel keeps a socket in TIME_WAIT for 60 seconds, and for a few more since its timers are coarse. If
/// some expired all the time, no moment would be quiet. So they are made only in the first seconds of every 80.
const CYCLE_SECONDS: u64 = 80;
/// For how long they are made.
const MAKING_SECONDS: u64 = 8;
/// How long after the start of a cycle nothing expires: less than 60, so that there is time for a comparison.
const STEADY_SECONDS: u64 = 45;

/// Adds the connections that stay.
pub(super) fn fill(world: &mut World) -> Result<(), Obstacle> {
    fs::write("/proc/sys/net/ipv4/tcp_max_tw_buckets", WAITING.to_string())?;
    let v4 = TcpListener::bind((Ipv4Addr::LOCALHOST, HELD_PORT))?;
    let v6 = TcpListener::bind((Ipv6Addr::LOCALHOST, HELD_PORT))?;
    for (kind, listener) in [(Kind::V4, v4), (Kind::V6, v6)] {
        let address = listener.local_addr()?;
        for _ in 0..HELD {
            world.sockets.push(call(kind, HELD_CALLER, address)?.into());
            world.sockets.push(listener.accept()?.0.into());
        }
        world.sockets.push(listener.into());
    }
    Ok(())
}

/// Connects; over IPv4, from the given address.
fn call(kind: Kind, from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    if kind != Kind::V4 {
        return TcpStream::connect(to);
    }
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // The port is left to connect, which knows the remote address.
    sys::set_option(&socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
    bind(&socket, &SocketAddr::from((from, 0)))?;
    connect(&socket, &to)?;
    Ok(socket.into())
}

/// What the threads and their owner share.
struct Board {
    start: Instant,
    is_over: AtomicBool,
    is_paused: AtomicBool,
    /// How many threads are idle because of a pause.
    resting: AtomicUsize,
    made: AtomicU64,
    trouble: Mutex<Option<String>>,
}

impl Board {
    fn new() -> Self {
        Self {
            start: Instant::now(),
            is_over: AtomicBool::new(false),
            is_paused: AtomicBool::new(false),
            resting: AtomicUsize::new(0),
            made: AtomicU64::new(0),
            trouble: Mutex::new(None),
        }
    }

    fn second_of_cycle(&self) -> u64 {
        self.start.elapsed().as_secs() % CYCLE_SECONDS
    }
}

/// The connections that come and go; dropping this ends them.
pub struct Churn {
    board: Arc<Board>,
    threads: Vec<JoinHandle<()>>,
}

impl Churn {
    /// Listens on all ports, then lets the connections come and go.
    pub fn start(world: &World) -> io::Result<Self> {
        let board = Arc::new(Board::new());
        let made: io::Result<Vec<Worker>> =
            world.inside(|| (0..KINDS.len()).map(Worker::new).collect());
        let netns = Arc::new(world.netns.try_clone()?);
        let threads = made?.into_iter().map(|worker| {
            let (board, netns) = (Arc::clone(&board), Arc::clone(&netns));
            thread::spawn(move || {
                let done = sys::enter_net(netns.as_raw_fd()).and_then(|()| worker.work(&board));
                if let Err(error) = done {
                    *board.trouble.lock().unwrap_or_else(PoisonError::into_inner) =
                        Some(error.to_string());
                }
            })
        });
        Ok(Self { threads: threads.collect(), board })
    }

    /// How many connections have been made so far.
    pub fn made(&self) -> u64 {
        self.board.made.load(Ordering::Relaxed)
    }

    pub fn elapsed(&self) -> Duration {
        self.board.start.elapsed()
    }

    /// Whether no socket leaves TIME_WAIT by itself for some time.
    pub fn is_steady(&self) -> bool {
        self.board.second_of_cycle() < STEADY_SECONDS
    }

    /// Waits until no connection comes or goes, then runs `work`, then continues.
    pub fn paused<T>(&self, work: impl FnOnce() -> T) -> T {
        self.board.is_paused.store(true, Ordering::SeqCst);
        wait_until("all threads at rest", || {
            self.check();
            Ok(self.board.resting.load(Ordering::SeqCst) == self.threads.len())
        })
        .expect("a pause");
        let done = work();
        self.board.is_paused.store(false, Ordering::SeqCst);
        done
    }

    /// Fails if a thread has failed.
    pub fn check(&self) {
        let trouble = self.board.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(*trouble, None, "the churn has stopped");
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.board.is_over.store(true, Ordering::SeqCst);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// The connections of one thread.
struct Worker {
    kind: Kind,
    listeners: Vec<TcpListener>,
    kept: VecDeque<TcpStream>,
}

impl Worker {
    fn new(index: usize) -> io::Result<Self> {
        let kind = KINDS[index];
        let address = match kind {
            Kind::V4 => Ipv4Addr::UNSPECIFIED.into(),
            Kind::V6 => Ipv6Addr::LOCALHOST.into(),
            Kind::Mapped => Ipv6Addr::UNSPECIFIED.into(),
        };
        let first = 9000 + index as u16 * PORTS_EACH;
        let listen = |port| TcpListener::bind(SocketAddr::new(address, port));
        let listeners = (first..first + PORTS_EACH).map(listen).collect::<io::Result<_>>()?;
        Ok(Self { kind, listeners, kept: VecDeque::new() })
    }

    /// Makes connections until it is told to stop.
    fn work(mut self, board: &Board) -> io::Result<()> {
        let mut number = 0;
        while !board.is_over.load(Ordering::SeqCst) {
            if board.is_paused.load(Ordering::SeqCst) {
                rest(board);
                continue;
            }
            let may_wait = board.second_of_cycle() < MAKING_SECONDS;
            match self.connection(number, may_wait) {
                // All ports of this pair of addresses are in use.
                Err(error) if error.raw_os_error() == Some(Errno::ADDRNOTAVAIL.raw_os_error()) => {}
                done => {
                    done?;
                    board.made.fetch_add(1, Ordering::Relaxed);
                }
            }
            number += 1;
        }
        Ok(())
    }

    /// Makes one connection, and ends it in one of the possible ways.
    fn connection(&mut self, number: u32, may_wait: bool) -> io::Result<()> {
        let listener = &self.listeners[number as usize % self.listeners.len()];
        let port = listener.local_addr()?.port();
        let to = SocketAddr::new(self.kind.pick(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST), port);
        let from = Ipv4Addr::from_bits(0x7f02_0001 + number % CALLERS);
        let mut client = call(self.kind, from, to)?;
        let (server, _) = listener.accept()?;
        match number % 8 {
            // The end that closes first goes to TIME_WAIT.
            0 if may_wait => drop((client, server)),
            1 if may_wait => drop((server, client)),
            2 => self.keep(client, server)?,
            3 => {
                client.shutdown(Shutdown::Write)?;
                self.keep(client, server)?;
            }
            // Unread data makes the server send a reset.
            4 => {
                client.write_all(b"?")?;
                drop((server, client));
            }
            _ => reset(client)?,
        }
        Ok(())
    }

    /// Keeps a connection, and ends the oldest of those kept.
    fn keep(&mut self, client: TcpStream, server: TcpStream) -> io::Result<()> {
        self.kept.extend([client, server]);
        if self.kept.len() > 2 * KEPT {
            // The client is closed first; the reset closes its server.
            self.kept.pop_front().map_or(Ok(()), reset)?;
            self.kept.pop_front();
        }
        Ok(())
    }
}

/// Closes with a reset: both ends are gone at once, and neither is in TIME_WAIT.
fn reset(socket: TcpStream) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(socket, Some(Duration::ZERO))?)
}

/// Waits while there is a pause.
fn rest(board: &Board) {
    board.resting.fetch_add(1, Ordering::SeqCst);
    while board.is_paused.load(Ordering::SeqCst) && !board.is_over.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(1));
    }
    board.resting.fetch_sub(1, Ordering::SeqCst);
}
