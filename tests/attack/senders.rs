//! A stranger who owns a network namespace sends netlink messages to every socket in it: ends of dumps, rows, errors
//! and events. Root's answers about this namespace are right, or refused.

use std::fs;
use std::net::TcpListener;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::{
    AddressFamily, SendFlags, SocketFlags, SocketType, netlink, sendto, socket_with,
};
use rustix::process::Signal;

use super::flows::{event, message};
use super::part::Part;
use super::random::{Random, damaged};
use super::sys;
use super::trial::{Ended, Trial, connbox, run};
use crate::support::{lacks, needs};
use crate::world::sys::enter_net;

const OTHER: u32 = 65_533;
/// How many listening sockets the namespace has, so that a dump takes more than one answer.
const SOCKETS: usize = 900;
/// An address that only forged messages have.
const FORGED: [u8; 4] = [203, 0, 113, 77];
const FORGED_TEXT: &str = "203.0.113.77";

/// The messages of a stranger.
fn forged() -> Vec<Vec<u8>> {
    const MULTI: u16 = 2;
    let mut all = vec![event(FORGED, 7)];
    // Of the kernel's numbers of sequence, low ones are likely.
    for sequence in 0..4 {
        // The end of a dump, and an error.
        all.push(message(3, MULTI, sequence, 0, &[0; 4]));
        all.push(message(2, 0, sequence, 0, &[&(-1i32).to_ne_bytes()[..], &[0; 16]].concat()));
        // A struct inet_diag_msg: a connection over IPv4 between two addresses that no socket has.
        let mut row = vec![2, 1, 0, 0, 0, 80, 0, 81];
        row.extend(FORGED);
        row.extend([0; 12]);
        row.extend(FORGED);
        row.resize(72, 0);
        let rows: Vec<u8> = (0..200)
            .flat_map(|number: u32| {
                // Each is another socket: its cookie.
                row[44..48].copy_from_slice(&number.to_ne_bytes());
                message(20, MULTI, sequence, 0, &row)
            })
            .collect();
        all.push(rows);
    }
    all.push(vec![0xff; 60_000]);
    all
}

/// The ports of the sockets of a protocol in the namespace of the calling thread.
fn ports(protocol: u32) -> Vec<u32> {
    let text = fs::read_to_string("/proc/thread-self/net/netlink").unwrap_or_default();
    let port = |line: &str| {
        let mut words = line.split_whitespace().skip(1);
        let is_its = words.next()?.parse() == Ok(protocol);
        let port: u32 = words.next()?.parse().ok()?;
        (is_its && port != 0).then_some(port)
    };
    text.lines().filter_map(port).collect()
}

/// Sends all messages to all sockets, for ever.
fn send_for_ever(seed: u64) {
    let all = forged();
    let families = [(4, netlink::SOCK_DIAG), (12, netlink::NETFILTER)];
    let open = |protocol| {
        let flags = SocketFlags::CLOEXEC;
        socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, Some(protocol)).unwrap()
    };
    let sockets: Vec<(u32, OwnedFd)> =
        families.into_iter().map(|(number, protocol)| (number, open(protocol))).collect();
    let others: Vec<&[u8]> = all.iter().map(Vec::as_slice).collect();
    for case in 0.. {
        let mut random = Random::of(seed, case);
        // Those of above, and one that is like them.
        let one: &[u8] = random.one::<&[u8]>(&others);
        let odd = damaged(&mut random, one, &others);
        for (number, socket) in &sockets {
            for port in ports(*number) {
                for bytes in others.iter().chain([&&odd[..odd.len().min(60_000)]]) {
                    let to = netlink::SocketAddrNetlink::new(port, 0);
                    let _ = sendto(socket, bytes, SendFlags::DONTWAIT, &to);
                }
            }
        }
    }
}

/// The stranger, and the sockets that live in his namespace.
struct Stranger {
    pid: u32,
    namespace: u64,
    _sockets: Vec<TcpListener>,
}

impl Stranger {
    fn begin(seed: u64) -> std::io::Result<Stranger> {
        let pid = sys::stranger(OTHER, || send_for_ever(seed))?;
        let of = |process: &str| fs::read_link(format!("/proc/{process}/ns/net"));
        let (own, end) = (of("self")?, Instant::now() + Duration::from_secs(10));
        while of(&pid.to_string()).is_ok_and(|name| name == own) && Instant::now() < end {
            thread::sleep(Duration::from_millis(1));
        }
        let file = fs::File::open(format!("/proc/{pid}/ns/net"))?;
        let fill = || -> std::io::Result<Vec<TcpListener>> {
            enter_net(file.as_raw_fd())?;
            // Of each, a port is chosen.
            (0..SOCKETS).map(|_| TcpListener::bind(("0.0.0.0", 0))).collect()
        };
        let sockets = thread::scope(|scope| scope.spawn(fill).join().unwrap())?;
        let namespace = std::os::unix::fs::MetadataExt::ino(&file.metadata()?);
        Ok(Stranger { pid, namespace, _sockets: sockets })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        sys::end(self.pid);
    }
}

