#!/usr/bin/env bash
# Guess: the kernel names the same user for a socket in /proc/net/tcp and over netlink, whatever its state.
# Really: for SYN_RECV the file has the user of the listener, netlink has user 0; for TIME_WAIT, and FIN_WAIT2 whose
#   socket was closed, both have 0, which net-tools prints as root's and ss prints as no user at all.
# Matters: connections per user differ by tool: netstat -e gives half-open connections to the service's user and the
#   closed ones to root, ss -e gives both to nobody, and readers of netlink such as pyroute2 give both to root.
# Seen with: Linux 6.18, iproute2 6.1.0-3, net-tools 2.10-0.1+deb12u2.
# Source: Linux, net/ipv4/tcp_ipv4.c, get_openreq4() and get_timewait4_sock(), against net/ipv4/inet_diag.c,
#   inet_req_diag_fill() and inet_twsk_diag_fill().
set -euo pipefail
for pinned in iproute2=6.1.0-3 net-tools=2.10-0.1+deb12u2; do
    version=$(dpkg-query -W -f '${Version}' "${pinned%%=*}")
    [[ $version == "${pinned#*=}" ]] || { echo "changed: ${pinned%%=*} is $version, this was seen with ${pinned#*=}"; exit 1; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/owners.py" <<'PY'
import os, re, socket, subprocess, time

USER = 12345
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
os.seteuid(USER)

def listener(defer=0):
    made = socket.socket()
    # With TCP_DEFER_ACCEPT a connection stays in SYN_RECV until its first byte of data arrives.
    made.setsockopt(socket.IPPROTO_TCP, socket.TCP_DEFER_ACCEPT, defer)
    made.bind(("127.0.0.1", 0))
    made.listen(5)
    return made

def pair(server):
    client = socket.socket()
    client.connect(server.getsockname())
    return client, server.accept()[0]

deferring, server = listener(60), listener()
half_open = socket.socket()
half_open.connect(deferring.getsockname())
open_pair = pair(server)
client, peer = pair(server)     # TIME_WAIT
client.close()
time.sleep(0.1)
peer.close()
client, kept = pair(server)     # FIN_WAIT2 without an owner, and CLOSE_WAIT
client.close()
time.sleep(0.1)
os.seteuid(0)

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

def show(tool, found):
    print(tool, *(f"{state}:{'/'.join(sorted(found[state]))}" for state in sorted(found)))

found = {}
for line in run("netstat", "-tane")[2:]:
    words = line.split()
    found.setdefault(words[5], set()).add(words[6])
show("net-tools", found)
found = {}
for line in run("ss", "-tane")[1:]:
    user = re.search(r"uid:(\d+)", line)
    found.setdefault(line.split()[0], set()).add(user[1] if user else "none")
show("ss", found)
PY
seen=$(timeout 30 unshare --net python3 "$tmp/owners.py")
expected='net-tools CLOSE_WAIT:12345 ESTABLISHED:12345 FIN_WAIT2:0 LISTEN:12345 SYN_RECV:12345 TIME_WAIT:0
ss CLOSE-WAIT:12345 ESTAB:12345 FIN-WAIT-2:none LISTEN:12345 SYN-RECV:none TIME-WAIT:none'

echo "Linux $(uname -r), iproute2 6.1.0-3, net-tools 2.10-0.1+deb12u2; all sockets were made by user 12345"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: the users of SYN_RECV or TIME_WAIT are others than before"; exit 1; }
echo "ok: SYN_RECV has its listener's user in /proc/net/tcp and none over netlink; TIME_WAIT has neither"
