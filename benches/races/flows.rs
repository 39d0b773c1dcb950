//! Flows of connection tracking: a table full of them, and new ones at a steady rate for a command that
//! reads events.

use std::error::Error;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use connbox::wire::ctnetlink::{CREATED, FLOWS, NEW, attribute, head};
use connbox::wire::netlink::{error_number, messages, push_attribute, single_request};
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketType};
use rustix::process::{Pid, Signal, kill_process};

use crate::measure::end;
use crate::netns::{Namespace, set};
use crate::sys;

/// The number of source addresses.
const PEERS: usize = 20_000;
/// Flows inserted per call.
const AT_ONCE: usize = 64;
/// Longer than any run takes.
const TIMEOUT_SECONDS: u32 = 7200;

/// A namespace whose table holds flows of TCP in several states and of UDP.
pub fn full(count: usize) -> Result<Namespace, Box<dyn Error>> {
    let namespace = Namespace::new()?;
    let _home = namespace.enter()?;
    set("net/netfilter/nf_conntrack_acct", "1")?;
    let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
    let socket = rustix::net::socket(family, kind, Some(NETFILTER))?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    let mut answer = vec![0; 1 << 15];
    for first in (0..count).step_by(AT_ONCE) {
        let last = (first + AT_ONCE).min(count) - 1;
        let mut batch = Vec::new();
        (first..last).for_each(|number| batch.extend(insertion(number, false)));
        batch.extend(insertion(last, true));
        rustix::net::send(&socket, &batch, SendFlags::empty())?;
        let (length, _) = rustix::net::recv(&socket, &mut answer[..], RecvFlags::empty())?;
        let answers = messages(answer.get(..length).unwrap_or_default()).flatten();
        for number in answers.filter_map(|answer| error_number(answer.payload)) {
            if number != 0 {
                return Err(io::Error::from_raw_os_error(number).into());
            }
        }
    }
    Ok(namespace)
}

/// The message that inserts a flow; the kernel acknowledges the last one of a call.
fn insertion(number: usize, is_last: bool) -> Vec<u8> {
    let is_v6 = number % 10 == 9;
    let is_tcp = !number.is_multiple_of(5);
    let (source, destination) = addresses(number % PEERS, is_v6);
    let port = |number: usize| (number as u16).to_be_bytes();
    let ports = [port(1024 + number / PEERS), port([443, 80, 8080][number % 3])];
    let protocol = if is_tcp { 6 } else { 17 };
    let mut payload = head(if is_v6 { 10 } else { 2 }, 0).to_vec();
    let orig = tuple(protocol, [source, destination], ports);
    let reply = tuple(protocol, [destination, source], [ports[1], ports[0]]);
    push_attribute(&mut payload, attribute::TUPLE_ORIG, &orig);
    push_attribute(&mut payload, attribute::TUPLE_REPLY, &reply);
    push_attribute(&mut payload, attribute::TIMEOUT, &TIMEOUT_SECONDS.to_be_bytes());
    // CONFIRMED, which all flows are anyway; SEEN_REPLY and ASSURED, except for every eighth flow.
    let status: u32 = if number % 8 == 7 { 0b1000 } else { 0b1110 };
    push_attribute(&mut payload, attribute::STATUS, &status.to_be_bytes());
    if is_tcp {
        // SYN_SENT, FIN_WAIT, CLOSE, TIME_WAIT and, mostly, ESTABLISHED.
        let state: u8 = [1, 4, 8, 7, 7, 7][(number / 7) % 20 % 14 % 6];
        let state = if number.is_multiple_of(3) { state } else { 3 };
        payload.extend(nested(attribute::PROTOINFO, &nested(1, &nested(1, &[state]))));
    }
    let mut message = single_request(FLOWS | NEW, 1, &payload);
    let flags = CREATED | 1 | if is_last { 4 } else { 0 };
    message[6..8].copy_from_slice(&flags.to_ne_bytes());
    message.resize(message.len().next_multiple_of(4), 0);
    message
}

fn nested(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut buffer = Vec::new();
    push_attribute(&mut buffer, kind, value);
    buffer
}

fn addresses(peer: usize, is_v6: bool) -> (IpAddr, IpAddr) {
    let host = peer as u32;
    match is_v6 {
        true => (
            Ipv6Addr::from_bits(0xfd00 << 112 | u128::from(host) << 32 | 1).into(),
            Ipv6Addr::from_bits(0xfd01 << 112 | u128::from(host % 50)).into(),
        ),
        false => (
            Ipv4Addr::from_bits(0x0a01_0000 + host).into(),
            Ipv4Addr::from_bits(0x0ac8_0000 + host % 50).into(),
        ),
    }
}

fn tuple(protocol: u8, ends: [IpAddr; 2], ports: [[u8; 2]; 2]) -> Vec<u8> {
    let mut ip = Vec::new();
    for (end, kind) in ends.into_iter().zip([1, 2]) {
        match end {
            IpAddr::V4(address) => push_attribute(&mut ip, kind, &address.octets()),
            IpAddr::V6(address) => push_attribute(&mut ip, kind + 2, &address.octets()),
        }
    }
    let mut transport = nested(1, &[protocol]);
    ports.iter().zip(2..).for_each(|(port, kind)| push_attribute(&mut transport, kind, port));
    [nested(1, &ip), nested(2, &transport)].concat()
}

/// The first source address, from which one in `PEERS` flows comes.
pub const ADDRESS: &str = "10.1.0.0";