/// Root's questions; `N` is the namespace.
const QUESTIONS: [&str; 9] = [
    "tcpstates --netns N",
    "tcpstates --netns N --by family --strict",
    "tcpstates --netns all",
    "conncount --netns N -t --by state",
    "conncount --netns N -t --by raddr --threads 2",
    "tcptrack --netns N --once",
    "conntrack -L --netns N",
    "conntrack -C -p udp --netns N",
    "conntrack -E --netns N",
];

#[test]
#[ignore = "the attack: cargo test --test attack -- --ignored"]
fn senders_of_netlink_messages() {
    let test = "senders_of_netlink_messages";
    if !needs(test, &["root", "network namespaces", "connection tracking"]) {
        return;
    }
    let part = Part::begin("senders", 8);
    let stranger = match Stranger::begin(part.seed) {
        Ok(stranger) => stranger,
        Err(error) => return lacks(test, "user namespaces", &error.to_string()),
    };
    let daemon = Daemon::begin(&stranger);
    let wrong = AtomicU64::new(0);
    part.in_parallel(|_| {
        while let Some((case, mut random)) = part.next() {
            let line = *random.one(&QUESTIONS);
            let ended = ask(&stranger, line, &mut random);
            part.count(&ended, line);
            if let Err(why) = check(line, &ended, &stranger) {
                wrong.fetch_add(1, Ordering::Relaxed);
                part.fault(case, line, &why, None);
            }
        }
    });
    if let Err(why) = daemon.end() {
        part.fault(0, "conntrackd", &why, None);
    }
    part.end(&format!("; {} wrong answers", wrong.into_inner()));
}

fn ask(stranger: &Stranger, line: &str, random: &mut Random) -> Ended {
    let namespace = stranger.pid.to_string();
    let words = line.split(' ').map(|word| if word == "N" { namespace.as_str() } else { word });
    let trial = Trial::start(&mut connbox(words));
    if line.contains("-E") {
        thread::sleep(Duration::from_millis(100 + random.below(200) as u64));
        return trial.end_by(Signal::INT);
    }
    trial.end()
}

fn check(line: &str, ended: &Ended, stranger: &Stranger) -> Result<(), String> {
    let mut ended_well = ended.check(0);
    // A signal ends the events.
    if line.contains("-E") && ended.signal == Some(libc::SIGINT) {
        ended_well = Ok(());
    }
    ended_well?;
    let said = ended.said();
    let stdout = String::from_utf8_lossy(&ended.stdout);
    if stdout.contains(FORGED_TEXT) {
        return Err(format!("a forged row: {stdout:.300}"));
    }
    if said.lines().filter(|line| !line.contains("have been shown")).count() > 4 {
        return Err(format!("too many warnings: {said:.600}"));
    }
    // An answer that is not given is right.
    if ended.status != Some(0) {
        return Ok(());
    }
    let namespace = stranger.namespace.to_string();
    let mut rows = stdout.lines().filter(|row| !line.ends_with("all") || row.contains(&namespace));
    let is_right = match line {
        "conntrack -C -p udp --netns N" => stdout == "0\n",
        "tcptrack --netns N --once" | "conntrack -L --netns N" | "conntrack -E --netns N" => {
            stdout.is_empty()
        }
        "conncount --netns N -t --by raddr --threads 2" => {
            rows.next() == Some(&format!("0.0.0.0\t{SOCKETS}"))
        }
        _ => {
            let mut counts = rows.filter_map(|row| row.rsplit_once('\t'));
            counts.all(|(row, count)| {
                let is_listen = row.contains("LISTEN") && !row.contains("tcp6");
                count == if is_listen { SOCKETS.to_string() } else { "0".into() }
            })
        }
    };
    if is_right { Ok(()) } else { Err(format!("not the truth: {stdout:.600}\n  said: {said}")) }
}

/// A daemon in the stranger's namespace.
struct Daemon {
    trial: Trial,
    folder: PathBuf,
}

impl Daemon {
    fn begin(stranger: &Stranger) -> Daemon {
        let folder = super::clients::place("senders");
        let socket = folder.join("sock").display().to_string();
        let namespace = stranger.pid.to_string();
        let words = ["conntrackd", "--foreground", "--netns", &namespace, "--socket", &socket];
        Daemon { trial: Trial::start(&mut connbox(words)), folder }
    }

    /// Asks how many flows there are: none.
    fn end(self) -> Result<(), String> {
        let socket = self.folder.join("sock").display().to_string();
        let answer = run(&mut connbox(["conntrackd", "--socket", &socket, "-s", "--tsv"]));
        let ended = self.trial.end_by(Signal::TERM);
        let _ = fs::remove_dir_all(self.folder);
        ended.check(0)?;
        answer.check(0)?;
        let text = String::from_utf8_lossy(&answer.stdout);
        let active = text.lines().find(|line| line.starts_with("flows\tactive\t"));
        match active {
            Some("flows\tactive\t0") => Ok(()),
            active => Err(format!("conntrackd knows {active:?}; said: {}", ended.said())),
        }
    }
}
