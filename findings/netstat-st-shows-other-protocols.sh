#!/usr/bin/env bash
# Guess: netstat -st prints the statistics of TCP, netstat -su those of UDP.
# Really: the letters leave out Ip, Icmp and, of TCP and UDP, the other one. ICMP messages by type, the packets and bytes of
#   IP of all protocols (IpExt) and MPTCP come with both. Where an ICMP message was seen, the first section of -st is not
#   that of TCP.
# Matters: who takes the first section, or InOctets in the output of -st for bytes of TCP, counts pings and DNS. Which
#   sections come depends on what has happened, since those of zeros alone are left out.
# Seen with: Linux 6.18, net-tools 2.10-0.1+deb12u2.
# Source: net-tools, statistics.c, the flags of its tables; UdpLite, IpExt, TcpExt and MPTcpExt.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' net-tools)
[[ $version == 2.10-0.1+deb12u2 ]] || { echo "changed: net-tools is $version, this was seen with 2.10-0.1+deb12u2"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/sections.py" <<'PY'
import re, socket, subprocess

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

def netstat(letters):
    text = subprocess.run(["netstat", letters], capture_output=True, text=True, check=True).stdout
    sections = [line[:-1] for line in text.splitlines() if re.fullmatch(r"\w+:", line)]
    octets = re.search(r"InOctets: (\d+)", text)
    return sections, int(octets[1]) if octets else 0

def said(what, letters):
    sections, octets = netstat(letters)
    unasked = [one for one in ("IcmpMsg", "IpExt") if one in sections]
    print(f"{what}: {letters} begins with {sections[0]}, has {' '.join(unasked) or 'neither'}, {'thousands' if octets > 2000 else 'few'} of bytes")

listener = socket.create_server(("127.0.0.1", 4001))
client = socket.create_connection(("127.0.0.1", 4001))
said("one TCP connection", "-st")
sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(3):
    sender.sendto(bytes(1000), ("127.0.0.1", 4002))
said("and refused UDP", "-st")
said("and refused UDP", "-su")
PY
seen=$(timeout 30 unshare --net python3 "$tmp/sections.py")
expected='one TCP connection: -st begins with Tcp, has IpExt, few of bytes
and refused UDP: -st begins with IcmpMsg, has IcmpMsg IpExt, thousands of bytes
and refused UDP: -su begins with IcmpMsg, has IcmpMsg IpExt, thousands of bytes'

echo "Linux $(uname -r), net-tools $version"
echo "$seen"
[[ $seen == "$expected" ]] || { echo "changed: netstat -st and -su print other sections"; exit 1; }
echo "ok: netstat -st prints ICMP and the bytes of UDP, too, and may begin with ICMP"
