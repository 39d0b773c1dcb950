#!/usr/bin/env bash
# Guess: "ss state bucket" lists what the kernel keeps as a small stand-in of a socket, as ss(8) says, so its rows are
#   SYN-RECV plus "timewait" of ss -s, which is tw of /proc/net/sockstat.
# Really: it goes by the state's name: TIME-WAIT and SYN-RECV. A connection that a program closed and the peer has not
#   is such a stand-in as well, in FIN-WAIT-2: it is in tw, and "ss state big" lists it among the whole sockets.
# Matters: the number of sockets that cost little memory is too low by these rows, and ss -s and ss state bucket differ
#   on every host that talks to slow peers.
# Seen with: Linux 6.18, iproute2 6.1.0-3.
# Source: iproute2, misc/ss.c, the state groups; Linux, net/ipv4/tcp_minisocks.c, tcp_time_wait(), with a substate.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' iproute2)
[[ $version == 6.1.0-3 ]] || { echo "changed: iproute2 is $version, this was seen with 6.1.0-3"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/buckets.py" <<'PY'
import re, socket, subprocess, time

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout

def rows(group):
    lines = [line for line in run("ss", "-tanH", "state", group).splitlines() if "0.0.0.0:*" not in line]
    return len(lines)

run("ip", "link", "set", "lo", "up")
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(5)
peers = []
for _ in range(5):
    client = socket.create_connection(server.getsockname())
    peers.append(server.accept()[0])
    client.close()
time.sleep(0.1)
for peer in peers[:3]:
    peer.close()
time.sleep(0.1)
with open("/proc/net/sockstat") as numbers:
    print("tw of sockstat:", re.search(r" tw (\d+)", numbers.read())[1])
print("timewait of ss -s:", re.search(r"timewait (\d+)", run("ss", "-s"))[1])
print("ss state bucket:", rows("bucket"))
print("ss state big, without the listener:", rows("big"))
print("ss state fin-wait-2:", rows("fin-wait-2"))
PY
seen=$(timeout 30 unshare --net python3 "$tmp/buckets.py")
expected='tw of sockstat: 5
timewait of ss -s: 5
ss state bucket: 3
ss state big, without the listener: 4
ss state fin-wait-2: 2'

echo "Linux $(uname -r), iproute2 $version; 3 connections closed by both ends, 2 by one"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: bucket, big or tw hold other sockets"; exit 1; }
echo "ok: bucket lists 3 of the 5 stand-ins that tw counts; the others are among big"