/// A namespace whose rules track flows and then drop their packets.
pub fn tracking() -> Result<Namespace, Box<dyn Error>> {
    let namespace = Namespace::new()?;
    let _home = namespace.enter()?;
    for rule in
        ["-t raw -A PREROUTING -i lo -j DROP", "-A OUTPUT -m conntrack --ctstate NEW -j ACCEPT"]
    {
        let run = Command::new("iptables").args(rule.split(' ')).output();
        let run = run.map_err(|error| format!("iptables: {error}"))?;
        if !run.status.success() {
            return Err(format!("iptables: {}", crate::scratch::last_line(&run.stderr)).into());
        }
    }
    set("net/netfilter/nf_conntrack_udp_timeout", "3600")?;
    Ok(namespace)
}

/// What a command reads events of.
pub struct Happening {
    /// Its netlink protocol, as /proc/net/netlink has it.
    protocol: &'static str,
    /// Makes so many within this time.
    make: fn(usize, Duration) -> io::Result<()>,
}

/// New flows of connection tracking.
pub const FLOWS_BEGIN: Happening = Happening { protocol: "12", make };
/// Connections that begin and end.
pub const CONNECTIONS_END: Happening = Happening { protocol: "4", make: connect };

/// `NUMBER SECONDS FILE COMMAND...`: runs COMMAND, which writes events to FILE until SIGTERM, and makes so many
/// of them happen at a steady rate; prints what COMMAND used, and how many events it wrote.
pub fn watch(arguments: &[String], happening: &Happening) -> Result<(), Box<dyn Error>> {
    let [flows, seconds, path, program, words @ ..] = arguments else {
        return Err("usage: --watch|--close NUMBER SECONDS FILE COMMAND...".into());
    };
    let (flows, seconds) = (flows.parse()?, Duration::from_secs(seconds.parse()?));
    let mut file = File::options().read(true).write(true).create(true).truncate(true).open(path)?;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(file.try_clone()?).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let watched = watched(&mut child, happening, flows, seconds, &file);
    // Flows that stay in the table would cause events in the next run.
    let _ = Command::new("conntrack").arg("-F").stderr(Stdio::null()).status();
    let (cpu, kib) = watched.inspect_err(|_| end(&mut child))?;
    file.rewind()?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    let counted = text.strip_prefix("events ").and_then(|number| number.trim().parse().ok());
    let events = counted.unwrap_or_else(|| text.lines().count());
    let micros = cpu.as_micros();
    let mut out = io::stdout().lock();
    writeln!(
        out,
        "cpu_us {micros}\nkib {kib}\nevents {events}\nlost {}",
        flows.saturating_sub(events)
    )?;
    Ok(())
}

/// CPU time and peak memory of `child`, which reads the events of the new flows.
fn watched(
    child: &mut Child,
    happening: &Happening,
    flows: usize,
    time: Duration,
    file: &File,
) -> Result<(Duration, String), Box<dyn Error>> {
    wait_until("the command does not listen for events", || {
        let table = fs::read_to_string("/proc/self/net/netlink")?;
        let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        Ok(rows
            .filter(|row| row.get(1) == Some(&happening.protocol))
            .any(|row| row.get(3).is_some_and(|groups| !groups.trim_matches('0').is_empty())))
    })?;
    (happening.make)(flows, time)?;
    // Wait until the command writes no more.
    let mut length = u64::MAX;
    wait_until("the command does not stop writing", || {
        sleep(Duration::from_millis(100));
        let before = std::mem::replace(&mut length, file.metadata()?.len());
        Ok(before == length)
    })?;
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.split_whitespace().next()).unwrap_or("-").to_owned();
    let pid = Pid::from_raw(child.id().try_into()?).ok_or("no process")?;
    kill_process(pid, Signal::TERM)?;
    Ok((sys::wait4(child.id())?.cpu, kib))
}

fn wait_until(
    what: &str,
    mut is_so: impl FnMut() -> io::Result<bool>,
) -> Result<(), Box<dyn Error>> {
    let end = Instant::now() + Duration::from_secs(10);
    while !is_so()? {
        if Instant::now() > end {
            return Err(what.into());
        }
        sleep(Duration::from_millis(1));
    }
    Ok(())
}

/// Makes connections, one after the other, each of which sends 100 bytes and ends, evenly within `time`.
fn connect(number: usize, time: Duration) -> io::Result<()> {
    // The client's ports stay in TIME_WAIT, with each address of the server.
    const PORTS: usize = 20_000;
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, 80))?;
    let start = Instant::now();
    for place in 0..number {
        let host = Ipv4Addr::from_bits(0x7f00_0101 + (place / PORTS) as u32);
        let mut client = TcpStream::connect((host, 80))?;
        let mut server = listener.accept()?.0;
        client.write_all(&[b'x'; 100])?;
        server.read_exact(&mut [0; 100])?;
        drop((client, server));
        let due = time * place as u32 / number as u32;
        if place % 64 == 63 && due > start.elapsed() {
            sleep(due.saturating_sub(start.elapsed()));
        }
    }
    Ok(())
}

/// Sends one datagram per flow, each to its own address and port, evenly within `time`.
fn make(flows: usize, time: Duration) -> io::Result<()> {
    const PORTS: usize = 60_000;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let start = Instant::now();
    for number in 0..flows {
        let host = Ipv4Addr::from_bits(0x7f00_0101 + (number / PORTS) as u32);
        socket.send_to(b"x", (host, (number % PORTS) as u16 + 1))?;
        let due = time * number as u32 / flows as u32;
        if number % 64 == 63 && due > start.elapsed() {
            sleep(due.saturating_sub(start.elapsed()));
        }
    }
    Ok(())
}
