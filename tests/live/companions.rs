//! The test program runs itself again as these companions: processes that hold known sockets or move known
//! bytes, on any machine.
//!
//! A companion does one step for each line that it reads, reports the result, and ends when its input ends. It
//! reports on its standard error, since the test harness uses its standard output.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use rustix::net::{
    AddressFamily, SocketFlags, SocketType, accept, bind, connect, getsockname, listen, socket,
    socketpair,
};

use crate::world::{COMPANION, COMPANION_NAME, become_companion, oneself, sys};

/// Not a test, but the entry of the companions.
#[test]
fn is_one() {
    let Ok(role) = std::env::var(COMPANION) else { return };
    if let Some(name) = std::env::var_os(COMPANION_NAME) {
        call_oneself(&name);
    }
    match role.as_str() {
        "churn" => churn(),
        "crossing" => crossing(),
        "heir" => heir(),
        "holder" => holder(),
        "listener" => listener(),
        "straying" => straying(),
        "transfer" => transfer(),
        "web" => web(),
        _ => panic!("{role} is not a companion"),
    }
}

/// Changes the name of the process, of at most 15 bytes.
fn call_oneself(name: &OsString) {
    fs::write("/proc/self/comm", name.as_bytes()).unwrap();
}

/// The next line of input; None at the end.
fn told() -> Option<String> {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
    (!line.is_empty()).then(|| line.trim_end().to_owned())
}

