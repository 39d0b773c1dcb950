#!/usr/bin/env bash
# Guess: in a file made by conntrack -L >FILE 2>&1 the closing line, "N flow entries have been shown", is the last one.
# Really: not if there are rows. They leave in blocks of 4096 bytes, the total at once and before the last block. It is
#   the first line if the list is shorter than a block; else it stands within the row at the last edge of a block, whose
#   parts become two lines. The same holds for a pipe: conntrack -L 2>&1 | cat.
# Matters: of a longer list one flow has no whole row, so a pattern finds one less; head -n -1 removes a flow, not the
#   total; and a list that was cut off cannot be told by a missing last line.
# Seen with: Linux 6.18, conntrack 1.4.7.
# Source: conntrack-tools, src/conntrack.c, print_stats(), which main() calls before standard output is flushed.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' conntrack)
[[ $version == 1:1.4.7-1+b2 ]] || { echo "changed: conntrack is $version, this was seen with 1:1.4.7-1+b2"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/totals.py" <<'PY'
import re, socket, subprocess, sys

def run(command):
    return subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout

def show(flows, how, text):
    lines = text.splitlines()
    place = next(number for number, line in enumerate(lines) if "have been shown" in line)
    whole = sum(re.fullmatch(r"udp .* use=1", line) is not None for line in lines)
    at = text.index("conntrack v")
    where = "first" if place == 0 else "last" if place == len(lines) - 1 else "between"
    print(f"{flows} flows, {how}: total is {where}, at byte {at}, whole rows {whole}")
    if at:
        print(f"  {lines[place]}\n  {lines[place + 1]}")

run("ip link set lo up")
# Flows are tracked in a new namespace only if a rule looks at them.
run("nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c ct state new'")
# Their order is that of a hash table with a random seed; with fixed ports all rows have one length.
client = socket.socket(type=socket.SOCK_DGRAM)
client.bind(("127.0.0.1", 40001))
for first, last in ((2000, 2010), (2010, 2100)):
    for port in range(first, last):
        client.sendto(b"x", ("127.0.0.1", port))
    run(f"conntrack -L -p udp >{sys.argv[1]} 2>&1")
    with open(sys.argv[1]) as saved:
        show(last - 2000, "file", saved.read())
    show(last - 2000, "pipe", run("conntrack -L -p udp 2>&1 | cat"))
PY
seen=$(timeout 30 unshare --net python3 "$tmp/totals.py" "$tmp/saved")
expected='10 flows, file: total is first, at byte 0, whole rows 10
10 flows, pipe: total is first, at byte 0, whole rows 10
100 flows, file: total is between, at byte 12288, whole rows 99
100 flows, pipe: total is between, at byte 12288, whole rows 99'

echo "Linux $(uname -r), conntrack $version"
echo "$seen"
[[ $(grep -v '^  ' <<<"$seen") == "$expected" ]] || { echo "changed: the total of a list stands elsewhere"; exit 1; }
echo "ok: the total is the first line of a short list, and splits a row of a longer one"
