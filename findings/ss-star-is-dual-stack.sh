#!/usr/bin/env bash
# Guess: ss prints a listener at the IPv6 wildcard as [::]:PORT, as netstat does.
# Really: that is the form of one that takes IPv6 alone. One that takes IPv4 as well, the usual kind, is printed as
#   *:PORT, and its peer as *:*. Netlink tells the two apart, /proc/net/tcp6 does not: where ss must read that file,
#   both are *:PORT.
# Matters: a search for [::]:443 misses the dual-stack listener, and one for 0.0.0.0:443 too; a parser that takes * for
#   the wildcard of IPv4 counts it in the wrong family. The text of one socket depends on the source that ss could use.
# Seen with: iproute2 6.1.0-3, net-tools 2.10-0.1+deb12u2.
# Source: iproute2, misc/ss.c, inet_addr_print() and where it gets v6only: the attribute INET_DIAG_SKV6ONLY.
set -euo pipefail
for pinned in iproute2=6.1.0-3 net-tools=2.10-0.1+deb12u2; do
    version=$(dpkg-query -W -f '${Version}' "${pinned%%=*}")
    [[ $version == "${pinned#*=}" ]] || { echo "changed: ${pinned%%=*} is $version, this was seen with ${pinned#*=}"; exit 1; }
done
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/wildcards.py" <<'PY'
import os, socket, subprocess, sys

def addresses(column, *command, **environment):
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, **environment})
    rows = [line.split() for line in run.stdout.splitlines()]
    return " ".join(sorted(row[column] for row in rows if row[-1].endswith("*") or "LISTEN" in row))

kept = []
for port, only in ((4001, 0), (4002, 1)):
    kept.append(socket.socket(socket.AF_INET6))
    kept[-1].setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, only)
    kept[-1].bind(("::", port))
    kept[-1].listen(5)
saved = {}
for name in ("tcp", "tcp6"):
    saved[f"PROC_NET_{name.upper()}"] = path = os.path.join(sys.argv[1], name)
    with open(f"/proc/net/{name}") as table, open(path, "w") as copy:
        copy.write(table.read())
print("ss by netlink:", addresses(3, "ss", "-tlnH"))
print("ss by files:", addresses(3, "ss", "-tlnH", **saved))
print("net-tools:", addresses(3, "netstat", "-tln"))
PY
seen=$(timeout 30 unshare --net python3 "$tmp/wildcards.py" "$tmp")
expected='ss by netlink: *:4001 [::]:4002
ss by files: *:4001 *:4002
net-tools: :::4001 :::4002'

echo "iproute2 6.1.0-3, net-tools 2.10-0.1+deb12u2; 4001 takes both families, 4002 IPv6 only"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: the wildcards are printed otherwise"; exit 1; }
echo "ok: ss prints a dual-stack listener as *:PORT, and from files every IPv6 one"