fn say(text: &str) {
    io::stderr().write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// Holds an unbound socket in a namespace of its own, in which only one of its threads lives.
fn straying() {
    told();
    let thread = thread::spawn(|| {
        sys::unshare_net().unwrap();
        let _socket = tcp(V4, None);
        say(&format!("{} {}", std::process::id(), rustix::thread::gettid().as_raw_nonzero()));
        stay();
    });
    thread.join().unwrap();
}

/// Waits for the end of the input.
fn stay() {
    io::stdin().read_to_end(&mut Vec::new()).unwrap();
}

/// The bytes that [`transfer`] moves to the server and back for each line.
pub const MOVED: (u64, u64) = (123_457, 98_765);

/// A server on ports 9001 (IPv4) and 9002 (IPv6), and one client of each. For each line, it moves [`MOVED`] and
/// reports the ports of the clients; for the line `close`, it first closes all connections and opens new ones.
fn transfer() {
    let ends: [SocketAddr; 2] =
        [(Ipv4Addr::LOCALHOST, 9001).into(), (Ipv6Addr::LOCALHOST, 9002).into()];
    let listeners = ends.map(|end| TcpListener::bind(end).unwrap());
    let mut pairs: Vec<(TcpStream, TcpStream)> = Vec::new();
    while let Some(line) = told() {
        if line == "close" || pairs.is_empty() {
            pairs.clear();
            for (listener, end) in listeners.iter().zip(ends) {
                let client = TcpStream::connect(end).unwrap();
                pairs.push((client, listener.accept().unwrap().0));
            }
        }
        for (client, server) in &pairs {
            send(client, server, MOVED.0);
            send(server, client, MOVED.1);
        }
        let ports: Vec<_> = pairs.iter().map(|pair| pair.0.local_addr().unwrap().port()).collect();
        say(&format!("{} {}", ports[0], ports[1]));
    }
}

fn send(mut from: &TcpStream, mut to: &TcpStream, mut bytes: u64) {
    let mut buffer = [b'x'; 20_000];
    while bytes > 0 {
        let part = bytes.min(20_000) as usize;
        from.write_all(&buffer[..part]).unwrap();
        to.read_exact(&mut buffer[..part]).unwrap();
        bytes -= part as u64;
    }
}

/// A TCP socket that programs inherit, unlike those of std; bound to a port of lo, if one is given.
fn tcp(family: AddressFamily, port: Option<u16>) -> OwnedFd {
    let made = socket(family, SocketType::STREAM, None).unwrap();
    match port {
        Some(port) if family == AddressFamily::INET => {
            bind(&made, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
        }
        Some(port) => bind(&made, &SocketAddr::from((Ipv6Addr::LOCALHOST, port))).unwrap(),
        None => {}
    }
    made
}

const V4: AddressFamily = AddressFamily::INET;
const V6: AddressFamily = AddressFamily::INET6;

/// A connection over IPv6: client and server. The client uses this port, if one is given.
fn pair(listener: &OwnedFd, port: Option<u16>) -> (OwnedFd, OwnedFd) {
    let client = tcp(V6, port);
    let address = SocketAddr::try_from(getsockname(listener).unwrap()).unwrap();
    connect(&client, &address).unwrap();
    (client, accept(listener).unwrap())
}

/// Closes one end with a reset, and waits until the other end has received it.
fn reset(one: OwnedFd, other: &OwnedFd) {
    set_socket_linger(&one, Some(Duration::ZERO)).unwrap();
    drop(one);
    while sys::tcp_state(other).unwrap() != 7 {}
}

/// Holds sockets of every kind, some of which are neither connected nor listening, and starts a process that
/// inherits all of them. Reports both process IDs.
fn holder() {
    told();
    call_oneself(&"ho\"l\tder".into());
    // Never bound or connected: 8; one of them has two descriptors.
    let mut kept: Vec<_> = [V4, V4, V4, V4, V4, V6, V6, V6].map(|family| tcp(family, None)).into();
    kept.push(rustix::io::dup(kept[0].as_fd()).unwrap());
    // Only bound: 3.
    kept.extend([V4, V4, V6].map(|family| tcp(family, Some(0))));
    let listener = tcp(V6, Some(0));
    listen(&listener, 16).unwrap();
    // Reset by the peer: 3 clients, one of which keeps the port that it had chosen, and 1 server.
    for port in [None, Some(0), Some(7001)] {
        let (client, server) = pair(&listener, port);
        reset(server, &client);
        kept.push(client);
    }
    let (client, server) = pair(&listener, None);
    reset(client, &server);
    // Made by another user: 1.
    kept.extend([server, sys::as_file_user(65534, || tcp(V4, None))]);
    // These must not be counted: connected sockets, one closed only by its peer, and other protocols.
    let (client, server) = pair(&listener, Some(7002));
    kept.extend([client, server, pair(&listener, None).0]);
    let [udp, bound] = [V4, V6].map(|family| socket(family, SocketType::DGRAM, None).unwrap());
    bind(&bound, &SocketAddr::from((Ipv6Addr::LOCALHOST, 0))).unwrap();
    let (one, other) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::empty(), None).unwrap();
    kept.extend([udp, bound, one, other]);
    let (mut heir, mut said) = (Command::new(oneself()), [0]);
    become_companion(&mut heir, "heir");
    sys::before_exec(&mut heir, sys::die_with_parent);
    let mut heir = heir.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    heir.stderr.as_mut().unwrap().read_exact(&mut said).unwrap();
    say(&format!("{} {}", std::process::id(), heir.id()));
    stay();
    drop(heir.stdin.take());
    heir.wait().unwrap();
    drop((kept, listener));
}

/// Holds 2 sockets of its own in addition to those that it inherits.
fn heir() {
    call_oneself(&"heir".into());
    let own = [V4, V6].map(|family| tcp(family, None));
    say("!");
    stay();
    drop(own);
}

/// Connects in its namespace, and starts a process in another namespace that inherits the connection, a socket
/// that is only bound, and one that is not. Reports the process ID.
fn crossing() {
    told();
    let listener = tcp(V4, Some(0));
    listen(&listener, 16).unwrap();
    let client = tcp(V4, None);
    let address = SocketAddr::try_from(getsockname(&listener).unwrap()).unwrap();
    connect(&client, &address).unwrap();
    let kept = [accept(&listener).unwrap(), tcp(V4, Some(0)), tcp(V4, None)];
    let mut beyond = Command::new("sleep");
    sys::before_exec(&mut beyond, || sys::unshare_net().and_then(|()| sys::die_with_parent()));
    let mut beyond = beyond.arg("300").spawn().unwrap();
    say(&beyond.id().to_string());
    stay();
    beyond.kill().unwrap();
    beyond.wait().unwrap();
    drop((listener, client, kept));
}

/// Connections that come and go all the time: each has an unbound socket only for a moment before it.
fn churn() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    let connect = move || TcpStream::connect(address).unwrap();
    thread::spawn(move || listener.incoming().for_each(drop));
    let stable: Vec<_> = (0..100).map(|_| connect()).collect();
    told();
    say("on");
    thread::spawn(move || (0..u64::MAX).for_each(|_| drop(connect())));
    stay();
    drop(stable);
}

/// For the first line, makes a socket that listens and one that is not bound.
fn listener() {
    told();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let unbound = tcp(V4, None);
    say("on");
    stay();
    drop((listener, unbound));
}

/// A server called web, and two connections to it by itself.
fn web() {
    told();
    call_oneself(&"web".into());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let connect = |_| {
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        (client, listener.accept().unwrap())
    };
    let connections = [0, 1].map(connect);
    say("on");
    stay();
    drop((connections, listener));
}
