#!/usr/bin/env bash
# Guess: a UDP flow is ASSURED, and lives for nf_conntrack_udp_timeout_stream, once packets went both ways twice.
# Really: not before it is two seconds old. Until then the packets, however many, leave it without the mark and with the
#   short timeout, so a question and its answers never get it.
# Matters: conntrack -L -u ASSURED skips all short UDP exchanges, such as DNS, and these are what the kernel drops first
#   when the table is full. The age of a flow decides, not its traffic.
# Seen with: Linux 6.18, conntrack 1.4.7. Older kernels gave the mark with the second packet after an answer.
# Source: Linux, net/netfilter/nf_conntrack_proto_udp.c, nf_conntrack_udp_packet(): a time, stream_ts, is compared.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' conntrack)
[[ $version == 1:1.4.7-1+b2 ]] || { echo "changed: conntrack is $version, this was seen with 1:1.4.7-1+b2"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/stream.py" <<'PY'
import socket, subprocess, time

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout

def exchange(number):
    for _ in range(number):
        client.sendto(b"x", server.getsockname())
        server.recv(1)
        server.sendto(b"x", client.getsockname())
        client.recv(1)

def show(what):
    flow, = run("conntrack", "-L", "-p", "udp").splitlines()
    timeout = "long" if int(flow.split()[2]) > 30 else "short"
    print(f"{what}: {'assured' if '[ASSURED]' in flow else 'not assured'}, timeout {timeout}")

run("ip", "link", "set", "lo", "up")
# Flows are tracked in a new namespace only if a rule looks at them.
run("nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c ct state new")
server, client = (socket.socket(type=socket.SOCK_DGRAM) for _ in range(2))
for one in (server, client):
    one.bind(("127.0.0.1", 0))
exchange(100)
show("100 packets each way at once")
time.sleep(3)
exchange(1)
show("one more each way, 3 s later")
PY
seen=$(timeout 30 unshare --net python3 "$tmp/stream.py")
expected='100 packets each way at once: not assured, timeout short
one more each way, 3 s later: assured, timeout long'

echo "Linux $(uname -r), conntrack $version"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: a UDP flow becomes ASSURED at another time"; exit 1; }
echo "ok: 100 packets each way do not make a UDP flow ASSURED, one after 2 seconds does"
