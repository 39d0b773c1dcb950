#!/usr/bin/env bash
# Guess: iptstate shows the id of a ping as conntrack -L and tcpdump do, and its totals count the flows that it shows.
# Really: the two bytes of the id are swapped on a little-endian machine, so 4660 (0x1234) reads 13330 (0x3412). The
#   totals in the second line are those of the whole table, whatever the filters: the rows shown are Total minus
#   Filtered, and per protocol nothing says how many.
# Matters: a ping cannot be found by its id, and "TCP: n" of a filtered run is not the filtered count.
# Seen with: iptstate 2.2.7-0.1, conntrack 1.4.7, Linux 6.18 on x86-64.
# Source: iptstate, iptstate.cc: the id of libnetfilter_conntrack is in network byte order and printed as it is.
set -euo pipefail
version=$(dpkg-query -W -f '${Version}' conntrack)
[[ $version == 1:1.4.7-1+b2 ]] || { echo "changed: conntrack is $version, this was seen with 1:1.4.7-1+b2"; exit 1; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$tmp"
timeout 300 apt-get download -q -o APT::Sandbox::User=root iptstate=2.2.7-0.1 >/dev/null
dpkg -x iptstate_*.deb iptstate

cat >flows.sh <<'SH'
set -euo pipefail
flow() { conntrack -I -s 192.0.2.1 -d "$1" -t 90 "${@:2}" >/dev/null 2>&1; }
flow 192.0.2.9 -p icmp --icmp-type 8 --icmp-code 0 --icmp-id 4660
flow 192.0.2.9 -p tcp --sport 1 --dport 80 --state ESTABLISHED
flow 192.0.2.8 -p tcp --sport 2 --dport 80 --state ESTABLISHED
flow 192.0.2.8 -p udp --sport 3 --dport 53
conntrack -L -p icmp 2>/dev/null | grep -o ' id=[0-9]*' | head -n 1 | sed 's/^/conntrack:/'
# iptstate asks for a terminal.
script -qec 'stty rows 40 cols 140; iptstate/usr/sbin/iptstate --single --totals --dst-filter 192.0.2.9' /dev/null </dev/null >output
tr -d '\r' <output | grep -oE '^Total States.*|8/0 \([0-9]+\)|ESTABLISHED' | sed 's/^/iptstate: /'
SH
seen=$(TERM=xterm timeout 30 unshare --net bash flows.sh)
expected='conntrack: id=4660
iptstate: Total States: 4 -- TCP: 2 UDP: 1 ICMP: 1 Other: 0 (Filtered: 2)
iptstate: ESTABLISHED
iptstate: 8/0 (13330)'

echo "iptstate 2.2.7-0.1, conntrack $version; four flows, shown: the two to 192.0.2.9"
echo "$seen"
[[ $(sort <<<"$seen") == "$(sort <<<"$expected")" ]] || { echo "changed: iptstate prints another id or other totals"; exit 1; }
echo "ok: iptstate prints id 4660 as 13330, and totals of all flows beside two filtered rows"
