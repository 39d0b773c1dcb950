#!/usr/bin/env bash
# Guess: when all data is acknowledged, bytes_acked of ss -i is bytes_sent, and the peer's bytes_received too.
# Really: these two count sequence numbers. bytes_acked has 1 for the SYN, at the end that opened the connection only,
#   and 1 for the FIN; bytes_received has the peer's FIN. bytes_sent has neither.
# Matters: traffic summed from tcp_info is off by up to 2 bytes per connection and direction, and the sum of both ends
#   does not balance; a connection without data looks as if it had sent a byte.
# Seen with: Linux 6.18, iproute2 6.1.0-3.
# Source: Linux, net/ipv4/tcp_input.c, tcp_snd_una_update() and tcp_rcv_nxt_update(): both add up sequence numbers.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' iproute2)
[[ $version == 6.1.0-3 ]] || { echo "changed: iproute2 is $version, this was seen with 6.1.0-3"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/bytes.py" <<'PY'
import re, socket, subprocess, time

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout

def show(what):
    time.sleep(0.2)
    for end, side in (("client", "dport"), ("server", "sport")):
        text = run("ss", "-tniHO", "state", "connected", side, "=", port)
        numbers = dict(re.findall(r"bytes_(sent|acked|received):(\d+)", text))
        print(f"{what}, {end}:", *(f"{name} {numbers.get(name, 0)}" for name in ("sent", "acked", "received")))

run("ip", "link", "set", "lo", "up")
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(5)
port = str(server.getsockname()[1])
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
show("no data")
client.sendall(b"x" * 1000)
peer.recv(1000, socket.MSG_WAITALL)
peer.sendall(b"x" * 500)
show("1000 and 500 bytes")
client.shutdown(socket.SHUT_WR)
show("closed by the client")
PY
seen=$(timeout 30 unshare --net python3 "$tmp/bytes.py")
expected='no data, client: sent 0 acked 1 received 0
no data, server: sent 0 acked 0 received 0
1000 and 500 bytes, client: sent 1000 acked 1001 received 500
1000 and 500 bytes, server: sent 500 acked 500 received 1000
closed by the client, client: sent 1000 acked 1002 received 500
closed by the client, server: sent 500 acked 500 received 1001'

echo "Linux $(uname -r), iproute2 $version"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: bytes_acked or bytes_received count SYN and FIN otherwise"; exit 1; }
echo "ok: bytes_acked is one more for the SYN of the opener and for a FIN, bytes_received for the peer's FIN"
