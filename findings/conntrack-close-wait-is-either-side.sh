#!/usr/bin/env bash
# Guess: states of conntrack mean what those of sockets mean: CLOSE_WAIT if the client closed first and the server has
#   not, FIN_WAIT if the server closed first.
# Really: one flow has one state, and it does not say who closed. The first FIN makes it FIN_WAIT, the ACK of that FIN
#   CLOSE_WAIT, whichever end sent it; so every half-closed connection is CLOSE_WAIT, for 60 seconds without a packet.
# Matters: CLOSE_WAIT in conntrack is no sign of a program that forgets to close, and FIN_WAIT, which lasts one round
#   trip, is nearly always 0. The numbers cannot be compared with those of ss, where the two ends have two states.
# Seen with: Linux 6.18, conntrack 1.4.7, iproute2 6.1.0-3.
# Source: Linux, net/netfilter/nf_conntrack_proto_tcp.c, the table tcp_conntracks.
set -euo pipefail
for pinned in iproute2=6.1.0-3 conntrack=1:1.4.7-1+b2; do
    version=$(dpkg-query -W -f '${Version}' "${pinned%%=*}")
    [[ $version == "${pinned#*=}" ]] || { echo "changed: ${pinned%%=*} is $version, this was seen with ${pinned#*=}"; exit 1; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/closes.py" <<'PY'
import socket, subprocess, time

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

run("ip", "link", "set", "lo", "up")
# Flows are tracked in a new namespace only if a rule looks at them.
run("nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c ct state new")
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(5)
port = str(server.getsockname()[1])
for who in ("client", "server"):
    client = socket.create_connection(server.getsockname())
    peer, _ = server.accept()
    first, second = (client, peer) if who == "client" else (peer, client)
    first.shutdown(socket.SHUT_WR)
    time.sleep(0.1)
    at_server = run("ss", "-tanH", "state", "connected", "sport", "=", port)[0].split()[0]
    flow, = run("conntrack", "-L", "-p", "tcp")
    print(f"{who} closed first: conntrack {flow.split()[3]}, socket of the server {at_server}")
    second.close()
    first.close()
    time.sleep(0.1)
    run("conntrack", "-F")
    server.close()
    server = socket.socket()
    server.bind(("127.0.0.1", 0))
    server.listen(5)
    port = str(server.getsockname()[1])
PY
seen=$(timeout 30 unshare --net python3 "$tmp/closes.py")
expected='client closed first: conntrack CLOSE_WAIT, socket of the server CLOSE-WAIT
server closed first: conntrack CLOSE_WAIT, socket of the server FIN-WAIT-2'

echo "Linux $(uname -r), conntrack 1:1.4.7-1+b2"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: the state of a half-closed flow now depends on who closed"; exit 1; }
echo "ok: a half-closed flow is CLOSE_WAIT in conntrack, whichever end closed"
