#!/usr/bin/env bash
# Guess: get_all() of the crate listeners returns listening TCP sockets and unconnected UDP sockets, one item each.
# Really: it returns every socket that a process holds, in any state, connected UDP too. It is a set without the remote
#   address: all connections of a server in one state are one item, and so are listeners that share a port. Of several
#   holders it names one.
# Matters: its length is neither the number of listeners nor of connections. A filter by state gives listening
#   addresses; connections cannot be counted with it: five of a server are 1, the clients' five are 5.
# Seen with: listeners 0.6.1.
# Source: crate listeners, src/platform/linux/mod.rs, get_all(), and Listener in src/lib.rs.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
mkdir "$tmp/list" "$tmp/list/src"
cat >"$tmp/list/Cargo.toml" <<'TOML'
[package]
name = "list"
version = "0.0.0"
edition = "2021"

[dependencies]
listeners = "=0.6.1"
TOML
cat >"$tmp/list/src/main.rs" <<'RUST'
use std::collections::BTreeMap;

fn main() {
    let mut items = BTreeMap::new();
    for one in listeners::get_all().unwrap() {
        let end = match one.socket.port() {
            4001 => "server",
            4002 => "shared",
            5001 => "datagrams",
            _ => "client",
        };
        *items.entry(format!("{end} {} {}", one.protocol, one.state)).or_insert(0) += 1;
    }
    for (what, count) in items {
        println!("{what}: {count}");
    }
}
RUST
(cd "$tmp/list" && CARGO_TARGET_DIR=$tmp/target timeout 500 cargo build --quiet --jobs 1)

cat >"$tmp/sockets.py" <<'PY'
import socket, subprocess, sys

def bound(port, kind=socket.SOCK_STREAM):
    made = socket.socket(type=kind)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    made.bind(("127.0.0.1", port))
    if kind == socket.SOCK_STREAM:
        made.listen(9)
    return made

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server, shared, datagrams = bound(4001), [bound(4002) for _ in range(3)], bound(5001, socket.SOCK_DGRAM)
pairs = [(socket.create_connection(server.getsockname()), server.accept()[0]) for _ in range(5)]
connected = socket.socket(type=socket.SOCK_DGRAM)
connected.connect(datagrams.getsockname())
subprocess.run([sys.argv[1]], check=True)
PY
seen=$(timeout 60 unshare --net python3 "$tmp/sockets.py" "$tmp/target/debug/list")
expected='client TCP ESTABLISHED: 5
client UDP UNKNOWN: 1
datagrams UDP UNKNOWN: 1
server TCP ESTABLISHED: 1
server TCP LISTEN: 1
shared TCP LISTEN: 1'

echo "listeners 0.6.1; made: 5 connections of a server, 3 listeners at one port, 1 UDP server, 1 connected UDP socket"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: get_all() returns other items"; exit 1; }
echo "ok: get_all() lists connections too, and all of a server's in one state as one"
