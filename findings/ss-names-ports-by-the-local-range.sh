#!/usr/bin/env bash
# Guess: without -n, ss prints the service name of every port that /etc/services names, as netstat does.
# Really: ss first reads net.ipv4.ip_local_port_range, and never looks up a port inside that range. The setting belongs
#   to the network namespace. Filters do accept the name still: sport = :mysql finds a row that shows 3306.
# Matters: on busy hosts the range is often widened to 1024-65535. From then on ss -t | grep :mysql counts nothing, in
#   this namespace only, and the same command in a container still prints names.
# Seen with: iproute2 6.1.0-3, net-tools 2.10-0.1+deb12u2, netbase 6.4.
# Source: iproute2, misc/ss.c, resolve_service() and what it calls.
set -euo pipefail
for pinned in iproute2=6.1.0-3 net-tools=2.10-0.1+deb12u2; do
    version=$(dpkg-query -W -f '${Version}' "${pinned%%=*}")
    [[ $version == "${pinned#*=}" ]] || { echo "changed: ${pinned%%=*} is $version, this was seen with ${pinned#*=}"; exit 1; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
timeout 300 apt-get download -q -o APT::Sandbox::User=root netbase=6.4 >/dev/null
dpkg -x netbase_*.deb netbase

cat >names.py <<'PY'
import socket, subprocess, sys

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

subprocess.run(["mount", "--bind", "netbase/etc/services", "/etc/services"], check=True)
server = socket.socket()
server.bind(("0.0.0.0", 3306))
server.listen(5)
for low in ("32768", "1024"):
    with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as setting:
        setting.write(f"{low} 60999")
    ss, netstat = run("ss", "-tlH")[0].split()[3], run("netstat", "-tl")[2].split()[3]
    filtered = run("ss", "-tlH", "sport", "=", ":mysql")[0].split()[3]
    print(f"range from {low}: ss {ss}, ss filtered by :mysql {filtered}, netstat {netstat}")
PY
seen=$(timeout 30 unshare --net --mount python3 names.py)
expected='range from 32768: ss 0.0.0.0:mysql, ss filtered by :mysql 0.0.0.0:mysql, netstat 0.0.0.0:mysql
range from 1024: ss 0.0.0.0:3306, ss filtered by :mysql 0.0.0.0:3306, netstat 0.0.0.0:mysql'

echo "iproute2 6.1.0-3, net-tools 2.10-0.1+deb12u2"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: whether ss prints a service name no longer depends on the local port range"; exit 1; }
echo "ok: ss prints no name for a port inside ip_local_port_range, though its filter knows the name"
