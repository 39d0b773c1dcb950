//! A world in which connections come and go as fast as the machine can make them, beside some that stay.

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

/// The kinds of connections; a thread makes those of one kind.
const KINDS: [Kind; 4] = [Kind::V4, Kind::V4, Kind::V6, Kind::Mapped];
/// The ports that each thread listens at.
const PORTS_EACH: u16 = 3;
/// How many connections each thread keeps for a while.
const KEPT: usize = 16;
/// The addresses from which the connections of IPv4 come.
const CALLERS: u32 = 64;

/// How many connections of each family stay.
pub const HELD: usize = 60;
/// The port that they were made to.
pub const HELD_PORT: u16 = 443;
/// The address from which those of IPv4 were made.
pub const HELD_CALLER: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 9);
/// How many sockets listen.
pub const LISTENING: usize = 2 + KINDS.len() * PORTS_EACH as usize;
/// How many sockets of passing connections there are at most at any moment, those that wait aside.
pub const PASSING: usize = KINDS.len() * 2 * (KEPT + 1);
/// How many sockets wait in TIME_WAIT at most.
pub const WAITING: usize = 20_000;

/// The kernel keeps a socket in TIME_WAIT for 60 seconds, and a few more as its timers are coarse. Were there
/// always some that expire, no moment would be quiet. So they are made in the first seconds of every 80
/// alone.
const CYCLE_SECONDS: u64 = 80;
/// How long they are made.
const MAKING_SECONDS: u64 = 8;
/// How long from the start of a cycle nothing expires: less than 60, so that there is time to look.
const STEADY_SECONDS: u64 = 45;

/// Fills the empty world with the connections that stay.
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

/// Connects; over IPv4 from an address of choice.
fn call(kind: Kind, from: Ipv4Addr, to: SocketAddr) -> io::Result<TcpStream> {
    if kind != Kind::V4 {
        return TcpStream::connect(to);
    }
    let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    // The port is left to connect, which knows the other end.
    sys::set_option(&socket, libc::IPPROTO_IP, libc::IP_BIND_ADDRESS_NO_PORT, 1)?;
    bind(&socket, &SocketAddr::from((from, 0)))?;
    connect(&socket, &to)?;
    Ok(socket.into())
}

/// What the threads and their owner tell one another.
struct Board {
    start: Instant,
    is_over: AtomicBool,
    is_paused: AtomicBool,
    /// How many threads do nothing, because there is a pause.
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

/// The connections that pass; dropping it ends them.
pub struct Churn {
    board: Arc<Board>,
    threads: Vec<JoinHandle<()>>,
}

impl Churn {
    /// Listens at all ports, then lets the connections come and go.
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

    /// How many connections there have been.
    pub fn made(&self) -> u64 {
        self.board.made.load(Ordering::Relaxed)
    }

    /// How long they have come and gone.
    pub fn elapsed(&self) -> Duration {
        self.board.start.elapsed()
    }

    /// Whether no socket leaves TIME_WAIT by itself for some time.
    pub fn is_steady(&self) -> bool {
        self.board.second_of_cycle() < STEADY_SECONDS
    }

    /// Waits until no connection comes or goes, then does `work`, then goes on.
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

/// One thread's connections.
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

    /// Makes connections until there is word that it is over.
    fn work(mut self, board: &Board) -> io::Result<()> {
        let mut number = 0;
        while !board.is_over.load(Ordering::SeqCst) {
            if board.is_paused.load(Ordering::SeqCst) {
                rest(board);
                continue;
            }
            let may_wait = board.second_of_cycle() < MAKING_SECONDS;
            match self.connection(number, may_wait) {
                // All ports of a pair of addresses are taken.
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

    /// One connection, ended in one of the ways that there are.
    fn connection(&mut self, number: u32, may_wait: bool) -> io::Result<()> {
        let listener = &self.listeners[number as usize % self.listeners.len()];
        let port = listener.local_addr()?.port();
        let to = SocketAddr::new(self.kind.pick(Ipv4Addr::LOCALHOST, Ipv6Addr::LOCALHOST), port);
        let from = Ipv4Addr::from_bits(0x7f02_0001 + number % CALLERS);
        let mut client = call(self.kind, from, to)?;
        let (server, _) = listener.accept()?;
        match number % 8 {
            // Whoever closes first waits.
            0 if may_wait => drop((client, server)),
            1 if may_wait => drop((server, client)),
            2 => self.keep(client, server)?,
            3 => {
                client.shutdown(Shutdown::Write)?;
                self.keep(client, server)?;
            }
            // What was not read makes the server reset.
            4 => {
                client.write_all(b"?")?;
                drop((server, client));
            }
            _ => reset(client)?,
        }
        Ok(())
    }

    /// Keeps a connection, and ends the oldest one that was kept.
    fn keep(&mut self, client: TcpStream, server: TcpStream) -> io::Result<()> {
        self.kept.extend([client, server]);
        if self.kept.len() > 2 * KEPT {
            // The client is the first; its server falls with it.
            self.kept.pop_front().map_or(Ok(()), reset)?;
            self.kept.pop_front();
        }
        Ok(())
    }
}

/// Closes with a reset: both ends are gone at once, and nobody waits.
fn reset(socket: TcpStream) -> io::Result<()> {
    Ok(sockopt::set_socket_linger(socket, Some(Duration::ZERO))?)
}

/// Does nothing while there is a pause.
fn rest(board: &Board) {
    board.resting.fetch_add(1, Ordering::SeqCst);
    while board.is_paused.load(Ordering::SeqCst) && !board.is_over.load(Ordering::SeqCst) {
        thread::sleep(Duration::from_millis(1));
    }
    board.resting.fetch_sub(1, Ordering::SeqCst);
}
