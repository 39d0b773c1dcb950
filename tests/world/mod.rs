//! Worlds: network namespaces with a known set of sockets, for the live tests to count.
//!
//! A thread makes a world: it moves into a new network namespace, makes the sockets there and ends. The sockets
//! belong to this process and keep the namespace alive. Nothing else on the machine is changed, and everything
//! is gone when the value is dropped or the process dies.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod all_states;
pub mod churn;
pub mod diag;
mod line;
mod link;
mod mptcp;
pub mod oracle;
mod plain;
mod router;
mod run;
pub mod sys;
mod veth;
mod watch;

use std::fmt::Debug;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{lacks, needs};
use line::Line;
use link::Tun;
use oracle::Histogram;
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use plain::*;
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use router::Router;
pub use run::*;
#[allow(unused_imports, reason = "each test file uses its own part")]
pub use watch::Watcher;

/// Tests that make or drop sockets share it; tests that compare machine-wide numbers hold it alone.
static MACHINE: RwLock<()> = RwLock::new(());

/// A TCP state, in the kernel's numbering.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State(pub u8);

impl State {
    pub const ESTABLISHED: Self = Self(1);
    pub const SYN_SENT: Self = Self(2);
    pub const SYN_RECV: Self = Self(3);
    pub const FIN_WAIT1: Self = Self(4);
    pub const FIN_WAIT2: Self = Self(5);
    pub const TIME_WAIT: Self = Self(6);
    pub const CLOSE: Self = Self(7);
    pub const CLOSE_WAIT: Self = Self(8);
    pub const LAST_ACK: Self = Self(9);
    pub const LISTEN: Self = Self(10);
    pub const CLOSING: Self = Self(11);
    pub const NEW_SYN_RECV: Self = Self(12);
}

/// The names of the states 1 to 12, in connbox's spelling and order.
pub const STATES: [&str; 12] = [
    "ESTABLISHED",
    "SYN_SENT",
    "SYN_RECV",
    "FIN_WAIT1",
    "FIN_WAIT2",
    "TIME_WAIT",
    "CLOSE",
    "CLOSE_WAIT",
    "LAST_ACK",
    "LISTEN",
    "CLOSING",
    "NEW_SYN_RECV",
];

/// Why a world cannot be made.
enum Obstacle {
    /// This machine or user lacks a thing of `support::needs`, for this reason: the test is skipped.
    Lacking(&'static str, String),
    /// Something went wrong: the test fails.
    Failed(io::Error),
}

impl From<io::Error> for Obstacle {
    fn from(error: io::Error) -> Self {
        Self::Failed(error)
    }
}

impl From<rustix::io::Errno> for Obstacle {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Failed(error.into())
    }
}

/// If `result` is an error, reports `thing`, a name in `support::needs`, as missing.
fn lacking<T>(thing: &'static str, result: io::Result<T>) -> Result<T, Obstacle> {
    result.map_err(|error| Obstacle::Lacking(thing, error.to_string()))
}

/// A network namespace and what lives in it.
pub struct World {
    netns: OwnedFd,
    /// A netlink socket in the namespace, opened once so that every dump finds the same sockets.
    diag: OwnedFd,
    /// How many sockets must be in each state, or None if that is not known beforehand.
    plan: Option<Histogram>,
    tun: Option<Tun>,
    lines: Vec<Line>,
    sockets: Vec<OwnedFd>,
}

impl World {
    /// A world with TCP sockets in every state, and some UDP and RAW sockets. None if `test` is skipped.
    pub fn all_states(test: &str) -> Option<Self> {
        Self::make(test, all_states::fill)
    }

    /// A world with MPTCP connections and plain ones. None if `test` is skipped.
    pub fn mptcp(test: &str) -> Option<Self> {
        Self::make(test, mptcp::fill)
    }

    /// A world with a few connections that stay, for [`churn::Churn`]. None if `test` is skipped.
    pub fn churned(test: &str) -> Option<Self> {
        Self::make(test, churn::fill)
    }

    /// A world without any socket. None if `test` is skipped.
    pub fn quiet(test: &str) -> Option<Self> {
        Self::make(test, |_| Ok(()))
    }

    /// A world that `fill` fills.
    fn make<F>(test: &str, fill: F) -> Option<Self>
    where
        F: FnOnce(&mut Self) -> Result<(), Obstacle> + Send + 'static,
    {
        if !needs(test, &["sleep"]) {
            return None;
        }
        let _shared = share_machine();
        let made = thread::spawn(move || {
            let mut world = Self::empty()?;
            fill(&mut world)?;
            world.settle()?;
            Ok(world)
        });
        match made.join().expect("the thread that makes the world") {
            Ok(world) => Some(world),
            Err(Obstacle::Lacking(thing, why)) => {
                lacks(test, thing, &why);
                None
            }
            Err(Obstacle::Failed(error)) => panic!("{test}: cannot make the world: {error}"),
        }
    }

