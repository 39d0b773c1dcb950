#!/usr/bin/env bash
# Guess: testinfra's host.socket("tcp://ADDRESS:PORT").clients lists who is connected to that address and port.
# Really: with ss it compares ADDRESS with the client's address. A client from another address is not listed, and one
#   that comes from ADDRESS is, whatever address of this machine it connected to. For IPv6 it finds nobody, since the
#   client's address keeps its brackets. Only tcp://PORT, 0.0.0.0 and :: work, and 0.0.0.0 skips v4-mapped clients.
# Matters: a test that a listener has no clients, or n clients, passes or fails by where the clients are.
# Seen with: pytest-testinfra 10.2.2, iproute2 6.1.0-3.
# Source: pytest-testinfra, testinfra/modules/socket.py, Socket.clients and LinuxSocketSS._iter_sockets.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' iproute2)
[[ $version == 6.1.0-3 ]] || { echo "changed: iproute2 is $version, this was seen with 6.1.0-3"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
timeout 300 python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$tmp/py" \
    pytest-testinfra==10.2.2

cat >"$tmp/clients.py" <<'PY'
import socket, subprocess
import testinfra

def listener(family, address, port):
    made = socket.socket(family)
    made.bind((address, port))
    made.listen(5)
    return made

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
kept = [listener(socket.AF_INET, "0.0.0.0", 4001), listener(socket.AF_INET6, "::1", 4002),
        listener(socket.AF_INET6, "::", 4003)]
kept += [socket.create_connection(("127.0.0.2", 4001), source_address=("127.0.0.3", 0)),
         socket.create_connection(("::1", 4002)), socket.create_connection(("127.0.0.2", 4003))]
host = testinfra.get_host("local://")
for name in ("tcp://4001", "tcp://127.0.0.2:4001", "tcp://127.0.0.3:4001", "tcp://4002", "tcp://::1:4002",
             "tcp://4003", "tcp://0.0.0.0:4003"):
    print(name, len(host.socket(name).clients))
PY
seen=$(PYTHONPATH="$tmp/py" timeout 60 unshare --net python3 "$tmp/clients.py")
expected='tcp://4001 1
tcp://127.0.0.2:4001 0
tcp://127.0.0.3:4001 1
tcp://4002 1
tcp://::1:4002 0
tcp://4003 1
tcp://0.0.0.0:4003 0'

echo "pytest-testinfra 10.2.2, iproute2 $version; one client each, of 4001 from 127.0.0.3 at 127.0.0.2"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: clients compares another address"; exit 1; }
echo "ok: clients of tcp://ADDRESS:PORT are those whose own address is ADDRESS"
