//! A load: many TCP sockets in a network namespace of their own, held by helper processes.
//!
//! The number of descriptors per process is limited (20,000 on some machines, even for root), so a load
//! needs several holders. Each is this program, started again; it ends with the bench.

use std::env;
use std::error::Error;
use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::crowd::Crowd;
use crate::machine;
use crate::measure::end;
use crate::netns::{self, Namespace};

/// Buckets of the load's own hash table, the default of a machine of this size.
const BUCKETS: u32 = 262_144;
/// Sockets per holder, if the descriptor limit allows it.
const PER_HOLDER: usize = 18_000;
/// Descriptors for things other than sockets.
const SPARE: usize = 64;
/// Kernel memory per socket, with its file and its place in the tables, rounded up.
const SOCKET_BYTES: usize = 6 << 10;

/// The composition of a load.
#[derive(Clone, Copy)]
pub struct Mix {
    /// TCP sockets, at least nine in ten of them ESTABLISHED.
    pub sockets: usize,
    /// Sockets that wait to be accepted and have no descriptor.
    pub unaccepted: usize,
    /// One in twenty is in TIME_WAIT, for 60 s.
    pub time_wait: bool,
    /// The sockets are in their own hash table, not in the machine's.
    pub own_table: bool,
}

impl Mix {
    /// The states of a busy server: after ESTABLISHED, TIME_WAIT is by far the most common.
    pub fn busy(sockets: usize) -> Mix {
        Mix { sockets, unaccepted: 0, time_wait: true, own_table: true }
    }

    /// The same without TIME_WAIT, so that the load does not change with time.
    pub fn steady(sockets: usize) -> Mix {
        Mix { time_wait: false, ..Mix::busy(sockets) }
    }
}

/// How many of the `wanted` sockets fit into half of the free memory.
pub fn affordable(wanted: usize) -> usize {
    let most = machine::free_memory() / 2 / SOCKET_BYTES;
    if most >= wanted { wanted } else { most / 10_000 * 10_000 }
}

/// A namespace and its holders; dropping it ends them.
pub struct Load {
    pub namespace: Namespace,
    pub sockets: usize,
    /// A note on TCP's memory in use.
    pub memory: String,
    holders: Vec<Holder>,
}

impl Load {
    /// Makes the sockets; 180,000 take a few seconds.
    pub fn new(mix: Mix) -> Result<Load, Box<dyn Error>> {
        let namespace = match mix.own_table {
            true => Namespace::with_table(BUCKETS)?,
            false => Namespace::new()?,
        };
        let mut load =
            Load { namespace, sockets: mix.sockets, memory: String::new(), holders: Vec::new() };
        let home = load.namespace.enter()?;
        // TIME_WAIT sockets must stay in this state for their 60 seconds.
        netns::set("net/ipv4/tcp_tw_reuse", "0")?;
        // Sockets in SYN_SENT must stay in this state until the load ends.
        netns::set("net/ipv4/tcp_syn_retries", "127")?;
        netns::set("net/ipv4/ip_local_port_range", "10000 65535")?;
        let shares = shares(mix.sockets, descriptor_limit());
        let unaccepted = mix.unaccepted / shares.len().max(1);
        for (index, share) in shares.into_iter().enumerate() {
            load.holders.push(Holder::start(index, share, mix.time_wait, unaccepted)?);
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
            // Kill all before waiting for one, so that they close their sockets at the same time.
            let _ = holder.child.kill();
        }
        self.holders.iter_mut().for_each(|holder| end(&mut holder.child));
    }
}

/// A namespace with a few sockets that this process itself holds: idle, but with answers other than
/// zero.
pub struct Company {
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

/// The number of sockets of each holder.
fn shares(count: usize, descriptors: usize) -> Vec<usize> {
    let each = PER_HOLDER.min(descriptors.saturating_sub(SPARE)).max(2);
    let holders = count.div_ceil(each);
    (0..holders).map(|index| (count * (index + 1)) / holders - (count * index) / holders).collect()
}

/// Raises the limit to its maximum, for this process and its holders.
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
    fn start(index: usize, share: usize, time_wait: bool, unaccepted: usize) -> io::Result<Holder> {
        let mut command = Command::new(env::current_exe()?);
        let numbers = [index, share, if time_wait { share / 20 } else { 0 }, unaccepted];
        command.arg("--hold").args(numbers.map(|number| number.to_string()));
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
