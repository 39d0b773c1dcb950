#!/usr/bin/env bash
# Guess: --path.procfs=/host/proc makes node_exporter in a container report the host's sockets.
# Really: net in that folder is a link to self/net, and self is the reader: sockstat and netstat report the container.
#   With --path.procfs=/host/proc/1 these two do report the host, and tcpstat, which asks netlink and no file, the
#   container still: one scrape with numbers of two namespaces and nothing that tells them apart.
# Matters: socket counts of hosts are those of the exporter's own container unless it shares the host's network, and
#   node_tcp_connection_states never follows a path.
# Seen with: prometheus-node-exporter 1.5.0-1+b6, Linux 6.18.
# Source: node_exporter, collector/paths.go, sockstat_linux.go, tcpstat_linux.go; Linux, fs/proc/proc_net.c.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
timeout 300 apt-get download -q -o APT::Sandbox::User=root prometheus-node-exporter=1.5.0-1+b6 >/dev/null
dpkg -x prometheus-node-exporter_*.deb exporter

cat >container.py <<'PY'
import re, socket, subprocess, time, urllib.request

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
for path in ("/proc", "host", "host/1"):
    exporter = subprocess.Popen(["exporter/usr/bin/prometheus-node-exporter", "--collector.disable-defaults",
        "--collector.sockstat", "--collector.tcpstat", f"--path.procfs={path}",
        "--web.listen-address=127.0.0.1:9100", "--log.level=error"])
    try:
        time.sleep(2)
        text = urllib.request.urlopen("http://127.0.0.1:9100/metrics", timeout=5).read().decode()
    finally:
        exporter.kill()
        exporter.wait()
    value = lambda name: re.search(rf"^{re.escape(name)} (\d+)", text, re.M)[1]
    used = int(value("node_sockstat_UDP_inuse"))
    print(f"{path}: UDP sockets {used}, listening TCP sockets", value('node_tcp_connection_states{state="listen"}'))
PY
cat >machine.py <<'PY'
import os, socket, subprocess, sys

# The host: 7 UDP sockets, 4 listeners. The container: no UDP socket, and the listener of the exporter.
kept = []
for _ in range(7):
    kept.append(socket.socket(type=socket.SOCK_DGRAM))
    kept[-1].bind(("0.0.0.0", 0))
for _ in range(4):
    kept.append(socket.socket())
    kept[-1].bind(("0.0.0.0", 0))
    kept[-1].listen(1)
os.mkdir("host")
subprocess.run(["mount", "--bind", "/proc", "host"], check=True)
subprocess.run(["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, "container.py"],
               check=True)
PY
seen=$(timeout 60 unshare --net --mount --pid --fork --kill-child --mount-proc python3 machine.py)
expected='/proc: UDP sockets 0, listening TCP sockets 1
host: UDP sockets 0, listening TCP sockets 1
host/1: UDP sockets 7, listening TCP sockets 1'

echo "prometheus-node-exporter 1.5.0-1+b6, Linux $(uname -r); the host has 7 UDP sockets and 4 listeners"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: --path.procfs now decides more, or less"; exit 1; }
echo "ok: the host's /proc gives the container's numbers; with /proc/1 of the host, sockstat is the host's and tcpstat is not"
