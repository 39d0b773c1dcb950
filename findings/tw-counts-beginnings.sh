#!/usr/bin/env bash
# Guess: TcpExtTW grows when a connection enters TIME_WAIT, or when it leaves it, as netstat -s words it; FIN_WAIT2 is
#   not in it, and TcpExtTWKilled counts waits that were ended early.
# Really: each grows when the kernel replaces a closed socket by its small stand-in: TW if the stand-in may live longer
#   than 4 seconds, TWKilled if not. A closed socket in FIN_WAIT2 is such a stand-in too and counts then; reaching
#   TIME_WAIT later adds nothing. With tcp_fin_timeout of 4 or less it counts as killed while it lives.
# Matters: TW is the rate at which connections begin to wait, FIN_WAIT2 included, and cannot be compared with TIME_WAIT
#   rows; an alert on TWKilled fires for hosts with a short tcp_fin_timeout.
# Seen with: Linux 6.18, iproute2 6.1.0-3.
# Source: Linux, net/ipv4/inet_timewait_sock.c, __inet_twsk_schedule(); the words are net-tools' statistics.c.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' iproute2)
[[ $version == 6.1.0-3 ]] || { echo "changed: iproute2 is $version, this was seen with 6.1.0-3"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/waits.py" <<'PY'
import socket, subprocess, time

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()

def show(what):
    time.sleep(0.1)
    counters = dict(line.split()[:2] for line in run("nstat", "-asz", "TcpExtTW", "TcpExtTWKilled")[1:])
    rows = {name: len(run("ss", "-tanH", "state", name)) for name in ("fin-wait-2", "time-wait")}
    print(f"{what}: TW {counters['TcpExtTW']}, TWKilled {counters['TcpExtTWKilled']}, "
          f"rows FIN_WAIT2 {rows['fin-wait-2']}, TIME_WAIT {rows['time-wait']}")

def closed_by_the_client(number):
    kept = []
    for _ in range(number):
        client = socket.create_connection(server.getsockname())
        kept.append(server.accept()[0])
        client.close()
    return kept

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = socket.socket()
server.bind(("127.0.0.1", 0))
server.listen(5)
peers = closed_by_the_client(3)
show("3 closed by one side")
for peer in peers:
    peer.close()
show("then by the other")
with open("/proc/sys/net/ipv4/tcp_fin_timeout", "w") as setting:
    setting.write("4")
peers = closed_by_the_client(2)
show("2 more, by one side")
PY
seen=$(NSTAT_HISTORY="$tmp/history" timeout 30 unshare --net python3 "$tmp/waits.py")
expected='3 closed by one side: TW 3, TWKilled 0, rows FIN_WAIT2 3, TIME_WAIT 0
then by the other: TW 3, TWKilled 0, rows FIN_WAIT2 0, TIME_WAIT 3
2 more, by one side: TW 3, TWKilled 2, rows FIN_WAIT2 2, TIME_WAIT 3'

echo "Linux $(uname -r), iproute2 $version"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: TcpExtTW or TWKilled count something else"; exit 1; }
echo "ok: TW and TWKilled count the beginning of a wait, FIN_WAIT2 of closed sockets included"
