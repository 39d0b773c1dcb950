#!/usr/bin/env bash
# Guess: sockets of programs that ping without privileges (datagram sockets for ICMP) are among RAW of sockstat and in
#   ss -a, ss -w or netstat -a.
# Really: they are in "sockets: used" alone. sockstat has no line for them, and ss, net-tools and psutil list raw sockets
#   at most, psutil not even these. They are in /proc/net/icmp, in PING of /proc/net/protocols, and in lsof.
# Matters: "used" minus the lines of sockstat is not other families' sockets only, and a leak of ping sockets in a
#   monitoring agent shows in no list of connections.
# Seen with: Linux 6.18, iproute2 6.1.0-3, net-tools 2.10-0.1+deb12u2, psutil 7.2.2.
# Source: Linux, net/ipv4/ping.c, its own table and seq_file; net/ipv4/proc.c, sockstat_seq_show().
set -euo pipefail
for pinned in iproute2=6.1.0-3 net-tools=2.10-0.1+deb12u2; do
    version=$(dpkg-query -W -f '${Version}' "${pinned%%=*}")
    [[ $version == "${pinned#*=}" ]] || { echo "changed: ${pinned%%=*} is $version, this was seen with ${pinned#*=}"; exit 1; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
timeout 300 python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target "$tmp/py" \
    psutil==7.2.2

cat >"$tmp/pings.py" <<'PY'
import socket, subprocess
import psutil

def lines(*command):
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line.split() for line in text.splitlines()]

def numbers(path):
    with open(path) as table:
        return [line.split() for line in table]

def show(what):
    sockstat = {line[0]: line[2] for line in numbers("/proc/net/sockstat")}
    protocols = {line[0]: line[2] for line in numbers("/proc/net/protocols")}
    print(f"{what}: used {sockstat['sockets:']}, RAW {sockstat['RAW:']}, PING {protocols['PING']},",
          f"ss {sum(line[0] != 'nl' for line in lines('ss', '-aH'))},",
          f"net-tools {sum(line[0] == 'raw' for line in lines('netstat', '-an'))},",
          f"psutil {len(psutil.net_connections('all'))}")

with open("/proc/sys/net/ipv4/ping_group_range", "w") as setting:
    setting.write("0 2147483647")
show("no socket")
pings = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP) for _ in range(3)]
for ping in pings:
    ping.bind(("0.0.0.0", 0))
show("3 for ping")
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
show("and a raw one")
PY
seen=$(PYTHONPATH="$tmp/py" timeout 30 unshare --net python3 "$tmp/pings.py")
expected='no socket: used 0, RAW 0, PING 0, ss 0, net-tools 0, psutil 0
3 for ping: used 3, RAW 0, PING 3, ss 0, net-tools 0, psutil 0
and a raw one: used 4, RAW 1, PING 3, ss 1, net-tools 1, psutil 0'

echo "Linux $(uname -r), iproute2 6.1.0-3, net-tools 2.10-0.1+deb12u2, psutil 7.2.2"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: sockets for ping are counted or listed elsewhere"; exit 1; }
echo "ok: sockets for ping are in 'used', and in no line of sockstat, ss, net-tools or psutil"
