#!/usr/bin/env bash
# Guess: insert of conntrack -S (and node_nf_conntrack_stat_insert) counts flows that enter the table, found the packets
#   that belong to a known flow.
# Really: neither grows with traffic any more. insert counts entries that programs put in by hand, such as conntrack -I
#   or a replicating conntrackd; found counts hits when NAT looks for a free tuple. new and delete are always 0.
# Matters: a rate of new flows drawn from insert is 0 on current kernels. Events tell.
# Seen with: Linux 6.18, conntrack 1.4.7, prometheus-node-exporter 1.5.0.
# Source: Linux, net/netfilter/nf_conntrack_core.c: __nf_conntrack_confirm() counts nothing on success,
#   nf_conntrack_hash_check_insert() does; found is in nf_conntrack_tuple_taken().
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' conntrack)
[[ $version == 1:1.4.7-1+b2 ]] || { echo "changed: conntrack is $version, this was seen with 1:1.4.7-1+b2"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
timeout 300 apt-get download -q -o APT::Sandbox::User=root prometheus-node-exporter=1.5.0-1+b6 >/dev/null
dpkg -x prometheus-node-exporter_*.deb exporter

cat >flows.py <<'PY'
import re, socket, subprocess, time, urllib.request

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout

def show(what):
    statistics = run("conntrack", "-S")
    total = {name: sum(int(n) for n in re.findall(rf"\b{name}=(\d+)", statistics)) for name in ("insert", "found")}
    text = urllib.request.urlopen("http://127.0.0.1:9100/metrics", timeout=5).read().decode()
    scraped = re.search(r"^node_nf_conntrack_stat_insert (\d+)", text, re.M)[1]
    flows = len(run("conntrack", "-L", "-p", "tcp", "--dport", "4001").splitlines())
    print(f"{what}: flows {flows}, insert {total['insert']}, found {total['found']}, scraped insert {scraped}")

run("ip", "link", "set", "lo", "up")
# Flows are tracked in a new namespace only if a rule looks at them.
run("nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c ct state new")
exporter = subprocess.Popen(["exporter/usr/bin/prometheus-node-exporter", "--collector.disable-defaults",
                             "--collector.conntrack", "--web.listen-address=127.0.0.1:9100", "--log.level=error"])
try:
    time.sleep(2)
    server = socket.socket()
    server.bind(("127.0.0.1", 4001))
    server.listen(100)
    clients = [socket.create_connection(server.getsockname()) for _ in range(50)]
    for client in clients:
        client.send(b"x")
    show("50 connections")
    run("conntrack", "-I", "-p", "tcp", "-s", "192.0.2.1", "-d", "192.0.2.2", "--sport", "1", "--dport", "4001",
        "--state", "ESTABLISHED", "-t", "90")
    show("and one entry by conntrack -I")
finally:
    exporter.kill()
PY
seen=$(timeout 60 unshare --net --pid --fork --kill-child --mount-proc python3 flows.py)
expected='50 connections: flows 50, insert 0, found 0, scraped insert 0
and one entry by conntrack -I: flows 51, insert 1, found 0, scraped insert 1'

echo "Linux $(uname -r), conntrack $version, prometheus-node-exporter 1.5.0-1+b6"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: insert or found count other things"; exit 1; }
echo "ok: 50 flows of packets leave insert and found at 0; an entry made by hand counts"
