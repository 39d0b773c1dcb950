//! Flows that begin and end at a steady rate, for a command that exports them.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::measure::end;
use crate::netns::set;
use crate::sys;

/// How many flows begin before all end.
const AT_ONCE: usize = 12_500;
/// More memory is a fault, whatever the time.
const MOST_KIB: u64 = 96 << 10;

/// `NUMBER SECONDS COMMAND...`: runs COMMAND, which exports flows until SIGTERM, and makes so many begin and end within this
/// time; prints what COMMAND used.
pub fn watch(arguments: &[String]) -> Result<(), Box<dyn Error>> {
    let [flows, seconds, program, words @ ..] = arguments else {
        return Err("usage: --export NUMBER SECONDS COMMAND...".into());
    };
    let (flows, seconds) = (flows.parse()?, Duration::from_secs(seconds.parse()?));
    set("net/netfilter/nf_conntrack_acct", "1")?;
    let mut command = Command::new(program);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let used = used(&mut child, flows, seconds, program, words);
    let (cpu, kib) = used.inspect_err(|_| end(&mut child))?;
    writeln!(io::stdout().lock(), "cpu_us {}\nkib {kib}", cpu.as_micros())?;
    Ok(())
}

/// CPU time and peak memory of `child`.
fn used(
    child: &mut Child,
    flows: usize,
    time: Duration,
    program: &str,
    words: &[String],
) -> Result<(Duration, u64), Box<dyn Error>> {
    let start = Instant::now();
    while !is_following()? {
        if start.elapsed() > Duration::from_secs(10) {
            return Err("the command follows nothing".into());
        }
        sleep(Duration::from_millis(1));
    }
    sleep(Duration::from_millis(200));
    make(flows, time)?;
    sleep(Duration::from_secs(3));
    if let Some(place) = words.iter().position(|word| word == "--socket") {
        complete(flows as u64, program, &words[place..=place + 1])?;
    }
    let status = fs::read_to_string(format!("/proc/{}/status", child.id()))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = peak.and_then(|peak| peak.split_whitespace().next()).unwrap_or("0").parse()?;
    if kib > MOST_KIB {
        return Err(format!("{kib} KiB of memory").into());
    }
    let pid = Pid::from_raw(child.id().try_into()?).ok_or("no process")?;
    kill_process(pid, Signal::TERM)?;
    Ok((sys::wait4(child.id())?.cpu, kib))
}

/// Whether a command follows events of connection tracking, or packets.
fn is_following() -> io::Result<bool> {
    let table = fs::read_to_string("/proc/self/net/netlink")?;
    let rows = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    let follows = rows
        .filter(|row| row.get(1) == Some(&"12"))
        .any(|row| row.get(3).is_some_and(|groups| !groups.trim_matches('0').is_empty()));
    Ok(follows || fs::read_to_string("/proc/self/net/packet")?.lines().count() > 1)
}

/// Asks a daemon whether it knows of every flow, or counts what it does not: records that were sent, that were lost, or
/// events that the kernel dropped.
fn complete(flows: u64, program: &str, socket: &[String]) -> Result<(), Box<dyn Error>> {
    let run = Command::new(program).args(socket).args(["-s", "--tsv"]).output()?;
    let text = String::from_utf8(run.stdout)?;
    let number = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|number| number.trim().parse().ok()).unwrap_or_default()
    };
    let events = number("events\treceived\t") + number("events\tlost\t");
    let exported =
        number("ipfix\trecords\t") + number("ipfix\tlost\t") + number("ipfix\twaiting\t");
    let lost = number("events\tlost\t");
    if events < 2 * flows || exported > 0 && exported + lost < flows {
        return Err(
            format!("{flows} flows, {events} events, {exported} records, {lost} lost").into()
        );
    }
    Ok(())
}

/// Sends one datagram per flow, each to its own address and port, evenly within `time`, and ends the flows in between.
fn make(flows: usize, time: Duration) -> io::Result<()> {
    const PORTS: usize = 60_000;
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let start = Instant::now();
    for number in 0..flows {
        let host = Ipv4Addr::from_bits(0x7f00_0101 + (number / PORTS) as u32);
        socket.send_to(b"x", (host, (number % PORTS) as u16 + 1))?;
        if number % AT_ONCE == AT_ONCE - 1 {
            Command::new("conntrack").arg("-F").stderr(Stdio::null()).status()?;
        }
        // The bench takes a silent command for one that hangs.
        if number % 500_000 == 499_999 {
            writeln!(io::stdout().lock(), "made {}", number + 1)?;
        }
        let due = time * number as u32 / flows as u32;
        if number % 64 == 63 && due > start.elapsed() {
            sleep(due.saturating_sub(start.elapsed()));
        }
    }
    Command::new("conntrack").arg("-F").stderr(Stdio::null()).status()?;
    Ok(())
}
