//! A world of three network namespaces, a client, a router and a server, with flows of every kind through the
//! router's connection tracking.
//!
//! The flows stay: no one sends any more, and no timeout ends during a test. Some belong to real sockets;
//! others come from hand-made packets between two hosts that do not exist, so that they stay in the state they
//! were brought to.

use std::ops::Deref;

use crate::support::{lacks, needs};

use super::{Ran, Resident, Script, World};

const SETUP: &str = include_str!("router/setup.sh");
const TRAFFIC: &str = include_str!("router/traffic.py");

/// Flows that traffic cannot create; Debian's conntrack inserts them.
const INSERTED: [&str; 5] = [
    "-I -s 1.1.1.1 -d 2.2.2.2 -p dccp --sport 1 --dport 2 --state OPEN --role client -t 90000 -m 7",
    "-I -s fd::1 -d fd::2 -p tcp --sport 5 --dport 6 --state SYN_SENT2 -t 90000 -w 65535 -m 3735928559",
    "-I -s 1.1.1.1 -d 2.2.2.2 -p udp --sport 5 --dport 6 -t 90000 -u FIXED_TIMEOUT,SEEN_REPLY,ASSURED",
    "-I -s 1.1.1.1 -d 2.2.2.2 -r 2.2.2.2 -q 9.9.9.9 -p udp --sport 22 --dport 6 --reply-port-src 6 \
     --reply-port-dst 99 -t 90000",
    "-I -s ::1.2.3.4 -d ::ffff:1.2.3.4 -p 253 -t 90000",
];

/// What a router needs.
const NEEDS: [&str; 7] =
    ["connection tracking", "bash", "conntrack", "ip", "nft", "nsenter", "python3"];

/// The router's namespace, and what keeps its flows alive.
pub struct Router {
    world: World,
    traffic: Script,
    hosts: [(Resident, World); 2],
}

impl Deref for Router {
    type Target = World;

    fn deref(&self) -> &World {
        &self.world
    }
}

impl World {
    /// A router with flows of every kind. None if `test` is skipped.
    pub fn router(test: &str) -> Option<Router> {
        if !needs(test, &NEEDS) {
            return None;
        }
        let [world, client, server] = [Self::quiet(test)?, Self::quiet(test)?, Self::quiet(test)?];
        let hosts = [client, server].map(|world| (world.resident(), world));
        let pids = hosts.each_ref().map(|(resident, _)| resident.pid().to_string());
        let setup = world.ran("bash", &["-c", SETUP, "setup", &pids[0], &pids[1]]);
        if setup.status != 0 {
            lacks(test, "connection tracking", setup.stderr.trim_end());
            return None;
        }
        let ends = format!("CLIENT, SERVER = {}, {}\n", pids[0], pids[1]);
        let mut traffic = world.script(&[&ends, TRAFFIC].concat());
        assert_eq!(traffic.go(), "done", "the traffic through the router");
        for options in INSERTED {
            let words: Vec<_> = options.split_ascii_whitespace().collect();
            let Ran { status, stderr, .. } = world.ran("conntrack", &words);
            assert_eq!(status, 0, "{options}: {stderr}");
        }
        Some(Router { world, traffic, hosts })
    }
}

impl Router {
    /// The namespaces of the client and of the server.
    pub fn hosts(&self) -> [&World; 2] {
        self.hosts.each_ref().map(|(_, world)| world)
    }

    /// Makes new TCP flows in every state, some of which the kernel ends at once, for tests that watch. The
    /// earlier flows stay.
    pub fn more_traffic(&mut self) {
        assert_eq!(self.traffic.go(), "done", "more traffic through the router");
    }
}
