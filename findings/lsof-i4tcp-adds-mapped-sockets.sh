#!/usr/bin/env bash
# Guess: lsof -i4TCP lists the TCP rows of lsof -i4, and -i6TCP those of -i6.
# Really: alone, -i4 and -i6 go by the family of the socket, the TYPE column: a v4-mapped socket is in -i6. With a
#   protocol or a port after the digit they go by the address: the same socket is in -i4TCP and in -i4:PORT, and no
#   longer in -i6TCP, though its TYPE still says IPv6.
# Matters: lsof -i4TCP counts more than lsof -i4. A dual-stack server's listener and its IPv4 connections are in one
#   selection or in two, and ss -4 and netstat -4 never count v4-mapped sockets.
# Seen with: lsof 4.95.0-1, iproute2 6.1.0-3.
# Source: lsof, arg.c, enter_network_address(), and dialects/linux/dsock.c, where v4-mapped addresses become AF_INET.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' iproute2)
[[ $version == 6.1.0-3 ]] || { echo "changed: iproute2 is $version, this was seen with 6.1.0-3"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
timeout 300 apt-get download -q -o APT::Sandbox::User=root lsof=4.95.0-1 >/dev/null
dpkg -x lsof_*.deb lsof

cat >mapped.py <<'PY'
import socket, subprocess

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
server = socket.socket(socket.AF_INET6)
server.bind(("::", 4001))
server.listen(5)
client = socket.socket()
client.bind(("127.0.0.1", 4002))
client.connect(("127.0.0.1", 4001))
peer, _ = server.accept()
name = {"*:4001": "listener", "127.0.0.1:4002->127.0.0.1:4001": "client", "127.0.0.1:4001->127.0.0.1:4002": "mapped"}
for option in ("-i4", "-i4TCP", "-i4:4001", "-i6", "-i6TCP", "-i6:4001"):
    text = subprocess.run(["lsof/usr/bin/lsof", "-nPw", option], capture_output=True, text=True).stdout
    rows = [line.split() for line in text.splitlines()[1:]]
    print(f"lsof {option}:", *(f"{name[row[8]]} ({row[4]})" for row in rows))
for option in ("-4", "-6"):
    text = subprocess.run(["ss", option, "-tanH"], capture_output=True, text=True, check=True).stdout
    print(f"ss {option}:", len(text.splitlines()))
PY
seen=$(timeout 60 unshare --net python3 mapped.py)
expected='lsof -i4: client (IPv4)
lsof -i4TCP: client (IPv4) mapped (IPv6)
lsof -i4:4001: client (IPv4) mapped (IPv6)
lsof -i6: listener (IPv6) mapped (IPv6)
lsof -i6TCP: listener (IPv6)
lsof -i6:4001: listener (IPv6)
ss -4: 1
ss -6: 2'

echo "lsof 4.95.0-1, iproute2 $version"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: the selections of lsof -i4 and -i6 are others"; exit 1; }
echo "ok: a v4-mapped connection is in lsof -i6 and -i4TCP, and not in -i4 or -i6TCP"
