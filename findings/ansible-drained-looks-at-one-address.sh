#!/usr/bin/env bash
# Guess: Ansible's wait_for with port=P and state=drained waits until nobody is connected to port P.
# Really: host is 127.0.0.1 unless given, and only connections whose local address is that host count: what came in at
#   any other address of the machine is not waited for. CLOSE_WAIT, LAST_ACK and CLOSING never count and cannot be
#   asked for: the module refuses these names.
# Matters: a rolling update takes a node with live connections as drained at once, and a service that sits on half
#   closed connections as well. host=0.0.0.0 waits for IPv4 and for v4-mapped connections.
# Seen with: ansible-core 2.19.4, Linux 6.18.
# Source: ansible-core, lib/ansible/modules/wait_for.py, LinuxTCPConnectionInfo, and the module's default values.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
timeout 500 python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$tmp/py" \
    ansible-core==2.19.4

cat >"$tmp/drain.py" <<'PY'
import socket, subprocess, sys

def drained(arguments):
    command = [sys.executable, "-m", "ansible", "adhoc", "localhost", "-i", "localhost,", "-c", "local",
               "-e", f"ansible_python_interpreter={sys.executable}", "-m", "wait_for",
               "-a", f"port={port} state=drained timeout=1 sleep=1 {arguments}"]
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode == 0:
        return "drained"
    return "waits" if "Timeout" in run.stdout else "refused" if "unknown active_connection_state" in run.stdout else run.stdout + run.stderr

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = socket.socket()
server.bind(("0.0.0.0", 0))
server.listen(5)
port = server.getsockname()[1]
client = socket.create_connection(("127.0.0.2", port))
peer, _ = server.accept()
print("connected at 127.0.0.2:", drained(""))
print("connected at 127.0.0.2, host=0.0.0.0:", drained("host=0.0.0.0"))
client.shutdown(socket.SHUT_WR)
print("CLOSE_WAIT at 127.0.0.2, host=0.0.0.0:", drained("host=0.0.0.0"))
print("asked for CLOSE_WAIT:", drained("host=0.0.0.0 active_connection_states=CLOSE_WAIT"))
PY
export ANSIBLE_HOME=$tmp/home ANSIBLE_LOCAL_TEMP=$tmp/local ANSIBLE_REMOTE_TMP=$tmp/remote PYTHONPATH=$tmp/py
export ANSIBLE_NOCOLOR=1
seen=$(timeout 60 unshare --net python3 "$tmp/drain.py")
expected='connected at 127.0.0.2: drained
connected at 127.0.0.2, host=0.0.0.0: waits
CLOSE_WAIT at 127.0.0.2, host=0.0.0.0: drained
asked for CLOSE_WAIT: refused'

echo "ansible-core 2.19.4, Linux $(uname -r)"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: state=drained of wait_for looks at other connections"; exit 1; }
echo "ok: state=drained waits for connections at 127.0.0.1 unless a host is given, and never for CLOSE_WAIT"