    /// Moves the calling thread into a new namespace, which has only lo.
    fn empty() -> Result<Self, Obstacle> {
        lacking("network namespaces", sys::unshare_net())?;
        // The namespace may have inherited from the machine that its interfaces have no IPv6.
        let _ = fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "0");
        lacking("network namespaces", link::set_up("lo", true))?;
        lacking("IPv6", UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).map(drop))?;
        Ok(Self {
            netns: File::open("/proc/thread-self/ns/net")?.into(),
            diag: lacking("sock_diag", diag::open())?,
            plan: None,
            tun: None,
            lines: Vec::new(),
            sockets: Vec::new(),
        })
    }

    /// The namespace of a process, with whatever is in it.
    pub fn of_process(pid: u32) -> Self {
        let netns: OwnedFd = File::open(format!("/proc/{pid}/ns/net")).expect("a namespace").into();
        let number = netns.as_raw_fd();
        let made = thread::spawn(move || sys::enter_net(number).and_then(|()| diag::open()));
        let diag = made.join().expect("the thread inside the namespace").expect("a netlink socket");
        Self { netns, diag, plan: None, tun: None, lines: Vec::new(), sockets: Vec::new() }
    }

    /// Waits until the kernel shows the planned sockets.
    fn settle(&self) -> io::Result<()> {
        let Some(plan) = &self.plan else { return Ok(()) };
        let counted = || diag::dump(&self.diag).map(|rows| Histogram::of(&rows));
        wait_until("the planned sockets", || Ok(counted()? == *plan))
            .map_err(|error| io::Error::other(format!("{error}: {:?}, not {plan:?}", counted())))
    }

    /// All TCP sockets of the world, from a full dump.
    pub fn dump(&self) -> Vec<diag::Row> {
        diag::dump(&self.diag).expect("a full dump")
    }

    /// The text of `/proc/net/<name>` in the world.
    pub fn proc_net(&self, name: &str) -> String {
        self.inside(|| fs::read_to_string(format!("/proc/thread-self/net/{name}")))
            .unwrap_or_else(|error| panic!("/proc/net/{name}: {error}"))
    }

    /// Runs `work` in a thread inside the namespace.
    pub fn inside<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let netns = self.netns.as_raw_fd();
        thread::scope(|scope| {
            let thread = scope.spawn(move || {
                sys::enter_net(netns).expect("enter the namespace");
                work()
            });
            thread.join().expect("the thread inside the namespace")
        })
    }
}

impl World {
    /// Runs `work` in a thread inside the namespace as the user 65534, without CAP_NET_RAW.
    pub fn inside_as_nobody<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.inside(|| {
            sys::become_user(65534).expect("become the user 65534");
            work()
        })
    }
}

impl World {
    /// Brings an interface up or down.
    pub fn set_up(&self, interface: &str, is_up: bool) {
        self.inside(|| link::set_up(interface, is_up)).expect("an interface");
    }

    /// Gives an interface an IPv4 address with a prefix of 24 bits.
    pub fn set_address(&self, interface: &str, address: Ipv4Addr) {
        self.inside(|| link::address4(interface, address)).expect("an address");
    }

    /// Sends a frame from an interface.
    pub fn send_frames<'a>(&self, interface: &str, frames: impl Iterator<Item = &'a [u8]> + Send) {
        self.inside(|| sys::send_frames(interface, frames)).expect("frames that are sent");
    }

    pub fn send_frame(&self, interface: &str, frame: &[u8]) {
        self.send_frames(interface, std::iter::once(frame));
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _shared = share_machine();
        if let Some(tun) = &self.tun {
            self.lines.iter().for_each(|line| line.reset(tun));
        }
        self.lines.clear();
        self.sockets.clear();
    }
}

/// Keeps other tests from comparing machine-wide numbers while the guard lives.
fn share_machine() -> RwLockReadGuard<'static, ()> {
    MACHINE.read().unwrap_or_else(PoisonError::into_inner)
}

/// Keeps other tests from making or dropping sockets while the guard lives.
pub fn hold_machine() -> RwLockWriteGuard<'static, ()> {
    MACHINE.write().unwrap_or_else(PoisonError::into_inner)
}

/// Polls until `seen` returns true.
pub fn wait_until(what: &str, mut seen: impl FnMut() -> io::Result<bool>) -> io::Result<()> {
    let end = Instant::now() + Duration::from_secs(10);
    while !seen()? {
        if Instant::now() > end {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                format!("not seen in time: {what}"),
            ));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Runs `run` between two readings of the oracle, until both readings agree: only then can its answer be
/// judged.
///
/// The parts of an oracle are read one after the other, and a retransmission or another program may change a
/// number between them. That is not connbox's fault; but if there is never a quiet point, the test fails.
pub fn at_a_quiet_point<O, R>(oracle: impl Fn() -> Result<O, String>, run: impl Fn() -> R) -> (O, R)
where
    O: PartialEq + Debug,
{
    let mut why = String::new();
    // Long enough for another program to make or drop very many sockets, which changes machine-wide numbers all
    // the time; and where the processors are busy, a list with the seconds that its flows have left seldom stays.
    let end = Instant::now() + Duration::from_secs(60);
    while Instant::now() < end {
        let before = oracle();
        let answer = run();
        // The kernel frees the netlink sockets of a program shortly after it has ended, so the world may take a
        // moment to return to its earlier state.
        for _ in 0..10 {
            match (&before, oracle()) {
                (Ok(before), Ok(after)) if *before == after => return (after, answer),
                (Ok(before), Ok(after)) => why = format!("{before:?} became {after:?}"),
                (Err(disagreement), _) => why.clone_from(disagreement),
                (_, Err(disagreement)) => why = disagreement,
            }
            thread::sleep(Duration::from_millis(5));
        }
    }
    panic!("there was never a quiet point: {why}");
}

/// Repeats a run of connbox while it says that other programs made or dropped too many sockets meanwhile for its answer
/// to be known.
pub fn settled(run: impl Fn() -> Ran) -> Ran {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let ran = run();
        if !ran.stderr.contains("; repeat the call") || Instant::now() > end {
            return ran;
        }
        thread::sleep(Duration::from_millis(20));
    }
}
