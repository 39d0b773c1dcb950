#!/usr/bin/env bash
# Guess: networkConnections() of systeminformation lists every socket that its helper program prints, unconnected UDP
#   too, and calls a state by one name.
# Really: both helpers are piped through a list of state names, which the rows of unconnected UDP sockets do not have: a
#   UDP server is never listed. With netstat the states are CLOSE_WAIT, LAST_ACK, SYN_RECV; without it they come from ss
#   as CLOSE-WAIT, LAST-ACK, SYN-RECV, and only ESTABLISHED and TIME_WAIT are translated.
# Matters: state === 'CLOSE_WAIT' counts on a host with net-tools and is 0 in an image without it, with no error.
# Seen with: systeminformation 5.33.26, net-tools 2.10-0.1+deb12u2, iproute2 6.1.0-3.
# Source: systeminformation, lib/network.js, networkConnections().
set -euo pipefail
for pinned in iproute2=6.1.0-3 net-tools=2.10-0.1+deb12u2; do
    version=$(dpkg-query -W -f '${Version}' "${pinned%%=*}")
    [[ $version == "${pinned#*=}" ]] || { echo "changed: ${pinned%%=*} is $version, this was seen with ${pinned#*=}"; exit 1; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
timeout 300 npm install --silent --no-audit --no-fund --ignore-scripts --cache "$tmp/cache" --prefix "$tmp/npm" \
    systeminformation@5.33.26 >/dev/null

# The same programs with and without netstat.
mkdir "$tmp/without" "$tmp/with"
for program in sh grep ss cat; do
    ln -s "$(command -v "$program")" "$tmp/without/$program"
done
ln -s "$(command -v netstat)" "$tmp/with/netstat"
node=$(command -v node)

cat >"$tmp/list.js" <<'JS'
const si = require(process.argv[2] + '/node_modules/systeminformation');
si.networkConnections().then((rows) => {
  const seen = rows.filter((row) => row.localPort === '4001' || row.localPort === '5001' || row.peerPort === '5001');
  console.log(seen.map((row) => `${row.protocol}:${row.localPort === '5001' ? 'server' : 'other'}:${row.state}`).sort().join(' '));
});
JS
cat >"$tmp/sockets.py" <<'PY'
import os, socket, subprocess, sys

node, script, prefix, with_netstat, without = sys.argv[1:]
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = socket.socket()
server.bind(("127.0.0.1", 4001))
server.listen(5)
client = socket.create_connection(server.getsockname())
peer, _ = server.accept()
client.shutdown(socket.SHUT_WR)
udp_server = socket.socket(type=socket.SOCK_DGRAM)
udp_server.bind(("127.0.0.1", 5001))
udp_client = socket.socket(type=socket.SOCK_DGRAM)
udp_client.connect(udp_server.getsockname())
for name, path in (("with netstat", with_netstat + ":" + without), ("without", without)):
    run = subprocess.run([node, script, prefix], env={**os.environ, "PATH": path}, capture_output=True, text=True)
    print(f"{name}: {run.stdout.strip()}{run.stderr}")
PY
seen=$(timeout 60 unshare --net python3 "$tmp/sockets.py" "$node" "$tmp/list.js" "$tmp/npm" "$tmp/with" "$tmp/without")
expected='with netstat: tcp:other:CLOSE_WAIT tcp:other:LISTEN udp:other:ESTABLISHED
without: tcp:other:CLOSE-WAIT tcp:other:LISTEN udp:other:ESTABLISHED'

echo "systeminformation 5.33.26, net-tools 2.10-0.1+deb12u2, iproute2 6.1.0-3"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: the names of states, or the UDP rows, are others"; exit 1; }
echo "ok: CLOSE_WAIT is CLOSE-WAIT without netstat, and the UDP server at 5001 is in neither list"
