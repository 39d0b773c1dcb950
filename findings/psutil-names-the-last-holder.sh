#!/usr/bin/env bash
# Guess: psutil.net_connections() has one row per holder of a shared socket, or names the process that made it.
# Really: one row per socket, with the holder of the highest PID: of a server with workers, the youngest worker, while
#   net-tools names the first and ss all. Process.net_connections() of each holder lists the socket again.
# Matters: "listening sockets per process" gives a port to a worker and nothing to its master, and to another one after
#   each fork; summing Process.net_connections() over all processes counts a shared listener once per worker.
# Seen with: psutil 7.2.2, net-tools 2.10-0.1+deb12u2, iproute2 6.1.0-3.
# Source: psutil, psutil/_pslinux.py, NetConnections: a dictionary by inode is updated with each PID in turn.
set -euo pipefail
for pinned in iproute2=6.1.0-3 net-tools=2.10-0.1+deb12u2; do
    version=$(dpkg-query -W -f '${Version}' "${pinned%%=*}")
    [[ $version == "${pinned#*=}" ]] || { echo "changed: ${pinned%%=*} is $version, this was seen with ${pinned#*=}"; exit 1; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
timeout 300 python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$tmp/py" \
    psutil==7.2.2

cat >"$tmp/holders.py" <<'PY'
import os, re, signal, socket, subprocess
import psutil

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = socket.socket()
server.bind(("127.0.0.1", 4001))
server.listen(5)
workers = []
for _ in range(3):
    worker = os.fork()
    if worker == 0:
        signal.pause()
    workers.append(worker)
try:
    names = {os.getpid(): "master"} | {pid: f"worker {n}" for n, pid in enumerate(sorted(workers), 1)}
    print("psutil:", [names[row.pid] for row in psutil.net_connections("tcp")])
    print("psutil, summed over processes:", sum(len(psutil.Process(pid).net_connections("tcp")) for pid in names))
    print("net-tools:", [names[int(pid)] for pid in re.findall(r" (\d+)/", run("netstat", "-tlnp"))])
    print("ss:", sorted(names[int(pid)] for pid in re.findall(r"pid=(\d+)", run("ss", "-tlnp"))))
finally:
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
PY
# A PID namespace of its own: PIDs grow from 1, so the order of the holders is known.
seen=$(PYTHONPATH="$tmp/py" timeout 30 unshare --net --pid --fork --kill-child --mount-proc python3 "$tmp/holders.py")
expected="psutil: ['worker 3']
psutil, summed over processes: 4
net-tools: ['master']
ss: ['master', 'worker 1', 'worker 2', 'worker 3']"

echo "psutil 7.2.2, net-tools 2.10-0.1+deb12u2, iproute2 6.1.0-3; one listener, held by a master and three workers"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: a tool names other holders of a shared socket"; exit 1; }
echo "ok: psutil names the holder with the highest PID, net-tools the first, ss all"
