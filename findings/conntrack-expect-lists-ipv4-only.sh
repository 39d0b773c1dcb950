#!/usr/bin/env bash
# Guess: conntrack -L expect lists what conntrack -L lists, since 1.4.7 both families.
# Really: only flows got both families. Without -f, -L expect and its closing total are of IPv4 alone, and so is
#   -C expect, which refuses -f. conntrack -E expect shows both, so the events and the list of one host differ.
# Matters: an IPv6 session of FTP or SIP whose second connection does not come through seems to have no expectation at
#   all, and the number of expectations, which the kernel limits per helper and in all, is too low.
# Seen with: Linux 6.18, conntrack 1.4.7.
# Source: conntrack-tools, src/conntrack.c, do_parse(): the list of commands that have no default family.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' conntrack)
[[ $version == 1:1.4.7-1+b2 ]] || { echo "changed: conntrack is $version, this was seen with 1:1.4.7-1+b2"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/expected.py" <<'PY'
import socket, subprocess, sys, time

def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True)

def families(text):
    # Over loopback the helper sees each line twice, so the events come again.
    rows = {line[line.index("src="):] for line in text.splitlines() if "src=" in line}
    return f"IPv4 {sum('src=127.' in row for row in rows)}, IPv6 {sum('src=::1 ' in row for row in rows)}"

def passive(family, address, request, answer):
    """The part of an FTP session that announces a second connection."""
    server = socket.create_server((address, 21), family=family)
    client = socket.create_connection((address, 21))
    peer, _ = server.accept()
    for here, there, line in ((peer, client, "220 Ready"), (client, peer, request), (peer, client, answer)):
        here.send(line.encode() + b"\r\n")
        there.recv(100)
    return server, client, peer

run("ip", "link", "set", "lo", "up")
run("nft", 'add table inet t; add ct helper inet t ftp { type "ftp" protocol tcp; }; '
           "add chain inet t c { type filter hook output priority 0; }; "
           'add rule inet t c tcp dport 21 ct helper set "ftp"')
with open(sys.argv[1], "w") as events:
    watcher = subprocess.Popen(["conntrack", "-E", "expect"], stdout=events, stderr=subprocess.DEVNULL)
    time.sleep(1)
    sessions = [passive(socket.AF_INET, "127.0.0.1", "PASV", "227 Entering Passive Mode (127,0,0,1,200,10)"),
                passive(socket.AF_INET6, "::1", "EPSV", "229 Entering Extended Passive Mode (|||50000|)")]
    time.sleep(1)
    watcher.terminate()
    watcher.wait()
print("conntrack -L:", families(run("conntrack", "-L").stdout))
for words in ([], ["-f", "ipv6"]):
    listed = run("conntrack", "-L", "expect", *words)
    said = listed.stderr.split(": ")[1].strip()
    print(" ".join(["conntrack -L expect", *words]) + ":", families(listed.stdout) + ";", said)
print("conntrack -C expect:", run("conntrack", "-C", "expect").stdout.strip())
with open(sys.argv[1]) as events:
    print("conntrack -E expect:", families(events.read()))
PY
seen=$(timeout 30 unshare --net --pid --fork --kill-child --mount-proc python3 "$tmp/expected.py" "$tmp/events")
expected='conntrack -L: IPv4 1, IPv6 1
conntrack -L expect: IPv4 1, IPv6 0; 1 expectations have been shown.
conntrack -L expect -f ipv6: IPv4 0, IPv6 1; 1 expectations have been shown.
conntrack -C expect: 1
conntrack -E expect: IPv4 1, IPv6 1'

echo "Linux $(uname -r), conntrack $version; an FTP session of each family, each expects one connection"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: conntrack -L expect or -C expect take other families"; exit 1; }
echo "ok: conntrack -L lists both families, -L expect and -C expect IPv4 alone"
