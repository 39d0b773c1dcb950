#!/usr/bin/env bash
# Guess: UNREPLIED in netstat-nat is [UNREPLIED] of conntrack: a UDP flow to which no packet came back.
# Really: it is every UDP flow that is not [ASSURED], answered or not. Since a flow is assured only when it is two
#   seconds old, an answered question, such as DNS, is always UNREPLIED here. It lists no IPv6 flow at all.
# Matters: counting UNREPLIED to find silent peers or a scan counts healthy traffic.
# Seen with: netstat-nat 1.4.10-3+b1, conntrack 1.4.7, Linux 6.18.
# Source: netstat-nat, netstat-nat.c, where it reads lines of /proc/net/nf_conntrack.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' conntrack)
[[ $version == 1:1.4.7-1+b2 ]] || { echo "changed: conntrack is $version, this was seen with 1:1.4.7-1+b2"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
timeout 300 apt-get download -q -o APT::Sandbox::User=root netstat-nat=1.4.10-3+b1 >/dev/null
dpkg -x netstat-nat_*.deb netstat-nat

cat >answered.py <<'PY'
import re, socket, subprocess, time

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout

def bound(family, address):
    made = socket.socket(family, socket.SOCK_DGRAM)
    made.bind((address, 0))
    return made

def exchange(server, client):
    client.sendto(b"x", server.getsockname())
    server.recv(1)
    server.sendto(b"x", client.getsockname())
    client.recv(1)

def show(what):
    flows = run("conntrack", "-L", "-p", "udp").splitlines()
    marks = sorted("/".join(re.findall(r"UNREPLIED|ASSURED", flow)) or "answered" for flow in flows)
    rows = run("netstat-nat/usr/bin/netstat-nat", "-nL").splitlines()[1:]
    print(f"{what}: conntrack", *marks, "| netstat-nat", *sorted(row.split()[-1] for row in rows if row.startswith("udp")))

run("ip", "link", "set", "lo", "up")
# Flows are tracked in a new namespace only if a rule looks at them.
run("nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c ct state new")
pair = bound(socket.AF_INET, "127.0.0.1"), bound(socket.AF_INET, "127.0.0.1")
exchange(*pair)
show("one answered flow")
exchange(bound(socket.AF_INET6, "::1"), bound(socket.AF_INET6, "::1"))
show("and one of IPv6")
time.sleep(3)
exchange(*pair)
show("3 s later, the first again")
PY
seen=$(timeout 30 unshare --net python3 answered.py)
expected='one answered flow: conntrack answered | netstat-nat UNREPLIED
and one of IPv6: conntrack answered answered | netstat-nat UNREPLIED
3 s later, the first again: conntrack ASSURED answered | netstat-nat ASSURED'

echo "netstat-nat 1.4.10-3+b1, conntrack $version, Linux $(uname -r)"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: netstat-nat prints another state of answered UDP flows"; exit 1; }
echo "ok: netstat-nat calls an answered UDP flow UNREPLIED until it is ASSURED"
