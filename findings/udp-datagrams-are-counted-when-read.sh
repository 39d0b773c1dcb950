#!/usr/bin/env bash
# Guess: UdpInDatagrams grows when a datagram reaches a bound socket, and a datagram that is lost is counted as lost.
# Really: it grows when the program reads the datagram. What waits in a queue is in no counter, a look with MSG_PEEK
#   adds nothing, and what is still queued when the socket closes is never counted, neither as received nor as an error.
# Matters: the rate of received datagrams is the rate of reading. A service that stops reading, or restarts with full
#   queues, shows no loss until its buffer overflows; Udp: sent minus received minus errors is not zero on loopback.
# Seen with: Linux 6.18, nstat of iproute2 6.1.0-3. Each family counts alone: IPv6 is Udp6InDatagrams.
# Source: Linux, net/ipv4/udp.c: udp_recvmsg() adds to UDP_MIB_INDATAGRAMS, the queueing of a packet does not.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' iproute2)
[[ $version == 6.1.0-3 ]] || { echo "changed: iproute2 is $version, this was seen with 6.1.0-3"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/datagrams.py" <<'PY'
import socket, subprocess

NAMES = ["UdpInDatagrams", "UdpInErrors", "UdpNoPorts", "UdpRcvbufErrors"]

def show(what):
    text = subprocess.run(["nstat", "-asz", *NAMES], capture_output=True, text=True, check=True).stdout
    numbers = dict(line.split()[:2] for line in text.splitlines() if not line.startswith("#"))
    print(f"{what}: received {numbers['UdpInDatagrams']}, lost {sum(int(numbers[n]) for n in NAMES[1:])}")

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
reader = socket.socket(type=socket.SOCK_DGRAM)
reader.bind(("127.0.0.1", 0))
writer = socket.socket(type=socket.SOCK_DGRAM)
for _ in range(10):
    writer.sendto(b"x", reader.getsockname())
show("10 sent")
reader.recv(1, socket.MSG_PEEK)
show("1 peeked at")
for _ in range(4):
    reader.recv(1)
show("4 read")
reader.close()
show("6 thrown away by close")
PY
seen=$(NSTAT_HISTORY="$tmp/history" timeout 30 unshare --net python3 "$tmp/datagrams.py")
expected='10 sent: received 0, lost 0
1 peeked at: received 0, lost 0
4 read: received 4, lost 0
6 thrown away by close: received 4, lost 0'

echo "Linux $(uname -r), iproute2 $version"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: UdpInDatagrams no longer counts what was read, and only that"; exit 1; }
echo "ok: UdpInDatagrams counts what programs read; 6 of 10 datagrams are in no counter"
