//! The daemon on the running kernel and compared with Debian's conntrackd, in its own namespaces.

use crate::support;
use crate::world;

mod abuse;
mod ending;
mod ipfix;
mod layouts;
mod life;
mod logs;
mod sandbox;
mod truth;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use world::{Ran, Resident, World};

/// Rules that make the kernel track the flows of the namespace.
const RULES: &str = "add table inet t; add chain inet t c { type filter hook input priority 0; }; \
                     add rule inet t c ct state new counter accept";

/// What it takes to track, create and delete flows.
const NEEDS: [&str; 6] = ["connection tracking", "nft", "conntrack", "sysctl", "python3", "sh"];

/// A namespace that tracks its flows, and a directory for sockets and logs. Both are removed with the value.
struct Place {
    world: World,
    folder: PathBuf,
}

impl Place {
    fn new(test: &str) -> Option<Place> {
        if !support::needs(test, &NEEDS) {
            return None;
        }
        let world = World::quiet(test)?;
        let name = format!("connbox-{test}-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        let place = Place { world, folder };
        place.world.tool("nft", &[RULES]);
        place.world.tool("sysctl", &["-qw", "net.netfilter.nf_conntrack_acct=1"]);
        Some(place)
    }

    /// The path of a file in the directory.
    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().unwrap().to_owned()
    }

    /// Runs conntrackd inside.
    fn ask(&self, words: &[&str]) -> Ran {
        self.world.connbox(&[&["conntrackd", "--socket", &self.path("sock")], words].concat())
    }

    /// Starts a daemon in the foreground, and waits until it answers.
    fn daemon(&self, words: &[&str]) -> Resident {
        self.daemon_with(&[], words)
    }

    /// The same with additional environment variables.
    fn daemon_with(&self, environment: &[(&str, &str)], words: &[&str]) -> Resident {
        let socket = self.path("sock");
        let own = ["conntrackd", "--foreground", "--socket", &socket];
        let words = [&own, words].concat();
        let mut daemon = self.world.running_with(world::connbox(), environment, &words);
        until("the daemon answers", || {
            assert_eq!(daemon.has_ended(), None);
            self.ask(&["-s"]).status == 0
        });
        daemon
    }

    /// A number of the statistics.
    fn number(&self, section: &str, name: &str) -> u64 {
        let text = self.ask(&["-s", "--tsv"]).clean();
        let start = format!("{section}\t{name}\t");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        line.unwrap_or_else(|| panic!("no {section} {name}")).parse().unwrap()
    }

    /// How many flows the kernel has.
    fn kernel_count(&self) -> u64 {
        self.world
            .tool("sysctl", &["-n", "net.netfilter.nf_conntrack_count"])
            .trim()
            .parse()
            .unwrap()
    }

    /// Makes this many UDP flows from one port; no one answers them.
    fn flows(&self, port: u16, count: u32) {
        let text = format!(
            "import socket\n\
             s=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n\
             s.bind(('127.0.0.1',{port}))\n\
             sink=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\n\
             sink.bind(('0.0.0.0',53))\n\
             sink.setsockopt(socket.SOL_SOCKET,socket.SO_RCVBUF,1)\n\
             for n in range({count}):\n\
             \x20 s.sendto(b'x',('127.%d.%d.%d'%(1+n//62500,n//250%250,1+n%250),53))\n"
        );
        self.world.tool("python3", &["-S", "-c", &text]);
    }

    /// One TCP connection from beginning to end, an answered datagram and a ping.
    fn traffic(&self) {
        let text = "import socket\n\
             l=socket.create_server(('127.0.0.1',9))\n\
             c=socket.create_connection(('127.0.0.1',9))\n\
             a=l.accept()[0]\n\
             c.sendall(b'x'*1000)\na.recv(2000)\nc.close()\na.close()\n\
             b=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\nb.bind(('::1',53))\n\
             d=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\nd.sendto(b'q',('::1',53))\n\
             b.sendto(b'answer',b.recvfrom(9)[1])\n\
             e=socket.socket(socket.AF_INET,socket.SOCK_DGRAM)\ne.sendto(b'q',('127.0.0.1',54))\n";
        self.world.tool("python3", &["-S", "-c", text]);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A daemon in the background has written its process ID, and has the directory in its arguments.
        for lock in ["sock.lock", "lock"] {
            let pid = fs::read_to_string(self.path(lock)).unwrap_or_default();
            let arguments = fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
            let folder = self.folder.as_os_str().as_encoded_bytes();
            if memchr::memmem::find(&arguments, folder).is_some() {
                signal(pid.trim().parse().unwrap(), rustix::process::Signal::KILL);
            }
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Polls until `seen` returns true.
fn until(what: &str, mut seen: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(30);
    while !seen() {
        assert!(Instant::now() < end, "not seen in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
